"""Models: what each object under test would do if it were a single copy touched by one client at a time.

A model is a pure step function over immutable, hashable states. It is asked about operations which ended ok
(their result is known and must be explained) or info (they may take effect at any moment from their
invocation on, or never; whatever they returned is unknown and asserts nothing). Operations that ended fail
are dropped, unless a model says that it ``observes`` them. Your own takes ten lines:

    @dataclass(frozen=True)
    class Counter(Model):
        initial: int = 0

        def step(self, state: int, operation: Operation) -> int | Illegal:
            if operation.f == "add":
                return state + operation.argument
            if operation.f == "read":
                return state if not operation.ok or operation.result == state else ILLEGAL
            raise ModelError(self, operation)

Three hooks make the search faster and may be left alone: ``reads_only``, ``prune`` and ``transition``. The
first two are soundness-critical, so each built-in carries its argument in a comment.

Nil reads: in Jepsen's and Knossos's EDN an ok read of nil asserts nothing; in Porcupine's logs and in our
JSON lines it asserts that the state is nil. ``nil_reads_assert`` chooses; the loader of a file says which
holds for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

from checkers.history import Operation, Outcome


class Illegal(Enum):
    """The one value that says: this operation cannot happen in this state."""

    ILLEGAL = "illegal"


ILLEGAL: Final = Illegal.ILLEGAL


class Unseen(Enum):
    """A state that stands for all those which no read returned."""

    UNSEEN = "one that no read returned"


UNSEEN: Final = Unseen.UNSEEN
State: TypeAlias = Any  # immutable and hashable; each model knows its own


class ModelError(ValueError):
    """An operation that the model does not know: the wrong model was chosen, or the history is damaged."""

    def __init__(self, model: Model, operation: Operation) -> None:
        self.model = model
        self.operation = operation
        super().__init__(
            f"{type(model).__name__} does not know the operation {operation.f} of {operation.argument!r}"
            f" (event {operation.invoke_index})"
        )

    def __reduce__(self) -> tuple[type[ModelError], tuple[Model, Operation]]:
        return ModelError, (self.model, self.operation)  # one process tells another


class Model(ABC):
    """A sequential object. Subclasses have an attribute ``initial`` and a method ``step``."""

    initial: State

    @abstractmethod
    def step(self, state: State, operation: Operation) -> State | Illegal:
        """The state after the operation, or ILLEGAL when its result cannot be had in ``state``.

        Must depend on nothing but the state and ``transition(operation)``. Raises ModelError.
        """

    def reads_only(self, operation: Operation) -> bool:
        """True only for an operation that changes no state whatever, in any state where it is legal.

        The search linearizes such an operation as soon as it is legal and never reconsiders. That a write happens to
        change nothing *here* is not enough: in another order it would have.
        """
        return False

    def observes(self, operation: Operation) -> bool:
        """Whether an operation that ended fail saw something nevertheless, and is to be explained like an ok one.

        ``step`` must then say where it can have failed, ``reads_only`` that it changed nothing, and ``transition`` must
        tell it from one that ended info.
        """
        return False

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """The operations (all ok or info, of one partition) without info ones that cannot matter.

        Sound when: the result is linearizable exactly if the input is.
        """
        return operations

    def specialise(self, operations: Sequence[Operation]) -> Model:
        """A model that may call ILLEGAL, besides, any step after which ``operations`` could not all be linearized.

        It is asked with the pruned operations of one partition, once for each search.
        """
        return self

    def partition(self, operation: Operation) -> Hashable:
        """Operations of different partitions are independent objects (Horn and Kroening 2015, P-compositionality)."""
        key: Hashable = operation.key
        return key

    def transition(self, operation: Operation) -> Hashable:
        """Operations of equal transition are interchangeable for ``step``, which is then called once for all."""
        return (operation.f, operation.argument, operation.result, operation.outcome.value, operation.process)


_OK, _FAIL = Outcome.OK, Outcome.FAIL


def anonymous(operation: Operation) -> Hashable:
    """A transition for models that do not look at who calls."""
    outcome = operation.outcome
    if outcome is _OK:
        return (operation.f, operation.argument, operation.result, True)
    return (operation.f, operation.argument, None, "failed" if outcome is _FAIL else False)
