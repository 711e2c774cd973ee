"""Pairing: what makes a history, and each way in which it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from checkers.history import Event, EventType, History, HistoryError, Outcome, freeze
from tests.checkers.literal import history, read, write


def events(*rows: tuple[int | str, str, str, Any]) -> list[Event]:
    return [Event(index, index, row[0], EventType(row[1]), row[2], row[3]) for index, row in enumerate(rows)]


def test_an_operation_has_the_argument_of_its_invocation_and_the_result_of_its_completion() -> None:
    (operation,) = History(events((0, "invoke", "cas", [1, 2]), (0, "ok", "cas", [1, 2]))).operations()
    assert operation.argument == (1, 2)
    assert operation.outcome is Outcome.OK
    assert (operation.invoke_index, operation.complete_index) == (0, 1)


def test_an_invocation_that_never_returns_is_info() -> None:
    (operation,) = History(events((0, "invoke", "write", 1))).operations()
    assert operation.outcome is Outcome.INFO
    assert operation.complete_index is None


def test_an_info_operation_is_never_over() -> None:
    #   0  |- write 1 -?
    #   1                 |- read -|
    first, second = history(write(0, 1, 2, 1, "info"), read(1, 3, 4, 1)).operations()
    assert not first.precedes(second)
    assert not second.precedes(first)


def test_operations_that_overlap_by_one_event_are_concurrent() -> None:
    #   0  |- write 1 -|
    #   1           |- read -|
    first, second = history(write(0, 1, 3, 1), read(1, 2, 4, 1)).operations()
    assert not first.precedes(second)
    first, second = history(write(0, 1, 2, 1), read(1, 3, 4, 1)).operations()
    assert first.precedes(second)


def test_operations_are_ordered_by_invocation() -> None:
    #   0  |------- write 1 -------|
    #   1     |- read -|
    operations = history(write(0, 1, 9, 1), read(1, 2, 3, 0)).operations()
    assert [op.f for op in operations] == ["write", "read"]


def test_the_nemesis_is_kept_apart() -> None:
    both = History(events(("nemesis", "info", "start", None), (0, "invoke", "read", None), ("nemesis", "info", "x", 1)))
    assert len(both.nemesis()) == 2
    assert len(both.operations()) == 1
    assert len(both) == 3


def test_ref_and_error_come_from_whoever_has_them() -> None:
    invoke = Event(0, None, 0, EventType.INVOKE, "write", 1, ref="c/1")
    ok = Event(1, None, 0, EventType.INFO, "write", None, error="timeout")
    (operation,) = History([invoke, ok]).operations()
    assert (operation.ref, operation.error) == ("c/1", "timeout")


DAMAGED: list[tuple[str, list[Event]]] = [
    ("while its read of event 0", events((0, "invoke", "read", None), (0, "invoke", "read", None))),
    ("without an invocation", events((0, "ok", "read", None))),
    ("without an invocation", events((0, "invoke", "read", None), (0, "ok", "read", 1), (0, "ok", "read", 1))),
    ("ended info", events((0, "invoke", "read", 1), (0, "info", "read", 1), (0, "invoke", "read", 1))),
    ("without an invocation", events((0, "invoke", "write", 1), (0, "info", "write", 1), (0, "ok", "write", 1))),
    ("had invoked read", events((0, "invoke", "read", None), (0, "ok", "write", None))),
    ("fails write with value 2", events((0, "invoke", "write", 1), (0, "fail", "write", 2))),
    ("index 0 is not unique", [events((0, "invoke", "read", None))[0]] * 2),
    ("index 0 comes after 1", list(reversed(events((0, "invoke", "read", 1), (1, "invoke", "read", 1))))),
]


@pytest.mark.parametrize(("message", "damaged"), DAMAGED)
def test_damage_is_refused(message: str, damaged: list[Event]) -> None:
    with pytest.raises(HistoryError, match=message):
        History(damaged)


def test_a_completion_for_another_key_is_refused() -> None:
    invoke = Event(0, None, 0, EventType.INVOKE, "read", None, key="a")
    with pytest.raises(HistoryError, match="of key 'b'"):
        History([invoke, Event(1, None, 0, EventType.OK, "read", 1, key="b")])


def test_the_error_names_file_and_line() -> None:
    with pytest.raises(HistoryError) as caught:
        History(events((0, "invoke", "read", 1), (0, "invoke", "read", 1)), path="h.edn", lines=[3, 7])
    assert str(caught.value).startswith("h.edn, line 7: process 0 invokes read")
    assert (caught.value.path, caught.value.line) == ("h.edn", 7)


def test_freeze_makes_plain_data_hashable() -> None:
    assert freeze([1, [2, {"b": [1], "a": {3}}]]) == (1, (2, (("a", frozenset({3})), ("b", (1,)))))


def test_freeze_refuses_what_is_no_data() -> None:
    with pytest.raises(TypeError, match="bytearray"):
        freeze(bytearray(b"x"))
