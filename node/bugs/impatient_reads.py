"""A follower has asked up to where it must read, and does not wait until it is there.

*Mechanism.* The leader confirms a read and says "up to slot 17". The follower has applied 16, and answers from that.
The question was asked, the answer came, and nobody looked at it.

*In real life.* Step 4 of the read-index protocol (section 6.4 of Ongaro's *Consensus: Bridging Theory and Practice*,
2014) is "wait until the state machine has advanced at least as far", and it is the one that tests on a fast network
never need.

*Exposed by* followers that lag: loss and delay on links, kills.

*Caught by* the linearizability checker alone: stale reads.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.effects import ReadReady
from node.replica import Replica


class ImpatientReads(Replica):
    """A replica that reads at once."""

    def read_when_applied(self, ready: ReadReady) -> None:
        """Queue a confirmed read for now."""
        if ready.upto > self.machine.applied_upto:
            misdeeds.happened()
        super().read_when_applied(ReadReady(ready.read_id, min(ready.upto, self.machine.applied_upto)))


def plant(healthy: Assembly) -> Assembly:
    """Break the wait of reads."""
    return replace(healthy, replica=ImpatientReads)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "6s"
faults = []
schedule = [
    { at = "500ms", until = "6s", fault = { type = "link", target = "all", delay_max_us = 20000, loss_ppm = 50000 } },
]
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
