"""What is seen of a set while a history is made is what ``SetFull`` says of it in the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.history import Event, EventType, History
from checkers.set_full import SetFull
from checkers.streaming import Alarm
from checkers.streaming_sets import Elements, SetsWatch
from checkers.verdict import Limits, Verdict
from tests.checkers.executions import executions
from tests.checkers.literal import Bar, history
from tests.checkers.strategies import Call, interleaved
from tests.examples import examples

UNBOUNDED = Limits(time_s=None)


def watched(events: Sequence[Event]) -> tuple[Alarm | None, SetsWatch]:
    watch = SetsWatch()
    for event in events:
        if alarm := watch.take(event):
            return alarm, watch
    return None, watch


def objects(events: Sequence[Event]) -> bool:
    return SetFull(linearizable=True).check(History(events), UNBOUNDED).verdict is Verdict.INVALID


@st.composite
def added_once(draw: st.DrawFn) -> Sequence[Call]:
    """Adds of different elements, not in their order, and reads of any."""
    elements: list[Any] = list(draw(st.permutations([1, 2, 3, 4, "a"])))
    calls: list[Call] = []
    for f in draw(st.lists(st.sampled_from(["read", "read", "add"]), max_size=8)):
        if f == "add" and elements:
            element = elements.pop()
            calls.append(("add", element, element))
        else:
            seen = draw(st.lists(st.sampled_from([1, 2, 3, 4, "a"]), max_size=5, unique=draw(st.booleans())))
            calls.append(("read", None, seen))
    return calls


@examples(4_000)
@given(interleaved(added_once()))
def test_there_is_an_alarm_exactly_if_the_checker_objects(drawn: History) -> None:
    alarm, watch = watched(drawn.events)
    assert not watch.given_up
    assert (alarm is not None) == objects(drawn.events)
    if alarm is not None and drawn.events[alarm.index].type is not EventType.FAIL:
        assert not objects(drawn.events[: alarm.index])
        assert objects(drawn.events[: alarm.index + 1])


def act(state: frozenset[Any], f: str, value: Any) -> tuple[frozenset[Any], Any] | None:
    return (state, sorted(state)) if f == "read" else (state | {value}, value)


@examples(1_000)
@given(
    executions(
        act,
        frozenset[Any](),
        st.one_of(st.just(("read", None)), st.integers(0, 1_000).map(lambda n: ("add", n))),
        operations_max=25,
    )
)
def test_a_correct_set_raises_no_alarm(drawn: History) -> None:
    assert watched(drawn.events)[0] is None


def add(process: int, start: int, end: int | None, element: Any, outcome: str = "ok") -> Bar:
    return Bar(process, start, end, "add", element, element, outcome, key="k")


def read(process: int, start: int, end: int | None, *elements: Any) -> Bar:
    return Bar(process, start, end, "read", None, list(elements), key="k")


@pytest.mark.parametrize(
    ("bars", "said"),
    [
        ((add(0, 1, 2, 5), read(0, 3, 4)), "k: read by process 0 at 0.400 s lacks 5, which was known before it began"),
        (
            (add(0, 1, 6, 5), read(1, 2, 3, 5), read(1, 4, 5)),
            "k: read by process 1 at 0.500 s lacks 5, which was known",
        ),
        ((read(0, 1, 2, 7),), "k: read by process 0 at 0.200 s shows 7, which was not added by then, or failed to be"),
        ((add(0, 1, 2, 5), read(0, 3, 4, 5, 5)), "k: read by process 0 at 0.400 s shows 5 more than once"),
        ((add(0, 1, 4, 5, "fail"), read(1, 2, 3, 5)), "k: add by process 0 failed at 0.400 s, but had been seen"),
        ((add(0, 1, 2, 5, "fail"), read(1, 3, 4, 5)), "k: read by process 1 at 0.400 s shows 5, which was not added"),
    ],
)
def test_what_is_wrong_is_told_at_once(bars: tuple[Bar, ...], said: str) -> None:
    alarm, _ = watched(history(*bars).events)
    assert alarm is not None
    assert alarm.sentence.startswith(said)


def test_an_element_added_twice_is_left_to_the_end() -> None:
    alarm, watch = watched(history(add(0, 1, 2, 5), add(0, 3, 4, 5), read(0, 5, 6, 9)).events)
    assert alarm is None
    assert watch.given_up == {"k"}


def test_memory_is_bounded_by_what_is_open() -> None:
    watch = SetsWatch()
    clients, most = 10, 0
    for index in range(40_000):  # every client adds in turn; each tenth add is answered long after the others
        process, turn = index % clients, index // clients
        kind = EventType.OK if turn % 2 else EventType.INVOKE
        element = turn // 2 * clients + process
        assert watch.take(Event(index, index, process, kind, "add", element, "k")) is None
        most = max(most, watch.kept)
    assert most <= 3 * clients


@given(st.lists(st.integers(-20, 20), unique=True))
def test_ranges_are_a_set(numbers: list[int]) -> None:
    elements = Elements()
    for number in numbers:
        elements.add(number)
    assert list(elements) == sorted(numbers)
    assert all((number in elements) == (number in numbers) for number in range(-22, 23))
    runs = sum(number - 1 not in numbers for number in numbers)
    assert elements.kept == runs
