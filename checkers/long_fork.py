"""Long fork: do reads of the same keys agree on the order in which they were written?

Every key is written once, alone; reads ask for a group of keys in one transaction. Under snapshot isolation every read
is a prefix of one order of the writes. Under *parallel* snapshot isolation (Sovran, Power, Aguilera and Li,
*Transactional storage for geo-replicated systems*, SOSP 2011) two reads may each see a write that the other one misses:
the long fork. Jepsen's workload of that name compares all pairs of reads of a group. It is enough to sort them by how
much they see: if each sees all that its forerunner saw, then all of them are in one order, and if not, the two are a
fork. O(n log n) for groups of bounded size.

With ``linearizable`` a read must also see whatever was over before it began: *stale* if it does not.

Operations are transactions, ``[["r", key, value], …]`` or ``[["w", key, value]]``, whatever ``f`` is named (``txn``,
``read``, ``write``). A read of a value that nobody wrote is *unexpected*. Where a key was written several times nothing
can be told of that group.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from checkers.findings import Findings, MisfitError, end
from checkers.history import History, Operation, Outcome
from checkers.sentences import name, show
from checkers.verdict import CheckResult, Limits

_COUNTED = ("writes", "reads", "groups", "long-fork", "stale", "unexpected")
_READS, _WRITES = ("r", "read"), ("w", "write")
_Look = tuple[Operation, Mapping[Hashable, Hashable]]
"""A read, and the value of each of its keys."""


@dataclass(frozen=True)
class LongFork:
    """Checks transactions that write one key once, or read several."""

    linearizable: bool = False
    name: str = "long-fork"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Every fork and every unexpected value is a violation; stale reads if ``linearizable``."""
        findings = Findings(self.name, limits, _COUNTED)
        writes: dict[Hashable, list[Operation]] = {}
        groups: dict[frozenset[Hashable], list[_Look]] = {}
        for operation in history.operations():
            wrote, read = _steps(operation)
            for key, _ in wrote:
                writes.setdefault(key, []).append(operation)
                findings.counts["writes"] += 1
            if operation.ok and read:
                groups.setdefault(frozenset(read), []).append((operation, read))
        findings.counts["groups"] = len(groups)
        again = [key for key, ops in writes.items() if sum(op.outcome is not Outcome.FAIL for op in ops) > 1]
        for keys, looks in groups.items():
            findings.counts["reads"] += len(looks)
            if keys.isdisjoint(again):
                _look_for_unexpected(looks, writes, findings)
                _look_for_forks(looks, findings)
                if self.linearizable:
                    _look_for_stale(looks, writes, findings)
        return findings.result(self._sentence(findings), _unknown(findings, again))

    def _sentence(self, findings: Findings) -> str:
        return f"The reads of each of {findings.counts['groups']} groups of keys agree on one order of the writes."


def _unknown(findings: Findings, again: Sequence[Hashable]) -> str:
    if again:
        return f"key {show(again[0])} was written more than once, so reads of it tell no order"
    return "" if findings.counts["reads"] else "no group of keys was read"


def _steps(operation: Operation) -> tuple[list[tuple[Hashable, Hashable]], dict[Hashable, Hashable]]:
    """What a transaction writes, and what it reads."""
    if operation.f not in ("txn", "read", "write"):
        return [], {}
    steps = operation.result if operation.ok else operation.argument
    if not isinstance(steps, tuple) or not all(isinstance(step, tuple) and len(step) == 3 for step in steps):
        raise MisfitError(f"{operation.f} of event {operation.invoke_index} is no transaction: {show(steps)}")
    wrote = [(key, value) for f, key, value in steps if f in _WRITES]
    return wrote, {key: value for f, key, value in steps if f in _READS}


def _written(operation: Operation, key: Hashable) -> Hashable:
    return next(value for wrote, value in _steps(operation)[0] if wrote == key)


def _look_for_unexpected(
    looks: Sequence[_Look], writes: Mapping[Hashable, Sequence[Operation]], findings: Findings
) -> None:
    for read, seen in looks:
        for key, value in seen.items():
            if value is None:
                continue
            possible = [op for op in writes.get(key, ()) if op.outcome is not Outcome.FAIL and not read.precedes(op)]
            if not any(_written(op, key) == value for op in possible):
                _unexpected(read, key, value, findings)
                break


def _unexpected(read: Operation, key: Hashable, value: Hashable, findings: Findings) -> None:
    findings.add(
        "unexpected", lambda: f"{name(read)} saw {show(key)} = {show(value)}, which nobody had written by then", read
    )


def _seen_keys(look: _Look) -> frozenset[Hashable]:
    return frozenset(key for key, value in look[1].items() if value is not None)


def _look_for_forks(looks: Sequence[_Look], findings: Findings) -> None:
    """Hold each set of keys seen against the next larger one; for each pair that does not agree, one anomaly."""
    first: dict[frozenset[Hashable], Operation] = {}
    for look in looks:
        first.setdefault(_seen_keys(look), look[0])
    ordered = sorted(first, key=lambda keys: (len(keys), first[keys].invoke_index))
    for less, more in pairwise(ordered):
        if not less < more:
            _fork(
                first[less], sorted(less - more, key=repr)[0], first[more], sorted(more - less, key=repr)[0], findings
            )


def _fork(one: Operation, its: Hashable, other: Operation, others: Hashable, findings: Findings) -> None:
    findings.add(
        "long-fork",
        lambda: (
            f"two reads disagree on an order: {name(one)} saw {show(its)} but not {show(others)}, {name(other)} "
            f"saw {show(others)} but not {show(its)}"
        ),
        one,
        other,
    )


def _look_for_stale(looks: Sequence[_Look], writes: Mapping[Hashable, Sequence[Operation]], findings: Findings) -> None:
    """Hold each read against what was known of each key when it began: by its write's end, or by the first read."""
    known: dict[Hashable, Operation] = {}
    for key, operation in _evidence(looks, writes):
        if key not in known or end(operation) < end(known[key]):
            known[key] = operation
    for read, seen in looks:
        for key, value in seen.items():
            if value is None and key in known and known[key].precedes(read):
                _stale(known[key], read, key, findings)
                break


def _evidence(
    looks: Sequence[_Look], writes: Mapping[Hashable, Sequence[Operation]]
) -> Iterator[tuple[Hashable, Operation]]:
    for read, seen in looks:
        yield from ((key, read) for key, value in seen.items() if value is not None)
        yield from ((key, write) for key in seen for write in writes.get(key, ()) if write.ok)


def _stale(known: Operation, read: Operation, key: Hashable, findings: Findings) -> None:
    findings.add(
        "stale", lambda: f"{name(read)} misses {show(key)}, which was there before it began: {name(known)}", known, read
    )
