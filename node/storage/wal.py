"""The write-ahead log: records in order, in segments, durable when ``commit`` returns.

``append`` only gathers; ``commit`` writes what was gathered with one write and one sync (group commit: the caller
gathers while an earlier commit syncs). The first error of a write or sync poisons the log for good: after a failed
fsync the kernel may call the lost pages clean, and a second fsync would say that all is well (PostgreSQL's "fsyncgate",
2018; Rebello et al., *Can Applications Recover from fsync Failures?*, ATC 2020).

Opening a log reads it all. A record that does not check out ends it: as a torn tail, which is cut off, if no later
record says that it had been durable; else the log is damaged in its middle and ``CorruptLogError`` says where. What was
read is made durable before anything is built on it: a process that was killed may have left it in the cache alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from node.storage.disk import Disk, File
from node.storage.frame import (
    HEADER_BYTES,
    RECORD_MAGIC,
    Framed,
    SegmentHeader,
    decode_header,
    decode_record,
    encode_header,
    encode_record,
)

SEGMENT_BYTES = 16 * 1024 * 1024
_PREFIX, _SUFFIX = "wal-", ".log"


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
    size: int


class Wal:
    """The log of one node over one disk; used by one thread at a time."""

    def __init__(
        self, disk: Disk, node: int | None, segment_bytes: int = SEGMENT_BYTES, *, read_only: bool = False
    ) -> None:
        """Open the log, or make a new one.

        ``payloads`` holds what was read until it is taken. With ``read_only`` a torn tail is left where it is, and
        ``node`` may be None: the log of any node. Raises CorruptLogError, and OSError if the disk does not answer.
        """
        self._disk = disk
        self.node = node
        self._read_only = read_only
        self._segment_bytes = segment_bytes
        self._gathered: list[bytes] = []
        self._file: File | None = None
        self._offset = 0
        self._generation = 0
        self._failed = False
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
        self._file.write(self._offset, data)
        self._file.sync()
        self._offset += len(data)

    def _roll(self, first_lsn: int) -> None:
        """Begin a new segment; it is there, by name, before a record in it may count as durable."""
        self.close()
        self._generation += 1
        self._file = self._disk.open(segment_name(self._generation), create=True)
        assert self.node is not None
        self._file.write(0, encode_header(SegmentHeader(self._generation, first_lsn, self.node)))
        self._file.sync()
        self._disk.sync_names()
        self._offset = HEADER_BYTES

    # -- opening ------------------------------------------------------------------------------------------------------

    def _open(self) -> WalStatistics:
        names = [name for name in self._disk.names() if name.startswith(_PREFIX) and name.endswith(_SUFFIX)]
        torn = 0
        segments = 0
        for position, name in enumerate(names):
            is_last = position == len(names) - 1
            scan = self._scan(name, is_last)
            if scan is None:
                torn += self._drop(name)
                continue
            segments += 1
            torn += self._take(scan, is_last)
        self.durable_lsn = self.last_lsn
        return WalStatistics(self.last_lsn, segments, torn)

    def _scan(self, name: str, is_last: bool) -> _Scan | None:
        """Read a segment; None if it is the last one and its header never became durable."""
        file = self._disk.open(name)
        try:
            data = file.read(0, file.size())
        finally:
            file.close()
        header = decode_header(data)
        if header is None:
            if is_last and RECORD_MAGIC not in data:
                return None
            raise CorruptLogError(f"{name}, offset 0: the segment's header is damaged")
        self._check_header(name, header)
        records = list(self._records(data, header))
        end = HEADER_BYTES + sum(record.size for record in records)
        expected = self.last_lsn + len(records) + 1
        rotten = self.rotten(data, end, header.generation, expected)
        if rotten is not None:
            raise CorruptLogError(
                f"{name}, offset {end}: record {expected} is damaged, but record {rotten.lsn} says that it was "
                "durable: bit rot, not a torn tail. Restore this node's data or replace it; do not cut the log."
            )
        return _Scan(name, header, records, end, len(data))

    def decode(self, data: bytes, offset: int, generation: int) -> Framed | None:
        """Return the valid record at an offset of a segment's bytes, None if there is none."""
        return decode_record(data, offset, generation)

    def rotten(self, data: bytes, end: int, generation: int, expected: int) -> Framed | None:
        """Return a record behind the ``end`` of the valid ones that calls the ``expected`` one durable."""
        return next((r for r in self._later_records(data, end, generation) if r.durable >= expected), None)

    def _records(self, data: bytes, header: SegmentHeader) -> Iterator[Framed]:
        """Yield the unbroken run of valid records from the segment's start."""
        last_lsn, offset = self.last_lsn, HEADER_BYTES
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
        if header.first_lsn != self.last_lsn + 1:
            raise CorruptLogError(
                f"{name}, offset 0: begins with record {header.first_lsn}, but record {self.last_lsn + 1} is next: "
                "a segment is missing or cut short"
            )

    def _take(self, scan: _Scan, is_last: bool) -> int:
        """Take a segment's records over; cut a torn tail off the last one. Returns the bytes cut."""
        self._generation = scan.header.generation
        self.last_lsn += len(scan.records)
        self.payloads.extend(record.payload for record in scan.records)
        torn = scan.size - scan.end
        if not is_last:
            return 0  # if records are missing here, the next segment's first record number says so
        if self._read_only:
            return torn
        self._file = self._disk.open(scan.name)
        self._offset = scan.end
        if torn:
            self._file.truncate(scan.end)
        self.harden(self._file, scan)
        return torn

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
