"""Counters: bounds, regressions and repeated sums, on literal histories and against brute force."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.counter import Counter
from checkers.findings import MisfitError
from checkers.history import Operation, Outcome
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.brute_force import linearizable
from tests.checkers.executions import executions
from tests.checkers.literal import Bar, add, history, read
from tests.checkers.strategies import histories

UNBOUNDED = Limits(time_s=None)


def check(*bars: Bar, **options: Any) -> CheckResult:
    return Counter(**options).check(history(*bars), UNBOUNDED)


def kinds(found: CheckResult) -> list[str]:
    return [anomaly.kind for anomaly in found.anomalies]


def increment(process: int, start: int, end: int | None, by: int, total: int | None = None, outcome: str = "ok") -> Bar:
    return Bar(process, start, end, "increment", by, total, outcome)


def test_reads_within_their_bounds_are_valid() -> None:
    #   0  |- add 2 -|      |-- add 5 --|
    #   1            |- 2 -|   |- 7 -|      |- 7 -|
    found = check(add(0, 1, 2, 2), read(1, 3, 4, 2), add(0, 5, 8, 5), read(1, 6, 7, 7), read(1, 9, 10, 7))
    assert (found.verdict, found.anomalies) == (Verdict.VALID, ())
    assert found.statistics["reads"] == 3


def test_an_acknowledged_addition_that_a_later_read_does_not_show_is_missing() -> None:
    found = check(add(0, 1, 2, 2), add(0, 3, 4, 3), read(1, 5, 6, 2))
    assert kinds(found) == ["missing"]
    assert found.sentence == "read of 2 by process 1 at 0.600 s saw 2, but 5 had been added before it began."


def test_more_than_was_ever_asked_for_is_surplus() -> None:
    assert kinds(check(add(0, 1, 2, 2), read(1, 3, 4, 4))) == ["surplus"]
    assert kinds(check(add(0, 1, 2, 2, "fail"), read(1, 3, 4, 2))) == ["surplus"]
    assert kinds(check(read(1, 1, 2, 2), add(0, 3, 4, 2))) == ["surplus"]


def test_an_unknown_addition_may_be_there_or_not() -> None:
    assert check(add(0, 1, None, 2), read(1, 3, 4, 0), read(1, 5, 6, 2)).verdict is Verdict.VALID


def test_a_counter_that_goes_back_within_its_bounds_has_regressed() -> None:
    #   0  |- add 2 ?
    #   1      |- 2 -|  |- 0 -|
    found = check(add(0, 1, None, 2), read(1, 2, 3, 2), read(1, 4, 5, 0))
    assert kinds(found) == ["regressed"]
    assert len(found.anomalies[0].operations) == 2


def test_where_something_is_taken_away_counters_may_go_back() -> None:
    assert check(add(0, 1, 2, 2), add(0, 3, None, -2), read(1, 4, 5, 2), read(1, 6, 7, 0)).verdict is Verdict.VALID
    assert kinds(check(add(0, 1, 2, -2), read(1, 4, 5, 0))) == ["surplus"]
    assert kinds(check(add(0, 1, 2, -2), read(1, 4, 5, -3))) == ["missing"]


def test_sums_are_judged_like_reads() -> None:
    sums = [increment(0, 1, 2, 1, 1), increment(1, 3, 4, 1, 2)]
    assert check(*sums, sums=True).verdict is Verdict.VALID
    assert kinds(check(increment(0, 1, 2, 1, 2), sums=True)) == ["surplus"]
    assert kinds(check(increment(0, 1, 2, 1, 0), sums=True)) == ["missing"]
    untold = check(increment(0, 1, 2, 1, None), read(0, 3, 4, 0), sums=True)  # still acknowledged
    assert kinds(untold) == ["missing"]


def test_two_additions_with_one_sum_are_repeated() -> None:
    #   0  |--- +1 = 1 ---|
    #   1    |--- +1 = 1 ---|
    assert kinds(check(increment(0, 1, 3, 1, 1), increment(1, 2, 4, 1, 1), sums=True)) == ["repeated"]


def test_nil_is_the_initial_value_and_no_read_is_no_evidence() -> None:
    assert check(read(0, 1, 2, None), initial=7).verdict is Verdict.VALID
    assert check(add(0, 1, 2, 1)).verdict is Verdict.UNKNOWN
    with pytest.raises(MisfitError, match="'x' where a whole number belongs"):
        check(read(0, 1, 2, "x"))


def test_keys_are_counters_of_their_own() -> None:
    found = check(add(0, 1, 2, 1, key="a"), read(0, 3, 4, 1, key="a"), read(0, 5, 6, 1, key="b"))
    assert [anomaly.key for anomaly in found.anomalies] == ["b"]


def test_anomalies_are_capped_and_counted() -> None:
    bars = [read(0, 2 * n, 2 * n + 1, 9) for n in range(30)]
    found = Counter().check(history(*bars), Limits(time_s=None, anomalies_max=4))
    assert (len(found.anomalies), found.anomalies_total, found.statistics["surplus"]) == (4, 30, 30)


def act(state: int, f: str, value: Any) -> tuple[int, Any]:
    return (state, state) if f == "read" else (state + value, state + value)


CALLS = st.one_of(st.just(("read", None)), st.integers(-3, 3).map(lambda by: ("increment", by)))


@given(executions(act, 0, CALLS))
def test_a_correct_counter_is_never_reported(history: Any) -> None:
    assert Counter().check(history, UNBOUNDED).verdict is not Verdict.INVALID
    assert Counter(sums=True).check(history, UNBOUNDED).verdict is not Verdict.INVALID


def plain_counter(state: int, operation: Operation) -> list[int]:
    if operation.f == "read":
        return [state] if not operation.ok or operation.result == state else []
    return [state + operation.argument]


READS = st.integers(0, 3).map(lambda value: ("read", None, value))
ONES = st.just(("add", 1, 1))


@given(histories(st.one_of(READS, ONES, ONES)))
def test_what_is_reported_is_not_linearizable(history: Any) -> None:
    operations = history.operations()
    explained = linearizable(operations, 0, plain_counter)
    found = Counter().check(history, UNBOUNDED)
    assert not (explained and found.verdict is Verdict.INVALID)
    reads = [op for op in operations if op.f == "read" and op.outcome is Outcome.OK]
    if len(reads) == 1 and not explained:
        assert found.verdict is Verdict.INVALID  # of a single read of ones, the bounds are exact
