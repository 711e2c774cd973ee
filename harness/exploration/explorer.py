"""The exploration itself: seeds to the pool in order, answers into the tally in order, failing runs into the store.

Answers that come before those of lower seeds wait; no seed is given away further ahead than ``AHEAD_MAX`` of the
lowest that is open, so what waits is bounded even while one seed hangs. With ``--stop-at-first`` the exploration ends
when the tally meets the first failing seed: every lower one has been taken in by then, and what higher ones came to is
dropped, so the answer is the lowest failing seed, however many workers there were.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

import harness
from harness import environment
from harness.execution import replay_command, unfinished
from harness.exploration.findings import SeedReport, harness_finding
from harness.exploration.pool import Lost, Pool
from harness.exploration.tally import Tally
from harness.exploration.worker import MODULE, Job
from harness.results import RunVerdict
from harness.scenario import Scenario, changed, dump
from harness.store import ENVIRONMENT, RESULTS, SCENARIO, RunFolder, Store, StoreError

SEED_LIMIT_S = 300.0
AHEAD_MAX = 1_000
POLL_S = 0.25
MEMORY_DISK = Path("/dev/shm")
MEMORY_DISK_PER_JOB_BYTES = 256 << 20
"""How much room a worker's runs may take before the disk of memory is not used at all."""
WORKER_STDERR = "worker.stderr"
WORK_PREFIX = ".antipaxos-explore-"
COMMAND = (sys.executable, "-P", "-m", MODULE)


@dataclass(frozen=True, slots=True)
class Pace:
    """How far an exploration is, as its answers come in (in any order)."""

    done: int
    failed: int
    total: int
    simulated_s: float
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
    scenario = changed(request.scenario, place="simulated")
    with working_directory(request.store, request.jobs) as work:
        explorer = _Explorer(replace(request, scenario=scenario), work, watcher, interrupted, clock)
        return explorer.run()


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
        self._simulated_s = 0.0
        self._environment = b""

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
        path = os.pathsep.join(
            part for part in (str(Path(harness.__file__).parents[1]), os.environ.get("PYTHONPATH")) if part
        )
        return Pool(
            request.command,
            {**os.environ, "PYTHONPATH": path},
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
        report = self._lost(answer) if isinstance(answer, Lost) else answer
        self._waiting[report.seed] = report
        self._done += 1
        self._failed += report.failed
        self._simulated_s += report.simulated_s

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
        kept = self._keep(report) if self._tally.worth_keeping(report) else None
        if kept is None and report.folder is not None:
            shutil.rmtree(report.folder, ignore_errors=True)
        replay = replay_command(self._request.scenario, report.seed, kept.path if kept else None)
        self._tally.add(report, replay, str(kept.path) if kept else "")

    def _lost(self, lost: Lost) -> SeedReport:
        """Make a harness failure of a lost seed; what there is of its run goes with it."""
        folder = next((e for e in sorted(lost.directory.iterdir()) if e.is_dir() and not e.is_symlink()), None)
        if folder is None:
            folder = lost.directory / f"s{lost.seed}"
            folder.mkdir()
        run, scenario = RunFolder(folder), changed(self._request.scenario, seed=lost.seed)
        run.write(SCENARIO, dump(scenario))
        (run / WORKER_STDERR).write_text(lost.stderr)
        result = unfinished(scenario, lost.seed, run, self._request.started_at, lost.why)
        run.write(RESULTS, msgspec.json.format(msgspec.json.encode(result)))
        return SeedReport(
            seed=lost.seed,
            verdict=RunVerdict.HARNESS_FAILURE,
            findings=(harness_finding(lost.why, lost.kind),),
            folder=str(folder),
        )

    def _keep(self, report: SeedReport) -> RunFolder | None:
        """Move a run's folder into the store, and tell its result where it is now."""
        if report.folder is None:
            return None
        source, scenario = RunFolder(Path(report.folder)), self._request.scenario
        kept = self._request.store.adopt(source.path, scenario.name, report.seed, self._request.started_at)
        if not self._environment:
            self._environment = environment.as_json(environment.look())  # once: to look takes longer than to write
        kept.write(ENVIRONMENT, self._environment)
        result = kept.results()
        if result is None:
            raise StoreError(f"{kept.path}: the run came without a result")
        result = msgspec.structs.replace(
            result, store=str(kept.path), replay=replay_command(scenario, report.seed, kept.path)
        )
        kept.write(RESULTS, msgspec.json.format(msgspec.json.encode(result)))
        return kept

    def _show(self) -> None:
        self._watcher.pace(
            Pace(self._done, self._failed, len(self._request.seeds), self._simulated_s, self._clock() - self._began)
        )


@contextmanager
def working_directory(store: Store, jobs: int) -> Iterator[Path]:
    """Give a directory for the runs: in memory if there is room, else beside the store's runs; gone afterwards."""
    parent = MEMORY_DISK if _has_room(MEMORY_DISK, jobs) else store.root
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    work = Path(tempfile.mkdtemp(prefix=f"{WORK_PREFIX}{os.getpid()}-", dir=parent))
    held = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield work
    finally:
        shutil.rmtree(work)
        os.close(held)


def _sweep(parent: Path) -> None:
    """Remove the directories of controllers that were killed: nobody has their lock, and no process their id.

    The lock alone would do but for the moment between a directory's making and its locking.
    """
    for directory in parent.glob(f"{WORK_PREFIX}*-*"):
        pid = directory.name.removeprefix(WORK_PREFIX).partition("-")[0]
        if Path("/proc", pid).exists() or directory.is_symlink():
            continue
        try:
            held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:  # another user's, or gone meanwhile
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
        except BlockingIOError:  # in use, by somebody whose processes cannot be seen from here
            continue
        finally:
            os.close(held)


def _has_room(disk: Path, jobs: int) -> bool:
    if not disk.is_dir() or not os.access(disk, os.W_OK | os.X_OK):
        return False
    return shutil.disk_usage(disk).free >= jobs * MEMORY_DISK_PER_JOB_BYTES
