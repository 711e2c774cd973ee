"""What a node is made of: the one place where its parts are chosen.

A planted bug (``node.bugs``) is a different choice of parts, so the healthy code has no switch for any of them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from node import bugs
from node.committer import Committer
from node.paxos.core import Parts
from node.replica import Replica
from node.storage.disk import Disk, PosixDisk
from node.storage.journal import Journal


class Disks(Protocol):
    """Opens the disk of a data folder, which is there; ``direct``: past the page cache, if the file system can."""

    def __call__(self, folder: Path, *, direct: bool = False) -> Disk:
        """Return the disk."""


def needs_no_wall_clock(replica: Replica, wall: Callable[[], int]) -> None:
    """Leave a new replica as it is: a healthy one knows nothing of the wall clock."""
    del replica, wall


@dataclass(frozen=True, slots=True)
class Assembly:
    """The classes that make a node; ``equip`` is shown each new replica, and what reads the wall clock (ns)."""

    core: Parts = field(default_factory=Parts)
    replica: type[Replica] = Replica
    committer: type[Committer] = Committer
    disk: Disks = PosixDisk
    journal: type[Journal] = Journal
    equip: Callable[[Replica, Callable[[], int]], None] = needs_no_wall_clock


class UnknownBugError(ValueError):
    """There is no planted bug of that name."""


def bug_names() -> list[str]:
    """Return the names of all planted bugs, sorted."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(bugs.__path__))


def assemble(bug: str | None = None) -> Assembly:
    """Return a healthy node's parts, or those of a node with one planted bug. Raises UnknownBugError."""
    if bug is None:
        return Assembly()
    if bug not in bug_names():
        raise UnknownBugError(f"no planted bug is named {bug!r}; there are: {', '.join(bug_names())}")
    module = importlib.import_module(f"node.bugs.{bug.replace('-', '_')}")
    planted: Assembly = module.plant(Assembly())
    return planted
