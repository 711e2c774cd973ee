"""One directed link, as the switch sees it: what may pass, what has passed, where it comes out.

``Path.carry`` is the only place where a frame is let through or not. A link that delays, loses, duplicates, reorders
or limits will be decided there too, after the cut (a cut link has no delay) and before ``_send``; such a link needs
a queue with due times, which belongs to the switch's loop, so ``carry`` will then hand back when it has to be called
again. Nothing else needs to know.
"""

from __future__ import annotations

import enum
import socket
from collections.abc import Iterable, Mapping
from typing import Final

from harness.cluster.local.frames import Frame, answer_only


class Crossing(enum.Enum):
    """What may cross a directed link."""

    OPEN = "everything"
    ANSWERS = "answers to the other side only"  # this direction is cut, the opposite one is not
    CLOSED = "nothing"  # both directions are cut


class Path:
    """A directed link; frames of ``forwarded`` and ``dropped`` add up to what was put into it."""

    __slots__ = ("_exit", "crossing", "destination", "dropped", "forwarded", "source")

    def __init__(self, source: str, destination: str, exit_port: socket.socket) -> None:
        self.source: Final = source
        self.destination: Final = destination
        self.crossing = Crossing.OPEN
        self.forwarded = 0
        self.dropped = 0
        self._exit = exit_port

    def carry(self, frame: Frame) -> None:
        """Take one frame from the source and give to the destination what may cross."""
        if self.crossing is Crossing.OPEN:
            self._count(self._send(frame))
        elif self.crossing is Crossing.CLOSED:
            self.dropped += 1
        else:
            passing, whole = answer_only(frame)
            sent = passing is not None and self._send(passing)
            self._count(sent and whole)

    def _count(self, carried: bool) -> None:
        if carried:
            self.forwarded += 1
        else:
            self.dropped += 1

    def _send(self, frame: Frame) -> bool:
        try:
            self._exit.send(frame)
        except OSError:
            # The receiving interface is full, or its owner took it down: a lost frame, as on a wire, and counted.
            return False
        return True


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
