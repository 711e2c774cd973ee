"""Sends paired with receipts, and what became of the frames that never arrived.

A frame's number is on the line that sends it and on each that receives it, so pairing is a lookup. Why a frame did not
arrive is not on the tape; it is told from what is: the links that were cut, the weather, and the processes that were
not there. What none of these explains is called lost, and no more is claimed.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.sequence.model import Level
from harness.simulation.network import FAIR, RECONNECT_NS
from harness.simulation.tape import TraceLine
from nemesis.ground import MILLION
from nemesis.passage import BYTE_NS

FAMILIES = {
    "prepare": "election",
    "promise": "election",
    "pre-vote": "election",
    "pre-vote-reply": "election",
    "resign": "election",
    "accept": "accept",
    "accepted": "accept",
    "heartbeat": "heartbeat",
    "heartbeat-ack": "heartbeat",
    "read-index": "read",
    "read-index-reply": "read",
    "fetch": "catch-up",
    "chosen": "catch-up",
    "refused": "refused",
}
"""Each type of message between nodes, and the family it is drawn as."""
ANSWERS = frozenset({"promise", "pre-vote-reply", "accepted", "heartbeat-ack", "read-index-reply", "chosen", "refused"})
QUIET = frozenset({"heartbeat", "heartbeat-ack", "statusrequest", "status"})
"""What goes on all the time and says little."""
LABEL_CHARS_MAX = 48


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame between nodes: the line that sends it and those that receive it."""

    sent: TraceLine
    received: tuple[TraceLine, ...]


def frames_of(lines: Iterable[TraceLine]) -> tuple[Frame, ...]:
    """Pair sends with receipts, in the order of sending; a receipt without its send is left out."""
    sends: dict[int, TraceLine] = {}
    receipts: defaultdict[int, list[TraceLine]] = defaultdict(list)
    for line in lines:
        if line.kind == "send" and line.frame:
            sends[line.frame] = line
        elif line.kind == "frame" and line.frame:
            receipts[line.frame].append(line)
    return tuple(Frame(sent, tuple(receipts[number])) for number, sent in sends.items())


def level_of(what: str) -> Level:
    """From which level on a message of this type is shown."""
    if what in {"heartbeat", "heartbeat-ack"}:
        return Level.HEARTBEATS
    return Level.ALL if what in QUIET else Level.CONSENSUS


# -- what became of a frame -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Weather:
    """A link's weather from a moment on; ``delay_max`` is how late it may let a frame come, its queue included."""

    at: int
    delay_max: int = 0
    loss_ppm: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of which the trace itself left lines out: at places after ``since``, up to the line that says so."""

    since: int
    place: int
    start: int
    stop: int
    lines: int


STANDING = frozenset({"starts", "ends", "role", "process", "clock", "links", "disk"})
"""Kinds of lines that are kept in a gap too: they say how things stood."""


def gaps_of(lines: Iterable[TraceLine]) -> tuple[Gap, ...]:
    """The gaps of a trace, each from the last line before it that is there whatever it says."""
    gaps = []
    since, last = -1, 0
    for place, line in enumerate(lines):
        if line.kind == "cut":
            gaps.append(Gap(since, place, last, line.at, _number(line.body, "lines")))
        if line.kind not in STANDING:
            since, last = place, line.at
    return tuple(gaps)


class Links:
    """What is known of the links and of who was there: the reasons why a frame may not have arrived."""

    def __init__(self, lines: Iterable[TraceLine], gaps: Sequence[Gap] = ()) -> None:
        self._gaps = gaps
        self._cuts: list[tuple[int, frozenset[tuple[str, str]]]] = [(0, frozenset())]
        self._resets: list[tuple[int, frozenset[str]]] = []
        self._weather: defaultdict[tuple[str, str], list[Weather]] = defaultdict(lambda: [Weather(0)])
        self._absences: defaultdict[str, list[tuple[int, bool]]] = defaultdict(lambda: [(0, True)])
        self._end = 0
        for line in lines:
            self._take(line)

    def _take(self, line: TraceLine) -> None:
        self._end = max(self._end, line.at)
        if line.kind == "links" and line.what == "cut":
            self._cuts.append((line.at, frozenset(_pairs(line.body))))
        elif line.kind == "links" and line.what == "reset":
            self._resets.append((line.at, frozenset(map(str, line.body if isinstance(line.body, list) else ()))))
        elif line.kind == "links" and line.what == "weather":
            for link, weather in _weathers(line):
                self._weather[link].append(weather)
        elif line.kind in {"starts", "ends", "role"}:
            self._absences[line.node].append((line.at, line.kind != "role"))

    def fate(self, sent: TraceLine) -> tuple[str, str]:
        """Why a frame that was never received was not: in a word, and in a sentence."""
        link = (sent.node, sent.peer)
        if self._is_cut(link, sent.at):
            return "cut", f"the link {sent.node} → {sent.peer} was cut when it was sent"
        weather = self._weather_at(link, sent.at)
        latest = sent.at + FAIR.high + weather.delay_max
        if any(gap.start <= latest and sent.at <= gap.stop for gap in self._gaps):
            return "unrecorded", "whether it arrived is not recorded: lines of the trace are left out here"
        if any(sent.at < at <= latest and link in links for at, links in self._cuts):
            return "cut", f"the link {sent.node} → {sent.peer} was cut while it was under way"
        if any(sent.at - RECONNECT_NS <= at <= latest and nodes & {*link} for at, nodes in self._resets):
            return "lost", f"lost: the connection {sent.node} → {sent.peer} was reset"
        if self._is_absent(sent.peer, sent.at, latest):
            return "gone", f"no process of {sent.peer} was there to receive it"
        if latest >= self._end:
            return "under-way", "still under way when the trace ends"
        if weather.loss_ppm:
            return "lost", f"lost: the link {sent.node} → {sent.peer} was losing {weather.loss_ppm / 10_000:g} % then"
        return "lost", "lost: never received"

    def _is_cut(self, link: tuple[str, str], at: int) -> bool:
        place = bisect_right(self._cuts, at, key=lambda cut: cut[0])
        return place > 0 and link in self._cuts[place - 1][1]

    def _weather_at(self, link: tuple[str, str], at: int) -> Weather:
        changes = self._weather[link]
        return changes[bisect_right(changes, at, key=lambda weather: weather.at) - 1]

    def _is_absent(self, node: str, start: int, stop: int) -> bool:
        """Whether no process was there at some moment from ``start`` to ``stop``."""
        changes = self._absences[node]
        place = bisect_right(changes, start, key=lambda change: change[0])
        return changes[place - 1][1] or any(absent and at <= stop for at, absent in changes[place : place + 8])


def _pairs(body: Any) -> list[tuple[str, str]]:
    if not isinstance(body, list):
        return []
    return [(str(pair[0]), str(pair[1])) for pair in body if isinstance(pair, list) and len(pair) >= 2]


def _weathers(line: TraceLine) -> Iterable[tuple[tuple[str, str], Weather]]:
    for entry in line.body if isinstance(line.body, list) else ():
        for link in _pairs([entry]):
            now = entry[2] if len(entry) > 2 else None
            latest = sum(_number(delay, "high") for delay in items(now, "delays"))
            latest += sum(_number(reorder, "held") for reorder in items(now, "reorders"))
            if rate := field(now, "rate"):
                latest += _number(rate, "queue_bytes") * BYTE_NS // max(1, _number(rate, "bits_per_s"))
            kept_ppm = MILLION
            for loss in items(now, "losses"):
                kept_ppm = kept_ppm * (MILLION - _number(loss, "ppm")) // MILLION
            yield link, Weather(line.at, latest, MILLION - kept_ppm)


def _number(body: Any, name: str) -> int:
    found = field(body, name)
    return found if isinstance(found, int) else 0


# -- what a message says ----------------------------------------------------------------------------------------------


def field(body: Any, name: str) -> Any:
    """A field of a body; None if there is no such thing."""
    return body.get(name) if isinstance(body, dict) else None


def items(body: Any, name: str) -> Sequence[Any]:
    """A list in a body; empty if there is no such thing."""
    found = field(body, name)
    return found if isinstance(found, list) else ()


def slots_of(line: TraceLine) -> tuple[int, ...]:
    """The slots that a message between nodes is about."""
    match line.what:
        case "accept" | "accepted":
            slot = field(line.body, "slot")
            return (slot,) if isinstance(slot, int) else ()
        case "promise":
            return tuple(slot for one in items(line.body, "reported") if isinstance(slot := field(one, "slot"), int))
        case "chosen":
            entries = items(line.body, "entries")
            return tuple(one[0] for one in entries if isinstance(one, list) and one and isinstance(one[0], int))
    return ()


def refs_of(line: TraceLine) -> tuple[str, ...]:
    """The operations that an accept carries, each as ``session/sequence``."""
    commands = items(line.body, "value") if line.what == "accept" else ()
    return tuple(command.partition(" ")[0] for command in commands if isinstance(command, str) and "/" in command)


def label_of(line: TraceLine) -> str:
    """A message in few words: its type, ballot and slot."""
    text = _words(line.what, line.body)
    return text if len(text) <= LABEL_CHARS_MAX else f"{text[: LABEL_CHARS_MAX - 1]}…"


def _words(what: str, body: Any) -> str:
    ballot = field(body, "ballot")
    match what:
        case "prepare":
            return f"prepare {ballot} from #{field(body, 'from_slot')}"
        case "promise":
            count = len(items(body, "reported"))
            return f"promise {ballot}, {count} slot{'' if count == 1 else 's'}"
        case "pre-vote":
            return "lost the leader?"
        case "pre-vote-reply":
            return f"lost the leader: {'yes' if field(body, 'yes') else 'no'}"
        case "resign":
            return f"resign {ballot} to {_named(field(body, 'successor'))}"
        case "accept":
            return f"accept {ballot} #{field(body, 'slot')}{'' if items(body, 'value') else ' no-op'}"
        case "accepted":
            return f"accepted {ballot} #{field(body, 'slot')}"
        case "refused":
            return f"refused {ballot}, promised {field(body, 'promised')}"
        case "heartbeat":
            return f"beat {ballot} no. {field(body, 'beat')}"
        case "heartbeat-ack":
            return f"beat-ack no. {field(body, 'beat')}"
        case "read-index-reply":
            index = field(body, "index")
            return "read-index refused" if index is None else f"read-index is #{index}"
        case "fetch":
            return f"fetch from #{field(body, 'from_slot')}"
        case "chosen":
            slots = slots_of(TraceLine(event=0, at=0, kind="send", what=what, body=body))
            return f"chosen #{slots[0]} to #{slots[-1]}" if slots else "chosen, nothing"
    return _client_words(what, body)


def _named(node: Any) -> str:
    return f"n{node}" if isinstance(node, int) else "anybody"


def _client_words(what: str, body: Any) -> str:
    match what:
        case "command" | "query":
            operation = field(body, "operation")
            return " ".join(map(_short, operation.values())) if isinstance(operation, dict) else what
        case "opensession":
            return "open session"
        case "statusrequest":
            return "status?"
        case "done":
            result = field(body, "result")
            value = field(result, "value")
            done = "done" if field(result, "ok") else "not done"
            return done if value is None else f"{done}: {_short(value)}"
        case "refusal":
            return f"refused: {field(body, 'reason')}"
    return what


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
