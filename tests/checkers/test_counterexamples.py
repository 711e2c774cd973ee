"""Counterexamples: the window fails, the order holds, and what comes next does not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers import counterexamples
from checkers.counterexample import Counterexample
from checkers.counterexamples import counterexample, window_of
from checkers.failing_window import starting
from checkers.history import History, Operation, Outcome
from checkers.linearizable import Linearizable
from checkers.models import ILLEGAL, CasRegister, Model, Mutex, Queue, State
from checkers.projection import projected
from checkers.refusals import shown
from checkers.search import Budget, search
from checkers.verdict import Limits, Verdict
from harness.benching.histories import Shape
from harness.benching.histories import history as made
from tests.checkers.families import FAMILIES, Family, random_history
from tests.checkers.literal import Bar, cas, history, read, write
from tests.checkers.test_zones import executions
from tests.examples import examples

UNBOUNDED = Limits(time_s=None)


def shown_of(drawn: History, model: Model) -> Counterexample | None:
    found = Linearizable(model).check(drawn, UNBOUNDED)
    return counterexample(drawn, model, found.anomalies[0], UNBOUNDED) if found.anomalies else None


def orders(operations: Sequence[Operation], model: Model, state: State) -> bool:
    """Whether there is an order, by trying all: every subset of those in doubt, every permutation by real time."""
    must = [op for op in operations if op.outcome is not Outcome.INFO]
    if not must:
        return True
    for op in operations:
        if any(o.outcome is not Outcome.INFO and (o.complete_index or 0) < op.invoke_index for o in operations):
            continue
        after = model.step(state, op)
        if after is not ILLEGAL and orders([o for o in operations if o is not op], model, after):
            return True
    return False


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@examples(150)
@given(seed=st.integers(0, 2**32), clients=st.integers(1, 4), honest=st.sampled_from([0.0, 0.7]))
def test_the_window_fails_by_brute_force_and_what_is_told_holds(
    family: Family, seed: int, clients: int, honest: float
) -> None:
    drawn = random_history(family, random.Random(seed), family.operations_max, clients, honest=honest)
    told = shown_of(drawn, family.model)
    if told is None:
        return
    anomaly = Linearizable(family.model).check(drawn, UNBOUNDED).anomalies[0]
    assert told.proof == tuple(op.invoke_index for op in anomaly.operations)
    window = window_of(drawn.operations(), family.model, anomaly, UNBOUNDED)
    assert window is not None
    assert not any(orders(window.operations, family.model, state) for state in window.states)
    state = next(state for state in window.states if shown(family.model, state) == told.state_before)
    by_index = {op.invoke_index: op for op in window.operations}
    placed = [by_index[placement.operation] for placement in told.order]
    for first, second in product(range(len(placed)), repeat=2):
        assert first >= second or not placed[second].precedes(placed[first])
    for placement, op in zip(told.order, placed, strict=True):
        state = family.model.step(state, op)
        assert state is not ILLEGAL
        assert shown(family.model, state) == placement.state
    assert told.refusals
    for refusal in told.refusals:
        op = by_index[refusal.operation]
        assert op not in placed
        assert (family.model.step(state, op) is not ILLEGAL) == refusal.why.startswith("it may come here")
    if told.stuck is not None:
        assert told.refusals[0].operation == told.stuck


@examples(500)
@given(executions(), st.lists(st.integers(0, 60), min_size=1, max_size=3))
def test_a_few_values_of_a_linearizable_register_are_linearizable(drawn: History, which: list[int]) -> None:
    model = CasRegister(0)
    operations = [op for op in drawn.operations() if op.key == "x"]
    if not operations or Linearizable(model).check(drawn, UNBOUNDED).verdict is not Verdict.VALID:
        return
    few = projected(operations, model, [operations[place % len(operations)] for place in which])
    assert few is not None
    assert search(few, model, Budget(UNBOUNDED)).verdict is Verdict.VALID


def test_a_stale_read_is_shown_from_the_write_that_it_missed() -> None:
    #   0  |- write 7 -|  |- write 9 -|  |- write 5 -|
    #   1  |- read nil |                              |- read 7 -|
    bars = [write(0, 1, 3, 7, key="x"), read(1, 2, 4, None, key="x")]
    bars += [write(0, 5, 6, 9, key="x"), write(0, 7, 8, 5, key="x"), read(1, 9, 10, 7, key="x")]
    told = shown_of(history(*bars), CasRegister(None))
    assert told is not None
    assert [op.argument if op.f == "write" else op.result for op in told.operations] == [9, 7]
    assert told.earlier == 2
    assert told.state_before == "7"
    assert [(placement.state) for placement in told.order] == ["9"]
    assert [refusal.why for refusal in told.refusals] == ["it saw 7, and the register holds 9"]
    assert told.stuck == told.operations[-1].invoke_index
    assert told.note == "whatever the state was before, nothing else helps"
    assert msgspec.json.decode(msgspec.json.encode(told))["kind"] == "stale-read"


def test_a_lock_that_two_hold() -> None:
    bars = [Bar(n % 3, 4 * n + 1, 4 * n + 2, "acquire" if n % 2 == 0 else "release") for n in range(8)]
    bars += [Bar(3, 41, 44, "acquire"), Bar(4, 42, 43, "acquire")]
    told = shown_of(history(*bars), Mutex())
    assert told is not None
    assert len(told.operations) == 2
    assert [refusal.why for refusal in told.refusals] == ["the lock is held"]


def test_an_object_of_many_states_is_shown_from_its_beginning() -> None:
    bars = [Bar(0, 2 * n + 1, 2 * n + 2, "enqueue", n) for n in range(5)]
    bars += [Bar(0, 11, 12, "dequeue", None, 0), Bar(0, 13, 14, "dequeue", None, 2)]
    told = shown_of(history(*bars), Queue())
    assert told is not None
    assert told.earlier == 0
    assert told.state_before == "[]"
    assert told.refusals[0].why == "it took out 2, and 1 is next"
    assert len(told.order) == 6


def test_one_stale_read_among_many_is_shown_with_few_operations() -> None:
    drawn = made(Shape(operations=20_000, clients=20, info_ppm=10_000, stale=True))
    told = shown_of(drawn, CasRegister(0))
    assert told is not None
    assert told.kind == "stale-read"
    assert len(told.operations) < 6
    assert told.refusals


def test_a_search_that_is_too_long_leaves_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counterexamples, "window_of", lambda *_: None)
    bars = (write(0, 1, 2, 7), write(0, 3, 4, 9), read(1, 5, 6, 7))
    drawn, model = history(*bars), CasRegister(None)
    (anomaly,) = Linearizable(model).check(drawn, UNBOUNDED).anomalies
    told = counterexample(drawn, model, anomaly, UNBOUNDED)
    assert told.order == ()
    assert told.refusals == ()
    assert [op.invoke_index for op in told.operations] == list(told.proof)
    assert told.note.startswith("the search for the longest order met its bound")


def test_another_initial_state_is_of_a_copy() -> None:
    model = CasRegister(3)
    assert starting(model, 4).initial == 4
    assert model.initial == 3
    assert Linearizable(starting(model, 4)).check(history(cas(0, 1, 2, [4, 5])), UNBOUNDED).verdict is Verdict.VALID
