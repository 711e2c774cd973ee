"""A counter."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from checkers.history import Operation
from checkers.models.base import ILLEGAL, Illegal, Model, ModelError, State, anonymous

ADDS = frozenset({"add", "add-and-get"})


@dataclass(frozen=True)
class Counter(Model):
    """``add`` of an integer (a negative one, too), ``read`` of the sum, ``add-and-get``, which returns the new sum."""

    initial: int = 0
    nil_reads_assert: bool = True

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f == "read":
            return state if not self._asserts(operation) or operation.result == state else ILLEGAL
        if operation.f not in ADDS or not isinstance(operation.argument, int):
            raise ModelError(self, operation)
        after = state + operation.argument
        returns = operation.f == "add-and-get" and self._asserts(operation)
        return ILLEGAL if returns and operation.result != after else after

    def _asserts(self, operation: Operation) -> bool:
        return operation.ok and (operation.result is not None or self.nil_reads_assert)

    def reads_only(self, operation: Operation) -> bool:
        return operation.f == "read" or (operation.f in ADDS and operation.argument == 0)  # to add 0 changes no sum

    def transition(self, operation: Operation) -> Hashable:
        if operation.f == "add":
            return (operation.f, operation.argument)  # what an add returned is not looked at
        return anonymous(operation)

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        # What only reads, and returned nothing known, changes no answer wherever it is.
        return [op for op in operations if op.ok or not self.reads_only(op)]
