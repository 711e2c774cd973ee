"""Failure detectors: from the times at which a leader was heard, until when its silence means nothing.

A detector is asked one question: given what was heard, and when, from when on is the leader suspected? All of them can
answer it at the moment of an arrival, in advance, so a step that asks "is it suspected now?" costs one comparison:

``fixed``            a time-out after the last arrival.
``phi``              phi accrual (Hayashibara, Défago, Yared and Katayama, *The φ Accrual Failure Detector*, SRDS 2004):
                     phi is -log10 of the chance that the next sign of life comes later than now, if gaps are normal
                     with the mean and deviation of a window of gaps. The leader is suspected when phi reaches the
                     threshold. As everybody who runs it has found, it needs a least deviation (a quiet network has
                     next to none, and then a hiccup is "impossible") and a pause that is acceptable at any time: gaps
                     are not normal, a lost beat doubles one.
``phi-exponential``  the same with exponential gaps, as Cassandra has it: phi is proportional to the silence.
``nfd-e``            NFD-E of Chen, Toueg and Aguilera (*On the Quality of Service of Failure Detectors*, IEEE
                     Transactions on Computers, 2002): the next beat is expected when the beats of a window have come,
                     on the average, after they were sent; it is suspected ``alpha`` after that. A late beat does not
                     move the date of the next one, which is what the other three get wrong. The sender's times are on
                     its own clock, whose offset is part of the average, so clocks need not agree.

Times are integer nanoseconds, and sums are exact: the same arrivals give the same answer on every machine. What is
irrational, how many deviations a threshold is, is computed once, and rounded to a millionth.

Which arrivals are samples (bursts, outages and the observer's own pauses are not) is ``node.paxos.election``'s.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

from node.paxos.config import MILLION, MS, Config

LN_10 = math.log(10)
_SERIES_FROM = 5.0
_SERIES_TERMS = 40
_DEVIATIONS_MAX = 1e5


class Detector(Protocol):
    """What tells a slow leader from a dead one; times in ns."""

    @property
    def patience(self) -> int:
        """For how long after a sign of life that is no sample silence means nothing."""

    @property
    def samples(self) -> int:
        """How many samples the answers rest on now."""

    def beat(self, now: int, gap: int, sent_at: int | None) -> int:
        """Take a sample: heard ``gap`` after the one before, and sent at ``sent_at`` on its sender's clock, if known.

        Returns from when on the leader is suspected, if nothing else is heard.
        """

    def another_leader(self) -> None:
        """Whoever is heard from now on has another clock."""


class FixedTimeout:
    """Suspects after a time-out."""

    def __init__(self, timeout: int) -> None:
        self.patience = timeout
        self.samples = 0

    def beat(self, now: int, gap: int, sent_at: int | None) -> int:
        """Learn nothing."""
        del gap, sent_at
        self.samples += 1
        return now + self.patience

    def another_leader(self) -> None:
        """A time-out is a time-out."""


class Window:
    """The last so many numbers, with their exact sum and sum of squares."""

    __slots__ = ("_numbers", "squares", "total")

    def __init__(self, size: int) -> None:
        self._numbers: deque[int] = deque(maxlen=size)
        self.total = 0
        self.squares = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int) -> None:
        """Take a number in; the oldest makes room for it."""
        if len(self._numbers) == self._numbers.maxlen:
            oldest = self._numbers[0]
            self.total -= oldest
            self.squares -= oldest * oldest
        self._numbers.append(number)
        self.total += number
        self.squares += number * number

    def clear(self) -> None:
        """Forget all."""
        self._numbers.clear()
        self.total = self.squares = 0

    @property
    def mean(self) -> int:
        """The mean, rounded down."""
        return self.total // len(self._numbers)

    @property
    def deviation(self) -> int:
        """The standard deviation, rounded down."""
        count = len(self._numbers)
        return math.isqrt(count * self.squares - self.total * self.total) // count


class PhiNormal:
    """Phi accrual over normal gaps, with a least deviation and an acceptable pause."""

    def __init__(self, threshold: float, window: int, deviation_min: int, pause: int) -> None:
        self._gaps = Window(window)
        self._deviation_min = deviation_min
        self._pause = pause
        self._deviations_ppm = round(normal_deviations(threshold) * MILLION)
        self.patience = 0

    @property
    def samples(self) -> int:
        """How many gaps are in the window."""
        return len(self._gaps)

    def beat(self, now: int, gap: int, sent_at: int | None) -> int:
        """Take the gap in."""
        del sent_at
        self._gaps.add(gap)
        spread = max(self._gaps.deviation, self._deviation_min)
        self.patience = self._gaps.mean + self._pause + spread * self._deviations_ppm // MILLION
        return now + self.patience

    def phi(self, silence: int) -> float:
        """Return phi after a silence; there must be samples."""
        spread = max(self._gaps.deviation, self._deviation_min, 1)
        return -normal_tail_log10((silence - self._gaps.mean - self._pause) / spread)

    def another_leader(self) -> None:
        """Gaps are what this node's network makes of any leader's beats: keep them."""


class PhiExponential:
    """Phi accrual over exponential gaps: phi = silence / (mean ln 10)."""

    def __init__(self, threshold: float, window: int) -> None:
        self._gaps = Window(window)
        self._means_ppm = round(threshold * LN_10 * MILLION)
        self.patience = 0

    @property
    def samples(self) -> int:
        """How many gaps are in the window."""
        return len(self._gaps)

    def beat(self, now: int, gap: int, sent_at: int | None) -> int:
        """Take the gap in."""
        del sent_at
        self._gaps.add(gap)
        self.patience = self._gaps.total * self._means_ppm // (len(self._gaps) * MILLION)
        return now + self.patience

    def phi(self, silence: int) -> float:
        """Return phi after a silence; there must be samples."""
        return silence * len(self._gaps) / (max(self._gaps.total, 1) * LN_10)

    def another_leader(self) -> None:
        """Gaps are what this node's network makes of any leader's beats: keep them."""


class NfdE:
    """Chen's NFD-E: the expected arrival of the next beat, plus alpha.

    A sign of life that does not tell when it was sent is one all the same: the next comes a heartbeat later.
    """

    def __init__(self, heartbeat: int, alpha: int, window: int) -> None:
        self._delays = Window(window)
        self.patience = heartbeat + alpha
        self.samples = 0

    def beat(self, now: int, gap: int, sent_at: int | None) -> int:
        """Take the arrival in."""
        del gap
        self.samples += 1
        if sent_at is None:
            return now + self.patience
        self._delays.add(now - sent_at)
        return sent_at + self._delays.mean + self.patience

    def another_leader(self) -> None:
        """Another clock, another offset: begin anew."""
        self._delays.clear()
        self.samples = 0


def detector(config: Config) -> Detector:
    """Return the detector that a configuration asks for."""
    match config.detector:
        case "fixed":
            return FixedTimeout(config.election_timeout_ms * MS)
        case "phi":
            return PhiNormal(
                config.phi_threshold,
                config.detector_window,
                config.phi_deviation_min_ms * MS,
                config.phi_pause_ms * MS,
            )
        case "phi-exponential":
            return PhiExponential(config.phi_exponential_threshold, config.detector_window)
        case "nfd-e":
            return NfdE(config.heartbeat_ms * MS, config.nfd_alpha_ms * MS, config.detector_window)


def normal_tail_log10(deviations: float) -> float:
    """Return log10 of the chance that a normal variable is more than so many deviations above its mean.

    Never overflows, and is finite where the chance itself is 0 as a float (from 38 deviations on): there it is the
    density over a continued fraction (Abramowitz and Stegun, 26.2.14), whose logarithm is taken term by term.
    """
    if deviations < _SERIES_FROM:
        return math.log10(math.erfc(deviations / math.sqrt(2)) / 2)
    fraction = deviations
    for term in range(_SERIES_TERMS, 0, -1):
        fraction = deviations + term / fraction
    return -(deviations * deviations / 2 + math.log(2 * math.pi) / 2 + math.log(fraction)) / LN_10


def normal_deviations(threshold: float) -> float:
    """Return how many deviations above the mean phi reaches a threshold: the inverse of ``-normal_tail_log10``."""
    low, high = -_SERIES_FROM, _DEVIATIONS_MAX
    while high - low > 1e-9 * max(1.0, abs(high)):
        middle = (low + high) / 2
        if -normal_tail_log10(middle) < threshold:
            low = middle
        else:
            high = middle
    return high
