"""What is seen while a history is made is what is wrong with it in the end, and no more than that."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from checkers.history import Event, History
from checkers.linearizable import Linearizable
from checkers.models import CasRegister
from checkers.streaming import Alarm, RegistersWatch
from checkers.verdict import Limits, Verdict
from harness.benching.histories import Shape
from harness.benching.histories import history as made
from tests.checkers.literal import Bar, cas, history, read, write
from tests.checkers.strategies import interleaved
from tests.checkers.test_zones import executions, written_once
from tests.examples import examples

UNBOUNDED = Limits(time_s=None)


def watched(drawn: History, initial: Any = 0) -> tuple[Alarm | None, RegistersWatch]:
    watch = RegistersWatch(CasRegister(initial))
    for event in drawn.events:
        if alarm := watch.take(event):
            return alarm, watch
    return None, watch


def verdict(events: tuple[Event, ...]) -> Verdict:
    return Linearizable(CasRegister(0)).check(History(events), UNBOUNDED).verdict


def is_sound_and_swaps_alone_escape(drawn: History) -> None:
    alarm, watch = watched(drawn)
    assert not watch.given_up
    if alarm is not None:
        assert verdict(drawn.events[: alarm.index + 1]) is Verdict.INVALID
    elif not any(operation.f == "cas" for operation in drawn.operations()):
        assert verdict(drawn.events) is Verdict.VALID


@examples(3_000)
@given(interleaved(written_once()))
def test_an_alarm_is_never_false_and_without_swaps_never_missing(drawn: History) -> None:
    is_sound_and_swaps_alone_escape(drawn)


@examples(500)
@given(executions())
def test_nor_is_it_on_longer_histories(drawn: History) -> None:
    is_sound_and_swaps_alone_escape(drawn)


def said(*bars: Bar) -> str:
    alarm, _ = watched(history(*bars))
    return "" if alarm is None else alarm.sentence


def test_a_stale_read_is_told_when_it_returns() -> None:
    #   0  |- write 7 -|  |- write 9 -|
    #   1                                |- read 7 -|
    bars = (write(0, 1, 2, 7, key="k"), write(0, 3, 4, 9, key="k"), read(1, 5, 6, 7, key="k"))
    assert said(*bars) == "k: read by process 1 at 0.600 s met 7, which would be there both before and after 9"


def test_what_was_never_written_is_told() -> None:
    assert said(read(0, 1, 2, 5)) == "read by process 0 at 0.200 s saw 5, which cannot be there any more, or never was"


def test_what_was_seen_must_not_fail() -> None:
    #   0  |------- write 7 -------x|
    #   1     |- read 7 -|
    alarm = "write by process 0 failed at 0.400 s, but what it was to bring had been seen"
    assert said(write(0, 1, 4, 7, "fail"), read(1, 2, 3, 7)) == alarm


def test_a_swap_of_what_is_gone_is_told() -> None:
    assert "cas by process 1" in said(write(0, 1, 2, 7), write(0, 3, 4, 9), cas(1, 5, 6, [7, 8]))


def test_a_value_of_two_writes_is_left_to_the_end() -> None:
    alarm, watch = watched(history(write(0, 1, 2, 7), write(0, 3, 4, 7), read(0, 5, 6, 1)))
    assert alarm is None
    assert watch.given_up == {None}


def test_a_value_may_come_back_once_it_is_dead() -> None:
    bars = [bar for n in range(12) for bar in (write(0, 4 * n + 1, 4 * n + 2, n), read(0, 4 * n + 3, 4 * n + 4, n))]
    again = (write(0, 101, 102, 1), read(0, 103, 104, 1))
    alarm, watch = watched(history(*bars[2:], *again))
    assert alarm is None
    assert not watch.given_up


def test_memory_is_bounded_by_what_is_open() -> None:
    long = made(Shape(operations=20_000, clients=10, keys=3, cas=True))
    watch = RegistersWatch(CasRegister(0))
    most = 0
    for event in long.events:
        assert watch.take(event) is None
        most = max(most, watch.kept)
    assert most < 3 * (10 + 2 * 10 + 8)


def test_one_stale_read_among_many_is_found_where_it_is() -> None:
    stale = made(Shape(operations=5_000, clients=10, stale=True))
    alarm, _ = watched(stale)
    assert alarm is not None
    assert verdict(stale.events[: alarm.index]) is Verdict.VALID
    assert verdict(stale.events[: alarm.index + 1]) is Verdict.INVALID
