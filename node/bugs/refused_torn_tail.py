"""A node whose last write was torn refuses to start.

*Mechanism.* The record at the end of the log does not check out, so the log is damaged, so the node must not use it.
Every power cut during a write does this, and nobody was ever told of that record: the node is safe, and gone.

*In real life.* Pillai et al., *All File Systems Are Not Created Equal* (OSDI 2014), list programs that cannot start
after a crash at the wrong moment, ZooKeeper among them.

*Exposed by* power cuts in the middle of a write.

*Caught by* the demand that every node of a healed cluster runs: exit status 65. It is a bug of liveness; nothing is
lost.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, Real, misdeeds
from node.storage.journal import Journal
from node.storage.wal import CorruptLogError, Wal, _Scan


class StrictWal(Wal):
    """A log that must be whole."""

    def _take(self, scan: _Scan, is_last: bool) -> int:
        if scan.torn_bytes:
            misdeeds.happened()
            raise CorruptLogError(f"{scan.name}, offset {scan.end}: this is no record")
        return super()._take(scan, is_last)


class RefusedTornTail(Journal):
    """A journal on such a log."""

    wal_type = StrictWal


def plant(healthy: Assembly) -> Assembly:
    """Break the repair of torn tails."""
    return replace(healthy, journal=RefusedTornTail)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
rate = 400
time = "8s"
faults = []
schedule = [
    { at = "500ms", until = "8s", fault = { type = "disk-slow", target = "all", times = 30 } },
    { at = "1s", until = "1200ms", every = "500ms", fault = { type = "power-off", target = "all", mode = "torn" } },
]
""",
    caught_by=("recovery: *is not running (exit status *",),
    checkers_alone=("recovery: *is not running (exit status *",),
    real=Real(
        scenario="""
nodes = 3
time = "60s"
rate = 200
faults = []
schedule = [
    { at = "500ms", until = "59s", fault = { type = "disk-slow", target = "all", times = 50 } },
    { at = "4s", until = "4500ms", every = "5s", fault = { type = "power-off", target = "all", mode = "torn" } },
]
""",
        caught_by=("recovery: *is not running (exit status *",),
    ),
)
