"""Linearizability: could one copy, touched by one client at a time, have given these answers?

Objects are checked one by one (linearizability is local: Herlihy and Wing 1990; P-compositionality: Horn and
Kroening 2015), in the order in which they first appear, so that a verdict names the same key every time. The
bounds of ``Limits`` cover the whole check. A violation on one key stands even if another key's search met a
bound; a key that was not searched to the end makes the whole unknown, never valid.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from checkers.explain import Stuck, explain
from checkers.history import History, Operation
from checkers.models import Model
from checkers.search import Budget, SearchOutcome, search
from checkers.sentences import show_key
from checkers.verdict import Anomaly, CheckResult, Limits, Verdict, merge_all, result


@dataclass(frozen=True)
class Linearizable:
    """Checks a history against ``model``. Raises ModelError for an operation that the model does not know."""

    model: Model
    name: str = "linearizable"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """One anomaly for each key that is not linearizable."""
        partitions = self._partitions(history)
        budget = Budget(limits)
        outcomes = self._search_all(partitions, budget)
        anomalies: list[Anomaly] = []
        unknown: list[tuple[Hashable, str]] = []
        for key, operations in partitions.items():
            outcome = outcomes[key]
            if outcome.verdict is Verdict.UNKNOWN:
                unknown.append((key, outcome.reason))
            elif outcome.stuck is not None:
                anomalies.append(explain(Stuck(operations, outcome.stuck, outcome.states, self.model)))
        verdict = merge_all(outcome.verdict for outcome in outcomes.values())
        statistics = {
            "keys": len(partitions),
            "keys_invalid": len(anomalies),
            "keys_unknown": len(unknown),
            "operations": len(history.operations()),
            "operations_ok": sum(op.ok for op in history.operations()),
            "search_steps": budget.steps,
            "cache_entries_max": max((outcome.cached for outcome in outcomes.values()), default=0),
        }
        sentence = _sentence(verdict, partitions, anomalies, unknown)
        return result(self.name, verdict, sentence, anomalies, limits, statistics)

    def _search_all(
        self, partitions: Mapping[Hashable, Sequence[Operation]], budget: Budget
    ) -> dict[Hashable, SearchOutcome]:
        """Every key in turn, and once more those that ran out of their share of the bounds, with what is left over."""
        outcomes: dict[Hashable, SearchOutcome] = {}
        for _ in range(2):
            pending = [key for key in partitions if key not in outcomes or outcomes[key].may_try_again]
            if outcomes and budget.exhausted():
                break
            for place, key in enumerate(pending):
                budget.begin_share(len(pending) - place)
                outcomes[key] = search(partitions[key], self.model, budget)
        return outcomes

    def _partitions(self, history: History) -> dict[Hashable, list[Operation]]:
        partitions: dict[Hashable, list[Operation]] = {}
        for operation in history.operations():
            partitions.setdefault(self.model.partition(operation), []).append(operation)
        return partitions


def _sentence(
    verdict: Verdict,
    partitions: dict[Hashable, list[Operation]],
    anomalies: Sequence[Anomaly],
    unknown: Sequence[tuple[Hashable, str]],
) -> str:
    if verdict is Verdict.INVALID:
        more = f" ({len(anomalies)} of {len(partitions)} keys are not linearizable)" if len(anomalies) > 1 else ""
        return f"Not linearizable: {anomalies[0].sentence}{more}."
    if verdict is Verdict.UNKNOWN:
        key, reason = unknown[0]
        which = show_key(key) or "the object"
        return f"Unknown for {len(unknown)} of {len(partitions)} keys: {reason} while searching {which}."
    operations = sum(map(len, partitions.values()))
    return f"Linearizable: all {operations} operations on {len(partitions)} keys have an order."
