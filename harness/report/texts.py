"""Words for values, times and operations.

Values come from anywhere: a list of a million elements, an integer of a million digits, half a surrogate pair. Every
function here is bounded in what it returns, and in how much of a sequence it looks at. Nothing is escaped here: that is
the template's work, done once and everywhere.
"""

from __future__ import annotations

import json
from typing import Any

from checkers.history import Operation

NS_PER_S = 1_000_000_000
VALUE_CHARS_MAX = 120
DIGITS_MAX = 60


def seconds(ns: int | None) -> str:
    """A moment of the run: ``12.381 s``; of an unknown one, ``unknown``."""
    return "unknown" if ns is None else f"{ns / NS_PER_S:,.3f} s"


def duration(ms: float) -> str:
    """A length of time in the unit that suits it: ``3.2 s``, ``450 ms``, ``0.35 ms``."""
    if ms >= 10_000:
        return f"{ms / 1000:,.1f} s"
    if ms >= 1000:
        return f"{ms / 1000:.2f} s"
    if ms >= 100:
        return f"{ms:.0f} ms"
    return f"{ms:.3g} ms"


def count(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """``1 operation``, ``2 operations``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def value_text(value: Any) -> str:
    """A value as JSON would have it, near enough, and never longer than ``VALUE_CHARS_MAX`` or so."""
    return _cut(_plain(value, VALUE_CHARS_MAX), VALUE_CHARS_MAX)


def value_of(operation: Operation) -> str:
    """What was asked and what came back: ``17``, or ``[3, 4] → 4`` where they differ."""
    argument, result = operation.argument, operation.result
    if argument is None:
        return value_text(result) if result is not None or operation.ok else ""
    if result is None or result == argument:
        return value_text(argument)
    return f"{value_text(argument)} → {value_text(result)}"


def call_text(operation: Operation) -> str:
    """The operation as a call: ``read(x) → 4``, ``write(x, 5)``."""
    given = [value_text(part) for part in (operation.key, operation.argument) if part is not None]
    call = f"{_cut(operation.f, VALUE_CHARS_MAX)}({', '.join(given)})"
    answered = operation.ok and operation.result != operation.argument
    silent = operation.result is None and operation.argument is not None
    if (answered and not silent) or (operation.ok and operation.argument is None):
        return f"{call} → {value_text(operation.result)}"
    return call


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def _plain(value: Any, room: int) -> str:
    if isinstance(value, str):
        return json.dumps(_cut(value, room), ensure_ascii=False)
    if isinstance(value, tuple | list):
        return f"[{_items(value, room)}]"
    if isinstance(value, frozenset):
        return f"{{{_items(sorted(value, key=repr), room)}}}"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > DIGITS_MAX * 3:
        return f"an integer of {value.bit_length()} bits"
    return "nil" if value is None else repr(value)


def _items(values: tuple[Any, ...] | list[Any], room: int) -> str:
    parts: list[str] = []
    used = 0
    for value in values:
        if used >= room - 24:
            parts.append(f"… {count(len(values))} in all")
            break
        parts.append(_plain(value, room // 2))
        used += len(parts[-1]) + 2
    return ", ".join(parts)
