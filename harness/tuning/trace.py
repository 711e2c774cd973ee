"""Traces of heartbeats: when each was sent, on its sender's clock, and when it came, on its receiver's.

A trace file is JSON lines. The first line says what it is; every other one is a heartbeat that arrived (one that is
lost is not there) or a round trip, in any order of links, each link's heartbeats in the order of arrival:

    {"format": "antipaxos-heartbeats/1", "heartbeat_ns": 50000000, "source": "three nodes on one machine"}
    {"link": "n1->n3", "sent_ns": 0, "arrived_ns": 781230011}
    {"link": "n1->n3", "sent_ns": 50000000, "arrived_ns": 831250400}
    {"link": "n1", "round_trip_ns": 140200}

``heartbeat_ns`` is the interval at which the sender meant to send. The two clocks need not agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from harness.tuning.limits import BEATS_MAX, BEATS_MIN

FORMAT = "antipaxos-heartbeats/1"
MS = 1_000_000
_T = TypeVar("_T")
Times = npt.NDArray[np.int64]


class TraceError(ValueError):
    """The file is no trace; the message names the file and the line."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line."""

    format: str
    heartbeat_ns: int
    source: str = ""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Any other line: a heartbeat, or a round trip."""

    link: str
    sent_ns: int | None = None
    arrived_ns: int | None = None
    round_trip_ns: int | None = None


@dataclass(frozen=True, eq=False)
class Beats:
    """One link's heartbeats that arrived, in order; ns on two clocks."""

    link: str
    sent: Times
    arrived: Times

    def __len__(self) -> int:
        return len(self.sent)

    @property
    def gaps(self) -> Times:
        """The times between arrivals."""
        return np.diff(self.arrived)

    @property
    def length(self) -> int:
        """From the first arrival to the last, in ns."""
        return int(self.arrived[-1] - self.arrived[0])


@dataclass(frozen=True, eq=False)
class Trace:
    """Some links' heartbeats, and round trips (ns) that were measured meanwhile."""

    heartbeat: int
    source: str
    links: tuple[Beats, ...]
    round_trips: Times


def read(path: Path) -> Trace:
    """Read a trace. Raises OSError, TraceError."""
    lines = path.read_bytes().splitlines()
    if not lines:
        raise TraceError(f"{path} is empty")
    header = _decoded(lines[0], Header, path, 1)
    if header.format != FORMAT:
        raise TraceError(f"{path}, line 1: its format is {header.format!r}, not {FORMAT!r}")
    if header.heartbeat_ns <= 0:
        raise TraceError(f"{path}, line 1: heartbeat_ns is {header.heartbeat_ns}")
    if len(lines) > BEATS_MAX:
        raise TraceError(f"{path} has {len(lines)} lines; at most {BEATS_MAX} are read")
    beats: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    round_trips: list[int] = []
    for number, text in enumerate(lines[1:], start=2):
        line = _decoded(text, Line, path, number)
        if line.sent_ns is not None and line.arrived_ns is not None and line.round_trip_ns is None:
            known = beats[line.link]
            if known and line.arrived_ns < known[-1][1]:
                raise TraceError(f"{path}, line {number}: arrived before the line before it on {line.link}")
            known.append((line.sent_ns, line.arrived_ns))
        elif line.round_trip_ns is not None and line.sent_ns is None and line.arrived_ns is None:
            round_trips.append(line.round_trip_ns)
        else:
            raise TraceError(f"{path}, line {number}: neither sent_ns and arrived_ns nor round_trip_ns alone")
    return made(header.heartbeat_ns, header.source, beats, round_trips, str(path))


def made(
    heartbeat: int, source: str, beats: Mapping[str, list[tuple[int, int]]], round_trips: Iterable[int], where: str
) -> Trace:
    """Return the trace of some heartbeats. Raises TraceError if no link has enough of them."""
    links = []
    for link, pairs in sorted(beats.items()):
        if len(pairs) >= BEATS_MIN:
            times = np.array(pairs, dtype=np.int64)
            links.append(Beats(link, times[:, 0].copy(), times[:, 1].copy()))
    if not links:
        raise TraceError(f"{where}: no link has {BEATS_MIN} heartbeats")
    return Trace(heartbeat, source, tuple(links), np.array(list(round_trips), dtype=np.int64))


def write(trace: Trace, path: Path) -> None:
    """Write a trace. Raises OSError."""
    encoder = msgspec.json.Encoder()
    with path.open("wb") as file:
        file.write(encoder.encode(Header(FORMAT, trace.heartbeat, trace.source)) + b"\n")
        for beats in trace.links:
            for sent, arrived in zip(beats.sent.tolist(), beats.arrived.tolist(), strict=True):
                file.write(encoder.encode(Line(beats.link, sent, arrived)) + b"\n")
        for round_trip in trace.round_trips.tolist():
            file.write(encoder.encode(Line("", round_trip_ns=round_trip)) + b"\n")


def synthetic(seed: int, beats: int, heartbeat_ms: int = 50) -> Trace:
    """Make a trace up from a seed: log-normal delays, one beat in a hundred lost, a pause of 0.2 to 1 s now and then.

    It is for trying the tuner out, and for comparing detectors under known trouble; it says nothing of any network.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    heartbeat = heartbeat_ms * MS
    sent = np.arange(beats, dtype=np.int64) * heartbeat
    sent = sent + np.cumsum((rng.random(beats) < 1 / 2000) * rng.uniform(0.2e9, 1e9, beats)).astype(np.int64)
    delays = (rng.lognormal(np.log(0.3e6), 0.8, beats)).astype(np.int64)
    kept = rng.random(beats) >= 0.01
    arrived = np.maximum.accumulate((sent + delays)[kept])
    pairs = list(zip(sent[kept].tolist(), arrived.tolist(), strict=True))
    source = f"made up from seed {seed}: log-normal delays, 1 % loss, a pause of 0.2 to 1 s every 2000 beats"
    return made(heartbeat, source, {"made-up": pairs}, (2 * delays[:1000]).tolist(), "synthetic")


def _decoded(text: bytes, kind: type[_T], path: Path, number: int) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise TraceError(f"{path}, line {number}: {error}") from error
