"""Models by name, for those who choose one by name.

| name | operations | starts as |
|---|---|---|
| register | read, write | nil |
| cas-register | read, write, cas of [expected, new] | nil |
| multi-register | txn of [["r", key, nil], ["w", key, value], ...] | {} |
| mutex | acquire, release | free |
| fenced-mutex | acquire (returns a token), release | free |
| kv-append | read or get, write or put, append | "" |
| list-append | read, append | [] |
| counter | read, add, add-and-get | 0 |
| set | add, remove, contains, read | [] |
| queue | enqueue, dequeue | [] |
| stack | push, pop | [] |
| priority-queue | insert, delete-min | [] |
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final

from checkers.history import freeze
from checkers.models.appends import KV_READS, KV_WRITES, KvAppend, ListAppend
from checkers.models.base import ILLEGAL, UNSEEN, Illegal, Model, ModelError, State, Unseen
from checkers.models.counter import Counter
from checkers.models.multi_register import READ_NAMES, WRITE_NAMES, MultiRegister
from checkers.models.mutex import FencedMutex, Mutex
from checkers.models.queues import PriorityQueue, Queue, Stack
from checkers.models.register import CasRegister, Register
from checkers.models.sets import SetModel

__all__ = [
    "ILLEGAL", "KV_READS", "KV_WRITES", "MODELS", "READ_NAMES", "UNSEEN", "WRITE_NAMES", "CasRegister", "Counter",
    "FencedMutex", "Illegal", "KvAppend", "ListAppend", "Model", "ModelError", "MultiRegister", "Mutex",
    "PriorityQueue", "Queue", "Register", "SetModel", "Stack", "State", "Unseen", "make_model",
]  # fmt: skip

MODELS: Final[Mapping[str, type[Model]]] = {
    "register": Register,
    "cas-register": CasRegister,
    "mutex": Mutex,
    "multi-register": MultiRegister,
    "kv-append": KvAppend,
    "list-append": ListAppend,
    "fenced-mutex": FencedMutex,
    "counter": Counter,
    "set": SetModel,
    "queue": Queue,
    "stack": Stack,
    "priority-queue": PriorityQueue,
}


def make_model(
    name: str, *, initial: Any = None, nil_reads_assert: bool = True, failed_cas_observes: bool = False
) -> Model:
    """The model of that name in MODELS. ``initial`` None means the model's own.

    For a multi-register ``initial`` is a mapping of key to value, for a fenced mutex the last token handed out. Raises
    ValueError for a name not in MODELS.
    """
    match name:
        case "register":
            return Register(freeze(initial), nil_reads_assert)
        case "cas-register":
            return CasRegister(freeze(initial), nil_reads_assert, failed_cas_observes=failed_cas_observes)
        case "mutex":
            return Mutex(bool(initial))
        case "fenced-mutex":
            return FencedMutex((False, None if initial is None else _number(name, initial)))
        case "multi-register":
            pairs = ((freeze(key), freeze(value)) for key, value in (initial or {}).items())
            return MultiRegister(frozenset(pair for pair in pairs if pair[1] is not None), nil_reads_assert)
        case "kv-append":
            if not isinstance(initial, str | None):
                raise ValueError("a kv-append starts as a string")
            return KvAppend(initial or "", nil_reads_assert)
        case "list-append":
            return ListAppend(_elements(name, initial), nil_reads_assert)
        case "counter":
            return Counter(_number(name, initial or 0), nil_reads_assert)
        case "set":
            return SetModel(frozenset(_elements(name, initial)), nil_reads_assert)
        case "queue":
            return Queue(_elements(name, initial))
        case "stack":
            return Stack(_elements(name, initial))
        case "priority-queue":
            return PriorityQueue(tuple(sorted(_number(name, item) for item in _elements(name, initial))))
    raise ValueError(f"no model {name!r}; there are {', '.join(MODELS)}")


def _number(name: str, initial: Any) -> int:
    if not isinstance(initial, int):
        raise ValueError(f"a {name} starts with integers")
    return initial


def _elements(name: str, initial: Any) -> tuple[Hashable, ...]:
    if not isinstance(initial, list | tuple | set | frozenset | None):
        raise ValueError(f"a {name} starts as a list")
    return tuple(freeze(item) for item in initial or ())
