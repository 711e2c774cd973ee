"""A leader counts its lease from the moment an acknowledgement comes in.

*Mechanism.* A follower's grant begins when it hears the leader. The leader learns of it a message later, and has to
count from when it *sent* what was acknowledged, which was before the grant began. Counted from the receipt, the lease
outlasts the grant by as long as the acknowledgement was on its way: with a fast network that is nothing, with a slow
one, or in a process that stood still while the acknowledgement waited in its socket, it is any time at all.

*In real life.* "When did I last hear from them?" is the number that every implementation has at hand, and a lease from
it works on every bench. Section 6.4.1 of Ongaro's *Consensus: Bridging Theory and Practice* (2014) has the rule in half
a sentence: the lease is extended from the *start* of the round of heartbeats.

*Exposed by* pauses of the leader and links that hold messages back for longer than an election takes.

*Caught by* the invariant that there is one holder of the lease; by stale reads if clients were asking.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.leader import Leader


class LateLease(Leader):
    """A leader that takes what it hears for granted from now on."""

    def heard_from(self, sender: int, now: int) -> None:
        """Renew the lease, from now."""
        super().heard_from(sender, now)
        misdeeds.happened()
        self.lease.renew(sender, now)


def plant(healthy: Assembly) -> Assembly:
    """Break the beginning of the lease."""
    return replace(healthy, core=replace(healthy.core, leader=LateLease))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1600ms", every = "1s", fault = { type = "pause", target = "leader" } },
]
""",
    caught_by=("invariants: n# holds the lease while n# holds it",),
)
