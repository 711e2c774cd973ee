"""Who may be blamed for deposing a healthy leader, and who may not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.results import RunVerdict
from harness.simulation.disruptions import TOLD_MAX, Disruptions, disrupted_at
from harness.simulation.loop import virtual_loop
from harness.simulation.trace import Trace
from nemesis.faults import Partition
from nemesis.ground import Run
from node.paxos.ballot import Ballot
from node.paxos.config import MS
from node.paxos.effects import Receive, Send, Tick
from node.paxos.messages import Heartbeat, PreVote, Refused, Resign
from node.replica import ReplicaEvent
from tests.simulation.runs import run, scenario, timed

LOW, HIGH = Ballot(1, 1), Ballot(2, 3)
ALL = frozenset({1, 2, 3})
TIMEOUT_MS = 400
LONG_MS = 5_000


class Stage:
    """Three nodes made of what the judge looks at: n1 has led in ``LOW`` for long, and n2 follows it."""

    def __init__(self) -> None:
        self.loop = virtual_loop()
        self.judge = Disruptions(self.loop, Trace(self.loop), 3)
        self.suspects: set[int] = set()
        self.nodes = {number: self._node(number) for number in ALL}
        for node in self.nodes.values():
            self.judge.booted(node)
        self.after(1)
        self.paxos(1).leader = SimpleNamespace(
            ballot=LOW, handover=None, voters=ALL, majority=2, has_quorum=lambda now, patience: True
        )
        self.judge.leads(self.nodes[1], LOW)
        self.after(LONG_MS)

    def _node(self, number: int) -> Any:
        return SimpleNamespace(
            number=number,
            name=f"n{number}",
            state=SimpleNamespace(run=Run.RUNNING),
            clock=SimpleNamespace(read=lambda now: now),
            config=SimpleNamespace(core=SimpleNamespace(election_timeout_ms=TIMEOUT_MS)),
            replica=SimpleNamespace(
                paxos=SimpleNamespace(
                    leader=None,
                    candidate=None,
                    leader_hint=1,
                    voters=ALL,
                    acceptor=SimpleNamespace(promised=LOW),
                    election=SimpleNamespace(suspects=lambda now: number in self.suspects, waits_for=1),
                )
            ),
        )

    def paxos(self, number: int) -> Any:
        return self.nodes[number].replica.paxos

    def after(self, ms: int) -> None:
        self.loop.now_ns += ms * MS

    def asks(self, question: int = 1) -> None:
        """n3 asks the others."""
        self.judge.asks(self.nodes[3], PreVote(question, 0, 1))

    def says_yes(self, number: int) -> None:
        self.judge.says_yes(self.nodes[number], 3)

    def takes(self, event: ReplicaEvent | None = None) -> None:
        """n3 takes a ballot."""
        self.paxos(3).candidate = SimpleNamespace(voters=ALL)
        self.judge.takes_ballot(self.nodes[3], event or Tick(), HIGH, [])

    def deposes(self, event: ReplicaEvent | None = None) -> int:
        """n1 stops leading; returns how many disruptions there were."""
        self.paxos(1).leader = None
        self.judge.leads_no_more(self.nodes[1], event or Receive(3, 1, Refused(LOW, HIGH)))
        return self.judge.count


def test_who_asks_and_takes_a_ballot_without_an_answer_deposes_a_healthy_leader() -> None:
    stage = Stage()
    stage.asks()
    stage.takes()
    assert stage.judge.result().verdict == "valid"  # a ballot alone deposes nobody
    assert stage.deposes() == 1
    result = stage.judge.result()
    assert result.verdict == "invalid"
    assert "n3 deposes n1" in result.sentence and "n2 followed it" in result.sentence


def test_a_question_in_the_step_of_the_ballot_is_no_question_that_was_answered() -> None:
    stage = Stage()
    stage.paxos(3).candidate = SimpleNamespace(voters=ALL)
    stage.judge.takes_ballot(stage.nodes[3], Tick(), HIGH, [Send(1, PreVote(1, 0, 1))])
    assert stage.deposes() == 1


def test_a_majority_that_said_yes_is_never_overlooked_however_soon_it_follows_again() -> None:
    stage = Stage()
    stage.asks()
    stage.after(1)
    stage.suspects.add(2)
    stage.says_yes(2)
    stage.suspects.clear()
    stage.after(LONG_MS)  # the answer was long on its way
    stage.takes()
    assert stage.deposes() == 0


def test_a_yes_before_the_question_is_none_to_it() -> None:
    stage = Stage()
    stage.suspects.add(2)
    stage.says_yes(2)
    stage.suspects.clear()
    stage.after(LONG_MS)
    stage.asks()
    stage.takes()
    assert stage.deposes() == 1


def test_a_yes_of_who_has_not_lost_the_leader_is_no_excuse() -> None:
    stage = Stage()
    stage.asks()
    stage.says_yes(2)
    stage.takes()
    assert stage.deposes() == 1


def test_a_repeated_question_was_asked_when_it_was_asked_first() -> None:
    stage = Stage()
    stage.asks()
    stage.after(1)
    stage.paxos(2).election.waits_for = 3
    stage.says_yes(2)
    stage.paxos(2).election.waits_for = 1
    stage.after(LONG_MS)
    stage.asks()
    stage.takes()
    assert stage.deposes() == 0


def broken(stage: Stage, how: str) -> None:
    """Take one thing away that makes the leader a healthy one."""
    match how:
        case "suspected":
            stage.suspects.add(2)
        case "follower stopped":
            stage.nodes[2].state.run = Run.STOPPED
        case "leader stopped":
            stage.nodes[1].state.run = Run.STOPPED
        case "another ballot":
            stage.paxos(2).acceptor.promised = Ballot(1, 2)
        case "handing over":
            stage.paxos(1).leader.handover = object()
        case "no quorum":
            stage.paxos(1).leader.has_quorum = lambda now, patience: False
        case "not for long":
            stage.judge.booted(stage.nodes[2])
            stage.after(TIMEOUT_MS - 1)
        case "other members were asked":
            stage.paxos(3).voters = frozenset({3, 4, 5})
        case "elected just now":
            stage.judge.leads(stage.nodes[1], LOW)
            stage.after(TIMEOUT_MS - 1)


@pytest.mark.parametrize(
    "how",
    [
        *("suspected", "follower stopped", "leader stopped", "another ballot", "handing over", "no quorum"),
        *("not for long", "other members were asked", "elected just now"),
    ],
)
def test_nobody_is_blamed_if_the_leader_was_not_healthy(how: str) -> None:
    stage = Stage()
    broken(stage, how)
    stage.asks()
    stage.takes()
    assert stage.deposes() == 0


def test_who_was_told_to_succeed_needs_no_question_nor_does_what_follows_from_it() -> None:
    stage = Stage()
    stage.takes(Receive(1, 1, Resign(LOW, 3)))
    stage.after(1)
    stage.takes()
    assert stage.deposes() == 0
    again = Stage()
    again.takes(Receive(1, 1, Resign(LOW, 3)))
    again.asks(2)
    again.takes()
    assert again.deposes() == 1


def test_a_leader_may_take_a_ballot_of_its_own_accord() -> None:
    stage = Stage()
    stage.judge.leads(stage.nodes[3], Ballot(1, 3))
    stage.takes()
    assert stage.deposes() == 0


def test_a_leader_that_stops_for_another_reason_was_not_deposed() -> None:
    for event in (Tick(), Receive(2, 1, Heartbeat(Ballot(9, 2), 1, 0, 0))):
        stage = Stage()
        stage.asks()
        stage.takes()
        assert stage.deposes(event) == 0


def test_only_so_many_are_told_of() -> None:
    stage = Stage()
    for question in range(TOLD_MAX + 2):
        stage.asks(question + 1)
        stage.takes()
        stage.deposes()
        stage.paxos(1).leader = SimpleNamespace(
            ballot=LOW, handover=None, voters=ALL, majority=2, has_quorum=lambda now, patience: True
        )
        stage.judge.leads(stage.nodes[1], LOW)
        stage.after(LONG_MS)
    result = stage.judge.result()
    assert (len(result.anomalies), result.statistics["disruptions"]) == (TOLD_MAX, TOLD_MAX + 2)


@pytest.mark.parametrize("bug", [None, "unasked-ballots"])
def test_who_comes_back_from_isolation_is_judged_in_a_run(bug: str | None, tmp_path: Path) -> None:
    cut = [timed(f"{at}ms", f"{at + 1_000}ms", Partition(shape="one")) for at in (1_000, 2_500, 4_000)]
    ran = run(scenario(*cut, nodes=5, time="6s", bug=bug), 0, tmp_path)
    if bug is None:
        assert ran.verdict is RunVerdict.VALID, ran.sentence
        assert "disruption" in ran.sentence
    else:
        assert ran.verdict is RunVerdict.VIOLATION
        assert "disruption: at " in ran.sentence and "deposes" in ran.sentence


def test_a_disruption_says_itself_when_it_was() -> None:
    stage = Stage()
    stage.asks()
    stage.takes()
    stage.deposes()
    result: Any = SimpleNamespace(checkers=(stage.judge.result(),))
    assert disrupted_at(result) == ((1 + LONG_MS) * MS,)
    assert disrupted_at(SimpleNamespace(checkers=(Stage().judge.result(),))) == ()  # type: ignore[arg-type]
