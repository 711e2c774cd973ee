"""A simulated disk: files in memory that know what is durable and what is only on its way.

What a program writes can be read at once; it is durable when a sync that began after it has *ended*, and a sync takes
time (``settle`` ends it). ``lose_power`` goes back to what is durable. Names are the same: a created or removed file is
durable after ``sync_names``.

Its troubles are those of ``nemesis.ground.DiskTrouble``. A sync that fails does what ext4's does: its pages count as
clean, so they can be read, and are on their way to nowhere. How slow a sync is, is up to whoever waits for it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

from nemesis.ground import DiskCounters, DiskTrouble

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
        """Write in memory. Raises OSError if the disk is full."""
        self._disk.take_write()
        self._inode.write(offset, bytes(data))

    def truncate(self, size: int) -> None:
        """Cut in memory."""
        self._inode.write(size, None)

    def sync(self) -> None:
        """Begin a sync of everything written so far; the disk's ``settle`` ends it. Raises OSError if it fails."""
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
        self._trouble = DiskTrouble()
        self._fails_next = False
        self._slowed = 0
        self._failed = 0
        self._refused = 0
        self._taken_back_bytes = 0

    # -- node.storage.disk.Disk ---------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._inodes)

    def open(self, name: str, *, create: bool = False) -> SimulatedFile:
        """Open or create a file. Raises FileExistsError, FileNotFoundError, OSError if the disk is full."""
        if create:
            self.take_write()
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

    @property
    def trouble(self) -> DiskTrouble:
        """What is wrong with the disk."""
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: DiskTrouble) -> None:
        if trouble.fails_next != self._trouble.fails_next:  # one that has failed already does not fail again
            self._fails_next = trouble.fails_next
        self._trouble = trouble

    @property
    def counters(self) -> DiskCounters:
        """What troubles have done."""
        return DiskCounters(self._slowed, self._failed, self._refused, self._taken_back_bytes)

    def take_write(self) -> None:
        """A write begins. Raises OSError if the disk is full."""
        if self._trouble.full:
            self._refused += 1
            raise OSError(errno.ENOSPC, "no space left on device")

    def slowed(self) -> int:
        """A sync is waited for: count it if it is slowed, and return how many times as long it takes."""
        if self._trouble.stalled or self._trouble.times > 1:
            self._slowed += 1
        return self._trouble.times

    def begin_sync(self, inode: Inode) -> None:
        """A sync of a file begins. Raises OSError if it fails; what it was for then counts as clean."""
        if self._fails_next:
            self._fails_next = False
            self._failed += 1
            inode.on_its_way = []
            raise OSError(errno.EIO, "input/output error")
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
        """Go back to what is durable. With draws, any sectors of what was on its way may have got there as well.

        The same goes for names: each that was created or removed since may be so already.
        """
        if below is not None:
            self._names_arrive_in_part(below)
        self._names_on_their_way = None
        self._inodes = dict(self._durable_names)
        for _, inode in sorted(self._inodes.items()):
            for write in inode.on_its_way:
                arrived = 0 if below is None else _arrive_in_part(inode, write, below)
                self._taken_back_bytes += len(write.data or b"") - arrived
            inode.on_its_way = []
            inode.content = bytearray(inode.durable)

    def contents(self) -> dict[str, bytes]:
        """Return every file as a reader would see it now."""
        return {name: bytes(inode.content) for name, inode in self._inodes.items()}

    def _names_arrive_in_part(self, below: Callable[[int], int]) -> None:
        durable = dict(self._durable_names)
        for name in sorted({*self._inodes, *durable}):
            now = self._inodes.get(name)
            if now is durable.get(name) or not below(2):
                continue
            if now is None:
                del durable[name]
            else:
                durable[name] = now
        self._durable_names = durable


def _arrive_in_part(inode: Inode, write: Write, below: Callable[[int], int]) -> int:
    """Let each sector of a write arrive or not; return how many bytes did. A truncation does not."""
    if write.data is None:
        return 0
    arrived = 0
    start, end = write.offset, write.offset + len(write.data)
    while start < end:
        until = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        if below(2):
            _apply(inode.durable, start, write.data[start - write.offset : until - write.offset])
            arrived += until - start
        start = until
    return arrived
