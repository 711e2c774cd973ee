"""A follower promises another candidate while it has granted its leader a lease.

*Mechanism.* The grant keeps a follower from campaigning itself, and is forgotten when somebody else asks. A candidate
that does not hear the leader finds its majority among those who do, and the old leader reads on under a lease that is
worth nothing.

A pre-election hides it: who hears the leader, or has just started, says no long before it is asked for a promise. So it
is planted in a node that asks nobody first, as the ones had it that it was found in.

*In real life.* Raft's rule that a server ignores votes while it hears a leader (section 4.2.3 of Ongaro's *Consensus:
Bridging Theory and Practice*, 2014) came to implementations for its peace (disruptive servers), and lease reads need
it for their safety: in etcd they demand ``CheckQuorum``.

*Exposed by* a node that cannot hear the leader and reaches the others: one-way and partial partitions.

*Caught by* the invariant that there is one holder of the lease; by stale reads if clients were asking.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, Unasked, misdeeds
from node.paxos.lease import Grant


class IgnoredGrant(Grant):
    """A grant that forbids nothing."""

    def forbids(self, candidate: int, now: int) -> bool:
        """Say no."""
        if super().forbids(candidate, now):
            misdeeds.happened()
        return False


def plant(healthy: Assembly) -> Assembly:
    """Break what a grant forbids."""
    return replace(healthy, core=replace(healthy.core, grant=IgnoredGrant, pre_election=Unasked))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1700ms", every = "1s", fault = { type = "partition", shape = "majorities-ring" } },
]
""",
    caught_by=("invariants: n# holds the lease while n# holds it",),
)
