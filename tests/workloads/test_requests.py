"""Workloads whose operations are not the store's: what they ask of it, what they tell, and who passes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from checkers.history import Event, EventType, History
from checkers.verdict import Limits, Verdict, merge_all
from harness.seeds import SeedTree
from harness.systems.multipaxos import answer, store_operation
from node.kv import Store
from workloads import bank, long_fork
from workloads.bank import BankWorkload
from workloads.base import Operation, Workload
from workloads.catalogue import WORKLOADS
from workloads.long_fork import LongForkWorkload
from workloads.mutex import Locks, MutexWorkload
from workloads.queue import Lists

OTHERS = ("counter", "bank", "queue", "mutex", "unique-ids", "long-fork", "monotonic")
names = pytest.mark.parametrize("name", OTHERS)
CLIENTS = 4


class Scene:
    """Clients of one workload on one store, each operation whole before the next."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.store = Store()
        memory = workload.memory()
        self.views = [memory.of_client(number) for number in range(CLIENTS)]
        self.events: list[Event] = []

    def apply(self, client: int, planned: Operation) -> tuple[Operation, Any]:
        """Carry out one planned operation; return how it was invoked and what was told (None if it failed)."""
        view = self.views[client]
        invoked = view.invocation(planned)
        request = view.request(invoked)
        self._record(client, EventType.INVOKE, invoked, invoked.value)
        result = store_operation(request).apply(self.store)
        if not result.ok:
            self._record(client, EventType.FAIL, invoked, invoked.value)
            return invoked, None
        told = view.told(invoked, request, answer(request, result.value))
        if invoked.f == "read":
            told = self.workload.shown(told)
        view.saw(invoked, told)
        self._record(client, EventType.OK, invoked, copy.deepcopy(told))
        return invoked, told

    def run(self, operations: Sequence[Operation]) -> None:
        draws = SeedTree(7).stream("clients")
        for operation in operations:
            self.apply(draws.below(CLIENTS), operation)

    def verdict(self) -> Verdict:
        history = History(self.events)
        return merge_all(checker.check(history, Limits()).verdict for checker in self.workload.checkers())

    def _record(self, client: int, kind: EventType, operation: Operation, value: Any) -> None:
        index = len(self.events)
        self.events.append(Event(index, index * 1_000, client, kind, operation.f, value, operation.key))


def planned(workload: Workload, count: int, seed: int = 1) -> list[Operation]:
    draws = SeedTree(seed).stream("workload")
    return [workload.operation(number, draws) for number in range(count)]


@names
def test_planned_operations_are_of_the_workload_and_can_be_written_down(name: str) -> None:
    workload = WORKLOADS[name]()
    for operation in planned(workload, 2_000):
        assert operation.f in workload.functions
        assert (operation.value is None) == (operation.f == "read")
        assert operation.value is None or (isinstance(operation.value, int) and operation.value > 0)


@names
def test_a_correct_store_passes(name: str) -> None:
    scene = Scene(WORKLOADS[name]())
    scene.run([*planned(scene.workload, 1_500), *scene.workload.final_reads(1_500)])
    assert scene.verdict() is Verdict.VALID
    outcomes = [event.type for event in scene.events if event.type is not EventType.INVOKE]
    assert outcomes.count(EventType.OK) > 0.4 * len(outcomes)


@names
def test_a_store_that_forgets_its_second_half_does_not(name: str) -> None:
    scene = Scene(WORKLOADS[name]())
    operations = planned(scene.workload, 400)
    scene.run(operations[:210])  # for the long fork: between two writes of a group
    before = copy.deepcopy(dict(scene.store.data()))
    scene.run(operations[210:360])
    scene.store.restore(before)
    scene.run([*operations[360:], *scene.workload.final_reads(400)])
    assert scene.verdict() is Verdict.INVALID


@names
def test_final_reads_are_of_every_key_that_was_used(name: str) -> None:
    workload = WORKLOADS[name]()
    for count in (0, 1, 700):
        keys = {operation.key for operation in workload.final_reads(count)}
        assert {operation.key for operation in planned(workload, count)} <= keys
        assert bool(keys) == bool(count)
    assert [operation.key for operation in workload.final_reads_of(["x", "y"])] == ["x", "y"]


# -- bank -------------------------------------------------------------------------------------------------------------


def test_every_planned_transfer_is_between_two_accounts() -> None:
    ways = {bank.unpacked("b0", value) for value in range(1, bank.WAYS + 1)}
    assert len(ways) == bank.WAYS
    assert all(start != to and 1 <= amount <= bank.AMOUNT_MAX for start, to, amount in ways)


def test_a_transfer_moves_no_more_than_there_is() -> None:
    scene = Scene(BankWorkload())
    drained = [scene.apply(0, Operation("transfer", "b0", bank.AMOUNT_MAX)) for _ in range(3)]
    assert [invoked.f for invoked, _ in drained] == ["transfer", "transfer", "read"]
    assert drained[0][1] == {"from": "b0.0", "to": "b0.1", "amount": 5}
    assert drained[2][1] == {f"b0.{n}": {0: 0, 1: 20}.get(n, 10) for n in range(bank.ACCOUNTS)}


# -- mutex ------------------------------------------------------------------------------------------------------------

ACQUIRE, LOOK = Operation("acquire", "m0", 1), Operation("read", "m0")


def test_a_client_gives_back_what_it_holds_and_tokens_grow() -> None:
    scene = Scene(MutexWorkload())
    told = [scene.apply(client, ACQUIRE) for client in (0, 1, 0, 1, 1)]
    assert [(invoked.f, token) for invoked, token in told] == [
        ("acquire", 1),
        ("acquire", None),
        ("release", 1),
        ("acquire", 2),
        ("release", 2),
    ]
    assert scene.apply(2, LOOK)[1] == [2, ""]


def test_a_client_that_does_not_know_that_it_holds_a_lock_sees_it() -> None:
    memory = Locks()
    hands = memory.of_client(3)
    hands.told(hands.invocation(LOOK), LOOK, [5, "client 3"])
    assert hands.invocation(ACQUIRE) == Operation("release", "m0", 5)
    assert memory.of_client(4).invocation(ACQUIRE) == Operation("acquire", "m0")


def test_news_that_were_asked_for_earlier_do_not_undo_later_ones() -> None:
    memory = Locks()
    early, late = memory.of_client(0), memory.of_client(1)
    early.invocation(LOOK)
    late.told(late.invocation(LOOK), LOOK, [5, ""])
    early.told(LOOK, LOOK, [4, "client 9"])
    assert memory.known["m0"].raw == [5, ""]
    early.told(early.invocation(LOOK), LOOK, [4, "client 9"])  # asked for later: the system has gone back
    assert memory.known["m0"].raw == [4, "client 9"]


# -- queue ------------------------------------------------------------------------------------------------------------


def test_a_dequeue_takes_the_first_of_what_was_seen() -> None:
    memory = Lists()
    assert memory.request(Operation("dequeue", "q0")).value == [None, None]
    memory.told(Operation("read", "q0"), Operation("read", "q0"), [4, 5])
    request = memory.request(Operation("dequeue", "q0"))
    assert request.value == [[4, 5], [5]]
    assert memory.told(Operation("dequeue", "q0"), request, None) == 4
    assert memory.request(Operation("dequeue", "q0")).value == [[5], []]


# -- long fork --------------------------------------------------------------------------------------------------------


def test_every_key_of_a_group_is_written_once_in_close_succession() -> None:
    operations = planned(LongForkWorkload(), 3 * long_fork.OPERATIONS_PER_GROUP)
    writes = [(n, operation) for n, operation in enumerate(operations) if operation.f == "write"]
    assert len({(operation.key, operation.value) for _, operation in writes}) == len(writes) == 12
    steps = [later - earlier for (earlier, _), (later, _) in pairwise(writes)]
    assert sorted(steps) == [1] * 9 + [37] * 2


# -- a system that answers without a result ---------------------------------------------------------------------------


def test_a_transaction_that_is_answered_without_a_result_has_read_nothing() -> None:
    steps = [["r", "x", None], ["cas", "y", [1, 2]]]
    assert answer(Operation("txn", "b0", steps), None) == [["r", "x", None], ["cas", "y", [1, 2]]]
    assert answer(Operation("txn", "b0", steps), [7, None]) == [["r", "x", 7], ["cas", "y", [1, 2]]]
    assert answer(Operation("increment", "c0", 2), None) is None
