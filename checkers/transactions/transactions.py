"""A history as transactions: what each one's steps were, when it ran, and whether it took place.

A transaction is an operation whose value is a list of steps ``[f, key, value]``. One that ended ok took place and its
reads are known. One that ended info may have taken place: it counts if somebody read of what it wrote, and only then.
One that ended fail did not, so what it wrote must not be seen. The first two kinds are the nodes of the graph,
numbered by invocation; those that failed are kept beside them, to be named when what they wrote is read.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkers.history import HistoryError, Operation, Outcome

READS: Final = frozenset({"r", "read"})
APPENDS: Final = frozenset({"append"})
WRITES: Final = frozenset({"w", "write"})
NEVER: Final = 2**62
"""The end of a transaction that nobody saw end."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Transactions:
    """The nodes of the graph, and the transactions that failed. Moments are event indexes."""

    operations: tuple[Operation, ...]
    failed: tuple[Operation, ...]
    begun: Numbers
    over: Numbers
    process: Numbers

    def __len__(self) -> int:
        return len(self.operations)

    def wrote(self, writer: int) -> Operation:
        """Return the transaction with a writer's number: a node's, or ``~place`` of one that failed."""
        return self.operations[writer] if writer >= 0 else self.failed[~writer]


def transactions(operations: Sequence[Operation]) -> Transactions:
    """Number the transactions."""
    nodes = tuple(operation for operation in operations if operation.outcome is not Outcome.FAIL)
    begun = [operation.invoke_index for operation in nodes]
    over = [
        operation.complete_index if operation.complete_index is not None and operation.ok else NEVER
        for operation in nodes
    ]
    return Transactions(
        operations=nodes,
        failed=tuple(operation for operation in operations if operation.outcome is Outcome.FAIL),
        begun=np.array(begun, dtype=np.int64),
        over=np.array(over, dtype=np.int64),
        process=np.array([operation.process for operation in nodes], dtype=np.int64),
    )


def steps(operation: Operation) -> tuple[Any, ...]:
    """Return its steps: as returned if it ended ok, else as invoked. Raises HistoryError if it has none."""
    found = operation.result if operation.ok and operation.result is not None else operation.argument
    if not isinstance(found, tuple):
        raise not_a_transaction(operation)
    return found


def each(taken: Transactions) -> Iterator[tuple[int, Operation, tuple[Any, ...]]]:
    """Yield every transaction's number, with those that failed first; they are numbered ``~0``, ``~1``, ...."""
    for place, operation in enumerate(taken.failed):
        yield ~place, operation, steps(operation)
    for place, operation in enumerate(taken.operations):
        yield place, operation, steps(operation)


def not_a_transaction(operation: Operation) -> HistoryError:
    """Return the error for an operation that the checkers of transactions do not know."""
    told = f"{operation.f} of {operation.argument!r}"
    return HistoryError(
        None, None, f"event {operation.invoke_index} is no transaction of known steps [f, key, value]: {told[:200]}"
    )


@dataclass(frozen=True)
class Versions:
    """Every version, by its code: its object, what it shows, and who wrote it (as in ``wrote``; None: it was there)."""

    keys: Sequence[Hashable]
    values: Sequence[Hashable]
    writers: Sequence[int | None]
