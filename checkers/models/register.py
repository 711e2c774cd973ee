"""Registers, with and without compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from checkers.history import Operation, Outcome
from checkers.models.base import ILLEGAL, UNSEEN, Illegal, Model, ModelError, State, anonymous

_OK, _FAIL, _INFO = Outcome.OK, Outcome.FAIL, Outcome.INFO  # by these names an outcome is looked up in no class


@dataclass(frozen=True)
class Register(Model):
    """``read`` returns the value last given to ``write``. Initially ``initial``.

    ``needed`` is filled in by ``specialise``.
    """

    initial: Hashable = None
    nil_reads_assert: bool = True
    needed: frozenset[Hashable] | None = None
    swaps: ClassVar[bool] = False
    """Whether it knows ``cas``."""

    def step(self, state: State, operation: Operation) -> State | Illegal:
        f = operation.f
        if f == "read":
            seen = operation.result
            silent = operation.outcome is not _OK or (seen is None and not self.nil_reads_assert)
            return state if silent or seen == state else ILLEGAL
        return self._reached(operation.argument) if f == "write" else self._swapped(state, operation)

    def _swapped(self, state: State, operation: Operation) -> State | Illegal:
        raise ModelError(self, operation)

    def _reached(self, value: Hashable) -> State:
        # Values that no read and no cas needs differ in nothing: one state stands for all.
        return value if self.needed is None or value in self.needed else UNSEEN

    def specialise(self, operations: Sequence[Operation]) -> Register:
        needed = _needed_values(operations, self.asserts)
        if self._observing(operations):  # info swaps were kept, and swaps saw their values absent
            needed |= {op.argument[0] for op in operations if _is_swap(op)}
        return replace(self, needed=frozenset(needed))

    def _observing(self, operations: Sequence[Operation]) -> bool:
        return any(op.outcome is _FAIL and self.observes(op) for op in operations)

    def asserts(self, operation: Operation) -> bool:
        """Whether a read says anything about the state."""
        return operation.outcome is _OK and (operation.result is not None or self.nil_reads_assert)

    def reads_only(self, operation: Operation) -> bool:
        return operation.f == "read"

    def transition(self, operation: Operation) -> Hashable:
        return anonymous(operation)

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        # Needed values: those an ok read returned or an ok cas expected; and, when the value an info cas writes is
        # needed, the one it expects. Drop every info operation whose written value is not needed, and info reads.
        # Sound: take a linearization of everything and leave the dropped ones out. At any point the state is then
        # either what it was, or it was a value not needed. In the second case the next operation that is kept cannot
        # be an asserting read or a cas (the value would be needed), so it is a silent read or a write, after which the
        # states agree again. Nothing is assumed about duplicates or the initial value. The converse is plain: a
        # dropped info operation may never take effect. All this is of operations that saw a value; one that saw that a
        # value was *not* there needs what took it away, whatever that brought instead.
        if self._observing(operations):
            return [op for op in operations if op.f != "read" or op.outcome is not _INFO]
        needed = _needed_values(operations, self.asserts)

        def matters(op: Operation) -> bool:
            if op.outcome is _OK or op.f == "read":
                return op.outcome is _OK
            if op.f == "write":
                return op.argument in needed
            return not _is_swap(op) or op.argument[1] in needed  # what is not a swap is for step to refuse

        return [op for op in operations if matters(op)]


def _is_swap(operation: Operation) -> bool:
    """Whether it is a cas with an expected and a new value."""
    if operation.f != "cas":
        return False
    argument = operation.argument
    return isinstance(argument, tuple) and len(argument) == 2


def _needed_values(operations: Sequence[Operation], asserts: Callable[[Operation], bool]) -> set[Hashable]:
    needed: set[Hashable] = set()
    expects: dict[Hashable, list[Hashable]] = {}  # written value -> what info cas that write it expect
    fresh: list[Hashable] = []
    for op in operations:
        f = op.f
        if f == "read":
            if asserts(op):
                fresh.append(op.result)
        elif f != "cas" or not _is_swap(op):
            continue
        elif op.outcome is not _INFO:
            fresh.append(op.argument[0])
        else:
            expects.setdefault(op.argument[1], []).append(op.argument[0])
    while fresh:
        value = fresh.pop()
        if value not in needed:
            needed.add(value)
            fresh.extend(expects.get(value, ()))
    return needed


@dataclass(frozen=True)
class CasRegister(Register):
    """A register with ``cas`` of ``[expected, new]`` besides. A cas that ended ok found what it expected.

    One that failed is dropped, as in Knossos, unless ``failed_cas_observes``: then it found something else, as in
    Porcupine's model of etcd. That holds only where fail always means that the comparison failed; a cas that failed
    with an error (its request was refused, say) saw nothing in any case.
    """

    swaps: ClassVar[bool] = True
    failed_cas_observes: bool = False

    def _swapped(self, state: State, operation: Operation) -> State | Illegal:
        argument = operation.argument
        if operation.f != "cas" or not isinstance(argument, tuple) or len(argument) != 2:
            raise ModelError(self, operation)
        if (state == argument[0]) is (operation.outcome is _FAIL):
            return ILLEGAL
        return state if operation.outcome is _FAIL else self._reached(argument[1])

    def observes(self, operation: Operation) -> bool:
        failed = operation.outcome is _FAIL and operation.f == "cas"
        return self.failed_cas_observes and failed and operation.error is None

    def reads_only(self, operation: Operation) -> bool:
        # cas(v, v) is legal in state v alone and leaves v: an identity wherever it is legal. A cas that failed is one.
        same = _is_swap(operation) and operation.argument[0] == operation.argument[1]
        return operation.f == "read" or same or operation.outcome is _FAIL
