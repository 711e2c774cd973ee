"""The log is cut before the snapshot that replaces it is on the disk.

*Mechanism.* A snapshot is taken, so the log up to its slot is needed no more: its files are removed, and then the
snapshot is written. When the process dies in between, there is neither.

*In real life.* Pillai et al., *All File Systems Are Not Created Equal* (OSDI 2014), found databases and version
control systems alike whose crash consistency hung on the order in which a file was written and another one removed.

*Exposed by* kills while a snapshot is being written: slow disks. A power cut takes the removals back, as long as no
sync has made them durable.

*Caught by* the recovery of a node: it finds a log without its beginning, and refuses to go on.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.snapshot import Snapshot
from node.storage.journal import Journal


class HastyCut(Journal):
    """A journal that makes room first."""

    def save(self, snapshot: Snapshot) -> Generator[None, None, int]:
        """Drop what the snapshot covers, then make it durable."""
        durable, self._snapshots.latest = self._snapshots.latest, snapshot
        cut = self._wal.release()
        self._snapshots.latest = durable
        if cut:
            misdeeds.happened()
        return cut + (yield from super().save(snapshot))


def plant(healthy: Assembly) -> Assembly:
    """Break the order of a snapshot and the cut."""
    return replace(healthy, journal=HastyCut)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "6s"
rate = 400
concurrency = 30
faults = []
schedule = [
    { at = "500ms", until = "6s", fault = { type = "disk-slow", target = "all", times = 30 } },
    { at = "1500ms", until = "1600ms", every = "700ms", fault = { type = "kill", target = "all" } },
]

[node]
log_segment_bytes = 8192
snapshot_slots = 10
snapshot_tail_slots = 1
""",
    caught_by=("recovery: *n# is not running (exit status #)*",),
    checkers_alone=("recovery: *n# is not running (exit status #)*",),
)
