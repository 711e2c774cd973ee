"""Final reads of transactions: each step counts as a read or a change of its key."""

from __future__ import annotations

from typing import Any

import pytest

from checkers.final_reads import FinalReads
from checkers.verdict import Limits, Verdict
from tests.checkers.literal import Bar, history


def txn(process: int, start: int, end: int | None, steps: list[list[Any]], outcome: str = "ok") -> Bar:
    asked = [[f, key, None if f == "r" else value] for f, key, value in steps]
    return Bar(process, start, end, "txn", asked, steps, outcome, key="t0")


@pytest.mark.parametrize(
    ("change", "reads", "verdict"),
    [
        ("append", [["r", "x", [1]], ["r", "y", [2]]], Verdict.VALID),
        ("append", [["r", "x", [1]], ["r", "y", []]], Verdict.INVALID),
        ("append", [["r", "x", [1, 1]], ["r", "y", [2]]], Verdict.INVALID),
        ("append", [["r", "x", [1]]], Verdict.UNKNOWN),
        ("w", [["r", "x", 1], ["r", "y", 2]], Verdict.VALID),
        ("w", [["r", "x", 1], ["r", "y", None]], Verdict.INVALID),
        ("w", [["r", "y", 2]], Verdict.UNKNOWN),
    ],
)
def test_each_key_of_a_transaction_must_be_read(change: str, reads: list[list[Any]], verdict: Verdict) -> None:
    bars = [txn(0, 1, 2, [[change, "x", 1], [change, "y", 2]]), txn(1, 3, 4, reads)]
    found = FinalReads().check(history(*bars), Limits())
    assert found.verdict is verdict
    assert found.statistics["keys"] == 2


def test_what_ended_info_may_be_there_or_not() -> None:
    for seen in ([1], []):
        bars = [txn(0, 1, 2, [["append", "y", 9]]), txn(2, 3, None, [["append", "x", 1]])]
        final = txn(1, 5, 6, [["r", "x", seen], ["r", "y", [9]]])
        assert FinalReads().check(history(*bars, final), Limits()).verdict is Verdict.VALID
