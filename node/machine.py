"""What the log does when it is applied: sessions, the store, and a digest of it all.

Nodes that have applied the same prefix must agree on everything: the digest chains, slot by slot, what was applied and
what came of it, so two nodes with one difference anywhere differ for ever after, and a log audit sees where it began.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from node.kv import Result, Store
from node.paxos.counters import Counters
from node.paxos.messages import Value
from node.sessions import Sessions, Standing
from node.wire import Answer, Command, Done, Reason, Refusal

COMMANDS_PER_SLOT_BITS = 20
"""A session's number is its slot and its place in the slot's batch; a batch holds fewer than 2**20 commands."""


class OpenEntry(msgspec.Struct, frozen=True, array_like=True, tag="open"):
    """A client's wish to open a session, named by the node that took it so that the answer finds its way back."""

    node: int
    incarnation: int
    number: int


Entry = OpenEntry | Command

_encoder = msgspec.msgpack.Encoder()
_entry: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)


def encode_entry(entry: Entry) -> bytes:
    """Return a log entry's bytes: what the core agrees on."""
    return _encoder.encode(entry)


def decode_entry(command: bytes) -> Entry:
    """Return the log entry of a command's bytes. Raises msgspec.DecodeError."""
    return _entry.decode(command)


class Applied(msgspec.Struct, frozen=True, gc=False):
    """An entry and the answer to whoever waits for it."""

    entry: Entry
    answer: Answer


class Machine:
    """The replicated state of one node."""

    def __init__(self, counters: Counters) -> None:
        self.store = Store()
        self.sessions = Sessions()
        self.applied_upto = 0
        self.summed = bytes(16)
        """The digest over everything applied so far."""
        self._counters = counters

    @property
    def digest(self) -> str:
        """The same, hexadecimal."""
        return self.summed.hex()

    def apply(self, slot: int, value: Value) -> Iterator[Applied]:
        """Apply one chosen slot: the next one, always. Yields each entry with its answer."""
        assert slot == self.applied_upto + 1, f"slot {slot} applied after slot {self.applied_upto}"
        told = [self.summed, slot.to_bytes(8, "little")]
        for place, command in enumerate(value):
            entry = decode_entry(command)
            answer = self.apply_entry(entry, (slot << COMMANDS_PER_SLOT_BITS) + place)
            told += (command, _encoder.encode(answer))
            yield Applied(entry, answer)
        self.summed = hashlib.blake2b(b"".join(told), digest_size=16).digest()
        self.applied_upto = slot

    def apply_entry(self, entry: Entry, number: int) -> Answer:
        """Apply one entry; ``number`` is its place in the whole log."""
        if isinstance(entry, OpenEntry):
            self._counters.sessions_evicted += self.sessions.open(number)
            return Done(Result(True, number))
        match self.sessions.standing(entry.session, entry.sequence):
            case Standing.NEW:
                result = entry.operation.apply(self.store)
                self.sessions.record(entry.session, entry.sequence, result)
                return Done(result)
            case Standing.REPEATED:
                self._counters.retries_deduplicated += 1
                return self.repeated(entry.session)
            case Standing.OUTDATED:
                return Refusal(Reason.INVALID, detail="the session has gone on to a later operation")
            case Standing.EXPIRED:
                return Refusal(Reason.SESSION_EXPIRED)

    def repeated(self, session: int) -> Answer:
        """Answer a repetition with the first result."""
        result = self.sessions.result(session)
        assert result is not None
        return Done(result)
