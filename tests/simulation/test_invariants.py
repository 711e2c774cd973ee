"""Each invariant, and a planted violation that it catches."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from harness.simulation.invariants import AHEAD_MAX, InvariantError, Invariants
from harness.simulation.loop import virtual_loop
from node.paxos.ballot import Ballot
from node.paxos.effects import Send, Tick
from node.paxos.log import Log
from node.paxos.messages import Accepted
from node.replica import Output

LOW, HIGH = Ballot(1, 1), Ballot(2, 1)


@dataclass
class Scene:
    """Invariants over nodes made of what they look at."""

    invariants: Invariants = field(default_factory=lambda: Invariants(virtual_loop()))

    def step(
        self, name: str, log: Log | None = None, life: int = 1, upto: int = 0, digest: str = "", *sends: Send
    ) -> None:
        node: Any = SimpleNamespace(
            name=name,
            replica=SimpleNamespace(
                incarnation=life,
                paxos=SimpleNamespace(log=log or Log()),
                machine=SimpleNamespace(applied_upto=upto, digest=digest),
            ),
        )
        self.invariants.stepped(node, Tick(), Output(sends=list(sends)))


def log(*values: bytes, accepted_before: int = 0) -> Log:
    """Return a log with these values chosen, after some slots that are not known to be."""
    made = Log()
    for slot, value in enumerate(values, start=accepted_before + 1):
        made.learn(slot, LOW, (value,))
    return made


def accepted(ballot: Ballot) -> Send:
    """Return an answer in a ballot."""
    return Send(2, Accepted(ballot, 1))


def test_what_is_right_passes() -> None:
    scene = Scene()
    scene.step("n1", log(b"a", b"b"), 1, 2, "ab", accepted(LOW))
    scene.step("n2", log(b"a"), 1, 1, "a", accepted(LOW))
    scene.step("n2", log(b"a", b"b"), 1, 2, "ab", accepted(HIGH))
    scene.step("n1", log(b"a"), 2, 1, "a", accepted(LOW))  # another life begins anew
    assert scene.invariants.broken is None


def test_two_values_chosen_in_one_slot_are_caught() -> None:
    scene = Scene()
    scene.step("n1", log(b"a", b"b"))
    scene.step("n2", log(b"a"))
    with pytest.raises(InvariantError, match=r"n2 holds another value for chosen in slot 2 than n1 did"):
        scene.step("n2", log(b"a", b"x"))
    assert "slot 2" in str(scene.invariants.broken)


def test_they_are_caught_when_they_are_chosen_out_of_order() -> None:
    scene = Scene()
    scene.step("n1", log(b"a", accepted_before=9))
    with pytest.raises(InvariantError, match="slot 10"):
        scene.step("n2", log(b"x", accepted_before=9))
    scene.step("n3", log(b"x", accepted_before=AHEAD_MAX + 1))  # too far ahead to be looked at yet


def test_a_node_that_forgot_and_chose_otherwise_is_caught_against_itself() -> None:
    scene = Scene()
    scene.step("n1", log(b"a"), 1)
    with pytest.raises(InvariantError, match=r"n1 holds another value for chosen in slot 1 than n1 did"):
        scene.step("n1", log(b"x"), 2)


def test_a_state_that_goes_back_within_a_life_is_caught() -> None:
    scene = Scene()
    scene.step("n1", None, 1, 5, "five")
    with pytest.raises(InvariantError, match="has applied slot 4 after slot 5"):
        scene.step("n1", None, 1, 4, "four")


def test_another_state_after_the_same_slots_is_caught() -> None:
    scene = Scene()
    scene.step("n1", None, 1, 5, "five")
    with pytest.raises(InvariantError, match=r"n2 has another state than n1 after slot 5"):
        scene.step("n2", None, 1, 5, "fünf")


def test_an_answer_in_a_lower_ballot_is_caught_over_all_lives() -> None:
    scene = Scene()
    scene.step("n1", None, 1, 0, "", accepted(HIGH))
    with pytest.raises(InvariantError, match="answered in ballot"):
        scene.step("n1", None, 2, 0, "", accepted(LOW))
