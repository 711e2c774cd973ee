"""The section of the report: the picture as JSON for the page's script, and as text for everybody else."""

from __future__ import annotations

import json
from dataclasses import dataclass

import msgspec

from harness.report.sequence.model import Message, Sequence
from harness.report.shapes import kind_colour
from harness.report.texts import NS_PER_S, count, counted

ROWS_MAX = 400


@dataclass(frozen=True)
class Row:
    """A moment of the violated operations, in words."""

    time: str
    event: int
    where: str
    what: str


@dataclass(frozen=True)
class Section:
    """What the template needs."""

    picture: Sequence
    shown: str
    rows: tuple[Row, ...]
    colours: str
    json: str


def section_of(picture: Sequence) -> Section:
    """The section of a picture."""
    kinds = sorted({band.kind for band in picture.bands})
    return Section(
        picture=picture,
        shown=_shown(picture),
        rows=_rows(picture)[:ROWS_MAX],
        colours=json.dumps({kind: kind_colour(kind, kinds) for kind in kinds}),
        json=msgspec.json.encode(picture).decode(),
    )


def _shown(picture: Sequence) -> str:
    span_s = sum(part.stop - part.start for part in picture.segments) / NS_PER_S
    messages = counted(len(picture.messages), "message")
    parts = "" if len(picture.segments) == 1 else f" in {len(picture.segments)} parts"
    left_out = ", with the rest left out where it says so" if picture.cuts else ""
    shown = f"{messages} in {span_s:,.3f} s{parts}, of a trace of {count(picture.events)} events{left_out}."
    times = f"Times are the run's; the trace's own, virtual time is {picture.zero / NS_PER_S:.6f} s more."
    return f"{shown} {times}"


def _rows(picture: Sequence) -> tuple[Row, ...]:
    names = {lane.key: lane.name for lane in picture.lanes}
    found: list[tuple[int, int, str, str]] = []
    for message in picture.messages:
        if message.anomalies:
            where = f"{names.get(message.source, message.source)} → {names.get(message.target, message.target)}"
            found.append((message.at, message.event, where, _message_words(message, picture.zero)))
    for mark in picture.marks:
        if mark.anomalies:
            found.append((mark.at, mark.event, mark.lane or "cluster", mark.text))
    return tuple(
        Row(f"{(at - picture.zero) / NS_PER_S:.6f} s", event, where, what) for at, event, where, what in sorted(found)
    )


def _message_words(message: Message, zero: int) -> str:
    if message.fate:
        return f"{message.label}: {message.why}"
    if message.family == "client":
        return message.label
    received = ", ".join(f"{(one.at - zero) / NS_PER_S:.6f} s" for one in message.receipts)
    return f"{message.label}, received at {received}"
