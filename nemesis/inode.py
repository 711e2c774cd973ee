"""A file and its undo journal: the one copy of what is read, and what it takes to go back to what is durable.

Every write goes through at once, and the journal keeps what it overwrote (its pre-image) and how long the file was.
Going back is undoing the writes from the last to the first; and since each of them stands in the file in full at the
moment when it is undone, that brings its data to light again, for those that are to be there after all. So data are
never kept twice: an append, which overwrites nothing, costs a few numbers.

Writes that have become durable leave the journal from its old end. One behind a write that is not durable stays, and is
done again whenever the file goes back: so writes may become durable in any order.

What holds the bytes is up to ``Content``: memory in a simulation, a file of the operating system's below a real node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

WRITE_BYTES = 256
"""What an entry of the journal costs besides its pre-image, as far as limits go."""


class Content(Protocol):
    """The bytes of a file; offsets and sizes in bytes."""

    def size(self) -> int:
        """Return how long it is."""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes; fewer only at the end."""

    def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data``; a gap before it becomes zeros."""

    def set_size(self, size: int) -> None:
        """Cut to this size, or extend to it with zeros."""


class Memory(bytearray):
    """Content in memory."""

    __slots__ = ()

    def size(self) -> int:
        """Return how long it is."""
        return len(self)

    def read(self, offset: int, size: int) -> bytes:
        """Read."""
        return bytes(self[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        """Write."""
        if len(self) < offset:
            self.extend(bytes(offset - len(self)))
        self[offset : offset + len(data)] = data

    def set_size(self, size: int) -> None:
        """Cut or extend."""
        if size < len(self):
            del self[size:]
        else:
            self.extend(bytes(size - len(self)))


@dataclass(slots=True)
class Write:
    """One write: ``size`` bytes at ``offset``, or with ``sets_size`` the end of the file moved to ``offset``.

    ``before`` is what it overwrote, ``size_before`` how long the file was. ``after`` is the last barrier that was begun
    before it, ``sync`` the one that it waits for (0: none yet). ``durable``: it is there whatever happens; ``nowhere``:
    it never will be, as its sync has failed; ``lied``: a disk called it durable that kept it in its cache.
    """

    offset: int
    size: int
    before: bytes
    size_before: int
    after: int
    sets_size: bool = False
    sync: int = 0
    lied: bool = False
    durable: bool = False
    nowhere: bool = False

    @property
    def on_its_way(self) -> bool:
        """Whether it may still become durable."""
        return not (self.durable or self.nowhere)


class Inode:
    """A file: what is read, and the writes that may be taken back, oldest first."""

    __slots__ = ("content", "journal")

    def __init__(self, content: Content | None = None) -> None:
        """A file with this content, all of it durable; by default an empty one in memory."""
        self.content: Content = Memory() if content is None else content
        self.journal: list[Write] = []

    def write(self, offset: int, data: bytes | None, after: int) -> Write:
        """Write, or with None set the size to ``offset``; journalled before it is done."""
        content = self.content
        size = content.size()
        if data is None:
            before = content.read(offset, size - offset) if offset < size else b""
            write = Write(offset, 0, before, size, after, True)
            self.journal.append(write)
            content.set_size(offset)
        else:
            before = content.read(offset, min(len(data), size - offset)) if offset < size else b""
            write = Write(offset, len(data), before, size, after)
            self.journal.append(write)
            content.write(offset, data)
        return write

    def settle(self) -> int:
        """Take for durable what waits for a sync; return how many bytes the journal is shorter by."""
        for write in self.journal:
            if write.sync and not write.nowhere:
                write.durable = True
        kept = 0
        while kept < len(self.journal) and self.journal[kept].durable:
            kept += 1
        gone, self.journal = self.journal[:kept], self.journal[kept:]
        return sum(WRITE_BYTES + len(write.before) for write in gone)

    def fail(self) -> None:
        """What is on its way is on its way to nowhere, although it can be read."""
        for write in self.journal:
            write.nowhere = not write.durable

    def take_back(self) -> list[tuple[Write, bytes]]:
        """Undo the whole journal; return its writes, oldest first, each with its data."""
        content, undone = self.content, []
        for write in reversed(self.journal):
            data = content.read(write.offset, write.size)
            if write.before:
                content.write(write.offset, write.before)
            if content.size() != write.size_before:
                content.set_size(write.size_before)
            undone.append((write, data))
        self.journal = []
        undone.reverse()
        return undone

    def do_again(self, write: Write, data: bytes) -> None:
        """Do a write of the journal's again, not journalled. A file that was cut is not made longer by that."""
        content = self.content
        if not write.sets_size:
            content.write(write.offset, data)
        elif (write.offset < write.size_before) is (write.offset < content.size()):
            content.set_size(write.offset)

    def unsynced_bytes(self, *, syncing: bool = False) -> int:
        """Return how many bytes are on their way; with ``syncing``, of how many a sync has begun."""
        return sum(write.size for write in self.journal if write.on_its_way and (write.sync or not syncing))


class Directory(Inode):
    """A folder: which name is which file, now and durably. A file may have several names."""

    __slots__ = ("durable", "entries")

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, Inode] = {}
        self.durable: dict[str, Inode] = {}
