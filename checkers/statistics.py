"""Numbers that describe a run; they judge nothing.

All are pure functions of the history. Latencies and gaps are in nanoseconds of the run's clock, and operations without
times are left out of them, not taken as zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from checkers.history import History, Operation, Outcome

_SECOND_NS: Final = 1_000_000_000
_SECONDS_MAX: Final = 10_000_000  # of one series; beyond, the time stamps are not those of a run


class Counts(msgspec.Struct, frozen=True):
    """How many operations ended in each way."""

    ok: int = 0
    fail: int = 0
    info: int = 0


class Latencies(msgspec.Struct, frozen=True):
    """Quantiles of the time from invocation to completion of ok operations, in nanoseconds."""

    count: int
    p50_ns: int
    p95_ns: int
    p99_ns: int
    max_ns: int


class Gap(msgspec.Struct, frozen=True):
    """A stretch without an ok completion, by the run's clock."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.start_ns


class Statistics(msgspec.Struct, frozen=True):
    """All numbers of one history. ``rate`` holds ok completions by full second since the window began."""

    counts: Mapping[str, Counts]
    latencies: Latencies | None
    latencies_by_f: Mapping[str, Latencies]
    rate: tuple[int, ...]
    longest_unavailability: Gap | None


def summarize(history: History) -> Statistics:
    """Every number at once. Raises ValueError for time stamps that span more than ten million seconds."""
    operations = history.operations()
    names = sorted({operation.f for operation in operations})
    by_f = {f: latencies(op for op in operations if op.f == f) for f in names}
    return Statistics(
        counts=counts_by_f(history),
        latencies=latencies(operations),
        latencies_by_f={f: found for f, found in by_f.items() if found is not None},
        rate=rate_by_second(history),
        longest_unavailability=longest_unavailability(history),
    )


def counts_by_f(history: History) -> Mapping[str, Counts]:
    """Outcomes by operation name."""
    counts: dict[str, dict[Outcome, int]] = {}
    for operation in history.operations():
        by_outcome = counts.setdefault(operation.f, dict.fromkeys(Outcome, 0))
        by_outcome[operation.outcome] += 1
    return {
        f: Counts(found[Outcome.OK], found[Outcome.FAIL], found[Outcome.INFO]) for f, found in sorted(counts.items())
    }


def latencies(operations: Iterable[Operation]) -> Latencies | None:
    """Quantiles over the ok operations that carry times; None when there are none.

    A quantile is an observed value: the smallest that at least that share of the operations does not exceed.
    """
    taken_ns = sorted(
        op.complete_time - op.invoke_time
        for op in operations
        if op.ok and op.complete_time is not None and op.invoke_time is not None
    )
    if not taken_ns:
        return None
    return Latencies(
        len(taken_ns), quantile(taken_ns, 50), quantile(taken_ns, 95), quantile(taken_ns, 99), taken_ns[-1]
    )


def quantile(ordered: Sequence[int], percent: int) -> int:
    """The nearest-rank quantile of a sorted sequence. Raises ValueError if it is empty or ``percent`` not in 1..100."""
    if not ordered or not 1 <= percent <= 100:
        raise ValueError("a quantile needs values and a percentage from 1 to 100")
    return ordered[-(-len(ordered) * percent // 100) - 1]


def window(history: History) -> Gap | None:
    """From the first to the last time stamp of a client's event; None without stamps."""
    stamps_ns = [e.time for e in history.events if isinstance(e.process, int) and e.time is not None]
    return Gap(min(stamps_ns), max(stamps_ns)) if stamps_ns else None


def _ok_completions_ns(history: History) -> list[int]:
    return sorted(op.complete_time for op in history.operations() if op.ok and op.complete_time is not None)


def rate_by_second(history: History) -> tuple[int, ...]:
    """Ok completions in each second of the window. Raises ValueError when the window is absurdly long."""
    found = window(history)
    if found is None:
        return ()
    seconds = found.length_ns // _SECOND_NS + 1
    if seconds > _SECONDS_MAX:
        raise ValueError(f"the time stamps span {seconds} s, over the limit of {_SECONDS_MAX}")
    series = [0] * seconds
    for stamp_ns in _ok_completions_ns(history):
        series[(stamp_ns - found.start_ns) // _SECOND_NS] += 1
    return tuple(series)


def longest_unavailability(history: History, until_ns: int | None = None) -> Gap | None:
    """The longest stretch of the window without an ok completion, the earliest of equals; None without stamps.

    The window's own ends count as bounds, so a run that never answered was unavailable throughout. ``until_ns`` ends
    the window earlier: where the load ended, silence is nobody's fault.
    """
    found = window(history)
    if found is None:
        return None
    end_ns = found.end_ns if until_ns is None else max(found.start_ns, min(found.end_ns, until_ns))
    moments_ns = [found.start_ns, *(at for at in _ok_completions_ns(history) if at < end_ns), end_ns]
    longest = Gap(found.start_ns, found.start_ns)
    for start_ns, end_ns in pairwise(moments_ns):
        if end_ns - start_ns > longest.length_ns:
            longest = Gap(start_ns, end_ns)
    return longest
