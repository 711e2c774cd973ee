"""What weather makes of one frame after the other on a directed link: the dice, the bursts, the queue before a rate.

One class for all places, so that a loss with a correlation or a limit of the rate is the same law in simulation, in
the switch of ``local``, and wherever links will be next. It knows no clock, no chance and no frame: it is told the
time, is handed the link's draws, and answers what becomes of so many bytes. Carrying them is the place's business,
and so are cuts and clogs, which are no chance.

A limit of the rate is a queue before a slow line: a frame goes out when all before it are out, and takes its own size
for it; a frame for which there is no room in the queue is lost. A queue that is empty takes any frame, however large.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nemesis.delays import draw
from nemesis.ground import MILLION, Weather

BYTE_NS = 8 * 10**9
"""How long a byte takes at one bit a second (ns)."""


class Passage:
    """One directed link under its weather; counts what it did, in frames.

    ``below(n)`` draws an integer in [0, n); nothing is drawn for what the weather does not do.
    """

    __slots__ = (
        "_below",
        "_free_at",
        "_lost_before",
        "delayed",
        "duplicated",
        "lost",
        "reordered",
        "throttled",
        "weather",
    )

    def __init__(self, below: Callable[[int], int]) -> None:
        self._below: Final = below
        self.weather: Weather | None = None
        self._lost_before: list[bool] = []
        self._free_at = 0
        self.lost = 0
        self.duplicated = 0
        self.delayed = 0
        self.reordered = 0
        self.throttled = 0

    def change(self, weather: Weather) -> None:
        """Let the weather be so from now on; bursts of losses begin anew, and what queues before a rate goes out."""
        self.weather = weather if weather != Weather() else None
        self._lost_before = [False] * len(weather.losses)
        self._free_at = 0

    def loses(self, weather: Weather) -> bool:
        """Let each loss go on to its next state, as each has its own bursts; the frame is lost if any takes it."""
        if not weather.losses:
            return False
        for number, loss in enumerate(weather.losses):
            if loss.correlation_ppm and self._below(MILLION) < loss.correlation_ppm:
                continue
            self._lost_before[number] = self._below(MILLION) < loss.ppm
        lost = any(self._lost_before)
        self.lost += lost
        return lost

    def queue(self, weather: Weather, now: int, size_bytes: int) -> int | None:
        """Return how long (ns) a frame takes to pass the rate, those before it included; None if it is lost."""
        rate = weather.rate
        if rate is None:
            return 0
        begins = max(now, self._free_at)
        ahead_bytes = (begins - now) * rate.bits_per_s // BYTE_NS
        if begins > now and ahead_bytes + size_bytes > rate.queue_bytes:
            self.lost += 1
            return None
        self._free_at = begins + size_bytes * BYTE_NS // rate.bits_per_s
        self.throttled += 1
        return self._free_at - now

    def lateness(self, weather: Weather) -> int:
        """Draw how late (ns) the next copy of a frame is, on top of all else."""
        late = 0
        for delay in weather.delays:
            late += draw(delay, self._below)
        for reorder in weather.reorders:
            if self._below(MILLION) < reorder.ppm:
                self.reordered += 1
                late += reorder.held
        return late

    def doubles(self, weather: Weather) -> bool:
        """Draw whether the frame comes twice."""
        if not weather.duplicate_ppm or self._below(MILLION) >= weather.duplicate_ppm:
            return False
        self.duplicated += 1
        return True
