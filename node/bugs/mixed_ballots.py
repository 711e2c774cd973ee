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
time = "15s"
rate = 400
concurrency = 30
faults = []

[[schedule]]
at = "500ms"
until = "15s"
fault = { type = "disk-slow", target = "all", times = 100 }

[[schedule]]
at = "1s"
until = "2400ms"
fault = { type = "link", target = "leader", direction = "to", delay_min_us = 200000, delay_max_us = 900000 }

[[schedule]]
at = "1s"
until = "1400ms"
fault = { type = "link", target = "leader", direction = "from", delay_max_us = 100, loss_ppm = 300000 }

[[schedule]]
at = "1350ms"
until = "1360ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "3s"
until = "4400ms"
fault = { type = "link", target = "leader", direction = "to", delay_min_us = 200000, delay_max_us = 900000 }

[[schedule]]
at = "3s"
until = "3400ms"
fault = { type = "link", target = "leader", direction = "from", delay_max_us = 100, loss_ppm = 300000 }

[[schedule]]
at = "3350ms"
until = "3360ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "5s"
until = "6400ms"
fault = { type = "link", target = "leader", direction = "to", delay_min_us = 200000, delay_max_us = 900000 }

[[schedule]]
at = "5s"
until = "5400ms"
fault = { type = "link", target = "leader", direction = "from", delay_max_us = 100, loss_ppm = 300000 }

[[schedule]]
at = "5350ms"
until = "5360ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "7s"
until = "8400ms"
fault = { type = "link", target = "leader", direction = "to", delay_min_us = 200000, delay_max_us = 900000 }

[[schedule]]
at = "7s"
until = "7400ms"
fault = { type = "link", target = "leader", direction = "from", delay_max_us = 100, loss_ppm = 300000 }

[[schedule]]
at = "7350ms"
until = "7360ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "9s"
until = "10400ms"
fault = { type = "link", target = "leader", direction = "to", delay_min_us = 200000, delay_max_us = 900000 }

[[schedule]]
at = "9s"
until = "9400ms"
fault = { type = "link", target = "leader", direction = "from", delay_max_us = 100, loss_ppm = 300000 }

[[schedule]]
at = "9350ms"
until = "9360ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "11s"
until = "12400ms"
fault = { type = "link", target = "leader", direction = "to", delay_min_us = 200000, delay_max_us = 900000 }

[[schedule]]
at = "11s"
until = "11400ms"
fault = { type = "link", target = "leader", direction = "from", delay_max_us = 100, loss_ppm = 300000 }

[[schedule]]
at = "11350ms"
until = "11360ms"
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "13s"
until = "14400ms"
fault = { type = "link", target = "leader", direction = "to", delay_min_us = 200000, delay_max_us = 900000 }

[[schedule]]
at = "13s"
until = "13400ms"
fault = { type = "link", target = "leader", direction = "from", delay_max_us = 100, loss_ppm = 300000 }

[[schedule]]
at = "13350ms"
until = "13360ms"
fault = { type = "power-off", target = "leader" }

[node]
batch_commands_max = 1
window_max = 64
lease_ms = 0
election_timeout_ms = 100
election_spread_ms = 900
""",
    caught_by=(
        "invariants: n# holds slot # for chosen, which no majority has accepted",
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
)
