"""How late a frame is: distributions in whole nanoseconds, the same on every machine.

Every distribution lies within its bounds, from ``low`` to ``high``, ``width = high - low``:

- *uniform*: each nanosecond alike;
- *normal*: the mean of twelve even draws: mean in the middle, standard deviation width / 12;
- *exponential*: ``low + E``, E exponential of mean width / 8 and cut at the width, which one frame in 3 000 meets;
- *pareto*: the heavy tail, ``low + s·u / (1 - u)`` with u even in [0, 1) and s = width / 64, cut at the width: one
  frame in k is later than k - 1 times the median s, and one in 65 is as late as it gets (a Lomax law of shape 1).

Nothing is a float on its way: the exponential is read from a table that decimal arithmetic made, as tc-netem's are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum

PPM = 1_000_000
_MEANS = 8
_CELLS = 1_024
_DIGITS = Context(prec=20)
_EXPONENTIAL = (
    *(int(-_DIGITS.ln(Decimal(_CELLS - cell) / _CELLS) * PPM) for cell in range(_CELLS)),
    _MEANS * PPM,
)
"""The inverse of the exponential's distribution at even steps, in millionths of its mean."""
_PARETO_SCALE = 64
_EVEN_DRAWS = 12


class Distribution(StrEnum):
    """How delays lie between their bounds."""

    UNIFORM = "uniform"
    NORMAL = "normal"
    EXPONENTIAL = "exponential"
    PARETO = "pareto"


@dataclass(frozen=True, slots=True)
class Delay:
    """A delay between two bounds (ns)."""

    low: int
    high: int
    distribution: Distribution = Distribution.UNIFORM


def draw(delay: Delay, below: Callable[[int], int]) -> int:
    """Return how late the next frame is; ``below(n)`` draws an integer in [0, n)."""
    width = delay.high - delay.low
    match delay.distribution:
        case Distribution.UNIFORM:
            return delay.low + below(width + 1)
        case Distribution.NORMAL:
            return delay.low + sum(below(width + 1) for _ in range(_EVEN_DRAWS)) // _EVEN_DRAWS
        case Distribution.EXPONENTIAL:
            cell, rest = divmod(below(PPM) * _CELLS, PPM)
            begin, end = _EXPONENTIAL[cell], _EXPONENTIAL[cell + 1]
            return delay.low + width * (begin + (end - begin) * rest // PPM) // (_MEANS * PPM)
        case Distribution.PARETO:
            even = below(PPM)
            return delay.low + min(width, width * even // (_PARETO_SCALE * (PPM - even)))
