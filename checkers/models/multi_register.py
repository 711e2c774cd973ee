"""Registers that are read and written together."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from checkers.history import Operation
from checkers.models.base import ILLEGAL, Illegal, Model, ModelError, State, anonymous

READ_NAMES: Final = frozenset({"read", "r"})
WRITE_NAMES: Final = frozenset({"write", "w"})


def _micro_operations(model: Model, operation: Operation) -> Iterator[tuple[bool, Hashable, Hashable]]:
    """(whether it writes, key, value) of each step of a transaction: as returned if ok, else as invoked."""
    steps = operation.result if operation.ok else operation.argument
    if operation.f != "txn" or not isinstance(steps, tuple):
        raise ModelError(model, operation)
    for micro in steps:
        if not (isinstance(micro, tuple) and len(micro) == 3 and micro[0] in READ_NAMES | WRITE_NAMES):
            raise ModelError(model, operation)
        yield micro[0] in WRITE_NAMES, micro[1], micro[2]


@dataclass(frozen=True)
class MultiRegister(Model):
    """Registers read and written together: ``txn`` of ``[["r", key, null], ["w", key, value], ...]``.

    The state is a frozenset of (key, value); ``initial`` gives pairs, and a key that is absent is nil. All keys are one
    object, so there is nothing to partition by but the event's own key.
    """

    initial: frozenset[tuple[Hashable, Hashable]] = frozenset()
    nil_reads_assert: bool = True

    def step(self, state: State, operation: Operation) -> State | Illegal:
        registers = dict(state)
        for writes, key, value in _micro_operations(self, operation):
            if writes:
                registers[key] = value
            elif self._asserts(operation, value) and registers.get(key) != value:
                return ILLEGAL
        return frozenset(pair for pair in registers.items() if pair[1] is not None)

    def _asserts(self, operation: Operation, value: Hashable) -> bool:
        return operation.ok and (value is not None or self.nil_reads_assert)

    def reads_only(self, operation: Operation) -> bool:
        return not any(writes for writes, _, _ in _micro_operations(self, operation))

    def transition(self, operation: Operation) -> Hashable:
        return anonymous(operation)

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        # An info transaction asserts nothing, so it is a blind write of several keys. Drop it when, key by key, nobody
        # ever observed the value it writes: without it each register holds either what it held, or held a value that
        # no asserting read returns, until the next write to that key makes them agree.
        observed = {
            (key, value)
            for op in operations
            for writes, key, value in _micro_operations(self, op)
            if not writes and self._asserts(op, value)
        }
        return [op for op in operations if op.ok or any(pair in observed for pair in self._writes(op))]

    def _writes(self, operation: Operation) -> Iterator[tuple[Hashable, Hashable]]:
        return ((key, value) for writes, key, value in _micro_operations(self, operation) if writes)
