"""A cycle in words, as Elle tells it: who the transactions are, why each is before the next, and where that ends.

Let T1 = [append x 1, r y []] and T2 = .... Then T1 < T2, because T2 observed T1's append of 1 to key x. However
T2 < T1, because ...: a contradiction.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from checkers.history import Operation
from checkers.sentences import began, ended, show, transaction
from checkers.transactions.cycles import Cycle, Step
from checkers.transactions.graph import PROCESS, REALTIME, RW, WR, WW
from checkers.transactions.inferred import Inferred
from checkers.transactions.transactions import APPENDS, WRITES, steps
from checkers.verdict import Anomaly

TOLD_MAX: Final = 6
"""So many transactions of a cycle are told; a longer one is shortened in the middle."""
_KIND_NAMES: Final = {WW: "ww", WR: "wr", RW: "rw", PROCESS: "process", REALTIME: "realtime"}
_ASSUMED: Final = ("", ", by the order of its process", ", by real time")


@dataclass(frozen=True)
class Relation:
    """One transaction before another (their places in the story), and why. ``kind`` is "ww", "wr", "rw", ...."""

    before: int
    after: int
    kind: str
    because: str


@dataclass(frozen=True)
class Story:
    """A cycle with everything that is told of it. T1 is the first of ``operations``."""

    name: str
    operations: tuple[Operation, ...]
    relations: tuple[Relation, ...]
    keys: tuple[Hashable, ...]


def story(cycle: Cycle, inferred: Inferred) -> Story:
    """Return what there is to tell of a cycle."""
    places = {node: place for place, node in enumerate(cycle.nodes)}
    operations = tuple(inferred.transactions.operations[node] for node in cycle.nodes)
    relations = tuple(
        Relation(
            places[step.source],
            places[step.target],
            _KIND_NAMES[step.kind],
            _because(step, f"T{places[step.source] + 1}", f"T{places[step.target] + 1}", inferred),
        )
        for step in cycle.steps
    )
    codes = [code for step in cycle.steps for code in (step.left, step.right) if code >= 0]
    return Story(
        cycle.name, operations, relations, tuple(dict.fromkeys(inferred.versions.keys[code] for code in codes))
    )


def as_anomaly(told: Story) -> Anomaly:
    """Return the anomaly: of a long cycle the operations that the sentence names."""
    key = told.keys[0] if len(told.keys) == 1 else None
    operations = [told.operations[place] for place in _named(told)]
    return Anomaly(told.name, sentence(told), key, tuple(sorted(operations, key=lambda one: one.invoke_index)))


def sentence(told: Story) -> str:
    """Return the contradiction in words."""
    places = _named(told)
    names = [f"T{place + 1} = {transaction_text(told.operations[place])}" for place in places]
    left_out = len(told.operations) - len(places)
    shown = [relation for relation in told.relations if relation.before in places and relation.after in places]
    *first, last = shown
    reasons = [f"T{one.before + 1} < T{one.after + 1}, because {one.because}" for one in first]
    if left_out:
        reasons.append(f"so on over {left_out} more up to T{last.before + 1}")
    return (
        f"{told.name}: let {_listed(names)}. Then {_listed(reasons)}. However T{last.before + 1} < T{last.after + 1}, "
        f"because {last.because}: a contradiction"
    )


def _named(told: Story) -> list[int]:
    """Return the places of the transactions that are named: all of a short cycle, the first and the last of a long."""
    count = len(told.operations)
    return list(range(count)) if count <= TOLD_MAX else [*range(TOLD_MAX - 1), count - 1]


def _listed(parts: list[str]) -> str:
    return ", and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def transaction_text(operation: Operation) -> str:
    """Return a transaction as its steps, with who ran it."""
    return f"{transaction(operation)} (process {operation.process})"


def _plain(key: Hashable) -> str:
    return str(key) if isinstance(key, str) else show(key)


def _because(step: Step, before: str, after: str, inferred: Inferred) -> str:
    operations = inferred.transactions.operations
    first, second = operations[step.source], operations[step.target]
    if step.kind == PROCESS:
        return f"process {first.process} ran {before} before {after}"
    if step.kind == REALTIME:
        return f"{before} was over at {ended(first)}, before {after} began at {began(second)}"
    versions = inferred.versions
    right = show(versions.values[step.right])
    key = f"key {_plain(versions.keys[step.right])}"
    left = show(versions.values[step.left]) if step.left >= 0 else "nil"
    if _appends(second if step.kind != WR else first, versions.keys[step.right]):
        if step.kind == WR:
            return f"{after} observed {before}'s append of {right} to {key}"
        if step.kind == WW:
            return f"{after} appended {right} to {key} after {before} had appended {left}"
        if step.left < 0:
            return f"{before} observed {key} before anything was appended to it, and {after} appended {right}"
        return f"{before} did not observe {after}'s append of {right} to {key} (the last that it saw is {left})"
    if step.kind == WR:
        return f"{after} observed {before}'s write of {right} to {key}"
    if step.kind == WW:
        return f"{after} replaced {before}'s {left} in {key} by {right}"
    return f"{before} observed {key} = {left}, which {after}'s write of {right} came after{_ASSUMED[step.level]}"


def _appends(operation: Operation, key: Hashable) -> bool:
    return any(f in APPENDS and of == key for f, of, _ in steps(operation)) and not any(
        f in WRITES for f, _, _ in steps(operation)
    )
