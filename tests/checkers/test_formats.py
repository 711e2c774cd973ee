"""Files: told apart by content, read back as written, refused with the line at fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkers.formats import (
    Format,
    LoadedHistory,
    LoadLimits,
    edn_line,
    load_history,
    suggest_model,
    write_edn,
    write_jsonl,
)  # fmt: skip
from checkers.history import Event, EventType, History, HistoryError, Outcome
from tests.checkers.literal import Bar, append, history
from tests.checkers.strategies import TRANSACTION_CALLS, histories, register_calls

LINE = '{"index":%d,"time":null,"process":%d,"type":"%s","f":"read","value":null}\n'
LOG = "INFO  jepsen.util - "


def load(folder: Path, text: str | bytes, limits: LoadLimits | None = None) -> LoadedHistory:
    path = folder / "history"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_history(path, limits)


small = settings(max_examples=150, derandomize=True, deadline=None, database=None)
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@small
@given(st.lists(st.tuples(plain, plain, st.one_of(st.none(), st.text(max_size=5)), st.integers(0, 2**60)), min_size=1))
def test_json_lines_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, Any, Any, int]]) -> None:
    events = [
        Event(index, time, index, EventType.INVOKE, "write", value, key, error, error)
        for index, (value, key, error, time) in enumerate(rows)
    ]
    path = tmp_path_factory.mktemp("json") / "h"
    write_jsonl(events, path)
    loaded = load_history(path)
    assert loaded.events == tuple(events)
    assert loaded.format is Format.JSON_LINES
    assert loaded.nil_reads_assert


@small
@given(st.one_of(histories(register_calls(lambda: st.sampled_from([None, 1, 2]))), histories(TRANSACTION_CALLS)))
def test_edn_round_trip_keeps_every_operation(tmp_path_factory: pytest.TempPathFactory, written: History) -> None:
    if not written.events:
        return
    path = tmp_path_factory.mktemp("edn") / "h"
    write_edn(written.events, path)
    loaded = load_history(path)
    assert loaded.history.operations() == written.operations()
    assert loaded.format is Format.EDN
    assert not loaded.nil_reads_assert


def test_edn_goes_on_to_json_lines(tmp_path: Path) -> None:
    loaded = load(tmp_path, "{:process 0 :type :invoke :f :txn :value [[:read :x nil] {:a #{1}}]}")
    write_jsonl(loaded.events, tmp_path / "json")
    assert load_history(tmp_path / "json").events[0].value == [["read", "x", None], {"a": [1]}]


def test_an_edn_line_is_what_knossos_reads() -> None:
    event = Event(3, 17, "nemesis", EventType.INFO, "start", ["n1", None], error="odd")
    assert edn_line(event) == (
        '{:process :nemesis, :type :info, :f :start, :value ["n1" nil], :index 3, :time 17, :error "odd"}'
    )


def test_names_inside_a_transaction_become_keywords() -> None:
    event = Event(0, None, 0, EventType.INVOKE, "txn", [["r", "x", None]])
    assert ':value [[:r "x" nil]]' in edn_line(event)


def test_a_name_that_is_no_keyword_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        edn_line(Event(0, None, 0, EventType.INVOKE, "two words", None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LINE % (0, 0, "invoke"), Format.JSON_LINES),
        ("\ufeff" + LINE % (0, 0, "invoke"), Format.JSON_LINES),
        ('\n { "index":0,"process":1,"type":"invoke","f":"read"}', Format.JSON_LINES),
        ("{:process 0, :type :invoke, :f :read, :value nil}", Format.EDN),
        ("[{:process 0, :type :invoke, :f :read, :value nil}]", Format.EDN),
        ("; why\n({:process 0, :type :invoke, :f :read, :value nil})", Format.EDN),
        ("#jepsen.history.Op{:index 0, :time 1, :process 0, :type :invoke, :f :read, :value nil}", Format.EDN),
        ('{:process 0, :type :invoke, :f :get, :key "a", :value nil}', Format.KV),
        (LOG + "0\t:invoke\t:read\tnil\n", Format.JEPSEN_LOG),
        ("starting up\n\n" + LOG + "0   :invoke :read   nil\n", Format.JEPSEN_LOG),
    ],
)
def test_the_format_is_told_by_content(tmp_path: Path, text: str, expected: Format) -> None:
    loaded = load(tmp_path, text)
    assert loaded.format is expected
    assert loaded.nil_reads_assert is (expected is not Format.EDN)
    (operation,) = loaded.history.operations()
    assert operation.f == "read"
    assert operation.outcome is Outcome.INFO


@pytest.mark.parametrize("index", ["", ":index nil", ":index -1"])
def test_events_without_an_index_are_numbered_by_place(tmp_path: Path, index: str) -> None:
    text = "".join(f"{{:process 0 :type :{kind} :f :read {index}}}\n" for kind in ("invoke", "ok"))
    assert [event.index for event in load(tmp_path, text).events] == [0, 1]


def test_a_log_line_by_line(tmp_path: Path) -> None:
    text = "noise\n" + "".join(
        LOG + row + "\n"
        for row in (
            "0\t:invoke\t:cas\t[1 2]",
            "1\t:invoke\t:read\tnil",
            "0\t:info\t:cas\t:timed-out",
            ':nemesis\t:info\t:start\t"cut n1"',
            "1\t:fail\t:read\t:timed-out",
        )
    )
    loaded = load(tmp_path, text)
    swap, look = loaded.history.operations()
    assert (swap.argument, swap.outcome, swap.error) == ((1, 2), Outcome.INFO, "timed-out")
    assert (look.outcome, look.result) == (Outcome.FAIL, None)
    assert [event.process for event in loaded.history.nemesis()] == ["nemesis"]


INDEPENDENT = """
{:process 0, :type :invoke, :f :read, :value [7 nil], :index 0, :time 10}
{:process :nemesis, :type :info, :f :start, :value nil, :index 1, :time 11}
{:process 1, :type :invoke, :f :cas, :value [8 [0 1]], :index 2, :time 12}
{:process 0, :type :ok, :f :read, :value [7 %s], :index 3, :time 13}
{:process 1, :type :info, :f :cas, :value %s, :error :timeout, :index 4, :time 14}
"""


@pytest.mark.parametrize("lost", ["[8 [0 1]]", "nil"])
def test_independent_keys_are_taken_out_of_the_values(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "history.edn"
    path.write_text(INDEPENDENT % ("[3 4]", lost))
    read, swap = load_history(path).history.operations()
    assert (read.key, read.argument, read.result) == (7, None, (3, 4))
    assert (swap.key, swap.argument, swap.outcome.value) == (8, (0, 1), "info")


@pytest.mark.parametrize(
    "text",
    [
        INDEPENDENT.replace("[7 nil]", "nil") % ("4", "[8 [0 1]]"),
        INDEPENDENT.replace("[8 [0 1]]", "[0 1]").replace("[7 nil]", "nil") % ("4", "[0 1]"),
        INDEPENDENT.replace(":read", ":write").replace("[7 nil]", "[7 2]") % ("2", "[8 [0 1]]"),
        "{:process 0, :type :invoke, :f :txn, :value [[:r 1 nil] [:w 2 3]], :index 0}",
    ],
)
def test_values_that_are_pairs_are_no_independent_keys(tmp_path: Path, text: str) -> None:
    path = tmp_path / "history.edn"
    path.write_text(text)
    assert {operation.key for operation in load_history(path).history.operations()} == {None}


def test_a_kv_get_is_a_read_and_a_put_a_write(tmp_path: Path) -> None:
    rows = [(":get", "nil"), (":put", '"v"'), (":append", '"w"')]
    text = "\n".join(
        f'{{:process {process}, :type :invoke, :f {f}, :key "k", :value {value}}}'
        for process, (f, value) in enumerate(rows)
    )
    assert [(event.f, event.key) for event in load(tmp_path, text).events] == [
        ("read", "k"), ("write", "k"), ("append", "k"),
    ]  # fmt: skip


GOOD = LINE % (0, 0, "invoke") + LINE % (1, 0, "ok")
MAP = "{:process 0, :type :invoke, :f :read, :value nil}\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "holds no events"),
        (" \n\n", None, "holds no events"),
        ("hello", 1, "not a history"),
        ("\n\n<html>", 3, "not a history"),
        (GOOD + LINE[:30], 3, "cut off"),
        (GOOD + '{"index":2}\n', 3, "missing required field"),
        (GOOD + LINE % (2, 0, "okay"), 3, "Invalid enum value"),
        (GOOD + "garbage\n" + LINE % (2, 0, "invoke"), 3, "not an event"),
        (GOOD + "\0\0\0\0", 3, "not an event"),
        (GOOD.encode() + b'{"f":"\xff\xfe"}', 3, "not an event"),
        (GOOD + LINE % (1, 1, "invoke"), 3, "index 1 is not unique"),
        (GOOD + LINE % (2, 0, "ok"), 3, "without an invocation"),
        (GOOD + '{"index":2,"process":true,"type":"ok","f":"read"}', 3, "not an event"),
        (MAP + "{:process 0, :type :ok, :f :re", 2, "never closed"),
        ("[" + MAP + MAP, 3, "never closed"),
        ("[" + MAP + "] {}", 2, "something follows"),
        (MAP + "{:process 0 :type :done :f :read}", 2, "unknown :type"),
        (MAP + "{:process 0 :type :ok}", 2, "without :f"),
        (MAP + "{:type :ok :f :read}", 2, "without :process"),
        (MAP + "{:process 1.5 :type :ok :f :read}", 2, "neither an integer nor a name"),
        (MAP + "{:process 0 :type :ok :f 7}", 2, ":f is not a name"),
        (MAP + "{:process 0 :type :ok :f :read :time :noon}", 2, "must be integers"),
        (MAP + "42", 2, "expected the map of an operation"),
        (MAP + MAP, 2, "still running"),
        (MAP + "{:index 4 :process 0 :type :ok :f :read}", None, "some events have an index"),
        ("[]", None, "holds no events"),
        (MAP.encode() + b"\xff", 2, "not UTF-8"),
        (LOG + "0\t:invoke\t:read\tnil\n" + LOG + "0\t:ok\t:re", 2, "cut off"),
        (LOG + "0\t:invoke\t:cas\t[1 ", 1, "never closed"),
        (LOG + "0\t:invoke\t:read\tnil\n" + LOG + "0\t:nope\t:read\tnil\n", 2, "unknown :type"),
    ],
)
def test_damage_is_refused_with_its_line(tmp_path: Path, text: str | bytes, line: int | None, message: str) -> None:
    with pytest.raises(HistoryError, match=message) as caught:
        load(tmp_path, text)
    assert caught.value.line == line
    assert str(tmp_path / "history") in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "text", "message"),
    [
        (LoadLimits(file_bytes=10), GOOD, "over the limit of 10"),
        (LoadLimits(text_bytes=10), MAP, "over the limit of 10"),
        (LoadLimits(line_bytes=10), GOOD, "a line of more than 10 bytes"),
        (LoadLimits(events=1), GOOD, "more than the limit of 1 events"),
    ],
)
def test_limits(tmp_path: Path, limits: LoadLimits, text: str, message: str) -> None:
    with pytest.raises(HistoryError, match=message):
        load(tmp_path, text, limits)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_history(tmp_path / "none")


@pytest.mark.parametrize(
    ("bars", "model"),
    [
        ((append(0, 1, 2, "x"),), "kv-append"),
        ((append(0, 1, 2, 1),), "list-append"),
        ((Bar(0, 1, 2, "acquire"),), "mutex"),
        ((Bar(0, 1, 2, "acquire", None, 7),), "fenced-mutex"),
        ((Bar(0, 1, 2, "enqueue", 1),), "queue"),
        ((Bar(0, 1, 2, "push", 1),), "stack"),
        ((Bar(0, 1, 2, "insert", 1),), "priority-queue"),
        ((Bar(0, 1, 2, "add", 1), Bar(0, 3, 4, "read", None, 1)), "counter"),
        ((Bar(0, 1, 2, "add", 1), Bar(0, 3, 4, "read", None, [1])), "set"),
        ((Bar(0, 1, 2, "add", 1), Bar(0, 3, 4, "contains", 1, True)), "set"),
        ((Bar(0, 1, 2, "txn", [], []),), "multi-register"),
        ((Bar(0, 1, 2, "cas", [0, 1], [0, 1]),), "cas-register"),
        ((Bar(0, 1, 2, "write", 1, 1),), "register"),
    ],
)
def test_a_model_is_suggested(bars: tuple[Bar, ...], model: str) -> None:
    assert suggest_model(history(*bars)) == model
