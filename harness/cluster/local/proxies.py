"""Links where namespaces are forbidden: one TCP proxy per directed link, in a process of its own beside the warden.

Node i is told that peer j listens at an address that is a proxy's, for this pair alone; what i sends over such a
connection is the link i -> j, what comes back over it is the link j -> i, whoever has dialled. Clients, and the node
itself, use j's own address.

A proxy carries streams and not frames. So it can hold bytes back, and it cannot lose, double or reorder any: neither
could TCP. A cut holds what was sent until the heal; unlike on a real network, the sender's kernel is told that it has
arrived. A connection that is made over a cut link is taken, and waits. A heal lets go what has waited, in order. That
an end is closed or broken is said over the link that leads away from it, so it waits as well. Counted are chunks, as
they were read: at most ``CHUNK_BYTES`` each.

Everything is bounded: a direction of a connection holds ``CHUNKS_MAX`` chunks and then reads no more, so the sender's
own socket fills; a link has at most ``CONNECTIONS_MAX`` connections, and closes what comes then.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import resource
import socket
import time
from typing import Final

from harness.cluster.local import channel, sky
from harness.cluster.local.errors import LocalError
from harness.cluster.local.loopback import Reservation
from harness.cluster.local.messages import (
    Count,
    Counted,
    Cut,
    Done,
    Reply,
    Request,
    ResetConnections,
    ResetDone,
    Row,
    SetWeather,
)
from harness.cluster.local.wire import abort
from nemesis.ground import Rate, Weather
from nemesis.passage import Passage

CHUNK_BYTES = 16 << 10
CHUNKS_MAX = 64
CONNECTIONS_MAX = 64
CONNECT_LIMIT_S = 2.0
UNBOUNDED_BYTES = 2**62


class DirectedLink:
    """What one node sends to another, over all connections between them."""

    def __init__(self, source: str, destination: str) -> None:
        self.source: Final = source
        self.destination: Final = destination
        self.passage: Passage | None = None
        self.cut = False
        self.forwarded = 0
        self.held_back = 0
        self.clogged = 0
        self._passes = asyncio.Event()
        self._passes.set()

    @property
    def is_plain(self) -> bool:
        """Whether bytes pass as they come."""
        return not self.cut and (self.passage is None or self.passage.weather is None)

    @property
    def _is_clogged(self) -> bool:
        weather = self.passage.weather if self.passage is not None else None
        return weather is not None and weather.clogged

    def set_cut(self, cut: bool) -> None:
        """Hold everything back, or no more."""
        self.cut = cut
        self._refresh()

    def change(self, weather: Weather) -> None:
        """Let the weather be so from now on (``passage`` must be there)."""
        assert self.passage is not None
        if weather.rate is not None:  # the sender's socket is the queue: nothing is lost before this rate
            weather = dataclasses.replace(weather, rate=Rate(weather.rate.bits_per_s, UNBOUNDED_BYTES))
        self.passage.change(weather)
        self._refresh()

    def due(self, size_bytes: int) -> int:
        """Return when a chunk that was sent now is to come out (ns, monotonic), as the weather has it."""
        now = time.monotonic_ns()
        passage = self.passage
        if passage is None or passage.weather is None:
            return now
        weather = passage.weather
        passage.delayed += bool(weather.delays)
        return now + (passage.queue(weather, now, size_bytes) or 0) + passage.lateness(weather)

    async def let_pass(self) -> None:
        """Wait as long as nothing passes, and count what has had to."""
        if self._passes.is_set():
            return
        self.held_back += self.cut
        self.clogged += self._is_clogged
        while not self._passes.is_set():
            await self._passes.wait()

    def row(self) -> Row:
        """Return the counters."""
        passage = self.passage
        delayed, throttled = (passage.delayed, passage.throttled) if passage is not None else (0, 0)
        return Row(
            self.source,
            self.destination,
            self.forwarded,
            self.held_back,
            delayed=delayed,
            clogged=self.clogged,
            throttled=throttled,
        )

    def _refresh(self) -> None:
        if self.cut or self._is_clogged:
            self._passes.clear()
        else:
            self._passes.set()


class Direction:
    """One direction of one connection: reads at one end, and writes at the other when it is due.

    Whatever becomes of the sender's end comes last in its stream: ``b""`` if it was closed, None if it broke.
    """

    def __init__(self, link: DirectedLink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ended: Final = asyncio.Event()
        self._link = link
        self._reader = reader
        self._writer = writer
        self._chunks: asyncio.Queue[tuple[int, bytes | None]] = asyncio.Queue()
        self._room = asyncio.Semaphore(CHUNKS_MAX)
        self._waiting = 0
        self._last_due = 0
        self._writes = True

    async def read(self, back: Direction) -> None:
        """Take what the sender has, as long as it can be held; ``back`` is the other direction."""
        try:
            while data := await self._reader.read(CHUNK_BYTES):
                if not self._waiting and self._link.is_plain:
                    await self._write(data, back)
                    continue
                await self._room.acquire()
                self._last_due = max(self._last_due, self._link.due(len(data)))
                self._waiting += 1
                self._chunks.put_nowait((self._last_due, data))
            self._chunks.put_nowait((self._last_due, b""))
        except OSError:
            self.break_off()

    async def write(self, back: Direction) -> None:
        """Give it to the receiver in its time and order. Raises ConnectionResetError once it hears of a broken end."""
        while True:
            due, data = await self._chunks.get()
            await asyncio.sleep(max(0, due - time.monotonic_ns()) / 1e9)
            await self._link.let_pass()
            if data is None:
                raise ConnectionResetError
            await self._write(data, back)
            if data:
                self._waiting -= 1
                self._room.release()
            else:
                self.ended.set()

    def break_off(self) -> None:
        """The sender's end is broken: the receiver hears of it after all that was sent before."""
        self._chunks.put_nowait((self._last_due, None))

    async def _write(self, data: bytes, back: Direction) -> None:
        """Give a chunk, or the stream's end, to the receiver; to nobody, if its end broke: ``back`` has to tell."""
        if not self._writes:
            return
        try:
            if data:
                self._link.forwarded += 1
                self._writer.write(data)
                await self._writer.drain()
            else:
                self._writer.write_eof()
        except OSError:
            self._writes = False
            back.break_off()


class Proxy:
    """All connections that one node dials to another one."""

    def __init__(self, there: DirectedLink, back: DirectedLink, address: tuple[str, int]) -> None:
        self.there: Final = there
        self.back: Final = back
        self._address = address
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        if len(self._connections) >= CONNECTIONS_MAX:
            abort(writer)
            return
        ends = [writer]
        task = asyncio.create_task(self._carry(reader, writer, ends))
        self._connections[task] = ends
        task.add_done_callback(self._connections.pop)

    def reset(self) -> int:
        """Break every connection; return how many there were."""
        count = len(self._connections)
        for task, ends in self._connections.items():
            for end in ends:
                abort(end)
            task.cancel()
        return count

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: list[asyncio.StreamWriter]
    ) -> None:
        try:
            await self.there.let_pass()
            async with asyncio.timeout(CONNECT_LIMIT_S):
                far_reader, far_writer = await asyncio.open_connection(*self._address, limit=CHUNK_BYTES)
            ends.append(far_writer)
            _at_once(far_writer)
            _at_once(writer)
            there = Direction(self.there, reader, far_writer)
            back = Direction(self.back, far_reader, writer)
            async with asyncio.TaskGroup() as group:
                works = (there.read(back), there.write(back), back.read(there), back.write(there))
                tasks = [group.create_task(work) for work in works]
                await there.ended.wait()
                await back.ended.wait()
                for task in tasks:
                    task.cancel()
        except (OSError, TimeoutError, ExceptionGroup) as error:
            if isinstance(error, ExceptionGroup) and error.split(OSError)[1] is not None:
                raise
            for end in ends:  # one end is gone, or was never there: so is the other
                abort(end)
        finally:
            for end in ends:
                end.close()


class Proxies:
    """The proxies of a cluster, and the answers to whoever commands them."""

    def __init__(self, reservation: Reservation, control: socket.socket, seed: int) -> None:
        self._control = control
        self._seed = seed
        self._links = {
            (route.source, route.destination): DirectedLink(route.source, route.destination)
            for route in reservation.routes
        }
        addresses = {place.node: (place.host, place.port) for place in reservation.places}
        self._proxies = [
            (
                route,
                Proxy(
                    self._links[route.source, route.destination],
                    self._links[route.destination, route.source],
                    addresses[route.destination],
                ),
            )
            for route in reservation.routes
        ]

    async def run(self) -> None:
        """Carry until the warden is gone."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        self._control.setblocking(False)
        loop.add_reader(self._control.fileno(), self._serve, over)
        async with contextlib.AsyncExitStack() as stack:
            for route, proxy in self._proxies:
                server = await asyncio.start_server(proxy.accept, sock=route.listener, limit=CHUNK_BYTES)
                stack.push_async_callback(_closed, server)
            await over.wait()

    def _serve(self, over: asyncio.Event) -> None:
        if not channel.serve(self._control, self._reply):
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            over.set()

    def _reply(self, request: Request) -> Reply:
        match request:
            case Cut(links):
                sky.check(self._links, links)
                for ends, link in self._links.items():
                    link.set_cut(ends in links)
                return Done()
            case SetWeather():
                sky.apply(request, self._links, self._seed, _refuse)
                return Done()
            case ResetConnections(nodes):
                hit = [proxy for _, proxy in self._proxies if {proxy.there.source, proxy.there.destination} & {*nodes}]
                return ResetDone(sum(proxy.reset() for proxy in hit))
            case Count():
                return Counted(tuple(link.row() for link in self._links.values()), 0, 0)
            case other:
                raise LocalError(f"the proxies do not do {type(other).__name__}")


def _refuse(weather: Weather) -> None:
    """Raise LocalError if a weather is about frames."""
    if weather.losses or weather.duplicate_ppm or weather.reorders:
        raise LocalError("a proxy carries streams: it cannot lose, double or reorder frames")


async def _closed(server: asyncio.Server) -> None:
    server.close()


def _at_once(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def carry(reservation: Reservation, control: socket.socket, seed: int) -> None:
    """Be the proxies' process until the warden is gone."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # four descriptors a pair and more, of 600 pairs
    reservation.lock.close()
    asyncio.run(Proxies(reservation, control, seed).run())
