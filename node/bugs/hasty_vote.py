"""A node that may have forgotten what it promised votes at once.

*Mechanism.* A disk that says that it has synced and has not leaves a node, after a power cut, with a log that is sound
and too short. Nothing in it says so. With ``amnesia_safe`` a node that was not stopped cleanly asks the others before
it votes; this one trusts what it finds.

*In real life.* The recovery of Viewstamped Replication Revisited (Liskov and Cowling, 2012, section 4.3) is for nodes
that have forgotten; Michael et al., *Recovering Shared Objects Without Stable Storage* (DISC 2017), found that several
published protocols of that kind lose what was promised. Most systems do not try, and trust their disks.

*Exposed by* a disk that lies and loses its power, with the others cut off in turn.

*Caught by* the invariant that nothing chosen is overruled; by stale reads.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.recovery import Recovery


class HastyVote(Recovery):
    """A recovery that is over when it begins."""

    @property
    def may_begin(self) -> bool:
        """Say yes."""
        if not (super().may_begin or self.whole or self._blank):
            misdeeds.happened()
        return True


def plant(healthy: Assembly) -> Assembly:
    """Break the wait of a recovering node."""
    return replace(healthy, core=replace(healthy.core, recovery=HastyVote))


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
rate = 100
faults = []

[[schedule]]
at = "0s"
until = "8s"
fault = { type = "disk-lie", target = "n3" }

[[schedule]]
at = "1s"
until = "1900ms"
fault = { type = "partition", shape = "one" }

[[schedule]]
at = "1800ms"
until = "1950ms"
fault = { type = "power-off", target = "n3" }

[[schedule]]
at = "1900ms"
until = "3500ms"
fault = { type = "partition", shape = "leader" }

[[schedule]]
at = "4500ms"
until = "5400ms"
fault = { type = "partition", shape = "one" }

[[schedule]]
at = "5300ms"
until = "5450ms"
fault = { type = "power-off", target = "n3" }

[[schedule]]
at = "5400ms"
until = "7000ms"
fault = { type = "partition", shape = "leader" }

[node]
amnesia_safe = 1
""",
    caught_by=(
        "invariants: n# accepts another value for slot # in # than # had chosen*",
        "invariants: n# holds another value for chosen in slot # than # had chosen*",
        "invariants: n# makes another value chosen in slot #, in #, than # did*",
    ),
    checkers_alone=(
        "linearizable: *",
        "final-reads: *",
        "node-audit: *",
    ),
)
