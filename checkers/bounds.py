"""Between which numbers a sum must be: what has certainly been added by then, and what may have been.

An addition that was over before a look began is in what is seen; one that began only after the look was over is not;
any other may be in it, and so may one of unknown outcome from its invocation on, for ever. Failed ones are in nothing.
For amounts of either sign this gives, for each look, the least and the greatest sum. It is Jepsen's counter checker
(jepsen.checker/counter), with sorted prefix sums in place of a walk over the history, so that looks need no order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from checkers.history import Operation, Outcome


class Bounds:
    """The additions to one number."""

    def __init__(self, additions: Iterable[tuple[Operation, int]], initial: int = 0) -> None:
        """``additions`` by operation and amount, in any order; failed ones are left out."""
        ups: list[tuple[Operation, int]] = []
        downs: list[tuple[Operation, int]] = []
        for operation, amount in additions:
            if operation.outcome is not Outcome.FAIL:
                (ups if amount > 0 else downs).append((operation, amount))
        self._initial = initial
        self._ups, self._downs = _Sums(ups), _Sums(downs)

    def of(self, look: Operation, own: int = 0) -> tuple[int, int]:
        """The least and the greatest that an ok operation may have seen; ``own`` is what it added itself, before."""
        start, stop = look.invoke_index, look.complete_index
        if stop is None:
            raise AssertionError("what has not returned has seen nothing")
        low = self._initial + self._ups.certain(start) + self._downs.possible(stop) + max(own, 0)
        high = self._initial + self._ups.possible(stop) + self._downs.certain(start) + min(own, 0)
        return low, high


class _Sums:
    """Additions of one sign: their sum by the time of their invocations, and by the time of their ends."""

    def __init__(self, additions: Sequence[tuple[Operation, int]]) -> None:
        begun = sorted((operation.invoke_index, amount) for operation, amount in additions)
        over = sorted(
            (operation.complete_index, amount)
            for operation, amount in additions
            if operation.ok and operation.complete_index is not None
        )
        self._begun, self._begun_sums = [at for at, _ in begun], [0, *accumulate(amount for _, amount in begun)]
        self._over, self._over_sums = [at for at, _ in over], [0, *accumulate(amount for _, amount in over)]

    def possible(self, index: int) -> int:
        """The sum of what had begun before an event."""
        return self._begun_sums[bisect_left(self._begun, index)]

    def certain(self, index: int) -> int:
        """The sum of what was over before an event."""
        return self._over_sums[bisect_left(self._over, index)]
