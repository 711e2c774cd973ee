"""Set-full: the fate of each element, on literal histories."""

from __future__ import annotations

import pytest

from checkers.set_full import SetFull
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.literal import Bar, add, history, read

UNBOUNDED = Limits(time_s=None)


def check(*bars: Bar, linearizable: bool = False) -> CheckResult:
    return SetFull(linearizable=linearizable).check(history(*bars), UNBOUNDED)


def test_elements_that_stay_are_stable() -> None:
    #   0  |- add 1 -|  |- add 2 -|  |- read [1 2] -|
    found = check(add(0, 1, 2, 1), add(0, 3, 4, 2), read(0, 5, 6, [1, 2]))
    assert found.verdict is Verdict.VALID
    assert (found.statistics["stable"], found.statistics["acknowledged"]) == (2, 2)


def test_an_acknowledged_element_missing_to_the_end_is_lost() -> None:
    #   0  |- add 1 -|  |- add 2 -|  |- read [1] -|
    found = check(add(0, 1, 2, 1), add(0, 3, 4, 2), read(0, 5, 6, [1]))
    assert found.verdict is Verdict.INVALID
    assert [anomaly.kind for anomaly in found.anomalies] == ["lost"]
    assert found.sentence.startswith("element 2 is lost: add of 2 by process 0 at 0.400 s")


def test_an_element_that_was_read_and_then_vanished_is_lost_though_nobody_acknowledged_it() -> None:
    #   0  |- add 1 ?
    #   1     |- read [1] -|  |- read [] -|
    found = check(add(0, 1, None, 1), read(1, 2, 3, [1]), read(1, 4, 5, []))
    assert [anomaly.kind for anomaly in found.anomalies] == ["lost"]
    assert len(found.anomalies[0].operations) == 2


@pytest.mark.parametrize(("linearizable", "expected"), [(False, Verdict.VALID), (True, Verdict.INVALID)])
def test_an_element_that_comes_back_is_stale(linearizable: bool, expected: Verdict) -> None:
    #   0  |- add 1 -|
    #   1               |- read [] -|  |- read [1] -|
    found = check(add(0, 1, 2, 1), read(1, 3, 4, []), read(1, 5, 6, [1]), linearizable=linearizable)
    assert found.verdict is expected
    assert [anomaly.kind for anomaly in found.anomalies] == ["stale"]
    assert found.statistics["stale"] == 1


def test_a_read_beside_the_last_one_that_misses_is_no_loss() -> None:
    #   0  |- add 1 -|
    #   1               |------ read [1] ------|
    #   2                  |- read [] -|
    found = check(add(0, 1, 2, 1), read(1, 3, 8, [1]), read(2, 4, 5, []))
    assert found.verdict is Verdict.VALID
    assert [anomaly.kind for anomaly in found.anomalies] == ["stale"]


def test_a_read_that_began_before_the_acknowledgement_owes_nothing() -> None:
    #   0  |- add 1 ------|
    #   1       |- read [] ----|  |- read [1] -|
    found = check(add(0, 1, 3, 1), read(1, 2, 4, []), read(1, 5, 6, [1]))
    assert (found.verdict, found.anomalies_total) == (Verdict.VALID, 0)


def test_an_unknown_add_that_is_there_is_recovered() -> None:
    #   0  |- add 1 ?
    #   1     |- add 2 -|  |- read [1 2] -|  |- read [1 2] -|
    found = check(add(0, 1, None, 1), add(1, 2, 3, 2), read(1, 4, 5, [1, 2]), read(1, 6, 7, [2, 1]))
    assert found.verdict is Verdict.VALID
    assert found.statistics["recovered"] == 1


@pytest.mark.parametrize(
    "bars",
    [
        (read(0, 1, 2, [9]),),  # never added
        (add(0, 1, 2, 9, "fail"), read(0, 3, 4, [9])),
        (read(0, 1, 2, [9]), add(0, 3, 4, 9), read(0, 5, 6, [9])),  # added only later
    ],
)
def test_an_element_without_an_add_is_unexpected(bars: tuple[Bar, ...]) -> None:
    found = check(*bars)
    assert found.verdict is Verdict.INVALID
    assert found.anomalies[0].kind == "unexpected"


def test_an_element_twice_in_a_read_is_duplicated() -> None:
    found = check(add(0, 1, 2, 1), read(0, 3, 4, [1, 1]))
    assert found.verdict is Verdict.INVALID
    assert found.anomalies[0].kind == "duplicated"
    assert "2 times" in found.sentence


@pytest.mark.parametrize(
    "bars",
    [
        (),
        (add(0, 1, 2, 1),),
        (read(0, 1, 2, []), add(0, 3, 4, 1)),
        (add(0, 1, 5, 1), read(1, 2, 6, [1])),  # the read began before the acknowledgement
        (add(0, 1, 2, 1), read(0, 3, 4, None, "info")),
    ],
)
def test_without_a_final_read_nothing_is_known(bars: tuple[Bar, ...]) -> None:
    assert check(*bars).verdict is Verdict.UNKNOWN


def test_each_key_is_a_set_of_its_own() -> None:
    bars = (add(0, 1, 2, 1, key="a"), add(0, 3, 4, 1, key="b"), read(0, 5, 6, [1], key="a"), read(0, 7, 8, [], key="b"))
    found = check(*bars)
    assert [anomaly.key for anomaly in found.anomalies] == ["b"]


def test_a_loss_is_told_before_what_is_merely_stale() -> None:
    bars = (
        add(0, 1, 2, 1), add(0, 3, 4, 2), read(0, 5, 6, []), read(0, 7, 8, [1]),
    )  # fmt: skip
    assert [anomaly.kind for anomaly in check(*bars).anomalies] == ["lost", "stale"]


def test_anomalies_are_capped_and_counted() -> None:
    bars = [add(0, 2 * n, 2 * n + 1, n) for n in range(30)]
    found = SetFull().check(history(*bars, read(0, 90, 91, [])), Limits(time_s=None, anomalies_max=4))
    assert (len(found.anomalies), found.anomalies_total, found.statistics["lost"]) == (4, 30, 30)


def test_it_tells_how_long_elements_took_to_be_stable_or_lost() -> None:
    #   0  |- add 1 -|  |- add 2 -|                        (known at 0.2 s and at 0.4 s)
    #   1                            |- read [2] -|  |- read [1] -|  |- read [1] -|
    bars = (add(0, 1, 2, 1), add(0, 3, 4, 2), read(1, 6, 7, [2]), read(1, 8, 9, [1]), read(1, 10, 11, [1]))
    counts = check(*bars).statistics
    assert (counts["stale"], counts["lost"]) == (1, 1)
    assert {counts[f"stable_after_ms_{which}"] for which in ("p50", "p95", "p99", "max")} == {400}
    assert {counts[f"lost_after_ms_{which}"] for which in ("p50", "p95", "p99", "max")} == {300}


def test_where_nothing_was_missing_there_is_nothing_to_measure() -> None:
    assert not [name for name in check(add(0, 1, 2, 1), read(0, 3, 4, [1])).statistics if "_after_ms_" in name]


def test_an_element_that_no_read_follows_is_never_read() -> None:
    found = check(add(0, 1, 2, 1), read(0, 3, 4, [1]), add(0, 5, 6, 2))
    assert (found.verdict, found.statistics["never-read"]) == (Verdict.UNKNOWN, 1)
