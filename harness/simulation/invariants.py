"""Invariants, looked at after every step of every node: the run stops at the first one that breaks.

A checker at the end sees what clients saw; these see the moment it went wrong, and they see what nobody may know inside
the cluster: which values a majority really has on its disks. Each is a theorem of Multi-Paxos (Lamport, *Paxos Made
Simple*, 2001; names of its section 2) or a promise of the node's:

- *one set of members a ballot*: a ballot that changes the members proposes nothing behind the change; votes are counted
  among the members of the ballot that they are given in (``harness.simulation.memberships``);
- *one value a slot*: what a majority has accepted in one ballot is chosen, and it is the only value ever chosen there;
- *nothing chosen is overruled* (P2b): nobody accepts another value for that slot in a higher ballot. So no acknowledged
  operation is lost: this breaks when it is about to be, long before a client could notice;
- *nothing is applied that is not chosen*, and what is applied goes forward, slot by slot, within one life;
- *promises never go back*: over all its lives, a node never answers in a lower ballot than before, and what it
  remembers after a restart is no less than what it has answered for, and nothing else (with ``amnesia_safe`` it may
  have forgotten, and then answers nothing until the others have told it; that a disk which lied has lost something is
  no finding yet);
- *answers wait for the disk*: an acknowledgement leaves only when the record that it tells of is durable;
- *clients hear of what is chosen*: a node that tells a client that an operation is done has applied it, however early
  it had computed the result (``node.speculation``), and so it is chosen;
- *one lease*: in true time, no two nodes at once may take themselves for the holder of the lease;
- *a lease that is given up is over*: who says so does not lead in that ballot any more;
- *one state a prefix*: nodes that have applied the same slots have the same digest, and so has every snapshot; also
  where one of them had computed ahead, and the others not;
- *nothing is forgotten without a snapshot*: a log is truncated no further than a snapshot reaches that is durable in
  this very moment, and after a restart what is not in the log any more is in the snapshot.

One thing more is seen here and ends no run, as it harms nobody's data: that a healthy leader is deposed by a node that
was alone in having lost it (``harness.simulation.disruptions``). A violation it is all the same, and told at the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from harness.results import CheckerResult
from harness.simulation.disruptions import Disruptions
from harness.simulation.loop import VirtualLoop
from harness.simulation.memberships import Memberships
from harness.simulation.node import SimulatedNode
from harness.simulation.trace import Trace
from node.machine import decode_state
from node.paxos.ballot import ZERO, Ballot
from node.paxos.effects import Deferred, Send
from node.paxos.log import Log
from node.paxos.messages import Accepted, PreVote, PreVoteReply, Promise, Resign, Value
from node.paxos.records import AcceptedRecord, Learned, Promised, Record, Remembered
from node.paxos.snapshot import Snapshot
from node.replica import ClientRequest, Durable, Output, ReplicaEvent, SnapshotDurable
from node.wire import Body, Command, Done, OpenSession, Reply


class InvariantError(AssertionError):
    """A broken invariant; the message has the time, the trace's event, the node and what it did."""


class Chosen:
    """A slot's chosen value, and the lowest ballot in which a majority is known to have accepted it."""

    __slots__ = ("ballot", "value")

    def __init__(self, ballot: Ballot, value: Value) -> None:
        self.ballot = ballot
        self.value = value


class Seen:
    """What has been seen of one node, over all its lives."""

    __slots__ = (
        *("answered", "applied", "asked", "chosen_upto", "durable", "pending"),
        *("promised", "records", "saving", "snapshot", "truncated"),
    )

    def __init__(self) -> None:
        self.answered = ZERO
        """The highest ballot of an answer of its."""
        self.promised = ZERO
        """The highest ballot that is durable there."""
        self.durable: dict[int, Ballot] = {}
        """For each slot, the highest ballot in which its value is durable there."""
        self.records = 0
        """The number of the last record handed out in this life."""
        self.pending: deque[tuple[int, Record]] = deque()
        """Records on their way to the disk."""
        self.saving: Snapshot | None = None
        """The snapshot that is on its way to the disk."""
        self.snapshot = 0
        """The slot of the last one that is durable."""
        self.truncated = 0
        self.chosen_upto = 0
        self.applied = 0
        self.asked: dict[tuple[int, int], Body] = {}
        """What clients have asked for in this life, by client and request, and have no answer to."""


class Invariants:
    """What has been seen so far of one cluster."""

    def __init__(self, loop: VirtualLoop, trace: Trace, nodes: int) -> None:
        self._loop = loop
        self._trace = trace
        self._memberships = Memberships(tuple(range(1, nodes + 1)))
        self._seen = [Seen() for _ in range(nodes + 1)]
        self._votes: dict[tuple[int, Ballot], tuple[Value, set[int]]] = {}
        self._chosen: dict[int, Chosen] = {}
        self._digests: dict[int, tuple[bytes, str]] = {}
        self._leading: dict[int, SimulatedNode] = {}
        self._disruptions = Disruptions(loop, trace, nodes)
        self.broken: InvariantError | None = None
        """The first one that broke, also when the error itself got lost on its way."""
        self.on_broken: Callable[[InvariantError], None] = lambda error: None
        """Called when it breaks, in that very moment."""

    def booted(self, node: SimulatedNode, remembered: Remembered) -> None:
        """Compare what a process remembers with what was durable before it. Raises InvariantError."""
        self._disruptions.booted(node)
        seen = self._seen[node.number]
        if _recovers(node) or node.disk.betrayed:
            # the one does not vote before that does no harm; the other has been harmed, and what comes of it will show
            seen.answered = seen.promised = ZERO
            seen.durable.clear()
            seen.truncated = 0
        if remembered.promised < max(seen.answered, seen.promised):
            before = max(seen.answered, seen.promised)
            self._broken(node, f"remembers a promise of {remembered.promised} after it had answered for {before}")
        covered = remembered.snapshot.slot if remembered.snapshot is not None else 0
        for slot in range(covered + 1, seen.truncated + 1):  # an older snapshot came back: the log must have the rest
            entry, chosen = remembered.log.get(slot), self._chosen.get(slot)
            if entry is None or chosen is None or entry.value != chosen.value:
                self._broken(node, f"has forgotten slot {slot}, and has a snapshot of slot {covered} only")
        seen.snapshot = seen.truncated = covered
        seen.saving = None
        seen.durable = {slot: ballot for slot, ballot in seen.durable.items() if slot > covered}
        for slot, ballot in seen.durable.items():
            entry = remembered.log.get(slot)
            if entry is None or (entry.ballot < ballot and not entry.chosen):
                self._broken(node, f"has forgotten what it had answered for: slot {slot}, accepted in ballot {ballot}")
        seen.pending.clear()
        seen.asked.clear()
        seen.records = remembered.records
        seen.promised = remembered.promised
        seen.chosen_upto = seen.applied = 0
        for slot in range(covered + 1, remembered.log.last + 1):
            entry = remembered.log.get(slot)
            if entry is None:
                continue
            vote = self._votes.get((slot, entry.ballot))
            if vote is not None and vote[0] != entry.value:
                self._broken(node, f"remembers another value for slot {slot} in {entry.ballot} than was accepted there")
            if seen.durable.get(slot, ZERO) < entry.ballot:
                self._accepted(node, seen, slot, entry.ballot, entry.value)

    def stepped(self, node: SimulatedNode, event: ReplicaEvent, output: Output) -> None:
        """Look at a node after a step. Raises InvariantError."""
        seen = self._seen[node.number]
        if type(event) is Durable:  # first what the step came of: it may have chosen what its proposals build upon
            self._durable(node, seen, event.upto)
        elif type(event) is ClientRequest:
            seen.asked[event.client, event.request.number] = event.request.body
        elif type(event) is SnapshotDurable:
            self._saved(seen)
        if output.persist:
            self._writes(node, seen, event, output)
        if output.snapshot is not None:
            self._saves(node, seen, output.snapshot)
        if output.sends:
            self._says(node, seen, output.sends)
        replica = node.replica
        assert replica is not None
        if replica.paxos.leader is not None:
            if node.number not in self._leading:
                self._leading[node.number] = node
                self._disruptions.leads(node, replica.paxos.leader.ballot)
            if len(self._leading) > 1:
                self._leases(node)
        elif node.number in self._leading:
            del self._leading[node.number]
            self._disruptions.leads_no_more(node, event)
        log = replica.paxos.log
        if log.truncated_upto != seen.truncated:
            self._truncates(node, seen, log)
        if log.chosen_upto != seen.chosen_upto:
            self._chooses(node, seen, log)
        machine = replica.machine
        if machine.applied_upto != seen.applied:
            self._applies(node, seen, machine.applied_upto, machine.summed)
        if output.replies:
            self._tells(node, seen, output.replies)

    def at_the_end(self) -> tuple[CheckerResult, ...]:
        """Return what was seen that ends no run."""
        return (self._disruptions.result(),)

    # -- what is durable --------------------------------------------------------------------------------------------

    def _writes(self, node: SimulatedNode, seen: Seen, event: ReplicaEvent, output: Output) -> None:
        for record in output.persist:
            seen.records += 1
            seen.pending.append((seen.records, record))
            if type(record) is AcceptedRecord:
                self._proposed(node, record)
            elif type(record) is Promised and record.ballot.node == node.number:
                self._disruptions.takes_ballot(node, event, record.ballot, output.sends)

    def _durable(self, node: SimulatedNode, seen: Seen, upto: int) -> None:
        pending = seen.pending
        while pending and pending[0][0] <= upto:
            record = pending.popleft()[1]
            if isinstance(record, (AcceptedRecord, Learned)):
                self._accepted(node, seen, record.slot, record.ballot, record.value)
            elif not isinstance(record, Promised):
                continue
            seen.promised = max(seen.promised, record.ballot)

    def _accepted(self, node: SimulatedNode, seen: Seen, slot: int, ballot: Ballot, value: Value) -> None:
        """A node has a value on its disk: that is a vote for it, and a majority of votes in one ballot chooses."""
        if seen.durable.get(slot, ZERO) < ballot:
            seen.durable[slot] = ballot
        first, votes = self._votes.setdefault((slot, ballot), (value, set()))
        if first is not value and first != value:
            self._broken(node, f"has another value on its disk for slot {slot} in {ballot} than others have")
        membership = self._memberships.of(ballot, slot)
        if not membership.has(node.number):
            return
        votes.add(node.number)
        if len(votes) < membership.majority:
            return
        chosen = self._chosen.get(slot)
        if chosen is None:
            self._chosen[slot] = Chosen(ballot, value)
            self._memberships.chosen(slot, value)
        elif chosen.value != value:
            self._broken(node, f"makes another value chosen in slot {slot}, in {ballot}, than {chosen.ballot} did")
        else:
            chosen.ballot = min(chosen.ballot, ballot)

    def _proposed(self, node: SimulatedNode, record: AcceptedRecord) -> None:
        wrong = self._memberships.proposed(record.ballot, record.slot, record.value)
        if wrong is not None:
            self._broken(node, f"accepts what must not be: {wrong}")
        chosen = self._chosen.get(record.slot)
        if chosen is not None and record.ballot > chosen.ballot and record.value != chosen.value:
            self._broken(
                node, f"accepts another value for slot {record.slot} in {record.ballot} than {chosen.ballot} had chosen"
            )

    # -- what is said and done ----------------------------------------------------------------------------------------

    def _says(self, node: SimulatedNode, seen: Seen, sends: Sequence[Send | Deferred]) -> None:
        for send in sends:
            message = send.message
            kind = type(message)
            if kind is Accepted or kind is Promise:
                self._answers(node, seen, message)  # type: ignore[arg-type]
            elif kind is Resign:
                self._resigns(node, message.ballot)  # type: ignore[union-attr]
            elif kind is PreVoteReply:
                if message.yes:  # type: ignore[union-attr]
                    self._disruptions.says_yes(node, send.to)
            elif kind is PreVote:
                self._disruptions.asks(node, message)  # type: ignore[arg-type]

    def _answers(self, node: SimulatedNode, seen: Seen, message: Accepted | Promise) -> None:
        ballot = message.ballot
        if _recovers(node):
            self._broken(node, f"answers in ballot {ballot} while it may have forgotten")
        if ballot < seen.answered:
            self._broken(node, f"answers in ballot {ballot} after it had answered in {seen.answered}")
        seen.answered = ballot
        if isinstance(message, Accepted):
            if not self._has_accepted(node, seen, message.slot, ballot):
                self._broken(node, f"answers for slot {message.slot} in {ballot} before that is durable")
            return
        if seen.promised < ballot:
            self._broken(node, f"promises {ballot} before that is durable")
        if seen.snapshot < message.truncated_upto:
            self._broken(node, f"calls slot {message.truncated_upto} truncated, but has no durable snapshot of it")

    def _tells(self, node: SimulatedNode, seen: Seen, replies: list[tuple[int, Reply]]) -> None:
        """Clients have answers: what is done is applied. (That what is applied is chosen is looked at elsewhere.)

        Of a session that has been evicted since nothing is known.
        """
        assert node.replica is not None
        sessions = node.replica.machine.sessions
        for client, reply in replies:
            asked, answer = seen.asked.pop((client, reply.number), None), reply.answer
            if type(answer) is not Done:
                continue
            if type(asked) is Command:
                session = sessions.get(asked.session)
                if session is not None and session.sequence < asked.sequence:
                    what = f"operation {asked.sequence} of session {asked.session}"
                    self._broken(node, f"tells a client that {what} is done, and has not applied it")
            elif type(asked) is OpenSession and sessions.get(answer.result.value) is None:
                self._broken(node, f"tells a client of session {answer.result.value}, and has not opened it")

    def _chooses(self, node: SimulatedNode, seen: Seen, log: Log) -> None:
        """Look at the slots that the node holds for chosen since the last step."""
        if log.chosen_upto < seen.chosen_upto:
            self._broken(node, f"holds slots up to {log.chosen_upto} for chosen after {seen.chosen_upto}")
        if log.truncated_upto > seen.chosen_upto and log.truncated_upto not in self._chosen:
            self._broken(node, f"has a snapshot of slot {log.truncated_upto}, which no majority has accepted")
        for slot in range(max(seen.chosen_upto, log.truncated_upto) + 1, log.chosen_upto + 1):
            entry, chosen = log.get(slot), self._chosen.get(slot)
            if chosen is None:
                self._broken(node, f"holds slot {slot} for chosen, which no majority has accepted")
            elif entry is None or (entry.value is not chosen.value and entry.value != chosen.value):
                self._broken(node, f"holds another value for chosen in slot {slot} than {chosen.ballot} had chosen")
        seen.chosen_upto = log.chosen_upto

    def _has_accepted(self, node: SimulatedNode, seen: Seen, slot: int, ballot: Ballot) -> bool:
        """Say whether a value is durable there in a ballot, or was until the slot was truncated.

        An answer may wait for the record of another slot while a snapshot takes its own slot's place.
        """
        if slot > seen.truncated:
            return seen.durable.get(slot, ZERO) >= ballot
        _, votes = self._votes.get((slot, ballot), (None, frozenset[int]()))
        return node.number in votes or not self._memberships.of(ballot, slot).has(node.number)

    def _resigns(self, node: SimulatedNode, ballot: Ballot) -> None:
        """The word voids what others have granted, so nobody may lead in that ballot once it is said."""
        assert node.replica is not None
        leader = node.replica.paxos.leader
        if leader is not None and leader.ballot == ballot:
            self._broken(node, f"says that it has given its lease up, and leads on in {ballot}")

    def _saves(self, node: SimulatedNode, seen: Seen, snapshot: Snapshot) -> None:
        """A snapshot is handed out: of a state that others have, too, and of chosen slots only."""
        seen.saving = snapshot
        if snapshot.slot not in self._chosen:
            self._broken(node, f"writes a snapshot of slot {snapshot.slot}, which no majority has accepted")
        self._state(node, snapshot.slot, decode_state(snapshot.state).digest)

    def _saved(self, seen: Seen) -> None:
        """A snapshot is durable, and with it a promise of its ballot."""
        if seen.saving is not None:
            seen.snapshot = seen.saving.slot
            seen.promised = max(seen.promised, seen.saving.ballot)

    def _truncates(self, node: SimulatedNode, seen: Seen, log: Log) -> None:
        if log.truncated_upto > seen.snapshot:
            self._broken(node, f"forgets slot {log.truncated_upto}; its durable snapshot is of slot {seen.snapshot}")
        for slot in range(seen.truncated + 1, log.truncated_upto + 1):
            seen.durable.pop(slot, None)
        seen.truncated = log.truncated_upto

    def _leases(self, node: SimulatedNode) -> None:
        if not _holds_lease(node, self._loop.now_ns):
            return
        for other in self._leading.values():
            if other is not node and _holds_lease(other, self._loop.now_ns):
                self._broken(node, f"holds the lease while {other.name} holds it")

    def _applies(self, node: SimulatedNode, seen: Seen, upto: int, digest: bytes) -> None:
        if upto < seen.applied:
            self._broken(node, f"has applied slot {upto} after slot {seen.applied}")
        if upto > seen.chosen_upto:
            self._broken(node, f"has applied slot {upto}, and knows only slots up to {seen.chosen_upto} to be chosen")
        seen.applied = upto
        self._state(node, upto, digest)

    def _state(self, node: SimulatedNode, slot: int, digest: bytes) -> None:
        known, by = self._digests.setdefault(slot, (digest, node.name))
        if known != digest:
            self._broken(node, f"has another state than {by} after slot {slot}: {digest.hex()}, not {known.hex()}")

    def _broken(self, node: SimulatedNode, what: str) -> None:
        moment = f"at {self._loop.now_ns / 1e9:.6f} s (event {self._trace.events})"
        error = InvariantError(f"{moment}: {node.name} {what}")
        if self.broken is None:
            self.broken = error
            self.on_broken(error)
        raise error


class Unwatched(Invariants):
    """Nobody looks: for what the checkers at the end of a run see by themselves."""

    def booted(self, node: SimulatedNode, remembered: Remembered) -> None:
        """Look away."""

    def stepped(self, node: SimulatedNode, event: ReplicaEvent, output: Output) -> None:
        """Look away."""

    def at_the_end(self) -> tuple[CheckerResult, ...]:
        """Return nothing."""
        return ()


def _recovers(node: SimulatedNode) -> bool:
    """Say whether a node has started and does not vote yet."""
    return node.replica is not None and node.replica.paxos.recovers


def _holds_lease(node: SimulatedNode, now: int) -> bool:
    """Say whether a node would answer a read alone now, if it were asked; it may be wrong."""
    replica = node.replica
    leader = replica.paxos.leader if replica is not None else None
    return leader is not None and leader.lease.holds(node.clock.read(now))
