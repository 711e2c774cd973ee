"""Lists: appends of elements that occur once, and reads of whole lists.

A list shows its whole past, so one read judges every append before it; what was lost, doubled or reordered is seen at
once. Lists are replaced before they grow long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkers.final_reads import FinalReads
from checkers.linearizable import Linearizable
from checkers.models import ListAppend
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Operation, Workload

KEYS_AT_ONCE = 5
OPERATIONS_PER_KEY = 120


class AppendWorkload(Workload):
    """Half appends, half reads."""

    name = "append"
    functions = ("read", "append")

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one operation; the element appended is its number."""
        generation = number // (KEYS_AT_ONCE * OPERATIONS_PER_KEY)
        key = f"l{generation * KEYS_AT_ONCE + draws.below(KEYS_AT_ONCE)}"
        if draws.below(2):
            return Operation("append", key, number + 1)
        return Operation("read", key)

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation("append", CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Read every list."""
        generations = -(-operations // (KEYS_AT_ONCE * OPERATIONS_PER_KEY))
        return self.final_reads_of([f"l{key}" for key in range(generations * KEYS_AT_ONCE)])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Read each key."""
        return [Operation("read", key) for key in keys]

    def shown(self, result: Any) -> Any:
        """An absent key is empty."""
        return [] if result is None else result

    def checkers(self) -> Sequence[Checker]:
        """Linearizable, and nothing acknowledged lost."""
        return (Linearizable(ListAppend()), FinalReads())
