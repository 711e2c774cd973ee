"""All of the picture from a trace, a history and a result.

One pass after another over the same lines, each with its own question; the longest trace that is read is bounded, and
so is everything that is put into a page.
"""

from __future__ import annotations

import heapq
import shlex
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence as Items
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from checkers.history import History, Operation, Outcome
from harness.exploration.findings import INVARIANTS
from harness.report.lanes import concurrency_of
from harness.report.page import Lookup
from harness.report.sequence.causes import Asked, BrokenAt, Cause, Causes, broken_at
from harness.report.sequence.messages import (
    ANSWERS,
    FAMILIES,
    QUIET,
    Frame,
    Links,
    frames_of,
    gaps_of,
    label_of,
    level_of,
)
from harness.report.sequence.model import (
    Band,
    Bar,
    Choice,
    Cut,
    Lane,
    Level,
    Mark,
    Message,
    Receipt,
    Segment,
    Sequence,
    Span,
)
from harness.report.sequence.standing import Told, marks_of, spans_of
from harness.report.sequence.window import BUDGET, segments_of
from harness.report.texts import NS_PER_S, call_text, count, counted
from harness.results import RunResult
from harness.simulation.tape import TraceLine, read_tape
from harness.store import DEFAULT_STORE

LINES_MAX = 400_000
"""So many lines are kept in memory (about 1.3 kB each)."""
QUIET_MAX = 3_000
"""So many heartbeats, syncs and the like at most go into a page; they are not counted by the window."""
BODY_CHARS_MAX = 2_000
CHOICES_MAX = 4
OPERATIONS_MAX = 12
"""Of an anomaly with more operations, the first so many are followed."""
OTHERS = "others"
NS_PER_US = 1_000
_STANDING = frozenset({"starts", "ends", "role", "process", "clock", "links"})
_COUNTED = frozenset({"send", "frame", "request", "reply", "role", "starts", "ends", "process", "clock", "links"})


def read_sequence(
    path: Path, result: RunResult, history: History, concurrency: int | None = None, budget: int = BUDGET
) -> Sequence | str:
    """The picture of the trace in a file; a sentence that says why there is none."""
    at_end = _broken(result) is not None
    lines, notes = _read(path, at_end)
    if not lines:
        return notes[0] if notes else f"{path.name} is empty."
    return sequence_of(lines, result, history, concurrency, notes, budget)


def _read(path: Path, at_end: bool) -> tuple[list[TraceLine], list[str]]:
    """The lines of a file, and what is to be said of them; of very many the last ones, or else the first.

    Lines that say what nodes and links are from then on are few, and are kept before the last ones too.
    """
    notes: list[str] = []
    standing: list[tuple[int, TraceLine]] = []
    others: deque[tuple[int, TraceLine]] = deque(maxlen=LINES_MAX if at_end else None)
    total = 0
    try:
        for total, line in enumerate(read_tape(path), start=1):
            if not at_end and len(others) == LINES_MAX:
                continue
            (standing if line.kind in _STANDING else others).append((total, line))
    except (OSError, ValueError) as error:
        notes.append(f"The trace can be read in part only: {error}")
    if total > len(standing) + len(others):
        which = "last" if at_end else "first"
        notes.append(f"Of the trace's {count(total)} lines, the {which} {count(LINES_MAX)} are looked at.")
    return [line for _, line in heapq.merge(standing, others, key=lambda pair: pair[0])], notes


def sequence_of(
    lines: Items[TraceLine],
    result: RunResult,
    history: History,
    concurrency: int | None = None,
    notes: Items[str] = (),
    budget: int = BUDGET,
) -> Sequence:
    """The picture of a trace that is not empty, of about ``budget`` lines around the failure."""
    return _Building(_without_teardown(lines, result), result, history, concurrency, budget).sequence(notes)


def _broken(result: RunResult) -> BrokenAt | None:
    """Where an invariant broke, if one did."""
    said = (checker for checker in result.checkers if checker.name == INVARIANTS)
    found = (broken_at(anomaly.sentence) for checker in said for anomaly in checker.anomalies)
    return next((one for one in found if one is not None), None)


def _without_teardown(lines: Items[TraceLine], result: RunResult) -> Items[TraceLine]:
    """The lines without the processes' ends after an invariant broke: that is the harness tidying up.

    They come later than the break where a heal was being looked at, which is waited for.
    """
    broken = _broken(result)
    last = len(lines)
    while broken and last > 1 and lines[last - 1].kind == "ends" and lines[last - 1].at > broken.at - NS_PER_US:
        last -= 1
    return lines[:last]


@dataclass(frozen=True)
class _Followed:
    """An anomaly whose operations are followed."""

    choice: Choice
    cause: Cause


class _Building:
    def __init__(
        self, lines: Items[TraceLine], result: RunResult, history: History, concurrency: int | None, budget: int
    ) -> None:
        self._lines = lines
        self._result = result
        self._zero = result.set_up_ns
        self._budget = budget
        self._end = max(line.at for line in lines)
        operations = history.operations()
        self._threads = concurrency or max(1, concurrency_of(operations))
        self._causes = Causes(lines, operations, self._zero)
        self._gaps = gaps_of(lines)
        self._counted = [
            place
            for place, line in enumerate(lines)
            if _is_counted(line) and not any(gap.since < place < gap.place for gap in self._gaps)
        ]
        self._bodies: dict[str, int] = {"": 0}
        self._followed, self._not_followed = self._follow(Lookup(history))
        self._anomalies = self._anomalies_by_place()
        self._segments, self._cuts = self._window()

    # -- what is followed ---------------------------------------------------------------------------------------------

    def _follow(self, lookup: Lookup) -> tuple[list[_Followed], int]:
        """The anomalies that fit into the budget, in order, and how many do not; the first is always followed."""
        followed: list[_Followed] = []
        places: set[int] = set()
        anomalies = [anomaly for checker in self._result.checkers for anomaly in checker.anomalies]
        for number, anomaly in enumerate(anomalies[:CHOICES_MAX], start=1):
            cause = self._causes.of(lookup.operations(anomaly)[:OPERATIONS_MAX], anomaly.sentence)
            if followed and len(places | cause.places) > self._budget // 2:
                break
            if followed and not cause.places:
                continue
            places |= cause.places
            kind = anomaly.kind if anomaly.key is None else f"{anomaly.kind} on {anomaly.key}"
            followed.append(_Followed(Choice(number=number, kind=kind, sentence=anomaly.sentence), cause))
        return followed, len(anomalies) - len(followed)

    def _anomalies_by_place(self) -> dict[int, tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        for one in self._followed:
            for place in one.cause.places:
                found[place] = (*found.get(place, ()), one.choice.number)
        return found

    # -- the window ---------------------------------------------------------------------------------------------------

    def _window(self) -> tuple[tuple[Segment, ...], tuple[Cut, ...]]:
        counted, lines = self._counted, self._lines
        if not counted:
            return (Segment(start=min(line.at for line in lines), stop=self._end),), ()
        shown, unrecorded = self._split(segments_of(len(counted), self._focus(), self._budget))
        segments = [[lines[counted[first]].at, lines[counted[last]].at] for first, last in shown]
        if shown[0][0] == 0 and not unrecorded[0]:
            segments[0][0] = min(segments[0][0], lines[0].at)
        if shown[-1][1] == len(counted) - 1 and not unrecorded[-1]:
            segments[-1][1] = max(self._end, *(at for at in self._breaks()), segments[-1][1])
        left_out = [shown[0][0], *(b[0] - a[1] - 1 for a, b in pairwise(shown))]
        left_out.append(len(counted) - 1 - shown[-1][1])
        left_out = [number + more for number, more in zip(left_out, unrecorded, strict=True)]
        edges = [(lines[0].at, segments[0][0]), *((a[1], b[0]) for a, b in pairwise(segments))]
        edges.append((segments[-1][1], self._end))
        cuts = tuple(
            Cut(start=start, stop=stop, text=_cut_text(start, stop, number))
            for (start, stop), number in zip(edges, left_out, strict=True)
            if number
        )
        return tuple(Segment(start=start, stop=stop) for start, stop in segments), cuts

    def _split(self, shown: Items[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[int]]:
        """The segments, parted at gaps; and how many lines are in gaps before each, and after the last."""
        edges = [(bisect_left(self._counted, gap.place), gap.lines) for gap in self._gaps]
        parts: list[tuple[int, int]] = []
        for first, last in shown:
            starts = sorted({first, *(edge for edge, _ in edges if first < edge <= last)})
            parts += [(start, stop - 1) for start, stop in pairwise([*starts, last + 1])]
        places = [bisect_right(parts, edge, key=lambda part: part[0]) for edge, _ in edges]
        places = [
            place - 1 if place and parts[place - 1][0] == edge else place
            for place, (edge, _) in zip(places, edges, strict=True)
        ]
        unrecorded = [0] * (len(parts) + 1)
        for place, (_, number) in zip(places, edges, strict=True):
            unrecorded[place] += number
        return parts, unrecorded

    def _focus(self) -> list[int]:
        """Places, among the counted lines, that must be seen."""
        positions = {place: position for position, place in enumerate(self._counted)}
        focus = [positions[place] for place in self._anomalies if place in positions]
        if self._breaks():
            focus.append(len(self._counted) - 1)
        if focus or self._followed:
            return focus
        first = min((fault.injected_at for fault in self._result.faults if fault.injected_at is not None), default=None)
        if first is None:
            return [0]
        later = (at for at, place in enumerate(self._counted) if self._lines[place].at >= first + self._zero)
        return [next(later, 0)]

    def _breaks(self) -> list[int]:
        """When invariants broke."""
        found = (broken_at(one.choice.sentence) for one in self._followed)
        return [broken.at for broken in found if broken is not None]

    def _shown(self, start: int, stop: int | None = None) -> bool:
        """Whether any of a stretch of time is shown."""
        last = start if stop is None else stop
        return any(start <= segment.stop and segment.start <= last for segment in self._segments)

    # -- the parts ----------------------------------------------------------------------------------------------------

    def sequence(self, notes: Items[str]) -> Sequence:
        """Put the picture together."""
        clients = self._clients()
        messages = [*self._between_nodes(), *self._of_clients(clients)]
        marks = self._marks()
        both: list[Message | Mark] = [*messages, *marks]
        quiet = [one for one in both if one.level > Level.CONSENSUS and not one.anomalies]
        kept = {id(one) for one in quiet[:: max(1, -(-len(quiet) // QUIET_MAX))]}
        thinned = {id(one) for one in quiet} - kept
        bars = self._bars()
        return Sequence(
            zero=self._zero,
            lanes=self._lanes(clients, bars),
            segments=self._segments,
            cuts=self._cuts,
            messages=tuple(one for one in sorted(messages, key=_order) if id(one) not in thinned),
            marks=tuple(one for one in sorted(marks, key=_order) if id(one) not in thinned),
            spans=self._spans(),
            bands=self._bands(),
            bars=bars,
            choices=tuple(one.choice for one in self._followed),
            bodies=tuple(self._bodies),
            command=replay_of(self._result),
            notes=(*notes, *self._notes(len(thinned))),
            events=self._lines[-1].event,
        )

    def _clients(self) -> dict[int, str]:
        """The lane of each client line that is known to be a violated operation's."""
        found: dict[int, str] = {}
        for one in self._followed:
            for operation in one.cause.operations:
                lane = self._lane(operation)
                for asked in self._causes.asked(operation):
                    found |= _of_asked(asked, lane)
        return found

    def _lane(self, operation: Operation) -> str:
        return f"c{operation.process % self._threads}"

    def _lanes(self, clients: dict[int, str], bars: Items[Bar]) -> tuple[Lane, ...]:
        keys = sorted({bar.lane for bar in bars} | set(clients.values()), key=lambda key: int(key[1:]))
        of_clients = [Lane(key=key, name=f"client {key[1:]}", kind="client") for key in keys]
        others = Lane(key=OTHERS, name="other clients" if keys else "clients", kind="others")
        nodes = [Lane(key=node, name=node, kind="node") for node in self._result.nodes]
        return (*of_clients, others, *nodes)

    def _between_nodes(self) -> list[Message]:
        links = Links(self._lines, self._gaps)
        places = {line.frame: place for place, line in enumerate(self._lines) if line.kind == "send"}
        return [
            self._message(frame, links, places[frame.sent.frame])
            for frame in frames_of(self._lines)
            if any(self._shown(line.at) for line in (frame.sent, *frame.received))
        ]

    def _message(self, frame: Frame, links: Links, place: int) -> Message:
        sent = frame.sent
        fate, why = ("", "") if frame.received else links.fate(sent)
        return Message(
            source=sent.node,
            target=sent.peer,
            type=sent.what,
            family=FAMILIES.get(sent.what, "other"),
            answer=sent.what in ANSWERS,
            label=label_of(sent),
            at=sent.at,
            event=sent.event,
            receipts=tuple(Receipt(at=line.at, event=line.event) for line in frame.received),
            fate=fate,
            why=why,
            body=self._body(sent.body),
            level=level_of(sent.what),
            anomalies=self._anomalies.get(place, ()),
        )

    def _of_clients(self, clients: dict[int, str]) -> list[Message]:
        return [
            self._client_message(line, clients.get(place, OTHERS), self._anomalies.get(place, ()))
            for place, line in enumerate(self._lines)
            if line.kind in {"request", "reply"} and self._shown(line.at)
        ]

    def _client_message(self, line: TraceLine, client: str, anomalies: tuple[int, ...]) -> Message:
        asks = line.kind == "request"
        return Message(
            source=client if asks else line.node,
            target=line.node if asks else client,
            type=line.what,
            family="client",
            answer=not asks,
            label=label_of(line),
            at=line.at,
            event=line.event,
            receipts=(Receipt(at=line.at, event=line.event),),
            why=f"{line.peer} of {line.node}; the tape has the moment of its arrival only",
            body=self._body(line.body),
            level=level_of(line.what),
            anomalies=anomalies,
        )

    def _marks(self) -> list[Mark]:
        places = {id(line): place for place, line in enumerate(self._lines)}
        told = [one for one in marks_of(self._lines) if self._shown(one.line.at, one.until or None)]
        marks = [self._mark(one, self._anomalies.get(places[id(one.line)], ())) for one in told]
        for one in self._followed:
            broken = broken_at(one.choice.sentence)
            if broken is not None:
                text = one.choice.sentence.partition(": ")[2]
                number = (one.choice.number,)
                event = next((line.event for line in reversed(self._lines) if line.at <= broken.at), 0)
                marks.append(Mark(at=broken.at, event=event, kind="broken", text=text, anomalies=number))
        return marks

    def _mark(self, told: Told, anomalies: tuple[int, ...]) -> Mark:
        return Mark(
            lane=told.line.node,
            at=told.line.at,
            event=told.line.event,
            kind=told.kind,
            text=told.text,
            until=told.until,
            body=self._body(told.line.body),
            level=told.level,
            anomalies=anomalies,
        )

    def _spans(self) -> tuple[Span, ...]:
        spans = spans_of(self._lines, self._result.nodes, max(self._end, *self._breaks(), 0))
        return tuple(span for span in spans if self._shown(span.start, span.stop))

    def _bands(self) -> tuple[Band, ...]:
        last = self._segments[-1].stop
        nodes = set(self._result.nodes)
        bands = []
        for fault in self._result.faults:
            if fault.injected_at is None:
                continue
            start = fault.injected_at + self._zero
            stop = last if fault.healed_at is None else max(start, fault.healed_at + self._zero)
            if self._shown(start, stop):
                lanes = tuple(node for node in fault.targets if node in nodes)
                bands.append(
                    Band(
                        number=fault.number,
                        kind=fault.kind,
                        text=fault.what,
                        start=start,
                        stop=stop,
                        lanes=lanes,
                        healed=fault.healed_at is not None,
                    )
                )
        return tuple(bands)

    def _bars(self) -> tuple[Bar, ...]:
        numbers: dict[int, tuple[int, ...]] = {}
        operations: dict[int, Operation] = {}
        for one in self._followed:
            for operation in one.cause.operations:
                operations[operation.invoke_index] = operation
                known = numbers.get(operation.invoke_index, ())
                if one.choice.number not in known:
                    numbers[operation.invoke_index] = (*known, one.choice.number)
        return tuple(
            self._bar(operation, numbers[index])
            for index, operation in sorted(operations.items())
            if operation.invoke_time is not None
        )

    def _bar(self, operation: Operation, anomalies: tuple[int, ...]) -> Bar:
        returned = operation.complete_time if operation.outcome is not Outcome.INFO else None
        return Bar(
            lane=self._lane(operation),
            start=(operation.invoke_time or 0) + self._zero,
            stop=0 if returned is None else returned + self._zero,
            text=call_text(operation),
            outcome=operation.outcome.value,
            process=operation.process,
            anomalies=anomalies,
        )

    def _body(self, body: Any) -> int:
        text = "" if body is None else msgspec.json.encode(body).decode()
        if len(text) > BODY_CHARS_MAX:
            text = f"{text[:BODY_CHARS_MAX]}… {count(len(text) - BODY_CHARS_MAX)} more characters are in the trace"
        return self._bodies.setdefault(text, len(self._bodies))

    def _notes(self, thinned: int) -> list[str]:
        notes = []
        if self._not_followed:
            first = self._not_followed == 1
            notes.append(
                f"{counted(self._not_followed, 'further anomaly' if first else 'further anomalie')}"
                f" {'is' if first else 'are'} not followed here."
            )
        unmatched = {op.invoke_index: op for one in self._followed for op in one.cause.unmatched}
        if unmatched:
            told = ", ".join(f"{call_text(op)} by process {op.process}" for _, op in sorted(unmatched.items())[:4])
            notes.append(f"Of {counted(len(unmatched), 'operation')} no request could be told in the trace: {told}.")
        if thinned:
            notes.append(f"{count(thinned)} heartbeats, syncs and questions for a status were left out, evenly.")
        return notes


def _is_counted(line: TraceLine) -> bool:
    return (line.kind in _COUNTED and line.what not in QUIET) or (line.kind == "disk" and line.what != "sync")


def _order(one: Message | Mark) -> tuple[int, int, bool]:
    """By time; what a client asks comes before what follows from it in the same event."""
    asks = isinstance(one, Message) and one.family == "client" and not one.answer
    return one.at, one.event, not asks


def _of_asked(asked: Asked, lane: str) -> dict[int, str]:
    return {place: lane for place in (asked.request, asked.reply) if place is not None}


def _cut_text(start: int, stop: int, number: int) -> str:
    return f"{(stop - start) / NS_PER_S:,.3f} s, {counted(number, 'line')} not shown"


def replay_of(result: RunResult) -> str:
    """The command that plays this run again, without its options."""
    folder = Path(result.store)
    name = folder.name if folder.parent.name == DEFAULT_STORE.name else result.store
    return f"antipaxos replay {shlex.quote(name or 'RUN')}"
