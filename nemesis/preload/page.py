"""The control page: one node's clocks, in a file that its processes have mapped, seen by their next call.

It holds the line of ``nemesis.clock_line`` twice: one counts, the other is the next to be written. While a line is
replaced the sequence number is odd, and the machine's clock is read in between: a process that has read its clock by
the old line did so before, one that reads it by the new line does so after, so that no monotonic clock ever goes back.
Were the writer killed in between, the line that counted would count on.

The file outlives the node's process, and so does what it says: a machine's clock does not heal because a process is
started again. In a second part of the file the processes write down the first reading that they have taken of each
line: the evidence that a program sees what the page says.

The layout is clock.c's too. Each number is stored by one instruction, in the machine's own byte order.
"""

from __future__ import annotations

import mmap
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nemesis.clock_line import ClockLine
from nemesis.ground import MILLION, ClockBend, ClockReading

PAGE_VARIABLE = "ANTIPAXOS_CLOCK"
"""The environment variable that names the page to the library."""
MAGIC = int.from_bytes(b"APXCLK01", "little")
REGION_BYTES = 65_536
WORD_BYTES = 8
NOTES = 32
LINES_KEPT = 4_096
"""So many lines are remembered for comparing what processes have read of them."""
CLOSE_NS = 1_000
SETTLE_NS = 2_000
CLOSE_ATTEMPTS = 100

_MAGIC, _NAMESPACE, _BOOT_OVER, _RAW_OVER, _TAI_OVER, _SEQUENCE, _CURRENT = 0, 1, 2, 3, 4, 8, 9
_LINES, _LINE_WORDS = 16, 8
_NOTES_TAKEN, _FIRST_NOTE, _NOTE_WORDS = REGION_BYTES // WORD_BYTES, REGION_BYTES // WORD_BYTES + 8, 8


@dataclass(frozen=True, slots=True)
class Note:
    """A process's first reading of a line, as it wrote it down: true and local time in ns."""

    pid: int
    generation: int
    true: int
    local: int


class ClockPage:
    """One node's clocks; the only writer of its page. Close it, or the file stays mapped."""

    def __init__(self, path: Path, epoch_ns: int = 0, namespace_ns: int = 0) -> None:
        """Make the page at ``path``, with right clocks.

        The node's monotonic clock is ``epoch_ns`` ahead of this machine's; by ``namespace_ns`` of that it already is,
        before the library does anything, as its processes run in a time namespace. Raises OSError.
        """
        self.path: Final = path
        self.epoch_ns: Final = epoch_ns
        with path.open("xb+") as file:
            file.truncate(2 * REGION_BYTES)
            self._map = mmap.mmap(file.fileno(), 2 * REGION_BYTES)
        self._words = memoryview(self._map).cast("q")
        wall, true = _together(time.CLOCK_REALTIME)
        self.wall_over_true: Final = wall - true
        """How far the machine's wall clock was ahead of its monotonic one, in ns: what right is here."""
        self._line = ClockLine(true, true + epoch_ns, wall)
        self._generation = 0
        self._lines: deque[tuple[int, tuple[int, int, int]]] = deque(maxlen=LINES_KEPT)
        self._words[_NAMESPACE] = namespace_ns
        for word, clock in ((_BOOT_OVER, time.CLOCK_BOOTTIME), (_RAW_OVER, time.CLOCK_MONOTONIC_RAW)):
            reading, at = _together(clock)
            self._words[word] = reading - at
        self._words[_TAI_OVER] = _tai_over()
        self._change(lambda _: None)
        self._words[_MAGIC] = MAGIC  # last: before, it is no page

    def bend(self, bend: ClockBend) -> None:
        """Let the clocks run so from now on."""
        self._change(lambda true: self._line.bend(true, bend))

    def jump(self, by: int) -> None:
        """Let the monotonic clock jump forward by some ns, for good. Raises ValueError if that would be backwards."""
        self._change(lambda true: self._line.jump(true, by))

    def reset(self) -> None:
        """Set the wall clock right, but for what the bend in force does to it; the monotonic clock does not notice."""
        self._change(lambda true: self._line.set_right(true, true + self.wall_over_true))

    def read(self) -> ClockReading:
        """Read the clocks as the node's processes are told to, and say which change these have read, and what."""
        true = time.monotonic_ns()
        notes = self.notes()
        return ClockReading(
            self._line.read(true),
            true,
            self._line.wall(true),
            self._generation,
            max((note.generation for note in notes), default=None),
            "; ".join(self._doubts_of(note for note in notes if note.generation == self._generation)),
        )

    @property
    def is_straight(self) -> bool:
        """Whether the clocks run at the true rate."""
        return self._line.anchor[2] == MILLION

    def note_of(self, pid: int) -> Note | None:
        """Return what a process has noted last; None if it has not noted anything (or its place was taken)."""
        return next((note for note in self.notes() if note.pid == pid), None)

    def notes(self) -> tuple[Note, ...]:
        """Return what processes have noted last."""
        return tuple(note for number in range(NOTES) if (note := self._note(number)) is not None)

    def doubts(self) -> tuple[str, ...]:
        """Say, in a sentence each, where a process has read something else than the page had said."""
        return self._doubts_of(self.notes())

    def _doubts_of(self, notes: Iterable[Note]) -> tuple[str, ...]:
        lines = dict(self._lines)
        doubts = []
        for note in notes:
            line = lines.get(note.generation)
            if line is None:
                continue  # too long ago to be compared
            true, local, ppm = line
            expected = local + max(0, note.true - true) * ppm // MILLION
            if note.local != expected:
                doubts.append(
                    f"process {note.pid} has read {note.local} ns at {note.true} ns, where its page had said {expected}"
                )
        return tuple(doubts)

    def leave_half_written(self) -> None:
        """Be as if the writer had been killed while it replaced a line; for tests of what processes make of that."""
        self._words[_SEQUENCE] |= 1

    def close(self) -> None:
        """Let go of the page; the processes keep theirs. Closing twice is harmless."""
        self._words.release()
        self._map.close()

    def _change(self, change: Callable[[int], None]) -> None:
        words = self._words
        words[_SEQUENCE] += 1
        try:
            change(self._settled())
            self._generation += 1
            self._publish()
        finally:
            words[_SEQUENCE] += 1

    def _settled(self) -> int:
        """Return true time once every processor is sure to see that the sequence is odd.

        A store waits in its processor's buffer for a while, and a load may be carried out ahead of what stands before
        it: both for less than a µs. Without this a reader was seen to go back by 96 ns.
        """
        settled = time.monotonic_ns() + SETTLE_NS
        while (now := time.monotonic_ns()) < settled:
            pass
        return now

    def _publish(self) -> None:
        words, free = self._words, 1 - self._words[_CURRENT]
        first = _LINES + free * _LINE_WORDS
        anchor = self._line.anchor
        words[first] = self._generation
        words[first + 1], words[first + 2], words[first + 3] = anchor
        words[first + 4] = self._line.wall_over_local
        self._lines.append((self._generation, anchor))
        words[_CURRENT] = free

    def _note(self, number: int) -> Note | None:
        words, first = self._words, _FIRST_NOTE + number * _NOTE_WORDS
        for _ in range(CLOSE_ATTEMPTS):
            sequence = words[first]
            note = Note(words[first + 1], words[first + 2], words[first + 3], words[first + 4])
            if not sequence & 1 and words[first] == sequence:
                return note if note.pid else None
        return None


def _together(clock: int) -> tuple[int, int]:
    """Read a clock and the monotonic one as of the same moment (within a µs, if the machine lets us)."""
    best: tuple[int, int, int] | None = None
    for _ in range(CLOSE_ATTEMPTS):
        before = time.monotonic_ns()
        reading = time.clock_gettime_ns(clock)
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, reading, (before + after) // 2)
        if best[0] < CLOSE_NS:
            break
    assert best is not None
    return best[1], best[2]


def _tai_over() -> int:
    """Return how far International Atomic Time is ahead of UTC on this machine, in whole seconds as ns."""
    ahead = time.clock_gettime_ns(time.CLOCK_TAI) - time.time_ns()
    return round(ahead / 10**9) * 10**9
