"""The core's records on the write-ahead log: typed in, typed out, and the node's incarnation counted.

Opening a journal is the whole of a node's recovery: read the log, fold its records, write down that the node has
started once more. Only then may it speak.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from node.paxos.log import SafetyError
from node.paxos.records import Record, RecoveryError, Remembered, Started, replay
from node.storage.disk import Disk
from node.storage.wal import SEGMENT_BYTES, CorruptLogError, Wal, WalStatistics

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


class Journal:
    """The durable memory of one node."""

    def __init__(self, disk: Disk, node: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Recover from the disk and count the start. Raises CorruptLogError, LogFailedError, OSError."""
        self._wal = Wal(disk, node, segment_bytes)
        self.remembered: Remembered = recover(self._wal)
        stopped_cleanly = self.remembered.stopped_cleanly
        started = Started(self.remembered.incarnation + 1)
        self.commit([started])
        self.remembered.replay(started)
        self.remembered.stopped_cleanly = stopped_cleanly

    @property
    def statistics(self) -> WalStatistics:
        """What opening the log found."""
        return self._wal.statistics

    def commit(self, records: Sequence[Record]) -> int:
        """Make records durable, in order; return the number of the last durable one. Raises LogFailedError."""
        for record in records:
            self._wal.append(_encoder.encode(record))
        return self._wal.commit()

    def close(self) -> None:
        """Close the log."""
        self._wal.close()


def recover(wal: Wal) -> Remembered:
    """Fold the records that the log was opened with. Raises CorruptLogError if they are no records, or contradict."""
    payloads, wal.payloads = wal.payloads, []
    try:
        return replay(_decode(payloads))
    except (RecoveryError, SafetyError) as error:
        raise CorruptLogError(f"the log's records contradict each other: {error}") from error


def _decode(payloads: Sequence[bytes]) -> Iterator[Record]:
    for number, payload in enumerate(payloads, start=1):
        try:
            yield _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CorruptLogError(f"record {number} passes its checksum but is no record: {error}") from error


class Inspected(NamedTuple):
    """A log as it lies on the disk: whose it is (None if empty), its records, and what reading it found."""

    node: int | None
    records: list[Record]
    statistics: WalStatistics


def inspect(disk: Disk) -> Inspected:
    """Read any node's log as ``Journal`` would, writing nothing. Raises CorruptLogError."""
    wal = Wal(disk, None, read_only=True)
    payloads, wal.payloads = wal.payloads, []
    return Inspected(wal.node, list(_decode(payloads)), wal.statistics)
