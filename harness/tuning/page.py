"""The frontiers as a page: one drawing in SVG, the advice, and the table; nothing is loaded from anywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from harness.tuning.advice import Advice
from harness.tuning.quality import Quality, frontier
from harness.tuning.trace import Trace

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 90, 30, 20, 60
MARKS = {"fixed": ("#6b7280", "■"), "nfd-e": ("#0072b2", "●"), "phi": ("#d55e00", "▲")}
MARKS |= {"phi-exponential": ("#009e73", "◆")}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111}"
    "svg{width:100%;height:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "td,th{padding:.15rem .7rem;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child,"
    "td:nth-child(2),th:nth-child(2){text-align:left}pre{background:#f3f4f6;padding:.8rem}"
)


class Scale:
    """A logarithmic axis: values from and to, pixels from and to."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)) * 4) / 4
        self.high = max(math.ceil(math.log10(max(values)) * 4) / 4, self.low + 0.25)
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        """Return a value's place."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self._begin + share * (self._end - self._begin)

    @property
    def ticks(self) -> list[float]:
        """One, two and five of each decade."""
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        every = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        return [tick for tick in every if self.low - 1e-9 <= math.log10(tick) <= self.high + 1e-9]


def draw(qualities: Sequence[Quality]) -> str:
    """Return the frontiers as SVG; who makes no mistake at all is drawn at what its trace cannot exclude, hollow."""
    x = Scale([one.detection_mean_ms for one in qualities], LEFT, WIDTH - RIGHT)
    y = Scale([one.rate_at_most for one in qualities], HEIGHT - BOTTOM, TOP)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="mistakes an hour over detection time">']
    parts += [_tick_x(x(tick), f"{tick:g}") for tick in x.ticks]
    parts += [_tick_y(y(tick), f"{tick:g}") for tick in y.ticks]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">mean detection time, ms</text>')
    parts.append(
        f'<text transform="translate(18 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">mistakes an hour</text>'
    )
    for row, (detector, (colour, mark)) in enumerate(MARKS.items()):
        best = frontier([one for one in qualities if one.detector == detector])
        parts += _series(best, colour, x, y)
        parts.append(
            f'<text x="{WIDTH - RIGHT - 8}" y="{TOP + 20 + 20 * row}" text-anchor="end" fill="{colour}">'
            f"{mark} {escape(detector)}</text>"
        )
    return "\n".join([*parts, "</svg>"])


def _series(best: Sequence[Quality], colour: str, x: Scale, y: Scale) -> list[str]:
    points = [(x(one.detection_mean_ms), y(one.rate_at_most), one) for one in best]
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top, _ in points)
    drawn = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>']
    for left, top, one in points:
        fill = colour if one.mistakes else "#fff"
        told = f"{one.detector}, {one.setting} = {one.value:g}: {one.detection_mean_ms:.1f} ms, {_rate(one)} an hour"
        drawn.append(
            f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" fill="{fill}" stroke="{colour}"><title>{escape(told)}'
            "</title></circle>"
        )
    return drawn


def _tick_x(left: float, text: str) -> str:
    line = f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e5e7eb"/>'
    return f'{line}<text x="{left:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" font-size="12">{text}</text>'


def _tick_y(top: float, text: str) -> str:
    line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top:.1f}" y2="{top:.1f}" stroke="#e5e7eb"/>'
    return f'{line}<text x="{LEFT - 8}" y="{top + 4:.1f}" text-anchor="end" font-size="12">{text}</text>'


def page(trace: Trace, qualities: Sequence[Quality], advice: Advice) -> str:
    """Return the whole page."""
    rows = "".join(
        f"<tr><td>{escape(one.detector)}</td><td>{escape(one.setting)} = {one.value:g}</td>"
        f"<td>{one.detection_mean_ms:.1f}</td><td>{one.detection_p99_ms:.1f}</td><td>{_rate(one)}</td>"
        f"<td>{one.mistake_mean_ms:.1f}</td><td>{one.query_accuracy:.6f}</td></tr>"
        for detector in MARKS
        for one in frontier([one for one in qualities if one.detector == detector])
    )
    settings = "\n".join(f"--set {key}={value}" for key, value in advice.settings.items())
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in advice.reasons)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>antipaxos tune</title>'
        f"<style>{_STYLE}</style></head><body><h1>Failure detectors over one trace</h1>"
        f"<p>{escape(trace.source)}; a heartbeat every {trace.heartbeat / 1e6:g} ms.</p>{draw(qualities)}"
        "<p>Hollow: no mistake in the whole trace; drawn at the rate that it excludes with 95 % confidence.</p>"
        f"<h2>Advice</h2><pre>{escape(settings)}</pre><ul>{reasons}</ul><h2>The frontiers</h2>"
        "<table><tr><th>detector</th><th>setting</th><th>mean T_D, ms</th><th>p99 T_D, ms</th><th>λ_M, 1/h</th>"
        f"<th>mean T_M, ms</th><th>P_A</th></tr>{rows}</table></body></html>\n"
    )


def _rate(one: Quality) -> str:
    return f"{one.mistakes_per_hour:.2f}" if one.mistakes else f"< {one.rate_at_most:.2f}"
