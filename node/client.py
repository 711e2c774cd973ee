"""The client library: operations on the cluster, each applied at most once, whatever happens in between.

    client = Client(members=(1, 2, 3), dial=tcp_dialer({1: ("10.77.0.1", 7000), ...}), cluster="demo")
    result = await client.execute(Write("x", 7), timeout_s=2.0)

``execute`` returns the operation's result, or raises one of two errors that mean very different things:
``NotDoneError`` when the operation certainly was not and will not be applied, ``UnknownError`` when nobody can say. A
time-out of anything that was sent is unknown, never "failed": the cluster may apply it any time later.

Commands go to the leader, in a session; queries go to the client's home node, whichever role that has, because any
node can answer a linearizable read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from node import kv, wire

RETRY_PAUSE_S = 0.03
DIAL_TIMEOUT_S = 0.5
ATTEMPT_TIMEOUT_S = 1.0
"""How long one node may take over a request before another one is tried (it may be cut off from the others)."""

_FINAL = (wire.Reason.INVALID, wire.Reason.SESSION_EXPIRED, wire.Reason.TOO_LARGE)
"""Refusals that no other node would answer differently."""
_UNSURE = (wire.Reason.DEPOSED, wire.Reason.SESSION_EXPIRED, wire.Reason.TOO_LARGE)
"""Refusals after which the operation may have been applied all the same."""


class ClientError(Exception):
    """The operation has no result."""


class NotDoneError(ClientError):
    """The operation was not applied and will not be: it never reached a node, or every node refused it."""


class UnknownError(ClientError):
    """The operation may or may not have been applied, or may be later."""


class Stream(Protocol):
    """A connected byte stream."""

    def write(self, data: bytes) -> None:
        """Queue bytes."""

    async def read(self) -> bytes:
        """Return the next bytes, b"" at the end."""

    def close(self) -> None:
        """Close at once."""


Dial = Callable[[int], Awaitable[Stream]]
"""Connects to a node; raises OSError or TimeoutError."""


class Done(NamedTuple):
    """An operation's result, and the name by which the nodes' logs know it ("" for a query)."""

    result: kv.Result
    ref: str


class Connection:
    """One connection to one node: requests out, replies matched by number."""

    def __init__(self, stream: Stream, cluster: str) -> None:
        self._stream = stream
        self._numbers = 0
        self._waiting: dict[int, asyncio.Future[wire.Answer]] = {}
        self.broken = False
        stream.write(wire.encode(wire.ClientHello(wire.PROTOCOL, cluster)))
        self._task = asyncio.get_running_loop().create_task(self._receive())

    async def ask(self, body: wire.Body, timeout_s: float) -> wire.Answer:
        """Send a request and wait for its answer. Raises ConnectionError, TimeoutError."""
        if self.broken:
            raise ConnectionError("the connection is closed")
        self._numbers += 1
        number = self._numbers
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[wire.Answer] = loop.create_future()
        self._waiting[number] = answer
        self._stream.write(wire.encode(wire.Request(number, body)))
        expiry = loop.call_later(timeout_s, _expire, answer)
        try:
            return await answer
        finally:
            expiry.cancel()
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Close; whoever waits gets a ConnectionError."""
        self._task.cancel()
        self._break("the connection was closed")

    async def _receive(self) -> None:
        frames = wire.FrameReader(wire.REPLY_FRAME_BYTES_MAX)
        try:
            while data := await self._stream.read():
                for frame in frames.feed(data):
                    reply = wire.decode_reply(frame)
                    waiting = self._waiting.get(reply.number)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(reply.answer)
            self._break("the node closed the connection")
        except (OSError, wire.FrameError) as error:
            self._break(str(error))

    def _break(self, why: str) -> None:
        self.broken = True
        self._stream.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError(why))


class Client:
    """One client, with one session and one operation at a time."""

    def __init__(self, members: Sequence[int], dial: Dial, cluster: str, home: int | None = None) -> None:
        self._members = tuple(members)
        self._dial = dial
        self._cluster = cluster
        self._home = home if home is not None else self._members[0]
        self._leader: int | None = None
        self._session: int | None = None
        self._sequence = 0
        self._connections: dict[int, Connection] = {}
        self.ref = ""
        """The name by which the nodes' logs know the last command ("" before the first)."""

    async def execute(self, operation: kv.Operation, timeout_s: float) -> Done:
        """Carry out one operation. Raises NotDoneError, UnknownError."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        if kv.reads_only(operation):
            return Done(await self._attempts(wire.Query(operation), deadline, self._home), "")
        if self._session is None:
            await self._open(deadline)
        assert self._session is not None
        self._sequence += 1
        command = wire.Command(self._session, self._sequence, operation)
        self.ref = f"{command.session}/{command.sequence}"
        return Done(await self._attempts(command, deadline, self._leader), self.ref)

    async def status(self, node: int, timeout_s: float) -> wire.Status:
        """Ask one node how it sees itself. Raises OSError, TimeoutError."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        connection = await self._connection(node, deadline)
        answer = await connection.ask(wire.StatusRequest(), _left(deadline))
        if not isinstance(answer, wire.Status):
            raise ConnectionError(f"node {node} answered {answer} to a request for its status")
        return answer

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    # -- attempts -----------------------------------------------------------------------------------------------------

    async def _open(self, deadline: float) -> None:
        """Open the session. A lost answer leaves an unused session behind and costs nothing else."""
        try:
            result = await self._attempts(wire.OpenSession(), deadline, self._leader)
        except UnknownError as error:
            raise NotDoneError(f"no session could be opened: {error}") from error
        self._session = result.value

    async def _attempts(self, body: wire.Body, deadline: float, first: int | None) -> kv.Result:
        """Try node after node until one answers or time is up. Raises NotDoneError, UnknownError."""
        node = first if first is not None else self._home
        unsure = False
        followed_hint = False
        why = "no time left"
        while _left(deadline) > 0:
            answer, sent, why = await self._ask(node, body, deadline)
            if isinstance(answer, wire.Done):
                if not isinstance(body, wire.Query):
                    self._leader = node
                return answer.result
            unsure = unsure or sent
            if isinstance(answer, wire.Refusal) and answer.reason in _FINAL:
                break
            hint = answer.leader if isinstance(answer, wire.Refusal) else None
            if hint is not None and hint != node and hint in self._members and not followed_hint:
                node, followed_hint = hint, True  # but two nodes that name each other are not asked in a circle
                continue
            followed_hint = False
            await asyncio.sleep(min(RETRY_PAUSE_S, max(0.0, _left(deadline))))
            node = (
                hint if hint in self._members else self._members[(self._members.index(node) + 1) % len(self._members)]
            )
        if unsure:
            raise UnknownError(why)
        raise NotDoneError(why)

    async def _ask(self, node: int, body: wire.Body, deadline: float) -> tuple[wire.Answer | None, bool, str]:
        """Ask one node. Returns its answer if any, whether the request may have had effects, and what went wrong."""
        try:
            connection = await self._connection(node, deadline)
        except OSError as error:
            return None, False, f"node {node}: {_why(error)}"
        try:
            answer = await connection.ask(body, min(ATTEMPT_TIMEOUT_S, _left(deadline)))
        except OSError as error:
            return None, True, f"node {node}: {_why(error)}"
        if not isinstance(answer, wire.Refusal):
            return answer, True, f"node {node} answered {answer}"
        if answer.reason is wire.Reason.SESSION_EXPIRED:
            self._session = None
        return answer, answer.reason in _UNSURE, f"node {node}: {answer.reason} {answer.detail}".rstrip()

    async def _connection(self, node: int, deadline: float) -> Connection:
        known = self._connections.get(node)
        if known is not None and not known.broken:
            return known
        async with asyncio.timeout(min(DIAL_TIMEOUT_S, max(0.0, _left(deadline)))):
            stream = await self._dial(node)
        connection = Connection(stream, self._cluster)
        self._connections[node] = connection
        return connection


class TcpStream:
    """A TCP connection as a ``Stream``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def write(self, data: bytes) -> None:
        """Queue bytes; a broken connection shows at the next read."""
        self._writer.write(data)

    async def read(self) -> bytes:
        """Return the next bytes, b"" at the end."""
        return await self._reader.read(64 * 1024)

    def close(self) -> None:
        """Close at once."""
        self._writer.transport.abort()


def tcp_dialer(addresses: Mapping[int, tuple[str, int]]) -> Dial:
    """Return a dialer for nodes at known addresses."""

    async def dial(node: int) -> Stream:
        reader, writer = await asyncio.open_connection(*addresses[node])
        return TcpStream(reader, writer)

    return dial


def _expire(answer: asyncio.Future[wire.Answer]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError("no answer in time"))


def _left(deadline: float) -> float:
    return deadline - asyncio.get_running_loop().time()


def _why(error: OSError) -> str:
    return str(error) or type(error).__name__
