"""Registers: reads, writes and compare-and-set on a few keys at a time, every value written once.

Values written once make a history easy to judge: a value read names its one producer. Keys are replaced after a while,
because the cost of judging a register grows with its history and with its concurrency, and fresh registers find the
same bugs. A compare-and-set expects what any client saw last on that key, so it has a fair chance to succeed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkers.final_reads import FinalReads
from checkers.linearizable import Linearizable
from checkers.models import CasRegister
from checkers.streaming import RegistersWatch, Watch
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Memory, Operation, Workload

KEYS_AT_ONCE = 5
OPERATIONS_PER_KEY = 300


class LastSeen(Memory):
    """What the clients saw last on each key."""

    def __init__(self) -> None:
        self._seen: dict[str, Any] = {}

    def invocation(self, operation: Operation) -> Operation:
        """Let a compare-and-set expect what was seen last (nothing: None, the initial value)."""
        if operation.f != "cas":
            return operation
        return Operation("cas", operation.key, [self._seen.get(operation.key), operation.value])

    def saw(self, operation: Operation, result: Any) -> None:
        """Remember the value that the key has now, as far as the clients know."""
        match operation.f:
            case "read":
                self._seen[operation.key] = result
            case "write":
                self._seen[operation.key] = operation.value
            case "cas":
                self._seen[operation.key] = operation.value[1]


class RegisterWorkload(Workload):
    """40 % reads, 35 % writes, 25 % compare-and-set."""

    name = "register"
    functions = ("read", "write", "cas")

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one operation; the value written is its number, so no two are alike."""
        generation = number // (KEYS_AT_ONCE * OPERATIONS_PER_KEY)
        key = f"r{generation * KEYS_AT_ONCE + draws.below(KEYS_AT_ONCE)}"
        dice = draws.below(100)
        if dice < 40:
            return Operation("read", key)
        return Operation("write" if dice < 75 else "cas", key, number + 1)

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation("write", CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Read every key that may have been written."""
        generations = -(-operations // (KEYS_AT_ONCE * OPERATIONS_PER_KEY))
        return self.final_reads_of([f"r{key}" for key in range(generations * KEYS_AT_ONCE)])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Read each key."""
        return [Operation("read", key) for key in keys]

    def checkers(self) -> Sequence[Checker]:
        """Linearizable, and nothing acknowledged lost."""
        return (Linearizable(CasRegister()), FinalReads())

    def watch(self) -> Watch:
        """Look for values that cannot be there any more."""
        return RegistersWatch(CasRegister())

    def memory(self) -> Memory:
        """Return a memory for compare-and-set."""
        return LastSeen()
