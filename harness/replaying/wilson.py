"""How sure a rate is that was measured in a few trials: Wilson's score interval.

E. B. Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, Journal of the American
Statistical Association 22 (1927), 209–212. The interval holds every rate p whose distance from the measured one is at
most z of p's own standard deviations: the solutions of

    (k/n − p)² = z² p (1 − p) / n

Unlike the interval around k/n that school teaches, it means something for three replays, or when all of them fail.
"""

from __future__ import annotations

import math
from typing import NamedTuple

Z_95 = 1.959963984540054
"""The standard normal distribution has 2.5 % above it: an interval of 95 %."""


class Interval(NamedTuple):
    """The rates that are plausible."""

    low: float
    high: float


def wilson(successes: int, trials: int, z: float = Z_95) -> Interval:
    """Return the interval of the rate behind so many successes; with no trials, every rate is plausible."""
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if trials == 0:
        return Interval(0.0, 1.0)
    rate, weight = successes / trials, z * z / trials
    middle = (rate + weight / 2) / (1 + weight)
    half = z * math.sqrt(rate * (1 - rate) / trials + weight / (4 * trials)) / (1 + weight)
    # in exact arithmetic the ends are 0 and 1 there; elsewhere rounding must not take the measured rate out
    low = 0.0 if successes == 0 else max(0.0, min(rate, middle - half))
    high = 1.0 if successes == trials else min(1.0, max(rate, middle + half))
    return Interval(low, high)
