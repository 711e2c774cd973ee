"""Sets by their last read, on literal histories and on executions of a correct set."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.findings import MisfitError
from checkers.history import History
from checkers.set_at_end import SetAtEnd
from checkers.set_full import SetFull
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.executions import executions
from tests.checkers.literal import Bar, add, history, read

UNBOUNDED = Limits(time_s=None)


def check(*bars: Bar) -> CheckResult:
    return SetAtEnd().check(history(*bars), UNBOUNDED)


def kinds(found: CheckResult) -> list[str]:
    return [anomaly.kind for anomaly in found.anomalies]


def test_all_there_in_the_end_is_valid_whatever_was_missing_before() -> None:
    found = check(add(0, 1, 2, 1), read(0, 3, 4, []), add(1, 5, None, 2), read(0, 6, 7, [1, 2]))
    assert (found.verdict, found.anomalies, found.statistics["recovered"]) == (Verdict.VALID, (), 1)


def test_an_acknowledged_element_that_the_last_read_lacks_is_lost() -> None:
    found = check(add(0, 1, 2, 1), read(0, 3, 4, [1]), read(0, 5, 6, []))
    assert (kinds(found), found.verdict) == (["lost"], Verdict.INVALID)


@pytest.mark.parametrize("bars", [(), (add(0, 1, 2, 5, "fail"),), (add(1, 8, 9, 5),)])
def test_what_nobody_can_have_added_is_unexpected(bars: tuple[Bar, ...]) -> None:
    assert "unexpected" in kinds(check(*bars, read(0, 3, 4, [5])))


def test_an_element_twice_is_duplicated() -> None:
    assert kinds(check(add(0, 1, 2, 1), read(0, 3, 4, [1, 1]))) == ["duplicated"]


def test_without_a_read_after_the_last_add_nothing_is_known() -> None:
    assert check(add(0, 1, 2, 1)).verdict is Verdict.UNKNOWN
    assert check(add(0, 1, 3, 1), read(1, 2, 4, [])).verdict is Verdict.UNKNOWN
    assert check(read(0, 1, 2, [])).verdict is Verdict.UNKNOWN
    with pytest.raises(MisfitError, match="returned no set"):
        check(read(0, 1, 2, 3))


def act(state: tuple[int, ...], f: str, value: Any) -> tuple[tuple[int, ...], Any]:
    if f == "read":
        return state, list(state)
    return (state if value in state else (*state, value)), value


CALLS = st.one_of(st.just(("read", None)), st.integers(1, 9).map(lambda value: ("add", value)))


@given(executions(act, (), CALLS))
def test_a_correct_set_is_never_reported(history: History) -> None:
    assert SetAtEnd().check(history, UNBOUNDED).verdict is not Verdict.INVALID
    full = SetFull(linearizable=True).check(history, UNBOUNDED)
    assert full.verdict is not Verdict.INVALID
