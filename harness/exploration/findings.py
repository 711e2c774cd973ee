"""What one explored run came to, as little as it takes; and what makes two failures the same failure.

A signature is the verdict, the checker and the kind of anomaly. Where a checker names no kind (an invariant, a
recovery that did not come, an exception) the kind is its sentence with everything taken out that differs from run to
run: times, numbers, nodes and digests. Failures of runs that had faults beyond the model are marked, and are signatures
of their own: a correct node may show them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from harness.judgement import beyond_model
from harness.results import OperationCounts, RunResult, RunVerdict
from nemesis.record import FaultStatus

KIND_CHARACTERS_MAX = 120
SENTENCE_CHARACTERS_MAX = 600
FAILURES = (RunVerdict.VIOLATION, RunVerdict.HARNESS_FAILURE, RunVerdict.UNKNOWN)
"""Verdicts of a single run that are findings. Faults that one seed did not meet are only counted."""
HARNESS, INVARIANTS = "harness", "invariants"
BEYOND = " (beyond the model)"

_TIME = re.compile(r"^at [\d.]+ s \(event \d+\): ")
_DIFFERING = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b|\d+(?:\.\d+)*")
_WORST = {RunVerdict.VIOLATION: "invalid", RunVerdict.UNKNOWN: "unknown"}


class Signature(NamedTuple):
    """What two failures share that are the same; sorts by weight of verdict only in the tally."""

    verdict: RunVerdict
    checker: str
    kind: str


class Finding(msgspec.Struct, frozen=True):
    """One way in which one run failed."""

    signature: Signature
    sentence: str


class SeedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one seed came to. ``folder`` is where its run's folder lies if it is worth keeping, ``cpu_s`` the cost.

    ``met`` are the requirements that it met by itself, ``seconds`` and ``on_leader`` are of its faults that happened.
    ``spent`` is set if the process that carried it out should carry out nothing more.
    """

    seed: int
    verdict: RunVerdict
    findings: tuple[Finding, ...] = ()
    operations: OperationCounts = OperationCounts()
    installed: dict[str, int] = {}
    counters: dict[str, int] = {}
    met: tuple[str, ...] = ()
    seconds: dict[str, float] = {}
    on_leader: dict[str, int] = {}
    run_s: float = 0.0
    cpu_s: float = 0.0
    folder: str | None = None
    spent: bool = False

    @property
    def failed(self) -> bool:
        """True if this seed is a finding."""
        return self.verdict in FAILURES


def generic(sentence: str) -> str:
    """Return a sentence without what differs from run to run."""
    return _DIFFERING.sub("#", _TIME.sub("", sentence))[:KIND_CHARACTERS_MAX]


def harness_finding(why: str, kind: str | None = None) -> Finding:
    """Return the finding for a run that the harness could not bring to a verdict."""
    signature = Signature(RunVerdict.HARNESS_FAILURE, HARNESS, kind if kind is not None else generic(why))
    return Finding(signature, why[:SENTENCE_CHARACTERS_MAX])


def findings(result: RunResult) -> tuple[Finding, ...]:
    """Return a run's findings, one for each signature it shows."""
    if result.verdict is RunVerdict.HARNESS_FAILURE:
        return (harness_finding(result.sentence),)
    if result.verdict not in _WORST:
        return ()
    found: dict[Signature, Finding] = {}
    for finding in _objections(result):
        found.setdefault(finding.signature, finding)
    return tuple(found.values())


def report(result: RunResult, run_s: float, cpu_s: float, folder: str | None) -> SeedReport:
    """Return what is kept of a finished run."""
    installed = Counter(record.kind for record in result.faults if record.status is FaultStatus.INSTALLED)
    return SeedReport(
        seed=result.seed,
        verdict=result.verdict,
        findings=findings(result),
        operations=result.operations,
        installed=dict(installed),
        counters=result.rare_events,
        met=tuple(text for text in result.required if text not in result.unmet),
        seconds={exposure.kind: exposure.seconds for exposure in result.coverage if exposure.installed},
        on_leader={exposure.kind: exposure.leader for exposure in result.coverage if exposure.leader},
        run_s=run_s,
        cpu_s=cpu_s,
        folder=folder,
    )


def _objections(result: RunResult) -> Iterator[Finding]:
    beyond = BEYOND if beyond_model(result.faults) else ""
    for checker in result.checkers:
        if checker.verdict != _WORST[result.verdict]:
            continue
        if checker.anomalies and checker.name != INVARIANTS:
            for anomaly in checker.anomalies:
                yield _finding(result.verdict, checker.name, anomaly.kind + beyond, anomaly.sentence)
        else:
            yield _finding(result.verdict, checker.name, generic(checker.sentence) + beyond, checker.sentence)


def _finding(verdict: RunVerdict, checker: str, kind: str, sentence: str) -> Finding:
    return Finding(Signature(verdict, checker, kind), sentence[:SENTENCE_CHARACTERS_MAX])
