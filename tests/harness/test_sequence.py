"""The picture of messages as data: pairing, fates, roles, causes, the window, and what real traces come to."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.history import Event, EventType, History
from harness.report.html import render_report, write_report
from harness.report.sequence import Sequence, read_sequence, sequence_of
from harness.report.sequence.causes import BrokenAt, Causes, broken_at
from harness.report.sequence.messages import LABEL_CHARS_MAX, Links, frames_of, label_of, refs_of, slots_of
from harness.report.sequence.model import Level, Message, Span
from harness.report.sequence.standing import marks_of, spans_of
from harness.report.sequence.window import CLOSE, segments_of
from harness.results import Anomaly, CheckerResult, RunResult, RunVerdict
from harness.simulation.tape import TraceLine, read_tape
from nemesis.delays import Delay
from nemesis.ground import Loss, Rate, Reorder, Weather
from tests.harness.report_sample import bare
from tests.simulation.taped import EARLY_ACK, HEALTHY, LOCAL_READS, taped

US = 1_000


def line(at: int, kind: str, node: str = "n1", event: int = 0, **more: Any) -> TraceLine:
    return TraceLine(event=event or at, at=at, kind=kind, node=node, **more)


def send(at: int, frame: int, what: str, body: Any = None, node: str = "n1", peer: str = "n2") -> TraceLine:
    return line(at, "send", node, peer=peer, frame=frame, what=what, body=body)


def three_nodes() -> list[TraceLine]:
    names = ("n1", "n2", "n3")
    return [*(line(1, "starts", node) for node in names), *(line(2, "role", node, what="follower") for node in names)]


def as_traced(weather: Weather) -> Any:
    return json.loads(json.dumps(asdict(weather)))


def result_of(*anomalies: Anomaly, **more: Any) -> RunResult:
    checkers = (
        CheckerResult(name="linearizable", verdict="invalid", sentence="not linearizable", anomalies=anomalies),
    )
    return bare(
        verdict=RunVerdict.VIOLATION, place="simulated", nodes=("n1", "n2", "n3"), checkers=checkers,
        store="/runs/store/one", **more,
    )  # fmt: skip


# -- pairing ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(1, 50), max_size=2), max_size=12), st.randoms(use_true_random=False))
def test_each_send_is_paired_with_exactly_its_receipts(deliveries: list[list[int]], shuffle: Any) -> None:
    lines = [send(number, number, "accept") for number in range(1, len(deliveries) + 1)]
    for number, late in enumerate(deliveries, start=1):
        lines += [line(100 + number * 10 + delay, "frame", "n2", peer="n1", frame=number) for delay in sorted(late)]
    shuffle.shuffle(lines)
    frames = frames_of(lines)
    assert {frame.sent.frame: len(frame.received) for frame in frames} == {
        number: len(late) for number, late in enumerate(deliveries, start=1)
    }
    assert all(received.frame == frame.sent.frame for frame in frames for received in frame.received)


def test_why_a_frame_never_arrived() -> None:
    weather = as_traced(Weather((Delay(1, 5),), (Loss(20_000),)))
    links = Links(
        [
            *three_nodes(),
            line(1_000 * US, "links", "", what="cut", body=[["n1", "n2"]]),
            line(2_000 * US, "links", "", what="cut", body=[]),
            line(3_000 * US, "ends", "n3"),
            line(4_000 * US, "links", "", what="weather", body=[["n1", "n2", weather]]),
            line(9_000 * US, "tick"),
        ]
    )
    fates = {
        "the link n1 → n2 was cut when it was sent": ("cut", send(1_500 * US, 1, "accept")),
        "the link n1 → n2 was cut while it was under way": ("cut", send(999 * US, 1, "accept")),
        "no process of n3 was there to receive it": ("gone", send(3_500 * US, 1, "accept", peer="n3")),
        "lost: the link n1 → n2 was losing 2 % then": ("lost", send(4_500 * US, 1, "accept")),
        "lost: never received": ("lost", send(2_500 * US, 1, "accept")),
        "still under way when the trace ends": ("under-way", send(8_900 * US, 1, "accept")),
    }
    for why, (fate, sent) in fates.items():
        assert links.fate(sent) == (fate, why)
    halves = as_traced(Weather(losses=(Loss(500_000), Loss(500_000)), reorders=(Reorder(1, 3_000 * US),)))
    rain = line(1 * US, "links", "", what="weather", body=[["n1", "n2", halves]])
    links = Links([*three_nodes(), rain, line(9_000 * US, "tick")])
    assert "losing 75 %" in links.fate(send(4_000 * US, 1, "accept"))[1]
    assert links.fate(send(6_500 * US, 1, "accept"))[0] == "under-way", "it may be held back"


def test_when_a_frame_never_arrived() -> None:
    links = Links(
        [
            *three_nodes(),
            line(1_000 * US, "links", "", what="cut", body=[["n1", "n2"]]),
            line(2_000 * US, "links", "", what="cut", body=[]),
            line(3_000 * US, "ends", "n3"),
            line(9_000 * US, "tick"),
        ]
    )
    assert links.fate(send(2_950 * US, 1, "accept", peer="n3"))[0] == "gone", "it ended while the frame was under way"
    assert links.fate(send(1_500 * US, 1, "accept", "n2", peer="n1"))[0] == "lost", "the other direction was not cut"


NAMES = st.sampled_from(
    ["slot", "value", "ballot", "reported", "entries", "operation", "result", "ppm", "frozen", "upto"]
)
bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
WHATS = [
    "accept",
    "promise",
    "chosen",
    "command",
    "done",
    "cut",
    "weather",
    "sync",
    "trouble",
    "bend",
    "stopped",
    "odd",
]
KINDS = ["send", "frame", "request", "reply", "role", "disk", "clock", "links", "durable", "process", "starts", "ends"]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(WHATS), bodies), min_size=1, max_size=8))
def test_a_trace_of_any_shape_is_drawn_or_left_out(parts: list[tuple[str, str, Any]]) -> None:
    lines = [
        TraceLine(event=at, at=at, kind=kind, node="n1", peer="n2", frame=at, what=what, body=body)
        for at, (kind, what, body) in enumerate(parts, start=1)
    ]
    for one in lines:
        assert len(label_of(one)) <= LABEL_CHARS_MAX
        assert all(isinstance(slot, int) for slot in slots_of(one))
        assert all(isinstance(ref, str) for ref in refs_of(one))
    picture = sequence_of(lines, result_of(), History(()))
    assert msgspec.json.decode(msgspec.json.encode(picture), type=Sequence) == picture


# -- what nodes are ---------------------------------------------------------------------------------------------------

MOMENTS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(["n1", "n2"]),
        st.sampled_from([("starts", ""), ("ends", ""), ("role", "leader"), ("role", "follower"),
                         ("process", "stopped"), ("process", "continued")]),
    ),
    max_size=20,
)  # fmt: skip


@given(MOMENTS)
def test_a_nodes_states_follow_each_other_without_gap_or_overlap(
    moments: list[tuple[int, str, tuple[str, str]]],
) -> None:
    at, lines = 0, []
    for wait, node, (kind, what) in moments:
        at += wait
        lines.append(line(at, kind, node, event=1, what=what, body={"ballot": "1.1"}))
    spans = spans_of(lines, ["n1", "n2"], at + 5)
    for node in ("n1", "n2"):
        mine = [span for span in spans if span.lane == node]
        states = [span for span in mine if span.state != "stopped"]
        assert (states[0].start, states[-1].stop) == (0, at + 5)
        assert all(a.stop == b.start and a.start < a.stop for a, b in pairwise(states))
        stopped = [span for span in mine if span.state == "stopped"]
        assert all(a.stop <= b.start for a, b in pairwise(stopped))


def test_roles_ballots_ends_and_stops() -> None:
    lines = [
        line(0, "starts"),
        line(20, "role", what="follower", body={"ballot": "0.0"}),
        line(30, "role", what="leader", body={"ballot": "1.1"}),
        line(40, "process", what="stopped"),
        line(50, "ends", body={"status": -9}),
        line(70, "starts"),
    ]
    assert spans_of(lines, ["n1"], 90) == (
        Span(lane="n1", state="starting", start=0, stop=20),
        Span(lane="n1", state="follower", ballot="0.0", start=20, stop=30),
        Span(lane="n1", state="leader", ballot="1.1", start=30, stop=50),
        Span(lane="n1", state="gone", start=50, stop=70),
        Span(lane="n1", state="starting", start=70, stop=90),
        Span(lane="n1", state="stopped", start=40, stop=50),
    )
    assert [told.text for told in marks_of(lines)] == [
        "starts", "follower 0.0", "leader 1.1", "stopped", "killed", "starts",
    ]  # fmt: skip


def test_a_sync_lasts_until_its_end_or_its_processs() -> None:
    sync = {"upto": 3, "takes_ns": 1_000_000}
    lines = [line(10, "disk", what="sync", body=sync), line(20, "ends"), line(30, "disk", what="sync", body=sync)]
    first, _, second = marks_of(lines)
    assert (first.until, first.text, first.level) == (20, "sync, 1 ms, cut off", Level.ALL)
    assert (second.until, second.text) == (1_000_030, "sync, 1 ms")


# -- the window -------------------------------------------------------------------------------------------------------


@given(st.integers(1, 400), st.lists(st.integers(0, 399), max_size=30), st.integers(1, 120))
def test_a_window_shows_the_focus_within_its_budget(total: int, focus: list[int], budget: int) -> None:
    segments = segments_of(total, focus, budget)
    shown = [place for first, last in segments for place in range(first, last + 1)]
    assert shown == sorted(set(shown)) and shown[0] >= 0 and shown[-1] < total
    assert len(shown) <= budget
    wanted = {min(place, total - 1) for place in focus} or {total - 1}
    if len(wanted) <= budget:
        assert wanted <= set(shown)
    else:
        assert {min(wanted), max(wanted)} <= set(shown) or budget == 1
    if total <= budget:
        assert segments == ((0, total - 1),)


def test_two_ends_far_apart_are_two_segments_and_close_ones_are_joined() -> None:
    assert segments_of(10_000, [100, 9_000], 20) == ((96, 104), (8_996, 9_004))
    near = segments_of(10_000, [100, 100 + CLOSE + 4], 40)
    assert len(near) == 1


# -- causes -----------------------------------------------------------------------------------------------------------


def operations(*calls: tuple[str, Any, Any, str | None]) -> History:
    """Calls one after another, at 10, 30, 50 … µs, each of 10 µs."""
    events = []
    for number, (f, argument, back, ref) in enumerate(calls):
        at = (20 * number + 10) * US
        events.append(Event(2 * number, at, number, EventType.INVOKE, f, argument, "x"))
        events.append(Event(2 * number + 1, at + 10 * US, number, EventType.OK, f, back, "x", None, ref))
    return History(tuple(events))


def request(at: int, what: str, body: Any, peer: str = "client 1", node: str = "n1") -> TraceLine:
    return line(at, "request", node, peer=peer, what=what, body=body)


def reply(at: int, peer: str = "client 1", node: str = "n1") -> TraceLine:
    return line(at, "reply", node, peer=peer, what="done", body={"result": {"ok": True, "value": None}})


def command(session: int, sequence: int, **operation: Any) -> dict[str, Any]:
    return {"session": session, "sequence": sequence, "operation": {"key": "x", **operation}}


def test_a_write_leads_to_its_request_its_slot_and_everything_of_that_slot() -> None:
    history = operations(("write", 5, 5, "7/1"))
    lines = [
        request(11 * US, "command", command(7, 1, value=5)),
        send(12 * US, 1, "accept", {"ballot": "1.1", "slot": 4, "value": ['7/1 ["write","x",5]'], "chosen_upto": 3}),
        send(12 * US, 2, "accept", {"ballot": "1.1", "slot": 5, "value": ["8/1 …"], "chosen_upto": 3}),
        line(13 * US, "disk", "n2", what="sync", body={"upto": 9, "takes_ns": US}),
        line(14 * US, "durable", "n2", body={"upto": 9}),
        send(14 * US, 3, "accepted", {"ballot": "1.1", "slot": 4}, "n2", "n1"),
        send(15 * US, 4, "accepted", {"ballot": "1.1", "slot": 5}, "n2", "n1"),
        send(16 * US, 5, "chosen", {"entries": [[4, "1.1", []]], "chosen_upto": 4}, "n1", "n3"),
        reply(20 * US),
        request(21 * US, "command", command(7, 2, value=6)),
    ]
    cause = Causes(lines, history.operations(), 0).of(history.operations(), "")
    assert sorted(cause.places) == [0, 1, 3, 4, 5, 7, 8]
    assert cause.unmatched == ()


def test_a_read_is_told_by_the_moment_of_its_reply_and_leads_to_its_read_index() -> None:
    history = operations(("read", None, 1, None))
    query = {"operation": {"key": "x"}}
    lines = [
        request(12 * US, "query", query, "client 1", "n2"),
        send(12 * US, 1, "read-index", {"read_id": 3}, "n2", "n1"),
        request(13 * US, "query", query, "client 2", "n3"),
        send(13 * US, 2, "read-index", {"read_id": 3}, "n3", "n1"),
        send(14 * US, 3, "read-index-reply", {"read_id": 3, "index": 2, "ballot": "1.1"}, "n1", "n2"),
        reply(19 * US, "client 2", "n3"),
        reply(20 * US, "client 1", "n2"),
    ]
    cause = Causes(lines, history.operations(), 0).of(history.operations(), "")
    assert sorted(cause.places) == [0, 1, 4, 6]


def test_what_cannot_be_told_apart_is_left_alone() -> None:
    history = operations(("read", None, 1, None))
    query = {"operation": {"key": "x"}}
    lines = [request(12 * US, "query", query), reply(20 * US), request(13 * US, "query", query, "client 2", "n3")]
    lines += [reply(20 * US, "client 2", "n3")]
    cause = Causes(lines, history.operations(), 0).of(history.operations(), "")
    assert cause.places == frozenset() and cause.unmatched == history.operations()


def test_a_broken_invariant_names_its_slot_and_its_node() -> None:
    sentence = "at 0.000040 s (event 7): n2 has forgotten what it had answered for: slot 4, accepted in ballot 1.1"
    assert broken_at(sentence) == BrokenAt(40 * US, "n2")
    assert broken_at("read of x = 1 by process 8 at 0.318 s") is None
    history = operations(("write", 5, 5, "7/1"))
    lines = [
        request(11 * US, "command", command(7, 1, value=5)),
        send(12 * US, 1, "accept", {"ballot": "1.1", "slot": 4, "value": ['7/1 ["write","x",5]']}),
        line(20 * US, "ends", "n3"),
        line(21 * US, "ends", "n2"),
    ]
    cause = Causes(lines, history.operations(), 0).of((), sentence)
    assert sorted(cause.places) == [0, 1, 3]
    assert cause.operations == history.operations()


# -- whole pictures ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patch() -> Any:
    with pytest.MonkeyPatch.context() as patched:
        yield patched


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Any:
    return taped(EARLY_ACK, 0, tmp_path_factory.mktemp("early"), patch)


@pytest.fixture(scope="module")
def stale(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Any:
    return taped(LOCAL_READS, 0, tmp_path_factory.mktemp("stale"), patch)


def picture_of(run: Any) -> Sequence:
    folder, result = run
    picture = read_sequence(folder / "trace.jsonl", result, folder.history())
    assert isinstance(picture, Sequence)
    return picture


def of(picture: Sequence, number: int) -> list[Message]:
    return [message for message in picture.messages if number in message.anomalies]


def test_an_answer_before_its_sync_is_there_from_the_accept_to_the_loss(early: Any) -> None:
    picture = picture_of(early)
    (choice,) = picture.choices
    slot = choice.sentence.split("slot ")[1].split(",")[0]
    followed = of(picture, 1)
    assert {message.type for message in followed} >= {"command", "accept", "accepted", "done"}
    assert all(f"#{slot}" in message.label for message in followed if message.family == "accept")
    node = choice.sentence.split(": ")[1].split(" ")[0]
    marks = [mark for mark in picture.marks if mark.anomalies]
    told = [mark.kind for mark in marks if mark.lane == node]
    assert told.index("durable") < told.index("sync") < told.index("power-off") < told.index("starts")
    assert marks[-1].kind == "broken" and marks[-1].at == picture.segments[-1].stop
    assert [bar.outcome for bar in picture.bars] == ["ok"]
    assert {band.kind for band in picture.bands} == {"disk-slow", "power-off"}


def test_a_stale_read_is_there_with_the_writes_it_missed(stale: Any) -> None:
    folder, result = stale
    picture = picture_of(stale)
    anomaly = result.checkers[0].anomalies[0]
    bars = [bar for bar in picture.bars if 1 in bar.anomalies]
    assert len(bars) == len(anomaly.operations) == 3
    for bar in bars:
        mine = [
            one for one in of(picture, 1) if bar.lane in {one.source, one.target} and bar.start <= one.at <= bar.stop
        ]
        assert [one.answer for one in mine] == [False, True], "each operation's request and reply, and no other's"
        assert mine[-1].at == bar.stop
    counted = len([one for one in picture.messages if one.level == Level.CONSENSUS])
    assert 300 < counted <= 1_000
    assert [note for note in picture.notes if "no request could be told" in note] == []
    assert folder.name in picture.command


def test_a_healthy_run_shows_its_first_fault_and_what_became_of_every_frame(tmp_path: Path, patch: Any) -> None:
    folder, result = taped(HEALTHY, 0, tmp_path, patch)
    history = folder.history()
    lines = list(read_tape(folder / "trace.jsonl"))
    picture = sequence_of(lines, result, history, budget=20_000)
    assert picture.choices == () and picture.cuts == ()
    fates = {message.fate for message in picture.messages}
    assert fates == {"", "gone", "lost"}
    assert {len(message.receipts) for message in picture.messages} == {0, 1, 2}
    assert all(bool(message.why) for message in picture.messages if message.fate)
    states = {span.state for span in picture.spans}
    assert states == {"starting", "follower", "candidate", "leader", "gone", "stopped"}
    small = sequence_of(lines, result, history, budget=100)
    first = small.bands[0]
    assert first.kind == "kill" and small.segments[0].start <= first.start <= small.segments[0].stop
    assert len(small.cuts) == 2


def test_levels_tell_consensus_from_what_goes_on_all_the_time(stale: Any) -> None:
    for message in picture_of(stale).messages:
        wanted = {"heartbeat": Level.HEARTBEATS, "heartbeat-ack": Level.HEARTBEATS}
        wanted |= {"statusrequest": Level.ALL, "status": Level.ALL}
        assert message.level == wanted.get(message.type, Level.CONSENSUS)


# -- on the page ------------------------------------------------------------------------------------------------------


def test_the_page_has_the_picture_in_the_same_bytes_each_time(early: Any, tmp_path: Path) -> None:
    folder, result = early
    write_report(result, folder.history(), folder / "report.html")
    page = (folder / "report.html").read_text()
    data = page.split('id="sequence-data">')[1].split("</script>")[0]
    assert json.loads(data)["choices"][0]["number"] == 1
    assert "What belongs to the violated operations, as text" in page
    write_report(result, folder.history(), tmp_path / "again.html", trace=folder / "trace.jsonl")
    again = (tmp_path / "again.html").read_text()
    mine, other = (text.split('id="sequence"')[1].split("</section>")[0] for text in (page, again))
    assert mine == other and len(mine) > 100_000


def test_without_a_trace_a_simulated_violation_says_how_to_get_one(tmp_path: Path) -> None:
    hint = "antipaxos replay one --trace"
    assert hint in render_report(result_of(), History(()))
    local = msgspec.structs.replace(result_of(), place="local")
    valid = msgspec.structs.replace(result_of(), verdict=RunVerdict.VALID)
    for result in (local, valid):
        page = render_report(result, History(()), trace=tmp_path / "trace.jsonl")
        assert "--trace" not in page and 'id="sequence"' not in page


def test_a_damaged_trace_is_drawn_as_far_as_it_goes_and_an_empty_one_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text('{"event":1,"at":0,"kind":"starts","node":"n1"}\n{"event":2,"at"')
    picture = read_sequence(path, result_of(), History(()))
    assert isinstance(picture, Sequence) and "line 2" in picture.notes[0]
    path.write_text("")
    assert read_sequence(path, result_of(), History(())) == "trace.jsonl is empty."
    assert "trace.jsonl is empty." in render_report(result_of(), History(()), trace=path)


def test_of_a_trace_that_is_too_long_the_end_is_kept_where_an_invariant_broke(
    early: Any, stale: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.report.sequence.build.LINES_MAX", 2_000)
    last, first = picture_of(early), picture_of(stale)
    assert "the last 2,000" in last.notes[0] and "the first 2,000" in first.notes[0]
    assert any(mark.kind == "broken" for mark in last.marks)
    assert {span.state for span in last.spans if span.lane == "n5"} >= {"leader", "gone"}
    lost = [message.why for message in first.messages if message.fate]
    assert set(lost) <= {"still under way when the trace ends"}, "what was not looked at is not lost"


def test_what_may_be_queued_before_a_rate_when_the_trace_ends_is_not_lost() -> None:
    slow = as_traced(Weather(rate=Rate(8_000, 3_000)))  # the queue is empty after three seconds
    rate = line(1 * US, "links", "", what="weather", body=[["n1", "n2", slow]])
    links = Links([*three_nodes(), rate, line(10_000_000 * US, "tick")])
    assert links.fate(send(7_500_000 * US, 1, "accept"))[0] == "under-way"
    assert links.fate(send(6_000_000 * US, 1, "accept"))[0] == "lost"


def test_what_a_reset_took_is_said_to_be_lost_by_it() -> None:
    links = Links(
        [
            *three_nodes(),
            line(100_000 * US, "links", "", what="reset", body=["n2"]),
            line(900_000 * US, "tick"),
        ]
    )
    why = "lost: the connection n1 → n2 was reset"
    for at in (99_900, 100_000, 149_999):
        assert links.fate(send(at * US, 1, "accept")) == ("lost", why)
    for at in (99_000, 150_001):
        assert links.fate(send(at * US, 1, "accept")) == ("lost", "lost: never received")
    assert links.fate(send(100_000 * US, 1, "accept", peer="n3")) == ("lost", "lost: never received")


def test_what_a_trace_itself_leaves_out_is_a_cut_and_nobody_is_said_to_have_lost_it() -> None:
    lines = [
        line(1 * US, "starts"),
        *(line(at * US, "role", node, what="follower") for at, node in ((2, "n1"), (2, "n2"), (2, "n3"))),
        send(10 * US, 1, "accept", {"ballot": "1.1", "slot": 1}),
        line(400_000 * US, "role", what="leader", body={"ballot": "2.1"}),
        line(900_000 * US, "cut", "", what="70 lines left out", body={"lines": 70}),
        send(900_000 * US, 9, "accept", {"ballot": "2.1", "slot": 8}),
        line(900_100 * US, "frame", "n2", peer="n1", frame=9, what="accept"),
        line(950_000 * US, "ends", "n2"),
        line(950_000 * US, "cut", "", what="5 lines left out", body={"lines": 5}),
    ]
    picture = sequence_of(lines, bare(place="simulated", nodes=("n1", "n2", "n3")), History(()))
    assert [(part.start, part.stop) for part in picture.segments] == [(1 * US, 10 * US), (900_000 * US, 900_100 * US)]
    assert ["70 lines" in cut.text or "5 lines" in cut.text for cut in picture.cuts] == [True, True]
    assert [message.fate for message in picture.messages] == ["unrecorded", ""]
    assert [span.ballot for span in picture.spans if span.state == "leader"] == ["2.1"], "how things stood is known"


def test_text_from_a_trace_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    hostile = "</script><script>alert(1)</script><img src=x>"
    lines = [
        request(11 * US, "command", command(7, 1, value=hostile), hostile),
        send(12 * US, 1, hostile, {hostile: hostile}),
        reply(20 * US, hostile),
    ]
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in lines))
    anomaly = Anomaly(kind=hostile, sentence=hostile, operations=(0,))
    page = render_report(result_of(anomaly), operations(("write", hostile, hostile, "7/1")), trace=path)
    assert "<img" not in page and "<script>alert" not in page
