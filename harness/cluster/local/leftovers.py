"""What a crashed run has left behind, and how to end it without hitting anyone else.

Normally nothing: the warden ends with its controller, and all others with the warden. What remains are the cases in
which the warden could not act, say because someone had stopped it. Only processes in a run's ledger are considered,
only if their controller is gone, and only if pid, start time and boot all agree, checked again on a pidfd, which
cannot come to mean another process, right before the signal.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from harness.cluster.base import ClusterError
from harness.cluster.local import cgroups, ledger, pids
from harness.cluster.local.errors import LocalError
from harness.cluster.local.pids import Identity

END_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process that outlived its controller; ``name`` is warden, switch or the node's name."""

    name: str
    process: Identity
    directory: Path


def find(directory: Path) -> list[Leftover]:
    """Return what still runs of the cluster whose ledger lies in ``directory``, the warden first.

    Nothing, if its controller is alive. A ledger of which nobody is left is removed, with what they had made. Raises
    ClusterError.
    """
    try:
        book = ledger.read(directory)
    except LocalError as error:
        raise ClusterError(str(error)) from error
    if book is None:
        return []
    found = ledger.living(book)
    if not found:
        clear(book, directory)
    elif pids.is_alive(book.controller):
        return []
    return [Leftover(name, process, directory) for name, process in found.items()]


def end(leftover: Leftover) -> bool:
    """SIGKILL a leftover, a node with its process group, and wait for its end; False if it was gone already."""
    pid = leftover.process.pid
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not pids.is_alive(leftover.process):
            return False
        _kill(pid, pidfd)
        if not select.select([pidfd], [], [], END_LIMIT_S)[0]:
            raise ClusterError(f"{leftover.name} (pid {pid}) is still there {END_LIMIT_S:g} s after SIGKILL")
    except PermissionError as error:
        raise ClusterError(f"may not end {leftover.name} (pid {pid}): run clean as the user of the run") from error
    finally:
        os.close(pidfd)
    return True


def end_all(directory: Path) -> list[Leftover]:
    """End what still runs of a cluster, and all that it had made; return what was ended. Raises ClusterError."""
    ended = [leftover for leftover in find(directory) if end(leftover)]
    if ended:
        find(directory)  # nobody is left: so what the processes had made goes, too
    return ended


def clear(book: ledger.Ledger, directory: Path) -> None:
    """Remove what a ledger's processes had made, of whom nobody is left, and the ledger, once nothing else is left.

    Raises ClusterError, if a cgroup stays. A node's child that outlived it may be in it; it is in no ledger.
    """
    _clear_disks(book, directory)
    if staying := cgroups.remove(book.warden):
        raise ClusterError("; ".join(staying))
    ledger.remove(directory, book.warden)


def _clear_disks(book: ledger.Ledger, directory: Path) -> None:
    """Detach what fusermount3 had mounted, and remove what preload libraries had to be told, when nobody is left.

    fusermount3 promises to unmount what was mounted with it when the file system's process dies; it did not where this
    was tried.
    """
    for state in directory.glob("disk-*"):
        shutil.rmtree(state, ignore_errors=True)
    if not book.mounts:
        return
    mounted = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    from harness.cluster.local import disks  # noqa: PLC0415 - hardly ever needed

    for path in book.mounts:
        if _escaped(path) in mounted:
            disks.unmount(path)


def _escaped(path: str) -> str:
    """Return a path as /proc writes it."""
    return "".join(f"\\{ord(letter):03o}" if letter in " \t\n\\" else letter for letter in path)


def _kill(pid: int, pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
