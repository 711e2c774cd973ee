"""Clients of a benchmark: one connection each, so lean that they are not what is measured.

A lane keeps ``depth`` operations under way on its connection: when replies come in, as many requests go out, in one
write. Frames are put together from pieces that were encoded before; a reply is only looked at as far as it takes to
know that it says *done*. One of these costs a few microseconds an operation, most of it in the kernel.

Two kinds: our own protocol, and etcd's gRPC over bare HTTP/2 frames (leaner than any client library of etcd's, and so
flattering for etcd): headers as HPACK literals, one Put a stream; a stream that ends after a data frame is a Put done.
"""

from __future__ import annotations

import asyncio
import struct
import time
from array import array
from collections import deque
from collections.abc import Callable
from typing import cast

from node import wire
from node.kv import Write

_LENGTH = struct.Struct(">I")
_UINT32 = struct.Struct(">I")
FIRST = 0x10000
"""Request numbers begin here, so that all take the same five bytes."""
_FRAME = struct.Struct(">HBBBI")  # HTTP/2: length (24 bits), type, flags, stream
_MARK = 0x7FFFFFF1


class LaneError(Exception):
    """A reply that says anything but done, or a connection that ended."""


class Meter:
    """What all lanes of a process have measured: when operations were done (s) and how long they took (s)."""

    def __init__(self) -> None:
        self.counting = False
        self.latencies = array("d")

    def took(self, seconds: float) -> None:
        """Count an operation, if it is time to."""
        if self.counting:
            self.latencies.append(seconds)


class Lane(asyncio.Protocol):
    """One connection with ``depth`` operations under way; subclasses know the protocol."""

    def __init__(self, number: int, depth: int, value: str, meter: Meter) -> None:
        self.key = f"k{number}"
        self.value = value
        self.depth = depth
        self.failed: str | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stopping = False
        self._meter = meter
        self._sent: deque[float] = deque()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce the client."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self.greeting())

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection may end only when it was told to."""
        if not self.stopping:
            self.fail(f"the connection ended: {exc}")

    def fail(self, why: str) -> None:
        """Remember the first thing that went wrong and stop."""
        self.failed = self.failed or why
        self.stopping = True
        if not self.ready.done():
            self.ready.set_exception(LaneError(why))

    def begin(self) -> None:
        """Send the first operations."""
        now = time.perf_counter()
        self._sent.extend([now] * self.depth)
        self._write(b"".join(self.request() for _ in range(self.depth)))

    def data_received(self, data: bytes) -> None:
        """Count what is done and send as much anew."""
        if self._buffer:
            data = self._buffer + data
        done, used = self.take(data)
        self._buffer = data[used:]
        if not done:
            return
        now = time.perf_counter()
        for _ in range(done):
            self._meter.took(now - self._sent.popleft())
        if self.stopping:
            return
        if done == 1:
            self._sent.append(now)
            self._write(self.request())
        else:
            self._sent.extend([now] * done)
            self._write(b"".join([self.request() for _ in range(done)]))

    def close(self) -> None:
        """Hang up."""
        self.stopping = True
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    # -- the protocol -------------------------------------------------------------------------------------------------

    def greeting(self) -> bytes:
        """Return what is sent first."""
        raise NotImplementedError

    def request(self) -> bytes:
        """Return one more operation."""
        raise NotImplementedError

    def take(self, data: bytes) -> tuple[int, int]:
        """Return how many operations ``data`` says are done, and how many of its bytes were used."""
        raise NotImplementedError


class OurLane(Lane):
    """A client of ``python -m node``: a session, then one write after the other."""

    def greeting(self) -> bytes:
        """A hello and a wish for a session."""
        self._number = FIRST
        return wire.encode(wire.ClientHello(wire.PROTOCOL, wire.CLUSTER)) + wire.encode(
            wire.Request(1, wire.OpenSession())
        )

    def request(self) -> bytes:
        """A write with the next number."""
        self._number += 1
        number = _UINT32.pack(self._number)
        return self._head + number + self._middle + number + self._tail

    def take(self, data: bytes) -> tuple[int, int]:
        """Cut frames; each must say done."""
        done = offset = 0
        end = len(data)
        while offset + 4 <= end:
            length = int.from_bytes(data[offset : offset + 4], "big")
            following = offset + 4 + length
            if following > end:
                break
            if data.find(b"\xa4done", offset, following) < 0:
                self.fail(f"a reply says {data[offset + 4 : following]!r}")
                break
            offset = following
            if self.ready.done():
                done += 1
            else:
                self._open(data[offset - length : offset])
        return done, offset

    def _open(self, body: bytes) -> None:
        answer = wire.decode_reply(body).answer
        assert isinstance(answer, wire.Done)
        command = wire.Command(answer.result.value, _MARK, Write(self.key, self.value))
        frame = wire.encode(wire.Request(_MARK, command))
        self._head, self._middle, self._tail = frame.split(_UINT32.pack(_MARK))
        self.ready.set_result(None)


class EtcdLane(Lane):
    """A client of etcd: one Put after the other, each a stream of one HTTP/2 connection."""

    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    DATA, HEADERS, RESET, SETTINGS, PING, GO_AWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
    END_STREAM, END_HEADERS, ACK = 1, 4, 1

    def greeting(self) -> bytes:
        """The preface, no settings, and a window that will do for the whole run."""
        self._stream = -1
        self._answered: set[int] = set()
        block = b"".join(
            _literal(name, value)
            for name, value in (
                (":method", "POST"),
                (":scheme", "http"),
                (":path", "/etcdserverpb.KV/Put"),
                (":authority", "etcd"),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
            )
        )
        key, value = self.key.encode(), self.value.encode()
        put = b"\x0a" + _varint(len(key)) + key + b"\x12" + _varint(len(value)) + value
        message = b"\0" + _LENGTH.pack(len(put)) + put
        self._headers = (_frame(len(block), self.HEADERS, self.END_HEADERS), block)
        self._data = (_frame(len(message), self.DATA, self.END_STREAM), message)
        self.ready.set_result(None)
        window = _LENGTH.pack((1 << 31) - 1 - 65_535)
        return self.PREFACE + _frame(0, self.SETTINGS, 0) + bytes(4) + _frame(4, self.WINDOW, 0) + bytes(4) + window

    def request(self) -> bytes:
        """A Put on the next stream."""
        self._stream += 2
        stream = _UINT32.pack(self._stream)
        return b"".join((self._headers[0], stream, self._headers[1], self._data[0], stream, self._data[1]))

    def take(self, data: bytes) -> tuple[int, int]:
        """Cut HTTP/2 frames; a stream that ends has had its data, or the Put has failed."""
        done = offset = 0
        while offset + 9 <= len(data):
            length = int.from_bytes(data[offset : offset + 3], "big")
            kind, flags = data[offset + 3], data[offset + 4]
            stream = int.from_bytes(data[offset + 5 : offset + 9], "big")
            following = offset + 9 + length
            if following > len(data):
                break
            if kind == self.DATA:
                self._answered.add(stream)
            elif kind == self.HEADERS and flags & self.END_STREAM:
                if stream not in self._answered:
                    self.fail("a Put was refused")
                self._answered.discard(stream)
                done += 1
            elif kind in (self.SETTINGS, self.PING) and not flags & self.ACK:
                payload = data[offset + 9 : following] if kind == self.PING else b""
                self._write(_frame(len(payload), kind, self.ACK) + bytes(4) + payload)
            elif kind in (self.RESET, self.GO_AWAY):
                self.fail("the server gave the connection or a stream up")
            offset = following
        return done, offset


LANES: dict[str, Callable[[int, int, str, Meter], Lane]] = {"node": OurLane, "etcd": EtcdLane}


def _frame(length: int, kind: int, flags: int) -> bytes:
    """Return the head of an HTTP/2 frame without its stream."""
    return length.to_bytes(3, "big") + bytes((kind, flags))


def _literal(name: str, value: str) -> bytes:
    """Return a header as an HPACK literal without indexing, both as plain strings (RFC 7541, section 6.2.2)."""
    return b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


def _varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
