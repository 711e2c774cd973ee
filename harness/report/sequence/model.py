"""What there is to draw.

Times (``at``, ``start``, ``stop``) are ns of the trace's own, virtual time; ``event`` is the number by which a moment
can be asked for again. Lanes are named by their keys. ``anomalies`` are the numbers of those that a thing belongs to,
the same as everywhere in the report.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Level(IntEnum):
    """How much a reader wants to see; each level shows the ones before it too."""

    CONSENSUS = 1
    HEARTBEATS = 2
    ALL = 3


class _Drawn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Lane(_Drawn, frozen=True, kw_only=True):
    """A vertical line: ``kind`` is client, others (all other clients) or node."""

    key: str
    name: str
    kind: str


class Receipt(_Drawn, frozen=True, kw_only=True):
    """A frame arrives."""

    at: int
    event: int


class Message(_Drawn, frozen=True, kw_only=True):
    """A frame from lane to lane, received never, once or, if it was doubled, twice.

    ``fate`` is "" if it arrived, else cut, gone (no process was there), lost, under-way (the trace ends before) or
    unrecorded (the trace leaves out when it would have arrived); ``why`` says it in words. ``body`` is its place in
    ``Sequence.bodies``. A client's message is known at one moment only, when it arrives, so it is sent and received
    then.
    """

    source: str
    target: str
    type: str
    family: str
    answer: bool = False
    label: str
    at: int
    event: int
    receipts: tuple[Receipt, ...] = ()
    fate: str = ""
    why: str = ""
    body: int = 0
    level: int = Level.CONSENSUS
    anomalies: tuple[int, ...] = ()


class Mark(_Drawn, frozen=True, kw_only=True):
    """Something on a lane (or, without one, across all): ``until`` if it takes time."""

    lane: str = ""
    at: int
    event: int
    kind: str
    text: str
    until: int = 0
    body: int = 0
    level: int = Level.CONSENSUS
    anomalies: tuple[int, ...] = ()


class Span(_Drawn, frozen=True, kw_only=True):
    """What a node is for a while: leader, candidate, follower, starting, gone or stopped."""

    lane: str
    state: str
    ballot: str = ""
    start: int
    stop: int


class Band(_Drawn, frozen=True, kw_only=True):
    """A fault in force; without ``lanes`` it touches none of the picture's."""

    number: int
    kind: str
    text: str
    start: int
    stop: int
    lanes: tuple[str, ...]
    healed: bool = True


class Bar(_Drawn, frozen=True, kw_only=True):
    """A client's operation; ``stop`` is 0 if it never returned."""

    lane: str
    start: int
    stop: int = 0
    text: str
    outcome: str
    process: int
    anomalies: tuple[int, ...]


class Segment(_Drawn, frozen=True, kw_only=True):
    """A stretch of time that is shown whole."""

    start: int
    stop: int


class Cut(_Drawn, frozen=True, kw_only=True):
    """A stretch that is left out between two segments, or before the first or after the last."""

    start: int
    stop: int
    text: str


class Choice(_Drawn, frozen=True, kw_only=True):
    """An anomaly that can be followed in the picture."""

    number: int
    kind: str
    sentence: str


class Sequence(_Drawn, frozen=True, kw_only=True):
    """The whole picture. ``zero`` is the trace's time at which the run's own time begins."""

    zero: int
    lanes: tuple[Lane, ...]
    segments: tuple[Segment, ...]
    cuts: tuple[Cut, ...]
    messages: tuple[Message, ...]
    marks: tuple[Mark, ...]
    spans: tuple[Span, ...]
    bands: tuple[Band, ...]
    bars: tuple[Bar, ...]
    choices: tuple[Choice, ...]
    bodies: tuple[str, ...]
    command: str
    notes: tuple[str, ...]
    events: int
