"""The timeline drawn with Bokeh: four charts over one time axis, and one for each clock that was wrong.

This module needs Bokeh and is imported only when there is one. It hands out the charts as Bokeh's JSON and the scripts
that draw it; putting them into a page is the page's business. No callback carries code in the JSON: what must react to
the reader (labels, light and dark, zooming to an anomaly) is in report.js, which finds the models by their names.

Outcomes are told apart without colour: ok is filled, fail is hollow, info is hatched and open-ended. Text from a
history appears in tooltips only, which Bokeh builds as text nodes, and in labels drawn on a canvas.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.embed import json_item
from bokeh.layouts import gridplot
from bokeh.models import (
    ColumnDataSource,
    CrosshairTool,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    PanTool,
    Range1d,
    ResetTool,
    SaveTool,
    WheelZoomTool,
    ZoomInTool,
    ZoomOutTool,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure
from bokeh.resources import Resources

from checkers.history import Outcome
from harness.report.offsets import Offsets
from harness.report.shapes import (
    LINE_STYLES,
    NEUTRAL,
    OUTCOME_COLOURS,
    SKIPPED,
    VIOLATED,
    kind_colour,
    marker_shapes,
    node_colour,
)
from harness.report.texts import call_text, duration
from harness.report.timeline import Bar, FaultBar, Rate, Timeline, silence_text
from nemesis.record import FaultRecord, FaultStatus

LEFT_PX = 84
ZOOM_IN_MAX_S = 1e-4


@dataclass(frozen=True)
class Charts:
    """The charts as JSON, and the scripts that can draw them, in order."""

    item_json: str
    scripts: tuple[str, ...]


def charts_of(timeline: Timeline, offsets: Sequence[Offsets] = ()) -> Charts:
    """Draw a timeline that is not empty, and how far the nodes' clocks were off, if they were."""
    time_range = Range1d(
        start=0,
        end=timeline.end_s,
        bounds=(-0.02 * timeline.end_s, 1.02 * timeline.end_s),
        name="time",
        min_interval=ZOOM_IN_MAX_S,
    )
    faults = _fault_source(timeline)
    crosshair = Span(dimension="height", line_dash="dotted", line_width=1, line_color=NEUTRAL)
    drawn = [_fault_chart(timeline, time_range, faults)] if timeline.fault_rows or timeline.silence else []
    if timeline.bars:
        sources = {outcome: _source(timeline, outcome) for outcome in Outcome}
        drawn += [
            _lane_chart(timeline, time_range, faults, sources),
            _latency_chart(timeline, time_range, faults, sources),
        ]
    if timeline.rate is not None:
        drawn.append(_rate_chart(timeline, timeline.rate, time_range, faults))
    drawn += [_offset_chart(timeline, one, time_range, faults) for one in offsets]
    drawn[-1].xaxis.axis_label = "seconds since the run's start"
    for chart in drawn:
        chart.add_tools(CrosshairTool(overlay=crosshair, dimensions="height"))
    grid = gridplot(
        [[chart] for chart in drawn],
        sizing_mode="stretch_width",
        toolbar_location="above",
        toolbar_options={"logo": None},
    )
    resources = Resources(mode="inline", components=["bokeh", "bokeh-gl"], log_level="warn")
    return Charts(json.dumps(json_item(grid), allow_nan=False), tuple(resources.js_raw))


def _chart(name: str, height_px: int, time_range: Range1d, **options: Any) -> figure:
    pan, wheel = PanTool(dimensions="width"), WheelZoomTool(dimensions="width", modifiers="ctrl")
    tools = [
        pan,
        wheel,
        ZoomInTool(dimensions="width"),
        ZoomOutTool(dimensions="width", maintain_focus=False),
        ResetTool(),
        SaveTool(),
    ]
    chart = figure(
        name=name,
        height=height_px,
        x_range=time_range,
        tools=tools,
        active_drag=pan,
        active_scroll=wheel,
        sizing_mode="stretch_width",
        min_border_left=LEFT_PX,
        min_border_right=12,
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=NEUTRAL,
        outline_line_alpha=0.4,
        **options,
    )
    chart.grid.grid_line_alpha = 0.25
    chart.grid.grid_line_color = NEUTRAL
    chart.axis.axis_line_color = None
    chart.axis.minor_tick_line_color = None
    chart.axis.major_tick_line_color = NEUTRAL
    chart.axis.major_label_text_color = NEUTRAL
    chart.axis.axis_label_text_color = NEUTRAL
    chart.axis.axis_label_text_font_style = "normal"
    return chart


def _name_rows(chart: figure, names: Sequence[str], every: int = 1) -> None:
    """Name the rows of a chart whose y values are row numbers from the top. ``$$`` would mean TeX."""
    ticks = [row for row, name in enumerate(names) if name and row % every == 0]
    chart.yaxis.ticker = FixedTicker(ticks=ticks)
    chart.yaxis.major_label_overrides = {row: names[row].replace("$$", "$ $") for row in ticks}
    chart.ygrid.grid_line_color = None


def _rows_range(rows: int, above: float = 0.55) -> Range1d:
    """Rows from the top, with room above the first."""
    return Range1d(start=rows - 0.45, end=-above)


def _extent(spans: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Where bars are, as starts and stops and as middles and widths.

    Bars are rectangles about a middle because Bokeh cuts those with sides to the view, and then outlines the cut.
    """
    start = np.array([start_s for start_s, _ in spans], dtype=float)
    stop = np.array([stop_s for _, stop_s in spans], dtype=float)
    return {"start": start, "stop": stop, "x": (start + stop) / 2, "width": stop - start}


# ---- faults


def _fault_source(timeline: Timeline) -> ColumnDataSource:
    bars = timeline.faults
    kinds = list(dict.fromkeys(bar.record.kind for bar in bars))
    skipped = [bar.record.status is FaultStatus.SKIPPED for bar in bars]
    return ColumnDataSource(
        {
            **_extent([(bar.start_s, bar.stop_s) for bar in bars]),
            "row": np.array([bar.row for bar in bars], dtype=float),
            "label": [_fault_label(bar.record) for bar in bars],
            "what": [bar.record.what for bar in bars],
            "when": [_fault_when(bar) for bar in bars],
            "status": [_fault_status(bar.record) for bar in bars],
            "targets": [", ".join(bar.record.targets) or "none" for bar in bars],
            "evidence": ["; ".join(bar.record.evidence) or "none" for bar in bars],
            "colour": [
                SKIPPED if skip else kind_colour(b.record.kind, kinds) for b, skip in zip(bars, skipped, strict=True)
            ],
            "band_alpha": [0.0 if skip else 0.22 for skip in skipped],
            "hatch": [_fault_hatch(bar.record) for bar in bars],
            "dash": ["dashed" if skip else "solid" for skip in skipped],
            "edge": [VIOLATED if not bar.record.healed else "#6b7480" for bar in bars],
            "edge_px": [1.0 if bar.record.healed else 3.0 for bar in bars],
        },
        name="faults",
    )


def _fault_label(record: FaultRecord) -> str:
    words = [f"#{record.number}"]
    if record.status is not FaultStatus.INSTALLED:
        words.append(f"[{record.status.value}]")
    if not record.healed:
        words.append("[NOT HEALED]")
    return " ".join([*words, record.what.removeprefix(f"{record.kind} ")])  # the row is named after the kind


def _fault_status(record: FaultRecord) -> str:
    healed = "" if record.healed else ", not healed"
    beyond = f", beyond the model: {record.beyond_model}" if record.beyond_model else ""
    return f"{record.status.value}{healed}{', hit the leader' if record.hit_leader else ''}{beyond}"


def _fault_when(bar: FaultBar) -> str:
    if bar.record.injected_at is None:
        return f"planned {bar.start_s:.3f} s to {bar.stop_s:.3f} s; never injected"
    until = f"to {bar.stop_s:.3f} s" if bar.record.healed_at is not None else "to the end"
    return f"{bar.start_s:.3f} s {until} ({duration((bar.stop_s - bar.start_s) * 1000)})"


def _fault_hatch(record: FaultRecord) -> str:
    return "right_diagonal_line" if record.status is FaultStatus.INDETERMINATE else "blank"


def _fault_chart(timeline: Timeline, time_range: Range1d, faults: ColumnDataSource) -> figure:
    names = [*timeline.fault_rows, *(["no ok answer"] if timeline.silence else [])]
    chart = _chart(
        "fault-chart",
        26 * len(names) + 56,
        time_range,
        y_range=_rows_range(len(names)),
        title="Faults" if timeline.fault_rows else "Unavailability",
    )
    _name_rows(chart, names)
    bars = chart.rect(
        x="x",
        y="row",
        width="width",
        height=0.8,
        source=faults,
        fill_color="colour",
        line_color="edge",
        line_width="edge_px",
        line_dash="dash",
        hatch_pattern="hatch",
        hatch_color="#000000",
        hatch_alpha=0.2,
        hatch_scale=12,
    )
    chart.add_tools(_hover([bars], _FAULT_TOOLTIP))
    _silence_row(chart, timeline, len(names) - 1)
    labels = ColumnDataSource(
        {
            "x": faults.data["start"],
            "y": faults.data["row"],
            "text": [""] * len(timeline.faults),  # report.js puts in what fits
        },
        name="fault-labels",
    )
    chart.text(
        x="x", y="y", text="text", source=labels, x_offset=5, text_baseline="middle", text_font_size="11px",
        text_color="#1b1f24",
    )  # fmt: skip
    return chart


_FAULT_TOOLTIP = [
    ("fault", "@what"),
    ("in force", "@when"),
    ("status", "@status"),
    ("targets", "@targets"),
    ("evidence", "@evidence"),
]


def _silence_row(chart: figure, timeline: Timeline, row: int) -> None:
    if timeline.silence is None:
        return
    source = ColumnDataSource({**_extent([timeline.silence]), "what": [silence_text(timeline.silence)]})
    bars = chart.rect(
        x="x", y=row, width="width", height=0.5, source=source, fill_color=NEUTRAL, line_color=NEUTRAL,
        hatch_pattern="cross", hatch_color="#ffffff", hatch_alpha=0.5, hatch_scale=8,
    )  # fmt: skip
    chart.add_tools(
        _hover([bars], [("longest unavailability", "@what"), ("from", "@start{0.000} s to @stop{0.000} s")])
    )


def _shade(chart: figure, timeline: Timeline, faults: ColumnDataSource) -> None:
    """The faults as bands behind a chart, and the edges of the longest unavailability."""
    chart.vstrip(
        x0="start", x1="stop", source=faults, fill_color="colour", fill_alpha="band_alpha", line_color=None,
        level="underlay",
    )  # fmt: skip
    for at_s in timeline.silence or ():
        chart.add_layout(
            Span(dimension="height", location=at_s, line_color=NEUTRAL, line_dash="dashed", line_width=1.5)
        )


# ---- operations


def _source(timeline: Timeline, outcome: Outcome) -> ColumnDataSource:
    bars = [bar for bar in timeline.bars if bar.operation.outcome is outcome]
    shapes = dict(marker_shapes(sorted({bar.operation.f for bar in timeline.bars})))
    return ColumnDataSource(
        {
            **_extent([(bar.start_s, bar.stop_s) for bar in bars]),
            "row": np.array([bar.row for bar in bars], dtype=np.float32),
            "ms": np.array([_plotted_ms(bar) for bar in bars], dtype=float),
            "process": np.array([bar.operation.process for bar in bars], dtype=float),
            "call": [call_text(bar.operation) for bar in bars],
            "ended": [_ended(bar) for bar in bars],
            "shape": [_shape(shapes, bar) for bar in bars],
        },
        name=outcome.value,
    )


def _shape(shapes: dict[str, str], bar: Bar) -> str:
    shape = shapes[bar.operation.f]
    return f"{shape}_dot" if bar.operation.outcome is Outcome.INFO else shape


def _plotted_ms(bar: Bar) -> float:
    """A latency for a logarithmic axis; NaN, which is not drawn, if it never returned."""
    return float("nan") if bar.latency_ms is None else max(bar.latency_ms, 0.001)


def _ended(bar: Bar) -> str:
    operation = bar.operation
    if bar.latency_ms is None:
        return "info: never returned"
    error = f" ({operation.error[:200]})" if operation.error else ""
    return f"{operation.outcome.value} after {duration(bar.latency_ms)}{error}"


_OPERATION_TOOLTIP = [
    ("operation", "@call"),
    ("ended", "@ended"),
    ("from", "@start{0.000000} s to @stop{0.000000} s"),
    ("process", "@process{0}"),
]


def _hover(renderers: Sequence[Any], tooltips: list[tuple[str, str]]) -> HoverTool:
    tool = HoverTool(renderers=list(renderers), tooltips=tooltips)
    if "limit" in HoverTool.properties():  # not yet in Bokeh 3.6
        tool.update(limit=4)
    return tool


def _lane_chart(
    timeline: Timeline, time_range: Range1d, faults: ColumnDataSource, sources: dict[Outcome, ColumnDataSource]
) -> figure:
    rows = len(timeline.lanes)
    row_px = max(9, min(24, 480 // rows))
    chart = _chart(
        "lane-chart", row_px * rows + 64, time_range, y_range=_rows_range(rows, 1.1 if timeline.involved else 0.55),
        output_backend="webgl",
        title="Operations, a lane for each client",
    )  # fmt: skip
    _name_rows(chart, timeline.lanes, every=-(-13 // row_px))
    _shade(chart, timeline, faults)
    info, ok, fail = sources[Outcome.INFO], sources[Outcome.OK], sources[Outcome.FAIL]
    colour = OUTCOME_COLOURS[Outcome.INFO]
    _tails(chart, timeline)
    lanes: Callable[..., Any] = chart.rect
    drawn = [
        lanes(x="x", y="row", width="width", height=0.62, source=ok, color=OUTCOME_COLOURS[Outcome.OK], line_width=1),
        lanes(
            x="x", y="row", width="width", height=0.78, source=info, fill_color=colour, fill_alpha=0.25,
            line_color=colour, hatch_pattern="right_diagonal_line", hatch_color=colour, hatch_scale=7,
        ),
        lanes(
            x="x", y="row", width="width", height=0.78, source=fail, fill_color=None,
            line_color=OUTCOME_COLOURS[Outcome.FAIL], line_width=1.5,
        ),
    ]  # fmt: skip
    if timeline.involved:
        _outline_involved(chart, timeline)
    chart.add_tools(_hover(drawn, _OPERATION_TOOLTIP))
    return chart


def _tails(chart: figure, timeline: Timeline) -> None:
    """From the first operation of a lane that nobody knows the end of: it may take effect until the run ends."""
    since_s: dict[int, float] = {}
    for bar in timeline.bars:
        if bar.operation.outcome is Outcome.INFO:
            since_s[bar.row] = min(bar.stop_s, since_s.get(bar.row, timeline.end_s))
    source = ColumnDataSource({"row": list(since_s), "stop": list(since_s.values())})
    chart.segment(
        x0="stop", x1=timeline.end_s, y0="row", y1="row", source=source, line_color=OUTCOME_COLOURS[Outcome.INFO],
        line_dash="dotted", line_width=1.5, line_alpha=0.8,
    )  # fmt: skip


def _outline_involved(chart: figure, timeline: Timeline) -> None:
    """The operations that anomalies are about: a thick outline on top, and a pointer that is seen from afar."""
    spans = _extent([(bar.start_s, bar.stop_s) for bar in timeline.involved])
    source = ColumnDataSource({**spans, "row": [bar.row for bar in timeline.involved]}, name="involved")
    chart.rect(
        x="x", y="row", width="width", height=0.96, source=source, fill_color=None, line_color=VIOLATED,
        line_width=3.5, level="overlay",
    )  # fmt: skip
    pointers = ColumnDataSource({"x": source.data["x"], "y": [bar.row - 0.72 for bar in timeline.involved]})
    chart.scatter(
        x="x", y="y", source=pointers, marker="inverted_triangle", size=11, color=VIOLATED, line_color="#ffffff",
        level="overlay",
    )  # fmt: skip


def _latency_chart(
    timeline: Timeline, time_range: Range1d, faults: ColumnDataSource, sources: dict[Outcome, ColumnDataSource]
) -> figure:
    known = [_plotted_ms(bar) for bar in timeline.bars if bar.latency_ms is not None]
    lowest, highest = (min(known), max(known)) if known else (1.0, 10.0)
    chart = _chart(
        "latency-chart", 260, time_range, y_range=Range1d(start=lowest / 1.5, end=highest * 1.8), y_axis_type="log",
        output_backend="webgl", title="Latency, by when the operation began",
    )  # fmt: skip
    chart.yaxis.axis_label = "ms"
    chart.yaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
    _shade(chart, timeline, faults)
    drawn = []
    for outcome in (Outcome.OK, Outcome.INFO, Outcome.FAIL):
        hollow = outcome is not Outcome.OK
        drawn.append(
            chart.scatter(
                x="start",
                y="ms",
                marker="shape",
                source=sources[outcome],
                size=6 if hollow else 5,
                fill_color=None if hollow else OUTCOME_COLOURS[outcome],
                fill_alpha=0.5,
                line_color=OUTCOME_COLOURS[outcome],
                line_alpha=0.7 if hollow else 0.35,
                line_width=1.2 if hollow else 0.6,
            )
        )
    chart.add_tools(_hover(drawn, _OPERATION_TOOLTIP))
    return chart


def _rate_chart(timeline: Timeline, rate: Rate, time_range: Range1d, faults: ColumnDataSource) -> figure:
    top = max(*rate.ok, *rate.fail, *rate.info, 1)
    chart = _chart(
        "rate-chart", 200, time_range, y_range=Range1d(start=0, end=top * 1.12),
        title=f"Operations ended, in bins of {rate.bin_s} s",
    )  # fmt: skip
    chart.yaxis.axis_label = f"per {rate.bin_s} s"
    _shade(chart, timeline, faults)
    drawn = []
    for outcome, numbers, dash in (
        (Outcome.OK, rate.ok, "solid"),
        (Outcome.FAIL, rate.fail, "dashed"),
        (Outcome.INFO, rate.info, "dotted"),
    ):
        source = _rate_source(rate, numbers, timeline.end_s, outcome)
        chart.step(
            x="x",
            y="number",
            mode="after",
            source=source,
            line_color=OUTCOME_COLOURS[outcome],
            line_dash=dash,
            line_width=2,
        )
        drawn.append(chart.scatter(x="x", y="number", source=source, size=9, alpha=0))
    chart.add_tools(_hover(drawn, [("ended", "@number @outcome"), ("from", "@x s")]))
    return chart


def _rate_source(rate: Rate, numbers: Sequence[int], end_s: float, outcome: Outcome) -> ColumnDataSource:
    """A bin a step; the last is drawn on to the run's end."""
    x = [rate.bin_s * number for number in range(len(numbers))] + [end_s]
    return ColumnDataSource(
        {
            "x": np.array(x, dtype=float),
            "number": np.array([*numbers, numbers[-1]], dtype=float),
            "outcome": [outcome.value] * len(x),
        }
    )


def _offset_chart(timeline: Timeline, offsets: Offsets, time_range: Range1d, faults: ColumnDataSource) -> figure:
    """How far each node's clock was ahead of true time: straight from reading to reading, for a clock runs on."""
    values = [ahead for line in offsets.lines for ahead in line.ahead_s]
    low, high = min(*values, 0.0), max(*values, 0.0)
    room = (high - low) * 0.08
    chart = _chart(
        f"{offsets.clock}-clock-chart", 200, time_range, y_range=Range1d(start=low - room, end=high + room),
        title=f"{offsets.clock.capitalize()} clocks: seconds ahead of true time",
    )  # fmt: skip
    chart.yaxis.axis_label = "s ahead"
    chart.yaxis.formatter = NumeralTickFormatter(format="0,0.[000000]")
    _shade(chart, timeline, faults)
    drawn = []
    for number, line in enumerate(offsets.lines):
        source = ColumnDataSource(
            {"x": np.array(line.at_s), "ahead": np.array(line.ahead_s), "node": [line.node] * len(line.at_s)}
        )
        colour, dash = node_colour(number), LINE_STYLES[number % len(LINE_STYLES)]
        chart.line(x="x", y="ahead", source=source, line_color=colour, line_dash=dash, line_width=2)
        drawn.append(chart.scatter(x="x", y="ahead", source=source, size=9, alpha=0))
    chart.add_tools(_hover(drawn, [("node", "@node"), ("ahead", "@ahead{0.000000} s"), ("at", "@x{0.000} s")]))
    return chart
