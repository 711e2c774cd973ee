"""A folder of the machine's as a disk that forgets: every change goes through, and can be taken back.

What is written is in the folder at once, as plain files, so that whatever happens to this process nobody has to put the
node's data together again; what would have to be taken back at a power cut is in the undo journal, in memory
(``nemesis.undo``). When the power goes, contents go back first, then names: what is there and should not be is removed,
what should be there and is not is made from the descriptor that has been kept of every file.

One thread serves the program, another one whoever controls the faults, so everything happens under one lock. A slow
or stalled sync waits without it. Nothing else can be served meanwhile: the disk has one queue, as FUSE with one
thread has. A sync that waits must not outlive its program, which the kernel cannot end before it is answered:
``abandon`` lets it fail, and all that come after it, until ``attach``.

Permissions, owners and times are passed on and never taken back.

libfuse does not remove a file that is open: it renames it to a hidden name, and removes that when it is closed. In here
such a file has lost its name at once (``hide``), as it would have without libfuse. But of a rename onto an open file
the hiding is the first half, and the two must not come apart at a power cut: so it waits for what comes next.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from nemesis.fuse.stored import ZEROS, Stored
from nemesis.ground import DiskCounters, DiskTrouble
from nemesis.inode import Directory, Inode
from nemesis.troubled import TroubledDisk
from nemesis.undo import Arrival, Below, Damage, Damaged

SYNC_S_MIN = 0.0003
"""What a sync is taken to last at least when it is slowed: where the machine's own take no time, so much is added."""

FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE = 0x01, 0x02, 0x10
_ZEROING = {
    FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE: True,
    FALLOC_ZERO_RANGE | FALLOC_KEEP_SIZE: True,
    FALLOC_ZERO_RANGE: False,
}
"""The modes that write zeros, and whether they keep the file's size."""


class Symlink(Inode):
    """A name that stands for a path."""

    __slots__ = ("target",)

    def __init__(self, target: str) -> None:
        super().__init__()
        self.target = target


class Volume:
    """One folder of one node. Paths are absolute within it: ``/`` is the folder itself. All methods raise OSError."""

    def __init__(self, folder: Path, disk: TroubledDisk) -> None:
        """Take what is in the folder for durable. To be made before anything is mounted over the folder."""
        _raise_descriptor_limit()
        self.disk = disk
        self.failure = ""
        """The first thing that went wrong in here and should not have: no verdict on the program can come of it."""
        self._changed = threading.Condition(threading.RLock())
        self._abandoned = False
        self._handles: dict[int, Inode] = {}
        self._last_handle = 0
        self._lost_names: list[Inode] = []
        self._hidden: dict[str, Inode] = {}
        self._hiding = ""
        """Where the file was that is being hidden, until it is clear what for."""
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.numbers: dict[int, Inode] = {os.fstat(self._folder).st_ino: disk.folder.root}
        """What was there at first, by the numbers that the machine has for it."""
        self._adopt("", disk.folder.root)

    @property
    def overflows(self) -> int:
        """How often the journal was over its limit."""
        return self.disk.folder.overflows

    # -- control ------------------------------------------------------------------------------------------------------

    def set_trouble(self, trouble: DiskTrouble, below: Below) -> None:
        """Let the disk have this trouble and no other; syncs that were stalled end once it is not."""
        with self._changed:
            self.disk.trouble = trouble
            self.disk.below = below
            self._changed.notify_all()

    def counters(self) -> DiskCounters:
        """Return what troubles have done."""
        with self._changed:
            return self.disk.counters

    def abandon(self) -> None:
        """The program is being killed: no sync waits any more, and none makes anything durable."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def attach(self) -> None:
        """A program is about to be started."""
        with self._changed:
            self._abandoned = False

    def lose_power(self, arrival: Arrival, below: Below) -> None:
        """Go back to what is durable and to what has arrived. To be called when the program is gone."""
        with self._changed:
            self.finish_hiding()
            before = dict(_paths(self.disk.folder.root))
            self.disk.lose_power(arrival, below)
            self._lay_out(before)

    def damage(self, damage: Damage, below: Below) -> tuple[Damaged, ...]:
        """Damage what is durable. To be called when the program is gone."""
        with self._changed:
            self.finish_hiding()
            before = dict(_paths(self.disk.folder.root))
            done = self.disk.damage(damage, below)
            self._lay_out(before)
            return done

    def fail(self, what: str) -> None:
        """Note that something went wrong that no fault has asked for."""
        with self._changed:
            self.failure = self.failure or what

    def close(self) -> None:
        """Let go of every file; nothing more is asked of this."""
        inodes = {id(inode): inode for inode in (*self.numbers.values(), *self._lost_names, *self._handles.values())}
        inodes |= {id(inode): inode for _, inode in self.disk.folder.walk()}
        for inode in inodes.values():
            if isinstance(inode.content, Stored) and inode.content.fd >= 0:
                inode.content.close()
                inode.content.fd = -1
        os.close(self._folder)

    # -- files --------------------------------------------------------------------------------------------------------

    def open(self, path: str, flags: int) -> int:
        """Open a file that exists; return its handle."""
        with self._changed:
            inode = self._find(path)
            if flags & os.O_TRUNC:
                self.disk.folder.write(inode, 0, None)
            return self._handle(inode)

    def create(self, path: str, mode: int) -> int:
        """Make a file; return its handle."""
        with self._changed:
            self.disk.take_write()
            folder, name = self._parent(path)
            if name in folder.entries:
                raise FileExistsError(errno.EEXIST, "exists", path)
            fd = self._open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
            return self._handle(self.disk.folder.create(name, folder, Stored(fd)))

    def read(self, handle: int, offset: int, size: int) -> bytes:
        """Read."""
        with self._changed:
            return self.disk.misread(self._handles[handle].content.read(offset, size))

    def write(self, handle: int, offset: int, data: bytes) -> int:
        """Write."""
        with self._changed:
            self.disk.take_write()
            self.disk.folder.write(self._handles[handle], offset, data)
            return len(data)

    def set_size(self, path: str | None, handle: int | None, size: int) -> None:
        """Cut or extend a file, named by its handle or, without one, by its path."""
        with self._changed:
            inode = self._handles[handle] if handle is not None else self._find(path or "/")
            self.disk.folder.write(inode, size, None)

    def allocate(self, handle: int, mode: int, offset: int, size: int) -> None:
        """fallocate(2), as far as it can be seen in what is read."""
        with self._changed:
            self.disk.take_write()
            inode = self._handles[handle]
            end = offset + size
            if mode == 0:
                if end > inode.content.size():
                    self.disk.folder.write(inode, end, None)
            elif mode in _ZEROING:
                self._write_zeros(inode, offset, min(end, inode.content.size()) if _ZEROING[mode] else end)
            elif mode != FALLOC_KEEP_SIZE:
                raise OSError(errno.EOPNOTSUPP, f"fallocate with mode {mode:#x}")

    def _write_zeros(self, inode: Inode, offset: int, end: int) -> None:
        while offset < end:
            part = min(len(ZEROS), end - offset)
            self.disk.folder.write(inode, offset, ZEROS[:part])
            offset += part

    def sync(self, handle: int) -> None:
        """fsync and fdatasync."""
        with self._changed:
            inode = self._handles[handle]
            if isinstance(inode, Directory):
                self.disk.begin_sync_names(inode)
            else:
                self.disk.begin_sync(inode)
        began = time.monotonic()
        if isinstance(inode.content, Stored):
            os.fdatasync(inode.content.fd)  # without the lock: a power cut may come meanwhile
        with self._changed:
            self._wait(time.monotonic() - began)
            self.disk.settle()
            self._close_forgotten()

    def _wait(self, took_s: float) -> None:
        """Let a sync take as long as troubles want it to. Raises OSError if the program is being killed."""
        times = self.disk.slowed()
        deadline = time.monotonic() + (max(took_s, SYNC_S_MIN) * (times - 1))
        while not self._abandoned:
            left_s = deadline - time.monotonic()
            if self.disk.trouble.stalled:
                self._changed.wait()
            elif left_s > 0:
                self._changed.wait(left_s)
            else:
                return
        raise OSError(errno.EIO, "the program is being killed")

    def release(self, handle: int) -> None:
        """Close a handle."""
        with self._changed:
            self._handles.pop(handle, None)
            self._close_forgotten()

    # -- names --------------------------------------------------------------------------------------------------------

    def open_folder(self, path: str) -> int:
        """Return a handle of a folder."""
        with self._changed:
            return self._handle(self._find_folder(path))

    def names(self, handle: int) -> list[tuple[str, bool]]:
        """Return what is in a folder, and of each whether it is a folder."""
        with self._changed:
            folder = self._handles[handle]
            assert isinstance(folder, Directory)
            return [(name, isinstance(inode, Directory)) for name, inode in folder.entries.items()]

    def make_folder(self, path: str, mode: int) -> None:
        """mkdir."""
        with self._changed:
            self.disk.take_write()
            folder, name = self._parent(path)
            os.mkdir(_relative(path), mode, dir_fd=self._folder)
            self.disk.folder.link(name, Directory(), folder)

    def remove_folder(self, path: str) -> None:
        """rmdir."""
        with self._changed:
            folder, name = self._parent(path)
            os.rmdir(_relative(path), dir_fd=self._folder)
            self.disk.folder.remove(name, folder)

    def remove(self, path: str) -> None:
        """unlink."""
        with self._changed:
            if path in self._hidden:
                self._lost_names.append(self._hidden.pop(path))
                self._close_forgotten()
                return
            folder, name = self._parent(path)
            os.unlink(_relative(path), dir_fd=self._folder)
            self._lost_names.append(folder.entries[name])
            self.disk.folder.remove(name, folder)

    def hide(self, path: str, hidden: str) -> None:
        """Take a file's name away; until it is closed it is found by a hidden one."""
        with self._changed:
            self._hidden[hidden] = self._find(path)
            os.unlink(_relative(path), dir_fd=self._folder)
            self._hiding = path

    def finish_hiding(self) -> None:
        """What comes next is no rename onto the file that was hidden: so it was removed."""
        with self._changed:
            if self._hiding:
                folder, name = self._parent(self._hiding)
                self._hiding = ""
                self.disk.folder.remove(name, folder)

    def rename(self, old: str, new: str) -> None:
        """rename."""
        with self._changed:
            if new != self._hiding:
                self.finish_hiding()
            source, old_name = self._parent(old)
            target, new_name = self._parent(new)
            try:
                os.rename(_relative(old), _relative(new), src_dir_fd=self._folder, dst_dir_fd=self._folder)
            except OSError:
                self.finish_hiding()
                raise
            self._hiding = ""
            inode, victim = source.entries[old_name], target.entries.get(new_name)
            if victim is inode:
                return  # two names of one file: POSIX has it that nothing happens
            if victim is not None:
                self._lost_names.append(victim)
            self.disk.folder.rename(old_name, new_name, source, target)

    def link(self, old: str, new: str) -> None:
        """Give a file another name."""
        with self._changed:
            self.disk.take_write()
            folder, name = self._parent(new)
            inode = self._find(old)
            os.link(
                _relative(old), _relative(new), src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False
            )
            self.disk.folder.link(name, inode, folder)

    def make_symlink(self, path: str, target: str) -> None:
        """symlink."""
        with self._changed:
            self.disk.take_write()
            folder, name = self._parent(path)
            os.symlink(target, _relative(path), dir_fd=self._folder)
            self.disk.folder.link(name, Symlink(target), folder)

    # -- what is passed on --------------------------------------------------------------------------------------------

    def stat(self, path: str | None, handle: int | None) -> os.stat_result:
        """Return what is known of a file, named by its handle or, without one, by its path."""
        with self._changed:
            content = self._handles[handle].content if handle is not None else None
            if isinstance(content, Stored):
                return os.fstat(content.fd)
            hidden = self._hidden_descriptor(path)
            if hidden is not None:
                return os.fstat(hidden)
            return os.stat(_relative(path or "/"), dir_fd=self._folder, follow_symlinks=False)

    def read_symlink(self, path: str) -> str:
        """readlink."""
        return os.readlink(_relative(path), dir_fd=self._folder)

    def chmod(self, path: str, mode: int) -> None:
        """chmod."""
        hidden = self._hidden_descriptor(path)
        if hidden is not None:
            os.fchmod(hidden, mode)
        else:
            os.chmod(_relative(path), mode, dir_fd=self._folder)

    def chown(self, path: str, uid: int, gid: int) -> None:
        """chown."""
        hidden = self._hidden_descriptor(path)
        if hidden is not None:
            os.fchown(hidden, uid, gid)
        else:
            os.chown(_relative(path), uid, gid, dir_fd=self._folder, follow_symlinks=False)

    def set_times(self, path: str, times_ns: tuple[int, int] | None) -> None:
        """utimensat."""
        times = times_ns or (time.time_ns(),) * 2
        hidden = self._hidden_descriptor(path)
        if hidden is not None:
            os.utime(hidden, ns=times)
        else:
            os.utime(_relative(path), ns=times, dir_fd=self._folder, follow_symlinks=False)

    def statvfs(self) -> os.statvfs_result:
        """statvfs of the file system that the folder is on."""
        return os.fstatvfs(self._folder)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _open(self, path: str, flags: int, mode: int = 0o600) -> int:
        return os.open(_relative(path), flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode, dir_fd=self._folder)

    def _handle(self, inode: Inode) -> int:
        self._last_handle += 1
        self._handles[self._last_handle] = inode
        return self._last_handle

    def _hidden_descriptor(self, path: str | None) -> int | None:
        """Return the descriptor of a file that is found by its hidden name only."""
        if path is None or path not in self._hidden:
            return None
        content = self._hidden[path].content
        return content.fd if isinstance(content, Stored) else None

    def _find(self, path: str) -> Inode:
        if path in self._hidden:
            return self._hidden[path]
        inode: Inode = self.disk.folder.root
        for name in _parts(path):
            if not isinstance(inode, Directory):
                raise NotADirectoryError(errno.ENOTDIR, "no folder", path)
            if name not in inode.entries:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            inode = inode.entries[name]
        return inode

    def _find_folder(self, path: str) -> Directory:
        inode = self._find(path)
        if not isinstance(inode, Directory):
            raise NotADirectoryError(errno.ENOTDIR, "no folder", path)
        return inode

    def _parent(self, path: str) -> tuple[Directory, str]:
        parent, _, name = path.rpartition("/")
        return self._find_folder(parent), name

    def _adopt(self, path: str, folder: Directory) -> None:
        """Take what is in a folder for durable."""
        below = os.open(_relative(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            with os.scandir(below) as entries:
                names = sorted(entry.name for entry in entries)
        finally:
            os.close(below)
        for name in names:
            inner = f"{path}/{name}"
            known = os.stat(_relative(inner), dir_fd=self._folder, follow_symlinks=False)
            mode = known.st_mode
            inode: Inode
            if known.st_ino in self.numbers:
                inode = self.numbers[known.st_ino]
            elif stat.S_ISDIR(mode):
                inode = Directory()
                self._adopt(inner, inode)
            elif stat.S_ISREG(mode):
                inode = Inode(Stored(self._open(inner, os.O_RDWR)))
            elif stat.S_ISLNK(mode):
                inode = Symlink(self.read_symlink(inner))
            else:
                raise OSError(errno.EOPNOTSUPP, "neither a file, a folder nor a symbolic link", inner)
            self.numbers[known.st_ino] = inode
            self.disk.folder.adopt(name, inode, folder)

    def _close_forgotten(self) -> None:
        """Close the files whose last name is gone for good and that nobody has open."""
        if not self._lost_names:
            return
        needed = self.disk.folder.remembered() | {
            id(inode) for inode in (*self._handles.values(), *self._hidden.values())
        }
        for inode in self._lost_names:
            if id(inode) not in needed and isinstance(inode.content, Stored) and inode.content.fd >= 0:
                inode.content.close()
                inode.content.fd = -1
        self._lost_names = [inode for inode in self._lost_names if id(inode) in needed]

    def _lay_out(self, before: dict[str, Inode]) -> None:
        """Let the folder have the names that the model has; ``before`` is what it has."""
        after = dict(_paths(self.disk.folder.root))
        for path in sorted(before, reverse=True):  # what is in a folder before the folder itself
            if after.get(path) is not before[path]:
                self._lost_names.append(before[path])
                if isinstance(before[path], Directory):
                    os.rmdir(_relative(path), dir_fd=self._folder)
                else:
                    os.unlink(_relative(path), dir_fd=self._folder)
        named = {id(inode): path for path, inode in after.items() if before.get(path) is inode}
        for path in sorted(after):
            if before.get(path) is not after[path]:
                self._make(path, after[path], named.get(id(after[path])))
                named[id(after[path])] = path
        self._close_forgotten()

    def _make(self, path: str, inode: Inode, other_name: str | None) -> None:
        if isinstance(inode, Directory):
            os.mkdir(_relative(path), dir_fd=self._folder)
        elif isinstance(inode, Symlink):
            os.symlink(inode.target, _relative(path), dir_fd=self._folder)
        elif other_name is not None:
            os.link(_relative(other_name), _relative(path), src_dir_fd=self._folder, dst_dir_fd=self._folder)
        elif isinstance(inode.content, Stored):
            known = os.fstat(inode.content.fd)
            fd = self._open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            os.fchmod(fd, stat.S_IMODE(known.st_mode))
            inode.content.move_to(fd)


def _paths(folder: Directory, above: str = "") -> Iterator[tuple[str, Inode]]:
    """Yield everything below a folder by its path."""
    for name, inode in folder.entries.items():
        path = f"{above}/{name}"
        yield path, inode
        if isinstance(inode, Directory):
            yield from _paths(inode, path)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _relative(path: str) -> str:
    return path.lstrip("/") or "."


def _raise_descriptor_limit() -> None:
    """A descriptor is kept of every file: have as many as this user may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
