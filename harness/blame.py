"""Which faults were active when something went wrong.

A checker knows the window of time in which, say, a commit was lost; the nemesis knows from when to when each fault was
in force. Put together they are the first thing that one wants to know of a loss. It is no proof of a cause: a fault
that was over may have prepared what a later one brought out.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.results import Anomaly, CheckerResult
from nemesis.record import FaultRecord, FaultStatus


def active(window: tuple[int, int], faults: Sequence[FaultRecord]) -> tuple[str, ...]:
    """The faults in force at any moment of a window (ns since the run's start), in words, by their numbers.

    A fault that was never healed is in force to the end; one that was skipped never is.
    """
    start, stop = window
    return tuple(
        f"#{record.number} {record.what}"
        for record in sorted(faults, key=lambda record: record.number)
        if record.injected_at is not None
        and record.status is not FaultStatus.SKIPPED
        and record.injected_at <= stop
        and (record.healed_at is None or record.healed_at >= start)
    )


def with_faults(result: CheckerResult, faults: Sequence[FaultRecord]) -> CheckerResult:
    """The same result, with the faults active in the window of each anomaly and note that has one."""
    return msgspec.structs.replace(
        result,
        anomalies=tuple(_told(anomaly, faults) for anomaly in result.anomalies),
        notes=tuple(_told(note, faults) for note in result.notes),
    )


def sentence(anomaly: Anomaly) -> str:
    """When it happened and under which faults; nothing of an anomaly whose window is not known."""
    if anomaly.window is None:
        return ""
    start, stop = anomaly.window
    under = ", ".join(anomaly.during) if anomaly.during else "no fault"
    return f"{anomaly.kind} between {start / 1e9:.3f} s and {stop / 1e9:.3f} s, under {under}"


def _told(anomaly: Anomaly, faults: Sequence[FaultRecord]) -> Anomaly:
    if anomaly.window is None:
        return anomaly
    return msgspec.structs.replace(anomaly, during=active(anomaly.window, faults))
