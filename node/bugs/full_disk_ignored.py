"""A write that the disk refuses is taken for done.

*Mechanism.* The error of a write is logged and forgotten, or a short write's count is not looked at. The record is not
there; the sync of what is there succeeds; the node answers for a record that it does not have.

*In real life.* Ganesan et al., *Redundancy Does Not Imply Fault Tolerance* (FAST 2017), injected single errors into
eight replicated stores and found ignored ones in several. A full disk is the commonest of all.

*Exposed by* a full disk, and then a restart.

*Caught by* the invariant that a node remembers what it had answered for.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.storage.disk import Disk
from node.storage.journal import Journal
from node.storage.shims import FileShim, ShimmedDisk


class Careless(FileShim):
    """A file whose writes always work."""

    def write(self, offset: int, data: bytes) -> None:
        """Write, if there is room."""
        with contextlib.suppress(OSError):
            super().write(offset, data)
            return
        misdeeds.happened()


class FullDiskIgnored(Journal):
    """A journal over such files."""

    def __init__(self, disk: Disk, *settings: Any, **named: Any) -> None:
        super().__init__(ShimmedDisk(disk, Careless), *settings, **named)


def plant(healthy: Assembly) -> Assembly:
    """Break the errors of writes."""
    return replace(healthy, journal=FullDiskIgnored)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
faults = []
schedule = [
    { at = "1s", until = "1200ms", every = "1s", fault = { type = "disk-full", target = "one" } },
    { at = "1300ms", until = "1400ms", every = "1s", fault = { type = "kill", target = "all" } },
]
""",
    caught_by=(
        "invariants: n# has forgotten what it had answered for: slot #, accepted in ballot #",
        "invariants: n# remembers a promise of # after it had answered for #",
        "invariants: n# answers for slot # in # before that is durable",
    ),
    checkers_alone=("recovery: *is not running (exit status *",),
)
