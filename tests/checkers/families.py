"""Every kind of object that the search is tested with: its model, its oracle, and small calls to make histories of."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from checkers.history import Event, EventType, History, Operation, Outcome, freeze
from checkers.models import (
    CasRegister,
    Counter,
    FencedMutex,
    KvAppend,
    ListAppend,
    Model,
    MultiRegister,
    Mutex,
    PriorityQueue,
    Queue,
    Register,
    SetModel,
    Stack,
)
from tests.checkers import brute_force
from tests.checkers.strategies import OUTCOMES, Call


@dataclass(frozen=True)
class Family:
    """``calls``: f, the value of the invocation, the value returned; ``start`` is the oracle's first state."""

    name: str
    model: Model
    start: Any
    apply: brute_force.Apply
    calls: tuple[Call, ...]
    operations_max: int = 6
    looks_ahead: bool = False  # it refuses states in which an operation that comes later cannot be linearized

    def linearizable(self, operations: Sequence[Operation], until: int | None = None) -> bool:
        """What the oracle says."""
        return brute_force.linearizable(operations, self.start, self.apply, observes=self.model.observes, until=until)

    def explains(self, order: Sequence[Operation], operations: Sequence[Operation], until: int | None = None) -> bool:
        """Whether an order is one, by the oracle."""
        return brute_force.explains(order, operations, self.start, self.apply, until)


def _each(f: str, values: Sequence[Any]) -> tuple[Call, ...]:
    """Calls that return what they were given."""
    return tuple((f, value, value) for value in values)


def _seen(f: str, values: Sequence[Any]) -> tuple[Call, ...]:
    """Calls that are given nothing and return something."""
    return tuple((f, None, value) for value in values)


def _swaps(values: Sequence[Any]) -> tuple[Call, ...]:
    return tuple(("cas", list(pair), list(pair)) for pair in product(values, values))


def _transactions() -> tuple[Call, ...]:
    reads: list[list[Any]] = [["r", key, value] for key, value in product("xy", (None, 1, 2))]
    writes: list[list[Any]] = [["w", key, value] for key, value in product("xy", (1, 2))]
    steps: list[list[list[Any]]] = [[read] for read in reads] + [[write] for write in writes]
    steps += [[first, second] for first, second in product(reads, writes) if first[1] != second[1]]
    steps += [[first, second] for first, second in product(writes, writes) if first[1] < second[1]]
    return tuple(("txn", [[f, key, None if f == "r" else value] for f, key, value in call], call) for call in steps)


FEW = (0, 1, 2)
MANY = (0, 1, 2, 3, 4, 5, 6)
TEXTS = ("", "a", "b", "ab", "ba", "aa", "aab")
LISTS: tuple[list[int], ...] = ([], [1], [2], [1, 2], [2, 1], [1, 1], [1, 2, 3], [2, 1, 3])
TAKEN = (None, 1, 2, 3)
REGISTER = brute_force.cas_register(True)

FAMILIES = (
    Family("register", Register(0), 0, REGISTER, _seen("read", FEW) + _each("write", FEW)),
    Family("cas-register", CasRegister(0), 0, REGISTER, _seen("read", FEW) * 2 + _each("write", FEW) + _swaps(FEW), 7),
    Family(
        "cas-register-of-many", CasRegister(0), 0, REGISTER, _seen("read", MANY) + _each("write", MANY) + _swaps(FEW)
    ),
    Family(
        "cas-register-failed",
        CasRegister(0, failed_cas_observes=True),
        0,
        REGISTER,
        _seen("read", FEW) + _each("write", FEW) + _swaps(FEW) + tuple(("cas!", *call[1:]) for call in _swaps(FEW)) * 2,
    ),
    Family(
        "cas-register-nil",
        CasRegister(None),
        None,
        REGISTER,
        _seen("read", (None, 1, 2)) + _each("write", (None, 1, 2)) + _swaps((None, 1)),
    ),
    Family(
        "cas-register-nil-silent",
        CasRegister(None, nil_reads_assert=False),
        None,
        brute_force.cas_register(False),
        _seen("read", (None, 1, 2)) + _each("write", (None, 1, 2)) + _swaps((None, 1)),
    ),
    Family("mutex", Mutex(), False, brute_force.mutex, _seen("acquire", (None,)) + _seen("release", (None,)), 7),
    Family(
        "fenced-mutex",
        FencedMutex(),
        (False, ()),
        brute_force.fenced_mutex,
        _seen("acquire", (1, 2, 3, 4, 5)) + _seen("release", (None,)) * 3,
    ),
    Family(
        "multi-register",
        MultiRegister(frozenset({("x", 1)})),
        {"x": 1},
        brute_force.multi_register(True),
        _transactions(),
        5,
    ),
    Family(
        "kv-append",
        KvAppend(),
        "",
        brute_force.kv_append,
        _seen("read", TEXTS) + _each("append", ("", "a", "b", "ab")) + _each("write", ("a", "b")),
        looks_ahead=True,
    ),
    Family(
        "kv-append-only", KvAppend(), "", brute_force.kv_append, _seen("read", TEXTS) + _each("append", ("", "a", "b")),
        looks_ahead=True,
    ),
    Family(
        "list-append",
        ListAppend(),
        (),
        brute_force.list_append,
        _seen("read", LISTS) + _each("append", (1, 2, 3)) * 2,
        looks_ahead=True,
    ),
    Family(
        "counter",
        Counter(),
        0,
        brute_force.counter,
        _seen("read", (0, 1, 2, 3)) + _each("add", (0, 1, 2, -1)) * 2
        + tuple(("add-and-get", n, total) for n in (0, 1, 2) for total in (0, 1, 2, 3)),
    ),
    Family(
        "set",
        SetModel(),
        [],
        brute_force.set_of_elements,
        _seen("read", ([], [1], [2, 1])) + (_each("add", (1, 2)) + _each("remove", (1, 2))) * 2
        + tuple(("contains", n, there) for n in (1, 2) for there in (True, False)),
    ),
    Family(
        "set-without-reads",
        SetModel(),
        [],
        brute_force.set_of_elements,
        _each("add", (1, 2)) + _each("remove", (1, 2))
        + tuple(("contains", n, there) for n in (1, 2) for there in (True, False)),
    ),
    Family(
        "queue", Queue(), [], brute_force.queue, _each("enqueue", (1, 2, 3)) + _seen("dequeue", TAKEN), 7
    ),
    Family("stack", Stack(), [], brute_force.stack, _each("push", (1, 2, 3)) + _seen("pop", TAKEN), 7),
    Family(
        "priority-queue",
        PriorityQueue(),
        [],
        brute_force.priority_queue,
        _each("insert", (1, 2, 3)) + _seen("delete-min", TAKEN),
        7,
    ),
)  # fmt: skip


def _operation(call: Call, outcome: Outcome) -> Operation:
    f, argument, result = call
    return Operation(0, f.rstrip("!"), None, freeze(argument), freeze(result), outcome, 0, None, 0, None)


def random_history(
    family: Family, rng: random.Random, operations: int, clients: int, *, honest: float, known: float | None = None
) -> History:
    """A history of so many operations; ``honest`` is how many of the results are those of one true object.

    ``known`` is how many outcomes are known; None: as in ``OUTCOMES``. A call "cas!" is a swap that fails.
    """
    events: list[Event] = []
    process = list(range(clients))
    running: dict[int, tuple[Call, str]] = {}
    todo: set[int] = set()  # clients whose operation has not taken effect yet
    state = family.start
    begun = 0

    def record(client: int, kind: str, f: str, value: Any) -> None:
        place = len(events)
        events.append(Event(place, place * 1_000, process[client], EventType(kind), f.rstrip("!"), value))

    while begun < operations or running:
        client = rng.randrange(clients)
        if client not in running:
            if begun == operations:
                continue
            call = rng.choice(family.calls)
            outcome = rng.choice(OUTCOMES) if known is None else "ok" if rng.random() < known else "info"
            running[client] = (call, "fail" if call[0] == "cas!" else outcome)
            todo.add(client)
            begun += 1
            record(client, "invoke", call[0], call[1])
            continue
        call, outcome = running[client]
        if client in todo:
            todo.remove(client)
            if rng.random() < honest:
                call, outcome, state = _true(family, rng, state, call, outcome)
                running[client] = (call, outcome)
            continue
        del running[client]
        if outcome != "never":
            record(client, outcome, call[0], call[2] if outcome == "ok" else None)
        if outcome in ("info", "never"):
            process[client] += clients
    return History(events)


def _true(family: Family, rng: random.Random, state: Any, call: Call, outcome: str) -> tuple[Call, str, Any]:
    """What a true object in this state may answer to a call, how that ends, and the state after it."""
    if outcome == "fail":
        fails = call[0] != "cas!" or family.apply(state, _operation(call, Outcome.FAIL))
        return call, "fail" if fails else "info", state
    if outcome in ("info", "never"):
        after = family.apply(state, _operation(call, Outcome.INFO)) if rng.random() < 0.5 else []
        return call, outcome, rng.choice(after) if after else state
    same = [other for other in family.calls if other[:2] == call[:2]]
    rng.shuffle(same)
    for other in same:
        after = family.apply(state, _operation(other, Outcome.OK))
        if after:
            return other, "ok", after[0]
    return call, "fail", state
