"""Linearizability: could one copy, touched by one client at a time, have given these answers?

Objects are checked one by one (linearizability is local: Herlihy and Wing 1990; P-compositionality: Horn and
Kroening 2015), in the order in which they first appear, so that a verdict names the same key every time. The
bounds of ``Limits`` cover the whole check. A violation on one key stands even if another key's search met a
bound; a key that was not searched to the end makes the whole unknown, never valid.

Registers whose values were written once are judged by zones, in O(n log n) and all at once, with every
contradiction found; all other objects by the general search, which names the first one of each key.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from checkers.contradictions import NOTHING, Decided, decide
from checkers.explain import Stuck, explain
from checkers.history import History, Operation
from checkers.models import CasRegister, Model, Register
from checkers.search import Budget
from checkers.search_keys import search_keys
from checkers.sentences import show_key
from checkers.verdict import Anomaly, CheckResult, Limits, Verdict, merge_all, result


@dataclass(frozen=True)
class Linearizable:
    """Checks a history against ``model``. Raises ModelError for an operation that the model does not know."""

    model: Model
    name: str = "linearizable"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """One anomaly for each key that is not linearizable."""
        operations = history.operations()
        partitions = self._partitions(operations)
        decided = self._by_zones(operations, limits)
        budget = Budget(limits)
        searched = {k: ops for k, ops in partitions.items() if k not in decided.keys}
        outcomes = search_keys(searched, self.model, limits, budget)
        anomalies = list(decided.anomalies)
        unknown: list[tuple[Hashable, str]] = []
        for key, outcome in outcomes.items():
            if outcome.verdict is Verdict.UNKNOWN:
                unknown.append((key, outcome.reason))
            elif outcome.stuck is not None:
                anomalies.append(explain(Stuck(partitions[key], outcome.stuck, outcome.states, self.model)))
        verdict = merge_all(outcome.verdict for outcome in outcomes.values())
        if decided.invalid:
            verdict = Verdict.INVALID
        searched_invalid = len(anomalies) - len(decided.anomalies)
        places = {key: place for place, key in enumerate(partitions)}
        anomalies.sort(key=lambda anomaly: places.get(anomaly.key, 0))
        statistics = {
            "keys": len(partitions),
            "keys_by_zones": len(decided.keys),
            "keys_invalid": len(decided.invalid) + searched_invalid,
            "keys_unknown": len(unknown),
            "operations": len(operations),
            "operations_ok": sum(op.ok for op in operations),
            "search_steps": budget.steps,
            "cache_entries_max": max((outcome.cached for outcome in outcomes.values()), default=0),
        }
        sentence = _sentence(verdict, statistics, anomalies, unknown)
        total = decided.total + searched_invalid
        return result(self.name, verdict, sentence, anomalies, limits, statistics, total)

    def _by_zones(self, operations: Sequence[Operation], limits: Limits) -> Decided:
        """Judge what zones can judge. A subclass of a register may be anything: it is searched."""
        model = self.model
        if isinstance(model, Register) and type(model) in (Register, CasRegister):
            decided = decide(operations, model, limits.anomalies_max)
            return replace(decided, keys=decided.keys - self._observed(operations, decided))
        return NOTHING

    def _observed(self, operations: Sequence[Operation], decided: Decided) -> set[Hashable]:
        """Keys about which operations that failed say something more. Zones look at what took effect alone."""
        return {op.key for op in operations if self.model.observes(op)} - decided.invalid

    def _partitions(self, operations: Sequence[Operation]) -> dict[Hashable, list[Operation]]:
        partitions: dict[Hashable, list[Operation]] = {}
        for operation in operations:
            partitions.setdefault(self.model.partition(operation), []).append(operation)
        return partitions


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
