"""Long fork: keys in small groups, each written once and at about the same time, and reads of a whole group.

The four keys of a group are written in close succession by different clients while others read all four in one
transaction, so reads catch the group in between. When all are written the next group's time has come.
"""

from __future__ import annotations

from collections.abc import Sequence

from checkers.long_fork import LongFork
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Memory, Operation, Workload

KEYS_PER_GROUP = 4
OPERATIONS_PER_GROUP = 40
FIRST_WRITE = 8


class Transactions(Memory):
    """A read is of all keys of its group, a write of one of them; the history has the transactions."""

    def invocation(self, operation: Operation) -> Operation:
        """Write out the transaction. A planned write's value says which key of the group it is of, from 1."""
        group = operation.key
        if operation.f == "read":
            return Operation("txn", group, [["r", f"{group}.{place}", None] for place in range(1, KEYS_PER_GROUP + 1)])
        return Operation("txn", group, [["w", f"{group}.{operation.value}", 1]])


class LongForkWorkload(Workload):
    """One write in ten operations, the rest reads."""

    name = "long-fork"
    functions = ("read", "write")

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one operation: writes have fixed places, so that each key is written once."""
        del draws
        group, place = divmod(number, OPERATIONS_PER_GROUP)
        if FIRST_WRITE <= place < FIRST_WRITE + KEYS_PER_GROUP:
            return Operation("write", f"g{group}", place - FIRST_WRITE + 1)
        return Operation("read", f"g{group}")

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation("write", CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Read every group."""
        groups = -(-operations // OPERATIONS_PER_GROUP)
        return self.final_reads_of([f"g{group}" for group in range(groups)])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Read each group."""
        return [Operation("read", key) for key in keys]

    def checkers(self) -> Sequence[Checker]:
        """Reads agree on an order, and are up to date."""
        return (LongFork(linearizable=True),)

    def memory(self) -> Memory:
        """Return what writes transactions out."""
        return Transactions()
