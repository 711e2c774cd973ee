"""``report.html``: a run on one page, in one file, without a network.

The page is text and tables first, so that it is right without the charts: Bokeh is an optional extra, and a report
without it says how to get it. The charts come as JSON inside a script element that is never executed, and are drawn by
the page's own script.

Values in a history come from anywhere. The template escapes everything, the JSON is escaped on its own, and besides
the page forbids itself (Content-Security-Policy) to load anything and to run any script but the ones it was written
with, which it knows by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from checkers.history import History
from harness.clock_samples import read_samples
from harness.report import page, texts
from harness.report.offsets import Offsets, offset_rows, offsets_of
from harness.report.sequence import read_sequence, replay_of
from harness.report.sequence.page import Section, section_of
from harness.report.shapes import LINE_STYLES, marker_shapes, node_colour
from harness.report.timeline import Timeline, timeline_of
from harness.results import RunResult, RunVerdict
from harness.scenario import SIMULATED
from harness.store import CLOCKS, TRACE

if TYPE_CHECKING:
    from harness.report.charts import Charts

_HERE = Path(__file__).parent

NO_BOKEH = "The charts need Bokeh, which is not installed here: pip install 'antipaxos[report]'"


def write_report(
    result: RunResult, history: History, path: Path, *, concurrency: int | None = None, trace: Path | None = None
) -> None:
    """Write the report of a run to ``path``, whole or not at all.

    ``concurrency`` is the number of client threads; without it, it is told from the history. ``trace`` is the file of
    the run's trace; without it, ``trace.jsonl`` next to the report, if there is one. So with ``clocks.jsonl``.
    """
    offsets = _offsets(path.with_name(CLOCKS))
    trace = trace or path.with_name(TRACE)
    page = render_report(result, history, concurrency=concurrency, trace=trace, offsets=offsets)
    content = page.encode("utf-8", "backslashreplace")
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def render_report(
    result: RunResult,
    history: History,
    *,
    concurrency: int | None = None,
    trace: Path | None = None,
    offsets: Sequence[Offsets] = (),
) -> str:
    """The page as text; ``trace`` need not be there."""
    lookup = page.Lookup(history)
    timeline = timeline_of(result, history, page.involved_operations(result, lookup), concurrency)
    charts = None if timeline.empty else _charts(timeline, offsets)
    sequence = _sequence(result, history, trace, concurrency)
    scripts = [*(charts.scripts if charts else ()), (_HERE / "report.js").read_text()]
    if isinstance(sequence, Section):
        scripts.append((_HERE / "sequence.js").read_text())
    return _environment().get_template("report.html.j2").render(
        result=result,
        banner=page.BANNERS[result.verdict],
        anomalies=page.anomalies_of(result, lookup, timeline.end_s),
        anomalies_open=page.ANOMALIES_OPEN,
        cards=page.cards_of(result, timeline),
        faults=page.fault_rows_of(result.faults, timeline.end_s),
        timeline=timeline,
        offsets=offset_rows(offsets),
        lines=_line_legend(offsets),
        shapes=_shapes(timeline),
        charts_json=None if charts is None else _json_in_script(charts.item_json),
        charts_missing=None if charts or timeline.empty else NO_BOKEH,
        sequence=sequence,
        sequence_json=_json_in_script(sequence.json) if isinstance(sequence, Section) else None,
        followed=[choice.number for choice in sequence.picture.choices] if isinstance(sequence, Section) else [],
        css=Markup("".join((_HERE / name).read_text() for name in ("report.css", "sequence.css"))),
        scripts=[_script(text) for text in scripts],
        hashes=[_hash(_script(text)) for text in scripts],
    )  # fmt: skip


def _charts(timeline: Timeline, offsets: Sequence[Offsets]) -> Charts | None:
    """The charts; None without Bokeh."""
    try:
        from harness.report.charts import charts_of  # noqa: PLC0415
    except ImportError:
        return None
    return charts_of(timeline, offsets)


def _offsets(path: Path) -> tuple[Offsets, ...]:
    """How far the run's clocks were off; nothing if that was not looked at. Raises OSError if it cannot be read."""
    try:
        return offsets_of(read_samples(path))
    except msgspec.DecodeError as error:
        raise OSError(f"{path}: {error}") from error


def _line_legend(offsets: Sequence[Offsets]) -> tuple[tuple[str, str, str], ...]:
    """Node, colour and style of each line of the charts of clocks."""
    nodes = offsets[0].lines if offsets else ()
    return tuple(
        (line.node, node_colour(number), LINE_STYLES[number % len(LINE_STYLES)]) for number, line in enumerate(nodes)
    )


def _sequence(result: RunResult, history: History, trace: Path | None, concurrency: int | None) -> Section | str | None:
    """The picture of messages; a sentence if it cannot be drawn; None if there is nothing to say of it."""
    if trace is not None and trace.exists():
        picture = read_sequence(trace, result, history, concurrency)
        return picture if isinstance(picture, str) else section_of(picture)
    if result.place == SIMULATED and result.verdict is RunVerdict.VIOLATION:
        return f"Messages were not recorded; {replay_of(result)} --trace records them, for a picture here."
    return None


def _shapes(timeline: Timeline) -> tuple[tuple[str, str], ...]:
    return marker_shapes(sorted({bar.operation.f for bar in timeline.bars}))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seconds": texts.seconds, "count": texts.count}
    return environment


def _json_in_script(text: str) -> Markup:
    """JSON as it may stand inside a script element: no ``<`` can end it."""
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _script(text: str) -> Markup:
    """A script as it may stand in a page: nothing in it ends the element, and lines end as the browser has them."""
    return Markup(text.replace("\r\n", "\n").replace("</script", "<\\/script"))


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8", "backslashreplace")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
