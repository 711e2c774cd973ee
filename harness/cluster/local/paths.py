"""One directed link, as the switch sees it: what may pass, what has passed, where and when it comes out.

A frame meets the cut first (``frames`` says what a cut in one direction lets through), then the weather: it may be
lost, it queues before a limit of the rate, it is late, it may come twice. ``nemesis.passage`` is the law of all that,
the same as in simulation; here are the frames. What is under way when a link is cut does not arrive, and what is under
way when a weather ends arrives when it was to. As long as no weather in force lets frames overtake each other (a spread
of the delays, frames held back), what is sent later does not arrive earlier, also across the weather's end.

A frame may be a segment of up to 64 KiB that a network card would have cut, since the nodes' kernels leave that to the
hardware, of which there is none. Loss and duplication are the fate of such a frame as a whole, with all its packets:
a chance per frame is a burst of losses for a bulk stream, and a chance per message for what Paxos sends.

Most of the time there is neither cut nor weather nor capture: then ``carry`` is one comparison and one system call.
"""

from __future__ import annotations

import enum
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from harness.cluster.local.frames import VNET_BYTES, Frame, answer_only

if TYPE_CHECKING:
    from harness.cluster.local.capture import Capture
    from harness.cluster.local.later import Later
    from nemesis.ground import Weather
    from nemesis.passage import Passage

WAITING_MAX = 100_000
"""Frames that wait on one link, for a clog's end or their time; what comes then is lost."""


class Crossing(enum.Enum):
    """What may cross a directed link."""

    OPEN = "everything"
    ANSWERS = "answers to the other side only"  # this direction is cut, the opposite one is not
    CLOSED = "nothing"  # both directions are cut


class Path:
    """A directed link.

    What was put into it is ``forwarded`` (it came out), ``dropped`` (by a cut, or the far side took it not), lost by
    the weather, or waits; copies are counted as such only.
    """

    __slots__ = (
        "_capture",
        "_clogged",
        "_crossing",
        "_exit",
        "_floor",
        "_later",
        "_plain",
        "_under_way",
        "clogged",
        "destination",
        "dropped",
        "forwarded",
        "overflowed",
        "passage",
        "source",
    )

    def __init__(
        self, source: str, destination: str, exit_port: socket.socket, later: Later, capture: Capture | None = None
    ) -> None:
        self.source: Final = source
        self.destination: Final = destination
        self.forwarded = 0
        self.dropped = 0
        self.clogged = 0
        self.overflowed = 0
        self.passage: Passage | None = None
        self._exit = exit_port.send
        self._later = later
        self._capture = capture
        self._crossing = Crossing.OPEN
        self._clogged: deque[tuple[bytes, bool]] = deque()
        self._under_way = 0
        self._floor = 0  # nothing sent from now on may arrive before this time (ns)
        self._plain = capture is None

    @property
    def crossing(self) -> Crossing:
        """What may cross."""
        return self._crossing

    @crossing.setter
    def crossing(self, crossing: Crossing) -> None:
        self._crossing = crossing
        self._refresh()

    @property
    def _weather(self) -> Weather | None:
        return self.passage.weather if self.passage is not None else None

    @property
    def waiting(self) -> int:
        """How many frames have not come out yet."""
        return self._under_way + len(self._clogged)

    def carry(self, frame: Frame) -> None:
        """Take one frame from the source; the destination gets of it what may cross, when it is due."""
        if self._plain:
            try:
                self._exit(frame)
            except OSError:
                self.dropped += 1
            else:
                self.forwarded += 1
            return
        passing, whole = self._crossing_part(frame)
        if not whole:
            self._drop(frame)
        if passing is not None:
            self._admit(passing, whole)

    def change(self, weather: Weather) -> None:
        """Let the weather be so (``passage`` must be there); what waited for a clog's end is due now, in order."""
        assert self.passage is not None
        before = self._weather
        self.passage.change(weather)
        if (before is not None and before.overtakes) or weather.overtakes:
            self._floor = 0
        if not weather.clogged:
            self._unclog()
        self._refresh()

    def arrive(self, frame: bytes, counted: bool) -> None:
        """Let a frame out that was late; a cut that came meanwhile takes it."""
        self._under_way -= 1
        passing, whole = self._crossing_part(frame)
        if not whole and counted:
            self._drop(frame)
        if passing is not None:
            self._deliver(passing, counted and whole)
        if not self._under_way:
            self._refresh()

    def _refresh(self) -> None:
        nothing_on = self._capture is None and self._weather is None and not self.waiting
        self._plain = nothing_on and self._crossing is Crossing.OPEN

    def _crossing_part(self, frame: Frame) -> tuple[Frame | None, bool]:
        """Return what of a frame may cross, and whether that is all of it."""
        if self._crossing is Crossing.OPEN:
            return frame, True
        if self._crossing is Crossing.CLOSED:
            return None, False
        return answer_only(frame)

    def _admit(self, frame: Frame, counted: bool) -> None:
        """Let the weather have a frame; one that is not ``counted`` is a part of a dropped one."""
        weather, passage = self._weather, self.passage
        if weather is None or passage is None:
            if self._under_way and self._floor:
                self._wait(frame, self._floor, counted)  # behind those that are still under way
            else:
                self._deliver(frame, counted)
            return
        if passage.loses(weather):
            self._show_lost(frame)
            return
        now = time.monotonic_ns()
        queued = 0 if weather.clogged else passage.queue(weather, now, len(frame) - VNET_BYTES)
        if queued is None:
            self._show_lost(frame)
            return
        passage.delayed += bool(weather.delays)
        self._send_on(frame, weather, now + queued, counted)
        if passage.doubles(weather):
            self._send_on(frame, weather, now + queued, False)

    def _send_on(self, frame: Frame, weather: Weather, out_at: int, counted: bool) -> None:
        """Send one copy of a frame that leaves its queue at ``out_at`` (ns)."""
        assert self.passage is not None
        if weather.clogged:
            self._clog(bytes(frame), counted)
            return
        late = self.passage.lateness(weather)
        if not weather.overtakes:
            self._floor = max(self._floor, out_at + late)
            self._wait(frame, self._floor, counted)
        else:
            self._wait(frame, out_at + late, counted)

    def _wait(self, frame: Frame, due: int, counted: bool) -> None:
        """Let a frame out when it is due: at once, if it is and nothing is before it."""
        if due <= time.monotonic_ns() and (not self._under_way or not self._floor):
            self._deliver(frame, counted)
        elif self.waiting < WAITING_MAX and self._later.take_room(kept := bytes(frame)):
            self._under_way += 1
            self._later.put(due, self, kept, counted)
        else:
            self._overflow(frame)

    def _clog(self, frame: bytes, counted: bool) -> None:
        if self.waiting < WAITING_MAX and self._later.take_room(frame):
            self.clogged += 1
            self._clogged.append((frame, counted))
        else:
            self._overflow(frame)

    def _unclog(self) -> None:
        """Let everything that has waited be due now, but behind what is under way already if nothing may overtake."""
        if not self._clogged:
            return
        now = time.monotonic_ns()
        self._floor = max(self._floor, now)
        while self._clogged:
            frame, counted = self._clogged.popleft()
            self._under_way += 1
            self._later.put(self._floor, self, frame, counted)

    def _overflow(self, frame: Frame) -> None:
        self.overflowed += 1
        self._show_lost(frame)

    def _deliver(self, frame: Frame, counted: bool) -> None:
        try:
            self._exit(frame)
        except OSError:
            # The receiving interface is full, or its owner took it down: a lost frame, as on a wire, and counted.
            if counted:
                self._drop(frame)
            return
        if self._capture is not None:
            self._capture.delivered(frame)
        self.forwarded += counted

    def _drop(self, frame: Frame) -> None:
        self.dropped += 1
        self._show_lost(frame)

    def _show_lost(self, frame: Frame) -> None:
        if self._capture is not None:
            self._capture.lost(frame)


def apply_cut(paths: Mapping[tuple[str, str], Path], cut: Iterable[tuple[str, str]]) -> None:
    """Let exactly these links be cut; all of them must be among ``paths``."""
    named = frozenset(cut)
    for (source, destination), path in paths.items():
        if (source, destination) not in named:
            path.crossing = Crossing.OPEN
        elif (destination, source) in named:
            path.crossing = Crossing.CLOSED
        else:
            path.crossing = Crossing.ANSWERS
