"""One reduction: from a run in the store to its smallest scenario, files included.

A run of a real place is tried in simulation first, with the same plan and a few seeds. Whether it fails there is a
question with two honest answers; "no" is not a failure of ours, and has an exit status of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from harness.exploration.findings import Finding, findings
from harness.plan import Plan
from harness.results import EXIT_INTERRUPTED, RunResult
from harness.scenario import SIMULATED, Scenario, ScenarioError, load
from harness.seeds import SeedTree
from harness.shrinking.candidate import Candidate, of_plan, sha256, size, to_scenario
from harness.shrinking.journal import JOURNAL, Journal
from harness.shrinking.oracle import COMMAND, RunOracle, Watcher, Workers
from harness.shrinking.outputs import SCENARIO_FILE, regression_name, regression_text, scenario_text, shrunk_name
from harness.shrinking.passes import START
from harness.shrinking.shrinker import RUNS_MAX, SEED_BOUND, Attempt, Count, Shrinker, Shrunk, StoppedError
from harness.shrinking.story import story
from harness.store import PLAN, SCENARIO, RunFolder, Store, StoreError
from harness.testing import simulate
from harness.workplace import working_directory

FOLDER = "shrink"
RESULT = "shrink.json"
OTHER_SEEDS = 4
"""With how many more seeds the start is tried before it is said not to reproduce."""
RUN_LIMIT_S = 300.0


class NotShrinkableError(Exception):
    """There is nothing to shrink; the message says why."""


class NotReproducedError(Exception):
    """The run's failure does not come up in simulation; the message says what did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to shrink, and how. ``limit_s`` ends it early, ``runs_max`` bounds what it asks for."""

    run: RunFolder
    store: Store
    jobs: int
    started_at: datetime
    limit_s: float | None = None
    runs_max: int = RUNS_MAX
    run_limit_s: float = RUN_LIMIT_S
    command: tuple[str, ...] = COMMAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """What a shrinking came to."""

    run: str
    place: str
    finding: Finding
    start: Candidate
    shrunk: Shrunk
    scenario: Scenario
    result: RunResult
    folder: Path
    carried_out: int
    elapsed_s: float
    interrupted: bool
    runs_max: int

    @property
    def used_up(self) -> bool:
        """True if it ended because it had asked for as many runs as it may."""
        return self.shrunk.runs >= self.runs_max

    @property
    def scenario_path(self) -> Path:
        """The scenario file."""
        return self.folder / SCENARIO_FILE

    @property
    def test_path(self) -> Path:
        """The test."""
        return self.folder / f"{regression_name(self.finding.signature)}.py"

    @property
    def exit_code(self) -> int:
        """0, whether or not it came to its end; 130 if it was interrupted."""
        return EXIT_INTERRUPTED if self.interrupted else 0


@dataclass(frozen=True, slots=True)
class _Failure:
    """A run that failed: what it was, what it did, and how it failed."""

    scenario: Scenario
    plan: Plan
    finding: Finding

    @property
    def start(self) -> Candidate:
        """What it did."""
        return of_plan(self.scenario, self.plan)


def shrink(
    request: Request,
    watcher: Watcher,
    interrupted: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> Reduction:
    """Shrink a run. Raises NotShrinkableError, NotReproducedError, StoreError, OSError, KeyboardInterrupt."""
    began = clock()
    failure = _failure(request.run)
    folder = request.run / FOLDER
    folder.mkdir(exist_ok=True)

    def over() -> bool:
        return interrupted() or (request.limit_s is not None and clock() - began >= request.limit_s)

    start, seed = failure.start, failure.plan.seed
    name = sha256(to_scenario(failure.scenario, start, seed))
    with working_directory(request.store, request.jobs) as work, Journal(folder, name) as journal:
        workers = Workers(request.jobs, work, request.started_at, request.run_limit_s, clock, request.command)
        with RunOracle(failure.scenario, failure.finding.signature, journal, workers, watcher, over) as oracle:
            try:
                seed = _reproduced(oracle, failure)
            except StoppedError:
                raise (
                    KeyboardInterrupt if interrupted() else NotReproducedError("not tried out within the limit")
                ) from None
            shrunk = Shrinker(start, seed, oracle, runs_max=request.runs_max).shrink()
            carried_out = oracle.carried_out
    scenario, result = _carried_out_again(failure, shrunk, folder)
    reduction = Reduction(
        run=request.run.name,
        place=failure.scenario.place,
        finding=_of(result, failure.finding),
        start=start,
        shrunk=shrunk,
        scenario=scenario,
        result=result,
        folder=folder,
        carried_out=carried_out,
        elapsed_s=clock() - began,
        interrupted=interrupted() and not shrunk.finished,
        runs_max=request.runs_max,
    )
    _write(reduction)
    return reduction


def _failure(run: RunFolder) -> _Failure:
    """Read a run's failure. Raises NotShrinkableError, StoreError."""
    result = run.results()
    if result is None:
        raise NotShrinkableError(f"{run.name} did not come to a result, so there is no failure to shrink")
    found = findings(result)
    if not found:
        raise NotShrinkableError(f"{run.name} is {result.verdict}: there is no failure to shrink")
    try:
        scenario = load(run / SCENARIO)
        plan = msgspec.json.decode((run / PLAN).read_bytes(), type=Plan)
        to_scenario(scenario, of_plan(scenario, plan), plan.seed)
    except ScenarioError as error:
        raise StoreError(str(error)) from error
    except (msgspec.DecodeError, OSError, KeyError) as error:
        raise StoreError(f"{run / PLAN}: {error}") from error
    return _Failure(scenario, plan, found[0])


def _reproduced(oracle: RunOracle, failure: _Failure) -> int:
    """Return the first seed with which the whole run fails in simulation. Raises NotReproducedError, StoppedError."""
    draws = SeedTree(failure.plan.seed).stream("shrink/start")
    seeds = [failure.plan.seed, *(draws.below(SEED_BOUND) for _ in range(OTHER_SEEDS))]
    start = failure.start
    for number, seed in enumerate(seeds, start=1):
        if oracle.confirm(Attempt(start, seed, START, number, "the run itself")):
            return seed
    where = "in simulation" if failure.scenario.place != SIMULATED else "any more"
    signature = failure.finding.signature
    raise NotReproducedError(
        f"with its plan and {len(seeds)} seeds it does not fail {where} for the same reason "
        f"({signature.checker}: {signature.kind})"
    )


def _carried_out_again(failure: _Failure, shrunk: Shrunk, folder: Path) -> tuple[Scenario, RunResult]:
    """Carry the result out once more, as whoever reads the scenario will. Raises StoreError if it does not fail."""
    scenario = to_scenario(failure.scenario, shrunk.candidate, shrunk.seed)
    scenario = msgspec.structs.replace(scenario, name=shrunk_name(scenario.name))
    result = simulate(scenario)
    if failure.finding.signature not in {finding.signature for finding in findings(result)}:
        raise StoreError(
            f"{folder / JOURNAL}: it is out of date: what it led to does not fail; remove it to begin anew"
        )
    return scenario, result


def _of(result: RunResult, finding: Finding) -> Finding:
    """Return the finding of the original's signature as the shrunken run tells it."""
    return next(found for found in findings(result) if found.signature == finding.signature)


def _write(reduction: Reduction) -> None:
    folder = RunFolder(reduction.folder)
    folder.write(SCENARIO_FILE, scenario_text(reduction.scenario, reduction.finding, reduction.run))
    folder.write(reduction.test_path.name, regression_text(reduction.scenario, reduction.finding, reduction.run))
    folder.write(RESULT, msgspec.json.format(msgspec.json.encode(as_data(reduction))))


def amounts(candidate: Candidate) -> dict[str, int]:
    """Return how much there is of everything."""
    return {
        "size": size(candidate),
        "faults": len(candidate.faults),
        "operations": len(candidate.operations),
        "nodes": candidate.nodes,
        "clients": candidate.clients,
        "keys": len(candidate.keys),
        "time_ms": candidate.time,
    }


def as_data(reduction: Reduction) -> dict[str, Any]:
    """Return a shrinking for ``--json``. Everything but ``measured`` depends on the run alone, if it is finished."""
    shrunk = reduction.shrunk
    return {
        "run": reduction.run,
        "finished": shrunk.finished,
        "interrupted": reduction.interrupted,
        "signature": list(reduction.finding.signature),
        "sentence": reduction.finding.sentence,
        "seed": shrunk.seed,
        "from": amounts(reduction.start),
        "to": amounts(shrunk.candidate),
        "passes": {name: _counted(count) for name, count in shrunk.counts.items()},
        "runs": shrunk.runs,
        "story": story(shrunk.candidate, reduction.result.faults),
        "scenario": str(reduction.scenario_path),
        "test": str(reduction.test_path),
        "replay": f"antipaxos run {reduction.scenario_path}",
        "measured": {"elapsed_s": round(reduction.elapsed_s, 3), "carried_out": reduction.carried_out},
    }


def _counted(count: Count) -> dict[str, int]:
    return {"tried": count.tried, "accepted": count.accepted, "runs": count.runs}
