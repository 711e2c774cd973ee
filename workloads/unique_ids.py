"""Unique ids: each client asks for one again and again, and none may come twice.

An id is the number after an increment of one counter: a system that forgets an increment hands it out again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkers.unique_ids import UniqueIds
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Memory, Operation, Workload

IDS = "ids"


class Incrementing(Memory):
    """To generate is to increment by one."""

    def invocation(self, operation: Operation) -> Operation:
        """A planned id's number means nothing: the system says which one it is."""
        return Operation("generate", operation.key) if operation.f == "generate" else operation

    def request(self, invoked: Operation) -> Operation:
        """Ask for the next number."""
        return Operation("increment", invoked.key, 1) if invoked.f == "generate" else invoked


class UniqueIdsWorkload(Workload):
    """Nothing but ids, on one key."""

    name = "unique-ids"
    functions = ("read", "generate")

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one operation."""
        del draws
        return Operation("generate", IDS, number + 1)

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation("write", CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Read how far the ids have come: that shows only that the system serves."""
        return self.final_reads_of([IDS] if operations else [])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Read each key."""
        return [Operation("read", key) for key in keys]

    def shown(self, result: Any) -> Any:
        """Where nothing was handed out, it is nought."""
        return 0 if result is None else result

    def checkers(self) -> Sequence[Checker]:
        """No id comes twice."""
        return (UniqueIds(),)

    def memory(self) -> Memory:
        """Return what makes increments of ids."""
        return Incrementing()
