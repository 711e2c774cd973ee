"""The checkers that ``antipaxos check --checker`` knows, by name.

A model says what one object does and leaves the order to be searched for. These ask a question of their own, each with
a method of its own; what they have in common is that a history goes in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from checkers.bank import Bank
from checkers.counter import Counter
from checkers.fenced_mutex import FencedMutex
from checkers.final_reads import FinalReads
from checkers.history import freeze
from checkers.long_fork import LongFork
from checkers.queue import Queue
from checkers.sessions import Monotonic, SessionGuarantees
from checkers.set_at_end import SetAtEnd
from checkers.set_full import SetFull
from checkers.unique_ids import UniqueIds
from checkers.verdict import Checker

Make = Callable[[Any, bool], Checker]
"""Makes a checker, given the initial value (None: its own) and whether a read of nil asserts anything."""


def _whole(initial: Any) -> int:
    if isinstance(initial, bool) or not isinstance(initial, int | None):
        raise ValueError("it must be a whole number")
    return initial or 0


def _plain(make: Callable[[], Checker]) -> Make:
    def made(initial: Any, nil_reads_assert: bool) -> Checker:
        del nil_reads_assert
        if initial is not None:
            raise ValueError("it starts empty")
        return make()

    return made


def _bank(initial: Any, nil_reads_assert: bool) -> Checker:
    del nil_reads_assert
    return Bank(total=None if initial is None else _whole(initial))


JUDGES: Mapping[str, Make] = {
    "counter": lambda initial, _: Counter(_whole(initial)),
    "bank": _bank,
    "queue": _plain(Queue),
    "total-queue": _plain(lambda: Queue(fifo=False, name="total-queue")),
    "fenced-mutex": _plain(FencedMutex),
    "unique-ids": _plain(UniqueIds),
    "long-fork": _plain(LongFork),
    "session-guarantees": lambda initial, _: SessionGuarantees(initial=_whole(initial)),
    "monotonic": lambda initial, _: Monotonic(_whole(initial)),
    "set": _plain(SetAtEnd),
    "set-full": _plain(SetFull),
    "final-reads": lambda initial, nil_reads_assert: FinalReads(freeze(initial), nil_reads_assert),
}
"""A bank's initial value is the total of its balances; a counter's, what it counts from."""
