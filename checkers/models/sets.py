"""A set."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from checkers.history import Operation
from checkers.models.base import ILLEGAL, Illegal, Model, ModelError, State, anonymous

CHANGES = frozenset({"add", "remove"})
LOOKS = frozenset({"contains", "read"})


@dataclass(frozen=True)
class SetModel(Model):
    """``add`` and ``remove`` of an element, ``contains`` of one, which returns true or false, ``read`` of all.

    The state is a frozenset. What ``add`` and ``remove`` return is not looked at. ``observed`` (None: all of them) are
    the elements that somebody looked for, filled in by ``specialise``.
    """

    initial: frozenset[Hashable] = frozenset()
    nil_reads_assert: bool = True
    observed: frozenset[Hashable] | None = None

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f == "add":
            return state | {operation.argument} if self._matters(operation.argument) else state
        if operation.f == "remove":
            return state - {operation.argument}
        if operation.f == "read":
            elements = self._read(operation)
            return state if elements is None or elements == state else ILLEGAL
        if operation.f != "contains" or not isinstance(operation.result, bool | None):
            raise ModelError(self, operation)
        there = operation.argument in state
        return state if not operation.ok or operation.result in (None, there) else ILLEGAL

    def _matters(self, element: Hashable) -> bool:
        return self.observed is None or element in self.observed

    def _read(self, operation: Operation) -> frozenset[Hashable] | None:
        """The elements that a read returned, in whatever order; None if it says nothing."""
        if not operation.ok or (operation.result is None and not self.nil_reads_assert):
            return None
        if not isinstance(operation.result, tuple | frozenset | None):
            raise ModelError(self, operation)
        return frozenset(operation.result or ())

    def reads_only(self, operation: Operation) -> bool:
        return operation.f in LOOKS

    def transition(self, operation: Operation) -> Hashable:
        if operation.f in CHANGES:
            return (operation.f, operation.argument)
        if operation.f == "contains" and operation.ok:
            return (operation.f, operation.argument, operation.result, type(operation.result))  # 1 is not True
        return anonymous(operation)

    def specialise(self, operations: Sequence[Operation]) -> SetModel:
        # An element that nobody looks for may as well not be there. A read of all looks for every element.
        if any(op.f == "read" and self._read(op) is not None for op in operations):
            return self
        observed = frozenset(op.argument for op in operations if op.f == "contains" and op.ok)
        return replace(self, observed=observed, initial=self.initial & observed)

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        # An element that nobody ever saw there need never come in by an info add: without it every look still finds
        # what it found, since all of them found it absent. In the same way nobody need remove what nobody ever missed.
        # Info operations on different elements do not meet, and of one element only one of the two kinds is dropped,
        # unless nobody looked for it at all.
        reads = [elements for op in operations if op.f == "read" and (elements := self._read(op)) is not None]
        looks = [op for op in operations if op.f == "contains" and op.ok]
        seen = frozenset().union(*reads) | {op.argument for op in looks if op.result is True}
        always: frozenset[Hashable] | None = frozenset.intersection(*reads) if reads else None
        missed = {op.argument for op in looks if op.result is False}

        def matters(op: Operation) -> bool:
            if op.ok or op.f in LOOKS:
                return op.ok
            if op.f == "add":
                return op.argument in seen
            absent = always is not None and op.argument not in always
            return op.f != "remove" or absent or op.argument in missed

        return [op for op in operations if matters(op)]
