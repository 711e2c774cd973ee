"""A leader answers reads from its own state for as long as it takes itself for the leader.

*Mechanism.* It leads, it has caught up, so it answers: without a lease and without asking a majority. Cut off or
stopped for a while, it has been deposed and does not know; its clients read what others have overwritten.

*In real life.* MongoDB's primaries did (Jepsen, *MongoDB: stale reads*, 2015); so did etcd and Consul in their default
modes (Jepsen, 2014).

*Exposed by* partitions of the leader from a majority, and by pauses that it cannot notice, as of a suspended machine:
no time has passed for it when it wakes up, and, cut off, it hears from nobody that there is another leader.

*Caught by* the linearizability checker alone: stale reads. No invariant asks why a node answers.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, Real, misdeeds
from node.paxos.reading import Reading


class DeposedReads(Reading):
    """A core to which leading is enough."""

    def reads_alone(self, now: int) -> bool:
        """Say whether this node leads and has caught up."""
        alone = super().reads_alone(now)
        core = self._core
        if not alone and core.leader is not None and core.log.chosen_upto >= core.leader.read_floor:
            misdeeds.happened()
            return True
        return alone


def plant(healthy: Assembly) -> Assembly:
    """Break the confirmation of reads."""
    return replace(healthy, core=replace(healthy.core, reading=DeposedReads))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
concurrency = 100
faults = []
schedule = [
    { at = "2s", until = "2990ms", every = "2s", fault = { type = "partition", shape = "leader" } },
]

[node]
election_timeout_ms = 1000
election_spread_ms = 100
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
    real=Real(
        scenario="""
nodes = 3
time = "60s"
rate = 300
concurrency = 60
faults = []
schedule = [
    { at = "3s", until = "6s", every = "7s", fault = { type = "partition", shape = "leader" } },
    { at = "3050ms", until = "5s", every = "7s", fault = { type = "clock-freeze", target = "leader" } },
]

[node]
election_timeout_ms = 1000
election_spread_ms = 100
lease_ms = 0
""",
        caught_by=("linearizable: *", "final-reads: *"),
    ),
)
