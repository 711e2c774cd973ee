"""What the page shows beyond the run's own records: everything that is worked out from them.

The template may read the run's result as it is; whatever takes more than looking it up (which operations an anomaly
means, what to zoom to, how much was exercised) is made here, as frozen data that a test can look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checkers.history import History, Operation
from harness.report.diagram import Diagram, diagram_of
from harness.report.texts import NS_PER_S, count, counted, duration, seconds, value_of, value_text
from harness.report.timeline import Timeline, fault_span_s, seconds_under_faults, silence_text
from harness.results import Anomaly, CheckerResult, OperationCounts, RunResult, RunVerdict
from nemesis.record import FaultRecord, FaultStatus

ANOMALIES_OPEN = 4
"""Anomalies shown at once; the rest are a click away."""


@dataclass(frozen=True)
class Banner:
    """The verdict as an icon (a path in a 24 × 24 box), a word, and a class for its colour."""

    word: str
    icon: str
    tone: str


_ROUND = "M12 1a11 11 0 1 0 0 22 11 11 0 0 0 0-22z"
_OCTAGON = "M7.5 1h9L23 7.5v9L16.5 23h-9L1 16.5v-9z"
_TRIANGLE = "M12 1 23.5 22H.5z"
_SQUARE = "M2 2h20v20H2z"
_EXCLAMATION = "M10.9 8h2.2v6.5h-2.2zm0 8.3h2.2v2.2h-2.2z"

BANNERS = {
    RunVerdict.VALID: Banner("VALID", f"{_ROUND}M10.3 17.4 5.2 12.3l1.7-1.7 3.4 3.4 6.8-6.8 1.7 1.7z", "valid"),
    RunVerdict.VIOLATION: Banner(
        "VIOLATION",
        f"{_OCTAGON}M7.7 6 12 10.3 16.3 6 18 7.7 13.7 12l4.3 4.3-1.7 1.7-4.3-4.3L7.7 18 6 16.3l4.3-4.3L6 7.7z",
        "invalid",
    ),
    RunVerdict.UNKNOWN: Banner(
        "UNKNOWN",
        f"{_ROUND}M10.9 16.8h2.2V19h-2.2zM8 9.2C8 6.8 9.7 5 12 5s4 1.6 4 3.9c0 2.7-2.9 3.1-2.9 6.2"
        "h-2.2c0-4 2.9-4.3 2.9-6.2 0-1-.7-1.8-1.8-1.8s-1.8.8-1.8 2.1z",
        "unknown",
    ),
    RunVerdict.FAULTS_NOT_MET: Banner("FAULTS NOT MET", f"{_TRIANGLE}{_EXCLAMATION}", "unknown"),
    RunVerdict.HARNESS_FAILURE: Banner("HARNESS FAILURE", f"{_SQUARE}{_EXCLAMATION}", "failure"),
}


@dataclass(frozen=True)
class Zoom:
    """A part of the timeline, in seconds."""

    start_s: float
    stop_s: float


@dataclass(frozen=True)
class OperationRow:
    """An operation of an anomaly, in words."""

    process: int
    f: str
    key: str
    value: str
    invoked: str
    returned: str
    outcome: str
    error: str


@dataclass(frozen=True)
class AnomalyView:
    """An anomaly with its operations; ``during`` are the faults in force at the time."""

    number: int
    checker: str
    kind: str
    sentence: str
    key: str
    rows: tuple[OperationRow, ...]
    missing: tuple[int, ...]
    zoom: Zoom | None
    diagram: Diagram | None
    during: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """A number worth seeing first, with what belongs to it."""

    title: str
    value: str
    lines: tuple[str, ...]
    zoom: Zoom | None = None


@dataclass(frozen=True)
class FaultRow:
    """A fault of the table, in words."""

    record: FaultRecord
    planned: str
    in_force: str
    healed: str
    zoom: Zoom | None


class Lookup:
    """Finds operations by the index of either of their events."""

    def __init__(self, history: History) -> None:
        self._by_index: dict[int, Operation] = {}
        for operation in history.operations():
            self._by_index[operation.invoke_index] = operation
            if operation.complete_index is not None:
                self._by_index[operation.complete_index] = operation

    def operations(self, anomaly: Anomaly) -> tuple[Operation, ...]:
        """The operations of an anomaly, each once, in the order of invocation."""
        found = {op.invoke_index: op for index in anomaly.operations if (op := self._by_index.get(index)) is not None}
        return tuple(found[index] for index in sorted(found))

    def missing(self, anomaly: Anomaly) -> tuple[int, ...]:
        """Indices which the history does not have."""
        return tuple(index for index in anomaly.operations if index not in self._by_index)


def involved_operations(result: RunResult, lookup: Lookup) -> tuple[Operation, ...]:
    """Every operation that some anomaly is about, each once."""
    found = {
        op.invoke_index: op
        for checker in result.checkers
        for anomaly in checker.anomalies
        for op in lookup.operations(anomaly)
    }
    return tuple(found[index] for index in sorted(found))


def anomalies_of(result: RunResult, lookup: Lookup, end_s: float) -> tuple[AnomalyView, ...]:
    """All anomalies of all checkers, numbered from 1."""
    pairs = [(checker, anomaly) for checker in result.checkers for anomaly in checker.anomalies]
    return tuple(
        _anomaly(number, checker, anomaly, result.faults, lookup, end_s)
        for number, (checker, anomaly) in enumerate(pairs, start=1)
    )


def _anomaly(
    number: int,
    checker: CheckerResult,
    anomaly: Anomaly,
    faults: Sequence[FaultRecord],
    lookup: Lookup,
    end_s: float,
) -> AnomalyView:
    operations = lookup.operations(anomaly)
    span = _span(operations)
    window = span if anomaly.window is None else Zoom(*(moment / NS_PER_S for moment in anomaly.window))
    return AnomalyView(
        number=number,
        checker=checker.name,
        kind=anomaly.kind,
        sentence=anomaly.sentence,
        key="" if anomaly.key is None else anomaly.key,
        rows=tuple(_operation_row(operation) for operation in operations),
        missing=lookup.missing(anomaly),
        zoom=None if span is None else _zoom(span, end_s),
        diagram=diagram_of(operations),
        during=() if window is None else _in_force(faults, window, end_s),
    )


def _operation_row(operation: Operation) -> OperationRow:
    return OperationRow(
        process=operation.process,
        f=operation.f,
        key="" if operation.key is None else value_text(operation.key),
        value=value_of(operation),
        invoked=seconds(operation.invoke_time),
        returned="never" if operation.complete_index is None else seconds(operation.complete_time),
        outcome=operation.outcome.value,
        error=operation.error or "",
    )


def _span(operations: Sequence[Operation]) -> Zoom | None:
    times = [time / NS_PER_S for op in operations for time in (op.invoke_time, op.complete_time) if time is not None]
    return Zoom(min(times), max(times)) if times else None


def _zoom(span: Zoom, end_s: float) -> Zoom:
    """The span with some room on both sides."""
    room_s = max((span.stop_s - span.start_s) * 0.25, 0.002)
    return Zoom(max(0.0, span.start_s - room_s), min(end_s, span.stop_s + room_s))


def _in_force(faults: Sequence[FaultRecord], span: Zoom, end_s: float) -> tuple[str, ...]:
    found = []
    for fault in faults:
        start_s, stop_s = fault_span_s(fault, end_s)
        if fault.injected_at is not None and start_s <= span.stop_s and span.start_s <= stop_s:
            found.append(f"#{fault.number} {fault.what}")
    return tuple(found)


def cards_of(result: RunResult, timeline: Timeline) -> tuple[Card, ...]:
    """The cards about the run itself; those about its checkers are the template's."""
    return (
        _operations_card(result.operations),
        _latency_card(result),
        _silence_card(result),
        _faults_card(result, timeline),
    )


def _operations_card(operations: OperationCounts) -> Card:
    total = operations.ok + operations.fail + operations.info
    lines = (
        f"{count(operations.ok)} ok",
        f"{count(operations.fail)} fail: did not happen",
        f"{count(operations.info)} info: may or may not have happened",
    )
    return Card("Operations", count(total), lines if total else ("no operation was recorded",))


def _latency_card(result: RunResult) -> Card:
    latency = result.latency
    if not result.operations.ok:
        return Card("Latency", "none", ("no operation returned ok",))
    lines = (
        f"p95 {duration(latency.p95_ms)}",
        f"p99 {duration(latency.p99_ms)}",
        f"max {duration(latency.max_ms)}",
        "of operations that returned ok",
    )
    return Card("Latency, p50", duration(latency.p50_ms), lines)


def _silence_card(result: RunResult) -> Card:
    longest = result.unavailability
    title = "Longest unavailability"
    if longest.longest_ms <= 0:
        return Card(title, "none", ("no time without an ok answer was measured",))
    stop_s = longest.began_s + longest.longest_ms / 1000
    zoom = _zoom(Zoom(longest.began_s, stop_s), max(stop_s, result.duration_s))
    lines = (silence_text((longest.began_s, stop_s)), f"from {longest.began_s:,.3f} s to {stop_s:,.3f} s")
    return Card(title, duration(longest.longest_ms), lines, zoom)


def _faults_card(result: RunResult, timeline: Timeline) -> Card:
    if not result.faults:
        return Card("Faults", "none", ("the plan had no faults",))
    by_status = {status: sum(fault.status is status for fault in result.faults) for status in FaultStatus}
    under_s = seconds_under_faults(result.faults, timeline.end_s)
    lines = (
        f"{count(by_status[FaultStatus.INSTALLED])} installed: effect observed",
        f"{count(by_status[FaultStatus.SKIPPED])} skipped",
        f"{count(by_status[FaultStatus.INDETERMINATE])} indeterminate",
        f"{count(sum(fault.hit_leader for fault in result.faults))} hit the leader",
        f"in force for {under_s:,.1f} s of {timeline.end_s:,.1f} s",
    )
    unhealed = sum(not fault.healed for fault in result.faults)
    more = (f"{counted(unhealed, 'fault')} NOT HEALED",) if unhealed else ()
    return Card("Faults", count(len(result.faults)), lines + more)


def fault_rows_of(faults: Sequence[FaultRecord], end_s: float) -> tuple[FaultRow, ...]:
    """The table of faults, by number."""
    return tuple(_fault_row(fault, end_s) for fault in sorted(faults, key=lambda fault: fault.number))


def _fault_row(fault: FaultRecord, end_s: float) -> FaultRow:
    start_s, stop_s = fault_span_s(fault, end_s)
    if fault.injected_at is None:
        in_force = "never injected"
    elif fault.healed_at is None:
        in_force = f"{seconds(fault.injected_at)} to the end"
    else:
        in_force = f"{seconds(fault.injected_at)} to {seconds(fault.healed_at)}"
    return FaultRow(
        record=fault,
        planned=f"{seconds(fault.planned_at)} to {seconds(fault.planned_until)}",
        in_force=in_force,
        healed=_healed(fault),
        zoom=_zoom(Zoom(start_s, stop_s), max(end_s, stop_s)),
    )


def _healed(fault: FaultRecord) -> str:
    if fault.injected_at is None and fault.healed:
        return "nothing to heal"
    return "yes" if fault.healed else "NO"
