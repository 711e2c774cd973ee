"""An Accept is sent once.

*Mechanism.* TCP "does not lose messages". A connection that breaks does, and so does a follower that is killed and
comes back: the slot stays one vote short for as long as this leader leads, and everything behind it waits.

*In real life.* The usual first liveness bug of a protocol that was proved safe: retransmission is no part of the
proof. TigerBeetle's simulator has a liveness mode of its own because such bugs pass every safety check.

*Exposed by* lost messages, followed by peace: a leader that is healthy, and stuck.

*Caught by* the demand that a healed cluster serves again, changes included: reads go on under the lease, all nodes
have applied the same, and only a write shows that nothing can be changed any more.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.leader import Flight, Leader


class SentOnce(Leader):
    """A leader that repeats nothing."""

    def overdue(self, now: int, patience_ns: int) -> list[tuple[int, Flight]]:
        """Return nothing."""
        for _ in super().overdue(now, patience_ns):
            misdeeds.happened()
        return []


def plant(healthy: Assembly) -> Assembly:
    """Break the repetition of Accepts."""
    return replace(healthy, core=replace(healthy.core, leader=SentOnce))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "6s"
faults = []
schedule = [
    { at = "1s", until = "5s", fault = { type = "link", target = "all", delay_max_us = 1000, loss_ppm = 100000 } },
]
""",
    caught_by=("recovery: * no operation was served*",),
    checkers_alone=("recovery: * no operation was served*",),
)
