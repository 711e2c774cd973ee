"""What the frontiers and the trace come to: a heartbeat, a detector with its threshold, a time-out and a lease.

Each piece of advice has its reason, in numbers of the trace. A percentile is used only where the trace has at least
``BEYOND_MIN`` samples beyond it: the 99.99th takes a hundred thousand heartbeats. With fewer the highest one that is
supported stands in, and it is said so, with the length of the trace that it would take.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.tuning.quality import NS_PER_H, Quality, frontier
from harness.tuning.trace import MS, Trace

PERCENTILE = 99.99
BEYOND_MIN = 10
SAFETY = 1.5
MISTAKES_PER_HOUR_MAX = 1.0
HEARTBEAT_ROUND_TRIPS = 10
HEARTBEAT_MS_MIN = 10
LEASE_BEATS_MIN = 2
ROUND_TO_MS = 10


@dataclass(frozen=True)
class Support:
    """The percentile that a number of samples supports, and how many samples the wanted one takes."""

    percentile: float
    samples: int
    samples_wanted: int

    @property
    def enough(self) -> bool:
        """True if it is the one that was wanted."""
        return self.percentile >= PERCENTILE


@dataclass(frozen=True)
class Advice:
    """What to set, and why, a sentence each."""

    heartbeat_ms: int
    election_timeout_ms: int
    lease_ms: int
    detector: Quality | None
    support: Support
    reasons: tuple[str, ...]

    @property
    def settings(self) -> dict[str, int | float | str]:
        """The node's settings that say so."""
        settings: dict[str, int | float | str] = {
            "heartbeat_ms": self.heartbeat_ms,
            "election_timeout_ms": self.election_timeout_ms,
            "lease_ms": self.lease_ms,
        }
        if self.detector is not None:
            settings["detector"] = self.detector.detector
            if self.detector.detector != "fixed":
                whole = self.detector.value == int(self.detector.value)
                settings[self.detector.setting] = int(self.detector.value) if whole else self.detector.value
        return settings


def support_of(samples: int) -> Support:
    """Return the highest percentile with enough samples beyond it, the wanted one at most."""
    wanted = math.ceil(BEYOND_MIN / (1 - PERCENTILE / 100) - 1e-6)
    highest = 100 * (1 - BEYOND_MIN / samples) if samples > BEYOND_MIN else 0.0
    return Support(min(PERCENTILE, highest) if samples < wanted else PERCENTILE, samples, wanted)


def advise(trace: Trace, qualities: Sequence[Quality]) -> Advice:
    """Return what a trace and the detectors over it come to."""
    gaps = np.concatenate([beats.gaps for beats in trace.links])
    support = support_of(len(gaps))
    gap_ms = float(np.percentile(gaps, support.percentile)) / MS
    interval_ms = trace.heartbeat / MS
    lateness_ms = max(0.0, gap_ms - interval_ms)
    round_trip_ms = float(np.percentile(trace.round_trips, 99)) / MS if len(trace.round_trips) else 0.0
    reasons = [_heard(trace, gaps, support, gap_ms)]
    heartbeat_ms = _heartbeat(interval_ms, round_trip_ms, reasons)
    least_ms = LEASE_BEATS_MIN * heartbeat_ms + round_trip_ms
    timeout_ms = _up(max(SAFETY * (heartbeat_ms + lateness_ms), least_ms))
    reasons.append(
        f"election_timeout_ms = {timeout_ms}: {SAFETY:g} times the heartbeat and the {support.percentile:.4g}th "
        f"percentile of lateness, {heartbeat_ms} + {lateness_ms:.1f} ms; at least two heartbeats and a round trip"
    )
    lease_ms = _lease(timeout_ms, least_ms, reasons)
    chosen = _detector(qualities, timeout_ms, reasons)
    return Advice(heartbeat_ms, timeout_ms, lease_ms, chosen, support, tuple(reasons))


def _heard(trace: Trace, gaps: np.ndarray[tuple[int, ...], np.dtype[np.int64]], support: Support, gap_ms: float) -> str:
    interval_s = trace.heartbeat / MS / 1_000
    text = (
        f"{len(gaps)} gaps between heartbeats: the {support.percentile:.4g}th percentile is {gap_ms:.1f} ms, "
        f"the longest {gaps.max() / MS:.1f} ms"
    )
    if support.enough:
        return text
    wanted_s = support.samples_wanted * interval_s
    return (
        f"{text}; the trace is too short for the {PERCENTILE:g}th, which takes {support.samples_wanted} heartbeats "
        f"({wanted_s / 60:.0f} min at this heartbeat): what follows rests on the one that it supports, and may be too "
        f"short"
    )


def _heartbeat(interval_ms: float, round_trip_ms: float, reasons: list[str]) -> int:
    if not round_trip_ms:
        reasons.append(f"heartbeat_ms = {interval_ms:g}: as recorded, because no round trips were")
        return round(interval_ms)
    least = max(HEARTBEAT_MS_MIN, _up(HEARTBEAT_ROUND_TRIPS * round_trip_ms))
    if least > interval_ms:
        reasons.append(
            f"heartbeat_ms = {least}: {HEARTBEAT_ROUND_TRIPS} round trips of {round_trip_ms:.2f} ms (99th percentile); "
            f"the recorded {interval_ms:g} ms leave too little between a beat and its answer"
        )
        return least
    reasons.append(
        f"heartbeat_ms = {interval_ms:g}: as recorded; {least} would be the least that the round trips allow "
        f"({HEARTBEAT_ROUND_TRIPS} of {round_trip_ms:.2f} ms, the 99th percentile)"
    )
    return round(interval_ms)


def _lease(timeout_ms: int, least: float, reasons: list[str]) -> int:
    lease_ms = min(timeout_ms, max(_up(least), timeout_ms * 3 // 4 // ROUND_TO_MS * ROUND_TO_MS))
    reasons.append(
        f"lease_ms = {lease_ms}: at least two heartbeats and a round trip, {least:.1f} ms, so that one lost beat does "
        f"not end it; and no longer than the time-out, because nobody can be elected before it is over"
    )
    return lease_ms


def _detector(qualities: Sequence[Quality], timeout_ms: int, reasons: list[str]) -> Quality | None:
    good = [one for one in frontier(qualities, p99=True) if one.rate_at_most <= MISTAKES_PER_HOUR_MAX]
    if not good:
        hours = max((one.hours for one in qualities), default=0.0)
        few = frontier(qualities)[-1] if qualities else None
        why = (
            f"{3 / MISTAKES_PER_HOUR_MAX:g} hours without one would show that it is at most one an hour, "
            f"and the trace has {hours:.2f}"
            if few is not None and not few.mistakes
            else f"none makes fewer than {MISTAKES_PER_HOUR_MAX:g} mistakes an hour over this trace"
        )
        reasons.append(f"no detector is recommended for its rate of mistakes: {why}")
        return None
    best = good[0]
    reasons.append(
        f"{best.detector} with {best.setting} = {best.value:g}: of those with {MISTAKES_PER_HOUR_MAX:g} mistake "
        f"an hour or fewer the quickest, {best.detection_mean_ms:.0f} ms to detect a crash (99th percentile "
        f"{best.detection_p99_ms:.0f} ms); never later than election_timeout_ms = {timeout_ms} after one"
    )
    return best


def _up(value_ms: float) -> int:
    return math.ceil(value_ms / ROUND_TO_MS - 1e-9) * ROUND_TO_MS


def hours_of(trace: Trace) -> float:
    """Return how long all links were watched together."""
    return sum(beats.length for beats in trace.links) / NS_PER_H
