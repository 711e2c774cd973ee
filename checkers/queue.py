"""Queues: everything put in comes out, once, and where that is promised, in its order.

*What comes out* (Jepsen's total-queue). Elements are put in with ``enqueue`` and come out by ``dequeue``, or all that
are left by ``drain``; a dequeue that found nothing returns ok with nil, or fails. An element

- is *lost* if its enqueue was acknowledged and it never came out, though the queue was emptied afterwards;
- is *duplicated* if it came out more often than it was put in;
- is *unexpected* if it came out and nobody had put it in by then, or only an enqueue that failed;
- is *recovered* if it came out and its enqueue was of unknown outcome: no anomaly.

A dequeue of unknown outcome may have taken one element, whichever; so as many missing ones are forgiven as there are of
those. A queue that was never emptied after the last acknowledged enqueue was over loses nothing for certain: unknown.

*The order* (``fifo``). Where elements are put in once, a history is that of a FIFO queue iff, besides, none of two
patterns occurs (Henzinger, Sezgin and Vafeiadis, *Aspect-oriented linearizability proofs*, CONCUR 2013; Bouajjani,
Emmi, Enea and Hamza, *On reducing linearizability to state reachability*, ICALP 2015):

- *overtaken*: a was put in before b began to be, and yet b had come out before a began to come out, if it ever did;
- *false-empty*: a dequeue found nothing, or a drain left nothing, although at each moment of it some other element was
  certainly inside.

Unknown outcomes only take certainty away: an enqueue that nobody saw the effect of counts for nothing, and an element
that never came out may have left by any dequeue of unknown outcome. What is reported is wrong; with unknown dequeues,
not all that is wrong is reported.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from checkers.findings import Findings, MisfitError, by_key, end
from checkers.history import History, Operation, Outcome
from checkers.sentences import name, show
from checkers.verdict import CheckResult, Limits

_FUNCTIONS = ("enqueue", "dequeue", "drain")
_COUNTED = (
    "attempted",
    "acknowledged",
    "dequeued",
    "lost",
    "duplicated",
    "unexpected",
    "recovered",
    "forgiven",
    "overtaken",
    "false-empty",
)


@dataclass(frozen=True)
class Queue:
    """Checks ``enqueue``, ``dequeue`` and ``drain``, each key a queue of its own.

    ``fifo``: whether order is promised.
    """

    fifo: bool = True
    name: str = "queue"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Every anomaly is a violation."""
        findings = Findings(self.name, limits, _COUNTED)
        unknown = ""
        for operations in by_key(history, *_FUNCTIONS).values():
            queue = _Queue(operations)
            queue.count(findings)
            unknown = queue.look_at_elements(findings) or unknown
            if self.fifo and not queue.repeats:
                queue.look_for_overtaking(findings)
                queue.look_for_false_emptiness(findings)
        counts = findings.counts
        if not counts["acknowledged"]:
            unknown = unknown or "no enqueue was acknowledged, so nothing could have been lost"
        return findings.result(f"All {counts['acknowledged']} acknowledged elements came out once.", unknown)


def judge_by_patterns(operations: Sequence[Operation], limits: Limits) -> CheckResult | None:
    """Say whether one FIFO queue, empty at first, is linearizable; None where the patterns do not tell.

    They tell where no element was put in twice and every dequeue is known; of unknown ones only what is wrong.
    """
    plain = all(op.f == "dequeue" or (op.f == "enqueue" and op.argument is not None) for op in operations)
    queue = _Queue(operations) if plain else None
    if queue is None or any(len(element.possible) > 1 for element in queue.elements.values()):
        return None
    findings = Findings("queue", limits, _COUNTED)
    queue.look_at_elements(findings)
    if not queue.repeats:
        queue.look_for_overtaking(findings)
        queue.look_for_false_emptiness(findings)
    return findings.result("") if findings.violated or not queue.has_unknown else None


@dataclass
class _Element:
    """One element's ways in and out."""

    enqueues: list[Operation] = field(default_factory=list)
    exits: list[Operation] = field(default_factory=list)

    @property
    def possible(self) -> list[Operation]:
        return [op for op in self.enqueues if op.outcome is not Outcome.FAIL]

    @property
    def acknowledged(self) -> list[Operation]:
        return [op for op in self.enqueues if op.ok]

    @property
    def surely_in(self) -> float:
        """The event from which on it is inside, unless it is out: the end of its enqueue."""
        return end(self.acknowledged[0]) if self.acknowledged else inf

    @property
    def leaves(self) -> float:
        """The event before which it is certainly not out."""
        return self.exits[0].invoke_index if self.exits else inf


class _Queue:
    """The operations of one queue."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.elements: dict[Hashable, _Element] = {}
        self._operations = operations
        self._lost: set[Operation] = set()
        for op in operations:
            if op.f == "enqueue":
                self.elements.setdefault(op.argument, _Element()).enqueues.append(op)
        for op in operations:
            for value in _taken(op):
                self.elements.setdefault(value, _Element()).exits.append(op)
        self._unknown = [op for op in operations if op.f != "enqueue" and op.outcome is Outcome.INFO]
        self.repeats = any(len(e.possible) > 1 or len(e.exits) > 1 for e in self.elements.values())

    @property
    def has_unknown(self) -> bool:
        """Whether something may have been taken out unseen."""
        return bool(self._unknown)

    def count(self, findings: Findings) -> None:
        counts = findings.counts
        for element in self.elements.values():
            counts["attempted"] += len(element.enqueues)
            counts["acknowledged"] += len(element.acknowledged)
            counts["dequeued"] += len(element.exits)
            counts["recovered"] += bool(element.exits) and not element.acknowledged and bool(element.possible)

    # -- what comes out -----------------------------------------------------------------------------------------------

    def look_at_elements(self, findings: Findings) -> str:
        """Add what came out too often, or ought not to have, or did not; returns why a loss cannot be told, if so."""
        missing: list[Operation] = []
        for value, element in self.elements.items():
            possible = [op for op in element.possible if any(not out.precedes(op) for out in element.exits)]
            if element.exits and not possible:
                _unexpected(value, element, findings)
            elif len(element.exits) > len(element.possible):
                _duplicated(value, element, findings)
            missing += element.acknowledged[len(element.exits) :]
        return self._look_for_losses(sorted(missing, key=end), findings)

    def _look_for_losses(self, missing: Sequence[Operation], findings: Findings) -> str:
        if not missing:
            return ""
        emptied = max((op.invoke_index for op in self._operations if _empties(op)), default=-1)
        lost = [op for op in missing if end(op) < emptied]
        unbounded = any(op.f == "drain" for op in self._unknown)
        forgiven = len(lost) if unbounded else min(len(lost), len(self._unknown))
        findings.counts["forgiven"] += forgiven
        emptier = next((op for op in self._operations if op.invoke_index == emptied), None)
        for op in lost[forgiven:]:
            self._lost.add(op)
            _lost(op, emptier, findings)
        if len(lost) < len(missing):
            return "a queue was never emptied after its last acknowledged enqueue, so a loss could not have been seen"
        if unbounded:
            return "a drain of unknown outcome may have taken what is missing"
        return ""

    # -- the order ----------------------------------------------------------------------------------------------------

    def look_for_overtaking(self, findings: Findings) -> None:
        """Hold each element that came out against those put in before it: those out last, and those never out."""
        earlier = [element for element in self.elements.values() if element.acknowledged]
        earlier.sort(key=lambda element: element.surely_in)
        out = [element for element in earlier if element.exits]
        ends, latest = [element.surely_in for element in out], _running_latest(out)
        exited = [element for element in self.elements.values() if element.exits and element.possible]
        for element in exited:
            place = bisect_left(ends, element.possible[0].invoke_index)
            if place and latest[place - 1].leaves > end(element.exits[0]):
                _overtaken(latest[place - 1], element, findings)
        if exited and not self._unknown:  # else whatever never came out may have left unseen
            last = max(exited, key=lambda element: element.possible[0].invoke_index)
            for element in earlier:
                stays = not element.exits and element.acknowledged[0] not in self._lost
                if stays and element.surely_in < last.possible[0].invoke_index:
                    _overtaken(element, last, findings)
        for op in self._operations:
            if op.f == "drain" and op.ok:
                self._look_within(op, findings)

    def _look_within(self, drain: Operation, findings: Findings) -> None:
        """What one drain took out, it took out in the order in which it tells it."""
        latest: _Element | None = None
        for value in _taken(drain):
            element = self.elements[value]
            if not element.possible:
                continue
            if latest is not None and element.surely_in < latest.possible[0].invoke_index:
                _overtaken(element, latest, findings)
            if latest is None or element.possible[0].invoke_index > latest.possible[0].invoke_index:
                latest = element

    def look_for_false_emptiness(self, findings: Findings) -> None:
        """Hold each dequeue that found nothing against the stretches in which the queue was certainly not empty."""
        stretches = list(self._stretches())
        begins = [begin for begin, _, _ in stretches]
        for op in self._operations:
            if _empties(op):
                place = bisect_left(begins, op.invoke_index) - 1
                if place >= 0 and stretches[place][1] > end(op):
                    _false_empty(op, stretches[place][2], findings)

    def _stretches(self) -> Iterator[tuple[float, float, Operation]]:
        """From when to when some element is inside at each moment, by time; with the enqueue of one of them."""
        first_unknown = min((op.invoke_index for op in self._unknown), default=inf)
        inside = [
            (element.surely_in, min(element.leaves, first_unknown), element.acknowledged[0])
            for element in self.elements.values()
            if element.acknowledged and element.acknowledged[0] not in self._lost
        ]
        current: tuple[float, float, Operation] | None = None
        for begin, stop, op in sorted((one for one in inside if one[0] < one[1]), key=lambda one: one[:2]):
            if current is not None and begin < current[1]:
                current = (current[0], max(current[1], stop), current[2])
                continue
            if current is not None:
                yield current
            current = (begin, stop, op)
        if current is not None:
            yield current


def _taken(operation: Operation) -> Sequence[Hashable]:
    """What an ok operation took out."""
    if not operation.ok or operation.f == "enqueue":
        return ()
    if operation.f == "dequeue":
        return () if operation.result is None else (operation.result,)
    if not isinstance(operation.result, tuple):
        raise MisfitError(f"drain of event {operation.invoke_index} returned no list: {show(operation.result)}")
    return operation.result


def _empties(operation: Operation) -> bool:
    """Whether an operation shows that nothing is left inside."""
    return operation.ok and (operation.f == "drain" or (operation.f == "dequeue" and operation.result is None))


def _running_latest(elements: Sequence[_Element]) -> list[_Element]:
    """Of each beginning of the elements, the one that leaves last."""
    latest: list[_Element] = []
    for element in elements:
        latest.append(element if not latest or element.leaves > latest[-1].leaves else latest[-1])
    return latest


def _unexpected(value: Hashable, element: _Element, findings: Findings) -> None:
    out, enqueue = element.exits[0], element.enqueues[0] if element.enqueues else None

    def tell() -> str:
        if enqueue is None:
            return f"{name(out)} took out {show(value)}, which was never put in"
        why = "failed" if enqueue.outcome is Outcome.FAIL else "began only later"
        return f"{name(out)} took out {show(value)}, whose enqueue {why}: {name(enqueue)}"

    findings.add("unexpected", tell, enqueue, out)


def _duplicated(value: Hashable, element: _Element, findings: Findings) -> None:
    times, most = len(element.exits), len(element.possible)
    findings.add(
        "duplicated",
        lambda: (
            f"element {show(value)} came out {times} times, put in {most} times: {name(element.exits[0])}, and "
            f"{name(element.exits[-1])}"
        ),
        *element.enqueues[:2],
        element.exits[0],
        element.exits[-1],
    )


def _lost(enqueue: Operation, emptier: Operation | None, findings: Findings) -> None:
    shown = "" if emptier is None else f": the {name(emptier)} left nothing inside"
    findings.add(
        "lost", lambda: f"{name(enqueue)} was acknowledged, and its element never came out{shown}", enqueue, emptier
    )


def _overtaken(first: _Element, second: _Element, findings: Findings) -> None:
    put, later = first.acknowledged[0], second.possible[0]

    def tell() -> str:
        out = f"came out only later: {name(first.exits[0])}" if first.exits else "never came out"
        return (
            f"{name(later)} began after the {name(put)} was over, and its element came out first: "
            f"{name(second.exits[0])}; that of the earlier one {out}"
        )

    findings.add("overtaken", tell, put, later, second.exits[0], first.exits[0] if first.exits else None)


def _false_empty(dequeue: Operation, enqueue: Operation, findings: Findings) -> None:
    findings.add(
        "false-empty",
        lambda: (
            f"{name(dequeue)} left nothing inside, but the queue was not empty at any moment of it: {name(enqueue)} "
            "was over before, and some element was inside ever since"
        ),
        enqueue,
        dequeue,
    )
