"""Why a history is not linearizable, in one sentence over two to four operations.

The search only knows the first operation for which no order works. A person wants to hear what is wrong with
it: a value nobody wrote, one that had been overwritten, two successes that exclude each other. Each class
below is a proof of its own, checked from the operations it names and from nothing else, so an explanation is
never a guess. When none applies (values written several times admit many stories) the kind is
"nonlinearizable", and the sentence says where the search got stuck and in which states.

Overwritten values are found by zones (Gibbons and Korach 1997; Golab, Li and Shah 2011). Let v be produced by
one operation only. Then v is current during one stretch of time, which meets every operation that wrote, read
or expected v. So v is current at some moment not after F(v), the earliest end among them, and at some not
before S(v), the latest beginning. If F(v) < S(w) then v's stretch comes before w's; if F(w) < S(v), too, that
is a contradiction, proved by the at most four operations which gave the four bounds.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from checkers.explain_appends import explain_appends
from checkers.history import Operation, Outcome
from checkers.models import KvAppend, ListAppend, Model, Register, State, Unseen
from checkers.register_stories import aborted_read, future_read, never_written, overwritten, produced, replaced_twice
from checkers.sentences import name, show, what
from checkers.verdict import Anomaly, proved_by

_VALUES_MAX: Final = 400  # values compared pairwise when the stuck operation itself shows nothing
_STATES_SHOWN: Final = 4
_CONCURRENT_SHOWN: Final = 3


@dataclass(frozen=True)
class Stuck:
    """Where a search ended: all operations of the partition, the failed ones too; the first to return that no order
    accommodates; and the states (a few) in which it had to be placed."""

    operations: Sequence[Operation]
    operation: Operation
    states: tuple[State, ...]
    model: Model


def explain(stuck: Stuck) -> Anomaly:
    """The most specific class that can be proved."""
    until = stuck.operation.complete_index or 0
    seen = [op for op in stuck.operations if op.invoke_index < until]
    explanation: Anomaly | None = None
    if isinstance(stuck.model, Register):
        explanation = _Registers(stuck, stuck.model, seen).explain()
    elif isinstance(stuck.model, ListAppend | KvAppend):
        explanation = explain_appends(stuck.operations)
    return explanation or _generic(stuck, seen)


def _generic(stuck: Stuck, seen: Sequence[Operation]) -> Anomaly:
    operation = stuck.operation
    around = [
        op
        for op in seen
        if op is not operation and op.ok and not op.precedes(operation) and not stuck.model.reads_only(op)
    ]
    before = [op for op in seen if op.precedes(operation) and op.ok and not stuck.model.reads_only(op)]
    last = max(before, key=lambda op: op.complete_index or 0, default=None)
    states = [_shown(state) for state in stuck.states[:_STATES_SHOWN]]
    failed = ", which failed," if operation.outcome is Outcome.FAIL else ""
    sentence = f"{name(operation)}{failed} fits no order: what came before leaves the state {' or '.join(states)}"
    if last is not None:
        sentence += f"; the last change acknowledged before it began is the {name(last)}"
    if around:
        shown = around[-_CONCURRENT_SHOWN:]
        sentence += f"; concurrent with it: {', '.join(what(op) for op in shown)}"
    return proved_by("nonlinearizable", sentence, operation, last, *around[-2:])


def _shown(state: State) -> str:
    if isinstance(state, Unseen):
        return state.value
    return show(tuple(sorted(state, key=repr)) if isinstance(state, frozenset) else state)


class _Zone:
    """The operations that met one value, and the two bounds they give."""

    def __init__(self, value: Hashable, initially: bool) -> None:
        self.value = value
        self.initially = initially
        self.first_end: Operation | None = None  # gives F
        self.last_beginning: Operation | None = None  # gives S

    def add(self, operation: Operation) -> None:
        if operation.ok and _end(operation) < _end(self.first_end):
            self.first_end = operation
        if self.last_beginning is None or operation.invoke_index > self.last_beginning.invoke_index:
            self.last_beginning = operation

    @property
    def begins_by(self) -> float:
        return -1 if self.initially else _end(self.first_end)

    @property
    def lasts_until(self) -> float:
        return -1 if self.last_beginning is None else self.last_beginning.invoke_index

    def contradicts(self, other: _Zone) -> bool:
        return self.begins_by < other.lasts_until and other.begins_by < self.lasts_until


def _end(operation: Operation | None) -> float:
    if operation is None or operation.complete_index is None or not operation.ok:
        return inf
    return operation.complete_index


class _Registers:
    """Registers and compare-and-swap registers."""

    def __init__(self, stuck: Stuck, model: Register, seen: Sequence[Operation]) -> None:
        self._operation = stuck.operation
        self._model = model
        self._seen = seen
        self._all = stuck.operations

    def explain(self) -> Anomaly | None:
        observed = self._observed(self._operation)
        if observed is not None:
            (value,) = observed
            found = self._unwritten(value) or self._double_cas(value) or self._replaced(value)
            if found is not None:
                return found
        return self._overwritten()

    def _observed(self, operation: Operation) -> tuple[Hashable] | None:
        """What an operation saw: the value, or None for one that saw nothing."""
        if operation.f == "read" and self._model.asserts(operation):
            return (operation.result,)
        if operation.f == "cas" and operation.ok:
            return (operation.argument[0],)
        return None

    def _producers(self, value: Hashable, operations: Sequence[Operation]) -> list[Operation]:
        return [op for op in operations if produced(op) == (value,)]

    def _unwritten(self, value: Hashable) -> Anomaly | None:
        if value == self._model.initial:
            return None
        operation = self._operation
        producers = self._producers(value, self._all)
        possible = [op for op in producers if op.outcome is not Outcome.FAIL]
        if not producers:
            return never_written(operation, value)
        if not possible:
            return aborted_read(operation, producers[0])
        if all(operation.precedes(op) for op in possible):
            return future_read(operation, possible[0], value)
        return None

    def _written_once(self, value: Hashable) -> bool:
        """Whether the value can have become current once only."""
        possible = [op for op in self._producers(value, self._all) if op.outcome is not Outcome.FAIL]
        return len(possible) + (value == self._model.initial) == 1

    def _double_cas(self, value: Hashable) -> Anomaly | None:
        operation = self._operation
        if operation.f != "cas" or operation.argument[1] == value or not self._written_once(value):
            return None
        for other in self._seen:
            rivals = other is not operation and other.ok and other.f == "cas" and other.argument[1] != value
            if rivals and other.argument[0] == value:
                return replaced_twice(other, operation, value)
        return None

    def _replaced(self, value: Hashable) -> Anomaly | None:
        """A change to another value that came after every operation that can have brought this one.

        Holds for values written several times: whichever brought ``value`` was over before the change began, or began
        after the stuck operation was over.
        """
        operation = self._operation
        possible = [op for op in self._producers(value, self._all) if op.outcome is not Outcome.FAIL]
        possible = [op for op in possible if not operation.precedes(op)]
        for change in reversed(self._seen):
            made = produced(change) if change.ok else None
            if made is None or made == (value,) or not change.precedes(operation):
                continue
            if all(op.precedes(change) for op in possible):
                last = max(possible, key=_end, default=None)
                return overwritten(last, change, change, operation, value)
        return None

    def _zones(self) -> dict[Hashable, _Zone]:
        zones: dict[Hashable, _Zone] = {}
        for op in self._seen:
            if op.outcome is Outcome.FAIL:
                continue
            for met in (self._observed(op), produced(op)):
                if met is not None:
                    value = met[0]
                    zones.setdefault(value, _Zone(value, value == self._model.initial)).add(op)
        zones.setdefault(self._model.initial, _Zone(self._model.initial, True))
        once = self._written_once_all()
        # A value that only an info operation carries may never have been current: it proves nothing.
        return {value: zone for value, zone in zones.items() if value in once and zone.begins_by < inf}

    def _written_once_all(self) -> set[Hashable]:
        counts: dict[Hashable, int] = {self._model.initial: 1}
        for op in self._all:
            made = produced(op)
            if made is not None and op.outcome is not Outcome.FAIL:
                counts[made[0]] = counts.get(made[0], 0) + 1
        return {value for value, count in counts.items() if count == 1}

    def _overwritten(self) -> Anomaly | None:
        zones = self._zones()
        met = self._observed(self._operation) or produced(self._operation)
        if met is not None and met[0] in zones:
            zone = zones[met[0]]
            rivals = [other for other in zones.values() if other is not zone and zone.contradicts(other)]
            if rivals:
                return self._stale(zone, max(rivals, key=lambda other: other.begins_by))
        if len(zones) <= _VALUES_MAX:
            for zone in zones.values():
                for other in zones.values():
                    if zone is not other and zone.contradicts(other):
                        return self._stale(zone, other)
        return None

    def _stale(self, zone: _Zone, other: _Zone) -> Anomaly:
        late, between, proof = zone.last_beginning, other.last_beginning, other.first_end
        if late is None or between is None:
            raise AssertionError("zones that contradict each other were both met")
        early = None if zone.initially else zone.first_end
        return overwritten(early, between, proof, late, zone.value)
