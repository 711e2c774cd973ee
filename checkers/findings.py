"""What a checker gathers on its way: counts, the anomalies worth keeping, and the verdict that they add up to.

One bug may show itself a million times. All of it is counted, but sentences are only made for as many anomalies as a
result may hold, so a history in which everything is wrong costs no more than one in which nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from checkers.history import History, Operation, Outcome
from checkers.verdict import Anomaly, CheckResult, Limits, Verdict, proved_by, result


class MisfitError(ValueError):
    """An operation that a checker cannot make sense of: the wrong checker was chosen, or the history is damaged."""


class Findings:
    """The anomalies of one check, by weight: those that violate first, those that are only worth knowing after them."""

    def __init__(self, name: str, limits: Limits, counted: Iterable[str]) -> None:
        """``counted`` are the names of the statistics, all 0."""
        self.counts = dict.fromkeys(counted, 0)
        self._name = name
        self._limits = limits
        self._violations: list[Anomaly] = []
        self._notes: list[Anomaly] = []
        self._total = 0
        self.violated = 0

    def add(self, kind: str, tell: Callable[[], str], *operations: Operation | None, violates: bool = True) -> None:
        """Take an anomaly in, proved by some operations; ``tell`` makes its sentence if it is kept."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self._total += 1
        self.violated += violates
        kept = self._violations if violates else self._notes
        if len(kept) < self._limits.anomalies_max:
            kept.append(proved_by(kind, tell(), *operations))

    def result(self, sentence: str, unknown: str = "") -> CheckResult:
        """The result: ``sentence`` if nothing is wrong, ``unknown`` (if any) if nothing was found and why not."""
        anomalies = self._violations + self._notes
        verdict = Verdict.INVALID if self.violated else Verdict.UNKNOWN if unknown else Verdict.VALID
        if self.violated:
            more = f" ({self.violated} anomalies)" if self.violated > 1 else ""
            sentence = f"{self._violations[0].sentence}{more}."
        elif unknown:
            sentence = f"Unknown: {unknown}."
        return result(self._name, verdict, sentence, anomalies, self._limits, self.counts, self._total)


def by_key(history: History, *functions: str) -> dict[object, list[Operation]]:
    """The operations of these functions, whatever came of them, by key and in the order of their invocations."""
    found: dict[object, list[Operation]] = {}
    for operation in history.operations():
        if operation.f in functions:
            found.setdefault(operation.key, []).append(operation)
    return found


def end(operation: Operation) -> int:
    """The index at which an ok operation was over. Raises AssertionError for any other."""
    if operation.outcome is not Outcome.OK or operation.complete_index is None:
        raise AssertionError("only an ok operation is known to be over")
    return operation.complete_index


def whole(operation: Operation, value: object) -> int:
    """A value that must be a whole number. Raises MisfitError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise MisfitError(f"{operation.f} of event {operation.invoke_index} has {value!r} where a whole number belongs")
    return value
