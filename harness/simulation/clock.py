"""A node's clock: a straight line over true time, bent by faults.

Local time is what the node reads; true time is the world's. A line has a rate in parts per million, so a drifting
clock stays in whole nanoseconds, and a timer set for a local time goes off when the node would read that time, never
before.
"""

from __future__ import annotations

MILLION = 1_000_000


class SimulatedClock:
    """A monotonic clock with a rate; ``epoch`` is what it reads at true time 0."""

    def __init__(self, epoch: int) -> None:
        self._true = 0
        self._local = epoch
        self._ppm = MILLION

    def read(self, true: int) -> int:
        """Return the local time at a true time (not before the last change)."""
        passed = true - self._true
        return self._local + (passed if self._ppm == MILLION else passed * self._ppm // MILLION)

    def when(self, local: int) -> int | None:
        """Return the true time at which the clock will read ``local``, None if it stands still before that."""
        ahead = local - self._local
        if ahead <= 0:
            return self._true
        if self._ppm == MILLION:
            return self._true + ahead
        if self._ppm == 0:
            return None
        return self._true - (-ahead * MILLION // self._ppm)

    def set_rate(self, true: int, ppm: int) -> None:
        """Run at ``ppm`` parts per million of true time from now on: 1 000 000 is right, 0 is frozen."""
        self._local = self.read(true)
        self._true = true
        self._ppm = ppm
