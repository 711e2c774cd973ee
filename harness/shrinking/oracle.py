"""The oracle: carries attempts out on worker processes, several at a time, and answers in their order.

It works ahead: while the first attempts run, later ones are given to idle workers, as if none of the earlier would
fail. What comes of them is not wasted when one does: every answer goes into the journal, and a run is named by its
scenario, not by who asked for it.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from harness.exploration.findings import SeedReport, Signature
from harness.exploration.pool import Lost, Pool
from harness.exploration.serving import Job
from harness.results import RunVerdict
from harness.scenario import Scenario
from harness.shrinking.candidate import sha256, size, to_scenario
from harness.shrinking.journal import REMEDY, Journal, Tried
from harness.shrinking.shrinker import Answer, Attempt, StoppedError
from harness.shrinking.worker import MODULE, Order
from harness.store import StoreError

COMMAND = (sys.executable, "-P", "-m", MODULE)
POLL_S = 0.25
RUNS_PER_WORKER = 3_000
"""After how many runs a worker is replaced: they are small."""
AHEAD_PER_JOB = 2
"""How many attempts may wait for their turn, for each worker."""


class Watcher(Protocol):
    """Whoever wants to see a shrinking while it goes on."""

    def tried(self, attempt: Attempt, carried_out: int) -> None:
        """A run was carried out, the so manieth of this process."""


@dataclass(frozen=True, slots=True)
class Workers:
    """How runs are carried out."""

    jobs: int
    work: Path
    started_at: datetime
    run_limit_s: float
    clock: Callable[[], float]
    command: Sequence[str] = COMMAND


class RunOracle:
    """Answers by carrying runs out; a context manager that ends its workers."""

    def __init__(
        self,
        base: Scenario,
        target: Signature,
        journal: Journal,
        workers: Workers,
        watcher: Watcher,
        stop: Callable[[], bool],
    ) -> None:
        """``base`` is the scenario that candidates are put into; ``stop`` says when to raise StoppedError."""
        self._base = base
        self._target = target
        self._journal = journal
        self._workers = workers
        self._watcher = watcher
        self._stop = stop
        self._numbers = 0
        self._scenarios: dict[int, Scenario] = {}
        self._running: dict[str, tuple[int, Attempt]] = {}
        self._unwritten: dict[str, frozenset[Signature]] = {}
        self._pool = self._make_pool()
        self.carried_out = 0

    def __enter__(self) -> RunOracle:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def first_failing(self, attempts: Iterator[Attempt]) -> Answer:
        """Return the first attempt, in their order, that shows the target. Raises StoppedError."""
        waiting: deque[tuple[str, Attempt]] = deque()
        asked, more = 0, True
        while more or waiting:
            while waiting and (found := self._known(waiting[0][0])) is not None:
                asked += 1
                _, attempt = waiting.popleft()
                if self._target in found:
                    return Answer(attempt, asked)
            if self._stop():
                raise StoppedError
            more = more and self._work_ahead(attempts, waiting)
            if self._running and not (waiting and self._known(waiting[0][0]) is not None):
                self._wait()
        return Answer(None, asked)

    def confirm(self, attempt: Attempt) -> bool:
        """Carry an attempt out, known or not, and say whether it shows the target. Raises StoreError, StoppedError."""
        scenario = to_scenario(self._base, attempt.candidate, attempt.seed)
        name = sha256(scenario)
        self._give(name, scenario, attempt)
        while name in self._running:
            if self._stop():
                raise StoppedError
            self._wait()
        return self._target in (self._known(name) or ())

    def _work_ahead(self, attempts: Iterator[Attempt], waiting: deque[tuple[str, Attempt]]) -> bool:
        """Take attempts in and give them away, as far as there are workers; False if there are no more attempts."""
        while len(waiting) < self._workers.jobs * AHEAD_PER_JOB and self._pool.free:
            attempt = next(attempts, None)
            if attempt is None:
                return False
            scenario = to_scenario(self._base, attempt.candidate, attempt.seed)
            name = sha256(scenario)
            waiting.append((name, attempt))
            known = self._known(name)
            if known is not None and self._target in known:
                return True
            if known is None and name not in self._running:
                self._give(name, scenario, attempt)
        return True

    def _known(self, name: str) -> frozenset[Signature] | None:
        known = self._journal.known(name)
        return known if known is not None else self._unwritten.get(name)

    def _give(self, name: str, scenario: Scenario, attempt: Attempt) -> None:
        self._numbers += 1
        self._scenarios[self._numbers] = scenario
        self._running[name] = (self._numbers, attempt)
        self._pool.give(self._numbers)

    def _wait(self) -> None:
        for answer in self._pool.wait(POLL_S):
            name, attempt = next((n, a) for n, (number, a) in self._running.items() if number == answer.seed)
            del self._running[name], self._scenarios[answer.seed]
            self.carried_out += 1
            self._take(name, attempt, answer)
            self._watcher.tried(attempt, self.carried_out)

    def _take(self, name: str, attempt: Attempt, answer: SeedReport | Lost) -> None:
        """Take an answer in. What may come out otherwise another time (killed, hung, no disk left) is not written."""
        if isinstance(answer, Lost):
            self._unwritten[name] = frozenset()
            return
        signatures = tuple(finding.signature for finding in answer.findings)
        if answer.spent and answer.verdict is RunVerdict.HARNESS_FAILURE:
            self._unwritten[name] = frozenset(signatures)
            return
        known = self._journal.known(name)
        if known is not None and known != frozenset(signatures):
            raise StoreError(f"the journal is out of date: a run came out otherwise than written; {REMEDY}")
        self._journal.add(
            Tried(
                run=name,
                found=tuple((str(s.verdict), s.checker, s.kind) for s in signatures),
                of_pass=attempt.of_pass,
                size=size(attempt.candidate),
                seed=attempt.seed,
                fails=self._target in signatures,
            )
        )

    def _make_pool(self) -> Pool:
        workers = self._workers
        return Pool(
            workers.command,
            lambda directory: msgspec.json.encode(Job(str(directory), workers.started_at, os.getpid())),
            workers.jobs,
            workers.work,
            workers.run_limit_s,
            workers.clock,
            lambda number: msgspec.json.encode(Order(number, self._scenarios[number])) + b"\n",
            RUNS_PER_WORKER,
        )
