"""Long forks, on literal histories and against all pairs."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.findings import MisfitError
from checkers.history import History, Operation
from checkers.long_fork import LongFork
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.executions import executions
from tests.checkers.literal import Bar, history
from tests.checkers.strategies import Call, histories

UNBOUNDED = Limits(time_s=None)


def write(process: int, start: int, end: int | None, key: str, outcome: str = "ok", value: int = 1) -> Bar:
    steps = [["w", key, value]]
    return Bar(process, start, end, "txn", steps, steps, outcome)


def look(process: int, start: int, end: int | None, **seen: Any) -> Bar:
    asked = [["r", key, None] for key in seen]
    return Bar(process, start, end, "txn", asked, [["r", key, value] for key, value in seen.items()])


def check(*bars: Bar, linearizable: bool = False) -> CheckResult:
    return LongFork(linearizable).check(history(*bars), UNBOUNDED)


def kinds(found: CheckResult) -> list[str]:
    return [anomaly.kind for anomaly in found.anomalies]


def test_reads_that_agree_on_an_order_are_valid() -> None:
    found = check(write(0, 1, 8, "x"), write(1, 2, 9, "y"), look(2, 3, 4, x=1, y=None), look(2, 5, 6, x=1, y=1))
    assert (found.verdict, found.anomalies) == (Verdict.VALID, ())
    assert (found.statistics["writes"], found.statistics["reads"], found.statistics["groups"]) == (2, 2, 1)


def test_reads_that_each_miss_what_the_other_saw_are_a_long_fork() -> None:
    found = check(write(0, 1, 8, "x"), write(1, 2, 9, "y"), look(2, 3, 4, x=1, y=None), look(3, 5, 6, x=None, y=1))
    assert kinds(found) == ["long-fork"]
    assert len(found.anomalies[0].operations) == 2
    assert "saw 'x' but not 'y'" in found.sentence


def test_reads_of_different_groups_are_not_compared() -> None:
    bars = (write(0, 1, 8, "x"), write(1, 2, 9, "y"), look(2, 3, 4, x=1, y=None), look(3, 5, 6, x=None, y=1, z=None))
    assert check(*bars).verdict is Verdict.VALID


def test_a_read_that_misses_what_was_there_before_is_stale() -> None:
    bars = (write(0, 1, 2, "x"), look(1, 3, 4, x=None, y=None))
    assert check(*bars).verdict is Verdict.VALID
    assert kinds(check(*bars, linearizable=True)) == ["stale"]
    seen_before = (write(0, 1, None, "x"), look(1, 3, 4, x=1, y=None), look(1, 5, 6, x=None, y=None))
    assert kinds(check(*seen_before, linearizable=True)) == ["stale"]


@pytest.mark.parametrize(
    "bars",
    [
        (look(1, 3, 4, x=7, y=None),),
        (write(0, 1, 2, "x", "fail"), look(1, 3, 4, x=1, y=None)),
        (look(1, 3, 4, x=1, y=None), write(0, 5, 6, "x")),
    ],
)
def test_a_value_that_nobody_can_have_written_is_unexpected(bars: tuple[Bar, ...]) -> None:
    assert kinds(check(*bars)) == ["unexpected"]


def test_keys_written_twice_and_reads_that_never_were_are_no_evidence() -> None:
    bars = (write(0, 1, 2, "x"), write(0, 3, 4, "x", value=2), look(1, 5, 6, x=2, y=None))
    assert check(*bars).verdict is Verdict.UNKNOWN
    assert check(write(0, 1, 2, "x")).verdict is Verdict.UNKNOWN
    with pytest.raises(MisfitError, match="is no transaction"):
        check(Bar(0, 1, 2, "read", None, 3))


def act(state: frozenset[str], f: str, steps: Any) -> tuple[frozenset[str], Any]:
    del f
    after = state | {key for kind, key, _ in steps if kind == "w"}
    return after, [[kind, key, 1 if kind == "w" or key in state else None] for kind, key, _ in steps]


READ = st.just(("txn", [["r", key, None] for key in "xyz"]))


@st.composite
def fork_executions(draw: st.DrawFn) -> History:
    """Each key is written once."""
    keys = iter("xyz")

    def write_next(_: None) -> tuple[str, Any]:
        key = next(keys, None)
        return ("txn", [["w", key, 1]] if key else [["r", key, None] for key in "xyz"])

    found: History = draw(executions(act, frozenset(), st.one_of(READ, st.none().map(write_next))))
    return found


@given(fork_executions())
def test_a_correct_store_is_never_reported(history: History) -> None:
    assert LongFork(linearizable=True).check(history, UNBOUNDED).verdict is not Verdict.INVALID


RANDOM: st.SearchStrategy[Call] = st.lists(st.sampled_from([None, 1]), min_size=3, max_size=3).map(
    lambda seen: (
        "txn",
        [["r", key, None] for key in "xyz"],
        [["r", key, value] for key, value in zip("xyz", seen, strict=True)],
    )
)


def forked(one: Operation, other: Operation) -> bool:
    a = {key for _, key, value in one.result if value}
    b = {key for _, key, value in other.result if value}
    return not (a <= b or b <= a)


@given(histories(RANDOM, operations_max=8))
def test_a_fork_is_found_iff_two_reads_fork(history: History) -> None:
    reads = [op for op in history.operations() if op.ok]
    found = LongFork().check(history, UNBOUNDED)
    assert (found.statistics["long-fork"] > 0) == any(forked(*pair) for pair in combinations(reads, 2))
