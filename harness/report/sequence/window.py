"""Which part of a trace is shown.

A trace may have a hundred thousand lines; a person reads around the failure. What must be seen (the *focus*: every line
that belongs to the violated operations) is shown with as much around each of its lines as the budget allows, so the two
ends of a violation that took a minute are two segments with a cut between them. Only lines that say something count:
heartbeats and what goes on all the time are shown where the others are, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

BUDGET = 1_000
CLOSE = 24
"""Between two segments more lines than this must be left out; else it is not worth a cut."""


def segments_of(total: int, focus: Sequence[int], budget: int = BUDGET) -> tuple[tuple[int, int], ...]:
    """The segments (first and last position, both shown) of ``total`` lines, around the positions in ``focus``.

    No more than ``budget`` lines are shown, unless there are fewer; of a focus that is larger, its two ends.
    """
    if not total:
        return ()
    wanted = sorted({min(max(place, 0), total - 1) for place in focus}) or [total - 1]
    if len(wanted) > budget:
        wanted = wanted[: (budget + 1) // 2] + wanted[len(wanted) - budget // 2 :]
    close = CLOSE if _size(_around(total, wanted, 0, CLOSE)) <= budget else 0
    low, high = 0, total
    while low < high:
        radius = (low + high + 1) // 2
        if _size(_around(total, wanted, radius, close)) <= budget:
            low = radius
        else:
            high = radius - 1
    return tuple(_around(total, wanted, low, close))


def _around(total: int, wanted: Sequence[int], radius: int, close: int) -> list[tuple[int, int]]:
    """The places and ``radius`` on both sides of each; what would be no more than ``close`` apart is joined."""
    found: list[tuple[int, int]] = []
    for place in wanted:
        first, last = max(0, place - radius), min(total - 1, place + radius)
        if found and first <= found[-1][1] + 1 + close:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _size(segments: Sequence[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in segments)
