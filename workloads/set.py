"""A set: adds of elements that occur once, a few reads on the way, and final reads that must show every one.

The simplest question to a database there is (is what it acknowledged still there?), and the one that has embarrassed
the most of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkers.final_reads import FinalReads
from checkers.set_full import SetFull
from checkers.streaming import Watch
from checkers.streaming_sets import SetsWatch
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Operation, Workload

ELEMENTS_PER_SET = 1_000
FINAL_READS = 3


class SetWorkload(Workload):
    """Adds, and one read in fifty operations."""

    name = "set"
    functions = ("read", "add")

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one operation; the element added is its number."""
        key = f"s{number // ELEMENTS_PER_SET}"
        if draws.below(50) == 0:
            return Operation("read", key)
        return Operation("add", key, number + 1)

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation("add", CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Read each set several times: by several clients, so at several nodes."""
        sets = -(-operations // ELEMENTS_PER_SET)
        return self.final_reads_of([f"s{key}" for key in range(sets)])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Read each set several times."""
        return [Operation("read", key) for key in keys for _ in range(FINAL_READS)]

    def shown(self, result: Any) -> Any:
        """An absent key is empty."""
        return [] if result is None else result

    def watch(self) -> Watch:
        """Look for elements that are missing from a read, or in one too early."""
        return SetsWatch()

    def checkers(self) -> Sequence[Checker]:
        """Every acknowledged element is there, and every read is up to date."""
        return (SetFull(linearizable=True), FinalReads())
