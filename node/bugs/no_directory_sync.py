"""A new file of the log is synced, and its name is not.

*Mechanism.* fsync of a file makes its data durable, and on many file systems not the entry in its folder. After a
power cut a whole segment is gone, with everything in it that was acknowledged.

*In real life.* cocagne's multi-paxos-example, the best-known tutorial of Multi-Paxos in Python, syncs its file and
renames it without a sync of the folder. Pillai et al., *All File Systems Are Not Created Equal* (OSDI 2014), found the
same in LevelDB, Git and others.

*Exposed by* a power cut after the log has begun a new file.

*Caught by* the invariant that a node remembers what it had answered for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from node.assembly import Assembly
from node.museum import Exhibit, Real, misdeeds
from node.storage.disk import Disk
from node.storage.journal import Journal
from node.storage.shims import FileShim, ShimmedDisk


class NamelessDisk(ShimmedDisk):
    """A folder that is never synced."""

    def sync_names(self) -> None:
        """Do nothing."""
        misdeeds.happened()


class NoDirectorySync(Journal):
    """A journal in such a folder."""

    def __init__(self, disk: Disk, *settings: Any, **named: Any) -> None:
        super().__init__(NamelessDisk(disk, FileShim), *settings, **named)


def plant(healthy: Assembly) -> Assembly:
    """Break the durability of names."""
    return replace(healthy, journal=NoDirectorySync)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1200ms", every = "700ms", fault = { type = "power-off", target = "all", mode = "names" } },
]

[node]
log_segment_bytes = 2000
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
    real=Real(
        scenario="""
nodes = 3
time = "60s"
rate = 100
faults = []
schedule = [
    { at = "4s", until = "4500ms", every = "5s", fault = { type = "power-off", target = "all", mode = "names" } },
]

[node]
log_segment_bytes = 4000
""",
        caught_by=("linearizable: *", "final-reads: *", "node-audit: *"),
    ),
)
