"""How far each node's clocks were from true time, through the run: ``clocks.jsonl``.

An offset counts from the run's start, when nothing is bent yet: where a monotonic clock begins means nothing. It is
read a few times a second, and right before and after each change that a fault makes, so that a strobe that flips
between two readings is in the file all the same. Of readings that say the same only the first and the last are written.
It is done where clocks can be bent and a fault of the plan (or the scenario) asks for that; a reading changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from harness.store import Lines
from nemesis.ground import ClockReading

SAMPLE_EVERY_S = 0.25
SAMPLES_MAX = 50_000
"""So many lines a run; what comes then is counted, and said."""


class ClockSample(msgspec.Struct, frozen=True):
    """At ``time`` (ns since the run's start), how far (ns) a node's two clocks were ahead of true time."""

    time: int
    node: str
    wall: int
    monotonic: int


class ClockSampler:
    """Reads the clocks of a run's nodes and writes down where they are."""

    def __init__(
        self,
        lines: Lines,
        nodes: Sequence[str],
        read: Callable[[str], Awaitable[ClockReading]],
        now: Callable[[], int],
    ) -> None:
        """``read`` reads a node's clocks; ``now`` gives ns since the run's start."""
        self._lines = lines
        self._nodes = nodes
        self._read = read
        self._now = now
        self._first: dict[str, ClockReading] = {}
        self._written: dict[str, ClockSample] = {}
        self._held: dict[str, ClockSample] = {}
        self._count = 0
        self.left_out = 0

    async def run(self) -> None:
        """Look at all nodes, again and again, until cancelled."""
        while True:
            for node in self._nodes:
                await self.look(node)
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def look(self, node: str) -> None:
        """Look at one node's clocks now."""
        reading = await self._read(node)
        first = self._first.setdefault(node, reading)
        true = reading.true - first.true
        wall, monotonic = reading.wall - first.wall - true, reading.local - first.local - true
        self._keep(ClockSample(self._now(), node, wall, monotonic))

    def close(self) -> None:
        """Write what is held back, and close the file."""
        for sample in self._held.values():
            self._write(sample)
        self._held.clear()
        self._lines.close()

    def _keep(self, sample: ClockSample) -> None:
        before = self._written.get(sample.node)
        if before is not None and (before.wall, before.monotonic) == (sample.wall, sample.monotonic):
            self._held[sample.node] = sample
            return
        held = self._held.pop(sample.node, None)
        if held is not None:
            self._write(held)
        self._write(sample)

    def _write(self, sample: ClockSample) -> None:
        self._written[sample.node] = sample
        if self._count >= SAMPLES_MAX:
            self.left_out += 1
            return
        self._count += 1
        self._lines.write(sample)


def read_samples(path: Path) -> tuple[ClockSample, ...]:
    """Return the samples of a run, none if it has none; a last line that was cut off is left out.

    Raises msgspec.DecodeError if there is anything else in the file.
    """
    if not path.exists():
        return ()
    return tuple(msgspec.json.Decoder(ClockSample).decode_lines(path.read_bytes().rpartition(b"\n")[0]))
