"""A visit: exhibits to workers, two runs a seed, until each exhibit has been shown; the first catches into the store.

All exhibits are open at once and the earlier ones are served first, so no worker waits for one exhibit's last seed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from harness.exploration.explorer import SEED_LIMIT_S
from harness.exploration.findings import SeedReport
from harness.exploration.keeping import Keeper
from harness.exploration.pool import Lost, Pool
from harness.exploration.serving import Job
from harness.museum import here, worker
from harness.museum.exhibits import Exhibit
from harness.museum.showing import Ordered, Showing, Shown, Terms
from harness.results import EXIT_CODES, EXIT_INTERRUPTED, RunVerdict
from harness.scenario import SIMULATED, Scenario, dump
from harness.shrinking.worker import Order
from harness.store import Store
from harness.workplace import working_directory

POLL_S = 0.25
RUNS_PER_WORKER = 2_000
KEPT_OF_AN_EXHIBIT = 3
"""How many runs that failed with the bug are kept of an exhibit; those of the healthy node are all kept."""
MUSEUM = "museum"
"""The folder of the store that keeps a scenario of each bug's first catch."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How far a visit is."""

    shown: int
    exhibits: int
    runs: int
    elapsed_s: float


class Watcher(Protocol):
    """Whoever wants to see a visit while it goes on."""

    def pace(self, pace: Pace) -> None:
        """Called several times a second."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visit came to, in the order of the exhibits."""

    shown: tuple[Shown, ...]
    elapsed_s: float
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """0 if all were caught and reached; 1 after a false alarm; 4 if one was missed; 130 if it was interrupted."""
        if self.interrupted:
            return EXIT_INTERRUPTED
        if any(one.false_alarms for one in self.shown):
            return EXIT_CODES[RunVerdict.VIOLATION]
        missed = any(not one.proven for one in self.shown)
        return EXIT_CODES[RunVerdict.FAULTS_NOT_MET if missed else RunVerdict.VALID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to show, and where: in simulation or on real processes. ``limit_s``: of one run, on the wall clock."""

    exhibits: Sequence[Exhibit]
    terms: Terms
    jobs: int
    store: Store
    started_at: datetime
    limit_s: float = SEED_LIMIT_S
    place: str = SIMULATED


def visit(
    request: Request,
    watcher: Watcher,
    interrupted: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> Visit:
    """Show all exhibits, until all were shown or ``interrupted`` says so. Raises OSError, StoreError."""
    began = clock()
    with working_directory(request.store, request.jobs, real=request.place != SIMULATED) as work:
        hall = _Hall(request, work, clock)
        with hall.pool:
            while hall.open and not interrupted():
                hall.serve()
                watcher.pace(Pace(hall.done, len(request.exhibits), hall.runs, clock() - began))
        return Visit(hall.shown(), clock() - began, hall.open)


def _keep(store: Store, scenario: Scenario | None) -> str:
    """Write the scenario of a first catch into the store; return the command that runs it."""
    if scenario is None:
        return ""
    folder = store.root / MUSEUM
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{scenario.bug}.toml"
    path.write_text(dump(scenario))
    return shlex.join(["antipaxos", "run", str(path)])


class _Hall:
    def __init__(self, request: Request, work: Path, clock: Callable[[], float]) -> None:
        self._store = request.store
        self._keeper = Keeper(request.store, request.started_at)
        self._kept: Counter[int] = Counter()
        self._showings = [Showing(n, exhibit, request.terms) for n, exhibit in enumerate(request.exhibits)]
        self._orders: deque[Ordered] = deque()
        self._running: dict[int, Ordered] = {}
        self.runs = 0
        self.pool = Pool(
            (sys.executable, "-P", "-m", worker.MODULE if request.place == SIMULATED else here.MODULE),
            lambda directory: msgspec.json.encode(Job(str(directory), request.started_at, os.getpid())),
            request.jobs,
            work,
            request.limit_s,
            clock,
            lambda number: msgspec.json.encode(Order(number, self._running[number].scenario)) + b"\n",
            RUNS_PER_WORKER,
        )

    @property
    def open(self) -> bool:
        """True while an exhibit needs more seeds."""
        return any(not showing.done for showing in self._showings)

    @property
    def done(self) -> int:
        """How many exhibits need no more."""
        return sum(showing.done for showing in self._showings)

    def serve(self) -> None:
        """Give free workers what is next, and take in what comes."""
        while self.pool.free and (ordered := self._next()) is not None:
            self.runs += 1
            self._running[self.runs] = ordered
            self.pool.give(self.runs)
        for answer in self.pool.wait(POLL_S):
            ordered = self._running.pop(answer.seed)
            self._showings[ordered.exhibit].take(ordered.seed, ordered.healthy, self._report(ordered, answer))

    def _report(self, ordered: Ordered, answer: SeedReport | Lost) -> SeedReport:
        """Make a report of an answer; the folder of a run that failed goes into the store, or away."""
        report = self._keeper.lost(answer, ordered.scenario, ordered.seed) if isinstance(answer, Lost) else answer
        if report.folder is None:
            return report
        if ordered.healthy or self._kept[ordered.exhibit] < KEPT_OF_AN_EXHIBIT:
            self._kept[ordered.exhibit] += not ordered.healthy
            self._keeper.keep(report.folder, ordered.scenario, ordered.seed)
        else:
            shutil.rmtree(report.folder)
        return report

    def shown(self) -> tuple[Shown, ...]:
        """Return what all came to, and keep the scenarios of the first catches."""
        return tuple(showing.shown(_keep(self._store, showing.first_catch)) for showing in self._showings)

    def _next(self) -> Ordered | None:
        for showing in self._showings:
            if self._orders:
                break
            self._orders.extend(showing.order())
        return self._orders.popleft() if self._orders else None
