"""A quota of processor time by cgroup, in the hierarchy of version 1 or 2, whichever has the ``cpu`` controller.

Nothing is made before a node is to starve, and everything is named after the warden that made it (pid and start time),
so that whoever cleans up after a killed one knows what is nobody's any more. A cgroup goes with ``rmdir`` once nobody
is in it; the kernel sees to it that nobody removes one in use.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cluster.local.pids import Identity

ROOT = Path("/sys/fs/cgroup")
PREFIX = "antipaxos"
QUOTA_US = 1_000
"""The least that the kernel takes: the shorter the turns, the smoother the starvation."""
PERIOD_MIN_US = 20_000
PERIOD_MAX_US = 1_000_000
_V1 = ("cpu", "cpu,cpuacct")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where cpu cgroups are made: ``version`` 1 or 2."""

    path: Path
    version: int

    def __str__(self) -> str:
        return f"cpu cgroup (version {self.version})"


def hierarchy(root: Path = ROOT) -> Hierarchy | None:
    """Return where this process may make cpu cgroups; None if nowhere. It asks for permission and makes nothing."""
    for name in _V1:
        path = root / name
        if (path / "cpu.cfs_quota_us").exists() and os.access(path, os.W_OK):
            return Hierarchy(path, 1)
    try:
        controllers = (root / "cgroup.subtree_control").read_text().split()
    except OSError:
        return None
    return Hierarchy(root, 2) if "cpu" in controllers and os.access(root, os.W_OK) else None


def folder_of(where: Hierarchy, owner: Identity) -> Path:
    """Return the cgroup under which a warden makes its own."""
    return where.path / f"{PREFIX}-{owner.pid}-{owner.started_ticks}"


def confine(where: Hierarchy, owner: Identity, node: str, pids: Sequence[int], times: int) -> Path:
    """Let processes have one part in ``times`` of one processor; return their cgroup. Raises OSError."""
    parent = folder_of(where, owner)
    parent.mkdir(exist_ok=True)
    if where.version == 2:
        (parent / "cgroup.subtree_control").write_text("+cpu")
    group = parent / node
    group.mkdir(exist_ok=True)
    period_us = min(max(PERIOD_MIN_US, QUOTA_US * times), PERIOD_MAX_US)
    quota_us = max(QUOTA_US, period_us // times)
    if where.version == 2:
        (group / "cpu.max").write_text(f"{quota_us} {period_us}")
    else:
        (group / "cpu.cfs_period_us").write_text(str(period_us))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(pid))
    return group


def release(where: Hierarchy, owner: Identity, node: str, home: str) -> None:
    """Let all that a node's cgroup holds go back to ``home`` (as /proc/<pid>/cgroup has it), and remove the cgroup."""
    group = folder_of(where, owner) / node
    for pid in _members(group):
        with contextlib.suppress(ProcessLookupError):
            (where.path / home.lstrip("/") / "cgroup.procs").write_text(str(pid))
    with contextlib.suppress(FileNotFoundError):
        group.rmdir()


def remove(owner: Identity, root: Path = ROOT) -> tuple[str, ...]:
    """Remove all that a warden has made; say of each cgroup that stays, for the next time, why it does."""
    staying = []
    for folder in (root / name / f"{PREFIX}-{owner.pid}-{owner.started_ticks}" for name in ("", *_V1, "freezer")):
        if not folder.is_dir() or folder.is_symlink():
            continue
        for group in (*_folders(folder), folder):
            try:
                group.rmdir()
            except FileNotFoundError:
                continue  # by somebody else at the same time
            except OSError as error:
                inside = ", ".join(map(str, _members(group)))
                used = f"used by process {inside}" if inside else str(error.strerror)
                staying.append(f"cannot remove the cgroup {group}: {used}")
                break
    return tuple(staying)


def home_of(pid: int, where: Hierarchy) -> str:
    """Return the cgroup of a process within a hierarchy, "/" if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return "/"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if (where.version == 2 and not controllers) or (where.version == 1 and "cpu" in controllers.split(",")):
            return path
    return "/"


def _members(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _folders(folder: Path) -> Iterator[Path]:
    yield from (entry for entry in folder.iterdir() if entry.is_dir())
