"""The content of a file, held by one descriptor of a file of the machine's.

By descriptor and not by name: a file that has lost its last name may get it back when the power goes, and until then
nobody else shall find it anywhere.
"""

from __future__ import annotations

import os

ZEROS = bytes(1 << 16)
COPY_BYTES = 1 << 20


class Stored:
    """An open file of the machine's; implements ``nemesis.inode.Content``."""

    __slots__ = ("_size", "fd")

    def __init__(self, fd: int) -> None:
        """Take over a descriptor that can be read and written."""
        self.fd = fd
        self._size = os.fstat(fd).st_size

    def size(self) -> int:
        """Return the size, which nobody but this object changes."""
        return self._size

    def read(self, offset: int, size: int) -> bytes:
        """Read, as far as there is something."""
        data = os.pread(self.fd, size, offset)
        if len(data) == size or not data:
            return data
        parts = [data]
        while data := os.pread(self.fd, size - sum(map(len, parts)), offset + sum(map(len, parts))):
            parts.append(data)
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        """Write all of it. Raises OSError."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self.fd, view, offset)
            view = view[written:]
            offset += written
            self._size = max(self._size, offset)

    def set_size(self, size: int) -> None:
        """Cut or extend."""
        os.ftruncate(self.fd, size)
        self._size = size

    def move_to(self, fd: int) -> None:
        """Copy everything to another, empty file, and be that one from now on."""
        offset = 0
        while data := os.pread(self.fd, COPY_BYTES, offset):
            view = memoryview(data)
            while view:
                written = os.pwrite(fd, view, offset)
                view = view[written:]
                offset += written
        os.close(self.fd)
        self.fd = fd

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)
