"""Locks with fencing tokens: each client takes a lock and gives it back, and tokens say who came when.

A lock is a register that holds the last token and who has it (nobody: ""). To acquire is to compare and set it from
the last token, free, to the next one, held; to release is to set the token free again. A client whose acquire ended in
doubt sees in its next look at the register whether it holds the lock, and gives it back then.

What clients have seen is shared, so most know when a lock is free. Answers may arrive in another order than that in
which they were given: a look that began after the last news arrived is believed whatever it shows, else the greater
token is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from checkers.fenced_mutex import FencedMutex
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Memory, Operation, Workload

LOCKS = 3
NOBODY = ""
FREE: Final[Sequence[Any]] = (0, NOBODY)


@dataclass
class _Known:
    """What is known of one lock: the register as the store has it, and how many news there had been before."""

    raw: list[Any] | None = None
    news: int = 0

    @property
    def token(self) -> int:
        return int((self.raw or FREE)[0])

    @property
    def holder(self) -> str:
        return str((self.raw or FREE)[1])

    def rank(self) -> tuple[int, bool]:
        """Orders what a lock goes through: a token is held, then free, then comes the next."""
        return self.token, self.holder == NOBODY


@dataclass
class Locks(Memory):
    """What all clients have seen."""

    known: dict[str, _Known] = field(default_factory=dict)
    news: int = 0

    def of_client(self, number: int) -> Memory:
        """Return a client's view, who knows its own name."""
        return Hands(self, f"client {number}")

    def learn(self, key: str, raw: list[Any] | None, asked: int) -> None:
        """Take news in; ``asked`` is how many there had been when it was asked for."""
        before = self.known.get(key, _Known())
        said = _Known(raw, self.news)
        if before.news < asked or said.rank() > before.rank():
            self.news += 1
            self.known[key] = _Known(raw, self.news)


class Hands(Memory):
    """One client's view: which locks it holds, by its own name in the registers."""

    def __init__(self, locks: Locks, me: str) -> None:
        self._locks = locks
        self._me = me
        self._asked = 0

    def invocation(self, operation: Operation) -> Operation:
        """Give back what one holds, else try to get it."""
        self._asked = self._locks.news + 1
        if operation.f == "read":
            return operation
        known = self._known(operation.key)
        if known.holder == self._me:
            return Operation("release", operation.key, known.token)
        return Operation("acquire", operation.key)

    def request(self, invoked: Operation) -> Operation:
        """Return the operation on the register."""
        known = self._known(invoked.key)
        match invoked.f:
            case "acquire":
                free = None if known.raw is None else [known.token, NOBODY]
                return Operation("cas", invoked.key, [free, [known.token + 1, self._me]])
            case "release":
                return Operation("cas", invoked.key, [[invoked.value, self._me], [invoked.value, NOBODY]])
        return invoked

    def told(self, invoked: Operation, request: Operation, result: Any) -> Any:
        """Remember the register; tell the token."""
        raw = result if invoked.f == "read" else request.value[1]
        self._locks.learn(invoked.key, raw, self._asked)
        return result if invoked.f == "read" else raw[0]

    def _known(self, key: str) -> _Known:
        return self._locks.known.get(key, _Known())


class MutexWorkload(Workload):
    """70 % acquires and releases, in turn, 30 % looks at the register."""

    name = "mutex"
    functions = ("read", "acquire", "release")

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one operation; whether it is an acquire or a release the run decides."""
        key = f"m{draws.below(LOCKS)}"
        if draws.below(100) < 30:
            return Operation("read", key)
        return Operation("acquire", key, number + 1)

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation("write", CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Look at every lock: that shows only that the system serves."""
        return self.final_reads_of([f"m{key}" for key in range(LOCKS)] if operations else [])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Look at each lock."""
        return [Operation("read", key) for key in keys]

    def shown(self, result: Any) -> Any:
        """A lock that nobody has used is free."""
        return list(FREE) if result is None else result

    def checkers(self) -> Sequence[Checker]:
        """One holder at a time, and tokens that grow."""
        return (FencedMutex(),)

    def memory(self) -> Memory:
        """Return a memory of locks."""
        return Locks()
