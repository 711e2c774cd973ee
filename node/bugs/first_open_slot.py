"""Phase 1 asks for the first open slot only.

*Mechanism.* With one instance at a time that is all there is. With several Accepts in flight a leader leaves several
open slots behind; its successor asks for the first, learns what to propose there, and takes all later ones for free.

*In real life.* The step from Paxos to Multi-Paxos is a page of *Paxos Made Simple* (Lamport, 2001, section 3): Phase 1
"for infinitely many instances" at once. OCons (Cjen1/OCons, pull request 21) merged the logs of its election at a
wrong offset, which Jepsen found.

*Exposed by* the end of a leader with several rounds in flight: kills, pauses and partitions under pipelined load.

*Caught by* the invariant that nothing chosen is overruled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.acceptor import Acceptor
from node.paxos.messages import Reported


class FirstOpenSlot(Acceptor):
    """An acceptor that is asked for a slot, and tells of that slot."""

    def report(self, from_slot: int) -> Iterator[Reported]:
        """Yield what is known of one slot."""
        for reported in super().report(from_slot):
            if reported.slot == from_slot:
                yield reported
            else:
                misdeeds.happened()


def plant(healthy: Assembly) -> Assembly:
    """Break the reach of Phase 1."""
    return replace(healthy, core=replace(healthy.core, acceptor=FirstOpenSlot))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
rate = 400
time = "8s"
faults = []
schedule = [
    { at = "500ms", until = "8s", fault = { type = "link", target = "all", delay_max_us = 20000, loss_ppm = 30000 } },
    { at = "1s", until = "1500ms", every = "1200ms", fault = { type = "pause", target = "leader" } },
]

[node]
election_timeout_ms = 100
election_spread_ms = 100
heartbeat_ms = 50
lease_ms = 100
batch_commands_max = 1
window_max = 8
""",
    caught_by=(
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
    checkers_alone=(
        "node-audit: *",
        "linearizable: *",
        "final-reads: *",
        "recovery: *is not running (exit status *",
    ),
)
