"""Histories as literal data: one bar an operation, drawn above each test as it is written below it.

client 0  |--- write 1 ---|
client 1          |--- read 1 ---|
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from checkers.history import Event, EventType, History

NS_PER_TICK = 100_000_000


@dataclass(frozen=True)
class Bar:
    """An operation from tick ``start`` to tick ``end`` (None: it never returned)."""

    process: int
    start: int
    end: int | None
    f: str
    argument: Any = None
    result: Any = None
    outcome: str = "ok"
    key: Any = None
    ref: str | None = None


def history(*bars: Bar) -> History:
    """The bars' events by tick; no two may share a tick."""
    moments: dict[int, tuple[Bar, bool]] = {}
    for bar in bars:
        for tick, begins in ((bar.start, True), (bar.end, False)):
            if tick is not None:
                assert tick not in moments, f"two events at tick {tick}"
                moments[tick] = (bar, begins)
    events = [_event(index, tick, *moments[tick]) for index, tick in enumerate(sorted(moments))]
    return History(events)


def _event(index: int, tick: int, bar: Bar, begins: bool) -> Event:
    kind = EventType.INVOKE if begins else EventType(bar.outcome)
    value = bar.argument if begins or bar.outcome != "ok" else bar.result
    return Event(index, tick * NS_PER_TICK, bar.process, kind, bar.f, value, bar.key, None, bar.ref)


def write(process: int, start: int, end: int | None, value: Any, outcome: str = "ok", **more: Any) -> Bar:
    return Bar(process, start, end, "write", value, value, outcome, **more)


def read(process: int, start: int, end: int | None, value: Any, outcome: str = "ok", **more: Any) -> Bar:
    return Bar(process, start, end, "read", None, value, outcome, **more)


def cas(process: int, start: int, end: int | None, pair: list[Any], outcome: str = "ok", **more: Any) -> Bar:
    return Bar(process, start, end, "cas", pair, pair, outcome, **more)


def append(process: int, start: int, end: int | None, value: Any, outcome: str = "ok", **more: Any) -> Bar:
    return Bar(process, start, end, "append", value, value, outcome, **more)


def add(process: int, start: int, end: int | None, value: Any, outcome: str = "ok", **more: Any) -> Bar:
    return Bar(process, start, end, "add", value, value, outcome, **more)
