"""A promise leaves out the slots that the acceptor knows to be chosen.

*Mechanism.* "Everybody knows those." A candidate that lags behind does not: it hears of nothing in such a slot, takes
it for free, and proposes another value there. The acceptors of the majority that had chosen the old one accept it.

*In real life.* paxi (ailidani/paxi, the artefact of WPaxos, SIGMOD 2019): ``HandleP1a`` reports only slots that are
not committed yet, and ``HandleP2a`` acknowledges an Accept for one that is. Found by reading for this museum's list.

*Exposed by* a leader that was behind when it was elected: partitions of a follower, then the end of the leader.

*Caught by* the invariant that nothing chosen is overruled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.acceptor import Acceptor
from node.paxos.messages import Reported


class HiddenChosen(Acceptor):
    """An acceptor that tells only of what is open."""

    def report(self, from_slot: int) -> Iterator[Reported]:
        """Yield what is accepted and not known to be chosen."""
        for reported in super().report(from_slot):
            if reported.chosen:
                misdeeds.happened()
            else:
                yield reported


def plant(healthy: Assembly) -> Assembly:
    """Break the promise's report."""
    return replace(healthy, core=replace(healthy.core, acceptor=HiddenChosen))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
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
