"""Operations in English.

A verdict is a sentence over two to four operations. For that every operation needs one way of being named,
the same in every checker: what it did, to which object, by whom and when.
"""

from __future__ import annotations

from typing import Any, Final

from checkers.history import Operation, Outcome

_SHOWN_CHARS: Final = 80
_STEPS_SHOWN: Final = 12


def show(value: Any) -> str:
    """A value, shortened in the middle when long."""
    if isinstance(value, tuple):
        text = "[" + ", ".join(show(item) for item in value) + "]"
    elif value is None:
        text = "nil"
    else:
        text = repr(value)
    if len(text) > _SHOWN_CHARS:
        half = _SHOWN_CHARS // 2
        return f"{text[:half]} ... {text[-half:]}"
    return text


def show_key(key: Any) -> str:
    """An object's name: a text key as it is, any other with the word key; empty for the only object there is."""
    if key is None:
        return ""
    return str(key) if isinstance(key, str) else f"key {show(key)}"


def what(operation: Operation) -> str:
    """What it did: "read of k3 = 7", "write of k3 = 7", "cas of k3 from 1 to 2", "append of 5 to k3"."""
    key = show_key(operation.key)
    subject = f"{key} = " if key else ""
    argument = operation.argument
    if operation.f == "read":
        return f"read of {subject}{show(operation.result)}" if operation.ok else f"read of {key or 'the object'}"
    if operation.f == "cas" and isinstance(argument, tuple) and len(argument) == 2:
        of = f" of {key}" if key else ""
        return f"cas{of} from {show(argument[0])} to {show(argument[1])}"
    if operation.f == "write":
        return f"write of {subject}{show(argument)}"
    if operation.f in ("append", "add"):
        return f"{operation.f} of {show(argument)}" + (f" to {key}" if key else "")
    value = operation.result if operation.ok and operation.result is not None else argument
    if operation.f == "txn" and isinstance(value, tuple):
        return f"txn {transaction(operation)}"
    return operation.f + ("" if value is None else f" {show(value)}") + (f" on {key}" if key else "")


def transaction(operation: Operation) -> str:
    """A transaction as its steps: "[append x 1, r y [1, 2]]". What reads saw is known of acknowledged ones only."""
    steps = operation.result if operation.ok and operation.result is not None else operation.argument
    texts = [_step(step, operation.ok) for step in steps[:_STEPS_SHOWN]]
    return f"[{', '.join([*texts, '...'] if len(steps) > _STEPS_SHOWN else texts)}]"


def _step(step: Any, known: bool) -> str:
    if not isinstance(step, tuple) or len(step) != 3:
        return show(step)
    f, key, value = step
    named = str(key) if isinstance(key, str) else show(key)
    return f"{f} {named} ?" if f in ("r", "read") and not known else f"{f} {named} {show(value)}"


def when(index: int | None, time_ns: int | None) -> str:
    """A moment: seconds of the run when known, else the event's index."""
    if time_ns is not None:
        return f"{time_ns / 1e9:.3f} s"
    return "never" if index is None else f"event {index}"


def began(operation: Operation) -> str:
    """When it was invoked."""
    return when(operation.invoke_index, operation.invoke_time)


def ended(operation: Operation) -> str:
    """When it completed."""
    return when(operation.complete_index, operation.complete_time)


def who(operation: Operation) -> str:
    """What and by whom: "read of k3 = 7 by process 3"."""
    return f"{what(operation)} by process {operation.process}"


def name(operation: Operation) -> str:
    """The whole operation: "read of k3 = 7 by process 3 at 12.381 s". The moment is that of its completion."""
    if operation.outcome is Outcome.OK:
        return f"{who(operation)} at {ended(operation)}"
    how = "failed" if operation.outcome is Outcome.FAIL else "of unknown outcome"
    return f"{who(operation)} ({how}, invoked at {began(operation)})"
