"""How often this disk makes records durable, with nothing above it: the measure that no log on it can beat.

As many writers as a cluster has nodes, each with a file of its own, each writing and syncing one record after the
other. Written in two ways, because they differ by up to two times: appended, where each sync also makes the file's new
length durable, and over zeros written before, where it does not.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import msgspec

ZEROED_BYTES = 8 * 1024 * 1024


class RawRate(msgspec.Struct, frozen=True, kw_only=True):
    """Syncs a second, per writer, of records of a size."""

    record_bytes: int
    writers: int
    appended: float
    zeroed: float


def measure(folder: Path, record_bytes: int, writers: int, seconds: float) -> RawRate:
    """Measure both ways, one after the other. Raises OSError."""
    return RawRate(
        record_bytes=record_bytes,
        writers=writers,
        appended=_rate(folder, record_bytes, writers, seconds, zeroed=False),
        zeroed=_rate(folder, record_bytes, writers, seconds, zeroed=True),
    )


def _rate(folder: Path, record_bytes: int, writers: int, seconds: float, *, zeroed: bool) -> float:
    """Return the mean rate of one writer."""
    counts = [0] * writers
    files = [folder / f"raw-{number}" for number in range(writers)]
    fds = [os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600) for file in files]
    record = b"x" * record_bytes
    try:
        for fd in fds:
            if zeroed:
                os.pwrite(fd, bytes(ZEROED_BYTES), 0)
            os.fsync(fd)
        end = time.perf_counter() + seconds

        def write(number: int) -> None:
            offset = 0
            while time.perf_counter() < end:
                os.pwrite(fds[number], record, offset)
                os.fdatasync(fds[number])  # lets other threads go on while it waits
                counts[number] += 1
                offset += record_bytes
                if zeroed and offset + record_bytes > ZEROED_BYTES:
                    offset = 0

        threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for fd, file in zip(fds, files, strict=True):
            os.close(fd)
            file.unlink()
    return sum(counts) / writers / seconds
