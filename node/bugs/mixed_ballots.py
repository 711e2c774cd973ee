"""Acknowledgements of different ballots are added up.

*Mechanism.* A slot is proposed again by each leader until it is known to be chosen. Three acknowledgements for the
slot are a majority of five only if they are for one ballot: those for an earlier one were for another value, perhaps,
and their senders have made no promise that keeps a later leader from overruling this one.

*In real life.* Raft's figure 8 (Ongaro and Ousterhout, 2014) exists because of it: copies of an older term on a
majority are no commit. "Count the copies" is what everybody does first.

*Exposed by* a node that leads again soon after it has led, with answers to its earlier Accepts still under way. With
``amnesia_safe`` every node that was killed makes the leader lead anew, in a higher ballot whose promises know of the
new life: here one node is killed again and again, links lose much, and the answers of one follower are late.

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
nodes = 5
time = "8s"
rate = 300
concurrency = 100
faults = []

[[schedule]]
at = "1s"
until = "8s"
fault = { type = "link", target = "all", delay_max_us = 60000, loss_ppm = 300000 }

[[schedule]]
at = "1s"
until = "8s"
order = ["n1", "n2", "n3", "n4", "n5"]
fault = { type = "link", target = "follower", direction = "from", delay_min_us = 300000, delay_max_us = 400000 }

[[schedule]]
at = "1500ms"
until = "1560ms"
every = "300ms"
fault = { type = "kill", target = "n5" }

[node]
amnesia_safe = 1
batch_commands_max = 1
detector = "fixed"
election_timeout_ms = 2000
lease_ms = 0
window_max = 64
""",
    caught_by=(
        "invariants: n# holds slot # for chosen, which no majority has accepted",
        "invariants: n# accepts another value for slot # in # than # had chosen",
        "invariants: n# holds another value for chosen in slot # than # had chosen",
        "invariants: n# makes another value chosen in slot #, in #, than # did",
    ),
)
