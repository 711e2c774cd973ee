"""Where runs are carried out that not all are kept: a directory that is there as long as its controller is.

The runs that are worth keeping are moved out of it. Workers are ended in the middle of a run, when the user has had
enough or a seed hangs; if that run was one of real processes, those are on their way out then, with disks that are
still mounted within the directory. So before a directory is removed, everything that lives in it has ended.

What cannot be ended or removed stays, with the ledgers that name it, and is told on standard error: it takes nothing
back of what was found out, and is not the business of whoever finds it. ``antipaxos clean`` tries again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.cluster.base import ClusterError
from harness.cluster.local import leftovers
from harness.store import CLUSTER, Store

MEMORY_DISK = Path("/dev/shm")
MEMORY_DISK_PER_JOB_BYTES = 256 << 20
"""How much room a worker's runs may take before the disk of memory is not used at all."""
WORK_PREFIX = ".antipaxos-explore-"


@contextmanager
def working_directory(store: Store, jobs: int, *, real: bool = False) -> Iterator[Path]:
    """Give a directory for the runs: in memory if there is room, else beside the store's runs; gone afterwards.

    ``real`` nodes write to the store's disk: memory has no fsync worth the name.
    """
    parent = MEMORY_DISK if not real and _has_room(MEMORY_DISK, jobs) else store.root
    parent.mkdir(parents=True, exist_ok=True)
    for left in sweep(parent):
        _tell(left)
    work = Path(tempfile.mkdtemp(prefix=f"{WORK_PREFIX}{os.getpid()}-", dir=parent))
    held = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield work
    finally:
        try:
            _tell(_remove(work))
        finally:
            os.close(held)


@dataclass(frozen=True, slots=True)
class Removed:
    """A directory that was removed, or ``why`` it could not be."""

    directory: Path
    why: str = ""


def sweep(parent: Path) -> tuple[Removed, ...]:
    """Remove the directories of controllers that were killed, and say of each what came of it.

    Nobody has their lock, and no process their id.

    The lock alone would do but for the moment between a directory's making and its locking.
    """
    swept = []
    for directory in parent.glob(f"{WORK_PREFIX}*-*"):
        pid = directory.name.removeprefix(WORK_PREFIX).partition("-")[0]
        if Path("/proc", pid).exists() or directory.is_symlink():
            continue
        try:
            held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:  # another user's, or gone meanwhile
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            swept.append(_remove(directory))
        except BlockingIOError:  # in use, by somebody whose processes cannot be seen from here
            continue
        finally:
            os.close(held)
    return tuple(swept)


def _remove(directory: Path) -> Removed:
    """End everything that lives in a directory, and remove it."""
    try:
        end_leftovers(directory)
        shutil.rmtree(directory)
    except (ClusterError, OSError) as error:
        return Removed(directory, str(error))
    return Removed(directory)


def _tell(removed: Removed) -> None:
    if removed.why:
        print(f"antipaxos: {removed.directory} stays: {removed.why}", file=sys.stderr)  # noqa: T201


def _has_room(disk: Path, jobs: int) -> bool:
    if not disk.is_dir() or not os.access(disk, os.W_OK | os.X_OK):
        return False
    return shutil.disk_usage(disk).free >= jobs * MEMORY_DISK_PER_JOB_BYTES


def end_leftovers(work: Path) -> None:
    """End what still lives of runs whose worker was ended, anywhere below a directory. Raises ClusterError."""
    for folder in (*work.glob(f"*/{CLUSTER}"), *work.glob(f"*/*/{CLUSTER}")):
        leftovers.end_all(folder)
