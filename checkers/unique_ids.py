"""Unique ids: is every id handed out handed out once?

Jepsen's checker of that name. Only ok operations can be held against each other: one of unknown outcome may have made
an id, but nobody has it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from checkers.findings import Findings, by_key
from checkers.history import History, Operation
from checkers.sentences import name, show
from checkers.verdict import CheckResult, Limits


@dataclass(frozen=True)
class UniqueIds:
    """Checks ``generate`` operations, whose results are ids: each key hands out its own."""

    name: str = "unique-ids"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Each id that comes a second time is a violation."""
        findings = Findings(self.name, limits, ("attempted", "acknowledged", "duplicated"))
        for operations in by_key(history, "generate").values():
            findings.counts["attempted"] += len(operations)
            handed_out: dict[Hashable, Operation] = {}
            for operation in operations:
                if operation.ok and operation.result is not None:
                    findings.counts["acknowledged"] += 1
                    first = handed_out.setdefault(operation.result, operation)
                    if first is not operation:
                        _duplicated(first, operation, findings)
        handed = findings.counts["acknowledged"]
        return findings.result(f"All {handed} ids are different.", "" if handed else "no id was handed out")


def _duplicated(first: Operation, again: Operation, findings: Findings) -> None:
    findings.add(
        "duplicated",
        lambda: f"id {show(again.result)} was handed out twice: {name(first)}, and {name(again)}",
        first,
        again,
    )
