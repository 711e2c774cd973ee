"""Each node's line: what it is from when to when, and the marks on it.

A process is *starting* from the line that starts it to its first role, and *gone* from its end to its next start; a
stopped one is stopped whatever role it has, so stopped stretches lie over the roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.report.sequence.messages import field as of
from harness.report.sequence.model import Level, Span
from harness.simulation.tape import TraceLine

NS_PER_MS = 1_000_000


@dataclass
class _Now:
    state: str = "gone"
    ballot: str = ""
    since: int = 0
    stopped_since: int | None = None
    spans: list[Span] = field(default_factory=list)


def spans_of(lines: Iterable[TraceLine], nodes: Iterable[str], end: int) -> tuple[Span, ...]:
    """What each node is from the trace's beginning to its end, without gaps; stopped stretches lie over the roles."""
    known = {node: _Now() for node in nodes}
    for line in lines:
        now = known.get(line.node)
        if now is None:
            continue
        match line.kind:
            case "starts":
                _change(now, line, "starting", "")
            case "ends":
                _go_on(now, line.node, line.at)
                _change(now, line, "gone", "")
            case "role":
                _change(now, line, line.what, str(of(line.body, "ballot") or ""))
            case "process" if line.what == "stopped":
                now.stopped_since = line.at
            case "process":
                _go_on(now, line.node, line.at)
    for node, now in known.items():
        _go_on(now, node, end)
        _close(now, node, end)
    return tuple(span for now in known.values() for span in sorted(now.spans, key=lambda span: span.state == "stopped"))


def _change(now: _Now, line: TraceLine, state: str, ballot: str) -> None:
    _close(now, line.node, line.at)
    now.state, now.ballot, now.since = state, ballot, line.at


def _close(now: _Now, node: str, at: int) -> None:
    if at > now.since:
        now.spans.append(Span(lane=node, state=now.state, ballot=now.ballot, start=now.since, stop=at))


def _go_on(now: _Now, node: str, at: int) -> None:
    if now.stopped_since is not None:
        now.spans.append(Span(lane=node, state="stopped", start=now.stopped_since, stop=at))
        now.stopped_since = None


@dataclass(frozen=True, slots=True)
class Told:
    """A line that becomes a mark: its kind, its words, until when it lasts, and from which level on it is shown."""

    line: TraceLine
    kind: str
    text: str
    level: Level = Level.CONSENSUS
    until: int = 0


def marks_of(lines: Sequence[TraceLine]) -> tuple[Told, ...]:
    """The marks of all lanes, in order. A sync that its process did not live to see lasts until the process's end."""
    ends: dict[str, int] = {}
    marks: list[Told] = []
    for line in reversed(lines):
        if line.kind == "ends":
            ends[line.node] = line.at
        told = _told(line)
        if told is not None:
            end = ends.get(line.node)
            cut = end is not None and told.until > end
            marks.append(replace(told, until=end or 0, text=f"{told.text}, cut off") if cut else told)
    return tuple(reversed(marks))


def _told(line: TraceLine) -> Told | None:
    body = line.body
    match line.kind:
        case "role":
            return Told(line, "role", f"{line.what} {of(body, 'ballot')}")
        case "starts":
            return Told(line, "starts", "starts")
        case "ends":
            return Told(line, "ends", _end_text(of(body, "status")))
        case "process":
            return Told(line, line.what, line.what)
        case "clock":
            return Told(line, "clock", _clock_text(of(body, "ppm"), of(body, "frozen")))
        case "disk":
            return _disk(line)
        case "durable":
            return Told(line, "durable", f"durable up to {of(body, 'upto')}", Level.ALL)
        case "links":
            return Told(line, "links", _links_text(line.what, body), Level.ALL)
        case "tick":
            return Told(line, "tick", "alarm", Level.ALL)
    return None


def _disk(line: TraceLine) -> Told:
    match line.what:
        case "sync":
            takes = of(line.body, "takes_ns")
            lasts = takes if isinstance(takes, int) else 0
            return Told(line, "sync", f"sync, {lasts / NS_PER_MS:.3g} ms", Level.ALL, line.at + lasts)
        case "power-off":
            return Told(line, "power-off", f"power off, {of(line.body, 'taken_back_bytes')} B lost")
    return Told(line, "disk", f"disk: {_trouble(line.body)}")


def _trouble(body: Any) -> str:
    times = of(body, "times")
    said = [f"{times} times as slow"] if isinstance(times, int) and times > 1 else []
    said += [words for name, words in _TROUBLES if of(body, name)]
    return ", ".join(said) or "well"


_TROUBLES = (("stalled", "syncs do not end"), ("fails_next", "the next sync fails"), ("full", "full"))


def _clock_text(ppm: Any, frozen: Any) -> str:
    if frozen:
        return "clock stands still"
    return f"clock {ppm:+} ppm" if isinstance(ppm, int) and ppm else "clock right"


def _end_text(status: Any) -> str:
    return "killed" if status == -9 else f"ends with status {status}"


def _links_text(what: str, body: Any) -> str:
    count = len(body) if isinstance(body, list) else 0
    if what == "cut":
        return f"{count} links cut" if count else "no link is cut"
    return f"{what} of {count} links"
