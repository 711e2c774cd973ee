"""Unique ids: each handed out once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from checkers.unique_ids import UniqueIds
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.literal import Bar, history
from tests.checkers.strategies import histories

UNBOUNDED = Limits(time_s=None)


def generate(process: int, start: int, end: int | None, found: Any, outcome: str = "ok", **more: Any) -> Bar:
    return Bar(process, start, end, "generate", None, found, outcome, **more)


def check(*bars: Bar) -> CheckResult:
    return UniqueIds().check(history(*bars), UNBOUNDED)


def test_different_ids_are_valid() -> None:
    assert check(generate(0, 1, 2, 1), generate(0, 3, 4, 2), generate(1, 5, 6, None, "info")).verdict is Verdict.VALID


def test_an_id_handed_out_twice_is_duplicated() -> None:
    found = check(generate(0, 1, 3, 7), generate(1, 2, 4, 7))
    assert found.verdict is Verdict.INVALID
    assert [anomaly.kind for anomaly in found.anomalies] == ["duplicated"]
    assert found.sentence.startswith("id 7 was handed out twice: generate 7 by process 0 at 0.300 s, and generate 7")


def test_each_key_hands_out_its_own_and_none_is_no_evidence() -> None:
    assert check(generate(0, 1, 2, 1, key="a"), generate(0, 3, 4, 1, key="b")).verdict is Verdict.VALID
    assert check(generate(0, 1, 2, None)).verdict is Verdict.UNKNOWN
    assert check().verdict is Verdict.UNKNOWN


@given(histories(st.integers(1, 4).map(lambda number: ("generate", None, number)), operations_max=10))
def test_it_counts_what_counting_counts(history: Any) -> None:
    ids = Counter(op.result for op in history.operations() if op.ok)
    found = UniqueIds().check(history, UNBOUNDED)
    assert found.statistics["duplicated"] == sum(times - 1 for times in ids.values())
    assert (found.verdict is Verdict.INVALID) == any(times > 1 for times in ids.values())
