"""Every detector over the same arrivals: how soon it would notice a crash, and how often it cries wolf.

Of one detector with one setting, over one link's heartbeats (Chen, Toueg and Aguilera 2002, section 2):

- *detection time* T_D: from a crash to the suspicion that stays. No node need crash for it: after each heartbeat that
  arrived it is known until when the detector would have waited, so a crash right after that beat was sent is injected
  on paper. The sender's clock is laid over the receiver's by the quickest heartbeat, which is taken to have come in no
  time; what that took is missing from T_D.
- *mistakes*: the detector suspects (an S-transition) and a heartbeat comes after all (a T-transition). T_M is how long
  a mistake lasts, T_MR the time from one to the next, lambda_M = 1 / E[T_MR] their rate.
- *query accuracy* P_A: the share of time in which it is right, that is, does not suspect.

For all four detectors the time of suspicion is a straight line in the setting that is swept: so the state that a
detector is in after each heartbeat (its window's mean and deviation, computed by the node's own ``Window``) is computed
once, and a sweep is arithmetic on arrays. That the arrays say what ``node.paxos.detector`` does is a property test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.tuning.trace import MS, Beats, Times
from node.paxos.config import MILLION
from node.paxos.detector import LN_10, Window, normal_deviations

NS_PER_H = 3.6e12


@dataclass(frozen=True)
class Quality:
    """One detector with one setting: times in ms, mistakes an hour."""

    detector: str
    setting: str
    value: float
    detection_mean_ms: float
    detection_p99_ms: float
    mistakes: int
    mistakes_per_hour: float
    mistake_mean_ms: float
    query_accuracy: float
    hours: float

    @property
    def rate_at_most(self) -> float:
        """With 95 % confidence the rate is no more than this: three over the time, if there were none at all."""
        return self.mistakes_per_hour if self.mistakes else 3 / self.hours


@dataclass(frozen=True)
class Shape:
    """At what the settings are held that are not swept; times in ns."""

    window: int = 200
    deviation_min: int = 10 * MS
    pause: int = 100 * MS


class Watched:
    """One link's heartbeats, and the state that a detector is in after each but the first."""

    def __init__(self, beats: Beats, heartbeat: int, shape: Shape) -> None:
        self.beats = beats
        self.heartbeat = heartbeat
        self.shape = shape
        self.arrived = beats.arrived[1:]
        self.sent = beats.sent[1:]
        self.gap_means, deviations = states(beats.gaps, shape.window)
        self.deviations: Times = np.maximum(deviations, shape.deviation_min)
        self.delay_means, _ = states(self.arrived - self.sent, shape.window)


@dataclass(frozen=True)
class Sweep:
    """A detector, the setting that is swept, its values, and until when it waits after each arrival but the first."""

    detector: str
    setting: str
    values: tuple[float, ...]
    deadlines: Callable[[Watched, float], Times]


def sweeps(heartbeat: int) -> tuple[Sweep, ...]:
    """Return the sweeps of all four detectors, from little more than a heartbeat's patience to forty."""
    span = tuple(float(round(value)) for value in np.geomspace(0.3, 38, 40) * heartbeat / MS)
    return (
        Sweep("fixed", "election_timeout_ms", tuple(value + heartbeat / MS for value in span), fixed_deadlines),
        Sweep("nfd-e", "nfd_alpha_ms", span, nfd_deadlines),
        Sweep("phi", "phi_threshold", _thresholds(300), phi_deadlines),
        Sweep("phi-exponential", "phi_exponential_threshold", _thresholds(20), exponential_deadlines),
    )


def _thresholds(highest: float) -> tuple[float, ...]:
    return tuple(round(float(value), 2) for value in np.geomspace(0.5, highest, 40))


def fixed_deadlines(watched: Watched, timeout_ms: float) -> Times:
    """The arrival and the time-out."""
    return watched.arrived + int(timeout_ms * MS)


def nfd_deadlines(watched: Watched, alpha_ms: float) -> Times:
    """The expected arrival of the next beat, and alpha."""
    return watched.sent + watched.delay_means + watched.heartbeat + int(alpha_ms * MS)


def phi_deadlines(watched: Watched, threshold: float) -> Times:
    """The arrival, the mean gap, the pause, and as many deviations as the threshold is."""
    deviations: Times = watched.deviations * round(normal_deviations(threshold) * MILLION) // MILLION
    return watched.arrived + watched.gap_means + watched.shape.pause + deviations


def exponential_deadlines(watched: Watched, threshold: float) -> Times:
    """The arrival, and as many mean gaps as the threshold is."""
    patience: Times = (watched.gap_means * (threshold * LN_10)).astype(np.int64)
    return watched.arrived + patience


def states(numbers: Times, size: int) -> tuple[Times, Times]:
    """Return a window's mean and deviation after each number."""
    window = Window(size)
    means, deviations = [], []
    for number in numbers.tolist():
        window.add(number)
        means.append(window.mean)
        deviations.append(window.deviation)
    return np.array(means, dtype=np.int64), np.array(deviations, dtype=np.int64)


# -- what that comes to -----------------------------------------------------------------------------------------------


def measure(sweep: Sweep, links: Sequence[Watched]) -> list[Quality]:
    """Return what each value of a sweep comes to, over all links together."""
    return [_measured(sweep, value, links) for value in sweep.values]


def _measured(sweep: Sweep, value: float, links: Sequence[Watched]) -> Quality:
    detections, mistakes, wrong, watched = [], 0, 0, 0
    for link in links:
        deadlines = sweep.deadlines(link, value)
        detections.append(detection_times(link.beats, deadlines))
        begun, lasted = mistakes_of(link.arrived, deadlines)
        mistakes += begun
        wrong += lasted
        watched += int(link.arrived[-1] - link.arrived[0])
    detected = np.concatenate(detections) / MS
    return Quality(
        sweep.detector,
        sweep.setting,
        value,
        float(detected.mean()),
        float(np.percentile(detected, 99)),
        mistakes,
        mistakes * NS_PER_H / watched,
        wrong / mistakes / MS if mistakes else 0.0,
        1 - wrong / watched,
        watched / NS_PER_H,
    )


def detection_times(beats: Beats, deadlines: Times) -> Times:
    """Return T_D of a crash right after each heartbeat but the first: from its sending to the suspicion that stays."""
    offset = int((beats.arrived - beats.sent).min())
    return np.maximum(deadlines, beats.arrived[1:]) - (beats.sent[1:] + offset)


def mistakes_of(arrived: Times, deadlines: Times) -> tuple[int, int]:
    """Return how many mistakes there were between the first arrival and the last, and how long they were together.

    A heartbeat that comes when the next one is overdue already does not end a mistake.
    """
    until = np.maximum(deadlines[:-1], arrived[:-1])
    suspected = until < arrived[1:]
    lasted = int((arrived[1:] - until)[suspected].sum())
    goes_on = suspected[1:] & suspected[:-1] & (deadlines[1:-1] <= arrived[1:-1])
    return int(suspected.sum()) - int(goes_on.sum()), lasted


def frontier(qualities: Sequence[Quality], p99: bool = False) -> list[Quality]:
    """Return those that no other beats in both detection time and rate of mistakes, the quickest first."""
    best, least = [], math.inf
    for quality in sorted(qualities, key=lambda one: (_time(one, p99), one.mistakes_per_hour)):
        if quality.mistakes_per_hour < least:
            best.append(quality)
            least = quality.mistakes_per_hour
    return best


def _time(quality: Quality, p99: bool) -> float:
    return quality.detection_p99_ms if p99 else quality.detection_mean_ms
