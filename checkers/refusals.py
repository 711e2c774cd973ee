"""Why an object does not allow an operation in a state, in words. Each built-in model has its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from checkers.history import Operation
from checkers.models import (
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
    State,
    Unseen,
)
from checkers.models.register import CasRegister
from checkers.sentences import show

Why = Callable[[Any, Operation], str]


def shown(state: State) -> str:
    """A state in words."""
    if isinstance(state, Unseen):
        return state.value
    if isinstance(state, frozenset):
        return show(tuple(sorted(state, key=repr)))
    return show(state)


def why(model: Model, state: State, operation: Operation) -> str:
    """Say why ``model.step(state, operation)`` is ILLEGAL."""
    for kind, tell in _TELLERS.items():
        if type(model) is kind:
            return tell(state, operation)
    result = f" returning {show(operation.result)}" if operation.ok and operation.result is not None else ""
    return f"{operation.f}{result} is not possible in the state {shown(state)}"


def _register(state: Hashable, operation: Operation) -> str:
    if operation.f == "read":
        return f"it saw {show(operation.result)}, and the register holds {shown(state)}"
    expected = operation.argument[0]
    if expected == state:
        return f"it failed, and the register holds {show(expected)}, which it expected"
    return f"it expected {show(expected)}, and the register holds {shown(state)}"


def _mutex(state: bool, operation: Operation) -> str:
    del operation
    return "the lock is held" if state else "nobody holds the lock"


def _fenced(state: tuple[bool, int | None], operation: Operation) -> str:
    taken, last = state
    if taken is (operation.f == "acquire"):
        return _mutex(taken, operation)
    return f"it got token {show(operation.result)}, and {show(last)} has been given out"


def _counter(state: int, operation: Operation) -> str:
    if operation.f == "read":
        return f"it saw {show(operation.result)}, and the sum is {state}"
    return f"it returned {show(operation.result)}, and with it the sum is {state + operation.argument}"


def _grown(state: Hashable, operation: Operation) -> str:
    return f"it saw {show(operation.result)}, and there is {shown(state)}"


def _set(state: frozenset[Hashable], operation: Operation) -> str:
    if operation.f == "read":
        return f"it saw {show(operation.result)}, and the set is {shown(state)}"
    there = "in the set" if operation.argument in state else "not in the set"
    return f"it said {operation.result}, and {show(operation.argument)} is {there}"


def _container(state: tuple[Hashable, ...], operation: Operation) -> str:
    following = f"{show(state[0])} is next" if state else "nothing is inside"
    return f"it took out {show(operation.result)}, and {following}"


def _transaction(state: frozenset[tuple[Hashable, Hashable]], operation: Operation) -> str:
    held = dict(state)
    for f, key, value in operation.result or ():
        if f in ("w", "write"):
            held[key] = value
        elif held.get(key) != value:
            return f"it saw {show(value)} in {show(key)}, which holds {show(held.get(key))}"
    return f"its reads do not fit the state {shown(state)}"


_TELLERS: Final[Mapping[type[Model], Why]] = {
    Register: _register,
    CasRegister: _register,
    Mutex: _mutex,
    FencedMutex: _fenced,
    Counter: _counter,
    KvAppend: _grown,
    ListAppend: _grown,
    SetModel: _set,
    Queue: _container,
    Stack: _container,
    PriorityQueue: _container,
    MultiRegister: _transaction,
}
