"""A simulated node's clocks: the line of ``nemesis.clock_line`` over virtual time."""

from __future__ import annotations

from nemesis.clock_line import ClockLine

WALL_EPOCH = 1_767_225_600 * 10**9
"""What every wall clock reads at true time 0, in ns since 1970: the beginning of 2026, UTC."""


class SimulatedClock(ClockLine):
    """A monotonic clock with a rate, and a wall clock; ``epoch`` is what the former reads at true time 0."""

    def __init__(self, epoch: int) -> None:
        super().__init__(0, epoch, WALL_EPOCH)
