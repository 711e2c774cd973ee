"""A damaged record ends the log, wherever it is.

*Mechanism.* A crash leaves a torn record at the end of the log, so recovery stops at the first one that does not check
out, and cuts the rest off. One rotten bit in the middle does the same: everything behind it is forgotten, promises and
acknowledged commands, and the node goes on as if it had never known them.

*In real life.* Alagappan et al., *Protocol-Aware Recovery for Consensus-Based Storage* (FAST 2018): ZooKeeper,
LogCabin and others either truncate, and may lose what was committed, or crash for good. TigerBeetle fixed recoveries
of that kind under its simulator (issues 1346 and 2711).

*Exposed by* bit rot before the end of the log, on a disk that is otherwise whole.

*Caught by* the invariant that a node remembers what it had answered for. (Rot is beyond the model, so the signature
says so; the healthy node refuses to start, and is excused.)
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, Real, misdeeds
from node.storage.frame import Framed
from node.storage.journal import Journal
from node.storage.wal import Wal


class CuttingWal(Wal):
    """A log to which all damage is a torn tail."""

    def rotten(self, data: bytes, end: int, generation: int, expected: int) -> Framed | None:
        """Find nothing behind the damage."""
        if super().rotten(data, end, generation, expected) is not None:
            misdeeds.happened()
        return None


class RotIsTorn(Journal):
    """A journal on such a log."""

    wal_type = CuttingWal


def plant(healthy: Assembly) -> Assembly:
    """Break the difference of rot and torn tails."""
    return replace(healthy, journal=RotIsTorn)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "5s"
faults = []
schedule = [
    { at = "2s", until = "2500ms", every = "1s", fault = { type = "disk-rot", target = "n1", where = "head" } },
]
""",
    caught_by=(
        "invariants: n# has forgotten what it had answered for: slot #, accepted in ballot #*",
        "invariants: n# remembers a promise of # after it had answered for #*",
    ),
    real=Real(
        scenario="""
nodes = 3
time = "60s"
rate = 100
faults = []

[[schedule]]
at = "1s"
until = "4s"
every = "8s"
fault = { type = "partition", shape = "one" }
order = ["n2", "n1", "n3"]

[[schedule]]
at = "3900ms"
until = "4050ms"
every = "8s"
fault = { type = "disk-rot", target = "n3" }

[[schedule]]
at = "3950ms"
until = "7500ms"
every = "8s"
fault = { type = "partition", shape = "one" }
order = ["n1", "n2", "n3"]

[node]
log_zero_ahead_bytes = 0
""",
        caught_by=(
            "linearizable: *",
            "final-reads: *",
            "node-audit: *",
            "recovery: *lags by *",
            "recovery: *is not running (exit status *",
        ),
    ),
)
