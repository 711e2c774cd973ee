"""The lease rests on the latest grant instead of on a majority of them.

*Mechanism.* "Somebody has acknowledged me just now, so I lead." The lease has to end with the oldest grant among the
latest of a majority; taken from the newest one, a leader with a single follower on its side holds it for ever.

*In real life.* ``last_contact = now`` on any acknowledgement is how most home-made leases begin. Raft's leaders step
down unless a *majority* has answered within an election time-out (CheckQuorum in etcd), and leases rest on exactly
that.

*Exposed by* a leader that keeps a minority: partitions that leave it some follower.

*Caught by* the invariant that there is one holder of the lease; by stale reads if clients were asking.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.ballot import Ballot
from node.paxos.config import Config
from node.paxos.leader import Leader
from node.paxos.lease import Lease
from node.paxos.membership import Membership


class NewestGrant(Lease):
    """A lease that lasts from the newest grant on."""

    def renew(self, peer: int, sent_at: int) -> None:
        """Take what any follower has acknowledged."""
        super().renew(peer, sent_at)
        newest = max(self._granted.values(), default=sent_at) + self._lasts
        if newest > self.until:
            misdeeds.happened()
            self.until = newest


class OneGrantLease(Leader):
    """A leader with such a lease."""

    def __init__(self, config: Config, membership: Membership, ballot: Ballot, next_slot: int, now: int) -> None:
        super().__init__(config, membership, ballot, next_slot, now)
        self.lease = NewestGrant(config, membership)


def plant(healthy: Assembly) -> Assembly:
    """Break the majority behind the lease."""
    return replace(healthy, core=replace(healthy.core, leader=OneGrantLease))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "2500ms", every = "2s", fault = { type = "partition", shape = "random-halves" } },
]
""",
    caught_by=("invariants: n# holds the lease while n# holds it",),
)
