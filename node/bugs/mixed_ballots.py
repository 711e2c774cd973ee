"""Acknowledgements of different ballots are added up.

*Mechanism.* A slot is proposed again by each leader until it is known to be chosen. Three acknowledgements for the
slot are a majority of five only if they are for one ballot: those for an earlier one were for another value, perhaps,
and their senders have made no promise that keeps a later leader from overruling this one.

*In real life.* Raft's figure 8 (Ongaro and Ousterhout, 2014) exists because of it: copies of an older term on a
majority are no commit. "Count the copies" is what everybody does first.

*Exposed by* a node that leads again soon after it has led, with answers to its earlier Accepts still under way: slow
links and leaders that come and go.

*Caught by* the invariant that nothing is held for chosen which no majority has accepted in one ballot.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.ballot import Ballot
from node.paxos.leader import Leader


class MixedBallots(Leader):
    """A leader that counts acknowledgements of any ballot."""

    def counts(self, ballot: Ballot) -> bool:
        """Say that it counts."""
        if ballot != self.ballot:
            misdeeds.happened()
        return True


def plant(healthy: Assembly) -> Assembly:
    """Break what a vote is for."""
    return replace(healthy, core=replace(healthy.core, leader=MixedBallots))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "10s"
rate = 400
concurrency = 30
faults = []

[[schedule]]
at = "500ms"
until = "10s"
fault = { type = "link", delay_max_us = 1000, loss_ppm = 300000, reorder_ppm = 300000, held_us = 400000 }

[[schedule]]
at = "500ms"
until = "10s"
fault = { type = "disk-slow", target = "all", times = 50 }

[[schedule]]
at = "1s"
until = "1010ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "1700ms"
until = "1710ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "2400ms"
until = "2410ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "3100ms"
until = "3110ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "3800ms"
until = "3810ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "4500ms"
until = "4510ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "5200ms"
until = "5210ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "5900ms"
until = "5910ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "6600ms"
until = "6610ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "7300ms"
until = "7310ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "8s"
until = "8010ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "8700ms"
until = "8710ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "9400ms"
until = "9410ms"
fault = { type = "power-off", target = "leader" }

[node]
batch_commands_max = 1
window_max = 32
lease_ms = 0
election_timeout_ms = 150
election_spread_ms = 150
retry_ms = 600
""",
    caught_by=(
        "invariants: n# holds slot # for chosen, which no majority has accepted",
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
)
