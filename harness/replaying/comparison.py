"""Two simulated runs of one seed, held against each other: the plan, the history, the trace; and where they part.

Hashes decide. Where one differs, the first line that does is looked for, and what may excuse it: another version of the
code, which is a fact, not a fault. With the same code it is a bug of the first rank.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from harness.environment import Environment
from harness.replaying.recording import CUT
from harness.results import RunResult
from harness.simulation.tape import TraceLine
from harness.store import ENVIRONMENT, HISTORY, PLAN, RESULTS, RunFolder

SHOWN_CHARACTERS_MAX = 400
SHORT = 12
"""Characters of a hash that are shown."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A part (plan, history or trace) that differs, by its hashes; ``where`` says the first place in words."""

    part: str
    recorded: str
    replayed: str
    where: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay has shown.

    ``not_recorded`` are parts that the recorded run has no hash of; ``environment`` says how the places differ where
    the runs were made; ``other_code`` is True if they are known to be of different code, None if that is not known.
    """

    plan_sha256: str
    history_sha256: str
    trace_sha256: str
    differences: tuple[Difference, ...] = ()
    not_recorded: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    other_code: bool | None = None

    @property
    def identical(self) -> bool:
        """True if nothing is known to differ."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    folder: RunFolder
    result: RunResult
    environment: Environment | None


def compare(recorded: Side, replayed: Side) -> Comparison:
    """Hold two runs against each other."""
    new = replayed.result
    environments = recorded.environment, replayed.environment
    return Comparison(
        plan_sha256=new.plan_sha256,
        history_sha256=new.history_sha256,
        trace_sha256=new.trace_sha256,
        differences=tuple(_differences(recorded, replayed)),
        not_recorded=tuple(part for part in ("plan", "history", "trace") if not _hash(recorded.result, part)),
        environment=tuple(_departures(*environments)),
        other_code=other_code(*environments),
    )


def read_environment(folder: RunFolder) -> Environment | None:
    """Return where a run was made, None if that was not recorded or cannot be read."""
    try:
        return msgspec.json.decode((folder / ENVIRONMENT).read_bytes(), type=Environment)
    except (OSError, msgspec.DecodeError):
        return None


def first_different_line(recorded: Path, replayed: Path) -> str:
    """Say where two files of lines part, "" if they do not."""
    with recorded.open("rb") as old, replayed.open("rb") as new:
        for number, (one, other) in enumerate(zip_longest(old, new), start=1):
            if one != other:
                return f"line {number} was {_shown(one)}, and is now {_shown(other)}"
    return ""


def parts_before(recorded: Path, replayed: Path, time: int) -> tuple[int, str]:
    """Compare two histories up to a time; return how many events are the same, and where they part ("" if not)."""
    same = 0
    with recorded.open("rb") as old, replayed.open("rb") as new:
        for number, (one, other) in enumerate(zip_longest(old, new), start=1):
            # what comes later in the run that was broken off comes of the breaking off
            if one == other:
                same += 1
            elif any(line is not None and _time_of(line) < time for line in (one, other)):
                return same, f"line {number} was {_shown(one)}, and is now {_shown(other)}"
            else:
                break
    return same, ""


class Follower:
    """Follows a replay's lines along a recorded trace, which may have gaps, to the first that is another one."""

    def __init__(self, recorded: Iterator[TraceLine]) -> None:
        self._recorded = (line for line in recorded if line.kind != CUT)
        self._expected = next(self._recorded, None)
        self._instead: TraceLine | None = None
        self.where = ""

    def write(self, line: TraceLine) -> None:
        """Take a line of the replay."""
        expected = self._expected
        if self.where or expected is None or line.event < expected.event:
            return
        if _plainly(line) == _plainly(expected):
            self._expected, self._instead = next(self._recorded, None), None
        elif line.event > expected.event:
            self._part(expected, self._instead or line)
        else:
            self._instead = self._instead or line

    def close(self) -> None:
        """There are no more lines."""
        if not self.where and self._expected is not None:
            self._part(self._expected, self._instead)

    def _part(self, was: TraceLine, now: TraceLine | None) -> None:
        told = _shown(msgspec.json.encode(now) if now is not None else None)
        self.where = f"event {was.event} was {_shown(msgspec.json.encode(was))}, and is now {told}"


class _Timed(msgspec.Struct):
    time: int


_timed = msgspec.json.Decoder(_Timed)


def _time_of(line: bytes) -> int:
    """Return an event's time; one that is damaged counts from the beginning on."""
    try:
        return _timed.decode(line).time
    except msgspec.DecodeError:
        return 0


def _plainly(line: TraceLine) -> Any:
    return msgspec.json.encode(line)


def _differences(recorded: Side, replayed: Side) -> Iterator[Difference]:
    for part, file in (("plan", PLAN), ("history", HISTORY), ("trace", "")):
        old, new = _hash(recorded.result, part), _hash(replayed.result, part)
        path = recorded.folder / file
        if not file or not path.exists():
            if old and old != new:
                yield Difference(part=part, recorded=old, replayed=new)
            continue
        with path.open("rb") as content:
            in_file = hashlib.file_digest(content, "sha256").hexdigest()
        if in_file == new and old in (new, ""):
            continue
        where = first_different_line(path, replayed.folder / file)
        if old and in_file != old:
            where = f"{file} is not what {RESULTS} says it was: one of them was changed later; {where}".rstrip("; ")
        yield Difference(part=part, recorded=in_file if old == new else old, replayed=new, where=where)


def _hash(result: RunResult, part: str) -> str:
    found: str = getattr(result, f"{part}_sha256")
    return found


def _departures(old: Environment | None, new: Environment | None) -> Iterator[str]:
    """Say what differs between two places, as far as a run might notice."""
    if old is None or new is None:
        yield "with which code and Python the run was made is not recorded"
        return
    for name in ("antipaxos", "commit", "python", "implementation", "machine"):
        if getattr(old, name) != getattr(new, name):
            yield f"{name} was {getattr(old, name) or 'unknown'}, and is now {getattr(new, name) or 'unknown'}"
    if other_code(old, new) and old.commit == new.commit:
        yield "the code was another one"
    packages = sorted({*old.packages, *new.packages})
    for name in packages:
        if (was := old.packages.get(name)) != (now := new.packages.get(name)):
            yield f"{name} was {was or 'not there'}, and is now {now or 'not there'}"


def other_code(old: Environment | None, new: Environment | None) -> bool | None:
    """Say whether two runs were made by different code; None if that is not known."""
    if old is None or new is None:
        return None
    if old.antipaxos != new.antipaxos:
        return True
    if old.code_sha256 and new.code_sha256:
        return old.code_sha256 != new.code_sha256
    if "+" in old.commit + new.commit or not (old.commit and new.commit):
        return None if old.commit == new.commit else True
    return old.commit != new.commit


def _shown(line: bytes | None) -> str:
    if line is None:
        return "not there"
    text = line.decode(errors="replace").strip()
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "…"
