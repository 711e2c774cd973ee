"""Session guarantees and growth between clients, on literal histories and against all pairs."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.findings import MisfitError
from checkers.history import History, Operation
from checkers.sessions import GUARANTEES, Monotonic, SessionGuarantees
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.executions import executions
from tests.checkers.literal import Bar, history, read, write
from tests.checkers.strategies import Call, histories

UNBOUNDED = Limits(time_s=None)


def increment(process: int, start: int, end: int | None, total: int | None, outcome: str = "ok") -> Bar:
    return Bar(process, start, end, "increment", 1, total, outcome)


def check(*bars: Bar, guarantees: tuple[str, ...] = GUARANTEES) -> CheckResult:
    return SessionGuarantees(guarantees).check(history(*bars), UNBOUNDED)


def check_growth(*bars: Bar) -> CheckResult:
    return Monotonic().check(history(*bars), UNBOUNDED)


def kinds(found: CheckResult) -> list[str]:
    return [anomaly.kind for anomaly in found.anomalies]


BROKEN = [
    ("monotonic-reads", (read(0, 1, 2, 5), read(0, 3, 4, 4))),
    ("read-your-writes", (increment(0, 1, 2, 5), read(0, 3, 4, 4))),
    ("read-your-writes", (write(0, 1, 2, 5), read(0, 3, 4, None))),
    ("monotonic-writes", (increment(0, 1, 2, 5), increment(0, 3, 4, 5))),
    ("monotonic-writes", (write(0, 1, 2, 5), write(0, 3, 4, 3))),
    ("writes-follow-reads", (read(0, 1, 2, 5), increment(0, 3, 4, 5))),
]


@pytest.mark.parametrize(("kind", "bars"), BROKEN)
def test_each_guarantee_is_told_by_its_name(kind: str, bars: tuple[Bar, ...]) -> None:
    found = check(*bars)
    assert (found.verdict, kinds(found)) == (Verdict.INVALID, [kind])
    assert len(found.anomalies[0].operations) == 2
    others = tuple(name for name in GUARANTEES if name != kind)
    assert check(*bars, guarantees=others).verdict is Verdict.VALID


@pytest.mark.parametrize(("kind", "bars"), BROKEN)
def test_what_is_wrong_in_one_session_is_right_in_two(kind: str, bars: tuple[Bar, ...]) -> None:
    first, second = bars
    other = Bar(1, second.start, second.end, second.f, second.argument, second.result)
    assert check(first, other).verdict is Verdict.VALID, kind


def test_unknown_outcomes_bind_nobody() -> None:
    bars = (increment(0, 1, None, None), read(1, 2, 3, 0), increment(1, 4, 5, 9, "fail"), read(1, 6, 7, 1))
    assert check(*bars).verdict is Verdict.VALID
    assert check_growth(*bars).verdict is Verdict.VALID
    assert check(increment(0, 1, 2, None), read(0, 3, 4, 0)).verdict is Verdict.VALID  # its version was not told
    assert check(increment(0, 1, None, None)).verdict is Verdict.UNKNOWN
    with pytest.raises(MisfitError, match="where a whole number belongs"):
        check(read(0, 1, 2, "x"))


def test_versions_that_go_back_between_clients() -> None:
    found = check_growth(increment(0, 1, 2, 5), read(1, 3, 4, 4))
    assert kinds(found) == ["regressed"]
    assert "went back from 5 to 4" in found.sentence
    assert check_growth(increment(0, 1, 3, 5), read(1, 2, 4, 4)).verdict is Verdict.VALID
    assert check_growth().verdict is Verdict.UNKNOWN


def test_a_version_brought_about_twice() -> None:
    assert kinds(check_growth(increment(0, 1, 3, 5), increment(1, 2, 4, 5))) == ["repeated"]


def act(state: int, f: str, value: Any) -> tuple[int, Any]:
    return (state, state) if f == "read" else (state + value, state + value)


CALLS = st.sampled_from([("read", None), ("increment", 1), ("increment", 2)])


@given(executions(act, 0, CALLS))
def test_a_correct_counter_is_never_reported(history: History) -> None:
    assert SessionGuarantees().check(history, UNBOUNDED).verdict is not Verdict.INVALID
    assert Monotonic().check(history, UNBOUNDED).verdict is not Verdict.INVALID


RANDOM: st.SearchStrategy[Call] = st.one_of(
    st.integers(0, 4).map(lambda value: ("read", None, value)),
    st.integers(1, 4).map(lambda value: ("increment", 1, value)),
)


def breaks(earlier: Operation, later: Operation) -> str | None:
    if earlier.process != later.process:
        return None
    wrote, writes = earlier.f == "increment", later.f == "increment"
    least = earlier.result + 1 if writes else earlier.result
    if later.result >= least:
        return None
    if writes:
        return "monotonic-writes" if wrote else "writes-follow-reads"
    return "read-your-writes" if wrote else "monotonic-reads"


@given(histories(RANDOM, operations_max=8, clients_max=2))
def test_it_finds_what_all_pairs_find(history: History) -> None:
    done = [op for op in history.operations() if op.ok]
    pairs = list(combinations(done, 2))  # by invocation, so in one process the first is the earlier
    expected = {kind for pair in pairs if (kind := breaks(*pair))}
    counts = SessionGuarantees().check(history, UNBOUNDED).statistics
    assert {kind for kind in GUARANTEES if counts[kind]} == expected
    back = any(one.precedes(other) and one.result > other.result for one, other in pairs)
    assert (Monotonic().check(history, UNBOUNDED).statistics["regressed"] > 0) == back
