"""Queues: elements that occur once are put in at the end and taken out at the front; in the end all are drained.

A queue is a list. To enqueue is to append. To dequeue is to set the list, compared with what clients saw last of it, to
the same without its first element: so whoever succeeds has taken just that one. Nobody knows of others' appends, so
clients look from time to time. A drain reads the list and empties it in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkers.queue import Queue
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Memory, Operation, Workload

QUEUES = 3
OPERATIONS_PER_QUEUE = 200
"""Queues are replaced, since those that grow faster than they are emptied would become long."""


class Lists(Memory):
    """What the clients saw last in each queue, as the store has it: None of one that nobody has used."""

    def __init__(self) -> None:
        self._held: dict[str, list[Any] | None] = {}

    def invocation(self, operation: Operation) -> Operation:
        """What a dequeue takes out the system says."""
        return Operation("dequeue", operation.key) if operation.f == "dequeue" else operation

    def request(self, invoked: Operation) -> Operation:
        """Return the operation on the list."""
        match invoked.f:
            case "enqueue":
                return Operation("append", invoked.key, invoked.value)
            case "dequeue":
                held = self._held.get(invoked.key)
                return Operation("cas", invoked.key, [held, held[1:] if held else held])
            case "drain":
                return Operation("txn", invoked.key, [["r", invoked.key, None], ["w", invoked.key, []]])
        return invoked

    def told(self, invoked: Operation, request: Operation, result: Any) -> Any:
        """Remember the list; tell what came out (nothing: None)."""
        key = invoked.key
        match invoked.f:
            case "enqueue":
                self._held[key] = [*(self._held.get(key) or []), invoked.value]
            case "dequeue":
                before, self._held[key] = request.value
                return before[0] if before else None
            case "drain":
                self._held[key] = []
                return result[0][2] or []
            case "read":
                self._held[key] = result
        return result


class QueueWorkload(Workload):
    """35 % enqueues, 35 % dequeues, 30 % looks at what is inside."""

    name = "queue"
    functions = ("read", "enqueue", "dequeue", "drain")

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one operation; the element put in is its number."""
        generation = number // (QUEUES * OPERATIONS_PER_QUEUE)
        key = f"q{generation * QUEUES + draws.below(QUEUES)}"
        dice = draws.below(100)
        if dice < 30:
            return Operation("read", key)
        return Operation("enqueue" if dice < 65 else "dequeue", key, number + 1)

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation("write", CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Drain every queue."""
        generations = -(-operations // (QUEUES * OPERATIONS_PER_QUEUE))
        return self.final_reads_of([f"q{key}" for key in range(generations * QUEUES)])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Drain each queue."""
        return [Operation("drain", key) for key in keys]

    def shown(self, result: Any) -> Any:
        """An absent queue is empty."""
        return [] if result is None else result

    def checkers(self) -> Sequence[Checker]:
        """Everything comes out, once and in order."""
        return (Queue(),)

    def memory(self) -> Memory:
        """Return a memory of lists."""
        return Lists()
