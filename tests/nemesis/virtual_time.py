"""An event loop whose time is virtual: whenever nothing is ready, the clock jumps to the next timer.

Tests of what happens *when* are exact with it, and take no time. A program that waits for something that no timer will
bring about would hang a real loop; here it is an error.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")

LIMIT_S = 10_000.0


class _Jumping(selectors.SelectSelector):
    """A selector that never waits: the time it was to wait for has passed when it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits, and no timer is set")
        self.now += max(0.0, timeout)
        if self.now > LIMIT_S:
            raise RuntimeError(f"no end after {LIMIT_S} s of virtual time")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time, which begins at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def now_ns() -> int:
    """Return the running loop's time in ns."""
    return round(asyncio.get_running_loop().time() * 1e9)


def run_virtually(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
