"""From evidence to verdict: runs the checkers over a run's folder and weighs what they say.

The order of weight is fixed. A violation outweighs everything: it is proved by operations that happened. Then what
could not be decided. Then faults that went on after their heal: the run was not the one that was asked for, and that is
the harness's failure. Only a run in which nothing is wrong, open or lingering is asked whether its faults really
happened; if not, it proves less than was asked for, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from checkers import statistics
from checkers.audit import NodeAudit
from checkers.findings import MisfitError
from checkers.history import History, HistoryError
from checkers.models import ModelError
from checkers.transactions.extra import MissingExtraError
from checkers.verdict import Anomaly as Found
from checkers.verdict import Checker, CheckResult, Limits, Verdict
from harness.blame import with_faults
from harness.exposure import Evidence, Exposure
from harness.plan import Plan
from harness.recovery import Recovery
from harness.requirements import parse_all, unmet
from harness.results import (
    Anomaly,
    CheckerResult,
    Latency,
    OperationCounts,
    RunVerdict,
    Unavailability,
)
from harness.runner import Outcome
from harness.scenario import Scenario
from harness.store import RunFolder
from harness.systems.base import LogReader, LogUnreadableError
from harness.systems.catalogue import SYSTEMS
from nemesis.faults import OF_THE_SYSTEM
from nemesis.record import FaultRecord, FaultStatus
from workloads.catalogue import WORKLOADS

LIMITS = Limits(time_s=120.0, anomalies_max=1_000)
NOTES_MAX = 100


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the evidence comes to."""

    verdict: RunVerdict
    sentence: str
    checkers: tuple[CheckerResult, ...]
    operations: OperationCounts
    latency: Latency
    unavailability: Unavailability
    coverage: tuple[Exposure, ...] = ()
    unmet: dict[str, str] = field(default_factory=dict)


def judge(
    scenario: Scenario,
    plan: Plan,
    folder: RunFolder,
    outcome: Outcome,
    seen: Sequence[CheckerResult] = (),
    rare_events: Mapping[str, int] | None = None,
) -> Judgement:
    """Check a run's history and logs, and weigh the answers, with what was ``seen`` where it took place."""
    history = folder.history()
    checkers: list[Callable[[], CheckerResult]] = [
        lambda checker=checker: _check(checker, history)  # type: ignore[misc]
        for checker in WORKLOADS[scenario.workload]().checkers()
    ]
    checkers.append(lambda: _audit(plan.nodes, folder, SYSTEMS[scenario.system].log_reader(), history, outcome))
    results = [with_faults(check(), outcome.faults) for check in checkers]
    results.append(recovery(outcome.recovery))
    results.extend(seen)
    results.extend(_unconfirmed(outcome, results))
    until = plan.time if outcome.ended_at is None else min(plan.time, outcome.ended_at)
    evidence = Evidence(outcome.faults, history.operations(), until, dict(rare_events or {}))
    missing = unmet(parse_all(scenario.required), evidence)
    verdict, sentence = weigh(results, outcome.faults, missing)
    judgement = judged(verdict, sentence, tuple(results), history, until)
    return replace(judgement, coverage=evidence.exposures(), unmet=missing)


def judged(
    verdict: RunVerdict, sentence: str, checkers: tuple[CheckerResult, ...], history: History, until: int
) -> Judgement:
    """Return a judgement with what can be measured of its history; ``until`` ns there was load."""
    summary = statistics.summarize(history)
    return Judgement(verdict, sentence, checkers, _counts(summary), _latency(summary), _unavailability(history, until))


def _unconfirmed(outcome: Outcome, results: Sequence[CheckerResult]) -> Sequence[CheckerResult]:
    """What was seen while the run went on is a proof; if no checker sees it in the end, one of them is wrong."""
    if outcome.alarm is None or any(result.verdict == Verdict.INVALID for result in results):
        return ()
    sentence = f"{outcome.alarm.told}, and no checker objects: this is a bug of the harness"
    return (CheckerResult(name="watch", verdict=Verdict.UNKNOWN, sentence=sentence),)


def weigh(
    results: Sequence[CheckerResult], faults: Sequence[FaultRecord], missing: Mapping[str, str]
) -> tuple[RunVerdict, str]:
    """Return the verdict over all checkers, faults and requirements, and the sentence that says why.

    ``missing`` are the requirements that were not met, with a sentence for each.
    """
    for verdict, run_verdict in (("invalid", RunVerdict.VIOLATION), ("unknown", RunVerdict.UNKNOWN)):
        worst = [result for result in results if result.verdict == verdict]
        if worst:
            told = [f"{result.name}: {result.sentence.rstrip('.')}" for result in worst]
            return run_verdict, "; ".join(told) + "." + beyond_model(faults) + lingering(faults)
    if still_there := lingering(faults):
        return RunVerdict.HARNESS_FAILURE, "Nothing is wrong in what happened." + still_there
    if missing:
        return RunVerdict.FAULTS_NOT_MET, "Nothing is wrong in what happened, but " + "; ".join(missing.values())
    installed = sum(record.status is FaultStatus.INSTALLED for record in faults)
    held = ", ".join(result.name for result in results)
    return RunVerdict.VALID, f"Nothing was lost and nothing was stale under {installed} faults ({held})."


def beyond_model(faults: Sequence[FaultRecord]) -> str:
    """Return what to add to what a checker objects to: the faults under which a correct node may break; else ""."""
    beyond = [record.what for record in faults if record.beyond_model and record.status is not FaultStatus.SKIPPED]
    if not beyond:
        return ""
    return f" Beyond the model: {', '.join(dict.fromkeys(beyond))}; a correct node may break here."


def lingering(faults: Sequence[FaultRecord]) -> str:
    """Return what to add to any verdict: the faults that were seen to go on after they had been healed; else ""."""
    going_on = dict.fromkeys(record.what for record in faults if record.lingers)
    if not going_on:
        return ""
    return f" Not healed: {', '.join(going_on)}; nobody knows what the nodes would have done without."


def _check(checker: Checker, history: History) -> CheckerResult:
    try:
        return flattened(checker.check(history, LIMITS))
    except (ModelError, MisfitError, HistoryError, MissingExtraError) as error:
        name = getattr(checker, "name", type(checker).__name__)
        return CheckerResult(name=name, verdict=Verdict.UNKNOWN, sentence=f"the history cannot be judged: {error}")


def _audit(
    nodes: Sequence[str], folder: RunFolder, read_log: LogReader, history: History, outcome: Outcome
) -> CheckerResult:
    """Read the nodes' logs and hold them against each other and against what was acknowledged.

    The log of a node that refused to start on it, after a fault beyond the model, may be unreadable: the others tell.
    """
    logs, unread = [], []
    for node in nodes:
        try:
            logs.append(read_log(node, folder.node(node)))
        except LogUnreadableError as error:
            if node not in outcome.recovery.excused:
                return CheckerResult(name="node-audit", verdict=Verdict.UNKNOWN, sentence=str(error))
            unread.append(node)
    changing = any(record.kind in OF_THE_SYSTEM for record in outcome.faults)
    said = flattened(NodeAudit(logs, cluster_size=len(nodes), members_change=changing).check(history, LIMITS))
    if not unread:
        return said
    sentence = f"{said.sentence.rstrip('.')} (without the damaged logs of {', '.join(unread)})."
    return msgspec.structs.replace(said, sentence=sentence)


def recovery(recovery: Recovery) -> CheckerResult:
    """Healed, a correct cluster serves again: soon, and on every node that can be asked to."""
    without = f" without {', '.join(recovery.excused)}, damaged beyond the model" if recovery.excused else ""
    if not recovery.demanded:
        sentence = f"Nothing was demanded: there is no majority{without}."
        return CheckerResult(name="recovery", verdict=Verdict.VALID, sentence=sentence)
    if recovery.after_s is None:
        sentence = f"{recovery.waited_s:.2f} s after everything was healed{without}: {'; '.join(recovery.missing)}."
        return CheckerResult(name="recovery", verdict=Verdict.INVALID, sentence=sentence)
    return CheckerResult(
        name="recovery",
        verdict=Verdict.VALID,
        sentence=f"All nodes served and had caught up {recovery.after_s:.2f} s after the last heal{without}.",
        statistics={"recovered_after_ms": round(recovery.after_s * 1_000)},
    )


def flattened(result: CheckResult) -> CheckerResult:
    """Return what a checker concluded as it is written down."""
    return CheckerResult(
        name=result.name,
        verdict=result.verdict,
        sentence=result.sentence,
        anomalies=tuple(_anomaly(anomaly) for anomaly in result.anomalies),
        statistics=dict(result.statistics),
        notes=tuple(_anomaly(note) for note in result.notes[:NOTES_MAX]),
    )


def _anomaly(found: Found) -> Anomaly:
    return Anomaly(
        kind=found.kind,
        sentence=found.sentence,
        key=str(found.key) if found.key is not None else None,
        operations=tuple(operation.invoke_index for operation in found.operations),
        window=found.window,
    )


def _counts(summary: statistics.Statistics) -> OperationCounts:
    counts = summary.counts.values()
    return OperationCounts(
        ok=sum(count.ok for count in counts), fail=sum(count.fail for count in counts), info=sum(c.info for c in counts)
    )


def _latency(summary: statistics.Statistics) -> Latency:
    measured = summary.latencies
    if measured is None:
        return Latency()
    return Latency(
        p50_ms=measured.p50_ns / 1e6,
        p95_ms=measured.p95_ns / 1e6,
        p99_ms=measured.p99_ns / 1e6,
        max_ms=measured.max_ns / 1e6,
    )


def _unavailability(history: History, until: int) -> Unavailability:
    gap = statistics.longest_unavailability(history, until_ns=until)
    if gap is None:
        return Unavailability()
    return Unavailability(longest_ms=(gap.end_ns - gap.start_ns) / 1e6, began_s=gap.start_ns / 1e9)
