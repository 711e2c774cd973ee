"""All runs of an exploration together: counts, failures by signature, the verdict over all.

It is fed in the order of seeds and holds one line a signature and some sums, however many seeds there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from harness.exploration.findings import SeedReport, Signature
from harness.results import EXIT_CODES, EXIT_INTERRUPTED, RunVerdict

KEPT_PER_SIGNATURE = 20
"""Folders of failing runs that are kept for each signature, the lowest seeds first; all are counted, all replay."""
_WEIGHT = {RunVerdict.VIOLATION: 0, RunVerdict.HARNESS_FAILURE: 1, RunVerdict.UNKNOWN: 2}


class Group(msgspec.Struct, kw_only=True):
    """Failures of one signature; sentence, replay and folder are those of its first seed."""

    verdict: RunVerdict
    checker: str
    kind: str
    count: int
    first_seed: int
    sentence: str
    replay: str = ""
    folder: str = ""

    @property
    def signature(self) -> Signature:
        """What these failures share."""
        return Signature(self.verdict, self.checker, self.kind)


class Tally:
    """What the seeds so far came to; ``required`` is what must have happened in some seed."""

    def __init__(self, required: Sequence[str]) -> None:
        self.required = tuple(required)
        self.verdicts: Counter[RunVerdict] = Counter()
        self.operations: Counter[str] = Counter()
        self.installed: Counter[str] = Counter()
        self.counters: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        """For each rare event in how many seeds it happened."""
        self.met: Counter[str] = Counter()
        """For each requirement how many seeds met it by themselves."""
        self.seconds: Counter[str] = Counter()
        self.on_leader: Counter[str] = Counter()
        self.run_s = 0.0
        self.cpu_s = 0.0
        self._groups: dict[Signature, Group] = {}

    @property
    def done(self) -> int:
        """How many seeds were taken in."""
        return self.verdicts.total()

    @property
    def failed(self) -> int:
        """How many seeds failed."""
        return sum(self.verdicts[verdict] for verdict in _WEIGHT)

    def worth_keeping(self, report: SeedReport) -> bool:
        """Say whether a run's folder should be kept: some signature of it has few folders yet."""
        counts = [self._groups[f.signature].count if f.signature in self._groups else 0 for f in report.findings]
        return report.failed and min(counts, default=0) < KEPT_PER_SIGNATURE

    def add(self, report: SeedReport, replay: str = "", folder: str = "") -> None:
        """Take in the next seed's report; of a failure, with how to replay it and where its folder is."""
        self.verdicts[report.verdict] += 1
        counts = report.operations
        self.operations.update({"ok": counts.ok, "fail": counts.fail, "info": counts.info})
        self.installed.update(report.installed)
        self.counters.update(report.counters)
        self.reached.update(report.counters.keys())
        self.met.update(report.met)
        for kind, seconds in report.seconds.items():
            self.seconds[kind] += seconds  # type: ignore[assignment]  # a Counter sums whatever adds up
        self.on_leader.update(report.on_leader)
        self.run_s += report.run_s
        self.cpu_s += report.cpu_s
        for finding in report.findings:
            group = self._groups.get(finding.signature)
            if group is not None:
                group.count += 1
                continue
            verdict, checker, kind = finding.signature
            self._groups[finding.signature] = Group(
                verdict=verdict,
                checker=checker,
                kind=kind,
                count=1,
                first_seed=report.seed,
                sentence=finding.sentence,
                replay=replay,
                folder=folder,
            )

    def groups(self) -> list[Group]:
        """Return the failures: by weight of verdict, then the most frequent, then the first seen."""
        return sorted(
            self._groups.values(), key=lambda g: (_WEIGHT[g.verdict], -g.count, g.first_seed, g.checker, g.kind)
        )

    def rarest(self) -> list[str]:
        """Return the rare events that happened: those of the fewest seeds first."""
        return sorted(self.reached, key=lambda name: (self.reached[name], self.counters[name], name))

    def never_met(self) -> list[str]:
        """Return what is required and no seed has met."""
        return [text for text in dict.fromkeys(self.required) if not self.met[text]]

    @property
    def verdict(self) -> RunVerdict:
        """The verdict over all seeds: the heaviest of any."""
        for verdict in _WEIGHT:
            if self.verdicts[verdict]:
                return verdict
        return RunVerdict.FAULTS_NOT_MET if self.never_met() else RunVerdict.VALID

    def exit_code(self, interrupted: bool = False) -> int:
        """Return the exit status: 1 violation, 5 harness failure, 3 unknown, 4 faults not met, 0; 130 interrupted."""
        return EXIT_INTERRUPTED if interrupted else EXIT_CODES[self.verdict]
