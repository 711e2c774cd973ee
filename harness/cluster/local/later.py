"""Frames that are not due yet: one heap for all links, in the order of their due times, and of sending among equals.

The switch looks into it after each turn of its loop, and a timer wakes it when the first one is due; a timer and not
the loop's own time-out, which counts in whole milliseconds. At most ``BYTES_MAX`` wait over all links together; what
comes then is lost, as in the queue of a machine between.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import time
from typing import TYPE_CHECKING

from harness.cluster.local import kernel

if TYPE_CHECKING:
    from harness.cluster.local.paths import Path

BYTES_MAX = 256 << 20
FRAME_OVERHEAD_BYTES = 256  # what a waiting frame costs besides its bytes
BURST = 256  # frames that become due at once are let out in parts: what arrives meanwhile must not wait for all


class Later:
    """What waits, and until when."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self.timer = kernel.new_timer()
        self._bytes_max = bytes_max
        self._bytes = 0
        self._number = 0
        self._due: list[tuple[int, int, Path, bytes, bool]] = []
        self._armed_for = 0

    def take_room(self, frame: bytes) -> bool:
        """Reserve the memory that a waiting frame needs; False if there is none left."""
        size = len(frame) + FRAME_OVERHEAD_BYTES
        if self._bytes + size > self._bytes_max:
            return False
        self._bytes += size
        return True

    def give_room(self, frame: bytes) -> None:
        """Give back what was reserved for a frame."""
        self._bytes -= len(frame) + FRAME_OVERHEAD_BYTES

    def put(self, due: int, path: Path, frame: bytes, counted: bool) -> None:
        """Have a frame, whose room was taken, arrive at ``due`` (ns, monotonic)."""
        self._number += 1
        heapq.heappush(self._due, (due, self._number, path, frame, counted))

    def wake(self) -> None:
        """The timer has expired: let it be quiet until it is set again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.timer, 8)
        self._armed_for = 0

    def release(self) -> None:
        """Let everything arrive that is due, and set the timer for the next."""
        due = self._due
        if not due:
            return
        now = time.monotonic_ns()
        for _ in range(BURST):
            if not due or due[0][0] > now:
                break
            _, _, path, frame, counted = heapq.heappop(due)
            self.give_room(frame)
            path.arrive(frame, counted)
        if due and due[0][0] != self._armed_for:
            self._armed_for = due[0][0]
            kernel.arm_timer(self.timer, self._armed_for)
