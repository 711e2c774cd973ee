"""Counters: is each value read one that additions can have led to?

Two questions, both of them sound with operations of unknown outcome, and both in O(n log n):

- each read is within what had certainly been added when it began and what may have been added when it was over
  (Jepsen's counter checker: ``checkers.bounds``); below it *missing* additions, above it *surplus* ones;
- where nothing is ever taken away, reads do not *go back*: one that began after another was over shows no less.

With ``sums`` an addition returns the number after it, which is judged like a read in that moment; and where all
amounts are positive no two additions may return the same number (*repeated*): each has a number of its own.

The bounds are necessary and, for a single read of ones, sufficient. Several reads may each be within theirs and still
contradict each other: the linearizability checker can tell that, at another price.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkers.bounds import Bounds
from checkers.findings import Findings, by_key, whole
from checkers.growth import Step, regressions, repetitions
from checkers.history import History, Operation, Outcome
from checkers.sentences import name
from checkers.verdict import CheckResult, Limits

ADDITIONS = ("add", "increment")
_COUNTED = ("additions", "reads", "missing", "surplus", "regressed", "repeated")


@dataclass(frozen=True)
class Counter:
    """Checks ``add`` (or ``increment``) of whole numbers and ``read``, each key a counter of its own.

    ``initial``: what is read before anything was added; a read of nil is a read of that. ``sums``: whether what an
    addition returns is the number after it (nil: it was not told).
    """

    initial: int = 0
    sums: bool = False
    name: str = "counter"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Every read, and with ``sums`` every sum, that cannot be is a violation."""
        findings = Findings(self.name, limits, _COUNTED)
        for operations in by_key(history, "read", *ADDITIONS).values():
            self._check_key(operations, findings)
        counts = findings.counts
        unknown = "" if counts["reads"] else "no value was read"
        return findings.result(f"All {counts['reads']} values seen are within their bounds.", unknown)

    def _check_key(self, operations: Sequence[Operation], findings: Findings) -> None:
        additions = [(op, whole(op, op.argument)) for op in operations if op.f in ADDITIONS]
        bounds = Bounds(additions, self.initial)
        steps = list(self._steps(operations))
        findings.counts["additions"] += len(additions)
        findings.counts["reads"] += len(steps)
        for step in steps:
            _judge(step, bounds, findings)
        possible = [amount for op, amount in additions if op.outcome is not Outcome.FAIL]
        if all(amount >= 0 for amount in possible):
            for earlier, later in regressions(steps):
                _regressed(earlier, later, findings)
        if all(amount > 0 for amount in possible):
            for first, again in repetitions(steps):
                _repeated(first, again, findings)

    def _steps(self, operations: Sequence[Operation]) -> Iterator[Step]:
        for op in operations:
            if op.ok and op.f == "read":
                yield Step(op, self.initial if op.result is None else whole(op, op.result), writes=False)
            elif op.ok and self.sums and op.result is not None:
                yield Step(op, whole(op, op.result), writes=True)


def _judge(step: Step, bounds: Bounds, findings: Findings) -> None:
    own = step.operation.argument if step.writes else 0
    low, high = bounds.of(step.operation, own)
    if low <= step.version <= high:
        return
    told = f"{name(step.operation)} saw {step.version}, but "
    if step.version < low:
        findings.add("missing", lambda: f"{told}{low} had been added before it began", step.operation)
    else:
        findings.add(
            "surplus", lambda: f"{told}no more than {high} can have been added before it was over", step.operation
        )


def _regressed(earlier: Step, later: Step, findings: Findings) -> None:
    findings.add(
        "regressed",
        lambda: (
            f"the counter went back from {earlier.version} to {later.version}: {name(earlier.operation)} was over "
            f"before the {name(later.operation)} began"
        ),
        earlier.operation,
        later.operation,
    )


def _repeated(first: Step, again: Step, findings: Findings) -> None:
    findings.add(
        "repeated",
        lambda: f"two additions came to {first.version}: {name(first.operation)}, and {name(again.operation)}",
        first.operation,
        again.operation,
    )
