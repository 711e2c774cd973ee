"""A clock as a straight line over true time, bent by faults, and a wall clock that follows it at a distance.

Local time is what a node's monotonic clock reads; true time is the world's. A line has a rate in parts per million,
so a drifting clock stays in whole nanoseconds, and a timer set for a local time goes off when the node would read that
time, never before. The wall clock runs on the same oscillator and differs by what it was set to: it may jump to and
fro, and the monotonic one, which may only jump forward, does not notice.

Simulated nodes have such a clock, and real ones are told of theirs through a control page (``nemesis.preload``): a
fault does the same to both.
"""

from __future__ import annotations

from nemesis.ground import MILLION, ClockBend


class ClockLine:
    """A monotonic clock with a rate, and a wall clock; at ``true`` they read ``local`` and ``wall``. All are ns."""

    def __init__(self, true: int, local: int, wall: int) -> None:
        self._true = true
        self._local = local
        self._ppm = MILLION
        self._wall_over_local = wall - local
        self._wall_ahead = 0

    def read(self, true: int) -> int:
        """Return the local time at a true time (not before the last change)."""
        passed = true - self._true
        return self._local + (passed if self._ppm == MILLION else passed * self._ppm // MILLION)

    def wall(self, true: int) -> int:
        """Return what the wall clock reads at a true time (not before the last change)."""
        return self.read(true) + self.wall_over_local

    @property
    def wall_over_local(self) -> int:
        """How far the wall clock is ahead of the monotonic one."""
        return self._wall_over_local + self._wall_ahead

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

    @property
    def anchor(self) -> tuple[int, int, int]:
        """The line itself: a true time, what is read then, and the rate (ppm) from there on."""
        return self._true, self._local, self._ppm

    def bend(self, true: int, bend: ClockBend) -> None:
        """Depart from true time in this way, and no other, from now on; what was gained or lost before stays."""
        self.set_wall(bend.wall_ahead)
        self.set_rate(true, bend.rate_ppm)

    def set_rate(self, true: int, ppm: int) -> None:
        """Run at ``ppm`` parts per million of true time from now on: 1 000 000 is right, 0 is frozen."""
        self._local = self.read(true)
        self._true = true
        self._ppm = ppm

    def jump(self, true: int, by: int) -> None:
        """Let the monotonic clock jump forward; the wall clock stays where it is."""
        if by < 0:
            raise ValueError(f"a monotonic clock never goes back, not by {-by} ns either")
        self._local = self.read(true) + by
        self._true = true
        self._wall_over_local -= by

    def set_wall(self, ahead: int) -> None:
        """Let the wall clock be so far ahead of where it would be undisturbed (behind, below 0)."""
        self._wall_ahead = ahead

    def set_right(self, true: int, wall: int) -> None:
        """Let the wall clock read ``wall`` now, but for how far it is meant to be ahead; rate and local time go on."""
        self._wall_over_local = wall - self.read(true)
