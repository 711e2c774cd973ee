"""Workloads of transactions: their texts, what is planned, and what their own checkers say of histories."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.final_reads import FinalReads
from checkers.history import Event, EventType, History
from checkers.transactions.checker import ListAppendTransactions, RegisterTransactions
from checkers.verdict import Limits, Verdict
from harness.seeds import SeedTree
from workloads.base import Operation, Workload
from workloads.catalogue import WORKLOADS
from workloads.transactions import KEYS_AT_ONCE, STEPS_MAX, TRANSACTIONS_PER_GROUP, TransactionTextError, parsed

names = pytest.mark.parametrize("name", ["txn-append", "txn-register"])


def planned(workload: Workload, count: int, seed: int = 1) -> list[Operation]:
    draws = SeedTree(seed).stream("workload")
    return [workload.operation(number, draws) for number in range(count)]


def steps_of(workload: Workload, operation: Operation) -> list[list[Any]]:
    invoked = workload.memory().invocation(operation)
    assert (invoked.f, invoked.key) == (operation.f, operation.key) == ("txn", operation.key)
    steps: list[list[Any]] = invoked.value
    return steps


def test_a_text_is_taken_as_steps() -> None:
    assert parsed("append t0a 17; r t0b", "append") == [["append", "t0a", 17], ["r", "t0b", None]]
    assert parsed("w t0a -17", "w") == [["w", "t0a", -17]]


@pytest.mark.parametrize(
    "text", ["", "r", "r a 1", "w a", "append a 1", "w a 1;", "w a x", "x a 1", "; ".join(["r a"] * 33)]
)
def test_what_is_no_transaction_is_refused(text: str) -> None:
    with pytest.raises(TransactionTextError):
        parsed(text, "w")


@names
@given(count=st.integers(1, 1_000), seed=st.integers(0, 2**63 - 1))
def test_no_value_is_written_twice_and_all_keys_are_read_in_the_end(name: str, count: int, seed: int) -> None:
    workload = WORKLOADS[name]()
    steps = [step for operation in planned(workload, count, seed) for step in steps_of(workload, operation)]
    written = [value for f, _, value in steps if f != "r"]
    assert len(set(written)) == len(written)
    final = [step for operation in workload.final_reads(count) for step in steps_of(workload, operation)]
    assert {f for f, _, _ in final} <= {"r"}
    assert {key for _, key, _ in steps} <= {key for _, key, _ in final}


@names
def test_transactions_are_of_all_lengths_half_reads_and_their_keys_are_replaced(name: str) -> None:
    workload = WORKLOADS[name]()
    operations = planned(workload, 10 * TRANSACTIONS_PER_GROUP)
    lengths = Counter(len(steps_of(workload, operation)) for operation in operations)
    assert set(lengths) == set(range(1, STEPS_MAX + 1))
    kinds = Counter(f for operation in operations for f, _, _ in steps_of(workload, operation))
    assert kinds["r"] / kinds.total() == pytest.approx(0.5, abs=0.03)
    for number, operation in enumerate(operations):
        assert operation.key == f"t{number // TRANSACTIONS_PER_GROUP}"
        assert {key[:-1] for _, key, _ in steps_of(workload, operation)} == {operation.key}
        assert workload.refusal(operation) == ""
    first = {key for operation in operations[:TRANSACTIONS_PER_GROUP] for _, key, _ in steps_of(workload, operation)}
    assert len(first) == KEYS_AT_ONCE


@names
def test_the_final_reads_of_given_operations_are_of_their_groups(name: str) -> None:
    (read,) = WORKLOADS[name]().final_reads_of(["x"])
    assert read == Operation("txn", "x", "r xa; r xb; r xc; r xd; r xe")


def carried_out(workload: Workload, count: int, *, forget: int | None = None) -> History:
    """One client's transactions on a correct store, which forgets everything before the one numbered ``forget``."""
    store: dict[str, Any] = {}
    events = []
    memory = workload.memory()
    for number, plan in enumerate([*planned(workload, count), *workload.final_reads(count)]):
        if number == forget:
            store.clear()
        invoked = memory.invocation(plan)
        results = []
        for f, key, value in invoked.value:
            if f == "append":
                store[key] = [*store.get(key, []), value]
            elif f == "w":
                store[key] = value
            results.append([f, key, store.get(key) if f == "r" else value])
        for index, kind, told in (
            (2 * number, EventType.INVOKE, invoked.value),
            (2 * number + 1, EventType.OK, results),
        ):
            events.append(Event(index, index, 0, kind, "txn", told, plan.key))
    return History(events)


@names
def test_its_own_checkers_take_a_correct_history_and_refuse_one_that_lost_everything(name: str) -> None:
    workload = WORKLOADS[name]()
    kinds = {"txn-append": ListAppendTransactions, "txn-register": RegisterTransactions}
    assert {type(checker) for checker in workload.checkers()} == {kinds[name], FinalReads}
    for checker in workload.checkers():
        assert checker.check(carried_out(workload, 400), Limits()).verdict is Verdict.VALID
        assert checker.check(carried_out(workload, 100, forget=100), Limits()).verdict is Verdict.INVALID
