"""The lease leaves no room for clocks that run differently.

*Mechanism.* The follower grants 5 seconds on its clock, the leader counts 5 seconds on its own. A leader whose clock
is slow, by no more than its maker allows, is still counting when the fastest follower has begun to elect another one.

*In real life.* Gray and Cheriton (*Leases*, 1989) subtract the clocks' uncertainty. etcd documents that its
lease-based reads rest on bounded drift, and leaves them off by default.

*Exposed by* a slow leader's clock, and nothing more than the bound allows, when the leader is cut off.

*Caught by* the invariant that there is one holder of the lease. The overlap is a few milliseconds in five seconds;
stale reads need a write and a read in it.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from node.assembly import Assembly
from node.museum import Exhibit, Real, misdeeds
from node.paxos.ballot import Ballot
from node.paxos.config import Config
from node.paxos.leader import Leader
from node.paxos.lease import Lease
from node.paxos.membership import Membership


class FullLease(Lease):
    """A lease as long as the grant."""

    def __init__(self, config: Config, membership: Membership) -> None:
        super().__init__(msgspec.structs.replace(config, drift_ppm=0), membership)
        self._careful = Lease(config, membership)

    def holds(self, now: int) -> bool:
        """Say whether it holds, and note if it should not."""
        held = super().holds(now)
        if held and self.until - now <= self._lasts - self._careful._lasts:
            misdeeds.happened()
        return held


class DriftlessLease(Leader):
    """A leader that trusts all clocks."""

    def __init__(self, config: Config, membership: Membership, ballot: Ballot, next_slot: int, now: int) -> None:
        super().__init__(config, membership, ballot, next_slot, now)
        self.lease = FullLease(config, membership)


def plant(healthy: Assembly) -> Assembly:
    """Break the margin of the lease."""
    return replace(healthy, core=replace(healthy.core, leader=DriftlessLease))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
rate = 20
time = "40s"
faults = []
schedule = [
    { at = "500ms", until = "40s", fault = { type = "clock-drift", target = "leader", ppm = -1000 } },
    { at = "500ms", until = "40s", fault = { type = "clock-drift", target = "follower", ppm = 1000 } },
    { at = "3s", until = "11s", every = "9s", fault = { type = "partition", shape = "leader" } },
]

[node]
lease_ms = 5000
election_timeout_ms = 5000
election_spread_ms = 1
heartbeat_ms = 500
""",
    caught_by=("invariants: n# holds the lease while n# holds it",),
    real=Real(
        scenario="""
nodes = 3
time = "60s"
rate = 200
concurrency = 30
faults = []
schedule = [
    { at = "1s", until = "6800ms", every = "6s", fault = { type = "clock-drift", target = "leader", ppm = -150000 } },
    { at = "1s", until = "6800ms", every = "6s", fault = { type = "clock-drift", target = "follower", ppm = 150000 } },
    { at = "3s", until = "6s", every = "6s", fault = { type = "partition", shape = "leader" } },
]

[node]
drift_ppm = 200000
lease_ms = 1500
election_timeout_ms = 1500
election_spread_ms = 1
""",
        caught_by=("linearizable: *", "final-reads: *"),
    ),
)
