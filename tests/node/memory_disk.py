"""A disk in memory that forgets: ``node.storage.disk.Disk`` with its page cache, durable contents and names apart.

What a program writes is in the cache at once and durable only after ``sync``; a created or removed name is durable only
after ``sync_names``. ``lose_power`` goes back to what is durable, and may let any part of what was still on its way
reach the disk, sector by sector, in any order. ``break_sync`` plants the classic failure of fsync: an error, after
which the kernel calls the pages clean, so a second sync succeeds and writes nothing.
"""

from __future__ import annotations

import errno
import random

SECTOR_BYTES = 16
"""Small, so that small records are torn too."""


class Inode:
    """A file's cached and durable bytes, and the writes between the two."""

    def __init__(self) -> None:
        self.cached = bytearray()
        self.durable = bytearray()
        self.pending: list[tuple[int, bytes | None]] = []

    def settle(self) -> None:
        """Make all pending writes durable."""
        for offset, data in self.pending:
            apply(self.durable, offset, data)
        self.pending.clear()

    def lose_power(self, rng: random.Random | None) -> None:
        """Forget what is not durable; with ``rng``, some sectors of the pending writes still get there."""
        for offset, data in self.pending if rng is not None else ():
            assert rng is not None
            if data is None:
                if rng.random() < 0.5:
                    apply(self.durable, offset, None)
                continue
            for start in range(0, len(data), SECTOR_BYTES):
                if rng.random() < 0.5:
                    apply(self.durable, offset + start, data[start : start + SECTOR_BYTES])
        self.pending.clear()
        self.cached = bytearray(self.durable)


def apply(content: bytearray, offset: int, data: bytes | None) -> None:
    """Write ``data`` at ``offset``, filling a hole with zeros; None truncates there."""
    if data is None:
        del content[offset:]
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def change_names(names: dict[str, Inode], change: dict[str, Inode | None]) -> None:
    """Let names stand for other files, or none, all together."""
    for name, inode in change.items():
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


class MemoryFile:
    """An open file of a ``MemoryDisk``."""

    def __init__(self, disk: MemoryDisk, inode: Inode) -> None:
        self._disk = disk
        self._inode = inode

    def size(self) -> int:
        return len(self._inode.cached)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self._inode.cached[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        self._disk.count("write")
        apply(self._inode.cached, offset, data)
        self._inode.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        self._disk.count("truncate")
        apply(self._inode.cached, size, None)
        self._inode.pending.append((size, None))

    def sync(self) -> None:
        try:
            self._disk.count("sync")
        except OSError:
            if self._disk.clean_after_error:
                self._inode.pending.clear()
            raise
        if not self._disk.lies:
            self._inode.settle()

    def close(self) -> None:
        self._disk.closed += 1


class MemoryDisk:
    """One folder; ``calls`` logs every call that changes or syncs something."""

    def __init__(self) -> None:
        self.inodes: dict[str, Inode] = {}
        self._durable_names: dict[str, Inode] = {}
        self._changes: list[dict[str, Inode | None]] = []
        self._failures: dict[str, int] = {}
        self.clean_after_error = False
        self.calls: list[str] = []
        self.closed = 0
        self.lies = False
        """Syncs succeed and make nothing durable; the next honest one does."""

    # -- Disk ---------------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        return sorted(self.inodes)

    def open(self, name: str, *, create: bool = False) -> MemoryFile:
        if create:
            self.count("create")
            if name in self.inodes:
                raise FileExistsError(errno.EEXIST, "exists", name)
            self._change({name: Inode()})
        elif name not in self.inodes:
            raise FileNotFoundError(errno.ENOENT, "missing", name)
        return MemoryFile(self, self.inodes[name])

    def remove(self, name: str) -> None:
        self.count("remove")
        assert name in self.inodes, name
        self._change({name: None})

    def rename(self, old: str, new: str) -> None:
        self.count("rename")
        self._change({new: self.inodes[old], old: None})

    def _change(self, change: dict[str, Inode | None]) -> None:
        change_names(self.inodes, change)
        self._changes.append(change)

    def sync_names(self) -> None:
        self.count("sync_names")
        if not self.lies:
            self._durable_names = dict(self.inodes)
            self._changes.clear()

    # -- faults -------------------------------------------------------------------------------------------------------

    def count(self, call: str) -> None:
        """Log a call; raise EIO if it is the one that was to fail."""
        self.calls.append(call)
        left = self._failures.get(call, 0)
        if left:
            self._failures[call] = left - 1
            if left == 1:
                raise OSError(errno.EIO, f"planted failure of {call}")

    def fail(self, call: str, nth: int = 1, *, clean: bool = False) -> None:
        """Let the ``nth`` next call of that name fail; with ``clean``, a failed sync forgets the pages."""
        self._failures[call] = nth
        self.clean_after_error = clean

    def lose_power(self, rng: random.Random | None = None) -> None:
        """Go back to what is durable; with ``rng``, torn: any part of what was on its way may be there too."""
        names = dict(self._durable_names)
        for change in self._changes:
            if rng is not None and rng.random() < 0.5:
                change_names(names, change)
        self._changes.clear()
        for name in sorted(names):
            names[name].lose_power(rng)
        self.inodes = names
        self._durable_names = dict(names)
        self._failures.clear()

    def content(self, name: str) -> bytes:
        """Return a file's bytes as a reader sees them."""
        return bytes(self.inodes[name].cached)

    def put(self, name: str, content: bytes) -> None:
        """Replace a file's bytes, durably: damage, or a disk that was prepared."""
        inode = self.inodes[name] = Inode()
        inode.cached = bytearray(content)
        inode.durable = bytearray(content)
        self._durable_names = dict(self.inodes)
        self._changes.clear()

    def copy(self) -> MemoryDisk:
        """Return a disk with the same durable content (nothing pending may be there)."""
        twin = MemoryDisk()
        for name, inode in self.inodes.items():
            assert not inode.pending, "copying a disk with unsynced writes"
            twin.put(name, bytes(inode.cached))
        return twin
