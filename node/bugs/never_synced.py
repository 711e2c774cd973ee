"""The log is written and never synced.

*Mechanism.* ``write`` returns, so it is on the disk: it is in the kernel's cache. Everything since the kernel last
felt like writing is gone when the power is.

*In real life.* PySyncObj's journal is memory-mapped and never synced (issue 84, open since 2018). libpaxos keeps its
acceptors' state in memory by default. "It survives ``kill -9``" is true, and is what gets tested.

*Exposed by* power cuts, on a majority.

*Caught by* the invariant that a node remembers what it had answered for, at the first power cut; without it by all
that clients had been told and nobody knows any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.storage.disk import Disk
from node.storage.journal import Journal
from node.storage.shims import FileShim, ShimmedDisk


class Unsynced(FileShim):
    """A file that is said to be synced."""

    def sync(self) -> None:
        """Do nothing."""
        misdeeds.happened()


class NeverSynced(Journal):
    """A journal over such files."""

    def __init__(self, disk: Disk, *settings: Any, **named: Any) -> None:
        super().__init__(ShimmedDisk(disk, Unsynced), *settings, **named)


def plant(healthy: Assembly) -> Assembly:
    """Break the sync of the log."""
    return replace(healthy, journal=NeverSynced)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "5s"
faults = []
schedule = [
    { at = "1s", until = "1200ms", every = "700ms", fault = { type = "power-off", target = "all", mode = "drop" } },
]
""",
    caught_by=(
        "invariants: n# has forgotten what it had answered for: slot #, accepted in ballot #",
        "invariants: n# remembers a promise of # after it had answered for #",
    ),
    checkers_alone=(
        "node-audit: *",
        "linearizable: *",
        "final-reads: *",
        "recovery: *is not running (exit status *",
    ),
)
