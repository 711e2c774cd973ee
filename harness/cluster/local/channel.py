"""How controller, warden and switch exchange messages: a pair of connected sockets, one datagram a message.

SOCK_SEQPACKET keeps what a byte stream would have to rebuild: message boundaries, and which descriptor came with
which message; it still tells when the other side is gone. Both ends limit what they take: a message is at most
``MESSAGE_LIMIT_BYTES``, and no more than ``IN_FLIGHT_LIMIT`` requests wait for an answer at once.
"""

from __future__ import annotations

import array
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import Answer, Ask, Refused, Reply, Request

MESSAGE_LIMIT_BYTES = 64 << 10
IN_FLIGHT_LIMIT = 512


class _Numbered(msgspec.Struct, frozen=True):
    number: int


_encoder = msgspec.msgpack.Encoder()
_asks = msgspec.msgpack.Decoder(Ask)
_numbers = msgspec.msgpack.Decoder(_Numbered)
_answers = msgspec.msgpack.Decoder(Answer)


@dataclass(frozen=True, slots=True)
class Packet:
    """One received message and the descriptor that came with it, if any."""

    data: bytes
    descriptor: int | None = None


def pair() -> tuple[socket.socket, socket.socket]:
    """Create the two ends of a channel."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MESSAGE_LIMIT_BYTES)
    return ends


def encode(message: Ask | Answer) -> bytes:
    """Turn a message into its bytes; LocalError if it is too long to send."""
    data = _encoder.encode(message)
    if len(data) > MESSAGE_LIMIT_BYTES:
        raise LocalError(f"a message of {len(data)} bytes is over the limit of {MESSAGE_LIMIT_BYTES}")
    return data


def decode_ask(data: bytes) -> Ask:
    """Read a request; LocalError says in what it is malformed."""
    if len(data) > MESSAGE_LIMIT_BYTES:
        raise LocalError(f"malformed request: longer than {MESSAGE_LIMIT_BYTES} bytes")
    try:
        return _asks.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LocalError(f"malformed request: {error}") from error


def number_of(data: bytes) -> int:
    """Return the number of a request that is malformed otherwise; 0 if even that cannot be read."""
    try:
        return _numbers.decode(data).number
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0


def decode_answer(data: bytes) -> Answer:
    """Read a reply; LocalError says in what it is malformed."""
    try:
        return _answers.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LocalError(f"malformed reply: {error}") from error


def receive(end: socket.socket) -> Packet | None:
    """Take one message; None once the other side is gone. One byte over the limit is enough to see an excess."""
    room = socket.CMSG_SPACE(array.array("i").itemsize)
    try:
        data, ancillary, _, _ = end.recvmsg(MESSAGE_LIMIT_BYTES + 1, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        return None
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    if not data and not descriptors:
        return None
    return Packet(data, descriptors[0] if descriptors else None)


def serve(end: socket.socket, reply: Callable[[Request], Reply]) -> bool:
    """Answer one request with its reply, or with a refusal if that raises LocalError; False once the other is gone."""
    packet = receive(end)
    if packet is None:
        return False
    try:
        ask = decode_ask(packet.data)
        answer = Answer(ask.number, reply(ask.request))
    except LocalError as error:
        answer = Answer(number_of(packet.data), Refused(str(error)))
    end.send(encode(answer))
    return True


def send(end: socket.socket, data: bytes, descriptors: Sequence[int] = ()) -> None:
    """Send one message at once or raise BlockingIOError; the descriptors are copied to the receiver."""
    if descriptors:
        socket.send_fds(end, [data], list(descriptors))
    else:
        end.send(data)
