"""Durations as people write them: ``30s``, ``1m30s``, ``250ms``, or a bare number of seconds."""

from __future__ import annotations

import math
import re

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_NS = re.compile(r"(?:(\d+)ns)?$")
_MS = 1_000_000


class DurationError(ValueError):
    """Not a duration; the message shows what one looks like."""


def parse_ms(text: str | int | float) -> int:
    """Return a duration in milliseconds. Raises DurationError."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _whole(text * 1_000, text)
    bare = str(text).strip()
    if re.fullmatch(r"\d+(\.\d+)?", bare):
        return _whole(float(bare) * 1_000, text)
    parts = _PART.findall(bare)
    if not parts or "".join(number + unit for number, unit in parts) != bare:
        raise DurationError(f"{text!r} is no duration; write 45s, 1m30s, 250ms or a number of seconds")
    return _whole(sum(float(number) * _UNITS_MS[unit] for number, unit in parts), text)


def format_ms(milliseconds: int) -> str:
    """Return a duration as a person would write it; ``parse_ms`` reads it back exactly."""
    if milliseconds % 1_000:
        return f"{milliseconds}ms" if milliseconds < 1_000 else f"{milliseconds // 1_000}s{milliseconds % 1_000}ms"
    minutes, seconds = divmod(milliseconds // 1_000, 60)
    if not minutes:
        return f"{seconds}s"
    return f"{minutes}m{seconds}s" if seconds else f"{minutes}m"


def parse_ns(text: str | int | float) -> int:
    """Return a duration in nanoseconds: like ``parse_ms``, but it may end in nanoseconds. Raises DurationError.

    Only what a machine has drawn is that fine: operations that are written down again exactly as they were.
    """
    bare = str(text).strip()
    found = _NS.search(bare)
    if found is None or found.group(1) is None:
        return parse_ms(text) * _MS
    before = bare[: found.start()]
    return (parse_ms(before) * _MS if before else 0) + int(found.group(1))


def format_ns(nanoseconds: int) -> str:
    """Return a duration as text; ``parse_ns`` reads it back exactly."""
    milliseconds, rest = divmod(nanoseconds, _MS)
    if not rest:
        return format_ms(milliseconds)
    return f"{format_ms(milliseconds) if milliseconds else ''}{rest}ns"


def _whole(milliseconds: float, text: object) -> int:
    if not math.isfinite(milliseconds):
        raise DurationError(f"{text!r} is not finite")
    if milliseconds < 0:
        raise DurationError(f"{text!r} is negative")
    return round(milliseconds)
