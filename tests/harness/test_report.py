"""The report of a run as text: what is on the page, what is said to be missing from it, and that nothing escapes."""

from __future__ import annotations

import builtins
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checkers.history import Event, EventType, History, Operation
from harness.exposure import Exposure
from harness.report import texts, timeline, write_report
from harness.report.diagram import diagram_of
from harness.report.html import NO_BOKEH, render_report
from harness.report.lanes import concurrency_of
from harness.report.page import Lookup, Zoom, anomalies_of
from harness.report.timeline import BARS_MAX, LANES_MAX, seconds_under_faults, timeline_of
from harness.results import Anomaly, CheckerResult, OperationCounts, RunResult, RunVerdict, Served
from nemesis.record import FaultRecord, FaultStatus
from tests.harness.report_sample import SECOND, Sample, bare, run_of, without_times

INVOKE, OK, FAIL, INFO = EventType.INVOKE, EventType.OK, EventType.FAIL, EventType.INFO


class Page(HTMLParser):
    """A page as a reader sees it, near enough: its text, its tags, and the addresses it would load."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self._words: list[str] = []
        self._silent = 0
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in {"src", "href", "action"}]
        assert not [name for name, _ in attrs if name.startswith("on")], "a handler in an attribute"
        self._silent += tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._words).split())


def page_of(result: RunResult, history: History) -> Page:
    return Page(render_report(result, history))


def history(*lines: tuple[int, EventType, str, Any], step: int = SECOND) -> History:
    """A history of (process, type, f, value), an event each ``step``."""
    return History(Event(index, index * step, *line) for index, line in enumerate(lines))


def without_bokeh(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "harness.report.charts" or name.startswith("bokeh"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


# ---- the page


def test_a_violation_is_told_from_top_to_bottom() -> None:
    result, recorded = run_of(Sample())
    page = page_of(result, recorded)
    for part in (
        "VIOLATION", result.sentence, result.replay, result.store, "Anomalies (2)", "stale read",
        "Show in the timeline",
        "2,000", "Longest unavailability", "4 installed", "1 skipped", "1 indeterminate", "linearizable INVALID",
        "lost-commits VALID", "node-logs UNKNOWN", "acknowledged writes: 666", "hit the leader", "never injected",
        "no clock library: the C compiler is missing", "did not answer", "slots replayed 1,204", "apt-get install gcc",
        result.notes[0], result.plan_sha256, result.history_sha256, result.started_at,
    ):  # fmt: skip
        assert part in page.text, part
    assert "stepped down" not in page.text  # a counter of zero is not a rare event
    assert "in all their lives" not in page.text  # nobody has counted them on real processes


def test_a_simulated_run_tells_the_rare_events_of_lives_that_are_over() -> None:
    result, recorded = run_of(Sample())
    simulated = msgspec.structs.replace(result, place="simulated", rare_events={"torn_tails_cut": 2, "noops_filled": 1})
    assert "in all their lives: noops filled 1, torn tails cut 2." in page_of(simulated, recorded).text


@pytest.mark.parametrize("verdict", list(RunVerdict))
def test_every_verdict_is_a_word(verdict: RunVerdict) -> None:
    word = verdict.value.replace("-", " ").upper()
    page = page_of(bare(verdict=verdict, sentence="so it is"), History(()))
    assert page.text.startswith(f"{word}: register, seed 1 – Antipaxos {word} so it is")


def test_the_page_loads_nothing_and_forbids_itself_to() -> None:
    content = render_report(*run_of(Sample()))
    page = Page(content)
    assert page.loads == []
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(page.tags)
    assert "default-src 'none'" in content
    assert not re.search(r"script-src[^;]*(unsafe|http|\*)", content)


def test_values_cannot_leave_their_place() -> None:
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028{{ 7 * 7 }}"
    recorded = History(
        (
            Event(0, 0, 0, INVOKE, hostile, hostile, hostile),
            Event(1, SECOND, 0, INFO, hostile, hostile, hostile, hostile),
        )
    )
    anomaly = Anomaly(kind=hostile, sentence=hostile, key=hostile, operations=(0,))
    checker = CheckerResult(
        name=hostile, verdict=hostile, sentence=hostile, anomalies=(anomaly,), statistics={hostile: 1}
    )
    fault = FaultRecord(
        number=0, kind=hostile, what=hostile, planned_at=0, planned_until=1, injected_at=0, targets=(hostile,),
        status=FaultStatus.INSTALLED, evidence=(hostile, hostile),
    )  # fmt: skip
    told = dict.fromkeys(
        ("sentence", "scenario", "workload", "place", "store", "replay", "version", "started_at"), hostile
    )
    result = bare(checkers=(checker,), faults=(fault,), nodes=(hostile,), notes=(hostile,), duration_s=1.0, **told)
    honest = bare(checkers=(msgspec.structs.replace(checker, name="x"),), faults=(fault,), duration_s=1.0)
    content = render_report(result, recorded)
    page = Page(content)
    assert "img" not in page.tags
    assert page.tags.count("script") == Page(render_report(honest, recorded)).tags.count("script")
    assert "<script>alert" not in content and "<img" not in content
    assert "{{ 7 * 7 }}" in page.text


def test_half_a_surrogate_pair_and_huge_values_are_written(tmp_path: Path) -> None:
    values = ("\ud800", 10**6000, list(range(100_000)), {"a": [1, {2, 3}]}, float("nan"), b"\xff", "x" * 50_000)
    lines = [(process, INVOKE, "write", value) for process, value in enumerate(values)]
    path = tmp_path / "report.html"
    anomaly = Anomaly(kind="odd", sentence="odd values", operations=tuple(range(len(values))))
    checker = CheckerResult(name="c", verdict="invalid", sentence="s", anomalies=(anomaly,))
    write_report(bare(checkers=(checker,)), history(*lines), path)
    assert path.stat().st_size < 3_000_000
    assert "100,000 in all" in path.read_text()


# ---- what is missing is said


def test_a_run_in_which_nothing_happened_says_so() -> None:
    page = page_of(bare(), History(()))
    for part in (
        "no operation was recorded", "the plan had no faults", "No checker judged this run", "there is nothing to draw",
        "No faults were planned", "No node was asked", "no operation returned ok",
    ):  # fmt: skip
        assert part in page.text, part


def test_what_a_run_was_exposed_to_is_a_table_with_what_was_required() -> None:
    result = msgspec.structs.replace(
        bare(),
        expected=True,
        coverage=(Exposure(kind="disk-lie", installed=2, leader=1, seconds=3.25, ok=40, info=2),),
        served=(Served(kind="disk-lie", mechanism="FUSE", beyond_model="it lies"),),
        required=("disk-lie", "kill>=9"),
        unmet={"kill>=9": "kill>=9 was required, and 0 are shown to have happened"},
    )
    text = page_of(result, history()).text
    assert "expected: beyond the model" in text
    assert "disk-lie beyond the model FUSE 2 0 0 1 3.2 s 40 0 2" in text
    assert "kill>=9 : kill>=9 was required, and 0 are shown to have happened" in text
    assert "disk-lie : met" in text


def test_a_run_without_faults_has_a_timeline() -> None:
    result, recorded = run_of(Sample(operations=100, violated=False))
    page = page_of(msgspec.structs.replace(result, faults=()), recorded)
    assert "No faults were planned in this run." in page.text
    assert "Anomalies" not in page.text


def test_a_history_without_times_is_in_the_tables_and_its_absence_from_the_charts_is_said() -> None:
    result, recorded = run_of(Sample())
    page = page_of(result, without_times(recorded))
    assert "No operation has recorded times" in page.text
    assert "Only the faults are drawn" in page.text
    assert "unknown" in page.text
    assert "Show in the timeline" not in page.text.split("The run")[0]  # anomalies have no time to go to
    page = page_of(msgspec.structs.replace(result, faults=()), without_times(recorded))
    assert "No fault and no operation of this run can be drawn." in page.text


def test_some_operations_without_times_are_counted() -> None:
    events = (
        Event(0, 0, 0, INVOKE, "read", None),
        Event(1, None, 0, OK, "read", 1),
        Event(2, 5, 1, INVOKE, "read", None),
    )
    line = timeline_of(bare(), History(events), ())
    assert len(line.bars) == 1
    assert line.notes[0].startswith("1 of 2 operations has no recorded times")


def test_without_bokeh_the_page_is_text_and_says_how_to_get_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    without_bokeh(monkeypatch)
    page = page_of(*run_of(Sample()))
    assert NO_BOKEH in page.text and "pip install 'antipaxos[report]'" in page.text
    assert "VIOLATION" in page.text and "stale read" in page.text
    assert page.tags.count("script") == 1
    assert "Zoom in" not in page.text


def test_an_index_that_is_not_in_the_history_is_said() -> None:
    anomaly = Anomaly(kind="lost write", sentence="it is gone", operations=(0, 77))
    checker = CheckerResult(name="c", verdict="invalid", sentence="s", anomalies=(anomaly,))
    page = page_of(bare(checkers=(checker,)), history((0, INVOKE, "write", 1), (0, OK, "write", 1)))
    assert "Events 77 are not in this history." in page.text


def test_many_anomalies_are_folded_but_all_there() -> None:
    anomalies = tuple(Anomaly(kind=f"kind{number}", sentence="s") for number in range(30))
    checker = CheckerResult(name="c", verdict="invalid", sentence="s", anomalies=anomalies)
    page = page_of(bare(checkers=(checker,)), History(()))
    assert "26 more" in page.text and "kind29" in page.text and "This anomaly names no operations." in page.text


# ---- writing


def test_a_report_replaces_another_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(self: Path, target: Path) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="no room"):
            write_report(bare(), History(()), path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    write_report(bare(), History(()), path)
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_ten_thousand_operations_are_small_and_quick(tmp_path: Path) -> None:
    pytest.importorskip("bokeh", reason="the charts need Bokeh")
    result, recorded = run_of(Sample(operations=10_000))
    path = tmp_path / "report.html"
    write_report(*run_of(Sample(operations=100, violated=False)), path)  # Bokeh is imported once
    began = time.process_time()
    write_report(result, recorded, path)
    assert time.process_time() - began < 4.0  # 0.6 s on an idle machine
    assert path.stat().st_size < 5_000_000


# ---- lanes


def test_lanes_are_threads_although_processes_retire() -> None:
    recorded = history(
        (0, INVOKE, "read", None), (1, INVOKE, "read", None), (0, INFO, "read", None), (2, INVOKE, "read", None),
        (1, OK, "read", 1), (2, INFO, "read", None), (4, INVOKE, "read", None),
    )  # fmt: skip
    assert concurrency_of(recorded.operations()) == 2
    line = timeline_of(bare(), recorded, ())
    assert line.lanes == ("client 0", "client 1")
    assert [(bar.operation.process, bar.row) for bar in line.bars] == [(0, 0), (1, 1), (2, 0), (4, 0)]


@pytest.mark.parametrize("clients", [1, 3, 10])
def test_the_number_of_threads_of_a_run_is_found(clients: int) -> None:
    _, recorded = run_of(Sample(clients=clients, operations=900, violated=False))
    assert concurrency_of(recorded.operations()) == clients


def test_processes_that_never_retired_are_a_lane_each() -> None:
    recorded = history(*((process, INVOKE, "read", None) for process in (0, 1, 5)))
    assert concurrency_of(recorded.operations()) == 6
    assert timeline_of(bare(), recorded, ()).lanes == ("client 0", "client 1", "client 5")
    assert timeline_of(bare(), recorded, (), concurrency=5).lanes == ("client 0", "client 1")


def test_odd_numbers_of_processes_do_no_harm() -> None:
    recorded = history((10**12, INVOKE, "read", None), (-3, INVOKE, "read", None))
    assert len(timeline_of(bare(), recorded, ()).lanes) == 2
    assert concurrency_of(()) == 0


def test_too_many_lanes_are_cut_but_never_one_that_matters() -> None:
    recorded = history(*((process, INVOKE, "read", None) for process in range(LANES_MAX + 50)), step=1000)
    last = recorded.operations()[-1]
    line = timeline_of(bare(), recorded, (last,))
    assert len(line.lanes) == LANES_MAX
    assert line.lanes[-1] == f"client {LANES_MAX + 49}"
    assert [bar.operation for bar in line.involved] == [last]
    assert "50 clients" in line.notes[0]


# ---- the timeline


def test_what_never_returned_lasts_to_the_end_and_has_no_latency() -> None:
    recorded = history((0, INVOKE, "write", 1), (1, INVOKE, "read", None), (1, OK, "read", None))
    never, read = timeline_of(bare(duration_s=9.0), recorded, ()).bars
    assert (never.start_s, never.stop_s, never.latency_ms) == (0.0, 9.0, None)
    assert read.latency_ms == pytest.approx(1000.0)


def test_a_clock_that_ran_backwards_makes_no_negative_latency() -> None:
    events = (Event(0, 2 * SECOND, 0, INVOKE, "read", None), Event(1, 2 * SECOND - 900, 0, OK, "read", 1))
    (bar,) = timeline_of(bare(), History(events), ()).bars
    assert bar.latency_ms == 0.0


def test_above_the_cap_the_telling_operations_stay_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "BARS_MAX", 400)
    result, recorded = run_of(Sample(operations=2_000))
    operations = recorded.operations()
    involved = operations[1000:1003]
    line = timeline_of(result, recorded, involved)
    drawn = {bar.operation.invoke_index for bar in line.bars}
    assert 200 < len(drawn) <= 403 < BARS_MAX
    assert {op.invoke_index for op in involved} == {bar.operation.invoke_index for bar in line.involved}
    assert {op.invoke_index for op in operations if op.outcome.value == "info"} & drawn
    assert f"{len(drawn)} of 2,000 operations are drawn" in line.notes[0]
    assert line.rate is not None and sum(line.rate.ok) == result.operations.ok
    assert "of 2,000 operations are drawn: all that anomalies are about" in page_of(result, recorded).text


def test_rates_count_what_ended_in_each_second() -> None:
    recorded = history(
        (0, INVOKE, "read", None), (0, OK, "read", 1), (0, INVOKE, "read", None), (0, FAIL, "read", None),
        (0, INVOKE, "read", None), (0, INFO, "read", None), step=SECOND // 2,
    )  # fmt: skip
    rate = timeline_of(bare(duration_s=3.0), recorded, ()).rate
    assert rate is not None
    assert (rate.bin_s, rate.ok, rate.fail, rate.info) == (1, (1, 0, 0), (0, 1, 0), (0, 0, 1))


def test_long_runs_have_wider_bins() -> None:
    rate = timeline_of(bare(duration_s=86_400.0), history((0, INVOKE, "read", None)), ()).rate
    assert rate is not None and rate.bin_s == 44 and len(rate.ok) <= timeline.BINS_MAX


def fault(number: int, kind: str, start_s: float, stop_s: float | None, **fields: Any) -> FaultRecord:
    return FaultRecord(
        number=number, kind=kind, what=f"{kind} something", planned_at=int(start_s * 1e9), planned_until=int(9e9),
        injected_at=int(start_s * 1e9), healed_at=None if stop_s is None else int(stop_s * 1e9),
        **({"status": FaultStatus.INSTALLED} | fields),
    )  # fmt: skip


def test_overlapping_faults_of_a_kind_open_another_row() -> None:
    faults = (fault(0, "kill", 1, 3), fault(1, "pause", 1, 2), fault(2, "kill", 2, 4), fault(3, "kill", 3, 5))
    line = timeline_of(bare(faults=faults, duration_s=6.0), History(()), ())
    assert line.fault_rows == ("kill", "", "pause")
    assert [(bar.record.number, bar.row) for bar in line.faults] == [(0, 0), (2, 1), (3, 0), (1, 2)]


def test_a_fault_that_was_never_healed_lasts_to_the_end() -> None:
    unhealed = fault(0, "kill", 1, None, healed=False)
    result = bare(faults=(unhealed,), duration_s=6.0)
    assert timeline_of(result, History(()), ()).faults[0].stop_s == 6.0
    text = page_of(result, History(())).text
    assert "1 fault NOT HEALED" in text and "1.000 s to the end" in text


def test_time_under_faults_is_counted_once() -> None:
    faults = (fault(0, "kill", 1, 3), fault(1, "pause", 2, 4), fault(2, "clock", 7, 9, status=FaultStatus.SKIPPED))
    assert seconds_under_faults(faults, 10.0) == pytest.approx(3.0)


# ---- anomalies


def test_an_anomaly_knows_its_operations_by_either_event_and_the_faults_at_the_time() -> None:
    recorded = history(
        (0, INVOKE, "write", 1), (0, OK, "write", 1), (1, INVOKE, "read", None), (1, OK, "read", None),
    )  # fmt: skip
    anomaly = Anomaly(kind="stale read", sentence="s", operations=(0, 1, 3))
    checker = CheckerResult(name="c", verdict="invalid", sentence="s", anomalies=(anomaly,))
    result = bare(checkers=(checker,), faults=(fault(0, "kill", 2.5, 8), fault(1, "pause", 5, 8)))
    (view,) = anomalies_of(result, Lookup(recorded), 10.0)
    assert [(row.f, row.value, row.invoked, row.returned) for row in view.rows] == [
        ("write", "1", "0.000 s", "1.000 s"),
        ("read", "nil", "2.000 s", "3.000 s"),
    ]
    assert view.zoom == Zoom(0.0, 3.75)
    assert view.during == ("#0 kill something",)


def test_the_diagram_keeps_the_order_and_leaves_info_open() -> None:
    recorded = history((0, INVOKE, "write", 1), (1, INVOKE, "read", None), (1, OK, "read", 1), (0, INFO, "write", None))
    drawing = diagram_of(recorded.operations())
    assert drawing is not None
    write, read = drawing.rows
    assert write.open_ended and not read.open_ended
    assert write.x < read.x < read.x + read.width < write.x + write.width
    assert diagram_of(()) is None


# ---- words


def operation(argument: Any, result: Any, kind: EventType = OK, f: str = "read", key: Any = None) -> Operation:
    events = (Event(0, 0, 0, INVOKE, f, argument, key), Event(1, 1, 0, kind, f, result, key))
    return History(events).operations()[0]


@pytest.mark.parametrize(
    ("given", "call", "value"),
    [
        (operation(None, 4, key="x"), 'read("x") → 4', "4"),
        (operation(None, None), "read() → nil", "nil"),
        (operation(None, None, INFO), "read()", ""),
        (operation(5, 5, f="write", key=1), "write(1, 5)", "5"),
        (operation([3, 4], None, INFO, "cas"), "cas([3, 4])", "[3, 4]"),
        (operation(2, 7, f="add"), "add(2) → 7", "2 → 7"),
    ],
)
def test_operations_read_as_calls(given: Operation, call: str, value: str) -> None:
    assert texts.call_text(given) == call
    assert texts.value_of(given) == value


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0.0, "0 ms"), (0.351, "0.351 ms"), (12.34, "12.3 ms"), (450.4, "450 ms"), (3_200, "3.20 s"), (61e3, "61.0 s")],
)  # fmt: skip
def test_durations(ms: float, words: str) -> None:
    assert texts.duration(ms) == words


def test_counts_of_operations_come_from_the_result() -> None:
    text = page_of(bare(operations=OperationCounts(ok=1_234_567, fail=2, info=3)), History(())).text
    assert "1,234,572" in text and "3 info: may or may not have happened" in text
