"""The records that wait for the disk: how many, how large, and whether the disk still moves.

A disk that is slow or stalled must not fill the node's memory: the records that were handed out and are not durable are
bounded. At the bound a node takes nothing more that would need the disk. An acceptor leaves Prepares and Accepts
unanswered, as if they had been lost (their senders repeat what still matters); a leader proposes nothing new, so its
queue fills and clients are refused at once; nobody campaigns with a promise that could not become durable. A leader
whose backlog is full and does not move gives its place to a node with a better disk.
"""

from __future__ import annotations

from collections import deque

from node.paxos.config import Config
from node.paxos.log import value_bytes
from node.paxos.records import AcceptedRecord, Learned, Record

RECORD_BYTES = 64
"""About what a record takes besides its value."""


class Backlog:
    """The records between ``persist`` and the disk."""

    __slots__ = ("_bytes_max", "_first_seen", "_moved_at", "_records_max", "_waiting", "full", "size")

    def __init__(self, config: Config) -> None:
        self._records_max = config.backlog_records_max
        self._bytes_max = config.backlog_bytes_max
        self._waiting: deque[tuple[int, int]] = deque()
        self._first_seen = 0
        self._moved_at = 0
        self.size = 0
        """Bytes that wait, about."""
        self.full = False
        """True while nothing more may be handed out that can be put off."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, number: int, record: Record) -> None:
        """A record was handed out."""
        size = RECORD_BYTES
        if isinstance(record, AcceptedRecord | Learned):
            size += value_bytes(record.value)
        self._waiting.append((number, size))
        self.size += size
        if self.size >= self._bytes_max or len(self._waiting) >= self._records_max:
            self.full = True

    def durable(self, upto: int) -> None:
        """Every record up to number ``upto`` is durable."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= upto:
            self.size -= waiting.popleft()[1]
        self.full = self.size >= self._bytes_max or len(waiting) >= self._records_max

    def stuck(self, now: int, patience_ns: int) -> bool:
        """Say whether it is full and has not moved for ``patience_ns``; to be asked regularly."""
        first = self._waiting[0][0] if self._waiting else 0
        if not self.full or first != self._first_seen:
            self._first_seen = first
            self._moved_at = now
            return False
        return now - self._moved_at >= patience_ns
