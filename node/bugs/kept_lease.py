"""A leader that hands over says that its lease has ended, and keeps it until somebody else leads.

*Mechanism.* The word that lets a successor be elected at once is the word that lets all followers forget what they
have granted. It has to be the last one of a leadership. A leader that says it and leads on, so that its clients have
somebody to ask in the meantime, answers reads under a lease that nobody grants any more.

*In real life.* Ongaro's *Consensus: Bridging Theory and Practice* (2014) asks for it in section 6.4.1: a leader's
lease ends before its leadership is transferred (section 3.10), because the successor's election is the one that waits
for no time-out, and so for no lease.

*Exposed by* graceful restarts of the leader: it hands over before it goes.

*Caught by* the invariant that who gives its lease up does not lead on in that ballot; by the one that there is one
holder of the lease.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.leader import Leader
from node.paxos.messages import Resign
from node.paxos.succession import Succession


class KeptLease(Succession):
    """A core that leads until it is deposed."""

    def resign(self, now: int, leader: Leader, successor: int | None) -> None:
        """Tell the successor to begin; the rest comes with its ballot."""
        if successor is None:
            super().resign(now, leader, successor)
            return
        misdeeds.happened()
        self._core.broadcast(Resign(leader.ballot, successor))


def plant(healthy: Assembly) -> Assembly:
    """Break the end of a leadership that is handed over."""
    return replace(healthy, core=replace(healthy.core, succession=KeptLease))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "6s"
faults = []
schedule = [
    { at = "1500ms", until = "1800ms", every = "1500ms", fault = { type = "restart", target = "leader" } },
]
""",
    caught_by=(
        "invariants: n# says that it has given its lease up, and leads on in #",
        "invariants: n# holds the lease while n# holds it",
    ),
)
