"""The nodes' disks: for each node's data folder a process that serves it through FUSE and can take back what it wrote.

They are forked by the warden before it does anything else with time in it, and only if the run's faults need disks. The
file systems are mounted over the very folders, in a mount namespace of the warden's and its nodes' alone: nobody else
ever sees them, the files below are plain files for everybody else at all times, and the kernel unmounts with the last
process of the namespace. Where that is forbidden, fusermount3 mounts for everybody to see; the warden unmounts at its
end, and who clears up after a killed one does (``leftovers``). Where FUSE is closed, a preload library takes its place.

A disk is told what to do over a pair of connected sockets, like the switch, and dies with the warden.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cluster.local import channel, disk_messages, forking, kernel, pids
from harness.cluster.local.disk_messages import (
    PLACES_MAX,
    Abandon,
    Attach,
    Count,
    Did,
    DiskReply,
    DiskRequest,
    DoDamage,
    LosePower,
    Places,
    Report,
    Trouble,
)
from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import Answer, Disk, DiskSaid, DisksBy, Done, Refused, Reply
from harness.seeds import Stream
from nemesis.fuse import mount
from nemesis.fuse.mount import FuseError
from nemesis.fuse.volume import Volume
from nemesis.troubled import TroubledDisk

if TYPE_CHECKING:
    from nemesis.shim.shimmed import Shimmed

MOUNT_LIMIT_S = 10.0
END_LIMIT_S = 5.0
HELPERS = ("fusermount3", "fusermount")


@dataclass(frozen=True, slots=True)
class DiskProcess:
    """The process of one node's disk; ``helper_mount`` is where it is mounted for everybody to see, "" if it is not."""

    node: str
    identity: pids.Identity
    control: socket.socket
    helper_mount: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    state: Path | None = None

    def end(self) -> None:
        """Unmount where that does not go by itself, and SIGKILL: what was written is in the files below."""
        if self.helper_mount:
            unmount(self.helper_mount)
        self.control.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.identity.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.identity.pid, 0)
        if self.state is not None:
            shutil.rmtree(self.state, ignore_errors=True)


def start(folders: Mapping[str, str], by: DisksBy, directory: Path) -> tuple[DiskProcess, ...]:
    """Start a disk for each node over its data folder. Raises LocalError, and leaves nothing, if one cannot be had.

    ``directory`` is for what a preload library needs. To be called by the warden, before it has threads or an event
    loop: it moves to a mount namespace of its own.
    """
    if by == "preload":
        return _start_preloaded(folders, directory)
    try:
        return _start_mounted(folders)
    except LocalError as error:
        if by == "fuse":
            raise
        try:
            return _start_preloaded(folders, directory)
        except LocalError as other:
            raise LocalError(f"{error}; {other}") from error


def _start_mounted(folders: Mapping[str, str]) -> tuple[DiskProcess, ...]:
    try:
        mount.load()  # once for all that are forked
    except FuseError as error:
        raise LocalError(str(error)) from error
    by_helper = not _own_mounts()
    return _start_all([partial(_fork_mounted, node, Path(folder), by_helper) for node, folder in folders.items()])


def _start_preloaded(folders: Mapping[str, str], directory: Path) -> tuple[DiskProcess, ...]:
    from nemesis.preload import library  # noqa: PLC0415 - only where FUSE is closed

    try:
        built = library.find(directory, library.DISK).path
    except library.NoLibraryError as error:
        raise LocalError(str(error)) from error
    forks = [
        partial(_fork_preloaded, node, Path(folder), directory / f"disk-{node}", built)
        for node, folder in folders.items()
    ]
    return _start_all(forks)


def _start_all(forks: Sequence[Callable[[], DiskProcess]]) -> tuple[DiskProcess, ...]:
    started: list[DiskProcess] = []
    try:
        for fork in forks:
            started.append(fork())
        for disk in started:
            _await_mounted(disk)
    except BaseException:
        for disk in started:
            disk.end()
        raise
    return tuple(started)


def mechanism(disks: tuple[DiskProcess, ...]) -> str:
    """Say in a few words by what means."""
    if any(disk.environment for disk in disks):
        return "preload library with an undo journal"
    where = "fusermount3" if any(disk.helper_mount for disk in disks) else "mount namespace"
    return f"FUSE passthrough with an undo journal ({where})"


def unmount(path: str) -> None:
    """Detach a file system of ours that fusermount3 has mounted; harmless where there is none."""
    for helper in filter(shutil.which, HELPERS):
        subprocess.run((helper, "-u", "-z", path), check=False, capture_output=True, timeout=END_LIMIT_S)
        return


def _own_mounts() -> bool:
    """Move to a mount namespace of this process's own; False where that is forbidden."""
    try:
        kernel.new_mount_namespace()
    except LocalError:
        return False
    return True


def _fork_mounted(node: str, folder: Path, by_helper: bool) -> DiskProcess:
    folder.mkdir(parents=True, exist_ok=True)
    identity, control = _fork(node, partial(_serve_mounted, folder, by_helper))
    return DiskProcess(node, identity, control, str(folder) if by_helper else "")


def _fork_preloaded(node: str, folder: Path, state: Path, library: Path) -> DiskProcess:
    from nemesis.shim.shimmed import Shimmed  # noqa: PLC0415 - only where FUSE is closed

    folder.mkdir(parents=True, exist_ok=True)
    try:
        shimmed = Shimmed(folder, state)
    except OSError as error:
        raise LocalError(f"the disk of {node} cannot be begun at {state}: {error}") from error
    identity, control = _fork(node, partial(_serve_preloaded, shimmed))
    environment = {**shimmed.environment, "LD_PRELOAD": str(library)}
    return DiskProcess(node, identity, control, "", environment, state)


def _fork(node: str, serve: Callable[[socket.socket], None]) -> tuple[pids.Identity, socket.socket]:
    """Start a disk's process; return it, and this process's end of its control socket."""
    ours, theirs = channel.pair()

    def work() -> None:
        _close_all_but(theirs.fileno())
        serve(theirs)

    pid = forking.fork(f"the disk of {node}", work)
    theirs.close()
    return pids.Identity(pid, pids.start_ticks(pid)), ours


def _await_mounted(disk: DiskProcess) -> None:
    disk.control.settimeout(MOUNT_LIMIT_S)
    try:
        packet = channel.receive(disk.control)
    except TimeoutError as error:
        raise LocalError(f"the disk of {disk.node} was not mounted after {MOUNT_LIMIT_S:g} s") from error
    if packet is None:
        raise LocalError(f"the disk of {disk.node} ended before it was mounted; its words are in the log")
    reply = channel.decode_answer(packet.data).reply
    if isinstance(reply, Refused):
        raise LocalError(reply.reason)
    disk.control.settimeout(None)


# -- in the disk's own process ----------------------------------------------------------------------------------------


def _serve_mounted(folder: Path, by_helper: bool, control: socket.socket) -> None:
    """Be a disk until the warden ends."""
    volume = Volume(folder, TroubledDisk())
    server = _Server(volume, control)
    try:
        mount.serve(volume, folder, server.mounted, by_helper=by_helper)
    except (FuseError, OSError) as error:
        server.say(0, Refused(str(error)))


def _serve_preloaded(shimmed: Shimmed, control: socket.socket) -> None:
    """Be the disk of a node whose program has the shim, until the warden ends."""
    server = _Server(shimmed, control)
    server.say(0, Done())
    server.serve()


def _close_all_but(kept: int) -> None:
    """Hold no socket of the warden's open: its peers could not see its end."""
    os.closerange(3, kept)
    os.closerange(kept + 1, 65_536)


class _Server:
    """Serves the warden, in a thread beside the file system's."""

    def __init__(self, volume: Volume | Shimmed, control: socket.socket) -> None:
        self._volume = volume
        self._control = control

    def mounted(self) -> None:
        """The file system is there: say so, and take orders from now on."""
        threading.Thread(target=self.serve, name="control", daemon=True).start()
        self.say(0, Done())

    def say(self, number: int, reply: Reply) -> None:
        """Answer a request."""
        self._control.send(channel.encode(Answer(number, reply)))

    def serve(self) -> None:
        """Answer until the warden is gone."""
        try:
            while (packet := channel.receive(self._control)) is not None:
                number = channel.number_of(packet.data)
                self.say(number, self._reply(packet.data))
        except BaseException:  # noqa: BLE001 - a disk that nobody can talk to must not live on
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(1)

    def _reply(self, data: bytes) -> Reply:
        try:
            request = channel.decode_ask(data).request
            if not isinstance(request, Disk):
                raise LocalError(f"a disk does not do {type(request).__name__}")
            return DiskSaid(disk_messages.seal(self._do(disk_messages.open_request(request.request))))
        except LocalError as error:
            return Refused(str(error))
        except Exception as error:  # noqa: BLE001 - told to whoever asked, and to the log
            traceback.print_exc()
            sys.stderr.flush()
            self._volume.fail(f"{type(error).__name__}: {error}")
            return Refused(f"the disk failed: {type(error).__name__}: {error}")

    def _do(self, request: DiskRequest) -> DiskReply:
        volume = self._volume
        match request:
            case Trouble(trouble, seed):
                volume.set_trouble(trouble, Stream(seed).below)
            case Abandon():
                volume.abandon()
            case Attach():
                volume.attach()
            case LosePower(arrival, seed):
                volume.lose_power(arrival, Stream(seed).below)
            case DoDamage(damage, seed):
                done = volume.damage(damage, Stream(seed).below)
                return Places(done[:PLACES_MAX], len(done[PLACES_MAX:]))
            case Count():
                return Report(volume.counters(), volume.failure, volume.overflows)
        return Did()
