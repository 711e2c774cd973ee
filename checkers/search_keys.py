"""The search of many objects: one after another, or several at once in processes of their own.

Processes are worth their while only when the search is hard, so they take part where at least two objects with some
thousand operations are to be searched and ``Limits.processes`` allows it. They are forks: what is to be searched need
not be sent to them, a model may be anything, and outcomes come back in the order of the objects. A fork takes its
parent's locks as they are; so a program of several threads, and one that is not the main thread, searches alone. So
does one whose clock is not the machine's, since nobody else can read it.

In either way the bounds are kept, and steps make the verdicts the same every time. With processes each object gets the
same share at once, as none can wait for what another leaves over; what is left over in the end goes to those that ran
out, one after another.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
import warnings
from array import array
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Final

from checkers.history import Operation
from checkers.models import Model
from checkers.search import Budget, SearchOutcome, engine, search
from checkers.verdict import Limits

OPERATIONS_MIN: Final = 4_000
"""With fewer of them a process costs more than it saves."""


def search_keys(
    partitions: Mapping[Hashable, Sequence[Operation]], model: Model, limits: Limits, budget: Budget
) -> dict[Hashable, SearchOutcome]:
    """Every key, and once more those that ran out of their share of the bounds, with what is left over.

    Raises ModelError.
    """
    outcomes: dict[Hashable, SearchOutcome] = {}
    if _worth_processes(partitions, limits):
        outcomes = _together(partitions, model, limits, budget)
    for _ in range(2):
        pending = [key for key in partitions if key not in outcomes or outcomes[key].may_try_again]
        if outcomes and budget.exhausted():
            break
        for place, key in enumerate(pending):
            budget.begin_share(len(pending) - place)
            outcomes[key] = search(partitions[key], model, budget)
    return outcomes


def _worth_processes(partitions: Mapping[Hashable, Sequence[Operation]], limits: Limits) -> bool:
    alone = threading.active_count() == 1 and threading.current_thread() is threading.main_thread()
    possible = alone and limits.clock is time.monotonic and not multiprocessing.current_process().daemon
    enough = len(partitions) > 1 and sum(map(len, partitions.values())) >= OPERATIONS_MIN
    return limits.processes > 1 and enough and possible


@dataclass(frozen=True)
class _Answer:
    """An outcome as it comes back: operations by their place in the object, since a copy would not be the same one."""

    outcome: SearchOutcome
    stuck: int | None
    longest: array[int] | None

    def of(self, operations: Sequence[Operation]) -> SearchOutcome:
        """The outcome with its operations."""
        stuck = None if self.stuck is None else operations[self.stuck]
        longest = None if self.longest is None else tuple([operations[place] for place in self.longest])
        return replace(self.outcome, stuck=stuck, longest=longest)


@dataclass(frozen=True)
class _Task:
    """What the forks inherit: the objects, and what each may spend."""

    objects: Sequence[Sequence[Operation]]
    model: Model
    limits: Limits

    def search(self, which: int) -> _Answer:
        operations = self.objects[which]
        outcome = search(operations, self.model, Budget(self.limits))
        places = {op.invoke_index: place for place, op in enumerate(operations)}
        stuck = None if outcome.stuck is None else places[outcome.stuck.invoke_index]
        longest = None
        if outcome.longest is not None:
            longest = array("q", [places[op.invoke_index] for op in outcome.longest])
        return _Answer(replace(outcome, stuck=None, longest=None), stuck, longest)


_task: _Task | None = None


def _become_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent ends the others


def _work(which: int) -> _Answer:
    if _task is None:
        raise AssertionError("a fork inherits its task")
    return _task.search(which)


def _together(
    partitions: Mapping[Hashable, Sequence[Operation]], model: Model, limits: Limits, budget: Budget
) -> dict[Hashable, SearchOutcome]:
    """Search all keys at once, each with its share. What a process that was killed leaves behind is missing."""
    global _task  # noqa: PLW0603 - the one way to hand a fork what cannot be pickled
    processes = min(limits.processes, len(partitions))
    engine()  # found, or built, once for all
    share = budget.share(limits, len(partitions), processes)
    _task = _Task(list(partitions.values()), model, share)
    outcomes: dict[Hashable, SearchOutcome] = {}
    try:
        answers = _forked(processes, len(partitions))
    finally:
        _task = None
    for (key, operations), answer in zip(partitions.items(), answers, strict=False):
        outcomes[key] = _reworded(answer.of(operations), share, limits)
        budget.spend(answer.outcome.steps)
    return outcomes


def _forked(processes: int, objects: int) -> list[_Answer]:
    """Carry the task out in forks. They are gone when this returns, however it does."""
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), _become_worker)
    answers: list[_Answer] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads of a library that no fork here calls
            futures = [pool.submit(_work, which) for which in range(objects)]
        answers.extend(future.result() for future in futures)
    except BrokenProcessPool:
        pass  # a process was killed, for its memory perhaps: the rest is searched here
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return answers


def _reworded(outcome: SearchOutcome, share: Limits, limits: Limits) -> SearchOutcome:
    """An outcome with the bound of the check in its reason instead of the share's."""
    if not outcome.may_try_again:
        return outcome
    if share.steps is not None and outcome.steps > share.steps:
        return replace(outcome, reason=f"the limit of {limits.steps} search steps was reached")
    return replace(outcome, reason=f"the time limit of {limits.time_s:g} s was reached")
