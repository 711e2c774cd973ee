"""The search against the oracle: the same verdict on thousands of histories small enough to try every order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkers.history import History
from checkers.models import (
    CasRegister,
    KvAppend,
    ListAppend,
    Model,
    MultiRegister,
    Mutex,
    Register,
)
from checkers.search import Budget, search
from checkers.verdict import Limits, Verdict
from tests.checkers import brute_force
from tests.checkers.strategies import (
    APPEND_ONLY_CALLS,
    LIST_CALLS,
    MUTEX_CALLS,
    STRING_CALLS,
    TRANSACTION_CALLS,
    histories,
    register_calls,
)

UNBOUNDED = Limits(time_s=None)
thorough = settings(
    max_examples=600, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


def verdict(history: History, model: Model) -> Verdict:
    return search(history.operations(), model, Budget(UNBOUNDED)).verdict


def agrees(history: History, model: Model, apply: brute_force.Apply) -> None:
    expected = brute_force.linearizable(history.operations(), model.initial, apply)
    assert verdict(history, model) is (Verdict.VALID if expected else Verdict.INVALID)


def few() -> st.SearchStrategy[object]:
    return st.sampled_from([0, 1, 2])


def many() -> st.SearchStrategy[object]:
    return st.integers(0, 6)


def with_nil() -> st.SearchStrategy[object]:
    return st.sampled_from([None, 1, 2])


@thorough
@given(histories(register_calls(few), operations_max=7))
def test_cas_register_of_few_values_agrees_with_the_oracle(history: History) -> None:
    agrees(history, CasRegister(0), brute_force.cas_register(True))


@thorough
@given(histories(register_calls(many)))
def test_cas_register_of_many_values_agrees_with_the_oracle(history: History) -> None:
    agrees(history, CasRegister(0), brute_force.cas_register(True))


@thorough
@given(histories(register_calls(with_nil)), st.booleans())
def test_nil_reads_agree_with_the_oracle_in_both_meanings(history: History, nil_reads_assert: bool) -> None:
    agrees(history, CasRegister(None, nil_reads_assert), brute_force.cas_register(nil_reads_assert))


@thorough
@given(histories(register_calls(few, cas=False)))
def test_register_agrees_with_the_oracle(history: History) -> None:
    agrees(history, Register(0), brute_force.cas_register(True))


@thorough
@given(histories(MUTEX_CALLS, operations_max=7))
def test_mutex_agrees_with_the_oracle(history: History) -> None:
    agrees(history, Mutex(), brute_force.mutex)


@thorough
@given(histories(STRING_CALLS))
def test_kv_append_with_writes_agrees_with_the_oracle(history: History) -> None:
    agrees(history, KvAppend(), brute_force.kv_append)


@thorough
@given(histories(APPEND_ONLY_CALLS))
def test_kv_append_without_writes_agrees_with_the_oracle(history: History) -> None:
    agrees(history, KvAppend(), brute_force.kv_append)


@thorough
@given(histories(LIST_CALLS))
def test_list_append_agrees_with_the_oracle(history: History) -> None:
    agrees(history, ListAppend(), brute_force.list_append)


@thorough
@given(histories(TRANSACTION_CALLS, operations_max=5), st.booleans())
def test_multi_register_agrees_with_the_oracle(history: History, nil_reads_assert: bool) -> None:
    model = MultiRegister(frozenset({("x", 1)}), nil_reads_assert)
    expected = brute_force.linearizable(history.operations(), {"x": 1}, brute_force.multi_register(nil_reads_assert))
    assert verdict(history, model) is (Verdict.VALID if expected else Verdict.INVALID)


class Unpruned(CasRegister):
    """The same object without any of the hooks: what they save must not change an answer."""

    prune = Model.prune
    reads_only = Model.reads_only
    transition = Model.transition


@thorough
@given(histories(register_calls(few)))
def test_hooks_change_no_verdict(history: History) -> None:
    assert verdict(history, Unpruned(0)) is verdict(history, CasRegister(0))


@pytest.mark.parametrize("limit", [Limits(time_s=None, steps=20), Limits(time_s=None, cache_entries=10)])
@pytest.mark.parametrize("seed", range(3))
def test_a_bound_that_is_met_gives_unknown(limit: Limits, seed: int, hard_history: Callable[[int], History]) -> None:
    history = hard_history(seed)
    outcome = search(history.operations(), CasRegister(0), Budget(limit))
    assert outcome.verdict is Verdict.UNKNOWN
    assert "limit of" in outcome.reason
