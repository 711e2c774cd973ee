"""A leader counts its own copy before that is on its disk.

*Mechanism.* A leader may send its Accepts while its own write is still under way; it saves a disk's time. Then its own
copy is one that may be gone after a power cut, and must not count before its fsync. Counted at once, a slot is chosen
with one durable copy less than a majority.

*In real life.* The parallel write is section 10.2.1 of Ongaro's *Consensus: Bridging Theory and Practice* (2014), and
the condition is one half-sentence of it. etcd's raft made the condition structural: with asynchronous storage writes
the leader's own acknowledgement is a message that leaves when its append is durable, as here.

*Exposed by* a power cut of the leader and of whoever was slow to hear; the lack of a majority shows without any fault.

*Caught by* the invariant that nothing is held for chosen which no majority has on its disks, with no fault at all.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.acceptor import Acceptor
from node.paxos.effects import Effects, Send
from node.paxos.messages import Accepted, LifeNoted, Prepare, Promise, Recover


class UndurableLeader(Acceptor):
    """An acceptor that answers its own leader at once."""

    def after_persist(
        self, to: int, message: Promise | Accepted | Prepare | Recover | LifeNoted, effects: Effects
    ) -> None:
        """Tie a message to the last record, unless it is this node's vote for its own proposal."""
        if to == self.config.me and isinstance(message, Accepted):
            misdeeds.happened()
            effects.send_now.append(Send(to, message))
        else:
            super().after_persist(to, message, effects)


def plant(healthy: Assembly) -> Assembly:
    """Break the leader's wait for its own disk."""
    return replace(healthy, core=replace(healthy.core, acceptor=UndurableLeader))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "8s", fault = { type = "disk-slow", target = "all", times = 10 } },
    { at = "1s", until = "1200ms", every = "700ms", fault = { type = "power-off", target = "leader", mode = "drop" } },
]
""",
    caught_by=(
        "invariants: n# holds slot # for chosen, which no majority has accepted",
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
)
