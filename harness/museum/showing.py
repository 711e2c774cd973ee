"""One exhibit's seeds: which to run next, what they came to, and when it has been shown.

A seed is run twice, with the bug and without, and is taken in when both are there and every lower seed is. So what an
exhibit comes to depends on its scenario and the seeds alone, however many workers there were and whoever was first.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass

import msgspec

from harness.exploration.findings import Finding, SeedReport
from harness.museum.exhibits import Exhibit
from harness.museum.worker import MISDEEDS
from harness.replaying.wilson import wilson
from harness.results import RunVerdict
from harness.scenario import Scenario, changed


@dataclass(frozen=True, slots=True)
class Terms:
    """How long an exhibit is shown: at least so many seeds, then on until so many catches, at most to the limit.

    With ``invariants`` off, simulated runs go on to their end whatever breaks, and the checkers alone judge them.
    """

    seeds_max: int = 200
    seeds_min: int = 20
    catches: int = 5
    invariants: bool = True


class Moment(msgspec.Struct, frozen=True):
    """Something that was said in the run of a seed."""

    seed: int
    said: str
    sentence: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What an exhibit came to. ``caught_by`` and ``said_otherwise`` count seeds by what was said in them.

    ``seeds_needed`` is the median distance from one catch to the next, None if there was none; ``rate`` the interval
    (Wilson, 95 %) of the chance that a seed catches it. ``reached`` are the seeds in which the bug did wrong;
    ``caught_unreached`` and ``missed_unreached``: of those that caught it and of those that missed it, in how many it
    did not. ``false_alarms``: what was said of the healthy node. ``cpu_s`` is for the planted runs.
    """

    bug: str
    seeds: int
    caught: int
    rate: tuple[float, float]
    seeds_needed: float | None
    reached: int
    caught_unreached: int
    missed_unreached: int
    caught_by: dict[str, int]
    said_otherwise: dict[str, int]
    first: Moment | None
    false_alarms: tuple[Moment, ...]
    cpu_s: float
    command: str = ""

    @property
    def proven(self) -> bool:
        """True if it was caught, was reached wherever it was caught, and the healthy node was left in peace."""
        return self.caught > 0 and not self.caught_unreached and not self.false_alarms


@dataclass(frozen=True, slots=True)
class Ordered:
    """A run to be carried out."""

    exhibit: int
    seed: int
    healthy: bool
    scenario: Scenario


class Showing:
    """One exhibit while it is shown."""

    def __init__(self, number: int, exhibit: Exhibit, terms: Terms) -> None:
        self.exhibit = exhibit
        self._number = number
        self._terms = terms
        self._scenarios = {
            healthy: msgspec.structs.replace(scenario, invariants=terms.invariants)
            for healthy, scenario in ((False, exhibit.scenario), (True, exhibit.healthy))
        }
        self._ordered = 0
        self._taken = 0
        self._waiting: dict[tuple[int, bool], SeedReport] = {}
        self._catches: list[int] = []
        self._caught_by: Counter[str] = Counter()
        self._otherwise: Counter[str] = Counter()
        self._first: Moment | None = None
        self._false_alarms: list[Moment] = []
        self._reached = self._caught_unreached = self._missed_unreached = 0
        self._cpu_s = 0.0

    @property
    def done(self) -> bool:
        """True if no more seeds are needed."""
        terms = self._terms
        enough = self._taken >= terms.seeds_min and len(self._catches) >= terms.catches
        return enough or self._taken >= terms.seeds_max

    @property
    def first_catch(self) -> Scenario | None:
        """The scenario, with its seed, of the first run that caught it."""
        return changed(self._scenarios[False], seed=self._first.seed) if self._first is not None else None

    def order(self) -> tuple[Ordered, ...]:
        """Return the two runs of the next seed; nothing if it has to wait for what is under way, or all is done."""
        terms = self._terms
        ahead = max(terms.seeds_min - self._taken, 1)
        if self.done or self._ordered >= min(self._taken + ahead, terms.seeds_max):
            return ()
        seed = self._ordered
        self._ordered += 1
        return tuple(
            Ordered(self._number, seed, healthy, changed(scenario, seed=seed))
            for healthy, scenario in self._scenarios.items()
        )

    def take(self, seed: int, healthy: bool, report: SeedReport) -> None:
        """Take an answer, in any order."""
        self._waiting[seed, healthy] = report
        while not self.done and {(self._taken, False), (self._taken, True)} <= self._waiting.keys():
            self._taken += 1
            seed = self._taken - 1
            self._take_planted(seed, self._waiting.pop((seed, False)))
            self._take_healthy(seed, self._waiting.pop((seed, True)))

    def _take_planted(self, seed: int, report: SeedReport) -> None:
        self._cpu_s += report.cpu_s
        reached = report.counters.get(MISDEEDS, 0) > 0
        self._reached += reached
        catching = [f for f in report.findings if self.exhibit.catches(f, invariants=self._terms.invariants)]
        if catching:
            self._catches.append(seed)
            self._first = self._first or _moment(seed, catching[0])
            self._caught_unreached += not reached
        else:
            self._missed_unreached += not reached
        self._caught_by.update({said(finding) for finding in catching})
        self._otherwise.update({said(finding) for finding in report.findings if finding not in catching})

    def _take_healthy(self, seed: int, report: SeedReport) -> None:
        if report.verdict in (RunVerdict.VALID, RunVerdict.FAULTS_NOT_MET):
            return
        self._false_alarms += [_moment(seed, finding) for finding in report.findings]

    def shown(self, command: str = "") -> Shown:
        """Return what it came to so far; ``command`` reproduces the first catch."""
        caught = len(self._catches)
        distances = [seed - before for before, seed in zip([-1, *self._catches], self._catches, strict=False)]
        low, high = wilson(caught, self._taken)
        return Shown(
            bug=self.exhibit.name,
            seeds=self._taken,
            caught=caught,
            rate=(low, high),
            seeds_needed=statistics.median(distances) if distances else None,
            reached=self._reached,
            caught_unreached=self._caught_unreached,
            missed_unreached=self._missed_unreached,
            caught_by=dict(self._caught_by.most_common()),
            said_otherwise=dict(self._otherwise.most_common()),
            first=self._first,
            false_alarms=tuple(self._false_alarms),
            cpu_s=round(self._cpu_s, 3),
            command=command,
        )


def said(finding: Finding) -> str:
    """Return what a finding says, without what differs from run to run."""
    return f"{finding.signature.checker}: {finding.signature.kind}"


def _moment(seed: int, finding: Finding) -> Moment:
    return Moment(seed, said(finding), finding.sentence)
