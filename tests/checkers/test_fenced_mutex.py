"""Mutexes with fencing tokens, on literal histories and against brute force."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.fenced_mutex import FencedMutex
from checkers.findings import MisfitError
from checkers.history import History, Operation, Outcome
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.brute_force import linearizable
from tests.checkers.executions import executions
from tests.checkers.literal import Bar, history
from tests.checkers.strategies import Call, histories

UNBOUNDED = Limits(time_s=None)


def acquire(process: int, start: int, end: int | None, token: Any, outcome: str = "ok") -> Bar:
    return Bar(process, start, end, "acquire", None, token, outcome)


def release(process: int, start: int, end: int | None, token: Any, outcome: str = "ok") -> Bar:
    return Bar(process, start, end, "release", token, token, outcome)


def check(*bars: Bar, expires: bool = False) -> CheckResult:
    return FencedMutex(expires).check(history(*bars), UNBOUNDED)


def kinds(found: CheckResult) -> list[str]:
    return [anomaly.kind for anomaly in found.anomalies]


def test_one_after_the_other_is_valid() -> None:
    #   0  |- acquire 1 -|  |- release 1 -|
    #   1        |----------- acquire 2 -----------|
    found = check(acquire(0, 1, 2, 1), acquire(1, 3, 6, 2), release(0, 4, 5, 1))
    assert (found.verdict, found.anomalies) == (Verdict.VALID, ())
    assert (found.statistics["acquired"], found.statistics["released"]) == (2, 1)


def test_two_that_certainly_hold_it_at_once() -> None:
    found = check(acquire(0, 1, 2, 1), acquire(1, 3, 4, 2), release(0, 5, 6, 1))
    assert kinds(found) == ["two-holders"]
    assert "acquire 2 by process 1 at 0.400 s was over before the release 1 by process 0" in found.sentence
    assert check(acquire(0, 1, 2, 1), acquire(1, 3, 4, 2), release(0, 5, 6, 1), expires=True).verdict is Verdict.VALID


def test_a_lock_never_given_back_lets_nobody_in() -> None:
    assert kinds(check(acquire(0, 1, 2, 1), acquire(1, 3, 4, 2))) == ["two-holders"]
    assert check(acquire(0, 1, 2, 1), acquire(1, 3, 4, 2, "fail")).verdict is Verdict.VALID
    assert check(acquire(0, 1, 2, 1), release(0, 3, None, 1), acquire(1, 4, 5, 2)).verdict is Verdict.VALID
    assert kinds(check(acquire(0, 1, 2, 1), release(0, 3, 4, 1, "fail"), acquire(1, 5, 6, 2))) == ["two-holders"]


def test_tokens_that_go_back() -> None:
    bars = (acquire(0, 1, 2, 2), release(0, 3, 4, 2), acquire(1, 5, 6, 1), release(1, 7, 8, 1))
    assert "token-regressed" in kinds(check(*bars))
    assert kinds(check(*bars, expires=True)) == ["token-regressed"]


def test_a_token_given_out_twice() -> None:
    assert "duplicate-token" in kinds(check(acquire(0, 1, 2, 1), release(0, 3, 4, 1), acquire(1, 5, 6, 1)))


def test_a_token_given_back_twice() -> None:
    assert kinds(check(acquire(0, 1, 2, 1), release(0, 3, 4, 1), release(0, 5, 6, 1))) == ["released-twice"]
    assert check(acquire(0, 1, 2, 1), release(0, 3, None, 1), release(1, 5, 6, 1)).verdict is Verdict.VALID


def test_a_token_that_nobody_got() -> None:
    assert "never-acquired" in kinds(check(acquire(0, 1, 2, 1), release(0, 3, 4, 1), release(0, 5, 6, 7)))
    lost_answer = (acquire(0, 1, None, None), release(1, 2, 3, 1), acquire(1, 4, 5, 2))
    assert check(*lost_answer).verdict is Verdict.VALID
    assert kinds(check(release(0, 1, 2, 1), acquire(1, 3, 4, 1))) == ["never-acquired"]


def test_a_release_without_a_token_is_of_the_last_one_of_its_process() -> None:
    found = check(acquire(0, 1, 2, 1), release(0, 3, 4, None), acquire(0, 5, 6, 2), release(0, 7, 8, None))
    assert found.verdict is Verdict.VALID
    with pytest.raises(MisfitError, match="does not say of which token"):
        check(release(0, 1, 2, None))


def test_nothing_acquired_is_no_evidence() -> None:
    assert check(acquire(0, 1, 2, None, "fail")).verdict is Verdict.UNKNOWN
    with pytest.raises(MisfitError, match="where a whole number belongs"):
        check(acquire(0, 1, 2, "soon"))


def test_a_release_in_doubt_of_what_nobody_is_known_to_have_had_proves_nothing() -> None:
    #   0  |- acquire: 2 -|  |- release 1 …
    assert not kinds(check(acquire(0, 0, 1, 2), Bar(0, 2, None, "release", 1)))


# -- properties -------------------------------------------------------------------------------------------------------

State = tuple[int, bool]
"""The last token, and whether it is held."""


def act(state: State, f: str, value: Any) -> tuple[State, Any] | None:
    token, held = state
    if f == "acquire":
        return None if held else ((token + 1, True), token + 1)
    return ((token, False), value) if held and value == token else None


CALLS = st.one_of(st.just(("acquire", None)), st.integers(1, 4).map(lambda token: ("release", token)))


@given(executions(act, (0, False), CALLS, operations_max=12))
def test_a_correct_mutex_is_never_reported(history: History) -> None:
    assert FencedMutex().check(history, UNBOUNDED).verdict is not Verdict.INVALID
    assert FencedMutex(expires=True).check(history, UNBOUNDED).verdict is not Verdict.INVALID


def plain_mutex(state: State, operation: Operation) -> list[State]:
    token, held = state
    if operation.f == "release":
        return [(token, False)] if held and operation.argument == token else []
    got = [operation.result] if operation.outcome is Outcome.OK else range(1, 5)
    return [(one, True) for one in got if one > token and not held]


RANDOM: st.SearchStrategy[Call] = st.one_of(
    st.integers(1, 3).map(lambda token: ("acquire", None, token)),
    st.integers(1, 3).map(lambda token: ("release", token, token)),
)


@given(histories(RANDOM, operations_max=6))
def test_it_agrees_with_brute_force(history: History) -> None:
    operations = history.operations()
    explained = linearizable(operations, (0, False), plain_mutex)
    found = FencedMutex().check(history, UNBOUNDED)
    assert not (explained and found.verdict is Verdict.INVALID), found.sentence
    if not any(op.f == "acquire" and op.outcome is Outcome.INFO for op in operations):
        assert explained == (found.verdict is not Verdict.INVALID)
