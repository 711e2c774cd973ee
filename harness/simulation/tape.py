"""The tape: a trace in lines, for people and for the report's picture of messages.

A tape hears what ``trace`` hashes, and what follows from it: what nodes send, which role they take, what becomes of
their disks and clocks. Every line carries the number of the event it belongs to, so a line can be asked for again
(``antipaxos replay --break-at``). Recording changes nothing of the run: the same seed with and without a tape has the
same hash.

Lines are ``TraceLine`` as JSON. A frame has a number: the line that sends it and the line that receives it share it; a
frame that is doubled is received twice, one that is lost or cut off is never received.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from harness.simulation.trace import Given
from node import wire
from node.machine import OpenEntry, decode_entry
from node.paxos.ballot import Ballot
from node.paxos.membership import Change
from node.paxos.messages import Message, Reported, SnapshotPart, Value

COMMANDS_TOLD_MAX = 8
"""Of a larger batch only so many commands are told."""


class TraceLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: ``at`` is ns of virtual time, ``event`` the number of the event it belongs to.

    ``kind`` is one of ``starts``, ``ends``, ``frame`` (received from ``peer``), ``send`` (to ``peer``), ``request`` and
    ``reply`` (``peer`` is the client's connection), ``durable``, ``saved`` (a snapshot), ``tick``, ``leaves`` (it is
    asked to stop), ``role``, ``speculation`` (it computes a slot's results ahead), ``sync``, ``process``, ``clock``,
    ``disk``, ``links``, ``broken`` (an invariant); ``cut`` stands for lines that were left out. ``frame`` is the number
    of a frame. ``what`` says it in a word (a message's type), ``body`` whole.
    """

    event: int
    at: int
    kind: str
    node: str = ""
    peer: str = ""
    frame: int = 0
    what: str = ""
    body: Any = None


class NumberedFrame(bytes):
    """A frame that knows its number, however often and wherever the network delivers it."""

    number: int


_KINDS = {kind: kind.name.lower() for kind in Given}
_encoder = msgspec.json.Encoder()


class Tape:
    """Takes lines down, each as soon as it is known; ``write`` gets them in order."""

    def __init__(self, write: Callable[[TraceLine], None]) -> None:
        self._write = write
        self._frames = 0
        self._standing: dict[str, tuple[str, Ballot, int]] = {}

    def given(self, event: int, at: int, kind: int, node: int, peer: int, data: bytes) -> None:
        """What a node or client is given."""
        what, body = _content(Given(kind), data)
        of_client = kind in (Given.REQUEST, Given.REPLY)
        self._write(
            TraceLine(
                event=event,
                at=at,
                kind=_KINDS[Given(kind)],
                node=f"n{node}",
                peer=(f"client {peer}" if of_client else f"n{peer}") if peer else "",
                frame=data.number if isinstance(data, NumberedFrame) else 0,
                what=what,
                body=body,
            )
        )

    def sent(self, event: int, at: int, node: str, peer: str, frame: bytes) -> NumberedFrame:
        """A node sends a frame; the frame that is returned is to be carried in its place."""
        self._frames += 1
        numbered = NumberedFrame(frame)
        numbered.number = self._frames
        what, body = _content(Given.FRAME, frame)
        self._write(
            TraceLine(event=event, at=at, kind="send", node=node, peer=peer, frame=self._frames, what=what, body=body)
        )
        return numbered

    def stands(self, event: int, at: int, node: str, role: str, ballot: Ballot, incarnation: int) -> None:
        """A node's role after a step: a line if it is another one than before."""
        standing = (role, ballot, incarnation)
        if self._standing.get(node) != standing:
            self._standing[node] = standing
            body = {"ballot": str(ballot), "incarnation": incarnation}
            self._write(TraceLine(event=event, at=at, kind="role", node=node, what=role, body=body))

    def happens(self, event: int, at: int, kind: str, node: str, what: str, body: Any = None) -> None:
        """Something happens to a process, a disk, a clock or the links."""
        self._write(TraceLine(event=event, at=at, kind=kind, node=node, what=what, body=body))


class TapeFile:
    """A tape's lines in a file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, line: TraceLine) -> None:
        """Append a line."""
        self._file.write(_encoder.encode(line) + b"\n")

    def close(self) -> None:
        """Write out what is left."""
        self._file.close()


def read_tape(path: Path) -> Iterator[TraceLine]:
    """Yield the lines of a file. Raises OSError, and ValueError naming a line that is damaged."""
    decoder = msgspec.json.Decoder(TraceLine)
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error


def _content(kind: Given, data: bytes) -> tuple[str, Any]:
    """Return what was given in a word, and whole."""
    match kind:
        case Given.FRAME:
            return message_in_words(wire.decode_message(data[4:]))
        case Given.REQUEST:
            request = wire.decode_request(data)
            return type(request.body).__name__.lower(), _plain(request.body)
        case Given.REPLY:
            reply = wire.decode_reply(data[4:])
            return type(reply.answer).__name__.lower(), _plain(reply.answer)
        case Given.DURABLE:
            return "", {"upto": int(data)}
        case Given.SAVED:
            return "", {"segments_removed": int(data)}
        case Given.ENDS:
            return "", {"status": int(data)}
    return "", None


def message_in_words(message: Message) -> tuple[str, Any]:
    """Return a message between nodes in a word, and whole."""
    return str(message.__struct_config__.tag), _plain(message)


def in_words(value: Value) -> list[str]:
    """Return a slot's value in words: its commands, or as many as are told."""
    told: list[str] = _plain(value)
    return told


def _plain(thing: Any) -> Any:
    """Return a message as plain data for people: ballots as text, commands in words."""
    match thing:
        case Ballot():
            return str(thing)
        case SnapshotPart():
            return {**_plain_fields(thing), "data": f"{len(thing.data)} bytes"}
        case bytes():
            return _command(thing)
        case wire.Status():
            return {"role": thing.role, "ballot": str(Ballot(*thing.ballot)), "applied_upto": thing.applied_upto}
        case msgspec.Struct():
            fields = _plain_fields(thing)
            tag = thing.__struct_config__.tag
            return {"type": tag, **fields} if tag and not isinstance(thing, Message) else fields
        case tuple() | list() if len(thing) > COMMANDS_TOLD_MAX and not isinstance(thing[0], Reported):
            return [*map(_plain, thing[:COMMANDS_TOLD_MAX]), f"… {len(thing) - COMMANDS_TOLD_MAX} more"]
        case tuple() | list():
            return [_plain(part) for part in thing]
    return thing


def _plain_fields(thing: msgspec.Struct) -> dict[str, Any]:
    fields = (name for name in thing.__struct_fields__ if name != "data" or not isinstance(thing, SnapshotPart))
    return {name: _plain(getattr(thing, name)) for name in fields}


def _command(command: bytes) -> str:
    entry = decode_entry(command)
    if isinstance(entry, OpenEntry):
        return f"open session for n{entry.node}"
    if isinstance(entry, Change):
        return str(entry)
    return f"{entry.session}/{entry.sequence} {msgspec.json.encode(entry.operation).decode()}"
