"""What holds elements and gives them back one by one: queue, stack, priority queue."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from checkers.history import Operation
from checkers.models.base import ILLEGAL, Illegal, Model, ModelError, State


@dataclass(frozen=True)
class _Container(Model):
    """One operation puts an element in, another takes one out and returns it, or nil if there is none.

    The state is a tuple, of which the first element is taken next. What putting in returns is not looked at.
    """

    initial: tuple[Hashable, ...] = ()
    puts: ClassVar[str]
    takes: ClassVar[str]

    @abstractmethod
    def _with(self, state: tuple[Hashable, ...], element: Hashable) -> tuple[Hashable, ...]:
        """The state with one more element."""

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f == self.puts and operation.argument is not None:
            return self._with(state, operation.argument)
        if operation.f != self.takes:
            raise ModelError(self, operation)
        if operation.ok and operation.result != (state[0] if state else None):
            return ILLEGAL
        return state[1:]

    def reads_only(self, operation: Operation) -> bool:
        # What returned nil is legal in the empty state alone, and leaves it.
        return operation.f == self.takes and operation.ok and operation.result is None

    def transition(self, operation: Operation) -> Hashable:
        if operation.f == self.puts:
            return (operation.f, operation.argument)
        return (operation.f, operation.ok, operation.result if operation.ok else None)

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        # Drop an info operation that puts in what no ok operation took out. Sound: leave it out of an order of
        # everything, together with the info operation that takes this very element out, if there is one. While the
        # element was there nothing was found empty, and what was taken out was not equal to it, so every operation in
        # between fares as before; and after it was taken out the states agree.
        taken = {op.result for op in operations if op.f == self.takes and op.ok}
        return [op for op in operations if op.ok or op.f != self.puts or op.argument is None or op.argument in taken]


@dataclass(frozen=True)
class Queue(_Container):
    """``enqueue`` at the end, ``dequeue`` from the front."""

    puts: ClassVar[str] = "enqueue"
    takes: ClassVar[str] = "dequeue"

    def _with(self, state: tuple[Hashable, ...], element: Hashable) -> tuple[Hashable, ...]:
        return (*state, element)


@dataclass(frozen=True)
class Stack(_Container):
    """``push`` and ``pop`` at one end."""

    puts: ClassVar[str] = "push"
    takes: ClassVar[str] = "pop"

    def _with(self, state: tuple[Hashable, ...], element: Hashable) -> tuple[Hashable, ...]:
        return (element, *state)


@dataclass(frozen=True)
class PriorityQueue(_Container):
    """``insert`` of a number, ``delete-min``, which takes the least out. An ``initial`` must be sorted."""

    puts: ClassVar[str] = "insert"
    takes: ClassVar[str] = "delete-min"

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f == self.puts and not isinstance(operation.argument, int | float):
            raise ModelError(self, operation)
        return super().step(state, operation)

    def _with(self, state: tuple[Hashable, ...], element: Hashable) -> tuple[Hashable, ...]:
        numbers: Any = state
        place = bisect_left(numbers, element)
        return (*state[:place], element, *state[place:])
