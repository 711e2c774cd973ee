"""The trace: everything that nodes and clients are given, in order, as one hash, and as lines if somebody listens.

A simulated run is decided by what each node is handed and when: frames from peers and clients, its own alarms, syncs
that end. Each such event has a number, and its time, node and bytes go into ``sha256``. Two runs with the same hash
were the same run.

Hashing is cheap enough to be done always. Lines for people (``harness.simulation.tape``) are not; they are written when
a run is replayed to be looked at.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from harness.simulation.loop import VirtualLoop

if TYPE_CHECKING:
    from harness.simulation.tape import Tape

_HEAD = struct.Struct("<QIIB")
FOLD_MASK = 255
"""Bytes gather for so many events, less one, before they are summed."""


class Given(IntEnum):
    """What a node or client is given."""

    STARTS = 1
    ENDS = 2
    FRAME = 3
    REQUEST = 4
    DURABLE = 5
    TICK = 6
    REPLY = 7
    SAVED = 8


class Breakpoint(Exception):  # noqa: N818 - it is no error: the run was asked to end here
    """The run has come to where it was to be broken off."""


class Trace:
    """The trace of one run."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._summed = hashlib.sha256()
        self._gathered: list[bytes] = []
        self.events = 0
        """The number of the last event."""
        self.tape: Tape | None = None
        self.break_at = 0
        """Break off when the event of this number has been dealt with; 0 for never."""
        self.on_break: Callable[[], None] = lambda: None
        self.broken_off = False

    @property
    def sha256(self) -> str:
        """The hash over every event so far: its time, whom it was given to, and its bytes."""
        self._fold()
        return self._summed.hexdigest()

    def give(self, kind: int, node: int, peer: int, data: bytes) -> None:
        """Something is given to a node (or by it to a client); ``peer`` is where it comes from, 0 for nowhere."""
        self.events = event = self.events + 1
        now_ns = self._loop.now_ns
        self._gathered += (_HEAD.pack(now_ns, node, peer, kind), data)
        if not event & FOLD_MASK:
            self._fold()
        if self.tape is not None:
            self.tape.given(event, now_ns, kind, node, peer, data)
        if event == self.break_at:
            # an event that leads to no step, or to one that fails, is dealt with when what runs now is over
            self._loop.call_soon(self.reach)

    def happens(self, kind: str, node: str, what: str, body: Any = None) -> None:
        """Something else happens that a tape should have; no part of the hash."""
        if self.tape is not None:
            self.tape.happens(self.events, self._loop.now_ns, kind, node, what, body)

    def reach(self) -> None:
        """Break off here, once: let whoever asked for it look, then end the run."""
        if self.broken_off:
            return
        self.broken_off = True
        self.break_at = 0
        self.on_break()
        self._loop.fail(Breakpoint(f"at {self._loop.now_ns / 1e9:.9f} s, after event {self.events}"))

    def _fold(self) -> None:
        self._summed.update(b"".join(self._gathered))
        self._gathered.clear()
