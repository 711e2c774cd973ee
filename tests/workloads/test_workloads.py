"""Workloads: what is planned is unique, spread and complete, and a client's memory completes it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.bank import Bank
from checkers.counter import Counter as Counting
from checkers.fenced_mutex import FencedMutex
from checkers.final_reads import FinalReads
from checkers.history import Event, EventType, History
from checkers.linearizable import Linearizable
from checkers.long_fork import LongFork
from checkers.queue import Queue
from checkers.sessions import Monotonic, SessionGuarantees
from checkers.set_full import SetFull
from checkers.unique_ids import UniqueIds
from checkers.verdict import Limits, Verdict
from harness.seeds import SeedTree
from workloads import append, register
from workloads import set as sets
from workloads.append import AppendWorkload
from workloads.base import Operation, Workload
from workloads.catalogue import WORKLOADS
from workloads.register import LastSeen, RegisterWorkload
from workloads.set import SetWorkload

WRITTEN_ONCE = ("register", "append", "set")
"""Those whose operations reach the system as they are, each value once; for the others see ``test_requests``."""
OTHERS = (
    "counter", "bank", "queue", "mutex", "unique-ids", "long-fork", "monotonic", "txn-append", "txn-register"
)  # fmt: skip
names = pytest.mark.parametrize("name", WRITTEN_ONCE)

KEYS_AT_ONCE = {"register": register.KEYS_AT_ONCE, "append": append.KEYS_AT_ONCE, "set": 1}
PER_GENERATION = {
    "register": register.KEYS_AT_ONCE * register.OPERATIONS_PER_KEY,
    "append": append.KEYS_AT_ONCE * append.OPERATIONS_PER_KEY,
    "set": sets.ELEMENTS_PER_SET,
}
SHARES = {
    "register": {"read": 0.40, "write": 0.35, "cas": 0.25},
    "append": {"append": 0.5, "read": 0.5},
    "set": {"add": 0.98, "read": 0.02},
}


def planned(workload: Workload, count: int, seed: int = 1) -> list[Operation]:
    draws = SeedTree(seed).stream("workload")
    return [workload.operation(number, draws) for number in range(count)]


def test_the_catalogue_holds_each_workload_under_its_own_name() -> None:
    assert list(WORKLOADS) == [*WRITTEN_ONCE, *OTHERS]
    assert all(workload.name == name for name, workload in WORKLOADS.items())


@names
@given(count=st.integers(1, 4_000), seed=st.integers(0, 2**63 - 1))
def test_no_value_is_written_twice_and_none_is_falsy(name: str, count: int, seed: int) -> None:
    written = [operation.value for operation in planned(WORKLOADS[name](), count, seed) if operation.f != "read"]
    assert len(set(written)) == len(written)
    assert all(isinstance(value, int) and value > 0 for value in written)


@names
def test_reads_carry_no_value(name: str) -> None:
    assert all(operation.value is None for operation in planned(WORKLOADS[name](), 500) if operation.f == "read")


@names
def test_the_kinds_of_operations_come_in_their_shares(name: str) -> None:
    count = 20_000
    found = Counter(operation.f for operation in planned(WORKLOADS[name](), count))
    assert found.keys() == SHARES[name].keys()
    for f, share in SHARES[name].items():
        assert found[f] / count == pytest.approx(share, abs=0.015)


@names
def test_keys_are_used_evenly_and_replaced_for_good(name: str) -> None:
    each, at_once = PER_GENERATION[name], KEYS_AT_ONCE[name]
    operations = planned(WORKLOADS[name](), 3 * each)
    generations = [Counter(op.key for op in operations[n * each : (n + 1) * each]) for n in range(3)]
    for generation in generations:
        assert len(generation) == at_once
        assert all(0.7 * each / at_once < uses < 1.3 * each / at_once for uses in generation.values())
    assert not any(earlier.keys() & later.keys() for earlier, later in pairwise(generations))


@names
@given(count=st.integers(0, 4_000), seed=st.integers(0, 1_000))
def test_final_reads_cover_every_key_that_may_have_been_written(name: str, count: int, seed: int) -> None:
    workload = WORKLOADS[name]()
    reads = workload.final_reads(count)
    written = {operation.key for operation in planned(workload, count, seed) if operation.f != "read"}
    assert written <= {read.key for read in reads}
    assert all(read.f == "read" and read.value is None for read in reads)


@names
def test_final_reads_read_nothing_that_cannot_have_been_written(name: str) -> None:
    each, at_once = PER_GENERATION[name], KEYS_AT_ONCE[name]
    for count, generations in [(0, 0), (1, 1), (each, 1), (each + 1, 2)]:
        assert len({read.key for read in WORKLOADS[name]().final_reads(count)}) == generations * at_once


def test_sets_are_read_several_times_in_the_end_and_others_once() -> None:
    assert Counter(read.key for read in SetWorkload().final_reads(1_500)) == {"s0": 3, "s1": 3}
    assert set(Counter(read.key for read in RegisterWorkload().final_reads(1_501)).values()) == {1}
    assert set(Counter(read.key for read in AppendWorkload().final_reads(601)).values()) == {1}


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in ("unique-ids", "long-fork")])
def test_the_same_draws_plan_the_same_operations(name: str) -> None:
    assert planned(WORKLOADS[name](), 300, 7) == planned(WORKLOADS[name](), 300, 7)
    assert planned(WORKLOADS[name](), 300, 7) != planned(WORKLOADS[name](), 300, 8)


# -- memory -----------------------------------------------------------------------------------------------------------


def expected(memory: LastSeen, key: str = "r0") -> Any:
    """Return what a compare-and-set would expect now."""
    invoked = memory.invocation(Operation("cas", key, 99))
    assert (invoked.f, invoked.key, invoked.value[1]) == ("cas", key, 99)
    return invoked.value[0]


def test_a_compare_and_set_expects_the_initial_value_when_nothing_was_seen() -> None:
    assert expected(LastSeen()) is None


@pytest.mark.parametrize(
    ("operation", "result", "then"),
    [
        (Operation("read", "r0"), 5, 5),
        (Operation("read", "r0"), None, None),
        (Operation("write", "r0", 6), 6, 6),
        (Operation("cas", "r0", [5, 7]), [5, 7], 7),
        (Operation("write", "r1", 6), 6, 4),
    ],
)
def test_a_compare_and_set_expects_what_was_seen_last_on_its_key(operation: Operation, result: Any, then: Any) -> None:
    memory = LastSeen()
    memory.saw(Operation("write", "r0", 4), 4)
    memory.saw(operation, result)
    assert expected(memory) == then


def test_other_operations_are_invoked_as_planned() -> None:
    memory = LastSeen()
    memory.saw(Operation("write", "r0", 4), 4)
    for operation in (Operation("read", "r0"), Operation("write", "r0", 3)):
        assert memory.invocation(operation) is operation


@pytest.mark.parametrize(
    "name", [name for name in WORKLOADS if "read" in WORKLOADS[name].functions and name != "long-fork"]
)
def test_a_memory_is_fresh_and_leaves_reads_alone(name: str) -> None:
    workload = WORKLOADS[name]()
    assert workload.memory() is not workload.memory()
    assert workload.memory().invocation(Operation("read", "k")) == Operation("read", "k")


def test_an_absent_list_or_set_is_shown_as_an_empty_one_and_a_register_as_it_is() -> None:
    assert AppendWorkload().shown(None) == SetWorkload().shown(None) == []
    assert AppendWorkload().shown([1]) == SetWorkload().shown([1]) == [1]
    assert RegisterWorkload().shown(None) is None
    assert RegisterWorkload().shown(0) == 0


# -- judgement --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("register", {Linearizable, FinalReads}),
        ("append", {Linearizable, FinalReads}),
        ("set", {SetFull, FinalReads}),
        ("counter", {Counting}),
        ("bank", {Bank}),
        ("queue", {Queue}),
        ("mutex", {FencedMutex}),
        ("unique-ids", {UniqueIds}),
        ("long-fork", {LongFork}),
        ("monotonic", {SessionGuarantees, Monotonic}),
    ],
)
def test_who_judges(name: str, kinds: set[type]) -> None:
    assert {type(checker) for checker in WORKLOADS[name]().checkers()} == kinds


def in_sequence(operations: list[Operation], results: list[Any]) -> History:
    """Return the history of one client whose operations all return ok."""
    events = []
    for number, (operation, result) in enumerate(zip(operations, results, strict=True)):
        for step, kind, value in ((0, EventType.INVOKE, operation.value), (1, EventType.OK, result)):
            index = 2 * number + step
            events.append(Event(index, index, 0, kind, operation.f, value, operation.key))
    return History(events)


def carried_out(workload: Workload, count: int) -> tuple[list[Operation], list[Any]]:
    """Apply planned operations one by one to a correct store, with one memory."""
    store: dict[str, Any] = {}
    memory = workload.memory()
    operations, results = [], []
    for plan in [*planned(workload, count), *workload.final_reads(count)]:
        operation = memory.invocation(plan)
        match operation.f:
            case "write":
                store[operation.key] = operation.value
            case "cas":
                assert store.get(operation.key) == operation.value[0]
                store[operation.key] = operation.value[1]
            case "append" | "add":
                store[operation.key] = [*store.get(operation.key, []), operation.value]
        shown = workload.shown(store.get(operation.key)) if operation.f == "read" else operation.value
        memory.saw(operation, shown)
        operations.append(operation)
        results.append(shown)
    return operations, results


@names
def test_its_own_checkers_take_a_correct_history(name: str) -> None:
    workload = WORKLOADS[name]()
    history = in_sequence(*carried_out(workload, 1_700))
    for checker in workload.checkers():
        assert checker.check(history, Limits()).verdict is Verdict.VALID


@names
def test_its_own_checkers_refuse_a_history_that_ends_with_everything_lost(name: str) -> None:
    workload = WORKLOADS[name]()
    operations, results = carried_out(workload, 200)
    for number in range(200, len(operations)):
        results[number] = workload.shown(None)
    history = in_sequence(operations, results)
    for checker in workload.checkers():
        assert checker.check(history, Limits()).verdict is Verdict.INVALID
