"""A sync that failed is tried again, and the second one says that all is well.

*Mechanism.* After a failed fsync the kernel may mark the pages as clean: it has tried. A second fsync has nothing to
write and succeeds, and what was lost counts as durable.

*In real life.* PostgreSQL's "fsyncgate" (2018), and with it nearly every database: twenty years of checkpoints that
were retried. Rebello et al., *Can Applications Recover from fsync Failures?* (ATC 2020), is the study.

*Exposed by* an I/O error of one sync, and a power cut before the same bytes are written again.

*Caught by* the invariant that a node remembers what it had answered for; and by nodes that refuse to start on the hole
in their log.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from node.assembly import Assembly
from node.museum import Exhibit, Real, misdeeds
from node.storage.disk import Disk
from node.storage.journal import Journal
from node.storage.shims import FileShim, ShimmedDisk


class Insistent(FileShim):
    """A file that is synced until it works."""

    def sync(self) -> None:
        """Sync, and once more if it fails."""
        try:
            super().sync()
        except OSError:
            misdeeds.happened()
            super().sync()


class RetriedFsync(Journal):
    """A journal over such files."""

    def __init__(self, disk: Disk, *settings: Any, **named: Any) -> None:
        super().__init__(ShimmedDisk(disk, Insistent), *settings, **named)


def plant(healthy: Assembly) -> Assembly:
    """Break the end after a failed sync."""
    return replace(healthy, journal=RetriedFsync)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1300ms", every = "1s", fault = { type = "disk-eio", target = "leader" } },
    { at = "1010ms", until = "1310ms", every = "1s", fault = { type = "power-off", target = "all" } },
]
""",
    caught_by=(
        "invariants: n# has forgotten what it had answered for: slot #, accepted in ballot #",
        "invariants: n# remembers a promise of # after it had answered for #",
        "recovery: *is not running (exit status *",
    ),
    checkers_alone=("recovery: *is not running (exit status *",),
    real=Real(
        scenario="""
nodes = 3
time = "60s"
rate = 100
faults = []
schedule = [
    { at = "4s", until = "4700ms", every = "5s", fault = { type = "disk-eio", target = "leader" } },
    { at = "4100ms", until = "4600ms", every = "5s", fault = { type = "power-off", target = "all" } },
]
""",
        caught_by=("recovery: *is not running (exit status *", "linearizable: *", "final-reads: *", "node-audit: *"),
    ),
)
