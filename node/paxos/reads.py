"""Linearizable reads without the log: read-index rounds, each tied to the reads it confirms.

A leader may have been deposed without knowing it, so before a read is answered a majority must say that it has promised
nobody else *after the read arrived*. Reads that arrive while a round is under way wait for the next one: an
acknowledgement of an earlier beat says nothing about a later read. (etcd's raft had exactly that bug until 2026: it
matched acknowledgements by a caller's id that could repeat. Beats here are numbered by the leader and never repeat in
a ballot.) The method is section 6.4 of Ongaro's dissertation (2014).
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Reader(NamedTuple):
    """Who wants to know: a node, and its number for the read."""

    node: int
    read_id: int


class Round:
    """Reads that one beat will confirm, and who has acknowledged that beat or a later one."""

    __slots__ = ("acks", "beat", "index", "readers")

    def __init__(self, beat: int, index: int, readers: tuple[Reader, ...]) -> None:
        self.beat = beat
        self.index = index
        self.readers = readers
        self.acks: set[int] = set()


class ReadRounds:
    """The reads of one leadership: those waiting for a round, and the one round under way."""

    def __init__(self, majority: int, reads_max: int) -> None:
        self._majority = majority
        self._reads_max = reads_max
        self._waiting: deque[Reader] = deque()
        self._round: Round | None = None

    def add(self, reader: Reader) -> bool:
        """Queue a read for the next round; False if too many wait."""
        if len(self._waiting) >= self._reads_max:
            return False
        self._waiting.append(reader)
        return True

    @property
    def idle(self) -> bool:
        """True if no read waits and no round is under way."""
        return self._round is None and not self._waiting

    @property
    def wants_round(self) -> bool:
        """True if reads wait and no round is under way."""
        return self._round is None and bool(self._waiting)

    def begin(self, beat: int, index: int, me: int) -> None:
        """Begin a round confirmed by ``beat`` or later: it reads the log up to ``index``."""
        self._round = Round(beat, index, tuple(self._waiting))
        self._round.acks.add(me)
        self._waiting.clear()

    def on_ack(self, sender: int, beat: int) -> None:
        """Count an acknowledgement, if it answers a beat sent after the round began."""
        if self._round is not None and beat >= self._round.beat:
            self._round.acks.add(sender)

    def confirmed(self) -> Round | None:
        """Take the round if a majority has confirmed it."""
        finished = self._round
        if finished is None or len(finished.acks) < self._majority:
            return None
        self._round = None
        return finished

    def abandon(self) -> list[Reader]:
        """Give up all reads: the leadership is over. Returns who waited."""
        readers = list(self._round.readers) if self._round is not None else []
        readers.extend(self._waiting)
        self._round = None
        self._waiting.clear()
        return readers
