"""The client library against nodes that say what a test wants: what is certain, what is unknown, what is repeated."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from node import wire
from node.addresses import format_address, parse_addresses
from node.client import (
    ATTEMPT_TIMEOUT_S,
    PENDING_MAX,
    UNSENT_BYTES_MAX,
    Client,
    NotDoneError,
    NotSentError,
    RejectedError,
    Stream,
    TcpStream,
    UnknownError,
    connect,
)
from node.kv import Add, Append, Cas, Increment, Read, Result, Txn, Write
from node.wire import Command, Done, OpenSession, Query, Reason, Refusal
from tests.node.virtual_loop import run

SESSION = 1 << 20
DONE = Done(Result(True, 1))
OPENED = Done(Result(True, SESSION))
SILENCE = None
HANG_UP = "hang up"
GARBAGE = "garbage"

Say = wire.Answer | str | None
Behaviour = Callable[[wire.Body], Say]


class ScriptedStream:
    """A connection to a node that answers as its behaviour says."""

    def __init__(self, behaviour: Behaviour, heard: list[wire.Body]) -> None:
        self._behaviour = behaviour
        self._heard = heard
        self._frames = wire.FrameReader(1 << 20)
        self._hello = True
        self._out: asyncio.Queue[bytes] = asyncio.Queue()

    def write(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            if self._hello:
                assert wire.decode_hello(frame) == wire.ClientHello(wire.PROTOCOL, "demo")
                self._hello = False
                continue
            request = wire.decode_request(frame)
            self._heard.append(request.body)
            self.answer(request.number, self._behaviour(request.body))

    def answer(self, number: int, say: Say) -> None:
        """Send what the behaviour said."""
        if say == HANG_UP:
            self._out.put_nowait(b"")
        elif say == GARBAGE:
            self._out.put_nowait(b"\x00\x00\x00\x02\xa1\xff")
        elif say is not SILENCE:
            assert not isinstance(say, str)
            self._out.put_nowait(wire.encode(wire.Reply(number, say)))

    async def read(self) -> bytes:
        return await self._out.get()

    def close(self) -> None:
        self._out.put_nowait(b"")


class Nodes:
    """Three scripted nodes; ``heard`` lists what each was asked."""

    def __init__(self, **behaviours: Behaviour | None) -> None:
        self.behaviours = {int(name.removeprefix("n")): behaviour for name, behaviour in behaviours.items()}
        self.heard: dict[int, list[wire.Body]] = {node: [] for node in self.behaviours}
        self.dials = dict.fromkeys(self.behaviours, 0)
        self.client = Client(tuple(self.behaviours), self.dial, "demo")

    async def dial(self, node: int) -> Stream:
        behaviour = self.behaviours[node]
        self.dials[node] += 1
        if behaviour is None:
            raise ConnectionRefusedError(f"node {node} is down")
        return ScriptedStream(behaviour, self.heard[node])

    def commands(self, node: int) -> list[Command]:
        """Return the commands that a node was asked for."""
        return [body for body in self.heard[node] if isinstance(body, Command)]


def leader(*says: Say) -> Behaviour:
    """Open sessions, and say these things to commands and queries, the last one for ever."""
    left = list(says)

    def behave(body: wire.Body) -> Say:
        if isinstance(body, OpenSession):
            return OPENED
        return left.pop(0) if len(left) > 1 else left[0]

    return behave


def always(say: Say) -> Behaviour:
    """Say the same to everything."""
    return lambda body: say


NOT_LEADER = always(Refusal(Reason.NOT_LEADER))


def test_an_operation_is_done_at_the_leader_that_was_named() -> None:
    async def main() -> None:
        nodes = Nodes(n1=always(Refusal(Reason.NOT_LEADER, 3)), n2=NOT_LEADER, n3=leader(DONE))
        done = await nodes.client.execute(Increment("n", 1), 5)
        assert (done.result, done.ref) == (DONE.result, f"{SESSION}/1")
        assert nodes.client.ref == done.ref
        await nodes.client.execute(Increment("n", 1), 5)
        assert [command.sequence for command in nodes.commands(3)] == [1, 2]
        assert nodes.heard[1] == [OpenSession()], "the leader is remembered"
        assert nodes.heard[2] == []
        nodes.client.close()

    run(main())


@pytest.mark.parametrize(
    "say",
    [SILENCE, HANG_UP, GARBAGE, Refusal(Reason.DEPOSED)],
    ids=["silence", "hang-up", "garbage", "deposed"],
)
def test_what_was_sent_and_not_answered_is_unknown(say: Say) -> None:
    async def main() -> None:
        nodes = Nodes(n1=leader(say), n2=NOT_LEADER, n3=NOT_LEADER)
        with pytest.raises(UnknownError):
            await nodes.client.execute(Write("x", 1), 5)
        assert nodes.client.ref == f"{SESSION}/1"
        assert set(nodes.commands(1)) == {Command(SESSION, 1, Write("x", 1))}, "a retry carries the same number"
        nodes.client.close()

    run(main())


@pytest.mark.parametrize(
    "say",
    [Refusal(Reason.NOT_LEADER), Refusal(Reason.OVERLOADED), Refusal(Reason.INVALID, detail="no")],
    ids=["not-leader", "overloaded", "invalid"],
)
def test_what_every_node_refused_is_not_done(say: Say) -> None:
    async def main() -> None:
        nodes = Nodes(n1=leader(say), n2=NOT_LEADER, n3=NOT_LEADER)
        with pytest.raises(NotDoneError):
            await nodes.client.execute(Write("x", 1), 5)
        nodes.client.close()

    run(main())


def test_what_reached_no_node_is_not_done() -> None:
    async def main() -> None:
        nodes = Nodes(n1=None, n2=None, n3=None)
        with pytest.raises(NotDoneError, match="is down"):
            await nodes.client.execute(Write("x", 1), 5)

    run(main())


def test_a_session_that_could_not_be_opened_leaves_the_operation_undone() -> None:
    """Whatever became of the session: the operation itself was never sent."""

    async def main() -> None:
        nodes = Nodes(n1=always(SILENCE), n2=None, n3=None)
        with pytest.raises(NotDoneError, match="no session"):
            await nodes.client.execute(Write("x", 1), 5)
        assert nodes.client.ref == ""
        nodes.client.close()

    run(main())


def test_one_unsure_attempt_makes_it_unknown_whatever_is_refused_afterwards() -> None:
    async def main() -> None:
        says = (SILENCE, Refusal(Reason.OVERLOADED))
        nodes = Nodes(n1=leader(*says), n2=NOT_LEADER, n3=NOT_LEADER)
        with pytest.raises(UnknownError):
            await nodes.client.execute(Write("x", 1), 5)
        assert len(nodes.commands(1)) > 1
        nodes.client.close()

    run(main())


def test_a_silent_node_is_given_up_in_time_and_the_retry_has_the_same_number() -> None:
    async def main() -> None:
        nodes = Nodes(n1=leader(SILENCE), n2=leader(DONE), n3=None)
        done = await nodes.client.execute(Write("x", 1), 5)
        assert done.ref == f"{SESSION}/1"
        assert nodes.commands(1) == nodes.commands(2) == [Command(SESSION, 1, Write("x", 1))]
        assert ATTEMPT_TIMEOUT_S <= asyncio.get_running_loop().time() < 5
        nodes.client.close()

    run(main())


def test_the_time_out_is_kept() -> None:
    async def main() -> None:
        nodes = Nodes(n1=always(SILENCE), n2=always(SILENCE), n3=always(SILENCE))
        with pytest.raises(NotDoneError):
            await nodes.client.execute(Write("x", 1), 2.5)
        assert asyncio.get_running_loop().time() == pytest.approx(2.5, abs=0.1)
        nodes.client.close()

    run(main())


def test_a_broken_connection_is_made_again() -> None:
    async def main() -> None:
        nodes = Nodes(n1=leader(HANG_UP, DONE), n2=None, n3=None)
        assert (await nodes.client.execute(Write("x", 1), 5)).result == DONE.result
        nodes.client.close()

    run(main())


def test_an_expired_session_is_unknown_and_the_next_operation_opens_another() -> None:
    async def main() -> None:
        nodes = Nodes(n1=leader(Refusal(Reason.SESSION_EXPIRED), DONE), n2=NOT_LEADER, n3=NOT_LEADER)
        with pytest.raises(UnknownError, match="session-expired"):
            await nodes.client.execute(Write("x", 1), 5)
        assert len(nodes.commands(1)) == 1, "no other node would answer differently"
        await nodes.client.execute(Write("x", 2), 5)
        assert nodes.heard[1].count(OpenSession()) == 2
        nodes.client.close()

    run(main())


def test_a_query_goes_home_and_needs_no_session() -> None:
    async def main() -> None:
        nodes = Nodes(n1=leader(Done(Result(True, 7))), n2=None, n3=None)
        done = await nodes.client.execute(Read("x"), 5)
        assert (done.result.value, done.ref) == (7, "")
        assert nodes.heard[1] == [Query(Read("x"))]
        nodes.client.close()

    run(main())


def test_a_query_is_tried_elsewhere_when_home_cannot_confirm_it() -> None:
    async def main() -> None:
        nodes = Nodes(n1=always(Refusal(Reason.UNAVAILABLE, 2)), n2=leader(Done(Result(True, 7))), n3=None)
        assert (await nodes.client.execute(Read("x"), 5)).result.value == 7
        nodes.client.close()

    run(main())


def test_two_nodes_that_name_each_other_do_not_keep_a_client_in_a_circle() -> None:
    async def main() -> None:
        nodes = Nodes(
            n1=always(Refusal(Reason.NOT_LEADER, 2)), n2=always(Refusal(Reason.NOT_LEADER, 1)), n3=leader(DONE)
        )
        assert (await nodes.client.execute(Write("x", 1), 2)).result == DONE.result
        assert len(nodes.heard[1]) + len(nodes.heard[2]) < 10
        nodes.client.close()

    run(main())


@pytest.mark.parametrize("first", [1, 2])
def test_a_node_that_names_one_which_does_not_lead_keeps_no_client_from_the_third(first: int) -> None:
    """As two nodes that were removed from the members: one still names the other, which has heard of its removal."""

    async def main() -> None:
        nodes = Nodes(n1=always(Refusal(Reason.NOT_LEADER, 2)), n2=always(Refusal(Reason.NOT_LEADER)), n3=leader(DONE))
        nodes.client = Client((1, 2, 3), nodes.dial, "demo", home=first)
        assert (await nodes.client.execute(Write("x", 1), 2)).result == DONE.result
        assert len(nodes.heard[1]) + len(nodes.heard[2]) < 10
        nodes.client.close()

    run(main())


def test_the_status_of_a_node_that_is_down_raises_in_time() -> None:
    async def main() -> None:
        nodes = Nodes(n1=always(SILENCE), n2=None, n3=None)
        for node in (1, 2):
            with pytest.raises(OSError):
                await nodes.client.status(node, 1)
        nodes.client.close()

    run(main())


# -- conveniences -----------------------------------------------------------------------------------------------------


def test_each_method_is_its_operation_and_gives_its_value() -> None:
    async def main() -> None:
        says = (
            Done(Result(True)),
            Done(Result(True)),
            Done(Result(False, 3)),
            Done(Result(True, 5)),
            Done(Result(True, False)),
            Done(Result(True, 9)),
            Done(Result(True, [1, 2])),
        )
        nodes = Nodes(n1=leader(*says), n2=None, n3=None)
        async with nodes.client as client:
            await client.put("x", 1)
            assert await client.cas("x", 1, 2)
            assert not await client.cas("x", 1, 2)
            assert await client.append("l", 1) == 5
            assert not await client.add("s", 1)
            assert await client.increment("n", 4) == 9
            assert await client.txn(Increment("n", 1), Write("x", 1)) == [1, 2]
        assert [command.operation for command in nodes.commands(1)] == [
            Write("x", 1),
            Cas("x", 1, 2),
            Cas("x", 1, 2),
            Append("l", 1),
            Add("s", 1),
            Increment("n", 4),
            Txn((Increment("n", 1), Write("x", 1))),
        ]

    run(main())


def test_what_changes_nothing_is_rejected_with_what_was_found() -> None:
    async def main() -> None:
        nodes = Nodes(n1=leader(Done(Result(False, "not a list"))), n2=None, n3=None)
        async with nodes.client as client:
            with pytest.raises(RejectedError, match="not a list") as raised:
                await client.append("x", 1)
            assert raised.value.found == "not a list"

    run(main())


def test_a_second_command_at_once_is_an_error_of_the_program_and_siblings_are_for_that() -> None:
    async def main() -> None:
        nodes = Nodes(n1=leader(SILENCE, DONE), n2=None, n3=None)
        async with nodes.client as client:
            first = asyncio.ensure_future(client.put("x", 1, timeout_s=3))
            await asyncio.sleep(0.1)
            with pytest.raises(RuntimeError, match="sibling"):
                await client.put("x", 2)
            await client.sibling().put("y", 1)
            await first
        assert nodes.dials[1] == 1, "siblings share the connection"
        assert nodes.heard[1].count(OpenSession()) == 2, "and each has a session"

    run(main())


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_an_overloaded_node_is_asked_again_less_and_less_often() -> None:
    async def main() -> None:
        nodes = Nodes(n1=leader(Refusal(Reason.OVERLOADED, 1)), n2=NOT_LEADER, n3=NOT_LEADER)
        with pytest.raises(NotDoneError, match="overloaded"):
            await nodes.client.execute(Write("x", 1), 10)
        assert 15 < len(nodes.commands(1)) < 30, "every 30 ms would be 300 times"
        nodes.client.close()

    run(main())


def test_requests_under_way_on_a_connection_are_bounded_and_what_is_over_is_not_done_at_once() -> None:
    async def main() -> None:
        nodes = Nodes(n1=always(SILENCE), n2=None, n3=None)
        async with nodes.client as client:
            waiting = [asyncio.ensure_future(client.get("x", timeout_s=0.9)) for _ in range(PENDING_MAX)]
            await asyncio.sleep(0.1)
            before = asyncio.get_running_loop().time()
            with pytest.raises(NotDoneError):
                await client.get("x", timeout_s=0.2)
            assert asyncio.get_running_loop().time() - before < 0.3
            assert len(nodes.heard[1]) == PENDING_MAX
            ended = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(error, UnknownError) for error in ended)

    run(main())


def test_why_a_node_hangs_up_is_told() -> None:
    async def main() -> None:
        class TurningAway(ScriptedStream):
            def write(self, data: bytes) -> None:
                reply = wire.Reply(wire.NO_NUMBER, Refusal(Reason.OVERLOADED, detail="9 clients are being served"))
                self._out.put_nowait(wire.encode(reply))

        async def dial(node: int) -> Stream:
            return TurningAway(always(SILENCE), [])

        client = Client((1,), dial, "demo")
        with pytest.raises(OSError, match="overloaded 9 clients are being served"):
            await client.status(1, 1)
        client.close()

    run(main())


def test_a_node_that_does_not_read_gets_no_more_than_so_much() -> None:
    """Over a real socket pair: what does not leave is not done, and the client's memory is bounded."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        stream = TcpStream(reader, writer)
        chunk = b"x" * 65_536
        with pytest.raises(NotSentError, match="does not read"):
            for _ in range(10 * UNSENT_BYTES_MAX // len(chunk)):
                stream.write(chunk)
        assert writer.transport.get_write_buffer_size() <= UNSENT_BYTES_MAX + len(chunk)
        stream.close()
        await asyncio.sleep(0)
        theirs.close()

    asyncio.run(main())


def test_addresses_are_parsed_and_written_alike() -> None:
    text = "1=10.0.0.1:7000,2=[::1]:7001,3=host:1"
    parsed = parse_addresses(text)
    assert parsed == {1: ("10.0.0.1", 7000), 2: ("::1", 7001), 3: ("host", 1)}
    assert ",".join(f"{node}={format_address(address)}" for node, address in parsed.items()) == text
    assert connect(text).members == (1, 2, 3)
