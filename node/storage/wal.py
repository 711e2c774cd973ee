"""The write-ahead log: records in order, in segments, durable when ``commit`` returns.

``append`` only gathers; ``commit`` writes what was gathered with one write and one sync (group commit: the caller
gathers while an earlier commit syncs). The first error of a write or sync poisons the log for good: after a failed
fsync the kernel may call the lost pages clean, and a second fsync would say that all is well (PostgreSQL's "fsyncgate",
2018; Rebello et al., *Can Applications Recover from fsync Failures?*, ATC 2020).

Opening a log reads it all. A record that does not check out ends it: as a torn tail, which is cut off, if no later
record says that it had been durable; else the log is damaged in its middle and ``CorruptLogError`` says where. What was
read is made durable before anything is built on it: a process that was killed may have left it in the cache alone.

What a durable snapshot covers need not be in the log any more: ``release`` removes the segments before the last one
whose *base* says that the snapshot holds everything before it. Nobody waits until they are gone for good, so a power
cut may bring any of them back; therefore opening starts at that last one, too, and never looks at those before. A log
that begins later than with its first record, and has no snapshot that covers what is missing, is damaged.

With *zeros ahead* a file is longer than its records: the write that comes to its end brings zeros for the next ones, so
that the syncs after it change no metadata of the file and need no commit of the file system's journal (measured: 1.1 to
2.1 times as many syncs a second; ``fallocate`` alone gains nothing, because its extents are still to be converted). And
released segments are kept, a few of them, to be *recycled*: a file that was written once needs no zeros. So the end of
a file is not the end of the log; that is where the next record is not valid. What is behind it says whether that is a
tail or damage by the same rule: zeros and records of an earlier life are not valid in this one, whose generation is in
every checksum, so they never testify. Opening such a log fills what is behind its end with zeros before anything is
written there; else a record behind a torn one could come back to life when the torn one is written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from node.storage.disk import Disk, File
from node.storage.frame import (
    HEADER_BYTES_MAX,
    NO_BASE,
    RECORD_MAGIC,
    Framed,
    SegmentHeader,
    claimed_end,
    decode_header,
    decode_record,
    encode_header,
    encode_record,
)

SEGMENT_BYTES = 16 * 1024 * 1024
ZERO_AHEAD_BYTES = 256 * 1024
SPARES_MAX = 2
_PREFIX, _SUFFIX = "wal-", ".log"
_SPARE = "spare-"


class CorruptLogError(Exception):
    """The log is damaged where it had been durable; the message names the file and the offset."""


class LogFailedError(Exception):
    """A write or sync failed: what is on the disk is unknown, the node must stop and recover."""


class WalStatistics(NamedTuple):
    """What opening the log found: records and segments read, bytes of a torn tail cut off."""

    records: int
    segments: int
    torn_bytes: int


class _Scan(NamedTuple):
    """A segment as it was read: its valid records, and where they end."""

    name: str
    header: SegmentHeader
    records: list[Framed]
    end: int
    data: bytes

    @property
    def torn_bytes(self) -> int:
        """How many bytes behind the end were meant to be records of this life."""
        if self.header.recycled:
            return claimed_end(self.data, self.end, self.header.first_lsn) - self.end
        return len(self.data[self.end :].rstrip(b"\0"))


class Wal:
    """The log of one node over one disk; used by one thread at a time."""

    def __init__(
        self,
        disk: Disk,
        node: int | None,
        segment_bytes: int = SEGMENT_BYTES,
        zero_ahead_bytes: int = 0,
        *,
        read_only: bool = False,
        covered: Callable[[bytes], bool] = lambda base: False,
    ) -> None:
        """Open the log, or make a new one.

        ``covered`` says whether a snapshot holds everything before a segment of that base, ``base`` (to be set) returns
        the base of a segment that is begun now. With ``zero_ahead_bytes`` zeros are written ahead, and files recycled.
        ``payloads`` holds what was read until it is taken. With ``read_only`` a torn tail is left where it is, and
        ``node`` may be None: the log of any node. Raises CorruptLogError, and OSError if the disk does not answer.
        """
        self._disk = disk
        self.node = node
        self._read_only = read_only
        self._segment_bytes = segment_bytes
        self._zero_ahead_bytes = zero_ahead_bytes
        self._spares: list[str] = []
        self.recycled = 0
        """How many segments were begun in a file that had been another one."""
        self._gathered: list[bytes] = []
        self._file: File | None = None
        self._offset = 0
        self._file_bytes = 0
        self._generation = 0
        self._failed = False
        self._covered = covered
        self._segments: list[SegmentHeader] = []
        """The segments that are needed, the one that is written to last."""
        self.base: Callable[[], bytes] = lambda: NO_BASE
        self.payloads: list[bytes] = []
        self.last_lsn = 0
        self.durable_lsn = 0
        self.statistics = self._open()

    # -- writing ------------------------------------------------------------------------------------------------------

    def append(self, payload: bytes) -> int:
        """Gather a record for the next commit and return its number."""
        self._check()
        self.last_lsn += 1
        self._gathered.append(payload)
        return self.last_lsn

    def commit(self) -> int:
        """Write and sync what was gathered; return the number of the last durable record. Raises LogFailedError."""
        self._check()
        if not self._gathered:
            return self.durable_lsn
        try:
            self._write(self._gathered)
        except OSError as error:
            self._failed = True
            raise LogFailedError(f"writing the log failed, nothing unsynced can be trusted: {error}") from error
        self._gathered = []
        self.durable_lsn = self.last_lsn
        return self.durable_lsn

    def release(self) -> int:
        """Remove the segments that are covered, never the last one; return how many. Raises LogFailedError."""
        self._check()
        start = len(self._segments) - 1
        while start > 0 and not self._covered(self._segments[start].base):
            start -= 1
        start = max(start, 0)
        released, self._segments = self._segments[:start], self._segments[start:]
        try:
            for header in released:
                self._retire(header.generation)
        except OSError as error:
            self._failed = True
            raise LogFailedError(f"removing a segment of the log failed: {error}") from error
        return len(released)

    def _retire(self, generation: int) -> None:
        """Keep a segment's file for another life, or remove it."""
        name = segment_name(generation)
        if not self._zero_ahead_bytes or len(self._spares) >= SPARES_MAX:
            self._disk.remove(name)
            return
        spare = f"{_SPARE}{generation:016d}{_SUFFIX}"
        self._disk.rename(name, spare)
        self._spares.append(spare)

    @property
    def first(self) -> SegmentHeader | None:
        """The header of the first segment that is needed, None before there is one."""
        return self._segments[0] if self._segments else None

    def close(self) -> None:
        """Close the file; what was gathered and not committed is not kept."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _check(self) -> None:
        if self._failed:
            raise LogFailedError("the log has failed before: the node must stop and recover")
        if self._read_only:
            raise LogFailedError("the log was opened to be read only")

    def _write(self, payloads: list[bytes]) -> None:
        if self._file is None or self._offset >= self._segment_bytes:
            self._roll(self.durable_lsn + 1)
        assert self._file is not None
        first = self.durable_lsn + 1
        data = b"".join(
            encode_record(self._generation, lsn, self.durable_lsn, payload)
            for lsn, payload in enumerate(payloads, start=first)
        )
        end = self._offset + len(data)
        if end > self._file_bytes:
            self._file_bytes = end + max(0, min(self._zero_ahead_bytes, self._segment_bytes - end))
            data += bytes(self._file_bytes - end)
        self._file.write(self._offset, data)
        self._file.sync()
        self._offset = end

    def _roll(self, first_lsn: int) -> None:
        """Begin a new segment; it is there, by name, before a record in it may count as durable."""
        self.close()
        self._generation += 1
        name = segment_name(self._generation)
        recycled = bool(self._spares)
        if recycled:
            self._disk.rename(self._spares.pop(0), name)
            self._disk.sync_names()  # before a byte of it changes: under its old name it must be what it was
            self.recycled += 1
        self._file = self._disk.open(name, create=not recycled)
        assert self.node is not None
        header = SegmentHeader(self._generation, first_lsn, self.node, self.base(), int(recycled))
        self._file.write(0, encode_header(header))
        self._file.sync()
        if not recycled:
            self._disk.sync_names()
        self._offset = header.size
        self._file_bytes = max(header.size, self._file.size())
        self._segments.append(header)

    # -- opening ------------------------------------------------------------------------------------------------------

    def _open(self) -> WalStatistics:
        names = self._disk.names()
        self._take_spares([name for name in names if name.startswith(_SPARE) and name.endswith(_SUFFIX)])
        names = self._needed([name for name in names if name.startswith(_PREFIX) and name.endswith(_SUFFIX)])
        torn = 0
        segments = 0
        first_lsn = 1
        for position, name in enumerate(names):
            is_last = position == len(names) - 1
            scan = self._scan(name, is_last)
            if scan is None:
                torn += self._drop(name)
                continue
            segments += 1
            first_lsn = first_lsn if self._segments else scan.header.first_lsn
            torn += self._take(scan, is_last)
        self.durable_lsn = self.last_lsn
        return WalStatistics(self.last_lsn - first_lsn + 1, segments, torn)

    def _take_spares(self, names: list[str]) -> None:
        """Find the files that wait for another life; clear away those that are too many."""
        kept = SPARES_MAX if self._zero_ahead_bytes else 0
        self._spares = names[:kept]
        for name in names[kept:] if not self._read_only else ():
            self._disk.remove(name)

    def _needed(self, names: list[str]) -> list[str]:
        """Return the names from the last segment on before which everything is covered; remove those before it."""
        for position in reversed(range(len(names))):
            file = self._disk.open(names[position])
            try:
                header = decode_header(file.read(0, HEADER_BYTES_MAX))
            finally:
                file.close()
            named = header is not None and segment_name(header.generation) == names[position]
            if header is not None and named and self._covered(header.base):
                self.last_lsn = header.first_lsn - 1
                for name in names[:position] if not self._read_only else ():
                    self._disk.remove(name)
                return names[position:]
        return names

    def _scan(self, name: str, is_last: bool) -> _Scan | None:
        """Read a segment; None if it is the last one and its header never became durable, so it has no record.

        Its file may still have the header, and the records, of an earlier life.
        """
        file = self._disk.open(name)
        try:
            data = file.read(0, file.size())
        finally:
            file.close()
        header = decode_header(data)
        begun = header is not None and segment_name(header.generation) >= name
        if is_last and not begun and claimed_end(data, 0, self.last_lsn + 1) == 0:
            return None
        if header is None:
            raise CorruptLogError(f"{name}, offset 0: the segment's header is damaged")
        self._check_header(name, header)
        records = list(self._records(data, header))
        end = header.size + sum(record.size for record in records)
        expected = self.last_lsn + len(records) + 1
        rotten = self.rotten(data, end, header.generation, expected)
        if rotten is not None:
            raise CorruptLogError(
                f"{name}, offset {end}: record {expected} is damaged, but record {rotten.lsn} says that it was "
                "durable: bit rot, not a torn tail. Restore this node's data or replace it; do not cut the log."
            )
        return _Scan(name, header, records, end, data)

    def decode(self, data: bytes, offset: int, generation: int) -> Framed | None:
        """Return the valid record at an offset of a segment's bytes, None if there is none."""
        return decode_record(data, offset, generation)

    def rotten(self, data: bytes, end: int, generation: int, expected: int) -> Framed | None:
        """Return a record behind the ``end`` of the valid ones that calls the ``expected`` one durable."""
        return next((r for r in self._later_records(data, end, generation) if r.durable >= expected), None)

    def _records(self, data: bytes, header: SegmentHeader) -> Iterator[Framed]:
        """Yield the unbroken run of valid records from the segment's start."""
        last_lsn, offset = self.last_lsn, header.size
        while (record := self.decode(data, offset, header.generation)) is not None and record.lsn == last_lsn + 1:
            yield record
            last_lsn = record.lsn
            offset += record.size

    def _later_records(self, data: bytes, offset: int, generation: int) -> Iterator[Framed]:
        """Yield every valid record that starts at ``offset`` or anywhere behind it."""
        offset = data.find(RECORD_MAGIC, offset)
        while offset >= 0:
            record = self.decode(data, offset, generation)
            if record is not None:
                yield record
            offset = data.find(RECORD_MAGIC, offset + 1)

    def _check_header(self, name: str, header: SegmentHeader) -> None:
        if self.node is None:
            self.node = header.node
        if header.node != self.node:
            raise CorruptLogError(f"{name}, offset 0: this log belongs to node {header.node}, not to node {self.node}")
        if segment_name(header.generation) != name or header.generation <= self._generation:
            raise CorruptLogError(f"{name}, offset 0: generation {header.generation} does not belong here")
        if header.first_lsn != self.last_lsn + 1 and not self._segments:
            raise CorruptLogError(
                f"{name}, offset 0: the log begins with record {header.first_lsn}, and no snapshot covers what was "
                "before: a snapshot or a segment is missing"
            )
        if header.first_lsn != self.last_lsn + 1:
            raise CorruptLogError(
                f"{name}, offset 0: begins with record {header.first_lsn}, but record {self.last_lsn + 1} is next: "
                "a segment is missing or cut short"
            )

    def _take(self, scan: _Scan, is_last: bool) -> int:
        """Take a segment's records over; cut a torn tail off the last one. Returns the bytes cut."""
        self._generation = scan.header.generation
        self._segments.append(scan.header)
        self.last_lsn += len(scan.records)
        self.payloads.extend(record.payload for record in scan.records)
        if not is_last:
            return 0  # if records are missing here, the next segment's first record number says so
        if self._read_only:
            return scan.torn_bytes
        self._file = self._disk.open(scan.name)
        self._offset = self._file_bytes = scan.end
        behind = scan.data[scan.end :]
        if behind and not self._zero_ahead_bytes:
            self._file.truncate(scan.end)
        elif behind:
            self._file_bytes += len(behind)
            if behind.strip(b"\0"):
                self._file.write(scan.end, bytes(len(behind)))
        self.harden(self._file, scan)
        return scan.torn_bytes

    def harden(self, file: File, scan: _Scan) -> None:
        """Make durable what was read: a killed process may have left it, and the file's name, in the cache alone.

        The last commit is written again first: if its sync failed, the kernel may hold its pages for clean.
        """
        last = [record for record in scan.records if record.lsn > scan.records[-1].durable]
        data = b"".join(encode_record(self._generation, r.lsn, r.durable, r.payload) for r in last)
        if data:
            file.write(scan.end - len(data), data)
        else:
            file.write(0, encode_header(scan.header))
        file.sync()
        self._disk.sync_names()

    def _drop(self, name: str) -> int:
        """Remove a last segment that never got a header: no record in it was ever durable."""
        file = self._disk.open(name)
        size = file.size()
        file.close()
        if self._read_only:
            return size
        self._disk.remove(name)
        self._disk.sync_names()
        return size


def segment_name(generation: int) -> str:
    """Return the file name of a generation."""
    return f"{_PREFIX}{generation:016d}{_SUFFIX}"
