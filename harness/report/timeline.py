"""The timeline as data: which bars there are, in which rows, from when to when.

Nothing here knows how it is drawn. What cannot be drawn (an operation without a time) and what would not be seen
anyway (the hundred-thousandth fast operation) is left out here, in one place, and said in ``notes``: a picture that
silently drops what it should show is worse than none. The few operations a verdict is about are never left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from checkers.history import History, Operation, Outcome
from harness.report.lanes import concurrency_of
from harness.report.texts import NS_PER_S, count, counted, duration
from harness.results import RunResult
from nemesis.record import FaultRecord, FaultStatus

BARS_MAX = 20_000
LANES_MAX = 100
BINS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Bar:
    """An operation in its lane. ``latency_ms`` is None when it never returned; ``stop_s`` is then the run's end."""

    operation: Operation
    row: int
    start_s: float
    stop_s: float
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class FaultBar:
    """A fault in its row: when it was in force, or, if it was skipped, when it should have been."""

    record: FaultRecord
    row: int
    start_s: float
    stop_s: float


@dataclass(frozen=True)
class Rate:
    """Operations that ended in each bin of ``bin_s`` seconds, by outcome."""

    bin_s: int
    ok: tuple[int, ...]
    fail: tuple[int, ...]
    info: tuple[int, ...]


@dataclass(frozen=True)
class Timeline:
    """All of it. ``lanes`` are the names of the client rows, ``fault_rows`` those of the fault rows, top down."""

    end_s: float
    lanes: tuple[str, ...]
    bars: tuple[Bar, ...]
    involved: tuple[Bar, ...]
    fault_rows: tuple[str, ...]
    faults: tuple[FaultBar, ...]
    rate: Rate | None
    silence: tuple[float, float] | None
    notes: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Nothing at all can be drawn."""
        return not self.bars and not self.faults


def timeline_of(
    result: RunResult, history: History, involved: Sequence[Operation], concurrency: int | None = None
) -> Timeline:
    """The timeline of a run; ``involved`` are the operations its anomalies are about."""
    operations = history.operations()
    timed = [operation for operation in operations if _is_timed(operation)]
    drawn = _worth_drawing(timed, involved)
    end_s = _end_s(result, timed)
    threads = concurrency or concurrency_of(operations)
    rows = _rows({op.process % threads for op in drawn}, {op.process % threads for op in involved if _is_timed(op)})
    bars = tuple(_bar(op, rows[op.process % threads], end_s) for op in drawn if op.process % threads in rows)
    chosen = {op.invoke_index for op in involved}
    fault_rows, faults = _fault_bars(result.faults, end_s)
    lanes_left_out = len({op.process % threads for op in timed}) - len(rows)
    return Timeline(
        end_s=end_s,
        lanes=tuple(f"client {lane}" for lane in rows),
        bars=bars,
        involved=tuple(bar for bar in bars if bar.operation.invoke_index in chosen),
        fault_rows=fault_rows,
        faults=faults,
        rate=_rate(timed, end_s) if timed else None,
        silence=_silence(result),
        notes=tuple(_notes(len(operations), len(timed), drawn, lanes_left_out)),
    )


def _is_timed(operation: Operation) -> bool:
    if operation.invoke_time is None:
        return False
    return operation.complete_time is not None or operation.outcome is Outcome.INFO


def _end_s(result: RunResult, timed: Sequence[Operation]) -> float:
    last = max((max(op.invoke_time or 0, op.complete_time or 0) for op in timed), default=0)
    for fault in result.faults:
        last = max(last, fault.healed_at or fault.injected_at or fault.planned_until)
    return max(result.duration_s, last / NS_PER_S, 0.001)


def _worth_drawing(timed: Sequence[Operation], involved: Sequence[Operation]) -> Sequence[Operation]:
    """All operations, or the ``BARS_MAX`` that tell most: those involved, info, the slowest, then every nth."""
    if len(timed) <= BARS_MAX:
        return timed
    chosen = {op.invoke_index: op for op in involved if _is_timed(op)}
    for pool, share in (
        ([op for op in timed if op.outcome is Outcome.INFO], BARS_MAX // 4),
        (sorted(timed, key=_waited, reverse=True)[: BARS_MAX // 4], BARS_MAX // 4),
        (timed, BARS_MAX - 2 * (BARS_MAX // 4)),
    ):
        for op in _every_nth(pool, share):
            chosen.setdefault(op.invoke_index, op)
    return [chosen[index] for index in sorted(chosen)]


def _every_nth(pool: Sequence[Operation], number: int) -> Sequence[Operation]:
    if len(pool) <= number:
        return pool
    return [pool[position * len(pool) // number] for position in range(number)]


def _waited(operation: Operation) -> int:
    return (operation.complete_time or 0) - (operation.invoke_time or 0)


def _rows(lanes: set[int], needed: set[int]) -> dict[int, int]:
    """The row of each lane shown, in the order of lanes; at most ``LANES_MAX``, the needed ones first."""
    kept = sorted(lanes, key=lambda lane: (lane not in needed, lane))[: max(LANES_MAX, len(needed))]
    return {lane: row for row, lane in enumerate(sorted(kept))}


def _bar(operation: Operation, row: int, end_s: float) -> Bar:
    start_s = (operation.invoke_time or 0) / NS_PER_S
    if operation.complete_time is None:
        return Bar(operation, row, start_s, end_s, None)
    stop_s = max(start_s, operation.complete_time / NS_PER_S)
    return Bar(operation, row, start_s, stop_s, (stop_s - start_s) * 1000)


def _fault_bars(records: Sequence[FaultRecord], end_s: float) -> tuple[tuple[str, ...], tuple[FaultBar, ...]]:
    """One row a kind, in the order of their first fault; overlapping faults of a kind open another row."""
    kinds = list(dict.fromkeys(record.kind for record in records))
    names: list[str] = []
    bars: list[FaultBar] = []
    for kind in kinds:
        taken_until_s: list[float] = []
        spans = sorted(
            (*fault_span_s(record, end_s), record.number, record) for record in records if record.kind == kind
        )
        for start_s, stop_s, _, record in spans:
            free = [row for row, until_s in enumerate(taken_until_s) if until_s <= start_s]
            row = free[0] if free else len(taken_until_s)
            if not free:
                taken_until_s.append(stop_s)
            taken_until_s[row] = stop_s
            bars.append(FaultBar(record, len(names) + row, start_s, stop_s))
        names += [kind] + [""] * (len(taken_until_s) - 1)
    return tuple(names), tuple(bars)


def fault_span_s(record: FaultRecord, end_s: float) -> tuple[float, float]:
    """When the fault was in force; when it should have been, if it never was."""
    if record.injected_at is None:
        return record.planned_at / NS_PER_S, max(record.planned_at, record.planned_until) / NS_PER_S
    start_s = record.injected_at / NS_PER_S
    return start_s, end_s if record.healed_at is None else max(start_s, record.healed_at / NS_PER_S)


def seconds_under_faults(records: Sequence[FaultRecord], end_s: float) -> float:
    """How long at least one fault was in force."""
    spans = sorted(fault_span_s(r, end_s) for r in records if r.status is not FaultStatus.SKIPPED)
    total_s = covered_until_s = 0.0
    for start_s, stop_s in spans:
        total_s += max(0.0, stop_s - max(start_s, covered_until_s))
        covered_until_s = max(covered_until_s, stop_s)
    return total_s


def _rate(timed: Sequence[Operation], end_s: float) -> Rate:
    bin_s = max(1, -(-int(end_s) // BINS_MAX))
    number = math.ceil(end_s / bin_s)
    bins = {outcome: [0] * number for outcome in Outcome}
    for operation in timed:
        if operation.complete_time is not None:
            place = max(0, operation.complete_time) // (bin_s * NS_PER_S)
            bins[operation.outcome][min(place, number - 1)] += 1
    return Rate(bin_s, tuple(bins[Outcome.OK]), tuple(bins[Outcome.FAIL]), tuple(bins[Outcome.INFO]))


def _silence(result: RunResult) -> tuple[float, float] | None:
    longest = result.unavailability
    return (longest.began_s, longest.began_s + longest.longest_ms / 1000) if longest.longest_ms > 0 else None


def silence_text(span: tuple[float, float]) -> str:
    """The longest unavailability in words."""
    return f"no operation returned ok for {duration((span[1] - span[0]) * 1000)}"


def _notes(total: int, timed: int, drawn: Sequence[Operation], lanes_left_out: int) -> list[str]:
    notes = []
    if total > timed:
        untimed = total - timed
        some = f"{count(untimed)} of {count(total)} operations {'has' if untimed == 1 else 'have'} no recorded times"
        which = some if timed else "No operation has recorded times"
        notes.append(f"{which}, so they cannot be drawn; every count and verdict includes them.")
    if len(drawn) < timed:
        notes.append(
            f"{count(len(drawn))} of {count(timed)} operations are drawn: all that anomalies are about, those that"
            " ended info (thinned out if there are very many), the slowest, and an even sample of the rest."
            " The rate, the cards and every verdict count them all."
        )
    if lanes_left_out > 0:
        notes.append(f"{counted(lanes_left_out, 'client')} beyond the first {LANES_MAX} have no lane here.")
    return notes
