"""Registers, with and without compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from checkers.history import Operation, Outcome
from checkers.models.base import ILLEGAL, UNSEEN, Illegal, Model, ModelError, State, anonymous


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
        if operation.f == "read":
            return state if self._read_is_legal(state, operation) else ILLEGAL
        if operation.f == "write":
            return self._reached(operation.argument)
        raise ModelError(self, operation)

    def _reached(self, value: Hashable) -> State:
        # Values that no read and no cas needs differ in nothing: one state stands for all.
        return value if self.needed is None or value in self.needed else UNSEEN

    def specialise(self, operations: Sequence[Operation]) -> Register:
        needed = _needed_values(operations, self.asserts)
        if any(self.observes(op) for op in operations):  # info swaps were kept, and swaps saw their values absent
            needed |= {op.argument[0] for op in operations if _is_swap(op)}
        return replace(self, needed=frozenset(needed))

    def _read_is_legal(self, state: State, operation: Operation) -> bool:
        return not self.asserts(operation) or bool(operation.result == state)

    def asserts(self, operation: Operation) -> bool:
        """Whether a read says anything about the state."""
        return operation.ok and (operation.result is not None or self.nil_reads_assert)

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
        if any(self.observes(op) for op in operations):
            return [op for op in operations if op.f != "read" or op.outcome is not Outcome.INFO]
        needed = _needed_values(operations, self.asserts)

        def matters(op: Operation) -> bool:
            if op.ok or op.f == "read":
                return op.ok
            if op.f == "write":
                return op.argument in needed
            return not _is_swap(op) or op.argument[1] in needed  # what is not a swap is for step to refuse

        return [op for op in operations if matters(op)]


def _is_swap(operation: Operation) -> bool:
    """Whether it is a cas with an expected and a new value."""
    return operation.f == "cas" and isinstance(operation.argument, tuple) and len(operation.argument) == 2


def _needed_values(operations: Sequence[Operation], asserts: Callable[[Operation], bool]) -> set[Hashable]:
    needed: set[Hashable] = set()
    expects: dict[Hashable, list[Hashable]] = {}  # written value -> what info cas that write it expect
    fresh: list[Hashable] = []
    for op in operations:
        if op.f == "read" and asserts(op):
            fresh.append(op.result)
        elif _is_swap(op) and op.ok:
            fresh.append(op.argument[0])
        elif _is_swap(op):
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

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f != "cas":
            return super().step(state, operation)
        if not _is_swap(operation):
            raise ModelError(self, operation)
        expected, new = operation.argument
        if operation.outcome is Outcome.FAIL:
            return state if state != expected else ILLEGAL
        return self._reached(new) if state == expected else ILLEGAL

    def observes(self, operation: Operation) -> bool:
        failed = operation.outcome is Outcome.FAIL and operation.f == "cas"
        return self.failed_cas_observes and failed and operation.error is None

    def reads_only(self, operation: Operation) -> bool:
        # cas(v, v) is legal in state v alone and leaves v: an identity wherever it is legal. A cas that failed is one.
        same = _is_swap(operation) and operation.argument[0] == operation.argument[1]
        return operation.f == "read" or same or operation.outcome is Outcome.FAIL
