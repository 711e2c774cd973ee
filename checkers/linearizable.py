"""Linearizability: could one copy, touched by one client at a time, have given these answers?

Objects are checked one by one (linearizability is local: Herlihy and Wing 1990; P-compositionality: Horn and
Kroening 2015), in the order in which they first appear, so that a verdict names the same key every time. The
bounds of ``Limits`` cover the whole check. A violation on one key stands even if another key's search met a
bound; a key that was not searched to the end makes the whole unknown, never valid.

Registers whose values were written once are judged by zones, in O(n log n) and all at once, with every
contradiction found; FIFO queues whose elements were put in once by what is forbidden to them (``checkers.queue``), in
O(n log n), too; all other objects by the general search, which names the first contradiction of each key.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checkers.columns import OK
from checkers.contradictions import NOTHING_DECIDED, Decided, decide
from checkers.explain import Stuck, explain
from checkers.history import History, Operation, freeze
from checkers.models import CasRegister, Model, Queue, Register
from checkers.queue import judge_by_patterns
from checkers.search import Budget, SearchOutcome
from checkers.search_keys import search_keys
from checkers.sentences import show_key
from checkers.verdict import Anomaly, CheckResult, Limits, Verdict, merge_all, result


@dataclass(frozen=True)
class Linearizable:
    """Checks a history against ``model``. Raises ModelError for an operation that the model does not know."""

    model: Model
    name: str = "linearizable"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """One anomaly for each key that is not linearizable, and as many as there are where that costs no more."""
        decided = self._by_zones(history, limits)
        partitions = self._partitions(history, decided)
        told = self._by_patterns(partitions, limits)
        budget = Budget(limits)
        searched = {key: operations for key, operations in partitions.items() if key not in told}
        outcomes = search_keys(searched, self.model, limits, budget)
        anomalies = [*decided.anomalies, *(anomaly for found in told.values() for anomaly in found.anomalies)]
        unknown: list[tuple[Hashable, str]] = []
        for key, outcome in outcomes.items():
            if outcome.verdict is Verdict.UNKNOWN:
                unknown.append((key, outcome.reason))
            elif outcome.stuck is not None:
                anomalies.append(explain(Stuck(partitions[key], outcome.stuck, outcome.states, self.model)))
        if decided.invalid:
            anomalies = _by_appearance(anomalies, history)
        verdict = merge_all([Verdict.INVALID if decided.invalid else Verdict.VALID, *_verdicts(outcomes, told)])
        searched_invalid = sum(outcome.verdict is Verdict.INVALID for outcome in outcomes.values())
        statistics = {
            "keys": decided.keys + len(partitions),
            "keys_by_zones": decided.keys,
            "keys_by_patterns": len(told),
            "keys_invalid": len(decided.invalid) + list(_verdicts(outcomes, told)).count(Verdict.INVALID),
            "keys_unknown": len(unknown),
            "operations": len(history.columns()),
            "operations_ok": history.columns().count(OK),
            "search_steps": budget.steps,
            "cache_entries_max": max((outcome.cached for outcome in outcomes.values()), default=0),
        }
        sentence = _sentence(verdict, statistics, anomalies, unknown)
        total = decided.total + sum(found.anomalies_total for found in told.values()) + searched_invalid
        return result(self.name, verdict, sentence, anomalies, limits, statistics, total)

    def _by_zones(self, history: History, limits: Limits) -> Decided:
        """Judge what zones can judge. A subclass of a register may be anything: it is searched."""
        model = self.model
        if isinstance(model, Register) and type(model) in (Register, CasRegister):
            return decide(history, model, limits.anomalies_max)
        return NOTHING_DECIDED

    def _by_patterns(
        self, partitions: Mapping[Hashable, Sequence[Operation]], limits: Limits
    ) -> dict[Hashable, CheckResult]:
        """Judge what needs no search though it has no zones."""
        if type(self.model) is not Queue or self.model.initial:
            return {}
        judged = ((key, judge_by_patterns(operations, limits)) for key, operations in partitions.items())
        return {key: found for key, found in judged if found is not None}

    def _partitions(self, history: History, decided: Decided) -> dict[Hashable, list[Operation]]:
        """Return the operations of each object that zones did not decide."""
        partitions: dict[Hashable, list[Operation]] = {}
        if decided.undecided is not None and not decided.undecided:
            return partitions
        for operation in history.operations():
            key = self.model.partition(operation)
            if decided.undecided is None or key in decided.undecided:
                partitions.setdefault(key, []).append(operation)
        return partitions


def _verdicts(outcomes: Mapping[Hashable, SearchOutcome], told: Mapping[Hashable, CheckResult]) -> Iterator[Verdict]:
    yield from (outcome.verdict for outcome in outcomes.values())
    yield from (found.verdict for found in told.values())


def _by_appearance(anomalies: Sequence[Anomaly], history: History) -> list[Anomaly]:
    """Sort by the order in which the keys first appear."""
    places = {freeze(key): code for code, key in enumerate(history.columns().keys)}
    return sorted(anomalies, key=lambda anomaly: places.get(anomaly.key, 0))


def _sentence(
    verdict: Verdict,
    statistics: Mapping[str, int],
    anomalies: Sequence[Anomaly],
    unknown: Sequence[tuple[Hashable, str]],
) -> str:
    keys, invalid = statistics["keys"], statistics["keys_invalid"]
    if verdict is Verdict.INVALID:
        more = f" ({invalid} of {keys} keys are not linearizable)" if invalid > 1 else ""
        return f"Not linearizable: {anomalies[0].sentence}{more}."
    if verdict is Verdict.UNKNOWN:
        key, reason = unknown[0]
        which = show_key(key) or "the object"
        return f"Unknown for {len(unknown)} of {keys} keys: {reason} while searching {which}."
    return f"Linearizable: all {statistics['operations']} operations on {keys} keys have an order."
