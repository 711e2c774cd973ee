"""Connections of the server: links to peers, and what comes in.

Each node dials every peer and sends on the connection that it dialled; what peers send comes in on theirs. So a cut in
one direction is a cut in one direction. A link is a best effort: what cannot be sent now is dropped, not kept, because
the core repeats whatever still matters, and old messages are the ones that do not.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import cast

from node import wire
from node.paxos.messages import Message

log = logging.getLogger("antipaxos.node")

RECONNECT_S = (0.05, 0.4)
"""First and longest wait between two attempts to connect to a peer."""
CONNECT_TIMEOUT_S = 0.5
PEER_UNACKED_MS = 1_000
"""How long sent bytes may stay unacknowledged before the connection is given up for a new one: a new SYN gets through
a healed link at once, while an old connection waits out its retransmission back-off."""
KEEPALIVE_S = (10, 5, 3)
"""After how long of silence the kernel asks whether the other end is still there, how long it waits, how often it asks:
a machine that went away without a word must not be kept for a client for ever."""
CHUNK_BYTES = 64 * 1024
"""What is read from one connection before the others have their turn."""


class Mail:
    """All outboxes with something to write: they are emptied together, at the end of the loop's turn.

    Peers come first: a hundred replies take the kernel a millisecond, and a round must not wait for them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._to_peers: list[Outbox] = []
        self._to_clients: list[Outbox] = []
        self._due = False

    def announce(self, outbox: Outbox, to_peer: bool) -> None:
        """An outbox has its first frame of this turn."""
        if not self._due:
            self._due = True
            self._loop.call_soon(self.send)
        (self._to_peers if to_peer else self._to_clients).append(outbox)

    def send(self) -> None:
        """Empty them all: at the turn's end, or now, by whoever knows that nothing more comes in this turn."""
        self._due = False
        to_peers, self._to_peers = self._to_peers, []
        to_clients, self._to_clients = self._to_clients, []
        for outbox in to_peers:
            outbox.flush()
        for outbox in to_clients:
            outbox.flush()


class Outbox:
    """Frames for one connection, written together once per turn of the loop; at most ``bytes_max`` wait unsent.

    ``shed`` is called for a frame that cannot be taken.
    """

    __slots__ = ("_bytes", "_bytes_max", "_frames", "_mail", "_shed", "_to_peer", "_transport")

    def __init__(self, mail: Mail, bytes_max: int, shed: Callable[[], None], *, to_peer: bool) -> None:
        self._mail = mail
        self._to_peer = to_peer
        self._bytes_max = bytes_max
        self._shed = shed
        self._transport: asyncio.Transport | None = None
        self._frames: list[bytes] = []
        self._bytes = 0

    @property
    def connected(self) -> bool:
        """True while there is a connection to write to."""
        return self._transport is not None

    def attach(self, transport: asyncio.Transport | None) -> None:
        """Write to this connection from now on (None: to none)."""
        self._transport = transport
        self._frames.clear()
        self._bytes = 0

    def put(self, frame: bytes) -> None:
        """Queue a frame for this turn's write; shed it if nothing can take it."""
        if not self._frames:
            if self._transport is None:
                self._shed()
                return
            self._bytes = self._transport.get_write_buffer_size()
            if self._bytes <= self._bytes_max:
                self._mail.announce(self, self._to_peer)
        if self._bytes > self._bytes_max:
            self._shed()
            return
        self._frames.append(frame)
        self._bytes += len(frame)

    def flush(self) -> None:
        """Write what is there, in one piece."""
        frames, transport = self._frames, self._transport
        if not frames or transport is None or transport.is_closing():
            frames.clear()
        elif len(frames) == 1:
            transport.write(frames.pop())
        else:
            transport.write(b"".join(frames))
            frames.clear()


class PeerLink(asyncio.Protocol):
    """The connection that this node dials to one peer, made again whenever it breaks."""

    def __init__(
        self,
        address: tuple[str, int],
        hello: wire.PeerHello,
        mail: Mail,
        outbox_bytes_max: int,
        shed: Callable[[], None],
    ) -> None:
        self.address = address
        self._hello = wire.encode(hello)
        self._loop = asyncio.get_running_loop()
        self.outbox = Outbox(mail, outbox_bytes_max, shed, to_peer=True)
        self._broken = asyncio.Event()
        self._task = self._loop.create_task(self._keep_connected())

    def close(self) -> None:
        """Give the link up for good."""
        self._task.cancel()

    async def _keep_connected(self) -> None:
        wait_s = RECONNECT_S[0]
        while True:
            self._broken.clear()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    transport, _ = await self._loop.create_connection(lambda: self, *self.address)
            except (OSError, TimeoutError):
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, RECONNECT_S[1])
                continue
            wait_s = RECONNECT_S[0]
            try:
                await self._broken.wait()
            finally:
                transport.abort()
            await asyncio.sleep(wait_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce this node, then let messages flow."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but the class
        tune(transport.get_extra_info("socket"), PEER_UNACKED_MS)
        transport.write(self._hello)
        self.outbox.attach(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Connect again."""
        self.outbox.attach(None)
        self._broken.set()


class Inbound(asyncio.Protocol):
    """A connection that somebody made to this node: a peer, a client, or a stranger.

    Nothing is read from a client that does not read what it is told: it is the other end's memory that its requests
    fill, not this node's. And no connection is read for longer than a moment while others wait.
    """

    def __init__(self, host: InboundHost, mail: Mail, outbox_bytes_max: int) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._frames = wire.FrameReader(wire.HELLO_FRAME_BYTES_MAX)
        self._handle: Callable[[bytes], None] = self._hello
        self._transport: asyncio.Transport | None = None
        self._introduced = False
        self._stuffed = False
        self.outbox = Outbox(mail, outbox_bytes_max, self._too_slow, to_peer=False)
        self.peer: wire.PeerHello | None = None
        self.client = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the hello, but not for ever."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but the class
        self._transport = transport
        tune(transport.get_extra_info("socket"))
        self.outbox.attach(transport)
        self._host.opened(self)

    def data_received(self, data: bytes) -> None:
        """Cut frames and hand them on; whoever breaks the protocol is cut off, and the node lives on."""
        try:
            if self._introduced:
                handle = self._handle
                for frame in self._frames.cut(data):
                    handle(frame)
            else:
                for frame in self._frames.feed(data):
                    self._handle(frame)
        except wire.FrameError as error:
            self._host.refused(self, str(error))
            self.close()
        if len(data) >= CHUNK_BYTES and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._transport is not None and not self._stuffed and not self._transport.is_closing():
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The other end does not keep up with its replies: read nothing more from it before it does."""
        self._stuffed = True
        if self._transport is not None and self.client and not self._transport.is_closing():
            self._host.paused(self)
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It has kept up."""
        self._stuffed = False
        self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.outbox.attach(None)
        self._host.closed(self)

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def turn_away(self, refusal: wire.Refusal) -> None:
        """Say why, and close: nobody is left to guess why a node hangs up."""
        if self._transport is not None:
            self._transport.write(wire.encode(wire.Reply(wire.NO_NUMBER, refusal)))
            self._transport.close()

    @property
    def remote(self) -> str:
        """Who is at the other end, for a log line."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return f"{name[0]}:{name[1]}" if name else "unknown"

    def _hello(self, frame: bytes) -> None:
        hello = wire.decode_hello(frame)
        self._host.check(hello)
        if isinstance(hello, wire.PeerHello):
            self.peer = hello
            self._frames.frame_bytes_max = wire.PEER_FRAME_BYTES_MAX
            self._handle = self._peer_message
        else:
            client = self._host.admit(self)
            if client is None:
                self._handle = self._deaf
                return
            self.client = client
            self._frames.frame_bytes_max = wire.CLIENT_FRAME_BYTES_MAX
            self._handle = self._client_request
        self._introduced = True
        self._host.introduced(self)

    def _deaf(self, frame: bytes) -> None:
        """Whoever was turned away is listened to no more."""

    def _peer_message(self, frame: bytes) -> None:
        assert self.peer is not None
        self._host.on_message(self.peer, wire.decode_message(frame))

    def _client_request(self, frame: bytes) -> None:
        self._host.on_request(self.client, wire.decode_request(frame))

    def _too_slow(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._host.too_slow(self)
            self.close()


class InboundHost:
    """What a connection needs of the server."""

    def opened(self, connection: Inbound) -> None:
        """A connection was made; nobody has said who it is."""

    def check(self, hello: wire.Hello) -> None:
        """Raise FrameError unless the hello is of this cluster and of a member."""

    def admit(self, connection: Inbound) -> int | None:
        """Take a client in and return its number; None if it was turned away."""
        raise NotImplementedError

    def introduced(self, connection: Inbound) -> None:
        """A valid hello has come."""

    def on_message(self, peer: wire.PeerHello, message: Message) -> None:
        """A peer's message arrived."""

    def on_request(self, client: int, request: wire.Request) -> None:
        """A client's request arrived."""

    def refused(self, connection: Inbound, why: str) -> None:
        """The other end broke the protocol and is being cut off."""

    def paused(self, connection: Inbound) -> None:
        """A client does not read its replies fast enough: it is not read from for a while."""

    def too_slow(self, connection: Inbound) -> None:
        """A client does not read its replies at all and is being cut off."""

    def closed(self, connection: Inbound) -> None:
        """The connection is over."""


def tune(sock: socket.socket, unacked_ms: int | None = None) -> None:
    """Send small frames at once; give up a connection whose bytes stay unacknowledged for ``unacked_ms``."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in zip((socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT), KEEPALIVE_S, strict=True):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    if unacked_ms is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unacked_ms)
