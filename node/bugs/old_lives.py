"""TODO."""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, Unasked, misdeeds
from node.paxos.effects import Receive
from node.paxos.messages import Promise, Recover
from node.paxos.rejoining import Rejoining


class OldLives(Rejoining):
    """A node that does not compare the lives that messages are of."""

    def counts(self, event: Receive) -> bool:
        """Say that it counts; only who asks to come back is told the truth."""
        if super().counts(event):
            return True
        candidate = self._core.candidate
        if candidate is not None and isinstance(event.message, Promise) and candidate.belongs(event.message):
            misdeeds.happened()
        return not isinstance(event.message, Recover)

    def _noted(self, now: int, node: int) -> None:
        """Go on with an attempt that does not know of the new life: the second guard is missing here."""
        del now, node
        self._core.counters.lives_noted += 1


def plant(healthy: Assembly) -> Assembly:
    """Break."""
    return replace(healthy, core=replace(healthy.core, rejoining=OldLives, pre_election=Unasked))


EXHIBIT = Exhibit(
    scenario="""
nodes = 5
time = "6s"
rate = 200
faults = []

[[schedule]]
at = "500ms"
until = "1900ms"
every = "4s"
fault = { type = "partition", grudge = { n2 = ["n3", "n4", "n5"], n3 = ["n2", "n4", "n5"], n4 = ["n2", "n3", "n5"], n5 = ["n2", "n3", "n4"] } }

[[schedule]]
at = "2s"
until = "2750ms"
every = "4s"
fault = { type = "partition", grudge = { n1 = ["n5"], n2 = ["n5"], n4 = ["n5"], n5 = ["n1", "n2", "n4"] } }

[[schedule]]
at = "2s"
until = "2750ms"
every = "4s"
fault = { type = "link", target = "n3", direction = "from", delay_min_us = 300000, delay_max_us = 400000 }

[[schedule]]
at = "2760ms"
until = "2800ms"
every = "4s"
fault = { type = "disk-wipe", target = "n3" }

[[schedule]]
at = "2750ms"
until = "2900ms"
every = "4s"
fault = { type = "partition", grudge = { n1 = ["n5"], n2 = ["n5"], n3 = ["n5"], n4 = ["n5"], n5 = ["n1", "n2", "n4"] } }

[[schedule]]
at = "2900ms"
until = "3500ms"
every = "4s"
fault = { type = "partition", grudge = { n1 = ["n4", "n5"], n2 = ["n4", "n5"], n3 = ["n4", "n5"], n4 = ["n1", "n2", "n3"], n5 = ["n1", "n2"] } }

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
