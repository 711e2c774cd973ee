"""A cycle as a picture: its few transactions on a circle, and an arrow for each dependency. SVG, as text.

networkx says where things go; it is imported here only, and only when something is drawn.
"""

from __future__ import annotations

from html import escape
from math import hypot
from typing import Final

from checkers.transactions.extra import needed
from checkers.transactions.stories import Story, transaction_text

_WIDTH: Final = 900
_MARGIN: Final = 90
_RADIUS: Final = 24
_COLOURS: Final = {"ww": "#b3261e", "wr": "#1b5e20", "rw": "#0b57d0", "process": "#8e24aa", "realtime": "#5f6368"}
_TEXT: Final = 'font-family="sans-serif" font-size="13"'


def drawing(cycle: Story) -> str:
    """Return the picture of a cycle as one SVG element. Raises MissingExtraError."""
    networkx = needed("networkx")
    graph = networkx.MultiDiGraph()
    graph.add_nodes_from(range(len(cycle.operations)))
    graph.add_edges_from((relation.before, relation.after) for relation in cycle.relations)
    size = 260 + 30 * len(cycle.operations)
    places = networkx.circular_layout(graph, scale=size / 2 - _RADIUS * 2, center=(_WIDTH / 2, size / 2 + _MARGIN / 2))
    points = {node: (float(x), float(y)) for node, (x, y) in places.items()}
    height = size + _MARGIN + 20 * len(cycle.operations)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(cycle.name)}</title>",
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L10 5L0 10z" fill="#202124"/></marker></defs>',
    ]
    for relation in cycle.relations:
        parts += _arrow(points[relation.before], points[relation.after], relation.kind, relation.because)
    for node, (x, y) in points.items():
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}" fill="#fff" stroke="#202124"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle" {_TEXT}>T{node + 1}</text>')
    for node, operation in enumerate(cycle.operations):
        text = escape(f"T{node + 1} = {transaction_text(operation)}")
        parts.append(f'<text x="10" y="{size + _MARGIN + 20 * node - 10}" {_TEXT}>{text}</text>')
    return "\n".join([*parts, "</svg>"])


def _arrow(start: tuple[float, float], end: tuple[float, float], kind: str, because: str) -> list[str]:
    """Return an arrow, bent to its left so that one back is beside it, with its kind."""
    (x1, y1), (x2, y2) = start, end
    length = hypot(x2 - x1, y2 - y1) or 1.0
    along, across = ((x2 - x1) / length, (y2 - y1) / length), ((y2 - y1) / length, (x1 - x2) / length)
    x1, y1 = x1 + along[0] * _RADIUS, y1 + along[1] * _RADIUS
    x2, y2 = x2 - along[0] * _RADIUS, y2 - along[1] * _RADIUS
    middle = ((x1 + x2) / 2 + across[0] * 30, (y1 + y2) / 2 + across[1] * 30)
    colour = _COLOURS.get(kind, "#202124")
    return [
        f'<path d="M{x1:.1f} {y1:.1f}Q{middle[0]:.1f} {middle[1]:.1f} {x2:.1f} {y2:.1f}" fill="none" '
        f'stroke="{colour}" stroke-width="1.5" marker-end="url(#head)"><title>{escape(because)}</title></path>',
        f'<text x="{middle[0]:.1f}" y="{middle[1]:.1f}" text-anchor="middle" fill="{colour}" {_TEXT}>{kind}</text>',
    ]
