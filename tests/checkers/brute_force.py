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


def linearizable(operations: Sequence[Operation], initial: Any, apply: Apply) -> bool:
    """Whether some order of all ok operations, and of any info ones, respects real time and the object."""
    pending = [operation for operation in operations if operation.outcome is not Outcome.FAIL]
    return _extend(pending, initial, apply)


def _extend(pending: Sequence[Operation], state: Any, apply: Apply) -> bool:
    if all(operation.outcome is Outcome.INFO for operation in pending):
        return True
    for operation in pending:
        if any(_over_before(other, operation) for other in pending):
            continue
        rest = [other for other in pending if other is not operation]
        if any(_extend(rest, after, apply) for after in apply(state, operation)):
            return True
    return False


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
