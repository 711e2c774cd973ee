"""A disk with something between it and whoever uses it: each file and the folder pass everything on as it is.

To be overridden where one call has to do something else. A healthy node uses them only to hear of its syncs
(``node.storage.announced``).
"""

from __future__ import annotations

from node.storage.disk import Disk, File


class FileShim:
    """A file over a file."""

    def __init__(self, file: File) -> None:
        self._file = file

    def size(self) -> int:
        """Return the file's size."""
        return self._file.size()

    def read(self, offset: int, size: int) -> bytes:
        """Read."""
        return self._file.read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        """Write."""
        self._file.write(offset, data)

    def truncate(self, size: int) -> None:
        """Cut."""
        self._file.truncate(size)

    def sync(self) -> None:
        """Sync."""
        self._file.sync()

    def close(self) -> None:
        """Close."""
        self._file.close()


class ShimmedDisk:
    """A folder over a folder, whose files are of the given kind."""

    def __init__(self, disk: Disk, file: type[FileShim] = FileShim) -> None:
        self._disk = disk
        self._file = file

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        return self._disk.names()

    def open(self, name: str, *, create: bool = False) -> FileShim:
        """Open a file."""
        return self._file(self._disk.open(name, create=create))

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._disk.remove(name)

    def rename(self, old: str, new: str) -> None:
        """Rename a file."""
        self._disk.rename(old, new)

    def sync_names(self) -> None:
        """Sync the folder."""
        self._disk.sync_names()
