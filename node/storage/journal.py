"""The core's records on the write-ahead log, and the snapshot that stands for its beginning: typed in, typed out.

Opening a journal is the whole of a node's recovery: read the snapshot, read the log behind it, fold its records, write
down that the node has started once more. Only then may it speak.

Every segment of the log begins with its *base* (``node.paxos.records.Base``): the incarnation and the promise that all
records before it add up to, and the last slot that any of them told of. As soon as a snapshot up to that slot is
durable, nothing before the segment is needed any more: what was promised is in the base, what was accepted is in the
snapshot, or in the segment and those after it. So a log is cut by removing files, and nothing has to be written anew.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator, Sequence
from typing import ClassVar, NamedTuple

import msgspec

from node.paxos.ballot import Ballot
from node.paxos.log import SafetyError
from node.paxos.records import Base, Record, RecoveryError, Remembered, Started, replay
from node.paxos.snapshot import Snapshot
from node.storage.disk import Disk
from node.storage.snapshots import CorruptSnapshotError, SnapshotFiles
from node.storage.wal import SEGMENT_BYTES, CorruptLogError, LogFailedError, Wal, WalStatistics

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)
_BASE = struct.Struct("<QQQQ")
_LIFE = struct.Struct("<QQQ")
_FOUNDER = 0
"""The number of no life: a founder of the cluster is named, not a life that was noted."""


class Journal:
    """The durable memory of one node."""

    wal_type: ClassVar[type[Wal]] = Wal
    memory_type: ClassVar[type[Remembered]] = Remembered

    def __init__(
        self,
        disk: Disk,
        node: int,
        segment_bytes: int = SEGMENT_BYTES,
        zero_ahead_bytes: int = 0,
        founders: tuple[int, ...] = (),
    ) -> None:
        """Recover from the disk and count the start, with the members that the cluster began with.

        Raises CorruptLogError, LogFailedError, OSError.
        """
        self._snapshots = SnapshotFiles(disk, node)
        self._wal = self.wal_type(
            disk, node, segment_bytes, zero_ahead_bytes, covered=lambda base: _covers(self._snapshots.latest, base)
        )
        payloads, self._wal.payloads = self._wal.payloads, []
        records = list(_decode(payloads))
        self._base = _first_base(self._wal)
        self.remembered: Remembered = recover(self._wal, self._base, records, self._snapshots.latest, self.memory_type)
        self._base = self._base.after(records)
        self._wal.base = lambda: encode_base(self._base)
        stopped_cleanly = self.remembered.stopped_cleanly
        started = Started(self.remembered.incarnation + 1, self.remembered.founders or founders)
        self.commit([started])
        self.remembered.replay(started)
        self.remembered.stopped_cleanly = stopped_cleanly

    @property
    def statistics(self) -> WalStatistics:
        """What opening the log found."""
        return self._wal.statistics

    @property
    def segments_recycled(self) -> int:
        """How many segments of the log were begun in the file of another one."""
        return self._wal.recycled

    def commit(self, records: Sequence[Record]) -> int:
        """Make records durable, in order; return the number of the last durable one. Raises LogFailedError."""
        for record in records:
            self._wal.append(_encoder.encode(record))
        durable = self._wal.commit()
        self._base = self._base.after(records)
        return durable

    def save(self, snapshot: Snapshot) -> Generator[None, None, int]:
        """Make a snapshot durable, a step at a time, then drop what it covers; returns how many segments went.

        Each step ends with a sync that was begun, and the next one may be taken when it has ended; commits may go in
        between. Raises LogFailedError: after a failed write or sync nothing on this disk can be trusted.
        """
        try:
            yield from self._snapshots.write(snapshot)
        except OSError as error:
            raise LogFailedError(f"writing the snapshot of slot {snapshot.slot} failed: {error}") from error
        return self._wal.release()

    def close(self) -> None:
        """Close the log."""
        self._wal.close()


def recover(
    wal: Wal,
    base: Base,
    records: Sequence[Record],
    snapshot: Snapshot | None,
    kind: type[Remembered] = Remembered,
) -> Remembered:
    """Fold a snapshot and the records behind it. Raises CorruptLogError if they contradict each other."""
    if wal.first is None and snapshot is not None:
        raise CorruptSnapshotError(f"there is a snapshot of slot {snapshot.slot}, but no log: the log is missing")
    try:
        return replay(records, snapshot, base, wal.first.first_lsn if wal.first is not None else 1, kind)
    except (RecoveryError, SafetyError) as error:
        raise CorruptLogError(f"the log's records contradict each other: {error}") from error


def encode_base(base: Base) -> bytes:
    """Return a base as it stands in a segment's header."""
    founders = b"".join(_LIFE.pack(node, _FOUNDER, 0) for node in base.founders)
    lives = b"".join(_LIFE.pack(*life) for life in sorted(base.lives))
    return _BASE.pack(base.incarnation, base.promised.round, base.promised.node, base.last_slot) + founders + lives


def decode_base(data: bytes) -> Base:
    """Return the base of a segment's header."""
    incarnation, round_, node, last_slot = _BASE.unpack_from(data)
    further = [(int(n), int(life), int(nonce)) for n, life, nonce in _LIFE.iter_unpack(data[_BASE.size :])]
    founders = tuple(row[0] for row in further if row[1] == _FOUNDER)
    lives = tuple(row for row in further if row[1] != _FOUNDER)
    return Base(incarnation, Ballot(round_, node), last_slot, lives, founders)


def _covers(snapshot: Snapshot | None, base: bytes) -> bool:
    """Say whether a snapshot holds every slot that is told of before a segment with this base."""
    return snapshot is not None and decode_base(base).last_slot <= snapshot.slot


def _first_base(wal: Wal) -> Base:
    return decode_base(wal.first.base) if wal.first is not None else Base()


def _decode(payloads: Sequence[bytes]) -> Iterator[Record]:
    for number, payload in enumerate(payloads, start=1):
        try:
            yield _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CorruptLogError(f"record {number} passes its checksum but is no record: {error}") from error


class Inspected(NamedTuple):
    """A node's data as it lies on the disk: whose it is (None if empty), its records, and what reading it found.

    The log begins with ``base`` and record number ``first``; before it there is the ``snapshot``, if there is one.
    """

    node: int | None
    records: list[Record]
    statistics: WalStatistics
    snapshot: Snapshot | None = None
    base: Base = Base()
    first: int = 1

    def replay(self) -> Remembered:
        """Fold everything. Raises RecoveryError, SafetyError."""
        return replay(self.records, self.snapshot, self.base, self.first)


def inspect(disk: Disk) -> Inspected:
    """Read any node's data as ``Journal`` would, writing nothing. Raises CorruptLogError."""
    snapshots = SnapshotFiles(disk, None, read_only=True)
    wal = Wal(disk, snapshots.node, read_only=True, covered=lambda base: _covers(snapshots.latest, base))
    payloads, wal.payloads = wal.payloads, []
    first = wal.first.first_lsn if wal.first is not None else 1
    return Inspected(wal.node, list(_decode(payloads)), wal.statistics, snapshots.latest, _first_base(wal), first)
