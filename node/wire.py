"""The bytes on a connection: length-prefixed frames, a hello, then peers' messages or clients' requests.

    frame     length u32 (big-endian), then that many bytes of MessagePack

The first frame of each connection is a hello that names the protocol, the cluster and who speaks; anything else is a
stranger's and the connection is closed. A frame may be large between peers (a promise's part) but not from a client,
and its length is checked before a byte of it is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import StrEnum
from typing import TypeVar

import msgspec

from node.kv import Operation, Result
from node.paxos.counters import Counters
from node.paxos.membership import Membership
from node.paxos.messages import Message

PROTOCOL = "antipaxos/1"
CLUSTER = "antipaxos"
"""The name of a cluster that was given none."""
PEER_FRAME_BYTES_MAX = 32 * 1024 * 1024
CLIENT_FRAME_BYTES_MAX = 1024 * 1024
HELLO_FRAME_BYTES_MAX = 1024
REPLY_FRAME_BYTES_MAX = 32 * 1024 * 1024
NO_NUMBER = 0
"""The number of a reply to nothing that was asked: the node says why it hangs up. Requests count from 1."""
_LENGTH = struct.Struct(">I")


class FrameError(Exception):
    """What arrived is no frame of this protocol, or is too large; the connection cannot go on."""


class PeerHello(msgspec.Struct, frozen=True, tag="peer"):
    """A member of ``cluster`` speaks; every message after it is this incarnation's."""

    protocol: str
    cluster: str
    node: int
    incarnation: int


class ClientHello(msgspec.Struct, frozen=True, tag="client"):
    """A client speaks."""

    protocol: str
    cluster: str


Hello = PeerHello | ClientHello


class OpenSession(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="open"):
    """Open a session; the result's value is its number."""


class Command(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="command"):
    """The session's operation number ``sequence``, to be applied once."""

    session: int
    sequence: int
    operation: Operation


class Query(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="query"):
    """An operation that only reads: any node answers it, linearizably."""

    operation: Operation


class StatusRequest(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="status"):
    """How does the node see itself?"""


class Transfer(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="transfer"):
    """The leader is asked to hand its leadership over to ``to``; done when that node leads."""

    to: int


class ChangeMembers(msgspec.Struct, frozen=True, array_like=True, tag="members"):
    """The leader is asked to add a node that listens at ``address``, or to remove one; done when that is chosen."""

    add: bool
    node: int
    address: str = ""


Body = OpenSession | Command | Query | StatusRequest | Transfer | ChangeMembers


class Request(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A client's request; the reply carries the same ``number``."""

    number: int
    body: Body


class Reason(StrEnum):
    """Why a request was refused."""

    NOT_LEADER = "not-leader"  # nothing happened with this request; try the leader
    DEPOSED = "deposed"  # the node led, and leads no more: the command may or may not be chosen
    UNAVAILABLE = "unavailable"  # a read could not be confirmed, or leadership not handed over; nothing happened
    OVERLOADED = "overloaded"  # nothing happened; come back later
    SESSION_EXPIRED = "session-expired"  # what became of the operation is unknown, and it will not be applied now
    TOO_LARGE = "too-large"  # the operation was carried out; its result is larger than a reply may be
    INVALID = "invalid"  # the operation is not one; nothing happened


class Done(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="done"):
    """The operation was carried out."""

    result: Result


class Refusal(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="refused"):
    """The request was refused; ``leader`` is a node to try instead, if one is known."""

    reason: Reason
    leader: int | None = None
    detail: str = ""


class WalUse(msgspec.Struct):
    """What a node's log thread has done since the start; ``busy_ns``: how long it had a write and a sync under way."""

    commits: int = 0
    records: int = 0
    busy_ns: int = 0


class Load(msgspec.Struct, frozen=True):
    """What waits in a node now: commands for an Accept, records for the disk and their bytes, answers for records."""

    commands: int = 0
    records: int = 0
    records_bytes: int = 0
    answers: int = 0
    reads: int = 0
    clients: int = 0


class Status(msgspec.Struct, frozen=True, array_like=True, tag="status"):
    """How a node sees itself; ``digest`` is over everything applied so far (hexadecimal)."""

    node: int
    incarnation: int
    role: str
    leader: int | None
    ballot: tuple[int, int]
    chosen_upto: int
    applied_upto: int
    digest: str
    sessions: int
    counters: Counters
    wal: WalUse = msgspec.field(default_factory=WalUse)
    load: Load = msgspec.field(default_factory=Load)
    membership: Membership | None = None


Answer = Done | Refusal | Status


class Reply(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The answer to the request of the same number."""

    number: int
    answer: Answer


_T = TypeVar("_T")
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_encoder = msgspec.msgpack.Encoder()
_hello: msgspec.msgpack.Decoder[Hello] = msgspec.msgpack.Decoder(Hello)
_message: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_decode_request = msgspec.msgpack.Decoder(Request).decode  # there is one for every operation: no call more than needed
_reply = msgspec.msgpack.Decoder(Reply)


def encode(thing: Hello | Message | Request | Reply) -> bytes:
    """Return the frame of a message."""
    body = _encoder.encode(thing)
    return _LENGTH.pack(len(body)) + body


def encode_reply(reply: Reply) -> bytes:
    """Return the frame of a reply; of one that is too large for a frame, the frame of a refusal that says so."""
    body = _encoder.encode(reply)
    if len(body) > REPLY_FRAME_BYTES_MAX:
        return encode(Reply(reply.number, Refusal(Reason.TOO_LARGE, detail=f"the result takes {len(body)} bytes")))
    return _LENGTH.pack(len(body)) + body


def decode_hello(body: bytes) -> Hello:
    """Raises FrameError if it is no hello of this protocol."""
    hello = _decoded(_hello, body, "hello")
    if hello.protocol != PROTOCOL:
        raise FrameError(f"speaks {hello.protocol!r}, not {PROTOCOL!r}")
    return hello


def decode_message(body: bytes) -> Message:
    """Raises FrameError if it is no message between peers."""
    return _decoded(_message, body, "peer message")


def decode_request(body: bytes) -> Request:
    """Raises FrameError if it is no request."""
    try:
        return _decode_request(body)
    except _MALFORMED as error:
        raise FrameError(f"malformed request: {error}") from error


def decode_reply(body: bytes) -> Reply:
    """Raises FrameError if it is no reply."""
    return _decoded(_reply, body, "reply")


def _decoded(decoder: msgspec.msgpack.Decoder[_T], body: bytes, what: str) -> _T:
    try:
        return decoder.decode(body)
    except _MALFORMED as error:
        raise FrameError(f"malformed {what}: {error}") from error


class FrameReader:
    """Cuts a byte stream into frames, keeping no more than one frame's bytes beyond what was just fed.

    ``frame_bytes_max`` may change between two frames: it holds for the next one.
    """

    __slots__ = ("_buffer", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        self._buffer = bytearray()
        self.frame_bytes_max = frame_bytes_max

    def cut(self, data: bytes) -> list[bytes]:
        """Return the frames completed by ``data``, as ``feed`` would yield them if the limit stays what it is.

        Most of the time what arrives is one whole frame, or a few: they are cut without being copied first.
        """
        if self._buffer:
            return list(self.feed(data))
        size = len(data)
        frames = []
        offset = 0
        while offset + 4 <= size:
            (length,) = _LENGTH.unpack_from(data, offset)
            if length > self.frame_bytes_max:
                raise FrameError(f"a frame of {length} bytes is over the limit of {self.frame_bytes_max}")
            end = offset + 4 + length
            if end > size:
                break
            frames.append(data[offset + 4 : end])
            offset = end
        if offset < size:
            self._buffer += data[offset:]
        return frames

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the frames completed by ``data``. Raises FrameError at a frame that is too large."""
        buffer = self._buffer
        buffer += data
        offset = 0
        try:
            while len(buffer) - offset >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(buffer, offset)
                if length > self.frame_bytes_max:
                    raise FrameError(f"a frame of {length} bytes is over the limit of {self.frame_bytes_max}")
                end = offset + _LENGTH.size + length
                if end > len(buffer):
                    return
                frame = bytes(buffer[offset + _LENGTH.size : end])
                offset = end
                yield frame
        finally:
            del buffer[:offset]
