"""Sets by their last read alone: is what was acknowledged there, and nothing else? (Jepsen's ``set`` checker.)

It asks less than ``set_full`` and needs less: one read at the end, however large. Each element is *lost* (acknowledged
before that read began, and not in it), *unexpected* (in it, and nobody can have added it), *recovered* (in it, of an
add of unknown outcome), or in order.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from checkers.findings import Findings, MisfitError, by_key, end
from checkers.history import History, Operation, Outcome
from checkers.sentences import name, show
from checkers.verdict import CheckResult, Limits

_COUNTED = ("attempted", "acknowledged", "recovered", "lost", "unexpected", "duplicated")


@dataclass(frozen=True)
class SetAtEnd:
    """Checks ``add`` operations against the last ``read`` to begin, each key a set of its own."""

    name: str = "set"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Lost, unexpected and duplicated elements are violations."""
        findings = Findings(self.name, limits, _COUNTED)
        unread = 0
        for operations in by_key(history, "add", "read").values():
            reads = [op for op in operations if op.ok and op.f == "read" and op.result is not None]
            adds = [op for op in operations if op.f == "add"]
            findings.counts["attempted"] += len(adds)
            findings.counts["acknowledged"] += sum(add.ok for add in adds)
            unread += not reads or any(add.ok and not add.precedes(reads[-1]) for add in adds)
            if reads:
                _judge(adds, reads[-1], findings)
        kept = findings.counts["acknowledged"]
        unknown = f"{unread} sets were not read after their last acknowledged add was over" if unread else ""
        return findings.result(f"All {kept} acknowledged elements are there in the end.", unknown or _nothing(kept))


def _nothing(acknowledged: int) -> str:
    return "" if acknowledged else "no add was acknowledged, so nothing could have been lost"


def _judge(adds: Sequence[Operation], read: Operation, findings: Findings) -> None:
    if not isinstance(read.result, tuple | frozenset):
        raise MisfitError(f"read of event {read.invoke_index} returned no set: {show(read.result)}")
    seen = frozenset(read.result)
    added: dict[Hashable, list[Operation]] = {}
    for add in adds:
        added.setdefault(add.argument, []).append(add)
    for value, several in added.items():
        known = next((add for add in several if add.ok and end(add) < read.invoke_index), None)
        if known is not None and value not in seen:
            _lost(known, read, findings)
        findings.counts["recovered"] += value in seen and not any(add.ok for add in several)
    for value in read.result if isinstance(read.result, frozenset) else dict.fromkeys(read.result):
        several = added.get(value, [])
        if all(add.outcome is Outcome.FAIL or read.precedes(add) for add in several):
            _unexpected(value, several, read, findings)
    if len(seen) < len(read.result):
        _duplicated(read, findings)


def _lost(add: Operation, read: Operation, findings: Findings) -> None:
    findings.add("lost", lambda: f"{name(add)} was acknowledged and is lost: the last {name(read)} lacks it", add, read)


def _unexpected(value: Hashable, adds: Sequence[Operation], read: Operation, findings: Findings) -> None:
    add = adds[0] if adds else None
    why = "was never added" if add is None else "failed to be added, or was added only later"
    findings.add("unexpected", lambda: f"element {show(value)} {why}, but is in the last {name(read)}", add, read)


def _duplicated(read: Operation, findings: Findings) -> None:
    first: set[Hashable] = set()
    twice = next(value for value in read.result if value in first or first.add(value))  # type: ignore[func-returns-value]
    findings.add("duplicated", lambda: f"element {show(twice)} is twice in the last {name(read)}", read)
