"""Requests of one turn of the loop: proposed together and in their order; a lost leadership leaves none behind."""

from __future__ import annotations

import random
from typing import Any

from node.kv import Increment, Read, Result, Write
from node.paxos.ballot import ZERO
from node.paxos.config import MS, Config
from node.paxos.counters import Counters
from node.paxos.effects import Receive, Tick
from node.paxos.messages import Accept, PreVoteReply, Promise
from node.paxos.records import Remembered
from node.replica import Burst, ClientRequest, Durable, Output, Replica
from node.wire import Body, Command, Done, OpenSession, Query, Reason, Refusal, Request, StatusRequest


class Node:
    """A replica whose disk is immediate."""

    def __init__(self, members: tuple[int, ...], **settings: Any) -> None:
        self.config = Config(me=1, members=members, **settings)
        self.replica = Replica(self.config, Remembered(), random.Random(1), 0, Counters())
        self.now = 0
        self.records = 0

    def step(self, event: object) -> Output:
        output = self.replica.step(self.now, event)  # type: ignore[arg-type]
        self.records += len(output.persist)
        while output.persist:
            more = self.replica.step(self.now, Durable(self.records))
            self.records += len(more.persist)
            output.replies += more.replies
            output.sends += more.sends
            output.persist = more.persist
        return output

    def lead(self) -> None:
        paxos = self.replica.paxos
        while paxos.succession.asking is None and paxos.leader is None:
            self.now += 20 * MS
            self.step(Tick())
        if paxos.succession.asking is not None:
            self.step(Receive(2, 1, PreVoteReply(paxos.succession.asking.question, True, ZERO, 0, 0)))
        candidate = paxos.candidate
        if candidate is not None:
            self.step(Receive(2, 1, Promise(candidate.ballot, candidate.from_slot, 0, 0, 1, 0, ())))
        assert paxos.leader is not None

    def burst(self, *bodies: Body) -> Output:
        return self.step(Burst([ClientRequest(7, Request(number, body)) for number, body in enumerate(bodies, 1)]))


def test_a_burst_is_one_accept_in_the_order_of_its_requests() -> None:
    node = Node((1,))
    node.lead()
    opened = node.burst(OpenSession(), OpenSession())
    sessions = [reply.answer.result.value for _, reply in opened.replies if isinstance(reply.answer, Done)]
    assert len(set(sessions)) == 2
    slots = node.replica.machine.applied_upto
    output = node.burst(
        Command(sessions[0], 1, Increment("n", 1)),
        Command(sessions[1], 1, Increment("n", 1)),
        StatusRequest(),
        Command(sessions[0], 2, Increment("n", 1)),
        Query(Read("n")),
    )
    done = {reply.number: reply.answer for _, reply in output.replies}
    assert [done[number] for number in (1, 2, 4)] == [Done(Result(True, total)) for total in (1, 2, 3)]
    assert isinstance(done[5], Done), "a read in a burst is answered as well"
    assert node.replica.machine.applied_upto == slots + 1, "one slot for them all"


def test_a_burst_beyond_the_queue_is_refused_from_there_on() -> None:
    node = Node((1,), queue_commands_max=3)
    node.lead()
    (opened,) = node.burst(OpenSession()).replies
    assert isinstance(opened[1].answer, Done)
    session = opened[1].answer.result.value
    output = node.burst(*(Command(session, number, Write("x", number)) for number in range(1, 6)))
    reasons = {r.number: r.answer.reason for _, r in output.replies if isinstance(r.answer, Refusal)}
    assert reasons == {4: Reason.OVERLOADED, 5: Reason.OVERLOADED}
    assert node.replica.machine.store.get("x") == 3
    assert node.replica.counters.commands_overloaded == 2


def test_a_leadership_that_ends_in_the_middle_of_a_burst_leaves_no_command_behind() -> None:
    """The read is a step of the core, and in that step the leader finds that nobody has answered it for long."""
    node = Node((1, 2, 3))
    node.lead()
    node.now += 60_000 * MS
    output = node.burst(Command(1, 1, Write("x", 1)), Query(Read("x")), Command(1, 2, Write("x", 2)))
    answers = {reply.number: reply.answer for _, reply in output.replies}
    assert node.replica.paxos.leader is None
    assert isinstance(answers[1], Refusal)
    assert answers[1].reason is Reason.DEPOSED
    assert isinstance(answers[3], Refusal)
    assert answers[3].reason is Reason.NOT_LEADER
    assert not [send for send in output.sends if isinstance(send.message, Accept)]
