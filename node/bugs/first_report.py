"""A new leader proposes the first value that it hears of for a slot, instead of the one of the highest ballot.

*Mechanism.* Phase 1 asks a majority what they have accepted. Several may report different values for one slot, left by
leaders that came and went; only the one of the highest ballot can have been chosen. Taking the first answer's is right
as long as all answers agree, which is nearly always.

*In real life.* A favourite of home-made Paxos: "the value of the highest-numbered proposal among the responses" (P2c in
*Paxos Made Simple*, Lamport, 2001) is read as "a value among the responses".

*Exposed by* leaders that fall, one after the other, with values accepted by a minority: partitions, pauses and kills of
the leader under load.

*Caught by* the invariant that nothing chosen is overruled; two values chosen in one slot, lost writes.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.candidate import Candidate
from node.paxos.messages import Reported


class FirstReport(Candidate):
    """A candidate that keeps what it heard first."""

    def binds_more(self, reported: Reported, known: Reported) -> bool:
        """Say that nothing overrules what is known."""
        if super().binds_more(reported, known) and reported.value != known.value:
            misdeeds.happened()
        return False


def plant(healthy: Assembly) -> Assembly:
    """Break the choice among promises."""
    return replace(healthy, core=replace(healthy.core, candidate=FirstReport))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
rate = 400
time = "10s"
faults = []
schedule = [
{ at = "500ms", until = "10s", fault = { type = "link", target = "all", delay_max_us = 20000, loss_ppm = 200000 } },
{ at = "1s", until = "1350ms", every = "500ms", fault = { type = "partition", shape = "random-halves" } },
]

[node]
election_timeout_ms = 100
election_spread_ms = 100
heartbeat_ms = 50
lease_ms = 100
batch_commands_max = 1
window_max = 8
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
