"""A run's frames as pcap files, for tcpdump and Wireshark: one of what was delivered, one of what was not.

Two files, since a pcap record has no place for "this one never arrived", and one glance must tell. A frame is in the
first file at the time at which it left the switch, as it left it (twice, if it was doubled); in the second at the time
at which it was lost or met a cut. Nanosecond pcap (magic 0xA1B23C4D), Ethernet, times of the wall clock. Checksums
are unfinished and segments longer than a wire's, as on any machine whose network card does that work; ``tcpdump -K``
does not complain.

Whole records only are written, so a capture that was ended by force can be read to its last record. When a file would
grow over ``FILE_BYTES_MAX``, nothing more is written to it, and what was left out is counted.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

from harness.cluster.local.errors import LocalError
from harness.cluster.local.frames import VNET_BYTES, Frame

FILE_BYTES_MAX = 256 << 20
GATHER_BYTES = 256 << 10
FLUSH_NS = 10**9
FRAME_BYTES_MAX = 262_144
"""The snapshot length that the files name: no frame is longer."""
HEADER = struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, FRAME_BYTES_MAX, 1)
DELIVERED, LOST = "links.pcap", "links-lost.pcap"
_SECOND = 10**9


class PcapFile:
    """One file of frames; ``frames`` were written, ``left_out`` were not."""

    def __init__(self, path: Path, bytes_max: int = FILE_BYTES_MAX, clock: Callable[[], int] = time.time_ns) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LocalError(f"cannot write {path}: {error.strerror}") from error
        self._clock = clock
        self._room = bytes_max - len(HEADER)
        self._gathered = bytearray(HEADER)
        self._flushed_at = clock()
        self.frames = 0
        self.left_out = 0
        self.failed = ""
        self.flush()

    def add(self, frame: Frame) -> None:
        """Append a frame (with its virtio header, which is left out)."""
        size = len(frame) - VNET_BYTES
        if size + 16 > self._room or self.failed:
            self.left_out += 1
            return
        now = self._clock()
        self._room -= size + 16
        self._gathered += struct.pack("=IIII", now // _SECOND, now % _SECOND, size, size)
        self._gathered += memoryview(frame)[VNET_BYTES:]
        self.frames += 1
        if len(self._gathered) >= GATHER_BYTES or now - self._flushed_at > FLUSH_NS:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered. A disk that refuses ends the capture, and never the forwarding."""
        rest = memoryview(bytes(self._gathered))
        self._gathered.clear()
        self._flushed_at = self._clock()
        try:
            while rest and not self.failed:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self.failed = str(error)


class Capture:
    """Both files of one run."""

    def __init__(self, folder: Path, bytes_max: int = FILE_BYTES_MAX) -> None:
        self._delivered = PcapFile(folder / DELIVERED, bytes_max)
        self._lost = PcapFile(folder / LOST, bytes_max)
        self.delivered = self._delivered.add
        self.lost = self._lost.add

    def flush(self) -> None:
        """Write what was gathered."""
        self._delivered.flush()
        self._lost.flush()

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return how many frames were delivered, were lost, and were left out for want of room."""
        return self._delivered.frames, self._lost.frames, self._delivered.left_out + self._lost.left_out

    @property
    def failed(self) -> str:
        """Return why nothing more is written, "" if all is well."""
        return self._delivered.failed or self._lost.failed
