"""The exploration itself: seeds to the pool in order, answers into the tally in order, failing runs into the store.

Answers that come before those of lower seeds wait; no seed is given away further ahead than ``AHEAD_MAX`` of the
lowest that is open, so what waits is bounded even while one seed hangs. With ``--stop-at-first`` the exploration ends
when the tally meets the first failing seed: every lower one has been taken in by then, and what higher ones came to is
dropped, so the answer is the lowest failing seed, however many workers there were.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from harness.execution import replay_command
from harness.exploration.findings import SeedReport
from harness.exploration.keeping import Keeper
from harness.exploration.pool import Lost, Pool
from harness.exploration.tally import Tally
from harness.exploration.worker import MODULE, Job
from harness.scenario import SIMULATED, Scenario
from harness.store import Store
from harness.workplace import working_directory

SEED_LIMIT_S = 300.0
AHEAD_MAX = 1_000
POLL_S = 0.25
COMMAND = (sys.executable, "-P", "-m", MODULE)


@dataclass(frozen=True, slots=True)
class Pace:
    """How far an exploration is, as its answers come in (in any order)."""

    done: int
    failed: int
    total: int
    run_s: float
    elapsed_s: float


class Watcher(Protocol):
    """Whoever wants to see an exploration while it goes on."""

    def pace(self, pace: Pace) -> None:
        """Called several times a second."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration came to."""

    tally: Tally
    elapsed_s: float
    interrupted: bool
    stopped_at: int | None

    @property
    def exit_code(self) -> int:
        """The exit status that says the same."""
        return self.tally.exit_code(self.interrupted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to explore, and how."""

    scenario: Scenario
    seeds: range
    jobs: int
    store: Store
    started_at: datetime
    stop_at_first: bool = False
    limit_s: float = SEED_LIMIT_S
    command: Sequence[str] = COMMAND


def explore(
    request: Request,
    watcher: Watcher,
    interrupted: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> Exploration:
    """Explore, until all seeds are done or ``interrupted`` says so. Raises OSError, StoreError."""
    with working_directory(request.store, request.jobs, real=request.scenario.place != SIMULATED) as work:
        return _Explorer(request, work, watcher, interrupted, clock).run()


class _Explorer:
    def __init__(
        self,
        request: Request,
        work: Path,
        watcher: Watcher,
        interrupted: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._request = request
        self._work = work
        self._watcher = watcher
        self._interrupted = interrupted
        self._clock = clock
        self._began = clock()
        self._tally = Tally(request.scenario.required)
        self._waiting: dict[int, SeedReport] = {}
        self._next = request.seeds.start  # the lowest seed that the tally has not taken in
        self._stopped_at: int | None = None
        self._done = self._failed = 0
        self._run_s = 0.0
        self._keeper = Keeper(request.store, request.started_at)

    def run(self) -> Exploration:
        """Explore all seeds, or as far as it goes."""
        with self._pool() as pool:
            self._feed(pool)
        unfinished_seeds = self._open
        if unfinished_seeds:
            self._take_in_what_waits()
        return Exploration(self._tally, self._clock() - self._began, unfinished_seeds, self._stopped_at)

    @property
    def _open(self) -> bool:
        return self._next < self._request.seeds.stop and self._stopped_at is None

    def _pool(self) -> Pool:
        request = self._request
        return Pool(
            request.command,
            lambda directory: msgspec.json.encode(
                Job(str(directory), request.started_at, os.getpid(), request.scenario)
            ),
            request.jobs,
            self._work,
            request.limit_s,
            self._clock,
        )

    def _feed(self, pool: Pool) -> None:
        seeds = iter(self._request.seeds)
        seed = next(seeds, None)
        while self._open and not self._interrupted():
            while seed is not None and pool.free and seed < self._next + AHEAD_MAX:
                pool.give(seed)
                seed = next(seeds, None)
            for answer in pool.wait(POLL_S):
                self._take(answer)
            self._take_in_order()
            self._show()

    def _take(self, answer: SeedReport | Lost) -> None:
        if isinstance(answer, Lost):
            answer = self._keeper.lost(answer, self._request.scenario, answer.seed)
        self._waiting[answer.seed] = answer
        self._done += 1
        self._failed += answer.failed
        self._run_s += answer.run_s

    def _take_in_order(self) -> None:
        while self._stopped_at is None and (report := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            self._take_in(report)
            if report.failed and self._request.stop_at_first:
                self._stopped_at = report.seed

    def _take_in_what_waits(self) -> None:
        """Take in what came before its turn: there will be no turn."""
        for seed in sorted(self._waiting):
            self._take_in(self._waiting.pop(seed))

    def _take_in(self, report: SeedReport) -> None:
        kept, scenario = None, self._request.scenario
        if report.folder is not None and self._tally.worth_keeping(report):
            kept = self._keeper.keep(report.folder, scenario, report.seed)
        elif report.folder is not None:
            shutil.rmtree(report.folder, ignore_errors=True)
        replay = replay_command(scenario, report.seed, kept.path if kept else None)
        self._tally.add(report, replay, str(kept.path) if kept else "")

    def _show(self) -> None:
        self._watcher.pace(
            Pace(self._done, self._failed, len(self._request.seeds), self._run_s, self._clock() - self._began)
        )
