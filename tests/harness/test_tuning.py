"""The tuner: arrays that say what the node's detectors do, measures by hand, traces in files, advice with reasons."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tuning.advice import advise, support_of
from harness.tuning.command import as_data, leave, tune
from harness.tuning.page import page
from harness.tuning.quality import (
    Quality,
    Shape,
    Watched,
    detection_times,
    frontier,
    measure,
    mistakes_of,
    sweeps,
)
from harness.tuning.trace import MS, Beats, Trace, TraceError, read, synthetic, write
from node.paxos.config import Config
from node.paxos.detector import Detector, FixedTimeout, NfdE, PhiExponential, PhiNormal

HEARTBEAT = 50 * MS
SHAPE = Shape(window=7, deviation_min=3 * MS, pause=20 * MS)
DELAYS = st.lists(st.tuples(st.integers(1, 500 * MS), st.booleans()), min_size=3, max_size=60)


def beats_of(delays: list[tuple[int, bool]]) -> Beats:
    """Return heartbeats with these delays, without those that were lost, in the order of arrival."""
    came = sorted((n * HEARTBEAT + delay, n * HEARTBEAT) for n, (delay, lost) in enumerate(delays) if not lost or n < 3)
    return Beats("link", np.array([s for _, s in came]), np.array([a for a, _ in came]))


def node_detector(name: str, value: float) -> Detector:
    """Return the node's own detector with a sweep's setting."""
    match name:
        case "fixed":
            return FixedTimeout(int(value * MS))
        case "nfd-e":
            return NfdE(HEARTBEAT, int(value * MS), SHAPE.window)
        case "phi":
            return PhiNormal(value, SHAPE.window, SHAPE.deviation_min, SHAPE.pause)
        case _:
            return PhiExponential(value, SHAPE.window)


@settings(max_examples=60, deadline=None)
@given(DELAYS, st.integers(0, 39))
def test_the_arrays_are_the_nodes_own_detectors(delays: list[tuple[int, bool]], nth: int) -> None:
    beats = beats_of(delays)
    watched = Watched(beats, HEARTBEAT, SHAPE)
    for sweep in sweeps(HEARTBEAT):
        value = sweep.values[nth]
        ours = sweep.deadlines(watched, value)
        detector = node_detector(sweep.detector, value)
        theirs = [
            detector.beat(now, now - before, sent)
            for before, now, sent in zip(
                beats.arrived[:-1].tolist(), beats.arrived[1:].tolist(), beats.sent[1:].tolist(), strict=True
            )
        ]
        # the exponential form is a product of floats here and of integers there: a millionth apart at most
        assert np.allclose(ours, theirs, rtol=0, atol=1 + 1e-5 * 20 * 500 * MS * (sweep.detector == "phi-exponential"))
        if sweep.detector != "phi-exponential":
            assert ours.tolist() == theirs


@given(DELAYS, st.integers(0, 39))
@settings(max_examples=60, deadline=None)
def test_mistakes_are_what_a_clock_that_ticks_sees(delays: list[tuple[int, bool]], nth: int) -> None:
    """Walk through the trace moment by moment, as somebody who asks the detector all the time."""
    beats = beats_of(delays)
    watched = Watched(beats, HEARTBEAT, SHAPE)
    for sweep in sweeps(HEARTBEAT):
        deadlines = sweep.deadlines(watched, sweep.values[nth])
        moments = sorted({*watched.arrived.tolist(), *deadlines.tolist()})
        begun, lasted, suspected = 0, 0, False
        for now, following in pairwise(moments):
            if not watched.arrived[0] <= now < watched.arrived[-1]:
                continue
            last = int(np.searchsorted(watched.arrived, now, side="right")) - 1
            suspects = bool(now >= deadlines[last])
            begun += suspects and not suspected
            lasted += (following - now) * suspects
            suspected = suspects
        assert mistakes_of(watched.arrived, deadlines) == (begun, lasted)


def test_detection_time_is_from_the_sending_to_the_suspicion_that_stays() -> None:
    beats = Beats("link", np.array([0, 50, 100]) * MS, np.array([1_001, 1_051, 1_103]) * MS)
    assert detection_times(beats, np.array([1_200, 1_250]) * MS).tolist() == [149 * MS, 149 * MS]
    late = detection_times(beats, np.array([1_200, 1_100]) * MS)
    assert late.tolist() == [149 * MS, 2 * MS], "a beat that is overdue when it comes is detected when it comes"


def test_a_longer_patience_makes_no_more_mistakes_and_detects_no_sooner() -> None:
    trace = synthetic(3, 20_000)
    watched = [Watched(beats, trace.heartbeat, Shape()) for beats in trace.links]
    for sweep in sweeps(trace.heartbeat):
        measured = measure(sweep, watched)
        times = [one.detection_mean_ms for one in measured]
        wrong = [1 - one.query_accuracy for one in measured]
        assert times == sorted(times)
        assert wrong == sorted(wrong, reverse=True)
        assert all(one.detection_p99_ms >= one.detection_mean_ms - 1e-9 for one in measured if one.detector == "fixed")


def quality(time: float, rate: float) -> Quality:
    return Quality("fixed", "x", 1.0, time, time, int(rate), rate, 1.0, 1.0, 1.0)


def test_the_frontier_is_what_nothing_else_beats() -> None:
    points = [quality(1, 9), quality(2, 5), quality(2, 4), quality(3, 6), quality(4, 1), quality(5, 1)]
    assert [(one.detection_mean_ms, one.mistakes_per_hour) for one in frontier(points)] == [(1, 9), (2, 4), (4, 1)]


@pytest.mark.parametrize(
    ("samples", "percentile", "enough"),
    [
        (99_999, 99.99 - 1e-8, False),
        (100_000, 99.99, True),
        (1_000, 99.0, False),
        (10, 0.0, False),
        (10**6, 99.99, True),
    ],
)
def test_a_percentile_needs_ten_samples_beyond_it(samples: int, percentile: float, enough: bool) -> None:
    support = support_of(samples)
    assert support.percentile == pytest.approx(percentile, abs=1e-4)
    assert support.enough is enough
    assert support.samples_wanted == 100_000


def test_a_short_trace_says_so_and_a_long_one_does_not() -> None:
    short, long = tune(synthetic(1, 2_000)), tune(synthetic(1, 110_000))
    assert "too short for the 99.99th, which takes 100000 heartbeats (83 min" in short.advice.reasons[0]
    assert short.advice.detector is None
    assert not any("too short for" in reason for reason in long.advice.reasons)


def even(beats: int) -> Trace:
    """A network without any trouble."""
    sent = np.arange(beats, dtype=np.int64) * HEARTBEAT
    return Trace(HEARTBEAT, "even", (Beats("link", sent, sent + 7 * MS),), np.full(20, 400_000))


def test_advice_fits_the_node_and_follows_from_the_trace() -> None:
    advice = advise(even(300_000), tune(even(300_000)).qualities)
    assert (advice.heartbeat_ms, advice.election_timeout_ms, advice.lease_ms) == (50, 110, 110)
    assert advice.detector is not None
    assert advice.detector.mistakes == 0
    slow = even(300_000)
    far = Trace(slow.heartbeat, slow.source, slow.links, np.full(20, 30 * MS))
    assert advise(far, ()).heartbeat_ms == 300
    for made in (advice, tune(synthetic(5, 120_000)).advice):
        settings: dict[str, Any] = dict(made.settings)
        Config(me=1, members=(1, 2, 3), **settings)


def test_a_trace_in_a_file_is_the_same_trace(tmp_path: Path) -> None:
    trace = synthetic(7, 500)
    path = tmp_path / "trace.jsonl"
    write(trace, path)
    again = read(path)
    assert (again.heartbeat, again.source) == (trace.heartbeat, trace.source)
    assert again.round_trips.tolist() == trace.round_trips.tolist()
    for one, other in zip(again.links, trace.links, strict=True):
        assert (one.link, one.sent.tolist(), one.arrived.tolist()) == (
            other.link,
            other.sent.tolist(),
            other.arrived.tolist(),
        )
    leave(tune(again), tmp_path / "a.html", None)
    leave(tune(trace), tmp_path / "b.html", None)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


GOOD = '{"format": "antipaxos-heartbeats/1", "heartbeat_ns": 50000000}\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("nothing\n", "line 1: JSON is malformed"),
        ('{"format": "other/1", "heartbeat_ns": 1}\n', "line 1: its format is 'other/1'"),
        ('{"format": "antipaxos-heartbeats/1", "heartbeat_ns": 0}\n', "line 1: heartbeat_ns is 0"),
        (GOOD + '{"link": "a", "sent_ns": 1}\n', "line 2: neither sent_ns and arrived_ns"),
        (GOOD + '{"link": "a", "sent_ns": 1, "arrived_ns": 5, "more": 1}\n', "line 2: Object contains unknown field"),
        (GOOD + '{"link": "a", "sent_ns": 1, "arrived_ns": 5}\n' * 2 + '{"link": "a", "sent_ns": 1, "arrived_ns": 4}\n',
         "line 4: arrived before the line before it on a"),
        (GOOD + '{"link": "a", "sent_ns": 1, "arrived_ns": 5}\n', "no link has 20 heartbeats"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_trace_is_refused_with_its_line(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TraceError, match=why):
        read(path)


def test_the_page_holds_the_drawing_the_advice_and_nothing_from_elsewhere() -> None:
    tuned = tune(synthetic(1, 5_000))
    text = page(
        Trace(tuned.trace.heartbeat, "<b>evil</b>", tuned.trace.links, tuned.trace.round_trips),
        tuned.qualities,
        tuned.advice,
    )
    assert "<b>evil" not in text
    assert text.count("<polyline") == 4
    assert "--set heartbeat_ms=" in text
    assert "http" not in text.replace("http-equiv", "")
    assert as_data(tuned)["settings"] == tuned.advice.settings
