"""The page that the shim and whoever controls it share: troubles one way, counts the other. Layout: ``disk.c``."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

MAGIC = 0x3130736B73696461
PAGE_BYTES = 4_096
FIELDS = (
    *("magic", "times", "stalled", "fails_next", "fails_next_write", "full", "lies", "misread_ppm", "abandoned"),
    *("draws", "log_limit", "slowed", "failed", "refused", "lied", "misread", "unseen", "overflows"),
)
_FIELD = struct.Struct("<Q")


class Page:
    """Fields of 64 bits in a file that is mapped by all."""

    def __init__(self, path: Path) -> None:
        """Make the file."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, PAGE_BYTES)
            self._page = mmap.mmap(fd, PAGE_BYTES)
        finally:
            os.close(fd)
        self.write(magic=MAGIC, times=1)

    def read(self, field: str) -> int:
        """Return a field."""
        (value,) = _FIELD.unpack_from(self._page, FIELDS.index(field) * _FIELD.size)
        return int(value)

    def write(self, **fields: int) -> None:
        """Set fields, each at once."""
        for field, value in fields.items():
            _FIELD.pack_into(self._page, FIELDS.index(field) * _FIELD.size, int(value))
