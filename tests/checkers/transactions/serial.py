"""The oracle: every serial order of the transactions, and every choice of those whose outcome nobody knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from checkers.history import History, Operation, Outcome

Before = Callable[[Operation, Operation], bool]


def any_order(first: Operation, second: Operation) -> bool:
    """Serializability asks for no order."""
    return False


def session_order(first: Operation, second: Operation) -> bool:
    """Each process's transactions in their order."""
    return first.process == second.process and first.invoke_index < second.invoke_index


def realtime_order(first: Operation, second: Operation) -> bool:
    """What was over before the other began."""
    over = first.outcome is Outcome.OK and first.complete_index is not None
    return over and (first.complete_index or 0) < second.invoke_index


ORDERS: dict[str, Before] = {
    "serializable": any_order,
    "strong-session-serializable": session_order,
    "strict-serializable": realtime_order,
}


def explained(history: History, before: Before) -> bool:
    """Whether some order of all acknowledged transactions, and of any unknown ones, explains every read."""
    pending = [operation for operation in history.operations() if operation.outcome is not Outcome.FAIL]
    return _extend(pending, {}, before)


def _extend(pending: Sequence[Operation], state: dict[Any, Any], before: Before) -> bool:
    if all(operation.outcome is Outcome.INFO for operation in pending):
        return True
    for operation in pending:
        acknowledged = (other for other in pending if other.outcome is Outcome.OK)
        if any(other is not operation and before(other, operation) for other in acknowledged):
            continue
        after = _applied(operation, state)
        if after is not None and _extend([other for other in pending if other is not operation], after, before):
            return True
    return False


def _applied(operation: Operation, state: dict[Any, Any]) -> dict[Any, Any] | None:
    known = operation.outcome is Outcome.OK
    now = dict(state)
    for f, key, value in operation.result if known else operation.argument:
        if f == "append":
            now[key] = (*now.get(key, ()), value)
        elif f == "w":
            now[key] = value
        elif known and (now.get(key) or None) != (value or None):
            return None
    return now
