"""A simulated disk: files in memory over the undo model, with a disk's troubles.

What is durable and what is only on its way, and what a power cut makes of it, are ``nemesis.undo``'s to say. A sync
takes time here: it is begun by the program, and ended by ``settle``. The troubles are those of
``nemesis.ground.DiskTrouble``; how slow a sync is, is up to whoever waits for it.
"""

from __future__ import annotations

import errno

from nemesis.ground import DiskCounters, DiskTrouble
from nemesis.undo import Arrival, Below, Damage, Damaged, Folder, Harm, Inode


def never(bound: int) -> int:
    """Draw nothing: the lowest there is."""
    del bound
    return 0


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
        self._disk.folder.write(self._inode, offset, bytes(data))

    def truncate(self, size: int) -> None:
        """Cut in memory."""
        self._disk.folder.write(self._inode, size, None)

    def sync(self) -> None:
        """Begin a sync of everything written so far; the disk's ``settle`` ends it. Raises OSError if it fails."""
        self._disk.begin_sync(self._inode)

    def close(self) -> None:
        """Nothing to do."""


class SimulatedDisk:
    """One folder. A sync that was begun is not over before ``settle``: whoever syncs has to wait that long."""

    def __init__(self) -> None:
        self.folder = Folder()
        self._trouble = DiskTrouble()
        self._fails_next = False
        self._slowed = 0
        self._failed = 0
        self._refused = 0
        self._lied = 0
        self._taken_back_bytes = 0
        self._betrayed_bytes = 0
        self._names_lost = 0
        self.out_of_descriptors = False
        """The process that uses the disk may open nothing more."""
        self.betrayed = False
        """The last power cut took what a sync had called durable, or the disk was wiped."""

    # -- node.storage.disk.Disk ---------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self.folder.files)

    def open(self, name: str, *, create: bool = False) -> SimulatedFile:
        """Open or create a file. Raises FileExistsError, FileNotFoundError, OSError if the disk is full."""
        if self.out_of_descriptors:
            raise OSError(errno.EMFILE, "too many open files", name)
        if create:
            self.take_write()
            if name in self.folder.files:
                raise FileExistsError(errno.EEXIST, "exists", name)
            return SimulatedFile(self, self.folder.create(name))
        if name not in self.folder.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return SimulatedFile(self, self.folder.files[name])

    def remove(self, name: str) -> None:
        """Remove a name."""
        self.folder.remove(name)

    def rename(self, old: str, new: str) -> None:
        """Rename a file. Raises FileNotFoundError."""
        if old not in self.folder.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", old)
        self.folder.rename(old, new)

    def sync_names(self) -> None:
        """Begin to make names durable."""
        if self._trouble.lies:
            self._lied += 1
            self.folder.lie_about_names()
        else:
            self.folder.sync_names()

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
        return DiskCounters(
            self._slowed,
            self._failed,
            self._refused,
            self._taken_back_bytes,
            self._lied,
            self._betrayed_bytes,
            self._names_lost,
        )

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
            self.folder.fail(inode)
            raise OSError(errno.EIO, "input/output error")
        if self._trouble.lies:
            self._lied += 1
            self.folder.lie(inode)
        else:
            self.folder.sync(inode)

    def settle(self) -> None:
        """End every sync that was begun: what they cover is durable."""
        self.folder.settle()

    def lose_power(self, arrival: Arrival = Arrival.DROP, below: Below = never) -> None:
        """Go back to what is durable, and to what has arrived."""
        lost = self.folder.lose_power(arrival, below)
        self._taken_back_bytes += lost.taken_back_bytes
        self._betrayed_bytes += lost.betrayed_bytes
        self.betrayed = bool(lost.betrayed_bytes or (lost.names and self._lied))
        self._names_lost += lost.names

    def damage(self, damage: Damage, below: Below) -> tuple[Damaged, ...]:
        """Damage what is durable, while no process uses it."""
        self.betrayed = self.betrayed or damage.harm is Harm.WIPE
        return self.folder.damage(damage, below)

    def contents(self) -> dict[str, bytes]:
        """Return every file as a reader would see it now."""
        return {name: bytes(inode.content) for name, inode in self.folder.files.items()}
