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

Why = Callable[[str, Any, Operation], str]
"""Of the state in words, the state, and the operation."""


def shown(model: Model, state: State) -> str:
    """A state of a model in words."""
    if isinstance(state, Unseen):
        return state.value
    if type(model) is Mutex:
        return "held" if state else "free"
    if type(model) is FencedMutex:
        return f"{'held' if state[0] else 'free'}, {'no token yet' if state[1] is None else f'token {state[1]}'}"
    if isinstance(state, frozenset):
        return show(tuple(sorted(state, key=repr)))
    return show(state)


def why(model: Model, state: State, operation: Operation) -> str:
    """Say why ``model.step(state, operation)`` is ILLEGAL."""
    for kind, tell in _TELLERS.items():
        if type(model) is kind:
            return tell(shown(model, state), state, operation)
    result = f" returning {show(operation.result)}" if operation.ok and operation.result is not None else ""
    return f"{operation.f}{result} is not possible in the state {shown(model, state)}"


def _register(held: str, state: Hashable, operation: Operation) -> str:
    if operation.f == "read":
        return f"it saw {show(operation.result)}, and the register holds {held}"
    expected = operation.argument[0]
    if expected == state:
        return f"it failed, and the register holds {show(expected)}, which it expected"
    return f"it expected {show(expected)}, and the register holds {held}"


def _mutex(held: str, state: bool, operation: Operation) -> str:
    del held, operation
    return "the lock is held" if state else "nobody holds the lock"


def _fenced(held: str, state: tuple[bool, int | None], operation: Operation) -> str:
    taken, last = state
    if taken is (operation.f == "acquire"):
        return _mutex(held, taken, operation)
    return f"it got token {show(operation.result)}, and {show(last)} has been given out"


def _counter(held: str, state: int, operation: Operation) -> str:
    if operation.f == "read":
        return f"it saw {show(operation.result)}, and the sum is {held}"
    return f"it returned {show(operation.result)}, and with it the sum is {state + operation.argument}"


def _grown(held: str, state: Hashable, operation: Operation) -> str:
    del state
    return f"it saw {show(operation.result)}, and there is {held}"


def _set(held: str, state: frozenset[Hashable], operation: Operation) -> str:
    if operation.f == "read":
        return f"it saw {show(operation.result)}, and the set is {held}"
    there = "in the set" if operation.argument in state else "not in the set"
    return f"it said {operation.result}, and {show(operation.argument)} is {there}"


def _container(held: str, state: tuple[Hashable, ...], operation: Operation) -> str:
    del held
    following = f"{show(state[0])} is next" if state else "nothing is inside"
    return f"it took out {show(operation.result)}, and {following}"


def _transaction(words: str, state: frozenset[tuple[Hashable, Hashable]], operation: Operation) -> str:
    held = dict(state)
    for f, key, value in operation.result or ():
        if f in ("w", "write"):
            held[key] = value
        elif held.get(key) != value:
            return f"it saw {show(value)} in {show(key)}, which holds {show(held.get(key))}"
    return f"its reads do not fit the state {words}"


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
