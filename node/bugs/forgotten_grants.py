"""A node that starts again does not wait for the leases that it may have granted.

*Mechanism.* What a follower grants its leader is in memory only, for it is over soon. After a restart it does not know
whether it had granted anything, so it has to wait as long as a grant lasts before it helps to elect another. Without
that, a vote that the lease rests on is given away a few milliseconds later, and the leader does not know.

*In real life.* The rule is as old as leases: in Gray and Cheriton's paper (1989) a server that has crashed waits for the
longest lease it may have granted before it lets anybody write. It is the sentence that is skipped, for nothing but a
crash at the wrong moment ever misses it.

*Exposed by* a leader that one node does not hear while another one, which does, crashes and starts again: a partition
of a part of the links, or loss, together with kills.

*Caught by* the invariant that there is one holder of the lease, in simulation; by stale reads if clients were asking.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.paxos.config import Config
from node.paxos.lease import Grant


class ForgottenGrant(Grant):
    """A grant that begins with nothing granted."""

    def __init__(self, config: Config, now: int) -> None:
        super().__init__(config, now)
        self.until = now


def plant(healthy: Assembly) -> Assembly:
    """Break the memory of grants."""
    return replace(healthy, core=replace(healthy.core, grant=ForgottenGrant))
