"""Sessions and the state machine: each operation once, the same answers and the same digest on every node."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.kv import Append, Increment, Read, Result, Write
from node.machine import COMMANDS_PER_SLOT_BITS, Entry, Machine, OpenEntry, decode_entry, encode_entry
from node.paxos.counters import Counters
from node.sessions import Sessions, Standing
from node.wire import Answer, Command, Done, Reason, Refusal

S = 1 << COMMANDS_PER_SLOT_BITS
"""The number of a session that was opened first in slot 1."""


class Log:
    """A machine, fed slot by slot."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.machine = Machine(self.counters)

    def slot(self, *entries: Entry) -> list[Answer]:
        """Apply the next slot and return its answers."""
        value = tuple(encode_entry(entry) for entry in entries)
        return [applied.answer for applied in self.machine.apply(self.machine.applied_upto + 1, value)]


def test_a_session_is_numbered_by_its_place_in_the_log() -> None:
    log = Log()
    assert log.slot(OpenEntry(1, 1, 1), OpenEntry(2, 1, 1)) == [Done(Result(True, S)), Done(Result(True, S + 1))]
    assert log.slot() == []
    assert log.slot(OpenEntry(1, 1, 1)) == [Done(Result(True, 3 * S))]


def test_a_repetition_is_applied_once_and_gets_the_first_result() -> None:
    log = Log()
    log.slot(OpenEntry(1, 1, 1))
    append = Command(S, 1, Append("l", "x"))
    assert log.slot(append, append) == [Done(Result(True, 1))] * 2
    log.slot(OpenEntry(1, 1, 2))
    log.slot(Command(3 * S, 1, Append("l", "y")))
    assert log.slot(append) == [Done(Result(True, 1))], "the first result, not what it would give now"
    assert log.machine.store.get("l") == ["x", "y"]
    assert log.counters.retries_deduplicated == 2


def test_an_outdated_operation_is_refused_and_not_applied() -> None:
    log = Log()
    log.slot(OpenEntry(1, 1, 1))
    log.slot(Command(S, 5, Increment("n", 1)))
    (answer,) = log.slot(Command(S, 4, Increment("n", 1)))
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.INVALID
    assert log.machine.store.get("n") == 1


def test_an_operation_of_no_session_is_refused_and_not_applied() -> None:
    log = Log()
    assert log.slot(Command(S, 1, Write("x", 1))) == [Refusal(Reason.SESSION_EXPIRED)]
    assert log.machine.store.get("x") is None


def test_slots_are_applied_in_order_and_once() -> None:
    log = Log()
    log.slot()
    for slot in (1, 3):
        with pytest.raises(AssertionError, match=f"slot {slot} applied after slot 1"):
            list(log.machine.apply(slot, ()))


def test_entries_round_trip() -> None:
    for entry in (OpenEntry(1, 2, 3), Command(S, 1, Read("x"))):
        assert decode_entry(encode_entry(entry)) == entry


entries: st.SearchStrategy[Entry] = st.one_of(
    st.builds(OpenEntry, st.integers(1, 3), st.integers(1, 2), st.integers(1, 3)),
    st.builds(
        Command,
        st.sampled_from([S, S + 1, 2 * S, 3 * S]),
        st.integers(1, 4),
        st.builds(Increment, st.just("n"), st.integers(1, 3)),
    ),
)
logs = st.lists(st.lists(entries, max_size=3), max_size=6)


@given(logs)
def test_equal_logs_give_equal_answers_and_digests(slots: list[list[Entry]]) -> None:
    one, other = Log(), Log()
    for slot in slots:
        assert one.slot(*slot) == other.slot(*slot)
        assert one.machine.digest == other.machine.digest


@given(logs, logs)
def test_different_logs_give_different_digests(one: list[list[Entry]], other: list[list[Entry]]) -> None:
    digests = []
    for slots in (one, other):
        log = Log()
        for slot in slots:
            log.slot(*slot)
        digests.append(log.machine.digest)
    assert (digests[0] == digests[1]) == (one == other)


def test_the_digest_stands_for_the_results_too() -> None:
    """A node whose state went wrong earlier answers differently, and the digest shows it from then on."""
    one, other = Log(), Log()
    for log in (one, other):
        log.slot(OpenEntry(1, 1, 1))
    other.machine.store.put("n", 41)
    for log in (one, other):
        log.slot(Command(S, 1, Increment("n", 1)))
    assert one.machine.digest != other.machine.digest


# -- the session table ------------------------------------------------------------------------------------------------


def test_standing() -> None:
    sessions = Sessions()
    sessions.open(7)
    assert sessions.standing(7, 1) is Standing.NEW
    sessions.record(7, 3, Result(True, "r"))
    assert sessions.result(7) == Result(True, "r")
    assert [sessions.standing(7, sequence) for sequence in (2, 3, 4)] == [
        Standing.OUTDATED,
        Standing.REPEATED,
        Standing.NEW,
    ]
    assert sessions.standing(8, 1) is Standing.EXPIRED
    assert sessions.result(8) is None


def test_the_session_used_longest_ago_goes_first() -> None:
    sessions = Sessions(sessions_max=3)
    assert [sessions.open(number) for number in (1, 2, 3)] == [0, 0, 0]
    sessions.record(1, 1, Result(True))
    sessions.standing(2, 1)  # asking is not using
    assert sessions.open(4) == 1
    assert [sessions.standing(number, 1) for number in (1, 2, 3, 4)] == [
        Standing.REPEATED,
        Standing.EXPIRED,
        Standing.NEW,
        Standing.NEW,
    ]
    assert len(sessions) == 3


class TableModel:
    """The session table as a list, least recently used first."""

    def __init__(self, sessions_max: int) -> None:
        self.sessions_max = sessions_max
        self.rows: list[tuple[int, int]] = []

    def open(self, number: int) -> int:
        """Open a session."""
        self.rows.append((number, 0))
        evicted = max(0, len(self.rows) - self.sessions_max)
        self.rows = self.rows[evicted:]
        return evicted

    def use(self, number: int, sequence: int) -> bool:
        """Use a session for a new operation; False if that is not possible."""
        for row in self.rows:
            if row[0] == number and sequence > row[1]:
                self.rows.remove(row)
                self.rows.append((number, sequence))
                return True
        return False


@given(st.integers(1, 3), st.lists(st.none() | st.tuples(st.integers(0, 8), st.integers(1, 4)), max_size=40))
def test_the_table_is_a_list_in_order_of_use(sessions_max: int, steps: list[tuple[int, int] | None]) -> None:
    sessions, model = Sessions(sessions_max), TableModel(sessions_max)
    opened = 0
    for step in steps:
        if step is None:
            assert sessions.open(opened) == model.open(opened)
            opened += 1
        else:
            new = sessions.standing(*step) is Standing.NEW
            assert new == model.use(*step)
            if new:
                sessions.record(*step, Result(True, step[1]))
        assert len(sessions) == len(model.rows)
        for number in range(opened):
            known = dict(model.rows).get(number)
            assert (sessions.standing(number, 0) is Standing.EXPIRED) == (known is None)
