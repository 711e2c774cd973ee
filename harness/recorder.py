"""The recorder: every event of every client, numbered and timed, to disk before the run goes on.

Invocations are written before the operation is sent, completions before the client goes on; so whatever happens to the
controller, what is on disk is a history: at worst one whose last operations have no end, which is what *info* means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from checkers.history import Event, EventType
from checkers.streaming import Alarm, Watch
from harness.clock import RunClock
from harness.store import Lines
from harness.systems.base import Completion
from workloads.base import Operation


class Recorder:
    """Writes one history."""

    def __init__(self, lines: Lines, clock: RunClock) -> None:
        self._lines = lines
        self._clock = clock
        self._index = 0
        self.ok = 0
        self.fail = 0
        self.info = 0
        self.first_ok_at: int | None = None
        self.last_ok_at: int | None = None
        self._watch: Watch | None = None
        self._on_alarm: Callable[[int, Alarm], None] = lambda at, alarm: None

    def watched_by(self, watch: Watch, on_alarm: Callable[[int, Alarm], None]) -> None:
        """Show every event from now on to ``watch``, and tell of its first alarm and when that was, in ns."""
        self._watch, self._on_alarm = watch, on_alarm

    def invoke(self, process: int, operation: Operation) -> None:
        """A process invokes an operation."""
        self._write(process, EventType.INVOKE, operation, operation.value)

    def complete(self, process: int, operation: Operation, completion: Completion) -> None:
        """A process's operation has ended."""
        now = self._write(process, completion.type, operation, completion.value, completion.error, completion.ref)
        match completion.type:
            case EventType.OK:
                self.ok += 1
                self.last_ok_at = now
                if self.first_ok_at is None:
                    self.first_ok_at = now
            case EventType.FAIL:
                self.fail += 1
            case EventType.INFO:
                self.info += 1

    def _write(
        self,
        process: int,
        type_: EventType,
        operation: Operation,
        value: Any,
        error: str | None = None,
        ref: str | None = None,
    ) -> int:
        now = self._clock.now()
        event = Event(
            index=self._index,
            time=now,
            process=process,
            type=type_,
            f=operation.f,
            value=value,
            key=operation.key,
            error=error,
            ref=ref,
        )
        self._index += 1
        self._lines.write(event)
        if self._watch is not None and (alarm := self._watch.take(event)) is not None:
            self._watch = None
            self._on_alarm(now, alarm)
        return now
