"""Histories that several tests need."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from checkers.history import Event, EventType, History


def _overlapping_writes(count: int) -> History:
    """All of ``count`` writes overlap, and a read returns what none of them wrote: the search must try all.

    Two of them write the same, so that nothing but the search will do.
    """
    values = [1, *range(1, count)]
    writes = [Event(n, n, n, EventType.INVOKE, "write", value) for n, value in enumerate(values)]
    ends = [Event(count + n, count + n, n, EventType.OK, "write", value) for n, value in enumerate(values)]
    read = [
        Event(2 * count, 2 * count, 0, EventType.INVOKE, "read", None),
        Event(2 * count + 1, 2 * count + 1, 0, EventType.OK, "read", -1),
    ]
    return History(writes + ends + read)


@pytest.fixture
def hard_history() -> Callable[[int], History]:
    """A history whose search takes thousands of steps, of a given size class."""
    return lambda seed: _overlapping_writes(12 + seed)
