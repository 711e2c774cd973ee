"""The frontiers as a page: the drawing, the advice with its reasons, and the table; nothing is loaded from anywhere.

It has no script at all, and says so (Content-Security-Policy): hiding a line, reaching a point by keyboard and light or
dark are CSS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from harness.tuning.advice import Advice
from harness.tuning.drawing import draw, frontiers_of, legend, mark, rate, row_id
from harness.tuning.quality import Quality
from harness.tuning.trace import Trace

_STYLE = Path(__file__).with_name("tune.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SETTING, _CODE = re.compile(r"(\w+_\w+ = \S+)"), r"<code>\1</code>"
_COLUMNS = (
    ("mean T_D, ms", "from a crash to the suspicion that stays, on the average"),
    ("p99 T_D, ms", "the same, the 99th percentile"),
    ("λ_M, 1/h", "mistakes an hour: suspected, and heard from after all"),
    ("mean T_M, ms", "how long a mistake lasts"),
    ("P_A", "the share of time in which the detector is right"),
)


def page(trace: Trace, qualities: Sequence[Quality], advice: Advice) -> str:
    """Return the whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>antipaxos tune</title>'
        f"<style>{_STYLE.read_text(encoding='utf-8')}</style></head><body><main>"
        f'<h1>Failure detectors over one trace</h1><p class="soft">{escape(trace.source)}; a heartbeat every '
        f"{trace.heartbeat / 1e6:g} ms; {_length(trace)}.</p>"
        f'<section class="sheet">{legend()}<div class="scroll">{draw(qualities, advice)}</div>'
        '<p class="soft">A point is a detector with one setting, on its frontier: no other setting is both sooner and '
        "makes fewer mistakes. Hollow, with an arrow: no mistake in the whole trace; drawn at the rate that it "
        "excludes with 95 % confidence. Tab goes from point to point, Enter to its row.</p></section>"
        f"<h2>Advice</h2>{_advice(advice)}<h2>The frontiers</h2>{_table(qualities, advice)}</main></body></html>\n"
    )


def _length(trace: Trace) -> str:
    seconds = sum(beats.length for beats in trace.links) / 1e9
    text = f"{seconds / 3_600:.2f} h" if seconds >= 3_600 else f"{seconds:.0f} s"
    links = len(trace.links)
    return f"{text} of {links} links" if links != 1 else f"{text} of one link"


def _advice(advice: Advice) -> str:
    settings = "\n".join(f"--set {key}={value}" for key, value in advice.settings.items())
    reasons = "".join(f"<li>{_reason(reason)}</li>" for reason in advice.reasons)
    warning = (
        ""
        if advice.support.enough
        else '<p class="warning">The trace is short: what is recommended may be too tight. The first reason says how '
        "long a trace would do.</p>"
    )
    return f'<section class="sheet">{warning}<pre>{escape(settings)}</pre><ul class="reasons">{reasons}</ul></section>'


def _reason(reason: str) -> str:
    """Return a reason with what it is for in bold: everything before the first colon that ends a word."""
    head, colon, why = reason.partition(": ")
    if not colon:
        return escape(reason)
    return f"<b>{_SETTING.sub(_CODE, escape(head))}</b>: {escape(why)}"


def _table(qualities: Sequence[Quality], advice: Advice) -> str:
    head = "".join(f'<th class="number" title="{escape(told)}">{escape(name)}</th>' for name, told in _COLUMNS)
    bodies = "".join(
        f'<tbody class="{name}">{"".join(_row(one, one == advice.detector) for one in best)}</tbody>'
        for name, best in frontiers_of(qualities, advice).items()
        if best
    )
    told = "; ".join(f"{name.partition(',')[0]}: {what}" for name, what in _COLUMNS)
    return (
        f'<section class="sheet scroll"><table><thead><tr><th>detector</th><th>setting</th>{head}</tr></thead>'
        f'{bodies}</table><p class="soft">{escape(told)}.</p></section>'
    )


def _row(one: Quality, recommended: bool) -> str:
    numbers = (
        f"{one.detection_mean_ms:.1f}",
        f"{one.detection_p99_ms:.1f}",
        rate(one),
        f"{one.mistake_mean_ms:.1f}" if one.mistakes else "–",
        f"{one.query_accuracy:.6f}",
    )
    cells = "".join(f'<td class="number">{escape(number)}</td>' for number in numbers)
    badge = ' <b class="badge">recommended</b>' if recommended else ""
    key = f'<svg class="key {one.detector}" viewBox="-8 -8 16 16"><path class="mark" d="{mark(one.detector)}"/></svg>'
    return (
        f'<tr id="{row_id(one)}"><td class="name">{key}{escape(one.detector)}</td>'
        f"<td><code>{escape(one.setting)} = {one.value:g}</code>{badge}</td>{cells}</tr>"
    )
