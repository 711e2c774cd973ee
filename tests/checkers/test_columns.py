"""Columns hold what objects hold: the fast way to read and pair events comes to the same as the careful one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.columns import EventColumns, OperationColumns, columns_of, pair
from checkers.formats import LoadLimits, load_history, write_jsonl
from checkers.history import Event, EventType, History, HistoryError
from checkers.json_columns import read_columns
from tests.checkers.strategies import histories, register_calls
from tests.examples import examples

BYTES_MAX = 1_000_000


def lines(events: Any) -> bytes:
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)


def in_columns(data: bytes, **limits: int) -> EventColumns | None:
    bounds = {"line_bytes_max": BYTES_MAX, "events_max": 1_000, **limits}
    return read_columns(io.BytesIO(data), bounds["line_bytes_max"], bounds["events_max"])


def paired(data: bytes) -> tuple[EventColumns, OperationColumns] | None:
    events = in_columns(data)
    operations = pair(events) if events is not None else None
    return None if events is None or operations is None else (events, operations)


VALUES = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from(["", "a"]), st.lists(st.integers(0, 2), max_size=3))
EVENTS = st.builds(
    Event,
    index=st.integers(0, 9),
    time=st.one_of(st.none(), st.integers(0, 9)),
    process=st.one_of(st.integers(0, 2), st.integers(0, 2), st.just("nemesis")),
    type=st.sampled_from(EventType),
    f=st.sampled_from(["read", "write"]),
    value=VALUES,
    key=st.sampled_from([None, None, "x", 3]),
    error=st.sampled_from([None, "timeout"]),
    ref=st.sampled_from([None, "7/1"]),
)


@examples(1_500)
@given(st.lists(EVENTS, min_size=1, max_size=5), st.booleans())
def test_any_events_are_paired_alike_or_refused_by_both(events: list[Event], in_order: bool) -> None:
    if in_order:
        events = [msgspec.structs.replace(event, index=place) for place, event in enumerate(events)]
    found = paired(lines(events))
    try:
        careful = History(events)
    except HistoryError:
        assert found is None
        return
    assert found is not None
    fast = History.of_columns(*found)
    assert fast == careful
    assert fast.operations() == careful.operations()
    assert len(fast) == len(careful)
    assert fast.nemesis() == careful.nemesis()


@examples(300)
@given(histories(register_calls(lambda: st.integers(0, 4)), operations_max=12))
def test_operations_come_out_of_columns_as_they_went_in(drawn: History) -> None:
    columns = columns_of(drawn.operations())
    assert tuple(map(columns.operation, range(len(columns)))) == drawn.operations()


READ = b'{"index":0,"process":0,"type":"invoke","f":"read"'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        READ + b"\n",
        READ + b',"value":1.5}\n',
        READ + b',"value":true}\n',
        READ + b',"value":[[1]]}\n',
        READ + b',"value":{"a":1}}\n',
        READ + b"}\n\n",
        READ + b"}" + READ + b"}\n",
        READ.replace(b",", b",\n") + b"}\n",
        b"\xef\xbb\xbf" + READ + b"}\n",
        READ.replace(b"0", b"99999999999999999999999") + b"}\n",
        READ.replace(b"invoke", b"begin") + b"}\n",
    ],
)
def test_what_is_not_the_common_case_is_declined(data: bytes) -> None:
    assert in_columns(data) is None


def test_limits_are_for_the_careful_reader_to_tell() -> None:
    data = lines(Event(n, None, n, EventType.INVOKE, "read", None) for n in range(3))
    assert in_columns(data) is not None
    assert in_columns(data, events_max=2) is None
    assert in_columns(data, line_bytes_max=20) is None


def test_lines_across_the_reader_s_chunks_come_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checkers.json_columns._CHUNK_BYTES", 100)
    events = [Event(n, n, n, EventType.INVOKE, "write", f"value {n}" * (n % 20)) for n in range(50)]
    found = paired(lines(events))
    assert found is not None
    assert History.of_columns(*found).events == tuple(events)


def test_a_file_of_fractions_is_read_all_the_same(tmp_path: Path) -> None:
    events = [
        Event(0, None, 0, EventType.INVOKE, "write", 1.5),
        Event(1, None, 0, EventType.OK, "write", 1.5),
    ]
    write_jsonl(events, tmp_path / "history.jsonl")
    loaded = load_history(tmp_path / "history.jsonl", LoadLimits())
    assert loaded.events == tuple(events)
    assert loaded.history.columns().count(1) == 1
