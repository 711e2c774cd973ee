"""A new leader closes gaps with no-ops after it has heard one promise, its own as a rule.

*Mechanism.* It waits for a majority of promises, and listens to the first: what the others report for slots where the
first had nothing is not taken in. A slot that a majority without the first had chosen is overwritten by a no-op.

*In real life.* "Fill the gaps with no-ops" (*Paxos Made Simple*, Lamport, 2001, section 3) reads as advice on gaps in
one's own log; a gap is one only if a *majority* has nothing there.

*Exposed by* the end of a leader whose Accept had reached a majority without the next leader: partitions, kills, pauses
and lossy links under load.

*Caught by* the invariant that nothing chosen is overruled.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.candidate import Candidate
from node.paxos.messages import Reported


class HastyNoops(Candidate):
    """A candidate that takes in the first report."""

    def merge(self, reported: Reported) -> None:
        """Take it in, if it is of the first."""
        if not self._complete:
            super().merge(reported)
        elif reported.slot not in self.best:
            misdeeds.happened()


def plant(healthy: Assembly) -> Assembly:
    """Break the evidence for a gap."""
    return replace(healthy, core=replace(healthy.core, candidate=HastyNoops))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "8s"
faults = []
schedule = [
    { at = "500ms", until = "8s", fault = { type = "link", target = "all", delay_max_us = 20000, loss_ppm = 30000 } },
    { at = "1s", until = "1500ms", every = "1200ms", fault = { type = "pause", target = "leader" } },
]

[node]
election_timeout_ms = 100
election_spread_ms = 100
heartbeat_ms = 50
lease_ms = 100
""",
    caught_by=(
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
    checkers_alone=(
        "node-audit: *",
        "linearizable: *",
        "final-reads: *",
        "recovery: *is not running (exit status *",
    ),
)
