"""Random executions of stores of every kind: what is reported is true by brute force, and clean ones stay clean."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkers.history import History
from checkers.transactions.checker import ListAppendTransactions, RegisterTransactions
from checkers.transactions.consistency import ruled_out
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.transactions.serial import ORDERS, explained
from tests.checkers.transactions.stores import (
    STORES,
    ReadCommitted,
    ReadUncommitted,
    SnapshotIsolation,
    Stale,
    Store,
    history,
)
from tests.examples import WANTED

EVERYTHING = Limits(time_s=None, anomalies_max=1_000)
patiently = settings(suppress_health_check=[HealthCheck.too_slow], max_examples=max(150, WANTED))
both = pytest.mark.parametrize("lists", [True, False], ids=["lists", "registers"])
seeds = st.integers(0, 2**32)


def judged(found: History, lists: bool) -> CheckResult:
    checker = ListAppendTransactions() if lists else RegisterTransactions()
    return checker.check(found, EVERYTHING)


@both
@pytest.mark.parametrize("store", STORES)
@patiently
@given(seed=seeds, count=st.integers(2, 6))
def test_whatever_rules_a_model_out_is_true_by_brute_force(
    store: type[Store], lists: bool, seed: int, count: int
) -> None:
    found = history(store, random.Random(seed), lists=lists, count=count)
    result = judged(found, lists)
    impossible = ruled_out([anomaly.kind for anomaly in result.anomalies])
    for model, before in ORDERS.items():
        if model in impossible:
            assert not explained(found, before), (model, result.sentence)


@both
@patiently
@given(seed=seeds, count=st.integers(1, 40))
def test_a_serial_store_shows_no_anomaly(lists: bool, seed: int, count: int) -> None:
    result = judged(history(Store, random.Random(seed), lists=lists, count=count, clients=5, steps_max=5), lists)
    assert result.anomalies == ()
    assert result.verdict is not Verdict.INVALID


@both
@patiently
@given(seed=seeds, count=st.integers(1, 30))
def test_snapshot_isolation_shows_nothing_that_it_forbids(lists: bool, seed: int, count: int) -> None:
    found = history(SnapshotIsolation, random.Random(seed), lists=lists, count=count, clients=4)
    impossible = ruled_out([anomaly.kind for anomaly in judged(found, lists).anomalies])
    assert "strong-snapshot-isolation" not in impossible


@patiently
@given(seed=seeds, count=st.integers(1, 30))
def test_read_committed_shows_nothing_that_it_forbids(seed: int, count: int) -> None:
    found = history(ReadCommitted, random.Random(seed), lists=False, count=count, clients=4)
    impossible = ruled_out([anomaly.kind for anomaly in judged(found, False).anomalies])
    assert "strong-read-committed" not in impossible


@both
@patiently
@given(seed=seeds, count=st.integers(1, 30))
def test_stale_reads_break_real_time_and_sessions_alone(lists: bool, seed: int, count: int) -> None:
    found = history(Stale, random.Random(seed), lists=lists, count=count, clients=4)
    impossible = ruled_out([anomaly.kind for anomaly in judged(found, lists).anomalies])
    assert "serializable" not in impossible


@pytest.mark.parametrize(
    ("store", "model"),
    [
        (ReadUncommitted, "read-committed"),
        (ReadCommitted, "snapshot-isolation"),
        (SnapshotIsolation, "serializable"),
        (Stale, "strict-serializable"),
    ],
)
@both
def test_each_weak_store_is_found_out(store: type[Store], model: str, lists: bool) -> None:
    for seed in range(40):
        found = history(store, random.Random(seed), lists=lists, count=30, clients=4)
        if model in ruled_out([anomaly.kind for anomaly in judged(found, lists).anomalies]):
            return
    raise AssertionError(f"{store.__name__} passed as {model} in every seed")


def test_of_small_list_histories_nearly_all_that_no_order_explains_are_found() -> None:
    """Not a promise of the method: a guard against a checker that finds nothing."""
    wrong = caught = 0
    for seed in range(1_500):
        found = history(STORES[1 + seed % 5], random.Random(seed), lists=True, count=5)
        if not explained(found, ORDERS["strict-serializable"]):
            wrong += 1
            caught += judged(found, True).verdict is Verdict.INVALID
    assert wrong > 300
    assert caught / wrong > 0.95
