"""A new leader answers reads before it knows all that its predecessors had chosen.

*Mechanism.* It holds a majority's promises, so nobody else leads, so its state is the latest: but what it has applied
is not. The last commands of the leader before it are accepted here and chosen, and this node does not know the latter
yet.

*In real life.* Section 6.4 of Ongaro's *Consensus: Bridging Theory and Practice* (2014) begins with this: a new leader
may not read before the no-op that opens its term is committed.

*Exposed by* reads right after an election: kills and partitions of the leader.

*Caught by* the linearizability checker alone: reads that miss the last writes of the leader before.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.leader import Leader


class EagerReads(Leader):
    """A leader that is ready at once."""

    @property
    def read_floor(self) -> int:
        """From which slot on it may read: any."""
        return 0

    @read_floor.setter
    def read_floor(self, slot: int) -> None:
        if slot:
            misdeeds.happened()


def plant(healthy: Assembly) -> Assembly:
    """Break the beginning of reads."""
    return replace(healthy, core=replace(healthy.core, leader=EagerReads))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1500ms", every = "1s", fault = { type = "kill", target = "leader" } },
]

[node]
election_timeout_ms = 100
election_spread_ms = 100
heartbeat_ms = 50
lease_ms = 100
""",
    caught_by=(
        "linearizable: *",
        "final-reads: *",
    ),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
    ),
)
