"""An oracle that shares nothing with the checker: every order, every subset, no cleverness.

It enumerates linearizations one operation at a time, without a cache, and states the objects' semantics in its own
words. It is factorial, which is the point: nothing in it is clever enough to be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from checkers.history import Operation, Outcome

Apply = Callable[[Any, Operation], list[Any]]
"""The states that may follow: none when the operation cannot happen here, one otherwise."""


def linearizable(
    operations: Sequence[Operation],
    initial: Any,
    apply: Apply,
    *,
    observes: Callable[[Operation], bool] = lambda _: False,
    until: int | None = None,
) -> bool:
    """Whether some order of all that returned (by event ``until``), and of any others, respects time and the object.

    Failed operations take no part unless they are said to observe.
    """
    pending = [op for op in operations if op.outcome is not Outcome.FAIL or observes(op)]
    return _extend(pending, initial, apply, until)


def _extend(pending: Sequence[Operation], state: Any, apply: Apply, until: int | None) -> bool:
    if not any(_must(operation, until) for operation in pending):
        return True
    for operation in pending:
        if any(_over_before(other, operation) for other in pending):
            continue
        rest = [other for other in pending if other is not operation]
        if any(_extend(rest, after, apply, until) for after in apply(state, operation)):
            return True
    return False


def _must(operation: Operation, until: int | None) -> bool:
    if operation.outcome is Outcome.INFO or operation.complete_index is None:
        return False
    return until is None or operation.complete_index <= until


def explains(
    order: Sequence[Operation], operations: Sequence[Operation], initial: Any, apply: Apply, until: int | None = None
) -> bool:
    """Whether this very order of some operations has all that had to be in it, keeps to real time and to the object."""
    placed = {op.invoke_index for op in order}
    if len(placed) != len(order):
        return False
    for place, operation in enumerate(order):
        if any(_over_before(later, operation) for later in order[place:]):
            return False
    for operation in operations:
        if operation.outcome is Outcome.FAIL or operation.invoke_index in placed:
            continue
        if _must(operation, until) or any(_over_before(operation, later) for later in order):
            return False
    states = [initial]
    for operation in order:
        states = [after for state in states for after in apply(state, operation)]
    return bool(states)


def _over_before(first: Operation, second: Operation) -> bool:
    if first.outcome is Outcome.INFO or first.complete_index is None:
        return False
    return first.complete_index < second.invoke_index


def cas_register(nil_reads_assert: bool) -> Apply:
    def apply(state: Any, operation: Operation) -> list[Any]:
        known = operation.outcome is Outcome.OK
        if operation.f == "read":
            silent = not known or (operation.result is None and not nil_reads_assert)
            return [state] if silent or operation.result == state else []
        if operation.f == "write":
            return [operation.argument]
        expected, new = operation.argument
        if operation.outcome is Outcome.FAIL:
            return [] if expected == state else [state]
        return [new] if expected == state else []

    return apply


def mutex(state: Any, operation: Operation) -> list[Any]:
    free_then_taken = {("acquire", False): [True], ("release", True): [False]}
    return free_then_taken.get((operation.f, state), [])


def kv_append(state: Any, operation: Operation) -> list[Any]:
    if operation.f == "read":
        return [state] if operation.outcome is Outcome.INFO or operation.result == state else []
    return [operation.argument] if operation.f == "write" else [state + operation.argument]


def list_append(state: Any, operation: Operation) -> list[Any]:
    if operation.f == "read":
        return [state] if operation.outcome is Outcome.INFO or operation.result == state else []
    return [(*state, operation.argument)]


def multi_register(nil_reads_assert: bool) -> Apply:
    def apply(state: Any, operation: Operation) -> list[Any]:
        known = operation.outcome is Outcome.OK
        now = dict(state)
        for f, key, value in operation.result if known else operation.argument:
            if f in ("w", "write"):
                now[key] = value
            elif known and (value is not None or nil_reads_assert) and now.get(key) != value:
                return []
        return [now]

    return apply


def fenced_mutex(state: Any, operation: Operation) -> list[Any]:
    taken, tokens = state
    if operation.f == "release":
        return [(False, tokens)] if taken else []
    known = operation.outcome is Outcome.OK
    possible = [operation.result] if known else range(-6, 9)  # nobody saw it: it may be any
    return [] if taken else [(True, (*tokens, new)) for new in possible if all(new > token for token in tokens)]


def counter(state: Any, operation: Operation) -> list[Any]:
    known = operation.outcome is Outcome.OK
    total = state + (operation.argument or 0)
    if operation.f != "add" and known and operation.result != total:
        return []
    return [total]


def set_of_elements(state: Any, operation: Operation) -> list[Any]:
    f, element, seen = operation.f, operation.argument, operation.result
    if f == "add":
        return [sorted({*state, element})]
    if f == "remove":
        return [[other for other in state if other != element]]
    if operation.outcome is Outcome.INFO:
        return [state]
    there = element in state if f == "contains" else state
    return [state] if there == (seen if f == "contains" else sorted(seen)) else []


def _container(puts: str, sort: Callable[[list[Any]], list[Any]], takes_at: int) -> Apply:
    def apply(state: Any, operation: Operation) -> list[Any]:
        if operation.f == puts:
            return [sort([*state, operation.argument])]
        rest = list(state)
        taken = rest.pop(takes_at) if rest else None
        return [rest] if operation.outcome is Outcome.INFO or operation.result == taken else []

    return apply


queue = _container("enqueue", list, 0)
stack = _container("push", list, -1)
priority_queue = _container("insert", sorted, 0)
