"""A message of an old incarnation is accepted.

*Mechanism.* A node whose disk was replaced comes back in a new life, and ``amnesia_safe`` has it welcomed in a ballot
whose promises know of that life. What it had promised in the life before, to a candidate whom nobody else had heard,
it has forgotten; so it votes in the lower ballot of the leader that welcomed it. Then its old promise comes, late, and
the candidate counts it. That makes a majority of which one member has promised nothing, and knows nothing of what was
chosen with its new vote.

Two guards are in the way. Messages name the life that they are of, and those of earlier lives are dropped; and a
candidate that hears of a new life, from that node or in another's promise, takes a new ballot. The second one is enough
by itself, and so is the first where the news comes before the old promise. So it is planted in a node that has neither,
and that asks nobody before it takes a ballot: one that asks, and is heard by one other alone, never takes any.

*In real life.* Michael et al., *Recovering Shared Objects Without Stable Storage* (DISC 2017), found it in the recovery
of Viewstamped Replication Revisited (Liskov and Cowling, 2012, section 4.3) and in others of its kind: what a replica
had said before its crash still counted when it had come back without it. Their crash vectors are the lives here.

*Exposed by* the promise of one node that is late, while its disk is wiped, and by partitions: first nobody but this
node hears the candidate, then one other that has voted for the new leader, and hears nothing more of it.

*Caught by* the invariant that nothing chosen is overruled.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, Unasked, misdeeds
from node.paxos.effects import Receive
from node.paxos.messages import Promise, Recover
from node.paxos.rejoining import Rejoining


class Unrenewed(Rejoining):
    """A node whose attempt to lead goes on when it notes a life that the attempt does not know of."""

    def _noted(self, now: int, node: int) -> None:
        """Leave the attempt as it is."""
        del now, node
        self._core.counters.lives_noted += 1


class OldIncarnation(Unrenewed):
    """A node that listens to every life of another; only who asks to come back is told that its number is old."""

    def hears(self, event: Receive) -> bool:
        """Say that it does."""
        if super().hears(event):
            return True
        if isinstance(event.message, Promise) and self._is_counted(event.sender, event.message):
            misdeeds.happened()
        return not isinstance(event.message, Recover)

    def _is_counted(self, sender: int, promise: Promise) -> bool:
        candidate = self._core.candidate
        return candidate is not None and candidate.belongs(promise) and sender not in candidate.promised_by


def plant(healthy: Assembly) -> Assembly:
    """Break the difference between lives."""
    return replace(healthy, core=replace(healthy.core, rejoining=OldIncarnation, pre_election=Unasked))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "4s"
rate = 200
faults = []

# Only n1 runs, so that it leads next.
[[schedule]]
at = "500ms"
until = "1300ms"
fault = { type = "pause", target = "n2+n3+n4+n5" }

# n5 has lost the leader and takes a ballot; only n3 hears it, and its promise is late.
[[schedule]]
at = "2s"
until = "2790ms"
fault = { type = "link", target = "n3", direction = "from", delay_min_us = 300000, delay_max_us = 400000 }

[[schedule]]
at = "2s"
until = "2760ms"
[schedule.fault]
type = "partition"
grudge = { n1 = ["n5"], n2 = ["n5"], n4 = ["n5"], n5 = ["n1", "n2", "n4"] }

# n3 comes back without its promise, and is welcomed; n5 hears that it is back, and cannot ask it again.
[[schedule]]
at = "2750ms"
until = "2800ms"
fault = { type = "disk-wipe", target = "n3" }

[[schedule]]
at = "2750ms"
until = "2910ms"
[schedule.fault]
type = "partition"
grudge = { n1 = ["n5"], n2 = ["n5"], n3 = ["n5"], n4 = ["n5"], n5 = ["n1", "n2", "n4"] }

# n4 has promised the leader's new ballot, and now hears n5 alone.
[[schedule]]
at = "2900ms"
until = "3500ms"
[schedule.fault]
type = "partition"
grudge = { n1 = ["n4", "n5"], n2 = ["n4", "n5"], n3 = ["n4", "n5"], n4 = ["n1", "n2", "n3"], n5 = ["n1", "n2"] }

[node]
amnesia_safe = 1
detector = "fixed"
election_timeout_ms = 600
election_spread_ms = 100
lease_ms = 0
retry_ms = 20
""",
    caught_by=(
        "invariants: n# accepts another value for slot # in # than # had chosen*",
        "invariants: n# holds another value for chosen in slot # than # had chosen*",
        "invariants: n# makes another value chosen in slot #, in #, than # did*",
    ),
)
