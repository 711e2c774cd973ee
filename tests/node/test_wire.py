"""Frames and messages on a connection: any cutting gives the same frames, and nothing malformed gets through."""

from __future__ import annotations

import struct
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import kv, wire
from node.paxos.ballot import Ballot
from node.paxos.counters import Counters
from node.paxos.messages import (
    Accept,
    Accepted,
    Chosen,
    Fetch,
    Heartbeat,
    HeartbeatAck,
    LifeNoted,
    Message,
    OldLife,
    Prepare,
    Promise,
    ReadIndex,
    ReadIndexReply,
    Recover,
    Refused,
    Reported,
    SnapshotPart,
    Truncated,
    Welcome,
)

B, C = Ballot(3, 2), Ballot(7, 1)
MESSAGES: list[Message] = [
    Prepare(B, 4),
    Promise(B, 4, 17, 0, 2, 3, (Reported(4, C, (b"x", b""), True), Reported(9, B, (), False))),
    Accept(B, 4, (b"command", b"another"), 3),
    Accepted(B, 4),
    Refused(B, C),
    Truncated(B, 3),
    SnapshotPart(40, B, 9, 77, 3, b"state"),
    Fetch(4, 40, 77, 8),
    Heartbeat(B, 12, 3),
    HeartbeatAck(B, 12),
    ReadIndex((5 << 40) + 1),
    ReadIndexReply(B, (5 << 40) + 1, 3),
    ReadIndexReply(B, 1, None),
    Fetch(2),
    Chosen(((2, B, (b"x",)), (3, C, ())), 3),
    Prepare(B, 4, ((1, 2, 1 << 60), (3, 9, 7))),
    Promise(B, 4, 17, 0, 1, 0, (), ((1, 2, 5),)),
    Recover(1 << 60, False, True),
    LifeNoted(1 << 60, True),
    OldLife(4),
    Welcome(5, B, 9, ((1, 2, 5),)),
]
OPERATIONS: list[kv.Operation] = [
    kv.Read("x"),
    kv.Write("x", [1, "a", None, True]),
    kv.Cas("x", None, -1),
    kv.Append("l", "é"),
    kv.Add("s", 1 << 62),
    kv.Increment("n", -3),
    kv.Txn((kv.Read("x"), kv.Append("l", 1))),
]
REQUESTS = [
    wire.Request(1, wire.OpenSession()),
    wire.Request(2, wire.StatusRequest()),
    *(wire.Request(3, wire.Command(1 << 20, 4, operation)) for operation in OPERATIONS),
    *(wire.Request(4, wire.Query(operation)) for operation in OPERATIONS),
]
ANSWERS: list[wire.Answer] = [
    wire.Done(kv.Result(True, [1, None])),
    wire.Refusal(wire.Reason.NOT_LEADER, 2),
    wire.Refusal(wire.Reason.INVALID, detail="why"),
    wire.Status(1, 2, "leader", None, (3, 1), 4, 4, "ab", 0, Counters(elections_won=1)),
]
HELLOS: list[wire.Hello] = [
    wire.PeerHello(wire.PROTOCOL, "demo", 2, 5),
    wire.ClientHello(wire.PROTOCOL, "demo"),
]
DECODERS: list[Callable[[bytes], object]] = [
    wire.decode_hello,
    wire.decode_message,
    wire.decode_request,
    wire.decode_reply,
]


def framed(body: bytes) -> bytes:
    """Return a body with its length."""
    return struct.pack(">I", len(body)) + body


def decoded(decode: Callable[[bytes], object], body: bytes) -> object:
    """Return what a body is, or the FrameError that it is none; anything else raised is a failure."""
    try:
        return decode(body)
    except wire.FrameError as error:
        return error


# -- frames -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=50), max_size=10), st.lists(st.integers(0, 80), max_size=40))
def test_any_cutting_gives_the_same_frames(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(framed, bodies))
    reader = wire.FrameReader(50)
    frames: list[bytes] = []
    for size in [*cuts, len(stream)]:
        frames.extend(reader.feed(stream[:size]))
        stream = stream[size:]
    assert frames == bodies


def test_byte_by_byte() -> None:
    reader = wire.FrameReader(10)
    stream = framed(b"") + framed(b"abc")
    assert [list(reader.feed(stream[place : place + 1])) for place in range(len(stream))] == [
        *([] for _ in range(3)),
        [b""],
        *([] for _ in range(6)),
        [b"abc"],
    ]


@given(st.integers(11, 2**32 - 1), st.binary(max_size=20))
def test_a_length_over_the_limit_is_refused_before_its_bytes_come(length: int, rest: bytes) -> None:
    reader = wire.FrameReader(10)
    assert list(reader.feed(framed(b"before"))) == [b"before"]
    with pytest.raises(wire.FrameError, match=f"a frame of {length} bytes is over the limit of 10"):
        list(reader.feed(struct.pack(">I", length) + rest))


def test_frames_before_an_oversized_one_are_delivered() -> None:
    reader = wire.FrameReader(10)
    frames = reader.feed(framed(b"one") + framed(bytes(11)))
    assert next(frames) == b"one"
    with pytest.raises(wire.FrameError):
        next(frames)


def test_a_new_limit_holds_from_the_next_frame_on() -> None:
    reader = wire.FrameReader(5)
    frames = reader.feed(framed(b"hello") + framed(bytes(100)))
    assert next(frames) == b"hello"
    reader.frame_bytes_max = 100
    assert next(frames) == bytes(100)
    reader.frame_bytes_max = 5
    with pytest.raises(wire.FrameError):
        list(reader.feed(framed(bytes(6))))


# -- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_round_trip(message: Message) -> None:
    (frame,) = wire.FrameReader(1 << 20).feed(wire.encode(message))
    assert wire.decode_message(frame) == message


def test_every_kind_of_message_is_among_them() -> None:
    assert {type(message) for message in MESSAGES} == set(Message.__args__)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_requests_round_trip(request_: wire.Request) -> None:
    assert wire.decode_request(wire.encode(request_)[4:]) == request_


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
def test_replies_round_trip(answer: wire.Answer) -> None:
    assert wire.decode_reply(wire.encode(wire.Reply(9, answer))[4:]) == wire.Reply(9, answer)


@pytest.mark.parametrize("hello", HELLOS, ids=str)
def test_hellos_round_trip(hello: wire.Hello) -> None:
    assert wire.decode_hello(wire.encode(hello)[4:]) == hello


def test_a_hello_of_another_protocol_is_refused() -> None:
    with pytest.raises(wire.FrameError, match="speaks 'antipaxos/2', not 'antipaxos/1'"):
        wire.decode_hello(wire.encode(wire.ClientHello("antipaxos/2", "demo"))[4:])


MALFORMED = {
    "nothing": b"",
    "half": wire.encode(MESSAGES[1])[4:-3],
    "more than one": wire.encode(MESSAGES[0])[4:] + b"\x01",
    "no MessagePack": b"\xc1",
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "another kind": msgspec.msgpack.encode(["unknown", 1]),
    "wrong type": msgspec.msgpack.encode(["accepted", "ballot", 1]),
    "no UTF-8": b"\x93\xa8acce\xffted\x92\x03\x02\x04",
    "a list of four thousand million": b"\x96\xa7promise\x92\x01\x01\x01\x01\x00\x01\xdd\xff\xff\xff\xff",
    "nested without end": b"\x91" * 100_000,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("decode", DECODERS, ids=lambda decode: decode.__name__)
def test_the_malformed_is_refused(decode: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(wire.FrameError, match="malformed"):
        decode(body)


@given(
    st.sampled_from([wire.encode(thing)[4:] for thing in (*MESSAGES, *REQUESTS, *HELLOS)]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4),
    st.sampled_from(DECODERS),
)
def test_damage_never_raises_anything_but_a_frame_error(
    body: bytes, damage: list[tuple[int, int]], decode: Callable[[bytes], object]
) -> None:
    damaged = bytearray(body)
    for place, byte in damage:
        damaged[place % len(damaged)] = byte
    decoded(decode, bytes(damaged))


@given(st.binary(max_size=40), st.sampled_from(DECODERS))
def test_garbage_never_raises_anything_but_a_frame_error(body: bytes, decode: Callable[[bytes], object]) -> None:
    decoded(decode, body)


@pytest.mark.parametrize(
    "value",
    [
        b"\xcb\x3f\xf8" + bytes(6),
        b"\xc4\x01x",
        b"\x81\xa1a\x01",
        b"\xd6\xff" + bytes(4),
        b"\xd4\x01\x00",
        b"\x91" * 3 + b"\xc0",
    ],
    ids=["float", "bytes", "map", "timestamp", "extension", "too deep"],
)
def test_a_value_that_the_store_cannot_keep_passes_the_wire_but_not_the_check(value: bytes) -> None:
    request = wire.decode_request(b"\x92\x01\x94\xa7command\x01\x01\x93\xa5write\xa1x" + value)
    assert isinstance(request.body, wire.Command)
    with pytest.raises(kv.OperationError, match="a value is null, a boolean, an integer, a string or a list"):
        kv.check(request.body.operation)
