"""The checkers of transactions: what is inferred, the cycles in it, and what they mean for the expected model."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from checkers.history import History, Operation
from checkers.transactions.consistency import ANOMALIES, MODELS, STRICT_SERIALIZABLE, SUFFIXES, ruled_out, weakest
from checkers.transactions.cycles import Budget, Found, find_cycles
from checkers.transactions.graph import RW, WR, WW
from checkers.transactions.inferred import Inferred
from checkers.transactions.lists import infer_lists
from checkers.transactions.registers import infer_registers
from checkers.transactions.stories import Story, as_anomaly, story
from checkers.verdict import Anomaly, CheckResult, Limits, Verdict, result

Infer = Callable[[Sequence[Operation]], Inferred]
_SHORT: Final = 4


def _rank(anomaly: Anomaly) -> tuple[int, bool, int]:
    """Return where an anomaly is told: what needs no order first, then short stories, then by the table."""
    order = next((len(SUFFIXES) - n for n, suffix in enumerate(SUFFIXES[::-1]) if anomaly.kind.endswith(suffix)), 0)
    return order, len(anomaly.operations) > _SHORT, ANOMALIES.index(anomaly.kind)


@dataclass(frozen=True)
class _Transactions:
    """Judges transactions by the model that they are expected to satisfy, one of ``consistency.MODELS``.

    Anomalies that this model permits are told and pass.
    """

    expected: str = STRICT_SERIALIZABLE
    name: ClassVar[str]

    def __post_init__(self) -> None:
        if self.expected not in MODELS:
            near = difflib.get_close_matches(self.expected, MODELS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(MODELS)}"
            raise ValueError(f"unknown model of consistency {self.expected!r}; {hint}")

    def _infer(self, operations: Sequence[Operation]) -> Inferred:
        raise NotImplementedError

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Raises HistoryError for an operation that is no such transaction, and MissingExtraError without SciPy."""
        budget = _budget(limits)
        inferred = self._infer(history.operations())
        if inferred.doubts:
            sentence = f"Unknown: writes must be unique, but {inferred.doubts[0]}."
            return result(self.name, Verdict.UNKNOWN, sentence, (), limits, {})
        found = find_cycles(inferred, budget)
        anomalies = [*inferred.anomalies, *(as_anomaly(story(cycle, inferred)) for cycle in found.cycles)]
        counts = Counter(anomaly.kind for anomaly in anomalies)
        anomalies.sort(key=lambda anomaly: (not self._forbids(anomaly.kind), _rank(anomaly)))
        verdict = self._verdict(inferred, found, counts)
        sentence = self._sentence(verdict, anomalies, counts, found, len(inferred.transactions))
        return result(self.name, verdict, sentence, anomalies, limits, _statistics(inferred, found, counts))

    def _forbids(self, anomaly: str) -> bool:
        return self.expected in ruled_out([anomaly])

    def _verdict(self, inferred: Inferred, found: Found, counts: Mapping[str, int]) -> Verdict:
        if any(self._forbids(anomaly) for anomaly in counts):
            return Verdict.INVALID
        in_doubt = any(self._forbids(anomaly) for anomaly in found.doubted)
        return Verdict.UNKNOWN if in_doubt or not len(inferred.edges) else Verdict.VALID

    def _sentence(
        self, verdict: Verdict, anomalies: Sequence[Anomaly], counts: Mapping[str, int], found: Found, count: int
    ) -> str:
        told = ", ".join(f"{number} {kind}" for kind, number in counts.items())
        if verdict is Verdict.INVALID:
            not_even = ", ".join(weakest(ruled_out(counts)))
            return f"{anomalies[0].sentence} ({told}; this is not {not_even})."
        if verdict is Verdict.UNKNOWN and found.doubted:
            return f"Unknown: a bound of time or steps was met while looking for {', '.join(sorted(found.doubted))}."
        if verdict is Verdict.UNKNOWN:
            return "Unknown: no transaction read or overwrote what another one wrote, so no anomaly could show itself."
        permitted = f", but other anomalies: {told}" if told else ""
        return f"Nothing in {count} transactions contradicts {self.expected}{permitted}."


@dataclass(frozen=True)
class ListAppendTransactions(_Transactions):
    """Transactions of ``append`` and ``r`` on lists."""

    name: ClassVar[str] = "list-append-transactions"

    def _infer(self, operations: Sequence[Operation]) -> Inferred:
        return infer_lists(operations)


@dataclass(frozen=True)
class RegisterTransactions(_Transactions):
    """Transactions of ``w`` and ``r`` on registers, every value written once."""

    name: ClassVar[str] = "register-transactions"

    def _infer(self, operations: Sequence[Operation]) -> Inferred:
        return infer_registers(operations)


TRANSACTION_CHECKERS: Final[Mapping[str, type[ListAppendTransactions] | type[RegisterTransactions]]] = {
    "list-append-txn": ListAppendTransactions,
    "rw-register-txn": RegisterTransactions,
}
"""The checkers under the names by which a file is checked."""


def cycles(infer: Infer, operations: Sequence[Operation], limits: Limits) -> tuple[Story, ...]:
    """Return the cycles of ``infer_lists`` or ``infer_registers`` alone, for ``drawing.drawing``."""
    inferred = infer(operations)
    if inferred.doubts:
        return ()
    return tuple(story(cycle, inferred) for cycle in find_cycles(inferred, _budget(limits)).cycles)


def _budget(limits: Limits) -> Budget:
    deadline = None if limits.time_s is None else limits.clock() + limits.time_s
    return Budget(limits.clock, deadline, limits.steps)


def _statistics(inferred: Inferred, found: Found, counts: Mapping[str, int]) -> Mapping[str, int]:
    taken = inferred.transactions
    kinds: Iterable[tuple[str, int]] = (("ww", WW), ("wr", WR), ("rw", RW))
    return {
        "transactions": len(taken),
        "acknowledged": sum(operation.ok for operation in taken.operations),
        "failed": len(taken.failed),
        **{name: int(np.count_nonzero(inferred.edges.kind == kind)) for name, kind in kinds},
        "components": found.components,
        "steps": found.steps,
        **counts,
    }
