"""A simulated disk: files in memory that know what is durable and what is only on its way.

What a program writes can be read at once; it is durable when a sync that began after it has *ended*, and a sync takes
time (``settle`` ends it). ``lose_power`` goes back to what is durable. Names are the same: a created or removed file is
durable after ``sync_names``.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

SECTOR_BYTES = 512


@dataclass(slots=True)
class Write:
    """One write on its way: at ``offset``; ``data`` None is a truncation there; ``sync`` is the sync it waits for."""

    offset: int
    data: bytes | None
    sync: int = 0


@dataclass(slots=True)
class Inode:
    """A file: what is read, what is durable, and the writes in between, oldest first."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    on_its_way: list[Write] = field(default_factory=list)

    def write(self, offset: int, data: bytes | None) -> None:
        """Write (or truncate) in memory."""
        _apply(self.content, offset, data)
        self.on_its_way.append(Write(offset, data))


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class SimulatedFile:
    """An open file."""

    __slots__ = ("_disk", "_inode")

    def __init__(self, disk: SimulatedDisk, inode: Inode) -> None:
        self._disk = disk
        self._inode = inode

    def size(self) -> int:
        """Return the size in bytes."""
        return len(self._inode.content)

    def read(self, offset: int, size: int) -> bytes:
        """Read what was written, durable or not."""
        return bytes(self._inode.content[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        """Write in memory."""
        self._inode.write(offset, bytes(data))

    def truncate(self, size: int) -> None:
        """Cut in memory."""
        self._inode.write(size, None)

    def sync(self) -> None:
        """Begin a sync of everything written so far; the disk's ``settle`` ends it."""
        self._disk.begin_sync(self._inode)

    def close(self) -> None:
        """Nothing to do."""


class SimulatedDisk:
    """One folder. A sync that was begun is not over before ``settle``: whoever syncs has to wait that long."""

    def __init__(self) -> None:
        self._inodes: dict[str, Inode] = {}
        self._durable_names: dict[str, Inode] = {}
        self._names_on_their_way: dict[str, Inode] | None = None
        self._syncs = 0
        self.taken_back_bytes = 0

    # -- node.storage.disk.Disk ---------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._inodes)

    def open(self, name: str, *, create: bool = False) -> SimulatedFile:
        """Open or create a file. Raises FileExistsError, FileNotFoundError."""
        if create:
            if name in self._inodes:
                raise FileExistsError(errno.EEXIST, "exists", name)
            self._inodes[name] = Inode()
        elif name not in self._inodes:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return SimulatedFile(self, self._inodes[name])

    def remove(self, name: str) -> None:
        """Remove a name."""
        del self._inodes[name]

    def sync_names(self) -> None:
        """Begin to make names durable."""
        self._names_on_their_way = dict(self._inodes)

    # -- time and faults ----------------------------------------------------------------------------------------------

    def begin_sync(self, inode: Inode) -> None:
        """A sync of a file begins."""
        self._syncs += 1
        for write in inode.on_its_way:
            write.sync = write.sync or self._syncs

    def settle(self) -> None:
        """End every sync that was begun: what they cover is durable."""
        for inode in self._inodes.values():
            left = []
            for write in inode.on_its_way:
                if write.sync:
                    _apply(inode.durable, write.offset, write.data)
                else:
                    left.append(write)
            inode.on_its_way = left
        if self._names_on_their_way is not None:
            self._durable_names = self._names_on_their_way
            self._names_on_their_way = None

    def lose_power(self, below: Callable[[int], int] | None = None) -> None:
        """Go back to what is durable. With draws, any sectors of what was on its way may have got there as well."""
        self._names_on_their_way = None
        self._inodes = dict(self._durable_names)
        for inode in self._inodes.values():
            for write in inode.on_its_way:
                if below is not None:
                    self._arrive_in_part(inode, write, below)
                self.taken_back_bytes += len(write.data or b"")
            inode.on_its_way = []
            inode.content = bytearray(inode.durable)

    def contents(self) -> dict[str, bytes]:
        """Return every file as a reader would see it now."""
        return {name: bytes(inode.content) for name, inode in self._inodes.items()}

    def _arrive_in_part(self, inode: Inode, write: Write, below: Callable[[int], int]) -> None:
        if write.data is None:
            return
        for start in range(0, len(write.data), SECTOR_BYTES):
            if below(2):
                _apply(inode.durable, write.offset + start, write.data[start : start + SECTOR_BYTES])
