"""The disk as the log needs it: a folder of files, with the three things that make data durable said separately.

A real disk, a simulated one that loses what was not synced, and one that lies all have this shape; the log code is the
same over each. Durability has three steps that programs forget one of: the file's data (``File.sync``), and the name
of a new, renamed or removed file (``Disk.sync_names``).
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from pathlib import Path
from typing import Protocol

BLOCK_BYTES = 4_096
LOG_SUFFIX = ".log"
PROBE = "probe.tmp"


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


class DirectFile(PosixFile):
    """A file that is written past the page cache (O_DIRECT), in whole blocks from an aligned buffer; for a log.

    A write takes the whole of its first and last block along: what is before it in its first block stays, what is
    behind it in its last block becomes zero, and the file's size a multiple of ``BLOCK_BYTES``. That suits what is
    written from its beginning to its end and nothing else.
    """

    def __init__(self, fd: int, direct_fd: int) -> None:
        super().__init__(fd)
        self._direct_fd = direct_fd
        self._buffer = mmap.mmap(-1, BLOCK_BYTES)
        self._last = (-1, b"")
        """Where the last block begins that was written, and what was written there."""

    def write(self, offset: int, data: bytes) -> None:
        """Write all of ``data`` at ``offset``, and the blocks around it."""
        before = offset % BLOCK_BYTES
        begin = offset - before
        size = (before + len(data) + BLOCK_BYTES - 1) // BLOCK_BYTES * BLOCK_BYTES
        if size > len(self._buffer):
            self._buffer = mmap.mmap(-1, size)
        buffer = self._buffer
        if before:
            known, block = self._last
            buffer[:before] = (block if known == begin else self.read(begin, before).ljust(before, b"\0"))[:before]
        buffer[before : before + len(data)] = data
        behind = size - before - len(data)
        buffer[size - behind : size] = bytes(behind)
        self._last = (begin + size - BLOCK_BYTES, buffer[size - BLOCK_BYTES : size])
        with memoryview(buffer) as view, view[:size] as blocks:
            written = os.pwrite(self._direct_fd, blocks, begin)
        if written != size:
            raise OSError(errno.EIO, f"only {written} of {size} bytes were written past the page cache")

    def truncate(self, size: int) -> None:
        """Cut the file."""
        self._last = (-1, b"")
        super().truncate(size)

    def close(self) -> None:
        """Close the file."""
        os.close(self._direct_fd)
        super().close()


class PosixDisk:
    """A folder of the operating system's; with ``create`` it is made if it is not there, durably, parents and all.

    With ``direct``, the log's files (``.log``) are written past the page cache, if the file system can do that: it is
    tried, and ``refusal`` says why not, None if it can or was not asked to.
    """

    def __init__(self, folder: Path, *, create: bool = False, direct: bool = False) -> None:
        self._folder = folder
        self.refusal: OSError | None = None
        if create:
            missing = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            for made in missing:
                sync_folder(made.parent)
        if direct:
            self.refusal = self._try_direct()
        self._direct = direct and self.refusal is None

    def _try_direct(self) -> OSError | None:
        """Write a block past the page cache; return the error if that is not to be."""
        path = self._folder / PROBE
        path.unlink(missing_ok=True)
        try:
            file = self._open_direct(path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL)
            try:
                file.write(0, b"probe")
                file.sync()
            finally:
                file.close()
        except OSError as error:
            return error
        finally:
            path.unlink(missing_ok=True)
        return None

    def _open_direct(self, path: Path, flags: int) -> DirectFile:
        fd = os.open(path, flags, 0o644)
        try:
            return DirectFile(fd, os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_DIRECT))
        except OSError:
            os.close(fd)
            raise

    def names(self) -> list[str]:
        """Return the names of all plain files, sorted."""
        return sorted(entry.name for entry in os.scandir(self._folder) if entry.is_file(follow_symlinks=False))

    def open(self, name: str, *, create: bool = False) -> PosixFile:
        """Open or create a file."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
        if self._direct and name.endswith(LOG_SUFFIX):
            return self._open_direct(self._folder / name, flags)
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
