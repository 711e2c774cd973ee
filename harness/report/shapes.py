"""Shapes and colours of the charts: shared by the charts, which need Bokeh, and the page's legend, which does not."""

from __future__ import annotations

from collections.abc import Sequence

from checkers.history import Outcome

OUTCOME_COLOURS = {Outcome.OK: "#3b87c8", Outcome.FAIL: "#c2479b", Outcome.INFO: "#e08a00"}
VIOLATED = "#e5282e"
NEUTRAL = "#7d8590"
SKIPPED = "#d5d9de"

KIND_COLOURS = {
    "partition": "#e9dca0",
    "kill": "#e9a4a0",
    "pause": "#a0b1e9",
    "restart": "#d9b3e6",
    "link": "#d1e8a0",
    "clock": "#a0e9e3",
    "disk": "#99f2e2",
}
"""Jepsen's colours for the faults it has too."""

OTHER_COLOURS = ("#f0c79a", "#c6d8e8", "#b8e0b8", "#f2b8d0", "#cfc4ae", "#b7d4c9")

NODE_COLOURS = ("#3b87c8", "#e08a00", "#2f9e62", "#c2479b", "#7a63c9", "#8c6d46", "#5b6770")
LINE_STYLES = ("solid", "dashed", "dotted", "dotdash", "dashdot")
"""Nodes' lines are told apart without colour, too."""

MARKERS = ("circle", "square", "triangle", "diamond", "hex", "star")
"""One shape an ``f``; each also exists with a dot in it, for info."""


def marker_shapes(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The shape of each ``f`` in the latency chart; shapes are used again where there are more names."""
    return tuple((name, MARKERS[number % len(MARKERS)]) for number, name in enumerate(names))


def kind_colour(kind: str, kinds: Sequence[str]) -> str:
    """The colour of a kind of fault; ``kinds`` are all kinds of the run."""
    others = [other for other in kinds if other not in KIND_COLOURS]
    return KIND_COLOURS.get(kind) or OTHER_COLOURS[others.index(kind) % len(OTHER_COLOURS)]


def node_colour(number: int) -> str:
    """The colour of a node's lines; colours are used again where there are more nodes."""
    return NODE_COLOURS[number % len(NODE_COLOURS)]
