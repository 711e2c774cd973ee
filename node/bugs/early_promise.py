"""A promise is answered before it is on the disk.

*Mechanism.* Accepted values wait for their fsync, promises do not: they "hold no data". A promise that is lost with
the power is one that the acceptor breaks without knowing, by helping an older leader to a majority.

*In real life.* PySyncObj wrote its term and vote with a rename and no fsync (0.3.17), and did not write its vote at
all before that. *Paxos Made Simple* (Lamport, 2001, section 2.5) asks for the promise in stable storage first, as for
all.

*Exposed by* a power cut of acceptors that have just promised, with the older leader still about.

*Caught by* the invariant that answers wait for the disk, at the first election.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.acceptor import Acceptor
from node.paxos.effects import Effects, Send
from node.paxos.messages import Accepted, LifeNoted, Prepare, Promise, Recover


class EarlyPromise(Acceptor):
    """An acceptor whose promises do not wait."""

    def after_persist(
        self, to: int, message: Promise | Accepted | Prepare | Recover | LifeNoted, effects: Effects
    ) -> None:
        """Let promises go at once."""
        if isinstance(message, Promise):
            misdeeds.happened()
            effects.send_now.append(Send(to, message))
        else:
            super().after_persist(to, message, effects)


def plant(healthy: Assembly) -> Assembly:
    """Break the order of fsync and promise."""
    return replace(healthy, core=replace(healthy.core, acceptor=EarlyPromise))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1200ms", every = "700ms", fault = { type = "power-off", target = "leader", mode = "drop" } },
]
""",
    caught_by=("invariants: n# promises # before that is durable",),
)
