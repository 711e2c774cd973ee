"""Models: what each object under test would do if it were a single copy touched by one client at a time.

A model is a pure step function over immutable, hashable states. It is asked about operations which ended ok
(their result is known and must be explained) or info (they may take effect at any moment from their
invocation on, or never; whatever they returned is unknown and asserts nothing). Operations that ended fail
are dropped before any model sees them. Your own takes ten lines:

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
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar, Final, TypeAlias

from checkers.history import Operation, freeze


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
        self.operation = operation
        super().__init__(
            f"{type(model).__name__} does not know the operation {operation.f} of {operation.argument!r}"
            f" (event {operation.invoke_index})"
        )


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
        return (operation.f, operation.argument, operation.result, operation.ok, operation.process)


def _anonymous(operation: Operation) -> Hashable:
    """A transition for models that do not look at who calls."""
    if operation.ok:
        return (operation.f, operation.argument, operation.result, True)
    return (operation.f, operation.argument, None, False)


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
        return replace(self, needed=frozenset(_needed_values(operations, self.asserts)))

    def _read_is_legal(self, state: State, operation: Operation) -> bool:
        return not self.asserts(operation) or bool(operation.result == state)

    def asserts(self, operation: Operation) -> bool:
        """Whether a read says anything about the state."""
        return operation.ok and (operation.result is not None or self.nil_reads_assert)

    def reads_only(self, operation: Operation) -> bool:
        return operation.f == "read"

    def transition(self, operation: Operation) -> Hashable:
        return _anonymous(operation)

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        # Needed values: those an ok read returned or an ok cas expected; and, when the value an info cas writes is
        # needed, the one it expects. Drop every info operation whose written value is not needed, and info reads.
        # Sound: take a linearization of everything and leave the dropped ones out. At any point the state is then
        # either what it was, or it was a value not needed. In the second case the next operation that is kept cannot
        # be an asserting read or a cas (the value would be needed), so it is a silent read or a write, after which the
        # states agree again. Nothing is assumed about duplicates or the initial value. The converse is plain: a
        # dropped info operation may never take effect.
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
    """A register with ``cas`` of ``[expected, new]`` besides. A cas that ended ok found what it expected."""

    swaps: ClassVar[bool] = True

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f != "cas":
            return super().step(state, operation)
        if not _is_swap(operation):
            raise ModelError(self, operation)
        expected, new = operation.argument
        return self._reached(new) if state == expected else ILLEGAL

    def reads_only(self, operation: Operation) -> bool:
        # cas(v, v) is legal in state v alone and leaves v: an identity wherever it is legal.
        same = _is_swap(operation) and operation.argument[0] == operation.argument[1]
        return operation.f == "read" or same


@dataclass(frozen=True)
class Mutex(Model):
    """``acquire`` takes a free lock, ``release`` frees a taken one. As in Knossos, who holds it is not looked at."""

    initial: bool = False

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f == "acquire":
            return ILLEGAL if state else True
        if operation.f == "release":
            return False if state else ILLEGAL
        raise ModelError(self, operation)

    def transition(self, operation: Operation) -> Hashable:
        return operation.f


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
        return _anonymous(operation)

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


KV_READS: Final = frozenset({"read", "get"})
KV_WRITES: Final = frozenset({"write", "put"})


@dataclass(frozen=True)
class KvAppend(Model):
    """A string per key: ``write`` (or ``put``), ``append`` to its end, ``read`` (or ``get``). Absent is "".

    ``texts_read`` (sorted) and ``longest_read`` are filled in by ``specialise``.
    """

    initial: str = ""
    nil_reads_assert: bool = True
    texts_read: tuple[str, ...] | None = None
    longest_read: str = ""

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f in KV_READS:
            return state if not self._asserts(operation) or (operation.result or "") == state else ILLEGAL
        if not isinstance(operation.argument, str):
            raise ModelError(self, operation)
        if operation.f in KV_WRITES:
            return self._reached(operation.argument, operation)
        if operation.f != "append":
            raise ModelError(self, operation)
        if state is UNSEEN:
            return UNSEEN if operation.ok else ILLEGAL
        after: str = state + operation.argument
        if len(state) < len(self.longest_read) and not self.longest_read.startswith(after):
            return ILLEGAL  # as for ListAppend
        return self._reached(after, operation)

    def _reached(self, after: str, operation: Operation) -> State | Illegal:
        # A text that no read begins with stays unread until the next write, whatever is appended; so all such texts
        # are one state. It permits nothing that another state does not, so an info operation that leads there can as
        # well be left out. This spares the search the orders of appends between two writes that nobody saw.
        if self.texts_read is None:
            return after
        place = bisect_left(self.texts_read, after)
        if place < len(self.texts_read) and self.texts_read[place].startswith(after):
            return after
        return UNSEEN if operation.ok else ILLEGAL

    def _asserts(self, operation: Operation) -> bool:
        if operation.ok and not isinstance(operation.result, str | None):
            raise ModelError(self, operation)
        return operation.ok and (operation.result is not None or self.nil_reads_assert)

    def reads_only(self, operation: Operation) -> bool:
        return operation.f in KV_READS

    def specialise(self, operations: Sequence[Operation]) -> KvAppend:
        texts = {op.result or "" for op in operations if op.f in KV_READS and self._asserts(op)}
        grows = not any(op.f in KV_WRITES for op in operations)  # no write makes it shorter
        longest = max(texts, key=len, default="") if grows else ""
        return replace(self, texts_read=tuple(sorted(texts)), longest_read=longest)

    def transition(self, operation: Operation) -> Hashable:
        return _anonymous(operation)

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        # From an append of v to the next write, every state contains v; from a write of v to the next, every state
        # begins with v. If no asserting read returned such a string, none falls into that stretch, so leaving the info
        # operation out changes no answer there, and the next write makes the states agree. (Several may be dropped at
        # once: each stretch has no asserting read, so neither has their union.)
        seen = [op.result or "" for op in operations if op.f in KV_READS and self._asserts(op)]
        everything = "\0".join(seen)

        def matters(op: Operation) -> bool:
            if op.ok or op.f in KV_READS:
                return op.ok
            if op.f == "append" and isinstance(op.argument, str):
                return op.argument in everything
            if op.f in KV_WRITES and isinstance(op.argument, str):
                return any(text.startswith(op.argument) for text in seen)
            return True  # for step to refuse

        return [op for op in operations if matters(op)]


@dataclass(frozen=True)
class ListAppend(Model):
    """A list per key: ``append`` of one element, ``read`` returns all of it. The state is a tuple; nil is empty."""

    initial: tuple[Hashable, ...] = ()
    nil_reads_assert: bool = True
    longest_read: tuple[Hashable, ...] = ()

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f == "read":
            return state if not self._asserts(operation) or (operation.result or ()) == state else ILLEGAL
        if operation.f == "append":
            return self._grown(state, (*state, operation.argument))
        raise ModelError(self, operation)

    def _grown(self, before: State, after: State) -> State | Illegal:
        # States only grow, and the longest read must be linearized in exactly the state it returned. While the state is
        # shorter that is still to come, so the state must stay a beginning of it. This spares the search all the wrong
        # orders of concurrent appends, which are factorially many.
        if len(before) < len(self.longest_read) and after != self.longest_read[: len(after)]:
            return ILLEGAL
        return after

    def _asserts(self, operation: Operation) -> bool:
        if operation.ok and not isinstance(operation.result, tuple | None):
            raise ModelError(self, operation)
        return operation.ok and (operation.result is not None or self.nil_reads_assert)

    def reads_only(self, operation: Operation) -> bool:
        return operation.f == "read"

    def transition(self, operation: Operation) -> Hashable:
        return _anonymous(operation)

    def prune(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        # Nothing ever leaves the list: once appended, an element is in every later read. An info append of an element
        # that no asserting read returned can only come after all of them, where leaving it out changes no answer.
        seen: set[Hashable] = set()
        for op in operations:
            if op.f == "read" and self._asserts(op):
                seen.update(op.result or ())
        known = {"read", "append"}
        return [op for op in operations if op.ok or op.f not in known or (op.f == "append" and op.argument in seen)]

    def specialise(self, operations: Sequence[Operation]) -> ListAppend:
        reads = (op.result for op in operations if op.f == "read" and self._asserts(op) and op.result)
        return replace(self, longest_read=max(reads, key=len, default=()))


MODELS: Final[Mapping[str, type[Model]]] = {
    "register": Register,
    "cas-register": CasRegister,
    "mutex": Mutex,
    "multi-register": MultiRegister,
    "kv-append": KvAppend,
    "list-append": ListAppend,
}


def make_model(name: str, *, initial: Any = None, nil_reads_assert: bool = True) -> Model:
    """The model of that name in MODELS. ``initial`` None means the model's own.

    For a multi-register ``initial`` is a mapping of key to value. Raises ValueError for a name not in MODELS.
    """
    if name == "register":
        return Register(freeze(initial), nil_reads_assert)
    if name == "cas-register":
        return CasRegister(freeze(initial), nil_reads_assert)
    if name == "mutex":
        return Mutex(bool(initial))
    if name == "multi-register":
        pairs = ((freeze(key), freeze(value)) for key, value in (initial or {}).items())
        return MultiRegister(frozenset(pair for pair in pairs if pair[1] is not None), nil_reads_assert)
    if name == "kv-append":
        if not isinstance(initial, str | None):
            raise ValueError("a kv-append starts as a string")
        return KvAppend(initial or "", nil_reads_assert)
    if name == "list-append":
        if not isinstance(initial, list | tuple | None):
            raise ValueError("a list-append starts as a list")
        return ListAppend(tuple(freeze(item) for item in initial or ()), nil_reads_assert)
    raise ValueError(f"no model {name!r}; there are {', '.join(MODELS)}")
