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
time = "11s"
rate = 300
concurrency = 30
faults = []

[[schedule]]
at = "1s"
until = "2600ms"
order = ["n1", "n2", "n3"]
fault = { type = "link", target = "follower", direction = "from", delay_min_us = 430000, delay_max_us = 440000 }

[[schedule]]
at = "1s"
until = "2600ms"
order = ["n3", "n2", "n1"]
fault = { type = "link", target = "follower", direction = "to", delay_min_us = 70000, delay_max_us = 80000 }

[[schedule]]
at = "1540ms"
until = "1620ms"
order = ["n1", "n2", "n3"]
fault = { type = "disk-slow", target = "leader", times = 0 }

[[schedule]]
at = "1599ms"
until = "1670ms"
order = ["n3", "n2", "n1"]
fault = { type = "kill", target = "follower" }

[[schedule]]
at = "1600ms"
until = "1610ms"
order = ["n1", "n2", "n3"]
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "3s"
until = "4600ms"
order = ["n1", "n2", "n3"]
fault = { type = "link", target = "follower", direction = "from", delay_min_us = 430000, delay_max_us = 440000 }

[[schedule]]
at = "3s"
until = "4600ms"
order = ["n3", "n2", "n1"]
fault = { type = "link", target = "follower", direction = "to", delay_min_us = 70000, delay_max_us = 80000 }

[[schedule]]
at = "3540ms"
until = "3620ms"
order = ["n1", "n2", "n3"]
fault = { type = "disk-slow", target = "leader", times = 0 }

[[schedule]]
at = "3599ms"
until = "3670ms"
order = ["n3", "n2", "n1"]
fault = { type = "kill", target = "follower" }

[[schedule]]
at = "3600ms"
until = "3610ms"
order = ["n1", "n2", "n3"]
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "5s"
until = "6600ms"
order = ["n1", "n2", "n3"]
fault = { type = "link", target = "follower", direction = "from", delay_min_us = 430000, delay_max_us = 440000 }

[[schedule]]
at = "5s"
until = "6600ms"
order = ["n3", "n2", "n1"]
fault = { type = "link", target = "follower", direction = "to", delay_min_us = 70000, delay_max_us = 80000 }

[[schedule]]
at = "5540ms"
until = "5620ms"
order = ["n1", "n2", "n3"]
fault = { type = "disk-slow", target = "leader", times = 0 }

[[schedule]]
at = "5599ms"
until = "5670ms"
order = ["n3", "n2", "n1"]
fault = { type = "kill", target = "follower" }

[[schedule]]
at = "5600ms"
until = "5610ms"
order = ["n1", "n2", "n3"]
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "7s"
until = "8600ms"
order = ["n1", "n2", "n3"]
fault = { type = "link", target = "follower", direction = "from", delay_min_us = 430000, delay_max_us = 440000 }

[[schedule]]
at = "7s"
until = "8600ms"
order = ["n3", "n2", "n1"]
fault = { type = "link", target = "follower", direction = "to", delay_min_us = 70000, delay_max_us = 80000 }

[[schedule]]
at = "7540ms"
until = "7620ms"
order = ["n1", "n2", "n3"]
fault = { type = "disk-slow", target = "leader", times = 0 }

[[schedule]]
at = "7599ms"
until = "7670ms"
order = ["n3", "n2", "n1"]
fault = { type = "kill", target = "follower" }

[[schedule]]
at = "7600ms"
until = "7610ms"
order = ["n1", "n2", "n3"]
fault = { type = "power-off", target = "leader" }

[[schedule]]
at = "9s"
until = "10600ms"
order = ["n1", "n2", "n3"]
fault = { type = "link", target = "follower", direction = "from", delay_min_us = 430000, delay_max_us = 440000 }

[[schedule]]
at = "9s"
until = "10600ms"
order = ["n3", "n2", "n1"]
fault = { type = "link", target = "follower", direction = "to", delay_min_us = 70000, delay_max_us = 80000 }

[[schedule]]
at = "9540ms"
until = "9620ms"
order = ["n1", "n2", "n3"]
fault = { type = "disk-slow", target = "leader", times = 0 }

[[schedule]]
at = "9599ms"
until = "9670ms"
order = ["n3", "n2", "n1"]
fault = { type = "kill", target = "follower" }

[[schedule]]
at = "9600ms"
until = "9610ms"
order = ["n1", "n2", "n3"]
fault = { type = "power-off", target = "leader" }

[node]
batch_commands_max = 1
window_max = 64
lease_ms = 0
election_timeout_ms = 100
election_spread_ms = 200
retry_ms = 1000
""",
    caught_by=(
        "invariants: n# holds slot # for chosen, which no majority has accepted",
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
)
