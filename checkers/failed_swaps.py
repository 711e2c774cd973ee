"""Compare-and-swaps that failed, as observations: at some moment of each, the register held another value.

Zones put clusters in an order; what is left free is the moment at which each value takes the previous one's place. In a
given order that moment has an earliest bound (whatever concerns an earlier value must have begun, and the value's
producer too) and a latest one (nothing that concerns it or a later value may be over). A swap from u that failed fits
if u came only after it had begun, or was gone before it was over. It is certain not to fit where the value was current
all along, between two operations that met it: then it is a contradiction in any order (``all_along``). Otherwise the
moments are put as early as they can be, from the last to the first: a swap that was over before u can have gone pushes
u's coming behind its own beginning, and nothing else has to move.

Where that cannot be, what ended info and brought a value that nobody saw may help: it may have taken u away, once all
that met u had begun, if no swap goes on from u. A swap from u helps u alone. A write helps any value but only one, so
there must be as many that began in time as there are values that need one by then.

``misfits`` tells where an order does not do; its cost is a sort. There may be another order, or another use of what
ended info, which is for the general search to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from checkers.columns import Flags, Integers, running_maximum

_NEVER: Final = 2**62
"""When the last value goes, or one may be taken away that a swap goes on from."""


@dataclass(frozen=True, slots=True)
class Absences:
    """Swaps that failed, by row: the cluster whose value was absent, and when they began and were over."""

    cluster: Integers
    begun: Integers
    over: Integers

    def __len__(self) -> int:
        return len(self.cluster)


@dataclass(frozen=True, slots=True)
class Order:
    """Clusters in an order, register by register, with what bounds them.

    ``made`` is when the producer of the value began; the initial value of a register, which comes first, has -1 for
    that and for everything else. ``swapped`` says whether it came by a swap from the value before.
    """

    cluster: Integers
    key: Integers
    made: Integers
    swapped: Flags
    first_end: Integers
    last_begun: Integers


@dataclass(frozen=True, slots=True)
class Spare:
    """What may have happened and brought a value that nothing met: when each began.

    ``writes`` are by register; ``swaps``, of which the earliest will do, by the cluster whose value they take away.
    """

    writes: dict[int, list[int]]
    swaps: dict[int, int]


def all_along(absences: Absences, first_end: Integers, last_begun: Integers) -> Integers:
    """Return the rows of swaps during all of which the value was there: it had been met, and was met again.

    ``first_end`` and ``last_begun`` are by cluster.
    """
    of = absences.cluster
    return np.flatnonzero((first_end[of] < absences.begun) & (absences.over < last_begun[of]))


def misfits(absences: Absences, order: Order, spare: Spare) -> frozenset[int]:
    """Return the registers of which some failed swap does not fit into the order."""
    comes, latest, settled = _moments(order)
    ends = np.append(order.key[1:] != order.key[:-1], True)
    goes = np.where(ends, _NEVER, np.append(comes[1:], _NEVER))
    settled[np.append(order.swapped[1:], False)] = _NEVER
    position = np.full(1 + int(max(order.cluster.max(initial=0), absences.cluster.max(initial=0))), -1)
    position[order.cluster] = np.arange(len(order.cluster))
    at = position[absences.cluster]
    if not np.any((at >= 0) & (absences.over < goes[at]) & (absences.begun > comes[at])):
        return frozenset()
    backwards = np.argsort(-at, kind="stable")
    backwards = backwards[at[backwards] >= 0]
    taken = {int(position[cluster]): begun for cluster, begun in spare.swaps.items() if cluster < len(position)}
    pushing = _Pushing(comes.tolist(), goes.tolist(), latest.tolist(), settled.tolist(), taken)
    for row in zip(
        at[backwards].tolist(), absences.begun[backwards].tolist(), absences.over[backwards].tolist(), strict=True
    ):
        pushing.fit(*row)
    wrong = set(order.key[pushing.wrong].tolist())
    deadlines: dict[int, list[int]] = {}
    for place, deadline in pushing.deadlines.items():
        deadlines.setdefault(int(order.key[place]), []).append(deadline)
    wrong.update(key for key, by in deadlines.items() if not _enough(by, spare.writes.get(key, ())))
    return frozenset(wrong)


@dataclass(slots=True)
class _Pushing:
    """Fits failed swaps in, from the last value to the first. By position: when each value comes, goes, must have
    come at the latest, from when on something spare may take it away, and when the first spare swap from it began.
    ``deadlines`` says by when a spare write must have."""

    comes: list[int]
    goes: list[int]
    latest: list[int]
    settled: list[int]
    taken: dict[int, int]
    wrong: list[int] = field(default_factory=list)
    deadlines: dict[int, int] = field(default_factory=dict)

    def fit(self, at: int, begun: int, over: int) -> None:
        """Fit a swap in that did not find the value of this position."""
        if over > self.goes[at] or begun < self.comes[at]:
            return
        if begun < self.latest[at]:
            self.comes[at] = begun
            if at and self.goes[at - 1] != _NEVER:
                self.goes[at - 1] = begun
        elif max(self.settled[at], self.taken.get(at, _NEVER)) < over:
            pass
        elif self.settled[at] < over:
            self.deadlines[at] = min(over, self.deadlines.get(at, over))
        else:
            self.wrong.append(at)


def _enough(deadlines: list[int], writes: Sequence[int]) -> bool:
    """Say whether there is a write for each deadline that began before it."""
    if len(writes) < len(deadlines):
        return False
    return all(begun < deadline for begun, deadline in zip(sorted(writes), sorted(deadlines), strict=False))


def _moments(order: Order) -> tuple[Integers, Integers, Integers]:
    """Return when each value can come at the earliest and at the latest, and when all that met it had begun."""
    run = np.zeros(len(order.key), dtype=np.int64)
    run[1:] = np.cumsum(order.key[1:] != order.key[:-1])
    settled = running_maximum(run, order.last_begun)
    before = np.concatenate(([-1], settled[:-1]))
    before[np.append(True, run[1:] != run[:-1])] = -1
    ends = order.first_end[::-1]
    top = int(ends.max(initial=0))
    latest = top - running_maximum(run[-1] - run[::-1], top - ends)
    return np.maximum(before, order.made), latest[::-1], settled
