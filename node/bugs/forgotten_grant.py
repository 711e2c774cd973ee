"""A restarted follower does not know that it had granted a lease.

*Mechanism.* Grants are in memory, which is right: a disk would be too slow for them. Then a node that starts has to
behave as if it had granted one just before. If it does not, a leader's lease rests on promises of nodes that have
forgotten them.

A pre-election hides it: who hears the leader, or has just started, says no long before it is asked for a promise. So it
is planted in a node that asks nobody first, as the ones had it that it was found in.

*In real life.* The rule is in every paper on leases and in few programs: a recovering node waits for the longest lease
before it takes part (Gray and Cheriton, *Leases*, 1989, for the server that restarts). Tests restart slower than that.

*Exposed by* followers that restart quickly while somebody who does not hear the leader wants to lead.

*Caught by* the invariant that there is one holder of the lease.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, Unasked, misdeeds
from node.paxos.config import Config
from node.paxos.lease import Grant


class ForgottenGrant(Grant):
    """A grant that begins with the first leader heard."""

    def __init__(self, config: Config, now: int) -> None:
        super().__init__(config, now)
        self._should_wait_until = self.until
        self.until = now

    def forbids(self, candidate: int, now: int) -> bool:
        """Say whether what was granted in this life forbids it."""
        forbidden = super().forbids(candidate, now)
        if not forbidden and self.to is None and now < self._should_wait_until:
            misdeeds.happened()
        return forbidden


def plant(healthy: Assembly) -> Assembly:
    """Break the memory of grants."""
    return replace(healthy, core=replace(healthy.core, grant=ForgottenGrant, pre_election=Unasked))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "11s"
faults = []
schedule = [
    { at = "1s", until = "2900ms", every = "2s", fault = { type = "partition", shape = "bridge" } },
    { at = "2s", until = "2010ms", every = "2s", fault = { type = "kill", target = "follower" } },
]

[node]
lease_ms = 400
heartbeat_ms = 200
retry_ms = 20
""",
    caught_by=("invariants: n# holds the lease while n# holds it",),
)
