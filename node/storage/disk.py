"""The disk as the log needs it: a folder of files, with the three things that make data durable said separately.

A real disk, a simulated one that loses what was not synced, and one that lies all have this shape; the log code is the
same over each. Durability has three steps that programs forget one of: the file's data (``File.sync``), and the name
of a new, renamed or removed file (``Disk.sync_names``).
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Protocol


class File(Protocol):
    """An open file; offsets and sizes in bytes."""

    def size(self) -> int:
        """Return the file's size."""

    def read(self, offset: int, size: int) -> bytes:
        """Read up to ``size`` bytes; fewer only at the end of the file."""

    def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data``. Raises OSError; nothing is durable before ``sync``."""

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes."""

    def sync(self) -> None:
        """Return when all that was written is durable. After an error here, nothing unsynced can be trusted."""

    def close(self) -> None:
        """Close the file."""


class Disk(Protocol):
    """One folder of files, addressed by bare names."""

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""

    def open(self, name: str, *, create: bool = False) -> File:
        """Open a file for reading and writing; with ``create``, make it new (an error if it exists)."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of any file that has it; durable after ``sync_names``."""

    def sync_names(self) -> None:
        """Return when creations, renames and removals in the folder are durable."""


class PosixFile:
    """A file of the operating system's."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def size(self) -> int:
        """Return the file's size in bytes."""
        return os.fstat(self._fd).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Read up to ``size`` bytes at ``offset``."""
        parts: list[bytes] = []
        while size > 0 and (part := os.pread(self._fd, size, offset)):
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data`` at ``offset``; a short write goes on until the system says no."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, offset)
            view = view[written:]
            offset += written

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        os.ftruncate(self._fd, size)

    def sync(self) -> None:
        """fdatasync: data and the size, not the times."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


class PosixDisk:
    """A folder of the operating system's; with ``create`` it is made if it is not there, durably, parents and all."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self._folder = folder
        if create:
            missing = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            for made in missing:
                sync_folder(made.parent)

    def names(self) -> list[str]:
        """Return the names of all plain files, sorted."""
        return sorted(entry.name for entry in os.scandir(self._folder) if entry.is_file(follow_symlinks=False))

    def open(self, name: str, *, create: bool = False) -> PosixFile:
        """Open or create a file."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
        return PosixFile(os.open(self._folder / name, flags, 0o644))

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self._folder / name).unlink()

    def rename(self, old: str, new: str) -> None:
        """Rename a file."""
        (self._folder / old).replace(self._folder / new)

    def sync_names(self) -> None:
        """Sync the folder itself."""
        sync_folder(self._folder)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def lock_folder(folder: Path) -> int:
    """Keep a folder for this process until it ends; return the lock's descriptor. Raises OSError if another has it.

    Two processes that write one log overwrite each other's records.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise BlockingIOError(errno.EWOULDBLOCK, "another node process uses this data folder", str(folder)) from None
    return fd
