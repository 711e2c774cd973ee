"""Each invariant, and a planted violation that it catches."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from harness.simulation.invariants import InvariantError, Invariants
from harness.simulation.loop import virtual_loop
from harness.simulation.trace import Trace
from node.kv import Result, Write
from node.machine import Machine
from node.paxos.ballot import ZERO, Ballot
from node.paxos.counters import Counters
from node.paxos.effects import Send, Tick
from node.paxos.log import Log
from node.paxos.messages import Accepted, Promise, Resign, Value
from node.paxos.records import AcceptedRecord, Learned, Promised, Record, Remembered
from node.paxos.snapshot import Snapshot, snapshot_of
from node.replica import ClientRequest, Durable, Output, ReplicaEvent, RunAhead, SnapshotDurable
from node.sessions import Sessions
from node.wire import Body, Command, Done, OpenSession, Reason, Refusal, Reply, Request

LOW, HIGH = Ballot(1, 1), Ballot(2, 1)
A: Value = (b"a",)
X: Value = (b"x",)


@dataclass
class Scene:
    """Invariants over three nodes made of what they look at."""

    invariants: Invariants = field(default_factory=lambda: Invariants(loop := virtual_loop(), Trace(loop), 3))
    records: dict[int, int] = field(default_factory=dict)
    recovers: dict[int, bool] = field(default_factory=dict)

    def step(
        self,
        node: int,
        event: ReplicaEvent | None = None,
        *sends: Promise | Accepted | Resign,
        persist: tuple[Record, ...] = (),
        log: Log | None = None,
        applied: tuple[int, str | bytes] = (0, ""),
        leader: Any = None,
        snapshot: Snapshot | None = None,
        replies: tuple[tuple[int, Reply], ...] = (),
        sessions: Sessions | None = None,
    ) -> None:
        output = Output()
        output.replies = list(replies)
        output.snapshot = snapshot
        output.persist = list(persist)
        output.sends = [Send(9, message) for message in sends]
        stepped = self.seen(node, log, applied, leader)
        stepped.replica.machine.sessions = sessions if sessions is not None else Sessions()
        self.invariants.stepped(stepped, event if event is not None else Tick(), output)

    def write(self, node: int, *records: Record) -> None:
        """A node hands records out, and they become durable."""
        self.step(node, persist=records)
        self.records[node] = self.records.get(node, 0) + len(records)
        self.step(node, Durable(self.records[node]))

    def choose(self, slot: int, value: Value, ballot: Ballot = LOW, *nodes: int) -> None:
        """A majority accepts a value."""
        for node in nodes or (1, 2):
            self.write(node, AcceptedRecord(slot, ballot, value, 0))

    def boot(self, node: int, *records: Record, snapshot: Snapshot | None = None, recovers: bool = False) -> None:
        """A node's process starts on a disk that holds these records."""
        remembered = Remembered(snapshot)
        for record in records:
            remembered.replay(record)
        self.records[node] = remembered.records
        self.recovers[node] = recovers
        self.invariants.booted(self.seen(node), remembered)

    def seen(
        self, node: int, log: Log | None = None, applied: tuple[int, str | bytes] = (0, ""), leader: Any = None
    ) -> Any:
        """Return a node as the invariants see it."""
        return SimpleNamespace(
            number=node,
            name=f"n{node}",
            disk=SimpleNamespace(betrayed=False),
            replica=SimpleNamespace(
                paxos=SimpleNamespace(
                    log=log if log is not None else Log(),
                    leader=leader,
                    recovers=self.recovers.get(node, False),
                ),
                machine=SimpleNamespace(applied_upto=applied[0], summed=digest_of(applied[1])),
            ),
        )


def digest_of(digest: str | bytes) -> bytes:
    """Return a digest that was given in words."""
    return digest if isinstance(digest, bytes) else digest.encode()


def log(*values: Value) -> Log:
    """Return a log with these values chosen."""
    made = Log()
    for slot, value in enumerate(values, start=1):
        made.learn(slot, LOW, value)
    return made


def test_what_is_right_passes() -> None:
    scene = Scene()
    scene.choose(1, A)
    scene.step(1, None, Accepted(LOW, 1))
    scene.step(1, log=log(A), applied=(1, "a"))
    scene.step(2, log=log(A), applied=(1, "a"))
    scene.write(3, Promised(HIGH))
    scene.step(3, None, Promise(HIGH, 1, 0, 0, 1, 0, ()))
    scene.write(3, AcceptedRecord(1, HIGH, A, 0))
    scene.boot(1, AcceptedRecord(1, LOW, A, 0))
    scene.step(1, log=log(A), applied=(1, "a"))  # another life begins anew
    assert scene.invariants.broken is None


def test_two_values_chosen_in_one_slot_are_caught() -> None:
    scene = Scene()
    scene.write(1, AcceptedRecord(1, LOW, A, 0))
    scene.step(1, persist=(AcceptedRecord(1, HIGH, X, 0),))
    scene.step(2, persist=(AcceptedRecord(1, HIGH, X, 0),))
    scene.write(3, AcceptedRecord(1, LOW, A, 0))
    scene.step(1, Durable(2))
    with pytest.raises(InvariantError, match=r"n2 makes another value chosen in slot 1, in 2\.1, than 1\.1 did"):
        scene.step(2, Durable(1))
    assert "slot 1" in str(scene.invariants.broken)


def test_a_chosen_value_that_is_about_to_be_overruled_is_caught() -> None:
    scene = Scene()
    scene.choose(1, A)
    with pytest.raises(InvariantError, match=r"n3 accepts another value for slot 1 in 2\.1 than 1\.1 had chosen"):
        scene.step(3, persist=(AcceptedRecord(1, HIGH, X, 0),))


def test_who_resigns_and_leads_on_is_caught() -> None:
    scene = Scene()
    scene.step(1, None, Resign(LOW, 2))
    lease = SimpleNamespace(holds=lambda now: False)
    with pytest.raises(InvariantError, match=r"n1 says that it has given its lease up, and leads on in 1\.1"):
        scene.step(1, None, Resign(LOW, 2), leader=SimpleNamespace(ballot=LOW, lease=lease))


def test_a_value_that_lost_may_be_accepted_late() -> None:
    scene = Scene()
    scene.choose(1, A, HIGH)
    scene.step(3, persist=(AcceptedRecord(1, LOW, X, 0),))
    assert scene.invariants.broken is None


def test_two_values_in_one_ballot_are_caught() -> None:
    scene = Scene()
    scene.write(1, AcceptedRecord(1, LOW, A, 0))
    with pytest.raises(InvariantError, match=r"n2 has another value on its disk for slot 1 in 1\.1 than others have"):
        scene.write(2, AcceptedRecord(1, LOW, X, 0))


def test_a_slot_held_for_chosen_without_a_majority_is_caught() -> None:
    scene = Scene()
    scene.write(1, AcceptedRecord(1, LOW, A, 0))
    scene.step(2, persist=(AcceptedRecord(1, LOW, A, 0),))  # handed out, and not durable
    with pytest.raises(InvariantError, match="n1 holds slot 1 for chosen, which no majority has accepted"):
        scene.step(1, log=log(A))


def test_another_value_held_for_chosen_is_caught() -> None:
    scene = Scene()
    scene.choose(1, A)
    with pytest.raises(InvariantError, match=r"n3 holds another value for chosen in slot 1 than 1\.1 had chosen"):
        scene.step(3, log=log(X))


def test_a_state_that_goes_back_within_a_life_is_caught() -> None:
    scene = Scene()
    scene.choose(1, A)
    scene.choose(2, A)
    scene.step(1, log=log(A, A), applied=(2, "two"))
    with pytest.raises(InvariantError, match="has applied slot 1 after slot 2"):
        scene.step(1, log=log(A, A), applied=(1, "one"))


def test_a_slot_applied_before_it_is_known_to_be_chosen_is_caught() -> None:
    scene = Scene()
    scene.choose(1, A)
    with pytest.raises(InvariantError, match="has applied slot 2, and knows only slots up to 1"):
        scene.step(1, log=log(A), applied=(2, "two"))


def test_another_state_after_the_same_slots_is_caught() -> None:
    scene = Scene()
    scene.choose(1, A)
    scene.step(1, log=log(A), applied=(1, "one"))
    with pytest.raises(InvariantError, match=r"n2 has another state than n1 after slot 1"):
        scene.step(2, log=log(A), applied=(1, "eins"))


def test_an_answer_in_a_lower_ballot_is_caught_over_all_lives() -> None:
    scene = Scene()
    scene.write(1, AcceptedRecord(1, HIGH, A, 0))
    scene.step(1, None, Accepted(HIGH, 1))
    scene.boot(1, AcceptedRecord(1, HIGH, A, 0))
    with pytest.raises(InvariantError, match=r"answers in ballot 1\.1 after it had answered in 2\.1"):
        scene.step(1, None, Accepted(LOW, 1))


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (Accepted(LOW, 1), r"answers for slot 1 in 1\.1 before that is durable"),
        (Promise(LOW, 1, 0, 0, 1, 0, ()), r"promises 1\.1 before that is durable"),
    ],
)
def test_an_answer_before_its_record_is_durable_is_caught(message: Accepted | Promise, why: str) -> None:
    scene = Scene()
    with pytest.raises(InvariantError, match=why):
        scene.step(1, None, message, persist=(AcceptedRecord(1, LOW, A, 0),))


def test_a_process_that_has_forgotten_what_was_durable_is_caught() -> None:
    scene = Scene()
    scene.write(1, AcceptedRecord(1, LOW, A, 0))
    with pytest.raises(InvariantError, match=r"n1 has forgotten what it had answered for: slot 1, accepted in"):
        scene.boot(1, Promised(HIGH))


def test_a_process_that_has_forgotten_its_promise_is_caught() -> None:
    scene = Scene()
    scene.write(1, Promised(HIGH))
    with pytest.raises(InvariantError, match=r"n1 remembers a promise of 0\.0 after it had answered for 2\.1"):
        scene.boot(1)


def test_what_was_never_durable_may_be_forgotten_and_what_was_learned_stands_for_what_was_accepted() -> None:
    scene = Scene()
    scene.step(1, persist=(AcceptedRecord(1, LOW, A, 0),))
    scene.boot(1)
    scene.choose(2, A, HIGH, 2, 3)
    scene.write(1, AcceptedRecord(2, LOW, X, 0))
    scene.boot(1, AcceptedRecord(2, LOW, X, 0), Learned(2, HIGH, A))
    assert scene.invariants.broken is None
    assert ZERO < LOW


# -- clients ----------------------------------------------------------------------------------------------------------

WRITE = Command(7, 2, Write("x", 1))
DONE = Done(Result(True))


def asked(scene: Scene, body: Body, client: int = 5, number: int = 1) -> None:
    """Let node 1 get a client's request."""
    scene.step(1, ClientRequest(client, Request(number, body)))


def table(sequence: int) -> Sessions:
    """Return a session table in which operations of session 7 were applied up to a number."""
    sessions = Sessions()
    sessions.open(7)
    if sequence:
        sessions.record(7, sequence, Result(True))
    return sessions


def test_a_client_may_hear_of_what_is_applied_and_be_refused_what_is_not() -> None:
    scene = Scene()
    asked(scene, WRITE, number=1)
    scene.step(1, replies=((5, Reply(1, Refusal(Reason.DEPOSED))),), sessions=table(1))
    asked(scene, WRITE, number=2)
    scene.step(1, replies=((5, Reply(2, DONE)),), sessions=table(2))
    asked(scene, WRITE, number=3)
    scene.step(1, replies=((5, Reply(3, DONE)),), sessions=table(3))
    asked(scene, WRITE, number=4)
    scene.step(1, replies=((5, Reply(4, DONE)),))  # evicted since
    asked(scene, OpenSession(), number=5)
    scene.step(1, replies=((5, Reply(5, Done(Result(True, 7)))),), sessions=table(0))
    assert scene.invariants.broken is None


@pytest.mark.parametrize("sequence", [0, 1])
def test_an_answer_before_the_operation_is_applied_is_caught(sequence: int) -> None:
    scene = Scene()
    asked(scene, WRITE)
    why = "n1 tells a client that operation 2 of session 7 is done, and has not applied it"
    with pytest.raises(InvariantError, match=why):
        scene.step(1, RunAhead(), replies=((5, Reply(1, DONE)),), sessions=table(sequence))


def test_a_session_that_is_not_open_is_caught() -> None:
    scene = Scene()
    asked(scene, OpenSession())
    with pytest.raises(InvariantError, match="n1 tells a client of session 9, and has not opened it"):
        scene.step(1, RunAhead(), replies=((5, Reply(1, Done(Result(True, 9)))),), sessions=table(0))


def test_another_life_was_asked_nothing() -> None:
    scene = Scene()
    asked(scene, WRITE)
    scene.boot(1)
    scene.step(1, replies=((5, Reply(1, DONE)),), sessions=table(0))
    assert scene.invariants.broken is None


# -- snapshots --------------------------------------------------------------------------------------------------------


def snapshot(upto: int) -> Snapshot:
    """Return a snapshot of the state after some no-ops."""
    machine = Machine(Counters())
    for slot in range(1, upto + 1):
        assert not list(machine.apply(slot, ()))
    return snapshot_of(upto, LOW, machine.state())


def digest(upto: int) -> bytes:
    """Return the digest of that state."""
    machine = Machine(Counters())
    for slot in range(1, upto + 1):
        assert not list(machine.apply(slot, ()))
    return machine.summed


def truncated(upto: int) -> Log:
    """Return a log with some no-ops chosen and truncated."""
    made = log(*[()] * upto)
    made.truncate(upto)
    return made


def no_ops(*slots: int) -> Scene:
    """Return a scene in which these slots are chosen, by nodes 1 and 2."""
    scene = Scene()
    for slot in slots:
        scene.choose(slot, ())
    return scene


def test_a_snapshot_stands_for_the_log_once_it_is_durable() -> None:
    scene = no_ops(1, 2)
    scene.write(1, Promised(HIGH))
    scene.step(1, log=log((), ()), applied=(2, digest(2)), snapshot=snapshot(2))
    scene.step(1, SnapshotDurable(), log=truncated(2), applied=(2, digest(2)))
    scene.step(1, None, Promise(HIGH, 1, 0, 0, 1, 2, ()), log=truncated(2), applied=(2, digest(2)))
    scene.boot(1, Promised(HIGH), snapshot=snapshot(2))
    scene.step(1, log=truncated(2), applied=(2, digest(2)))
    scene.step(3, log=truncated(0), snapshot=snapshot(2))  # it came from node 1
    scene.step(3, SnapshotDurable(), log=truncated(2), applied=(2, digest(2)))
    assert scene.invariants.broken is None


def test_an_answer_may_wait_while_a_snapshot_takes_its_slots_place() -> None:
    scene = no_ops(1, 2)
    scene.step(1, log=log((), ()), applied=(2, digest(2)), snapshot=snapshot(2))
    scene.step(1, SnapshotDurable(), log=truncated(2), applied=(2, digest(2)))
    scene.step(1, None, Accepted(LOW, 2), log=truncated(2), applied=(2, digest(2)))  # asked for again before that
    with pytest.raises(InvariantError, match=r"answers for slot 2 in 2\.1 before that is durable"):
        scene.step(1, None, Accepted(HIGH, 2), log=truncated(2), applied=(2, digest(2)))


def test_a_log_that_is_truncated_before_its_snapshot_is_durable_is_caught() -> None:
    scene = no_ops(1, 2)
    scene.step(1, log=log((), ()), applied=(2, digest(2)), snapshot=snapshot(2))
    with pytest.raises(InvariantError, match="forgets slot 2; its durable snapshot is of slot 0"):
        scene.step(1, log=truncated(2), applied=(2, digest(2)))


def test_a_promise_that_calls_slots_truncated_without_a_snapshot_is_caught() -> None:
    scene = no_ops(1)
    scene.write(1, Promised(HIGH))
    with pytest.raises(InvariantError, match="calls slot 1 truncated, but has no durable snapshot of it"):
        scene.step(1, None, Promise(HIGH, 1, 0, 0, 1, 1, ()))


def test_a_snapshot_of_another_state_is_caught() -> None:
    scene = no_ops(1, 2)
    scene.step(1, log=log((), ()), applied=(2, "another state"))
    with pytest.raises(InvariantError, match="n2 has another state than n1 after slot 2"):
        scene.step(2, log=log((), ()), snapshot=snapshot(2))


def test_a_snapshot_of_what_is_not_chosen_is_caught() -> None:
    with pytest.raises(InvariantError, match="writes a snapshot of slot 2, which no majority has accepted"):
        no_ops(1).step(1, log=log(()), snapshot=snapshot(2))


def test_a_restart_without_the_snapshot_that_stood_for_the_log_is_caught() -> None:
    scene = no_ops(1, 2)
    scene.step(1, log=log((), ()), applied=(2, digest(2)), snapshot=snapshot(2))
    scene.step(1, SnapshotDurable(), log=truncated(2), applied=(2, digest(2)))
    with pytest.raises(InvariantError, match="has forgotten slot 1, and has a snapshot of slot 0 only"):
        scene.boot(1, Promised(LOW))


def test_an_older_snapshot_with_the_log_behind_it_is_as_good() -> None:
    scene = no_ops(1, 2)
    scene.step(1, log=log((), ()), applied=(2, digest(2)), snapshot=snapshot(2))
    scene.step(1, SnapshotDurable(), log=truncated(2), applied=(2, digest(2)))
    scene.boot(1, AcceptedRecord(2, LOW, (), 1), snapshot=snapshot(1))
    assert scene.invariants.broken is None


def test_a_process_that_may_have_forgotten_must_not_answer() -> None:
    scene = Scene()
    scene.write(1, Promised(HIGH), AcceptedRecord(1, HIGH, A, 0))
    scene.step(1, None, Accepted(HIGH, 1))
    scene.boot(1, recovers=True)
    with pytest.raises(InvariantError, match=r"answers in ballot 1\.1 while it may have forgotten"):
        scene.step(1, None, Promise(LOW, 1, 0, 0, 1, 0, ()))
    scene.recovers[1] = False
    scene.write(1, Promised(HIGH))
    scene.step(1, None, Promise(HIGH, 1, 0, 0, 1, 0, ()))
