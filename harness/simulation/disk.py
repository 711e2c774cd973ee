"""A simulated disk: files in memory over the undo model, with a disk's troubles.

What is durable and what is only on its way, and what a power cut makes of it, are ``nemesis.undo``'s to say; what
troubles do is ``nemesis.troubled``'s. A sync takes time here: it is begun by the program, and ended by ``settle``. How
slow a sync is, is up to whoever waits for it.
"""

from __future__ import annotations

import errno

from nemesis.inode import Inode
from nemesis.troubled import TroubledDisk


class SimulatedFile:
    """An open file."""

    __slots__ = ("_disk", "_inode")

    def __init__(self, disk: SimulatedDisk, inode: Inode) -> None:
        self._disk = disk
        self._inode = inode

    def size(self) -> int:
        """Return the size in bytes."""
        return self._inode.content.size()

    def read(self, offset: int, size: int) -> bytes:
        """Read what was written, durable or not."""
        return self._disk.misread(self._inode.content.read(offset, size))

    def write(self, offset: int, data: bytes) -> None:
        """Write in memory. Raises OSError if the disk is full or fails."""
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


class SimulatedDisk(TroubledDisk):
    """One folder. A sync that was begun is not over before ``settle``: whoever syncs has to wait that long."""

    out_of_descriptors = False
    """The process that uses the disk may open nothing more."""

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self.folder.files)

    def open(self, name: str, *, create: bool = False) -> SimulatedFile:
        """Open or create a file. Raises FileExistsError, FileNotFoundError, OSError if the disk is full or fails."""
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
        self.begin_sync_names()

    def contents(self) -> dict[str, bytes]:
        """Return every file as a reader would see it now."""
        return {name: inode.content.read(0, inode.content.size()) for name, inode in self.folder.files.items()}
