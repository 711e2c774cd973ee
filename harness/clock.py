"""The run's clock: nanoseconds since the run's start, by the event loop's own time.

Everything that times a run asks this and nothing else, so a run under an event loop with virtual time is a run in
virtual time.
"""

from __future__ import annotations

import asyncio


class RunClock:
    """Counts from the moment it was made, or restarted."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()

    def restart(self) -> float:
        """Count from now on; return how many seconds had passed."""
        passed = self.now() / 1e9
        self._start = self._loop.time()
        return passed

    def now(self) -> int:
        """Return ns since the start."""
        return round((self._loop.time() - self._start) * 1e9)

    async def until(self, at: int) -> None:
        """Sleep until ``at`` ns; return at once if that is past."""
        await asyncio.sleep(max(0.0, (at - self.now()) / 1e9))
