"""Counters: additions of small numbers, and reads, on a few keys.

An addition returns the sum after it, so it is a read as well: each answer is held against what must have been added by
then. What is lost or done twice shows in the next answer of anyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkers.counter import Counter
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Operation, Workload

COUNTERS = 5
AMOUNT_MAX = 5


class CounterWorkload(Workload):
    """Half increments, half reads."""

    name = "counter"
    functions = ("read", "increment")

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one operation; the value is what is added."""
        del number
        key = f"c{draws.below(COUNTERS)}"
        if draws.below(2):
            return Operation("increment", key, 1 + draws.below(AMOUNT_MAX))
        return Operation("read", key)

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation("write", CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Read every counter."""
        return self.final_reads_of([f"c{key}" for key in range(COUNTERS)] if operations else [])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Read each key."""
        return [Operation("read", key) for key in keys]

    def shown(self, result: Any) -> Any:
        """An absent key is nought."""
        return 0 if result is None else result

    def checkers(self) -> Sequence[Checker]:
        """Every sum is one that additions can have led to."""
        return (Counter(sums=True),)
