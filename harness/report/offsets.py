"""How far the nodes' clocks were from true time, as data to be drawn: a broken line for each node and clock.

Nothing here knows how it is drawn. A clock that was right all the time, on all nodes, has no picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.clock_samples import ClockSample
from harness.report.texts import NS_PER_S

POINTS_MAX = 4_000
"""So many points a line: more cannot be told apart on a screen."""


@dataclass(frozen=True)
class OffsetLine:
    """One node's clock: seconds since the run's start, and seconds ahead of true time."""

    node: str
    at_s: tuple[float, ...]
    ahead_s: tuple[float, ...]


@dataclass(frozen=True)
class Offsets:
    """All nodes' lines of one clock, ``wall`` or ``monotonic``."""

    clock: str
    lines: tuple[OffsetLine, ...]


@dataclass(frozen=True)
class OffsetRow:
    """How far a node's clock has been off, in words."""

    node: str
    clock: str
    behind: str
    ahead: str
    at_end: str


def offsets_of(samples: Sequence[ClockSample]) -> tuple[Offsets, ...]:
    """Return the lines of each clock that was ever wrong on any node."""
    found = (
        Offsets("wall", _lines([(sample.time, sample.node, sample.wall) for sample in samples])),
        Offsets("monotonic", _lines([(sample.time, sample.node, sample.monotonic) for sample in samples])),
    )
    return tuple(offsets for offsets in found if any(any(line.ahead_s) for line in offsets.lines))


def offset_rows(offsets: Sequence[Offsets]) -> tuple[OffsetRow, ...]:
    """Return the table: the clocks that were ever wrong."""
    return tuple(
        OffsetRow(
            node=line.node,
            clock=one.clock,
            behind=_signed(min(0.0, *line.ahead_s)),
            ahead=_signed(max(0.0, *line.ahead_s)),
            at_end=_signed(line.ahead_s[-1]),
        )
        for one in offsets
        for line in one.lines
        if any(line.ahead_s)
    )


def _lines(points: Sequence[tuple[int, str, int]]) -> tuple[OffsetLine, ...]:
    nodes = sorted({node for _, node, _ in points}, key=lambda node: (len(node), node))
    return tuple(_line(node, [(at, ahead) for at, name, ahead in points if name == node]) for node in nodes)


def _line(node: str, points: Sequence[tuple[int, int]]) -> OffsetLine:
    thinned = points[:: -(-len(points) // POINTS_MAX)]
    if thinned[-1] is not points[-1]:
        thinned = [*thinned, points[-1]]
    return OffsetLine(node, tuple(at / NS_PER_S for at, _ in thinned), tuple(ahead / NS_PER_S for _, ahead in thinned))


def _signed(ahead_s: float) -> str:
    if not ahead_s:
        return "0"
    return f"{ahead_s:+,.3f} s" if abs(ahead_s) >= 0.1 else f"{ahead_s * 1_000:+,.3f} ms"
