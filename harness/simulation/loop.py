"""An event loop in virtual time.

It runs the same coroutines as any asyncio loop, but it never waits: when nothing is left to do at this moment, the
clock jumps to the next thing that is due. Time is integer nanoseconds. What is due at the same time runs in the order
in which it was asked for, so a run depends on nothing but what it does: not on the machine, its load, or any hash.

There is no I/O, there are no threads, and a program that waits for something that will never happen is an error here
(``DeadlockError``) where elsewhere it would hang.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import math
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")

WIND_DOWN_EVENTS_MAX = 1_000_000
"""How much may happen after a failure before the run has to have cleaned up."""


class DeadlockError(RuntimeError):
    """Everything waits, and nothing is due: virtual time cannot go on."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """One virtual world's time. Use ``run`` to run a coroutine to its end."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.events = 0
        self._number = 0
        self._ready: deque[tuple[contextvars.Context | None, Callable[..., Any], tuple[Any, ...]]] = deque()
        self._due: list[tuple[int, int, Any, tuple[Any, ...] | None]] = []
        self._running = False
        self._closed = False
        self._failure: BaseException | None = None

    # -- time ---------------------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return virtual seconds."""
        return self.now_ns / 1e9

    def monotonic_ns(self) -> int:
        """Return virtual nanoseconds."""
        return self.now_ns

    def at(self, when_ns: int, callback: Callable[..., Any], *args: Any) -> None:
        """Run a callback at a time: what simulated networks and disks use. It cannot be taken back."""
        self._number += 1
        heapq.heappush(self._due, (when_ns if when_ns > self.now_ns else self.now_ns, self._number, callback, args))

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a time in seconds; it can be cancelled."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        when_ns = math.ceil(when * 1e9)
        if when_ns / 1e9 < when:
            when_ns += 1  # whoever sleeps until a moment must find it reached, or may sleep for nothing for ever
        self._number += 1
        heapq.heappush(self._due, (max(when_ns, self.now_ns), self._number, handle, None))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback after some seconds; it can be cancelled."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run a callback at this very time, after what is already waiting."""
        self._ready.append((context, callback, args))
        return _UNCANCELLABLE

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to do: a cancelled timer is skipped when it is due."""

    # -- running ------------------------------------------------------------------------------------------------------

    def run(self, main: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine to its end and return its result. Raises DeadlockError, and what a callback raised."""
        if self._running:
            raise RuntimeError("the loop is running already")
        task = self.create_task(main)
        asyncio.events._set_running_loop(self)
        self._running = True
        try:
            self._turn()
            while not task.done():
                self._advance()
                self._turn()
                if self._failure is not None:
                    raise self._failure
        except BaseException:
            self._wind_down(task)
            raise
        finally:
            self._running = False
            asyncio.events._set_running_loop(None)
        return task.result()

    def fail(self, error: BaseException) -> None:
        """End the run with this error as soon as what runs now is over."""
        self._failure = self._failure or error

    def _wind_down(self, task: asyncio.Task[Any]) -> None:
        """The run has failed: cancel it and let it clean up. What goes wrong now counts for nothing beside that."""
        task.cancel()
        last = self.events + WIND_DOWN_EVENTS_MAX
        while not task.done() and self.events < last:
            try:
                self._turn()
                self._advance()
            except DeadlockError:
                return
            except Exception:  # noqa: BLE001, S112 - the first failure is on its way up
                continue
        if task.done() and not task.cancelled():
            task.exception()

    def _turn(self) -> None:
        """Run what is to run at this moment, and what that brings up."""
        ready = self._ready
        while ready:
            context, callback, args = ready.popleft()
            self.events += 1
            if context is None:
                callback(*args)
            else:
                context.run(callback, *args)

    def _advance(self) -> None:
        """Jump to the next thing that is due, and run it, and so on until something is to be run at this moment."""
        due, ready, pop = self._due, self._ready, heapq.heappop
        while due:
            when, _, callback, args = pop(due)
            if args is not None:
                self.now_ns = when
                callback(*args)
            elif not callback.cancelled():
                self.now_ns = when
                callback._run()
            else:
                continue
            self.events += 1
            if ready or self._failure is not None:
                return
        raise DeadlockError(f"nothing is due after {self.now_ns / 1e9:.6f} s, and something still waits")

    # -- what asyncio asks of a loop ----------------------------------------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, _T], *, name: str | None = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[_T]:
        """Return a task of this loop."""
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An error that nobody took: it ends the run."""
        error = context.get("exception")
        self.fail(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))))

    def get_debug(self) -> bool:
        """No debug mode: it would read the wall clock."""
        return False

    def is_running(self) -> bool:
        """Say whether the loop runs."""
        return self._running

    def is_closed(self) -> bool:
        """Say whether the loop was closed."""
        return self._closed

    def close(self) -> None:
        """Forget everything that is due."""
        self._closed = True
        self._due.clear()
        self._ready.clear()

    async def shutdown_asyncgens(self) -> None:
        """There are none."""


def virtual_loop() -> VirtualLoop:
    """Return a loop at time 0. (It leaves out all that asyncio's protocol asks of a loop with I/O.)"""
    return VirtualLoop()  # type: ignore[abstract]


class _Uncancellable(asyncio.Handle):
    """What ``call_soon`` returns: nothing here cancels what is to run at once."""

    def __init__(self) -> None:
        pass

    def cancel(self) -> None:
        """Refuse."""
        raise NotImplementedError("what runs at once cannot be taken back in virtual time")


_UNCANCELLABLE = _Uncancellable()
