"""What is read back after a crash is taken for durable.

*Mechanism.* A sync fails, the node ends as it should, and starts again. The record whose sync had failed can be read:
it is in the kernel's cache, in pages that the kernel holds for clean and will never write. The node builds on it,
answers for it, and the next power cut takes it.

*In real life.* Rebello et al., *Can Applications Recover from fsync Failures?* (ATC 2020): "restart and recover from
the log" was PostgreSQL's answer to fsyncgate, and is not enough where the log is read from the cache.

*Exposed by* an I/O error of a sync, a restart, and a power cut.

*Caught by* the invariant that a node remembers what it had answered for; and by nodes that refuse to start, for the
power cut leaves a hole in the log, in front of records that call it durable.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.storage.disk import File
from node.storage.journal import Journal
from node.storage.wal import Wal, _Scan


class TrustingWal(Wal):
    """A log that trusts what it reads."""

    def harden(self, file: File, scan: _Scan) -> None:
        """Leave it as it is."""
        del file, scan
        misdeeds.happened()


class CleanPages(Journal):
    """A journal on such a log."""

    wal_type = TrustingWal


def plant(healthy: Assembly) -> Assembly:
    """Break the hardening of what was read."""
    return replace(healthy, journal=CleanPages)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1100ms", every = "1s", fault = { type = "disk-eio", target = "all" } },
    { at = "1300ms", until = "1400ms", every = "1s", fault = { type = "power-off", target = "all" } },
]
""",
    caught_by=(
        "invariants: n# has forgotten what it had answered for: slot #, accepted in ballot #",
        "invariants: n# remembers a promise of # after it had answered for #",
        "recovery: *is not running (exit status *",
    ),
    checkers_alone=("recovery: *is not running (exit status *",),
)
