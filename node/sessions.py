"""Sessions: each client operation is applied once, however often it is sent.

A client opens a session through the log, which gives it a number nobody else has, and numbers its operations in it. A
retry carries the same number and gets the first one's result. The table is part of the replicated state: it changes
only by applying the log, so every node has the same one.

Of each session the table knows which operations up to the last one were applied: all but the numbers that were skipped
(a client gives up an operation that nobody has taken, and goes on). The node has no use for that. But when the log's
beginning is gone, nothing else can still show that an acknowledged operation was not lost.

It is bounded: the session that was used longest ago goes first. A client that comes back after that is told so and must
treat what it does not know as unknown; guessing would apply its operation twice. (Ongaro's dissertation, 2014, section
6.3, describes the same sessions, and the duty to refuse expired ones.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from node.kv import Result

SESSIONS_MAX = 10_000
SKIPPED_MAX = 64
"""Of more skipped numbers in one session only the highest are known; below them nothing is certain any more."""


class Standing(StrEnum):
    """How an operation's number stands to its session."""

    NEW = "new"
    REPEATED = "repeated"
    OUTDATED = "outdated"
    EXPIRED = "expired"


NEW = Standing.NEW
"""By a name of its own: looking a member up costs as much as looking a session up."""


class Session:
    """One client's last operation and its result.

    Of the operations after number ``certain_after`` all were applied but those in ``skipped``.
    """

    __slots__ = ("certain_after", "result", "sequence", "skipped")

    def __init__(self) -> None:
        self.sequence = 0
        self.result: Result | None = None
        self.certain_after = 0
        self.skipped: tuple[int, ...] = ()

    def copy(self) -> Session:
        """Return another one that is equal."""
        copy = Session.__new__(Session)
        copy.sequence, copy.result = self.sequence, self.result
        copy.certain_after, copy.skipped = self.certain_after, self.skipped
        return copy

    def applied(self) -> Iterator[int]:
        """Yield the numbers of the operations that were applied for certain."""
        return (n for n in range(self.certain_after + 1, self.sequence + 1) if n not in self.skipped)

    def skip(self, upto: int) -> None:
        """The numbers behind the last one up to ``upto`` will never be applied."""
        first = max(self.sequence + 1, upto + 1 - SKIPPED_MAX)
        skipped = (*self.skipped, *range(first, upto + 1))
        self.skipped = skipped[-SKIPPED_MAX:]
        if len(skipped) > SKIPPED_MAX or first > self.sequence + 1:
            self.certain_after = self.skipped[0]


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A session in a snapshot: as ``Session``, with its number."""

    number: int
    sequence: int
    result: Result | None
    certain_after: int
    skipped: tuple[int, ...]


class Sessions:
    """The table of open sessions, least recently used first."""

    def __init__(self, sessions_max: int = SESSIONS_MAX) -> None:
        self._sessions: OrderedDict[int, Session] = OrderedDict()
        self.sessions_max = sessions_max

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[int]:
        """Yield the sessions' numbers, least recently used first."""
        return iter(self._sessions)

    def get(self, session: int) -> Session | None:
        """Return what is known of a session, None if it is not open; whoever asks changes nothing of it."""
        return self._sessions.get(session)

    def open(self, session: int) -> int:
        """Open a session; return how many old ones (0 or 1) had to go for it."""
        self._sessions[session] = Session()
        if len(self._sessions) <= self.sessions_max:
            return 0
        self._sessions.popitem(last=False)
        return 1

    def standing(self, session: int, sequence: int) -> Standing:
        """Say how an operation stands, changing nothing."""
        known = self._sessions.get(session)
        if known is None:
            return Standing.EXPIRED
        if sequence > known.sequence:
            return NEW
        return Standing.REPEATED if sequence == known.sequence else Standing.OUTDATED

    def result(self, session: int) -> Result | None:
        """Return the result of a session's last operation."""
        known = self._sessions.get(session)
        return known.result if known is not None else None

    def record(self, session: int, sequence: int, result: Result) -> None:
        """Remember a new operation's result; the session must be open."""
        known = self._sessions[session]
        if sequence > known.sequence + 1:
            known.skip(sequence - 1)
        known.sequence = sequence
        known.result = result
        self._sessions.move_to_end(session)

    def rows(self) -> list[Row]:
        """Return the whole table, least recently used first: for a snapshot."""
        return [
            Row(number, one.sequence, one.result, one.certain_after, one.skipped)
            for number, one in self._sessions.items()
        ]

    def restore(self, rows: Iterable[Row]) -> None:
        """Take over a snapshot's table."""
        self._sessions.clear()
        for row in rows:
            session = self._sessions[row.number] = Session()
            session.sequence, session.result = row.sequence, row.result
            session.certain_after, session.skipped = row.certain_after, row.skipped

    def applied(self) -> Iterator[tuple[int, int]]:
        """Yield session and number of every operation that was applied for certain."""
        for number, session in self._sessions.items():
            for sequence in session.applied():
                yield number, sequence
