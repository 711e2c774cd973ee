"""What the log does when it is applied: sessions, the store, and a digest of it all.

Nodes that have applied the same prefix must agree on everything: the digest chains, slot by slot, what was applied and
what came of it, so two nodes with one difference anywhere differ for ever after, and a log audit sees where it began.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from node.kv import Result, Store
from node.paxos.counters import Counters
from node.paxos.membership import MARK, NOBODY, Change, Membership, decode_change, encode_change
from node.paxos.messages import Value
from node.sessions import NEW, Row, Sessions, Standing
from node.wire import Answer, Command, Done, Reason, Refusal

COMMANDS_PER_SLOT_BITS = 20
"""A session's number is its slot and its place in the slot's batch; a batch holds fewer than 2**20 commands."""


class OpenEntry(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="open"):
    """A client's wish to open a session, named by the node that took it so that the answer finds its way back."""

    node: int
    incarnation: int
    number: int


Entry = OpenEntry | Command | Change

_encoder = msgspec.msgpack.Encoder()
_entry: msgspec.msgpack.Decoder[OpenEntry | Command] = msgspec.msgpack.Decoder(OpenEntry | Command)


def encode_entry(entry: Entry) -> bytes:
    """Return a log entry's bytes: what the core agrees on."""
    return encode_change(entry) if isinstance(entry, Change) else _encoder.encode(entry)


def decode_entry(command: bytes) -> Entry:
    """Return the log entry of a command's bytes. Raises msgspec.DecodeError."""
    return decode_change(command) if command[:1] == MARK else _entry.decode(command)


class Applied(msgspec.Struct, frozen=True, gc=False):
    """An entry and the answer to whoever waits for it."""

    entry: Entry
    answer: Answer


def members_answer(membership: Membership) -> Answer:
    """Return the answer to whoever has asked for a change of the members: who they are now, as ``[id, address]``."""
    return Done(Result(True, [list(member) for member in membership.members]))


class State(msgspec.Struct, frozen=True, array_like=True):
    """The whole replicated state after a slot: what a snapshot holds. Equal states have equal bytes."""

    applied_upto: int
    digest: bytes
    data: dict[str, Any]
    sessions: list[Row]
    membership: Membership | None = None
    """Who the members are; None while they are those that the cluster began with."""


_state = msgspec.msgpack.Decoder(State)


class StateError(Exception):
    """Bytes that are no state of this version."""


def decode_state(state: bytes) -> State:
    """Return the state of a snapshot's bytes. Raises StateError."""
    try:
        return _state.decode(state)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"the snapshot's checksum holds, but it is no state: {error}") from error


class Machine:
    """The replicated state of one node; ``command_bytes`` counts what was applied since it started."""

    def __init__(self, counters: Counters, membership: Membership = NOBODY) -> None:
        self.membership = membership
        self.store = Store()
        self.sessions = Sessions()
        self.applied_upto = 0
        self.command_bytes = 0
        self.summed = bytes(16)
        """The digest over everything applied so far."""
        self._counters = counters

    @property
    def digest(self) -> str:
        """The same, hexadecimal."""
        return self.summed.hex()

    def state(self) -> bytes:
        """Return the whole state, for a snapshot."""
        membership = self.membership if self.membership.version else None
        state = State(self.applied_upto, self.summed, dict(self.store.data()), self.sessions.rows(), membership)
        return _encoder.encode(state)

    def restore(self, state: State) -> None:
        """Take over a snapshot's state in place of all that was applied."""
        self.applied_upto = state.applied_upto
        self.summed = state.digest
        self.store.restore(dict(state.data))
        self.sessions.restore(state.sessions)
        if state.membership is not None:
            self.membership = state.membership

    def apply(self, slot: int, value: Value) -> Iterator[Applied]:
        """Apply one chosen slot: the next one, always. Yields each entry with its answer."""
        assert slot == self.applied_upto + 1, f"slot {slot} applied after slot {self.applied_upto}"
        told = [self.summed, slot.to_bytes(8, "little")]
        decode, encode = _entry.decode, _encoder.encode
        for number, command in enumerate(value, start=slot << COMMANDS_PER_SLOT_BITS):
            entry = decode(command) if command[:1] != MARK else decode_change(command)
            answer = self.apply_entry(entry, number)
            told.append(command)
            told.append(encode(answer))
            self.command_bytes += len(command)
            yield Applied(entry, answer)
        self.summed = hashlib.blake2b(b"".join(told), digest_size=16).digest()
        self.applied_upto = slot

    def apply_entry(self, entry: Entry, number: int) -> Answer:
        """Apply one entry; ``number`` is its place in the whole log."""
        if isinstance(entry, OpenEntry):
            self._counters.sessions_evicted += self.sessions.open(number)
            return Done(Result(True, number))
        if isinstance(entry, Change):
            self.membership = self.membership.after(entry)
            return members_answer(self.membership)
        standing = self.sessions.standing(entry.session, entry.sequence)
        if standing is NEW:
            result = entry.operation.apply(self.store)
            self.sessions.record(entry.session, entry.sequence, result)
            return Done(result)
        if standing is Standing.REPEATED:
            self._counters.retries_deduplicated += 1
            return self.repeated(entry.session)
        if standing is Standing.OUTDATED:
            return Refusal(Reason.INVALID, detail="the session has gone on to a later operation")
        return Refusal(Reason.SESSION_EXPIRED)

    def repeated(self, session: int) -> Answer:
        """Answer a repetition with the first result."""
        result = self.sessions.result(session)
        assert result is not None
        return Done(result)
