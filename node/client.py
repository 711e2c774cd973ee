"""The client library: operations on the cluster, each applied at most once, whatever happens in between.

    async with connect("1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000") as client:
        await client.put("x", 7)
        assert await client.get("x") == 7

Each operation returns its result, or raises one of two errors that mean very different things:
``NotDoneError`` when the operation certainly was not and will not be applied, ``UnknownError`` when nobody can say. A
time-out of anything that was sent is unknown, never "failed": the cluster may apply it any time later.

Commands go to the leader, in a session; queries go to the client's home node, whichever role that has, because any
node can answer a linearizable read.

A ``Client`` is one session, and a session does one command after the other: that is what makes a retry recognisable.
To have several under way, take ``siblings``: sessions of their own over the same connections.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Protocol

from node import kv, wire
from node.addresses import Addresses, parse_addresses
from node.paxos.membership import Member

RETRY_PAUSE_S = 0.03
DIAL_TIMEOUT_S = 0.5
ATTEMPT_TIMEOUT_S = 1.0
"""How long one node may take over a request before another one is tried (it may be cut off from the others)."""
OVERLOAD_PAUSE_MAX_S = 0.5
"""The longest wait before an overloaded node is asked again; it doubles from ``RETRY_PAUSE_S``."""
TIMEOUT_S = 5.0
PENDING_MAX = 1_024
"""Requests under way on one connection; a node refuses more as well."""
UNSENT_BYTES_MAX = 4 * 1024 * 1024
"""Bytes that wait for a node to read them; beyond, nothing more is sent on this connection."""

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


class RejectedError(ClientError):
    """The operation was carried out, and changed nothing: the key does not hold what it needs (appending to a number).

    ``found`` is what the store says about it.
    """

    def __init__(self, operation: kv.Operation, found: kv.Value) -> None:
        super().__init__(f"{operation} changed nothing: {found!r}")
        self.found = found


class NotSentError(ConnectionError):
    """A request did not leave: too much is under way on this connection already."""


class Stream(Protocol):
    """A connected byte stream."""

    def write(self, data: bytes) -> None:
        """Queue bytes. Raises NotSentError if too many wait already."""

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
        """Send a request and wait for its answer. Raises NotSentError, ConnectionError, TimeoutError."""
        if self.broken:
            raise NotSentError("the connection is closed")
        if len(self._waiting) >= PENDING_MAX:
            raise NotSentError(f"{PENDING_MAX} requests are under way on this connection")
        self._numbers += 1
        number = self._numbers
        loop = asyncio.get_running_loop()
        self._stream.write(wire.encode(wire.Request(number, body)))
        answer: asyncio.Future[wire.Answer] = loop.create_future()
        self._waiting[number] = answer
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
                    if reply.number == wire.NO_NUMBER:
                        self._break(f"the node hung up: {_refusal_in_words(reply.answer)}")
                        return
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
    """One client, with one session and one command at a time.

    ``members`` are the nodes' ids, ``dial`` connects to one, ``home`` is the node that is asked first (default: the
    first member). ``timeout_s`` is how long an operation may take if it says nothing itself.
    """

    def __init__(
        self,
        members: Sequence[int],
        dial: Dial,
        cluster: str,
        home: int | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.timeout_s = timeout_s
        self._members = tuple(members)
        self._dial = dial
        self._cluster = cluster
        self._home = home if home is not None else self._members[0]
        self._leader: int | None = None
        self._session: int | None = None
        self._sequence = 0
        self._connections: dict[int, Connection] = {}
        self._commanding = False
        self.ref = ""
        """The name by which the nodes' logs know the last command ("" before the first)."""

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def sibling(self) -> Client:
        """Return another client, with a session of its own, over the same connections. Closing one closes all."""
        other = Client(self._members, self._dial, self._cluster, self._home, self.timeout_s)
        other._connections, other._leader = self._connections, self._leader
        return other

    # -- operations ---------------------------------------------------------------------------------------------------

    async def get(self, key: str, timeout_s: float | None = None) -> kv.Value:
        """Return a key's value, None if absent: linearizable, from any node. Raises NotDoneError, UnknownError."""
        return (await self.execute(kv.Read(key), timeout_s)).result.value

    async def put(self, key: str, value: kv.Value, timeout_s: float | None = None) -> None:
        """Set a key. Raises NotDoneError, UnknownError."""
        await self.execute(kv.Write(key, value), timeout_s)

    async def cas(self, key: str, expected: kv.Value, new: kv.Value, timeout_s: float | None = None) -> bool:
        """Set a key to ``new`` if it is ``expected``; say whether it was. Raises NotDoneError, UnknownError."""
        return (await self.execute(kv.Cas(key, expected, new), timeout_s)).result.ok

    async def append(self, key: str, element: kv.Value, timeout_s: float | None = None) -> int:
        """Append to a key's list; return the new length. Raises RejectedError, NotDoneError, UnknownError."""
        length: int = await self._must(kv.Append(key, element), timeout_s)
        return length

    async def add(self, key: str, element: kv.Value, timeout_s: float | None = None) -> bool:
        """Add to a key's set; say whether it was new there. Raises RejectedError, NotDoneError, UnknownError."""
        new: bool = await self._must(kv.Add(key, element), timeout_s)
        return new

    async def increment(self, key: str, by: int = 1, timeout_s: float | None = None) -> int:
        """Add to a key's number; return the sum. Raises RejectedError, NotDoneError, UnknownError."""
        total: int = await self._must(kv.Increment(key, by), timeout_s)
        return total

    async def txn(self, *operations: kv.Single, timeout_s: float | None = None) -> list[kv.Value]:
        """Do all operations in order or none; return each one's value. Raises RejectedError, NotDoneError,
        UnknownError."""
        values: list[kv.Value] = await self._must(kv.Txn(operations), timeout_s)
        return values

    async def _must(self, operation: kv.Operation, timeout_s: float | None) -> kv.Value:
        result = (await self.execute(operation, timeout_s)).result
        if not result.ok:
            raise RejectedError(operation, result.value)
        return result.value

    async def execute(self, operation: kv.Operation, timeout_s: float | None = None) -> Done:
        """Carry out one operation. Raises NotDoneError, UnknownError; RuntimeError for a second command at once."""
        timeout_s = self.timeout_s if timeout_s is None else timeout_s
        if kv.reads_only(operation):
            deadline = asyncio.get_running_loop().time() + timeout_s
            return Done(await self._attempts(wire.Query(operation), deadline, self._home), "")
        if self._commanding:
            raise RuntimeError("a session does one command after the other: take a sibling() for each at once")
        self._commanding = True
        try:
            return await self._command(operation, timeout_s)
        finally:
            self._commanding = False

    async def _command(self, operation: kv.Operation, timeout_s: float) -> Done:
        deadline = asyncio.get_running_loop().time() + timeout_s
        if self._session is None:
            await self._open(deadline)
        assert self._session is not None
        self._sequence += 1
        command = wire.Command(self._session, self._sequence, operation)
        self.ref = f"{command.session}/{command.sequence}"
        return Done(await self._attempts(command, deadline, self._leader), self.ref)

    @property
    def members(self) -> tuple[int, ...]:
        """The nodes' ids."""
        return self._members

    async def status(self, node: int, timeout_s: float) -> wire.Status:
        """Ask one node how it sees itself. Raises OSError, TimeoutError."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        connection = await self._connection(node, deadline)
        answer = await connection.ask(wire.StatusRequest(), _left(deadline))
        if not isinstance(answer, wire.Status):
            raise ConnectionError(f"node {node} answered {answer} to a request for its status")
        return answer

    async def transfer(self, to: int, timeout_s: float) -> None:
        """Have the leadership handed over to a node. Raises NotDoneError, UnknownError.

        Unknown is what a time-out leaves, or a leader that was lost on the way: ask for the status, then ask again.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        await self._attempts(wire.Transfer(to), deadline, self._leader)
        self._leader = to

    async def add_node(self, node: int, address: str = "", timeout_s: float | None = None) -> list[Member]:
        """Have a node added to the members; return who they are then. Raises NotDoneError, UnknownError.

        ``address`` is where the others reach it (``host:port``); "" if their configuration says so. A node that is a
        member already is left as it is, so what is unknown can be asked again.
        """
        return await self._change_members(wire.ChangeMembers(True, node, address), timeout_s)

    async def remove_node(self, node: int, timeout_s: float | None = None) -> list[Member]:
        """Have a node removed from the members; return who they are then. Raises NotDoneError, UnknownError."""
        return await self._change_members(wire.ChangeMembers(False, node), timeout_s)

    async def _change_members(self, asked: wire.ChangeMembers, timeout_s: float | None) -> list[Member]:
        deadline = asyncio.get_running_loop().time() + (self.timeout_s if timeout_s is None else timeout_s)
        result = await self._attempts(asked, deadline, self._leader)
        return [Member(*row) for row in result.value]

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
        """Try node after node until one answers or time is up. Raises NotDoneError, UnknownError.

        What a node says of the leader is tried at once, and only once: then it is the next one's turn. Nodes may name
        each other for ever, for who was removed from the members hears of no leader any more.
        """
        node = turn = first if first is not None else self._home
        unsure = False
        followed_hint = False
        pause_s = RETRY_PAUSE_S
        why = "no time left"
        while _left(deadline) > 0:
            answer, sent, why = await self._ask(node, body, deadline)
            if isinstance(answer, wire.Done):
                if not isinstance(body, wire.Query | wire.Transfer):
                    self._leader = node
                return answer.result
            unsure = unsure or sent
            if isinstance(answer, wire.Refusal) and answer.reason in _FINAL:
                break
            hint = answer.leader if isinstance(answer, wire.Refusal) else None
            if hint is not None and hint != node and hint in self._members and not followed_hint:
                node, followed_hint = hint, True
                continue
            followed_hint = False
            await asyncio.sleep(min(pause_s, max(0.0, _left(deadline))))
            if isinstance(answer, wire.Refusal) and answer.reason is wire.Reason.OVERLOADED:
                pause_s = min(pause_s * 2, OVERLOAD_PAUSE_MAX_S)
            if hint != node:  # who leads, and cannot do it now, is asked again
                node = turn = self._members[(self._members.index(turn) + 1) % len(self._members)]
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
        except NotSentError as error:
            return None, False, f"node {node}: {error}"
        except OSError as error:
            return None, True, f"node {node}: {_why(error)}"
        if not isinstance(answer, wire.Refusal):
            return answer, True, f"node {node} answered {answer}"
        if answer.reason is wire.Reason.SESSION_EXPIRED:
            self._session = None
        return answer, answer.reason in _UNSURE, f"node {node}: {_refusal_in_words(answer)}"

    async def _connection(self, node: int, deadline: float) -> Connection:
        """Return the connection to a node."""
        known = self._connections.get(node)
        if known is not None and not known.broken:
            return known
        async with asyncio.timeout(min(DIAL_TIMEOUT_S, max(0.0, _left(deadline)))):
            stream = await self._dial(node)
        known = self._connections.get(node)
        if known is not None and not known.broken:
            stream.close()  # a sibling was faster
            return known
        connection = Connection(stream, self._cluster)
        self._connections[node] = connection
        return connection


class TcpStream:
    """A TCP connection as a ``Stream``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def write(self, data: bytes) -> None:
        """Queue bytes; a broken connection shows at the next read. Raises NotSentError if too many wait."""
        if self._writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            raise NotSentError("the node does not read what it is sent")
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


def connect(
    addresses: Addresses | str, cluster: str = wire.CLUSTER, home: int | None = None, timeout_s: float = TIMEOUT_S
) -> Client:
    """Return a client of the nodes at these addresses; it connects when it is asked for something.

    ``addresses`` is ``{1: ("10.0.0.1", 7000), ...}`` or ``"1=10.0.0.1:7000,..."``. Raises ConfigError.
    """
    known = parse_addresses(addresses) if isinstance(addresses, str) else addresses
    return Client(tuple(sorted(known)), tcp_dialer(known), cluster, home, timeout_s)


def _refusal_in_words(answer: wire.Answer) -> str:
    return f"{answer.reason} {answer.detail}".rstrip() if isinstance(answer, wire.Refusal) else str(answer)


def _expire(answer: asyncio.Future[wire.Answer]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError("no answer in time"))


def _left(deadline: float) -> float:
    return deadline - asyncio.get_running_loop().time()


def _why(error: OSError) -> str:
    if error.errno is not None:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
