"""The run's clock: nanoseconds since the load began.

Everything that times a run asks this and nothing else. The reading is handed in: the monotonic clock for real
processes, virtual time in a simulation; sleeping is the event loop's business, whose time must be the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class RunClock:
    """Counts from the moment it was made, or restarted; ``read`` gives ns since any fixed moment."""

    def __init__(self, read: Callable[[], int]) -> None:
        self._read = read
        self._start = read()

    def restart(self) -> float:
        """Count from now on; return how many seconds had passed."""
        passed = self.now()
        self._start += passed
        return passed / 1e9

    def now(self) -> int:
        """Return ns since the start."""
        return self._read() - self._start

    async def until(self, at: int) -> None:
        """Sleep until ``at`` ns; return at once if that is past."""
        await asyncio.sleep(max(0.0, (at - self.now()) / 1e9))
