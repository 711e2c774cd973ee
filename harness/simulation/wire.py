"""A client's connection to a simulated node: bytes in order, a little later at the other end, until an end is gone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from harness.simulation.loop import VirtualLoop
from harness.simulation.node import SimulatedNode
from harness.simulation.trace import Given, Trace
from node import wire


class SimulatedWire:
    """The client's end, and what the node's kernel knows of it; ``delay`` draws how long bytes take (ns)."""

    def __init__(self, loop: VirtualLoop, node: SimulatedNode, delay: Callable[[], int], trace: Trace) -> None:
        """Connect. Raises ConnectionRefusedError."""
        self._loop = loop
        self._trace = trace
        self._node = node
        self._delay = delay
        self._frames = wire.FrameReader(wire.CLIENT_FRAME_BYTES_MAX)
        self._greeted = False
        self._inbox: deque[bytes] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._closed = False
        self._last_out = 0
        self._last_in = 0
        self._client = node.connect(self)

    # -- the client's end ---------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes to the node."""
        if not self._closed:
            self._last_out = max(self._last_out, self._loop.now_ns + self._delay())
            self._loop.at(self._last_out, self._at_node, data)

    async def read(self) -> bytes:
        """Return what the node has sent; b"" once the connection is over."""
        while not self._inbox:
            if self._closed:
                return b""
            self._reader = self._loop.create_future()
            await self._reader
        return self._inbox.popleft()

    def close(self) -> None:
        """Close at once."""
        if not self._closed:
            self._node.disconnect(self._client)
            self._over()

    # -- the node's end -----------------------------------------------------------------------------------------------

    def reply(self, reply: wire.Reply) -> None:
        """The node sends a reply."""
        self._last_in = max(self._last_in, self._loop.now_ns + self._delay())
        self._loop.at(self._last_in, self._at_client, wire.encode_reply(reply))

    def hang_up(self) -> None:
        """The node's process is gone."""
        self._last_in = max(self._last_in, self._loop.now_ns + self._delay())
        self._loop.at(self._last_in, self._over)

    def _at_node(self, data: bytes) -> None:
        if self._closed:
            return
        for frame in self._frames.feed(data):
            if self._greeted:
                self._node.request(self._client, frame)
            else:
                wire.decode_hello(frame)
                self._greeted = True

    def _at_client(self, data: bytes) -> None:
        if not self._closed:
            self._trace.give(Given.REPLY, self._node.number, self._client, data)
            self._inbox.append(data)
            self._wake()

    def _over(self) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
