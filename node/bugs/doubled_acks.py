"""An acknowledgement that arrives twice counts twice.

*Mechanism.* Votes are counted with a number, not with a set of voters. A message that the network doubles, or the
answer to an Accept that was sent again, makes two of one acceptor.

*In real life.* ``acks += 1`` is in half of the implementations that are written to learn Paxos; a network on one
machine never doubles a message, and retransmission comes later.

*Exposed by* doubled messages, and by lost ones, which are sent again.

*Caught by* the invariant that nothing is held for chosen which no majority has accepted.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.leader import Flight, Leader


class DoubledAcks(Leader):
    """A leader that counts on."""

    def vote(self, flight: Flight, sender: int) -> None:
        """Count it, under another name if this one has voted."""
        while sender in flight.acks:
            misdeeds.happened()
            sender += 1_000
        flight.acks.add(sender)


def plant(healthy: Assembly) -> Assembly:
    """Break the counting of votes."""
    return replace(healthy, core=replace(healthy.core, leader=DoubledAcks))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "4s"
faults = []

[[schedule]]
at = "500ms"
until = "4s"
fault = { type = "link", target = "all", delay_max_us = 20000, duplicate_ppm = 300000 }
""",
    caught_by=(
        "invariants: n# holds slot # for chosen, which no majority has accepted",
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
)
