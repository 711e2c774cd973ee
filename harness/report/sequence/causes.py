"""Which lines of a trace belong to the operations that a verdict is about.

The history and the trace know nothing of each other, but they name the same things: a command's session and sequence
are the history's ``ref``, and in virtual time a reply reaches its client at the very ns at which the history has the
operation's end. From the request on, slots and numbers of reads lead to everything that carried it. What cannot be told
apart is left alone: a wrong arrow in red would be worse than a missing one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from checkers.history import Operation, Outcome, freeze
from harness.report.sequence.messages import field, refs_of, slots_of
from harness.simulation.tape import TraceLine

SLOTS_MAX = 64
"""An anomaly's operations are in a few slots; more are not followed."""
_SLOT = re.compile(r"\bslot (\d{1,18})\b")
_TIME = re.compile(r"^at (\d{1,12})\.(\d{6}) s \(event \d+\): (n\d+) ")


@dataclass(frozen=True, slots=True)
class Asked:
    """A client's request as a node got it, and the reply as the client got it: places in the trace."""

    request: int
    reply: int | None


@dataclass(frozen=True)
class Cause:
    """What an anomaly is about: places of lines, and its operations; ``unmatched`` of them have no request here."""

    places: frozenset[int]
    operations: tuple[Operation, ...]
    unmatched: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class BrokenAt:
    """Where an invariant broke, as its sentence has it."""

    at: int
    node: str


def broken_at(sentence: str) -> BrokenAt | None:
    """Read the sentence of a broken invariant."""
    found = _TIME.match(sentence)
    return BrokenAt(int(found[1]) * 10**9 + int(found[2]) * 1_000, found[3]) if found else None


class Causes:
    """A trace in which what belongs to an operation can be looked up."""

    def __init__(self, lines: Sequence[TraceLine], operations: Iterable[Operation], zero: int) -> None:
        self._lines = lines
        self._zero = zero
        self._sends: defaultdict[str, list[int]] = defaultdict(list)
        self._by_ref: defaultdict[str, list[Asked]] = defaultdict(list)
        self._by_key: defaultdict[str, list[Asked]] = defaultdict(list)
        self._slots_by_ref: defaultdict[str, set[int]] = defaultdict(set)
        self._refs_by_slot: defaultdict[int, set[str]] = defaultdict(set)
        self._by_slot: defaultdict[int, list[int]] = defaultdict(list)
        self._syncs: defaultdict[str, list[int]] = defaultdict(list)
        self._durables: dict[tuple[str, int], int] = {}
        self._by_name = {operation.ref: operation for operation in operations if operation.ref}
        self._read()
        self._ask()

    def _read(self) -> None:
        for place, line in enumerate(self._lines):
            if line.kind == "send":
                if line.what.startswith("read-index"):
                    self._sends[line.what].append(place)
                for slot in slots_of(line):
                    self._by_slot[slot].append(place)
                    for ref in refs_of(line):
                        self._slots_by_ref[ref].add(slot)
                        self._refs_by_slot[slot].add(ref)
            elif line.kind == "durable":
                self._durables[line.node, line.event] = place
            elif line.kind == "disk" and line.what == "sync":
                self._syncs[line.node].append(place)

    def _ask(self) -> None:
        """Pair requests with replies: on a connection, one is answered before the next is sent."""
        open_requests: dict[tuple[str, str], int] = {}
        for place, line in enumerate(self._lines):
            connection = (line.node, line.peer)
            if line.kind == "request":
                self._asked(open_requests.pop(connection, None), None)
                open_requests[connection] = place
            elif line.kind == "reply":
                self._asked(open_requests.pop(connection, None), place)
        for request in open_requests.values():
            self._asked(request, None)

    def _asked(self, request: int | None, reply: int | None) -> None:
        if request is None:
            return
        line, asked = self._lines[request], Asked(request, reply)
        if line.what == "command":
            self._by_ref[_ref(line.body)].append(asked)
        if line.what in {"command", "query"}:
            self._by_key[str(field(field(line.body, "operation"), "key"))].append(asked)

    # -- anomalies ----------------------------------------------------------------------------------------------------

    def of(self, operations: Sequence[Operation], sentence: str) -> Cause:
        """Everything that belongs to an anomaly's operations and, if it is a broken invariant, to what it names."""
        places: set[int] = set()
        broken = broken_at(sentence)
        slots = {int(slot) for slot in _SLOT.findall(sentence)} & set(self._by_slot) if broken else set()
        refs = {ref for slot in slots for ref in self._refs_by_slot[slot]}
        operations = [*operations, *(self._by_name[ref] for ref in sorted(refs) if ref in self._by_name)]
        unmatched = []
        for operation in operations:
            asked = self.asked(operation)
            if not asked:
                unmatched.append(operation)
            for one in asked:
                places |= {one.request} if one.reply is None else {one.request, one.reply}
                places |= self._of_read(one)
                refs.add(_ref(self._lines[one.request].body))
        slots |= {slot for ref in refs for slot in self._slots_by_ref.get(ref, ())}
        for slot in sorted(slots)[:SLOTS_MAX]:
            places.update(self._by_slot[slot])
        places |= self._durables_of(places)
        places |= self._syncs_of(places)
        places |= self._ends_of(broken, places)
        return Cause(frozenset(places), tuple(operations), tuple(unmatched))

    def asked(self, operation: Operation) -> tuple[Asked, ...]:
        """The requests of an operation: those of its name, or else of its key, its values and its time."""
        if operation.ref and operation.ref in self._by_ref:
            return tuple(self._by_ref[operation.ref])
        if operation.invoke_time is None:
            return ()
        start = operation.invoke_time + self._zero
        stop = None if operation.complete_time is None else operation.complete_time + self._zero
        found = [
            asked
            for asked in self._by_key[str(operation.key)]
            if start <= self._lines[asked.request].at
            and (stop is None or self._lines[asked.request].at <= stop)
            and self._fits(operation, self._lines[asked.request])
        ]
        answered = [one for one in found if one.reply is not None and self._lines[one.reply].at == stop]
        if len(answered) == 1 and operation.outcome is not Outcome.INFO:
            return tuple(answered)
        return tuple(found) if len(found) == 1 else ()

    def _fits(self, operation: Operation, request: TraceLine) -> bool:
        asked = field(request.body, "operation")
        values = (
            [value for name, value in asked.items() if name not in {"type", "key"}] if isinstance(asked, dict) else []
        )
        wanted = operation.argument
        given = freeze(values)
        return given in {wanted, (wanted,)} if values else operation.f == "read" and request.what == "query"

    # -- what follows from a request ----------------------------------------------------------------------------------

    def _of_read(self, asked: Asked) -> set[int]:
        """The rounds of read-index that a query began: its question, and the answer of the same number."""
        request = self._lines[asked.request]
        if request.what != "query":
            return set()
        for place in self._sends["read-index"]:
            line = self._lines[place]
            if line.node == request.node and line.event == request.event:
                number = field(line.body, "read_id")
                return {
                    other
                    for what, node in (("read-index", "node"), ("read-index-reply", "peer"))
                    for other in self._sends[what]
                    if getattr(self._lines[other], node) == request.node
                    and field(self._lines[other].body, "read_id") == number
                }
        return set()

    def _durables_of(self, places: Set[int]) -> set[int]:
        """The syncs that acknowledgements waited for: an acknowledgement leaves in the event of its sync's end."""
        lines = (self._lines[place] for place in sorted(places))
        keys = ((line.node, line.event) for line in lines if line.kind == "send" and line.what == "accepted")
        return {self._durables[key] for key in keys if key in self._durables}

    def _syncs_of(self, places: Set[int]) -> set[int]:
        """The sync that made durable what was called durable: the first of the node, from then on, that goes as far."""
        found: set[int] = set()
        wanted = {place: line for place in places if (line := self._lines[place]).kind == "durable"}
        for durable in wanted.values():
            upto = field(durable.body, "upto")
            for place in self._syncs[durable.node]:
                reached = field(self._lines[place].body, "upto")
                if place > min(places) and isinstance(reached, int) and isinstance(upto, int) and reached >= upto:
                    found.add(place)
                    break
        return found

    def _ends_of(self, broken: BrokenAt | None, places: Set[int]) -> set[int]:
        """What became of the process of the node in which an invariant broke, since what broke was done."""
        if broken is None or not places:
            return set()
        first = min(places)
        return {
            place
            for place, line in enumerate(self._lines[first:], start=first)
            if line.node == broken.node and (line.kind in {"ends", "starts"} or line.what == "power-off")
        }


def _ref(body: Any) -> str:
    return f"{field(body, 'session')}/{field(body, 'sequence')}"
