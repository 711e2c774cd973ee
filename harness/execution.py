"""One run from scenario to result: plan, folder, cluster, runner, judgement, report.

The one place that turns whatever happened into a ``RunResult``, so a harness failure gets a result file and a verdict
of its own, and cannot be mistaken for a violation.
"""

from __future__ import annotations

import gc
import hashlib
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from checkers.history import HistoryError, Operation
from harness import __version__, environment
from harness.exposure import Evidence
from harness.judgement import Judgement, beyond_model, judge, judged
from harness.places import Stage, stage
from harness.plan import Plan, make_plan
from harness.requirements import parse_all, unmet
from harness.results import (
    Anomaly,
    CheckerResult,
    Latency,
    OperationCounts,
    RunResult,
    RunVerdict,
    Unavailability,
)
from harness.runner import Outcome, RunFailedError, Runner, Watcher
from harness.scenario import Scenario, changed, dump
from harness.simulation.invariants import InvariantError
from harness.simulation.observation import Observation
from harness.store import (
    ENVIRONMENT,
    FAULTS,
    HISTORY,
    PLAN,
    REPORT,
    RESULTS,
    SCENARIO,
    FaultLine,
    RunFolder,
    Store,
)
from harness.systems.catalogue import SYSTEMS, clock_bound
from nemesis.record import FaultRecord

COLLECT_AFTER = 50_000
"""How many more containers may have been made than freed before the youngest are looked through."""

_FLAGS = ("nodes", "time", "rate", "concurrency", "workload", "place", "mode", "bug", "intensity")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is planned and has its folder, and nothing more."""

    scenario: Scenario
    plan: Plan
    folder: RunFolder
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Carried:
    """A run that was carried out and judged; ``clock_ns`` is how long it took on its place's own clock."""

    result: RunResult
    clock_ns: int


def execute(
    scenario: Scenario,
    seed: int,
    store: Store,
    watcher: Watcher,
    started_at: datetime,
    spent_s: float = 0.0,
    trace: bool = False,
) -> RunResult:
    """Carry out one run and judge it; the result is in the run's folder too, with its environment and report.

    ``spent_s`` is how long ago the command began. A simulated run that fails is carried out once more, to have its
    trace around the failure; with ``trace``, the whole run's is taken down as it goes on. Raises KeyboardInterrupt if
    it was interrupted, after cleaning up, and NotObservableError before anything is made.
    """
    from harness.replaying import recording  # noqa: PLC0415 - it knows of this module

    began = time.monotonic()
    recording.check(scenario, trace)
    run = prepare(scenario, seed, store, started_at)
    run.folder.write(ENVIRONMENT, environment.as_json(environment.look()))
    with recording.of_whole_run(run.folder, trace) as observation:
        carried = carry_out(run, watcher, spent_s + time.monotonic() - began, observation)
    if trace:
        return finish(carried.result, run.folder)
    write_result(carried.result, run.folder)  # whatever comes of the second run, the verdict is there
    return finish(recording.of_failure(run, carried.result), run.folder)


def prepare(scenario: Scenario, seed: int, store: Store, started_at: datetime) -> Prepared:
    """Plan a run and make its folder."""
    scenario = changed(scenario, seed=seed)
    plan = make_plan(scenario, seed)
    folder = store.create(scenario.name, seed, started_at)
    folder.write(SCENARIO, dump(scenario))
    folder.write(PLAN, plan.canonical())
    return Prepared(scenario, plan, folder, started_at)


def carry_out(run: Prepared, watcher: Watcher, spent_s: float = 0.0, observation: Observation | None = None) -> Carried:
    """Carry a prepared run out and judge it, without report and environment; nothing but the evidence is written.

    Raises ``trace.Breakpoint`` if the observation broke it off.
    """
    with rare_collections():
        return _carry_out(run, watcher, spent_s, observation)


def watch(run: Prepared, watcher: Watcher, observation: Observation) -> str:
    """Carry a simulated run out only to be observed, and judge nothing; return its trace's hash.

    Raises ``trace.Breakpoint`` if the observation broke it off.
    """
    with rare_collections():
        place = stage(run.scenario, run.plan.seed, run.folder, observation)
        try:
            place.drive(_runner(run, place, watcher).run())
        except (InvariantError, RunFailedError, OSError) as error:
            if _invariant_within(error) is not None:
                _tear_down_where_it_stands(place)
        return place.trace_sha256()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cyclic garbage rarely: a run makes next to none, and a seventh of its time would go into looking."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _carry_out(run: Prepared, watcher: Watcher, spent_s: float, observation: Observation | None) -> Carried:
    began = time.monotonic()
    scenario, plan, folder = run.scenario, run.plan, run.folder
    place = stage(scenario, plan.seed, folder, observation)
    runner = _runner(run, place, watcher)
    outcome = Outcome()
    before_run_s = time.monotonic() - began
    clock_began = place.read_clock()
    try:
        outcome = place.drive(runner.run())
        watcher.judging()
        judgement = judge(scenario, plan, folder, outcome, place.seen(), _rare_events(place, outcome))
    except (InvariantError, RunFailedError, HistoryError, OSError) as error:
        outcome = runner.outcome
        broken = _invariant_within(error)
        if broken is not None:
            judgement = _broken_off(broken, run, outcome, place, place.read_clock() - clock_began)
        else:
            judgement = _failed(str(error), scenario.required)
    clock_ns = place.read_clock() - clock_began
    result = _result(scenario, plan, folder, outcome, judgement)
    first_s = outcome.first_ok_at / 1e9 if outcome.first_ok_at is not None else 0.0
    result = msgspec.structs.replace(
        result,
        notes=(*result.notes, *place.told()),
        started_at=run.started_at.isoformat(timespec="seconds"),
        trace_sha256=place.trace_sha256(),
        rare_events=_rare_events(place, outcome),
        duration_s=round(spent_s + time.monotonic() - began, 3),
        first_operation_s=round(spent_s + before_run_s + outcome.set_up_s + first_s, 3) if first_s else 0.0,
    )
    return Carried(result, clock_ns)


def _rare_events(place: Stage, outcome: Outcome) -> dict[str, int]:
    return place.met() if place.met is not None else outcome.rare_events


def _runner(run: Prepared, place: Stage, watcher: Watcher) -> Runner:
    scenario, seed = run.scenario, run.plan.seed
    return Runner(
        scenario,
        run.plan,
        run.folder,
        place.cluster,
        lambda cluster: SYSTEMS[scenario.system].make(scenario, cluster, seed),
        watcher,
        place.read_clock,
        place.gather_bytes,
        count_lives=place.met is None,
        watched=place.met is None or scenario.stop_on_violation,  # nobody looks at a simulation while it goes on
        clock_bound=clock_bound(scenario, seed),
    )


def unfinished(scenario: Scenario, seed: int, folder: RunFolder, started_at: datetime, why: str) -> RunResult:
    """Return the result of a run that ended in a way nobody can judge: a harness failure, with what there is of it."""
    plan, history = folder / PLAN, folder / HISTORY
    return RunResult(
        verdict=RunVerdict.HARNESS_FAILURE,
        sentence=why,
        seed=seed,
        scenario=scenario.name,
        workload=scenario.workload,
        place=scenario.place,
        nodes=scenario.node_names,
        plan_sha256=hashlib.sha256(plan.read_bytes()).hexdigest() if plan.exists() else "",
        history_sha256=folder.history_sha256() if history.exists() else "",
        operations=OperationCounts(),
        faults=_journalled(folder),
        checkers=(),
        latency=Latency(),
        unavailability=Unavailability(),
        started_at=started_at.isoformat(timespec="seconds"),
        store=str(folder.path),
        replay=replay_command(scenario, seed, folder.path),
        version=__version__,
    )


def finish(result: RunResult, folder: RunFolder) -> RunResult:
    """Write the result and its report; a report that cannot be made is a note, not a failure."""
    from harness.report import write_report  # noqa: PLC0415 - charts are slow to import, and only needed now

    write_result(result, folder)
    try:
        write_report(result, folder.history(), folder / REPORT)
    except (OSError, HistoryError) as error:
        result = msgspec.structs.replace(result, notes=(*result.notes, f"no report could be written: {error}"))
        write_result(result, folder)
    return result


def write_result(result: RunResult, folder: RunFolder) -> None:
    """Write the result alone."""
    folder.write(RESULTS, msgspec.json.format(msgspec.json.encode(result)))


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
    if scenario.pcap:
        words += ["--pcap"]
    if scenario.stop_on_violation:
        words += ["--stop-on-violation"]
    told = (*_FLAGS, "seed", "faults", "name", "pcap", "stop_on_violation")
    if all(getattr(scenario, key) == getattr(default, key) for key in Scenario.__struct_fields__ if key not in told):
        return shlex.join(words)
    return shlex.join(["antipaxos", "run", str(folder / SCENARIO) if folder is not None else "SCENARIO.toml"])


def _failed(why: str, required: Sequence[str]) -> Judgement:
    """Judge a run that nobody can judge: what was required is not shown to have happened either."""
    told = {text: f"{text} was required, and nobody can tell: the run failed" for text in required}
    return Judgement(RunVerdict.HARNESS_FAILURE, why, (), OperationCounts(), Latency(), Unavailability(), unmet=told)


def _invariant_within(error: BaseException) -> InvariantError | None:
    """Return the broken invariant behind a failed run: one that broke in a fault's own call comes wrapped."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, InvariantError):
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__
    return cause


def _broken_off(error: InvariantError, run: Prepared, outcome: Outcome, place: Stage, after_ns: int) -> Judgement:
    """Judge a simulation that an invariant ended: the moment is proof, and checkers have no whole history to look at.

    The runner did not come to its own end, so what it would have handed over is taken from the journals, and the
    disks are written out here. ``after_ns`` is how long after its beginning, its setting up included, it ended: what
    was in force then was not in force for longer.
    """
    _tear_down_where_it_stands(place)
    outcome.faults = _journalled(run.folder)
    told = str(error)
    said = CheckerResult(
        name="invariants", verdict="invalid", sentence=told, anomalies=(Anomaly(kind="invariant", sentence=told),)
    )
    sentence = f"invariants: {told}.{beyond_model(outcome.faults)}"
    operations: Sequence[Operation] = ()
    judgement = Judgement(RunVerdict.VIOLATION, sentence, (said,), OperationCounts(), Latency(), Unavailability())
    if (run.folder / HISTORY).stat().st_size:
        history = run.folder.history()
        operations = history.operations()
        judgement = judged(RunVerdict.VIOLATION, sentence, (said,), history, run.plan.time)
    end = min(run.plan.time, after_ns - round(outcome.set_up_s * 1e9))
    evidence = Evidence(outcome.faults, operations, end, _rare_events(place, outcome))
    missing = unmet(parse_all(run.scenario.required), evidence)
    return replace(judgement, coverage=evidence.exposures(), unmet=missing)


def _tear_down_where_it_stands(place: Stage) -> None:
    """Tear a simulation down without its loop, which is in no state to go on: nothing in it waits for anything."""
    ending = place.cluster.teardown()
    try:
        ending.send(None)
    except StopIteration:
        return
    ending.close()
    raise RunFailedError("the simulation's teardown waits for something")


def _journalled(folder: RunFolder) -> tuple[FaultRecord, ...]:
    """Return the faults as the journal last knew them."""
    path = folder / FAULTS
    if not path.exists():
        return ()
    lines = msgspec.json.Decoder(FaultLine).decode_lines(path.read_bytes().rpartition(b"\n")[0])
    records = {line.record.number: line.record for line in lines}
    return tuple(records[number] for number in sorted(records))


def _result(scenario: Scenario, plan: Plan, folder: RunFolder, outcome: Outcome, judgement: Judgement) -> RunResult:
    notes = list(outcome.notes)
    if outcome.alarm is not None:
        notes.append(outcome.alarm.told)
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
        served=outcome.served,
        coverage=judgement.coverage,
        required=scenario.required,
        unmet=judgement.unmet,
        expected=judgement.verdict is RunVerdict.VIOLATION and bool(beyond_model(outcome.faults)),
        set_up_ns=round(outcome.set_up_s * 1e9),
        store=str(folder.path),
        replay=replay_command(scenario, plan.seed, folder.path),
        version=__version__,
        notes=tuple(notes),
    )
