"""Sessions: each client operation is applied once, however often it is sent.

A client opens a session through the log, which gives it a number nobody else has, and numbers its operations in it. A
retry carries the same number and gets the first one's result. The table is part of the replicated state: it changes
only by applying the log, so every node has the same one.

It is bounded: the session that was used longest ago goes first. A client that comes back after that is told so and must
treat what it does not know as unknown; guessing would apply its operation twice. (Ongaro's dissertation, 2014, section
6.3, describes the same sessions, and the duty to refuse expired ones.)
"""

from __future__ import annotations

from collections import OrderedDict
from enum import StrEnum

from node.kv import Result

SESSIONS_MAX = 10_000


class Standing(StrEnum):
    """How an operation's number stands to its session."""

    NEW = "new"
    REPEATED = "repeated"
    OUTDATED = "outdated"
    EXPIRED = "expired"


class Session:
    """One client's last operation and its result."""

    __slots__ = ("result", "sequence")

    def __init__(self) -> None:
        self.sequence = 0
        self.result: Result | None = None


class Sessions:
    """The table of open sessions, least recently used first."""

    def __init__(self, sessions_max: int = SESSIONS_MAX) -> None:
        self._sessions: OrderedDict[int, Session] = OrderedDict()
        self._sessions_max = sessions_max

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, session: int) -> int:
        """Open a session; return how many old ones (0 or 1) had to go for it."""
        self._sessions[session] = Session()
        if len(self._sessions) <= self._sessions_max:
            return 0
        self._sessions.popitem(last=False)
        return 1

    def standing(self, session: int, sequence: int) -> Standing:
        """Say how an operation stands, changing nothing."""
        known = self._sessions.get(session)
        if known is None:
            return Standing.EXPIRED
        if sequence > known.sequence:
            return Standing.NEW
        return Standing.REPEATED if sequence == known.sequence else Standing.OUTDATED

    def result(self, session: int) -> Result | None:
        """Return the result of a session's last operation."""
        known = self._sessions.get(session)
        return known.result if known is not None else None

    def record(self, session: int, sequence: int, result: Result) -> None:
        """Remember a new operation's result; the session must be open."""
        known = self._sessions[session]
        known.sequence = sequence
        known.result = result
        self._sessions.move_to_end(session)
