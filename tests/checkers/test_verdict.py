"""Verdicts merge to the worst, and doubt is never a pass."""

from __future__ import annotations

import itertools

import pytest

from checkers.verdict import Limits, Verdict, merge_all, proved_by
from tests.checkers.literal import history, read, write

ORDER = [Verdict.VALID, Verdict.UNKNOWN, Verdict.INVALID]


@pytest.mark.parametrize(("left", "right"), list(itertools.product(ORDER, ORDER)))
def test_the_worse_verdict_wins(left: Verdict, right: Verdict) -> None:
    assert left.merge(right) is ORDER[max(ORDER.index(left), ORDER.index(right))]


def test_of_many_the_worst() -> None:
    assert merge_all(ORDER) is Verdict.INVALID
    assert merge_all([]) is Verdict.VALID


def test_an_anomaly_names_each_operation_once_in_order() -> None:
    first, second = history(write(0, 1, 2, 1, key="k"), read(0, 3, 4, 1, key="k")).operations()
    anomaly = proved_by("kind", "sentence", second, None, first, second)
    assert anomaly.operations == (first, second)
    assert anomaly.key == "k"


@pytest.mark.parametrize("bounds", [{"cache_entries": 0}, {"anomalies_max": 0}, {"steps": -1}])
def test_senseless_limits_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        Limits(**bounds)  # type: ignore[arg-type]
