"""Queues: the fate of each element, and their order, on literal histories and against brute force."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from checkers.findings import MisfitError
from checkers.history import History, Operation, Outcome
from checkers.linearizable import Linearizable
from checkers.models import Queue as QueueModel
from checkers.queue import Queue
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.brute_force import linearizable
from tests.checkers.executions import executions
from tests.checkers.literal import Bar, history
from tests.checkers.strategies import Call, histories
from tests.examples import examples

UNBOUNDED = Limits(time_s=None)


def put(process: int, start: int, end: int | None, value: Any, outcome: str = "ok") -> Bar:
    return Bar(process, start, end, "enqueue", value, value, outcome)


def take(process: int, start: int, end: int | None, value: Any, outcome: str = "ok") -> Bar:
    return Bar(process, start, end, "dequeue", None, value, outcome)


def drain(process: int, start: int, end: int | None, *values: Any, outcome: str = "ok") -> Bar:
    return Bar(process, start, end, "drain", None, list(values), outcome)


def check(*bars: Bar, fifo: bool = True) -> CheckResult:
    return Queue(fifo).check(history(*bars), UNBOUNDED)


def kinds(found: CheckResult) -> list[str]:
    return [anomaly.kind for anomaly in found.anomalies]


def test_what_goes_in_and_comes_out_in_order_is_valid() -> None:
    found = check(put(0, 1, 2, 1), put(0, 3, 4, 2), put(0, 5, 6, 3), take(1, 7, 8, 1), drain(1, 9, 10, 2, 3))
    assert (found.verdict, found.anomalies) == (Verdict.VALID, ())
    assert (found.statistics["acknowledged"], found.statistics["dequeued"]) == (3, 3)


def test_an_acknowledged_element_that_never_came_out_is_lost() -> None:
    found = check(put(0, 1, 2, 1), put(0, 3, 4, 2), drain(1, 5, 6, 2))
    assert kinds(found) == ["lost"]
    assert found.sentence.startswith("enqueue 1 by process 0 at 0.200 s was acknowledged, and its element never came")
    assert kinds(check(put(0, 1, 2, 1), take(1, 3, 4, None), fifo=False)) == ["lost"]


def test_before_it_was_emptied_nothing_is_lost_for_certain() -> None:
    assert check(put(0, 1, 2, 1)).verdict is Verdict.UNKNOWN
    assert check(drain(1, 1, 2), put(0, 3, 4, 1)).verdict is Verdict.UNKNOWN
    assert check(put(0, 1, 2, 1, "info"), drain(1, 3, 4)).verdict is Verdict.UNKNOWN  # none was acknowledged


def test_a_dequeue_of_unknown_outcome_may_have_taken_what_is_missing() -> None:
    bars = (put(0, 1, 2, 1), put(0, 3, 4, 2), take(1, 5, None, None), drain(0, 6, 7))
    found = check(*bars)
    assert (kinds(found), found.statistics["forgiven"]) == (["lost"], 1)
    assert check(*bars[:1], *bars[2:]).verdict is Verdict.VALID
    assert check(put(0, 1, 2, 1), drain(1, 3, None), drain(0, 4, 5)).verdict is Verdict.UNKNOWN


def test_an_element_that_comes_out_twice_is_duplicated() -> None:
    found = check(put(0, 1, 2, 1), take(1, 3, 4, 1), take(1, 5, 6, 1))
    assert kinds(found) == ["duplicated"]
    assert check(put(0, 1, 2, 1), put(0, 3, 4, 1), take(1, 5, 6, 1), take(1, 7, 8, 1)).verdict is Verdict.VALID


@pytest.mark.parametrize(
    "bars",
    [
        (take(1, 3, 4, 9),),
        (put(0, 1, 2, 9, "fail"), take(1, 3, 4, 9)),
        (take(1, 1, 2, 9), put(0, 3, 4, 9)),
    ],
)
def test_what_nobody_can_have_put_in_is_unexpected(bars: tuple[Bar, ...]) -> None:
    assert kinds(check(*bars)) == ["unexpected"]


def test_an_unknown_enqueue_that_came_out_is_recovered() -> None:
    found = check(put(0, 1, None, 1), put(1, 2, 3, 2), drain(1, 4, 5, 1, 2))
    assert (found.verdict, found.statistics["recovered"]) == (Verdict.VALID, 1)


def test_a_later_element_that_comes_out_first_has_overtaken() -> None:
    bars = (put(0, 1, 2, 1), put(0, 3, 4, 2), take(1, 5, 6, 2), take(1, 7, 8, 1))
    assert kinds(check(*bars)) == ["overtaken"]
    assert check(*bars, fifo=False).verdict is Verdict.VALID
    assert kinds(check(put(0, 1, 2, 1), put(0, 3, 4, 2), take(1, 5, 6, 2))) == ["overtaken"]
    assert kinds(check(put(0, 1, 2, 1), put(0, 3, 4, 2), drain(1, 5, 6, 2, 1))) == ["overtaken"]


def test_elements_put_in_side_by_side_have_no_order() -> None:
    assert check(put(0, 1, 3, 1), put(1, 2, 4, 2), take(1, 5, 6, 2), take(1, 7, 8, 1)).verdict is Verdict.VALID


def test_a_dequeue_that_finds_nothing_in_a_queue_that_is_never_empty() -> None:
    #   0  |- put 1 -|  |- put 2 -|
    #   1                   |---- nothing ----|
    #   2                      |- take 1 -|       |- take 2 -|
    bars = (put(0, 1, 2, 1), put(0, 3, 4, 2), take(1, 5, 8, None), take(2, 6, 7, 1), take(2, 9, 10, 2))
    assert kinds(check(*bars)) == ["false-empty"]
    beside = (put(0, 1, 2, 1), take(1, 3, 6, None), take(2, 4, 5, 1), put(0, 7, 8, 2), take(2, 9, 10, 2))
    assert check(*beside).verdict is Verdict.VALID


def test_a_drain_that_leaves_something_behind() -> None:
    assert kinds(check(put(0, 1, 2, 1), put(0, 3, 4, 2), drain(1, 5, 6, 1), take(1, 7, 8, 2))) == ["false-empty"]


def test_a_drain_returns_a_list() -> None:
    with pytest.raises(MisfitError, match="returned no list"):
        check(Bar(0, 1, 2, "drain", None, 3))


# -- properties -------------------------------------------------------------------------------------------------------


def act(state: tuple[Any, ...], f: str, value: Any) -> tuple[Any, Any] | None:
    if f == "enqueue":
        return (*state, value), value
    if f == "drain":
        return (), list(state)
    return (state[1:], state[0]) if state else (state, None)


@st.composite
def queue_executions(draw: st.DrawFn) -> History:
    """Each element is put in once: calls are numbered."""
    count = iter(range(1, 100))
    calls = st.sampled_from(["enqueue", "enqueue", "dequeue", "drain"]).map(
        lambda f: (f, next(count) if f == "enqueue" else None)
    )
    found: History = draw(executions(act, (), calls))
    values = [op.argument for op in found.operations() if op.f == "enqueue"]
    assume(len(set(values)) == len(values))
    return found


@given(queue_executions())
def test_a_correct_queue_is_never_reported(history: History) -> None:
    assert Queue().check(history, UNBOUNDED).verdict is not Verdict.INVALID


def plain_queue(state: tuple[Any, ...], operation: Operation) -> list[tuple[Any, ...]]:
    if operation.f == "enqueue":
        return [(*state, operation.argument)]
    if operation.outcome is Outcome.INFO:
        return [state[1:]]
    if operation.result is None:
        return [] if state else [state]
    return [state[1:]] if state and state[0] == operation.result else []


CALLS: st.SearchStrategy[Call] = st.one_of(
    st.integers(1, 3).map(lambda value: ("enqueue", value, value)),
    st.sampled_from([None, 1, 2, 3]).map(lambda value: ("dequeue", None, value)),
)


@given(histories(CALLS, operations_max=7, clients_max=3))
def test_it_agrees_with_brute_force(history: History) -> None:
    operations = [op for op in history.operations() if op.outcome is not Outcome.FAIL]
    values = [op.argument for op in operations if op.f == "enqueue"]
    assume(len(set(values)) == len(values))
    explained = linearizable(operations, (), plain_queue)
    found = Queue().check(history, UNBOUNDED)
    assert not (explained and found.verdict is Verdict.INVALID), found.sentence
    if not any(op.outcome is Outcome.INFO and op.f == "dequeue" for op in operations):
        assert explained == (found.verdict is not Verdict.INVALID)  # then the patterns are all there are


@given(st.integers(1, 8), st.data())
def test_an_element_that_vanishes_from_a_drain_is_found(count: int, data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(range(count)))
    bars = [put(value % 3, 2 * value, 2 * value + 1, value) for value in range(count)]
    found = check(*bars, drain(0, 50, 51, *(value for value in range(count) if value != gone)))
    assert kinds(found) == ["lost"]
    assert found.anomalies[0].operations[0].argument == gone


@given(st.integers(2, 8), st.data())
def test_two_elements_that_change_places_are_found(count: int, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(count)).filter(lambda order: order != sorted(order)))
    bars = [put(value % 3, 2 * value, 2 * value + 1, value) for value in range(count)]
    assert set(kinds(check(*bars, drain(0, 50, 51, *order)))) == {"overtaken"}


# -- linearizable queues ----------------------------------------------------------------------------------------------


@examples(3_000)
@given(histories(CALLS, operations_max=7, clients_max=3))
def test_a_linearizable_queue_is_what_brute_force_says_by_patterns_or_by_search(history: History) -> None:
    operations = [op for op in history.operations() if op.outcome is not Outcome.FAIL]
    found = Linearizable(QueueModel()).check(history, UNBOUNDED)
    assert found.verdict is (Verdict.VALID if linearizable(operations, (), plain_queue) else Verdict.INVALID)
    values = [op.argument for op in operations if op.f == "enqueue"]
    known = not any(op.outcome is Outcome.INFO and op.f == "dequeue" for op in operations)
    if known and operations and len(set(values)) == len(values):
        assert (found.statistics["keys_by_patterns"], found.statistics["search_steps"]) == (1, 0)


def test_a_long_queue_of_many_clients_needs_no_search() -> None:
    count, clients = 5_000, 50
    bars = [Bar(n % clients, 2 * n, 2 * (n + clients) - 1, "enqueue", n) for n in range(count)]
    bars += [Bar(n % clients, 20_000 + 2 * n, 20_000 + 2 * (n + clients) - 1, "dequeue", None, n) for n in range(count)]
    found = Linearizable(QueueModel()).check(history(*bars), Limits(time_s=None, steps=1))
    assert (found.verdict, found.statistics["keys_by_patterns"]) == (Verdict.VALID, 1)
