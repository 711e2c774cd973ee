"""The frontiers drawn: detection time against mistakes, as SVG that needs no script.

Both axes are logarithmic and as long as the frontiers are, not as everything that was swept. Detectors differ in
colour, shape and dash, so that lines which lie on one another can be told apart, also in grey. A detector that made no
mistake at all is drawn hollow, at the rate that its trace excludes, with an arrow downwards and a broken line to it:
that is an upper bound and no measurement, and may well be higher than its neighbour.

Every point is a link to its row in the table, so a keyboard reaches it, and tells its numbers while it has the focus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

from harness.tuning.advice import MISTAKES_PER_HOUR_MAX, Advice
from harness.tuning.quality import Quality, frontier

WIDTH, HEIGHT = 960, 540
LEFT, RIGHT, TOP, BOTTOM = 86, 24, 40, 62
SIZE = 5.0
CHARACTER = 7.6
"""About how wide a letter of a label is, in pixels."""
TICKS_MIN = 5
SHAPES = {
    "fixed": "M-{0} -{0}H{0}V{0}H-{0}Z",
    "nfd-e": "M-{1} 0a{1} {1} 0 1 0 {2} 0a{1} {1} 0 1 0 -{2} 0Z",
    "phi": "M0 -{3}L{3} {0}H-{3}Z",
    "phi-exponential": "M0 -{3}L{3} 0L0 {3}L-{3} 0Z",
}
"""Each detector's mark: square, circle, triangle, diamond."""


class Scale:
    """A logarithmic axis: values from and to, pixels from and to."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = math.log10(min(values)), math.log10(max(values))
        room = max((high - low) * 0.06, 0.03)
        self.low, self.high = low - room, high + room
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        """Return a value's place."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._begin + share * (self._end - self._begin)

    def holds(self, value: float) -> bool:
        """Say whether a value has a place between the axis's ends."""
        return value > 0 and self.low <= math.log10(value) <= self.high

    @property
    def ticks(self) -> list[float]:
        """One, two and five of each decade; more of them where the axis is short."""
        for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8), tuple(step / 10 for step in range(10, 100, 2))):
            found = self._of(steps)
            if len(found) >= TICKS_MIN:
                break
        return found

    def _of(self, steps: Sequence[float]) -> list[float]:
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        return [tick for decade in decades for step in steps if self.holds(tick := step * 10.0**decade)]


def row_id(one: Quality) -> str:
    """Return the name of a setting's row in the table."""
    return f"{one.detector}-{one.value:g}".replace(".", "-")


def rate(one: Quality) -> str:
    """Return a rate of mistakes, or what is known of one that is too small to have been seen."""
    return f"{one.mistakes_per_hour:.2f}" if one.mistakes else f"< {one.rate_at_most:.2f}"


def mark(detector: str, size: float = SIZE) -> str:
    """Return a detector's mark as the path of an SVG, around 0, 0."""
    return SHAPES[detector].format(*(f"{size * factor:.2f}" for factor in (0.88, 1.0, 2.0, 1.25)))


def frontiers_of(qualities: Sequence[Quality], advice: Advice) -> dict[str, list[Quality]]:
    """Return each detector's frontier; what is recommended is on it, too, though it may be best at the 99th percentile.

    (The frontier itself is of mean detection times.)
    """
    found = {name: frontier([one for one in qualities if one.detector == name]) for name in SHAPES}
    best = advice.detector
    if best is not None and best not in found[best.detector]:
        found[best.detector] = sorted([*found[best.detector], best], key=lambda one: one.detection_mean_ms)
    return found


def draw(qualities: Sequence[Quality], advice: Advice) -> str:
    """Return the frontiers as SVG, with what is recommended marked."""
    frontiers = frontiers_of(qualities, advice)
    shown = [one for best in frontiers.values() for one in best]
    x = Scale([one.detection_mean_ms for one in shown], LEFT, WIDTH - RIGHT)
    y = Scale([one.rate_at_most for one in shown], HEIGHT - BOTTOM, TOP)
    return "\n".join(
        [
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" '
            'aria-label="mistakes an hour over mean detection time, a line a detector">',
            *(_tick_x(x(tick), f"{tick:g}") for tick in x.ticks),
            *(_tick_y(y(tick), f"{tick:g}") for tick in y.ticks),
            *_titles(),
            *_bounds(advice, x, y),
            *(part for name, best in frontiers.items() for part in _series(name, best, x, y)),
            *(_recommended(advice.detector, x, y) if advice.detector is not None else ()),
            "</svg>",
        ]
    )


def legend() -> str:
    """Return a box for each detector that shows and hides its line."""
    entries = (
        f'<label><input type="checkbox" id="show-{name}" checked><svg class="key {name}" viewBox="-22 -8 44 16">'
        f'<path class="line" d="M-20 0H20"/><path class="mark" d="{mark(name)}"/></svg>{escape(name)}</label>'
        for name in SHAPES
    )
    return f'<p class="legend">{"".join(entries)}</p>'


def _series(name: str, best: Sequence[Quality], x: Scale, y: Scale) -> list[str]:
    places = [(x(one.detection_mean_ms), y(one.rate_at_most), one) for one in best]
    seen = " ".join(f"{left:.1f},{top:.1f}" for left, top, one in places if one.mistakes)
    drawn = [f'<g class="series {name}"><polyline class="line" points="{seen}"/>']
    for before, after in pairwise(places):
        if not after[2].mistakes:
            drawn.append(f'<path class="unsure" d="M{before[0]:.1f} {before[1]:.1f}L{after[0]:.1f} {after[1]:.1f}"/>')
    drawn += [_point(left, top, one) for left, top, one in places]
    return [*drawn, "</g>"]


def _point(left: float, top: float, one: Quality) -> str:
    told = f"{one.setting} = {one.value:g}: T_D {one.detection_mean_ms:.0f} ms, {rate(one)} mistakes an hour"
    arrow = "" if one.mistakes else f'<path class="arrow" d="M0 {SIZE + 2}V{SIZE + 12}m-3 -4l3 4l3 -4"/>'
    hollow = "" if one.mistakes else " hollow"
    return (
        f'<a href="#{row_id(one)}" aria-label="{escape(f"{one.detector}, {told}")}" '
        f'transform="translate({left:.1f} {top:.1f})"><path class="mark{hollow}" d="{mark(one.detector)}"/>{arrow}'
        f"{_label(left, top, told)}</a>"
    )


def _label(left: float, top: float, told: str) -> str:
    """Return the words beside a point while it has the focus, within the drawing wherever the point is."""
    width = len(told) * CHARACTER + 14
    shift = min(max(left - width / 2, 4.0), WIDTH - width - 4) - left
    above = -34 if top > TOP + 24 else 12
    return (
        f'<g class="told" transform="translate({shift:.1f} {above})"><rect width="{width:.0f}" height="22" rx="4"/>'
        f'<text x="{width / 2:.0f}" y="15" text-anchor="middle">{escape(told)}</text></g>'
    )


def _recommended(one: Quality, x: Scale, y: Scale) -> list[str]:
    if not (x.holds(one.detection_mean_ms) and y.holds(one.rate_at_most)):
        return []
    left, top = x(one.detection_mean_ms), y(one.rate_at_most)
    text = f"recommended: {one.detector}, {one.setting} = {one.value:g}"
    fits = left + 16 + len(text) * CHARACTER < WIDTH
    side, anchor = (15, "start") if fits else (-15, "end")
    return [
        f'<g class="recommended" transform="translate({left:.1f} {top:.1f})"><circle r="11"/>'
        f'<text x="{side}" y="-10" text-anchor="{anchor}">{escape(text)}</text></g>'
    ]


def _bounds(advice: Advice, x: Scale, y: Scale) -> list[str]:
    """Draw what bounds every detector: the time-out that is recommended, and how many mistakes it may make."""
    drawn = []
    timeout = advice.election_timeout_ms
    text = f"election_timeout_ms = {timeout}"
    if x.holds(timeout):
        left = x(timeout)
        anchor = "end" if left > (LEFT + WIDTH) / 2 else "start"
        aside = left - 5 if anchor == "end" else left + 5
        drawn.append(f'<path class="bound" d="M{left:.1f} {TOP - 6}V{HEIGHT - BOTTOM}"/>')
        drawn.append(f'<text class="bound" x="{aside:.1f}" y="{TOP - 10}" text-anchor="{anchor}">{text}</text>')
    else:
        where, anchor = (WIDTH - RIGHT, "end") if timeout > 10**x.high else (LEFT, "start")
        words = f"{text} →" if anchor == "end" else f"← {text}"
        drawn.append(f'<text class="bound" x="{where}" y="{TOP - 10}" text-anchor="{anchor}">{words}</text>')
    if y.holds(MISTAKES_PER_HOUR_MAX):
        top = y(MISTAKES_PER_HOUR_MAX)
        drawn.append(f'<path class="bound" d="M{LEFT} {top:.1f}H{WIDTH - RIGHT}"/>')
        words = f"{MISTAKES_PER_HOUR_MAX:g} an hour: the most that is recommended"
        drawn.append(f'<text class="bound" x="{LEFT + 6}" y="{top - 5:.1f}">{words}</text>')
    return drawn


def _titles() -> list[str]:
    middle, half = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    return [
        f'<text class="title" x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">'
        "mean detection time T_D, in ms (further left: sooner)</text>",
        f'<text class="title" transform="translate(20 {half}) rotate(-90)" text-anchor="middle">'
        "mistakes an hour λ_M (further down: fewer)</text>",
    ]


def _tick_x(left: float, text: str) -> str:
    line = f'<path class="grid" d="M{left:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
    return f'{line}<text class="tick" x="{left:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{text}</text>'


def _tick_y(top: float, text: str) -> str:
    line = f'<path class="grid" d="M{LEFT} {top:.1f}H{WIDTH - RIGHT}"/>'
    return f'{line}<text class="tick" x="{LEFT - 9}" y="{top + 4:.1f}" text-anchor="end">{text}</text>'
