"""What is chosen is applied when what others wait for is handed out, and nobody is told anything wrong meanwhile."""

from __future__ import annotations

from node.kv import Increment, Read, Result
from node.paxos.ballot import Ballot
from node.paxos.config import MS
from node.paxos.effects import Receive
from node.paxos.messages import Accept, Accepted, Heartbeat
from node.replica import APPLY_COMMANDS, Apply, Burst, ClientRequest, Durable, Output
from node.wire import Answer, Command, Done, OpenSession, Query, Reason, Refusal, Request
from tests.node.test_burst import Node


class Leading(Node):
    """The leader of three, with a session; its own disk is slow: the others' answers choose."""

    def __init__(self) -> None:
        super().__init__((1, 2, 3), batch_commands_max=APPLY_COMMANDS)
        self.lead()
        self.accepted()
        self.ask(OpenSession())
        (answer,) = self.accepted().replies
        assert isinstance(answer[1].answer, Done)
        self.session: int = answer[1].answer.result.value
        self.sequence = 0

    def ask(self, *bodies: Command | OpenSession | Query) -> Output:
        """Requests of one turn; the records that come of them wait for the disk."""
        requests = [ClientRequest(7, Request(number, body)) for number, body in enumerate(bodies, 1)]
        output = self.replica.step(self.now, Burst(requests))
        self.records += len(output.persist)
        return output

    def increments(self, count: int) -> list[Command]:
        """The session's next commands."""
        first, self.sequence = self.sequence + 1, self.sequence + count
        return [Command(self.session, number, Increment("n", 1)) for number in range(first, self.sequence + 1)]

    def accepted(self, slot: int = 0) -> Output:
        """Both others accept a slot in flight, the oldest one if nothing is said."""
        leader = self.replica.paxos.leader
        assert leader is not None
        slot = slot or min(leader.flights)
        self.replica.step(self.now, Receive(2, 1, Accepted(leader.ballot, slot)))
        output = self.replica.step(self.now, Receive(3, 1, Accepted(leader.ballot, slot)))
        self.records += len(output.persist)
        return output

    def apply(self) -> Output:
        """Time to apply."""
        return self.replica.step(self.now, Apply())


def answers(output: Output) -> list[Answer]:
    """What clients are told."""
    return [reply.answer for _, reply in output.replies]


def test_the_next_round_goes_out_before_the_last_one_is_applied() -> None:
    node = Leading()
    node.ask(*node.increments(1))
    node.ask(*node.increments(2))
    output = node.accepted()
    assert [type(send.message) for send in output.sends] == [Accept, Accept]
    assert output.persist
    assert output.chosen
    assert not output.replies
    output = node.apply()
    assert answers(output) == [Done(Result(True, 1))]
    assert not output.chosen


def test_with_nothing_more_urgent_the_answer_comes_at_once() -> None:
    node = Leading()
    node.ask(*node.increments(1))
    output = node.accepted()
    assert answers(output) == [Done(Result(True, 1))]
    assert not output.chosen


def test_many_commands_are_applied_in_several_steps() -> None:
    node = Leading()
    node.ask(*node.increments(2 * APPLY_COMMANDS))
    leader = node.replica.paxos.leader
    assert leader is not None
    first, second = sorted(leader.flights)
    assert not node.accepted(second).replies, "the slot before it is not chosen"
    output = node.accepted(first)
    assert len(output.replies) == APPLY_COMMANDS
    assert output.chosen
    output = node.apply()
    assert answers(output)[-1] == Done(Result(True, 2 * APPLY_COMMANDS))
    assert not output.chosen


def test_a_read_waits_until_what_was_chosen_before_it_is_applied() -> None:
    node = Leading()
    node.ask(*node.increments(1))
    node.ask(*node.increments(1))
    assert node.accepted().chosen
    output = node.ask(Query(Read("n")))
    assert node.replica.counters.reads_under_lease == 1, "it has waited for nothing but this node's own work"
    assert answers(output) == [Done(Result(True, 1)), Done(Result(True, 1))], "the command's answer and the read's"


def test_a_leader_that_is_deposed_tells_what_came_of_what_is_chosen() -> None:
    node = Leading()
    node.ask(*node.increments(1))
    node.ask(*node.increments(1))
    assert node.accepted().chosen
    output = node.replica.step(node.now + MS, Receive(2, 1, Heartbeat(Ballot(99, 2), 1, 0)))
    first, second = answers(output)
    assert first == Done(Result(True, 1)), "chosen: its answer is known"
    assert isinstance(second, Refusal)
    assert second.reason is Reason.DEPOSED
    assert not output.chosen


def test_a_follower_answers_for_its_disk_before_it_applies() -> None:
    node = Node((1, 2, 3))
    ballot = Ballot(5, 2)
    first = node.replica.step(0, Receive(2, 1, Accept(ballot, 1, (), 0)))
    output = node.replica.step(0, Receive(2, 1, Accept(ballot, 2, (), 1)))
    assert output.chosen
    assert node.replica.machine.applied_upto == 0
    output = node.replica.step(0, Durable(len(first.persist) + len(output.persist)))
    assert [type(send.message) for send in output.sends] == [Accepted, Accepted]
    assert node.replica.machine.applied_upto == 0
    node.replica.step(0, Apply())
    assert node.replica.machine.applied_upto == 1
