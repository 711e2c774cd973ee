"""One run from scenario to result: plan, folder, cluster, runner, judgement, report.

The one place that turns whatever happened into a ``RunResult``, so a harness failure gets a result file and a verdict
of its own, and cannot be mistaken for a violation.
"""

from __future__ import annotations

import shlex
import time
from datetime import datetime
from pathlib import Path

import msgspec

from checkers.history import HistoryError
from harness import __version__, environment
from harness.judgement import Judgement, judge
from harness.places import stage
from harness.plan import Plan, make_plan
from harness.results import (
    Latency,
    OperationCounts,
    RunResult,
    RunVerdict,
    Unavailability,
)
from harness.runner import Outcome, RunFailedError, Runner, Watcher
from harness.scenario import Scenario, changed, dump
from harness.store import ENVIRONMENT, PLAN, REPORT, RESULTS, SCENARIO, RunFolder, Store
from harness.systems.catalogue import SYSTEMS

_FLAGS = ("nodes", "time", "rate", "concurrency", "workload", "place", "mode", "bug")


def execute(
    scenario: Scenario,
    seed: int,
    store: Store,
    watcher: Watcher,
    started_at: datetime,
    spent_s: float = 0.0,
) -> RunResult:
    """Carry out one run and judge it; the result is in the run's folder too.

    ``spent_s`` is how long ago the command began. Raises KeyboardInterrupt if it was interrupted, after cleaning up.
    """
    began = time.monotonic()
    scenario = changed(scenario, seed=seed)
    plan = make_plan(scenario, seed)
    folder = store.create(scenario.name, seed, started_at)
    folder.write(SCENARIO, dump(scenario))
    folder.write(PLAN, plan.canonical())
    place = stage(scenario, seed, folder)
    runner = Runner(
        scenario,
        plan,
        folder,
        place.cluster,
        lambda cluster: SYSTEMS[scenario.system].make(scenario, cluster, seed),
        watcher,
        place.read_clock,
    )
    outcome = Outcome()
    before_run_s = time.monotonic() - began
    try:
        outcome = place.drive(runner.run())
        watcher.judging()
        judgement = judge(scenario, plan, folder, outcome)
    except (RunFailedError, HistoryError, OSError) as error:
        judgement = _failed(str(error))
        outcome = runner.outcome
    folder.write(ENVIRONMENT, msgspec.json.format(msgspec.json.encode(environment.look())))
    result = _result(scenario, plan, folder, outcome, judgement)
    first_s = outcome.first_ok_at / 1e9 if outcome.first_ok_at is not None else 0.0
    result = msgspec.structs.replace(
        result,
        started_at=started_at.isoformat(timespec="seconds"),
        trace_sha256=place.trace_sha256(),
        duration_s=round(spent_s + time.monotonic() - began, 3),
        first_operation_s=round(spent_s + before_run_s + outcome.set_up_s + first_s, 3) if first_s else 0.0,
    )
    return finish(result, folder)


def finish(result: RunResult, folder: RunFolder) -> RunResult:
    """Write the result and its report; a report that cannot be made is a note, not a failure."""
    from harness.report import write_report  # noqa: PLC0415 - charts are slow to import, and only needed now

    folder.write(RESULTS, msgspec.json.format(msgspec.json.encode(result)))
    try:
        write_report(result, folder.history(), folder / REPORT)
    except (OSError, HistoryError) as error:
        result = msgspec.structs.replace(result, notes=(*result.notes, f"no report could be written: {error}"))
        folder.write(RESULTS, msgspec.json.format(msgspec.json.encode(result)))
    return result


def replay_command(scenario: Scenario, seed: int, folder: Path | None = None) -> str:
    """Return the command that runs the same plan again: flags where they suffice, else the run's scenario file."""
    words = ["antipaxos", "run", "--seed", str(seed)]
    default = Scenario()
    for flag in _FLAGS:
        value = getattr(scenario, flag)
        if value != getattr(default, flag):
            words += [f"--{flag}", str(value)]
    if scenario.faults != default.faults:
        words += ["--faults", ",".join(scenario.faults) or "none"]
    told = (*_FLAGS, "seed", "faults", "name")
    if all(getattr(scenario, key) == getattr(default, key) for key in Scenario.__struct_fields__ if key not in told):
        return shlex.join(words)
    return shlex.join(["antipaxos", "run", str(folder / SCENARIO) if folder is not None else "SCENARIO.toml"])


def _failed(why: str) -> Judgement:
    return Judgement(RunVerdict.HARNESS_FAILURE, why, (), OperationCounts(), Latency(), Unavailability())


def _result(scenario: Scenario, plan: Plan, folder: RunFolder, outcome: Outcome, judgement: Judgement) -> RunResult:
    notes = list(outcome.notes)
    if outcome.left_out:
        notes.append(f"{outcome.left_out} operations were left out: their client was more than 1 s late")
    return RunResult(
        verdict=judgement.verdict,
        sentence=judgement.sentence,
        seed=plan.seed,
        scenario=scenario.name,
        workload=scenario.workload,
        place=scenario.place,
        nodes=plan.nodes,
        plan_sha256=plan.sha256,
        history_sha256=folder.history_sha256(),
        operations=judgement.operations,
        faults=outcome.faults,
        checkers=judgement.checkers,
        latency=judgement.latency,
        unavailability=judgement.unavailability,
        node_summaries=outcome.summaries,
        mechanisms=outcome.mechanisms,
        store=str(folder.path),
        replay=replay_command(scenario, plan.seed, folder.path),
        version=__version__,
        notes=tuple(notes),
    )
