"""The client library against nodes that say what a test wants: what is certain, what is unknown, what is repeated."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from node import wire
from node.client import ATTEMPT_TIMEOUT_S, Client, NotDoneError, Stream, UnknownError
from node.kv import Increment, Read, Result, Write
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
        self.client = Client(tuple(self.behaviours), self.dial, "demo")

    async def dial(self, node: int) -> Stream:
        behaviour = self.behaviours[node]
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
        with contextlib.suppress(NotDoneError):
            await nodes.client.execute(Write("x", 1), 2)
        assert len(nodes.heard[1]) + len(nodes.heard[2]) < 200, "asked without a pause"
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
