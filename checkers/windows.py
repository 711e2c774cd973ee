"""When an acknowledged change was lost, as narrowly as the reads of a history tell it.

A commit is not lost at the end of a run, when somebody looks: it is lost at some moment between the last sign that it
was there (its acknowledgement, or the last read that saw it) and the first read that shows it gone. That window is what
can be held against the faults of the run. In ns of the run's clock; None where a history has no times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from checkers.history import Operation

Window: TypeAlias = tuple[int, int]
Shows: TypeAlias = Callable[[Operation], bool]


def between(start: int | None, stop: int | None) -> Window | None:
    """From one moment to another; stamps of different threads may run backwards by a little."""
    return None if start is None or stop is None else (start, max(start, stop))


def of_loss(known_by: Operation, reads: Sequence[Operation], shows: Shows) -> Window | None:
    """From the last sign of a change, its acknowledgement at the earliest, to the first read after that without it.

    ``reads`` are the ok reads of its key, by invocation.
    """
    last = next((read for read in reversed(reads) if known_by.precedes(read) and shows(read)), known_by)
    gone = next((read for read in reads if last.precedes(read) and not shows(read)), None)
    start = known_by.complete_time if last is known_by else last.invoke_time
    return None if gone is None else between(start, gone.complete_time)


def of_absence(known_by: Operation, reads: Sequence[Operation], shows: Shows) -> Window | None:
    """From the first to the last read that lacks what it should have shown; None if there is none."""
    missing = [read for read in reads if known_by.precedes(read) and not shows(read)]
    return between(missing[0].invoke_time, missing[-1].complete_time) if missing else None


def of_arrival(change: Operation, reads: Sequence[Operation], shows: Shows) -> Window | None:
    """From the invocation of a change to the first read that shows what came of it."""
    first = next((read for read in reads if shows(read)), None)
    return None if first is None else between(change.invoke_time, first.complete_time)
