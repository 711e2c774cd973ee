"""Many keys at once: the same outcome by however many processes, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from checkers import search_keys
from checkers.history import Operation
from checkers.models import CasRegister, Illegal, Model, ModelError
from checkers.search import Budget, SearchOutcome
from checkers.verdict import Limits, Verdict
from tests.checkers.families import FAMILIES, random_history
from tests.checkers.literal import Bar, history

Partitions: TypeAlias = dict[Hashable, Sequence[Operation]]

REGISTERS = next(family for family in FAMILIES if family.name == "cas-register")


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes take part however little there is to do."""
    monkeypatch.setattr(search_keys, "OPERATIONS_MIN", 1)


def partitions(keys: int, operations: int = 60) -> Partitions:
    """As many registers, of which some are true and some are not."""
    found: Partitions = {}
    for seed in range(keys):
        honest = 0.97 if seed % 3 == 0 else 1.0
        made = random_history(REGISTERS, random.Random(seed), operations, 4, honest=honest, known=0.98)
        found[f"k{seed}"] = list(made.operations())
    return found


def outcomes(given: Partitions, limits: Limits, model: Model | None = None) -> dict[object, SearchOutcome]:
    return dict(search_keys.search_keys(given, model or CasRegister(0), limits, Budget(limits)))


def test_processes_change_nothing() -> None:
    given = partitions(9)
    alone = outcomes(given, Limits(time_s=None))
    together = outcomes(given, Limits(time_s=None, processes=3))
    assert list(together) == list(alone) == list(given)
    assert together == alone
    assert {outcome.verdict for outcome in alone.values()} == {Verdict.VALID, Verdict.INVALID}
    stuck = next(outcome.stuck for outcome in together.values() if outcome.stuck)
    assert any(stuck is op for ops in given.values() for op in ops)
    assert not multiprocessing.active_children()


def test_steps_give_the_same_verdicts_every_time() -> None:
    given = partitions(6, 200)
    limits = Limits(time_s=None, steps=300, processes=2)
    first = outcomes(given, limits)
    assert outcomes(given, limits) == first
    assert any(outcome.verdict is Verdict.UNKNOWN for outcome in first.values())
    unknown = next(outcome for outcome in first.values() if outcome.verdict is Verdict.UNKNOWN)
    assert unknown.reason == "the limit of 300 search steps was reached"


def test_what_a_model_does_not_know_is_an_error_from_any_process() -> None:
    given = partitions(3)
    given["odd"] = list(history(Bar(0, 1, 2, "frobnicate")).operations())
    with pytest.raises(ModelError, match="frobnicate") as raised:
        outcomes(given, Limits(time_s=None, processes=2))
    assert raised.value.operation.f == "frobnicate"
    assert not multiprocessing.active_children()


@dataclass(frozen=True)
class Fatal(CasRegister):
    """Kills the process that asks it about the value 2, unless that is the first one."""

    first: int = 0

    def step(self, state: object, operation: Operation) -> object | Illegal:
        if operation.argument == 2 and os.getpid() != self.first:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(state, operation)


def test_a_process_that_is_killed_takes_no_verdict_with_it() -> None:
    given = partitions(5)
    survived = outcomes(given, Limits(time_s=None, processes=2), Fatal(0, first=os.getpid()))
    assert {key: outcome.verdict for key, outcome in survived.items()} == {
        key: outcome.verdict for key, outcome in outcomes(given, Limits(time_s=None)).items()
    }


@dataclass(frozen=True)
class Slow(CasRegister):
    """Takes for ever in any process but the first."""

    first: int = 0

    def step(self, state: object, operation: Operation) -> object | Illegal:
        if os.getpid() != self.first:
            signal.pause()
        return super().step(state, operation)


def test_an_interruption_ends_all_processes() -> None:
    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            outcomes(partitions(4), Limits(time_s=None, processes=2), Slow(0, first=os.getpid()))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not multiprocessing.active_children()


def test_several_threads_search_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_forks(*_: object) -> None:
        raise AssertionError("a fork beside another thread")

    monkeypatch.setattr(search_keys, "_forked", no_forks)
    found: list[dict[object, SearchOutcome]] = []
    thread = threading.Thread(target=lambda: found.append(outcomes(partitions(3), Limits(time_s=None, processes=2))))
    thread.start()
    thread.join()
    assert len(found[0]) == 3
