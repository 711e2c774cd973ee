"""One node's Multi-Paxos: ``step(now, event) -> Effects``.

A node is always an acceptor and a learner, and beyond that a follower, a candidate or a leader:

    follower --(leader lost, and a majority says so too)--> candidate --(promises of a majority)--> leader
    candidate, leader --(a higher ballot seen; or no majority heard; or handed over)--> follower

The roles keep their own state in their own modules. This one routes events, carries both phases out, and ends each
step with what is true of any step: newly chosen slots are handed out in order, the leader's window is filled, the next
wake-up is set. What surrounds the two phases has modules of its own, which are shown the core: who leads next
(``succession``), how a node that lags learns (``catchup``), how one that may have forgotten comes back (``rejoining``),
reads (``reading``), and how the members change (``regrouping``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from node.paxos.acceptor import Acceptor
from node.paxos.ballot import Ballot
from node.paxos.candidate import Candidate
from node.paxos.catchup import CatchUp
from node.paxos.config import MS, Config
from node.paxos.counters import Counters
from node.paxos.effects import Effects, Event, HandOver, Propose, ReadRequest, Receive, Reconfigure, Saved, Send
from node.paxos.election import ElectionTimer, RandomStream
from node.paxos.leader import Leader
from node.paxos.lease import Grant
from node.paxos.log import SafetyError
from node.paxos.membership import Membership, decode_change, founding, is_change
from node.paxos.messages import (
    NOOP,
    Accept,
    Accepted,
    Chosen,
    Fetch,
    Heartbeat,
    HeartbeatAck,
    LifeNoted,
    Message,
    OldLife,
    Prepare,
    PreVote,
    PreVoteReply,
    Promise,
    ReadIndex,
    ReadIndexReply,
    Recover,
    Refused,
    Resign,
    SnapshotPart,
    Truncated,
    Value,
    Welcome,
)
from node.paxos.preelection import PreElection
from node.paxos.reading import Reading
from node.paxos.records import Remembered
from node.paxos.recovery import Recovery
from node.paxos.regrouping import Regrouping
from node.paxos.rejoining import Rejoining
from node.paxos.snapshot import Snapshot
from node.paxos.succession import Succession

OWN_PAUSE_PARTS = 4
"""A node that wakes later than it wanted by a fourth of the election time-out was not running."""


class Role(StrEnum):
    """What a node does beyond accepting."""

    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


class Refusal(StrEnum):
    """Why a command cannot be proposed here now."""

    NOT_LEADER = "not-leader"
    OVERLOADED = "overloaded"
    HANDING_OVER = "handing-over"
    CHANGING = "changing"


@dataclass(frozen=True, slots=True)
class Parts:
    """The classes a core is made of: the seam through which planted bugs replace a part of it."""

    acceptor: type[Acceptor] = Acceptor
    candidate: type[Candidate] = Candidate
    leader: type[Leader] = Leader
    pre_election: type[PreElection] = PreElection
    grant: type[Grant] = Grant
    recovery: type[Recovery] = Recovery
    rejoining: type[Rejoining] = Rejoining
    succession: type[Succession] = Succession
    catchup: type[CatchUp] = CatchUp
    reading: type[Reading] = Reading
    regrouping: type[Regrouping] = Regrouping


class Paxos:
    """The pure core of one node. Not thread-safe; every method takes or implies the time of the current step."""

    def __init__(
        self,
        config: Config,
        remembered: Remembered,
        rng: RandomStream,
        now: int,
        counters: Counters,
        parts: Parts | None = None,
        membership: Membership | None = None,
    ) -> None:
        """``membership``: who the members are after the snapshot that is remembered; else the cluster's founders."""
        self.config = config
        self.counters = counters
        self.parts = parts or Parts()
        self.acceptor = self.parts.acceptor(config, remembered, counters)
        self.log = self.acceptor.log
        self.backlog = self.acceptor.backlog
        self.election = ElectionTimer(config, rng, now)
        self.grant = self.parts.grant(config, now)
        self.candidate: Candidate | None = None
        self.leader: Leader | None = None
        self.leader_hint: int | None = None
        self.highest: Ballot = self.acceptor.promised
        self.handed_out = self.log.truncated_upto
        self.regrouping = self.parts.regrouping(self)
        self._join(membership or founding(config, remembered.founders))
        for slot in range(self.log.truncated_upto + 1, self.log.chosen_upto + 1):
            entry = self.log.get(slot)
            assert entry is not None
            if is_change(entry.value):
                self._join(self.membership.after(decode_change(entry.value[0])))
        self.rejoining = self.parts.rejoining(self, remembered, now)
        self.succession = self.parts.succession(self, remembered.incarnation)
        self.catchup = self.parts.catchup(self, remembered.snapshot)
        self.reading = self.parts.reading(self)
        self._prepare_again_at = 0
        self._own_pause = config.election_timeout_ms * MS // OWN_PAUSE_PARTS
        self._asleep_from = now + self._own_pause
        self.effects = Effects()
        self._handlers: dict[type[Any], Callable[[int, int, Any], None]] = {
            Prepare: self._on_prepare,
            Promise: self._on_promise,
            Accept: self._on_accept,
            Accepted: self._on_accepted,
            Refused: self._on_refused,
            Heartbeat: self._on_heartbeat,
            HeartbeatAck: self._on_heartbeat_ack,
            PreVote: self.succession.on_pre_vote,
            PreVoteReply: self.succession.on_pre_vote_reply,
            Resign: self.succession.on_resign,
            ReadIndex: self.reading.on_read_index,
            ReadIndexReply: self.reading.on_read_index_reply,
            Fetch: self.catchup.on_fetch,
            Chosen: self.catchup.on_chosen,
            Truncated: self.catchup.on_truncated,
            SnapshotPart: self.catchup.on_snapshot_part,
            Recover: self.rejoining.on_recover,
            LifeNoted: self.rejoining.on_life_noted,
            OldLife: self.rejoining.on_old_life,
            Welcome: self.rejoining.on_welcome,
        }

    # -- surface ------------------------------------------------------------------------------------------------------

    def step(self, now: int, event: Event) -> Effects:
        """Take one event at time ``now`` (ns, monotonic) and return what must be done about it.

        Raises SafetyError if the event contradicts what is known to be chosen: the node must stop then.
        """
        self.effects = effects = Effects()
        if now >= self._asleep_from:
            self._wake_up(now)
        if isinstance(event, Receive):
            self._receive(now, event)
        elif isinstance(event, Propose):
            self._propose(event)
        elif isinstance(event, Reconfigure):
            self._reconfigure(event)
        elif isinstance(event, ReadRequest):
            self.reading.read(now, event.read_id)
        elif isinstance(event, HandOver):
            self.succession.hand_over(now, event.to)
        elif isinstance(event, Saved):
            self.catchup.on_saved(now, event.snapshot, event.membership)
        self._on_time(now)
        self._settle(now)
        return effects

    @property
    def role(self) -> Role:
        """What the node is doing now."""
        if self.leader is not None:
            return Role.LEADER
        return Role.CANDIDATE if self.candidate is not None else Role.FOLLOWER

    @property
    def ballot(self) -> Ballot:
        """The highest ballot that this node has promised."""
        return self.acceptor.promised

    def refusal(self, commands: int) -> Refusal | None:
        """Say why ``commands`` more commands cannot be proposed now; None if they can."""
        if self.leader is None:
            return Refusal.NOT_LEADER
        if self.leader.handover is not None:
            return Refusal.HANDING_OVER
        return None if self.leader.has_room(commands) else Refusal.OVERLOADED

    def reconfigurable(self) -> Refusal | None:
        """Say why the members cannot be changed now; None if they can."""
        refusal = self.refusal(0)
        return Refusal.CHANGING if refusal is None and self.leader is not None and self.leader.change else refusal

    @property
    def hands_over(self) -> bool:
        """True while this node leads and is about to hand over."""
        return self.leader is not None and self.leader.handover is not None

    @property
    def hint(self) -> int | None:
        """Whom clients should ask instead of this node: the leader it knows, or who is to be the next one."""
        if self.leader is not None and self.leader.handover is not None:
            return self.leader.handover.to
        return self.leader_hint

    @property
    def recovers(self) -> bool:
        """True while this node may have forgotten what it answered for, and does not vote."""
        return self.rejoining.recovery is not None

    @property
    def snapshot(self) -> Snapshot | None:
        """The last durable snapshot."""
        return self.catchup.snapshot

    def stop(self) -> Effects:
        """Return what to write at a clean stop."""
        effects = Effects()
        if not self.recovers:  # who may have forgotten something must not find a clean end the next time
            self.acceptor.remember_chosen(effects)
        return effects

    # -- events -------------------------------------------------------------------------------------------------------

    def _receive(self, now: int, event: Receive) -> None:
        sender = event.sender
        if self.rejoining.hears(event):
            self._handlers[type(event.message)](now, sender, event.message)
        else:
            self.counters.old_incarnations_dropped += 1
            if isinstance(event.message, Recover):
                self.send(sender, OldLife(self.rejoining.incarnations[sender]))

    def _propose(self, event: Propose) -> None:
        if self.leader is None and self.regrouping.waiting is not None:
            self.regrouping.waiting += event.commands
            return
        if self.leader is None:
            raise ValueError("proposed to a node that does not lead: ask refusal() first")
        self.leader.enqueue(event.commands)

    def _reconfigure(self, event: Reconfigure) -> None:
        if self.leader is None or self.leader.change is not None:
            raise ValueError("a change of the members where none can be made: ask reconfigurable() first")
        self.leader.change = event.change

    # -- waking up --------------------------------------------------------------------------------------------------

    def _wake_up(self, now: int) -> None:
        """This step comes much later than the node wanted: it was not running, and has heard nothing in that time."""
        self.counters.own_pauses += 1
        self.election.slept(now)

    # -- Phase 1 ------------------------------------------------------------------------------------------------------

    def next_ballot(self) -> Ballot:
        """Return a ballot above all that this node has seen or promised; it is durable before it is used."""
        return Ballot(max(self.highest.round, self.acceptor.promised.round) + 1, self.config.me)

    def campaign(self, now: int) -> None:
        """Take a new ballot, and ask all members to promise it."""
        self.hand_out()  # who the members are depends on how far the log is chosen
        self.succession.asking = None
        if self.config.me not in self.voters:
            self.candidate = None
            return
        if self.backlog.full:  # a promise that cannot become durable wins nothing: look again later
            self.election.heard(now)
            self.candidate = None
            return
        self.counters.elections_started += 1
        self.election.campaigns(now)
        self.follow_nobody()
        ballot = self.next_ballot()
        self.see(ballot)
        self.acceptor.promise(ballot, self.effects)
        self.candidate = self.parts.candidate(
            ballot, self.log.chosen_upto + 1, self.membership, self.acceptor.lives_noted()
        )
        self._send_prepare(now)

    def _send_prepare(self, now: int) -> None:
        assert self.candidate is not None
        if self.candidate.has_majority and self.candidate.ahead is not None:  # what it waits for is the log
            self.catchup.fetch(now, self.candidate.ahead)
        self._prepare_again_at = now + self.config.retry_ms * MS
        for member in self.membership.nodes:
            if member not in self.candidate.promised_by:
                self.acceptor.after_persist(member, self.candidate.prepare(), self.effects)

    def _on_prepare(self, now: int, sender: int, message: Prepare) -> None:
        self.see(message.ballot)
        if self.rejoining.may_not_vote():
            return
        if self.backlog.full:
            self.counters.messages_held_back += 1
            return
        if message.ballot > self.acceptor.promised and self.bound(sender, now):
            self.counters.promises_withheld += 1
            return  # no refusal: the candidate asks again, and the grant will be over soon
        self.rejoining.note(now, message.lives)
        if self.acceptor.on_prepare(sender, message, self.effects) and sender != self.config.me:
            self.yield_to(now, message.ballot)
            self.succession.asking = None
            self.election.wait(now, sender)

    def bound(self, candidate: int, now: int) -> bool:
        """Say whether a promise to this node would break a lease: one granted, or one that this node itself holds."""
        return self.grant.forbids(candidate, now) or (
            self.leader is not None and candidate != self.config.me and self.leader.lease.holds(now)
        )

    def _on_promise(self, now: int, sender: int, message: Promise) -> None:
        if self.candidate is not None:
            self.rejoining.note(now, message.lives)  # which may end this attempt, and begin another or none
        candidate = self.candidate
        if candidate is not None:
            candidate.on_promise(sender, message)
            self._lead_if_ready(now, candidate)

    def _lead_if_ready(self, now: int, candidate: Candidate) -> None:
        """Lead once a majority has promised, and all slots are known that it has truncated: catch up first."""
        if not candidate.has_majority:
            return
        self.hand_out()
        if candidate.voters != self.voters:
            return  # it asked who the members were; the step ends with a ballot among those who are
        if candidate.truncated_upto <= self.log.chosen_upto:
            self.counters.elections_caught_up += candidate.truncated_upto >= candidate.from_slot
            self._lead(now, candidate)
        elif candidate.ahead is not None:
            self.catchup.fetch_soon(now, candidate.ahead)

    def _lead(self, now: int, candidate: Candidate) -> None:
        """Take the lead: propose again all that may be chosen, close gaps, open with a no-op."""
        if candidate.last_slot < self.log.chosen_upto:
            raise SafetyError(
                f"a majority has promised {candidate.ballot} and reported nothing behind slot {candidate.last_slot}, "
                f"but slot {self.log.chosen_upto} is chosen"
            )
        self.counters.elections_won += 1
        self.candidate = None
        self.leader = self.parts.leader(self.config, self.membership, candidate.ballot, candidate.last_slot + 1, now)
        self.leader.lives = candidate.lives
        self.leader.enqueue(self.regrouping.take_waiting())
        self.set_leader(self.config.me)
        for slot in range(self.log.chosen_upto + 1, candidate.last_slot + 1):
            self._settle_slot(now, slot, candidate)
            if self.regrouping.finds_change(slot, self.leader):
                return
        self.leader.read_floor = self.leader.next_slot
        self.launch(now, self.leader.next_slot, NOOP)

    def _settle_slot(self, now: int, slot: int, candidate: Candidate) -> None:
        """Decide what a slot left over from predecessors must hold."""
        if self.log.is_chosen(slot):
            return
        bound = candidate.best.get(slot)
        if bound is None:
            self.counters.noops_filled += 1
            self.launch(now, slot, NOOP)
        elif bound.chosen:
            self.acceptor.learn(slot, bound.ballot, bound.value, self.effects)
        else:
            self.counters.slots_replayed += 1
            self.launch(now, slot, bound.value)

    # -- Phase 2 ------------------------------------------------------------------------------------------------------

    def launch(self, now: int, slot: int, value: Value) -> None:
        leader = self.leader
        assert leader is not None
        assert leader.ballot >= self.acceptor.promised, "a leader has promised a higher ballot without stepping down"
        leader.launch(slot, value, now)
        self.acceptor.accept(leader.ballot, slot, value, self.effects)
        self.acceptor.after_persist(self.config.me, Accepted(leader.ballot, slot), self.effects)
        self.broadcast(Accept(leader.ballot, slot, value, self.log.chosen_upto))

    def _on_accept(self, now: int, sender: int, message: Accept) -> None:
        self.see(message.ballot)
        if self.rejoining.may_not_vote():
            self.follow(now, sender, message.ballot, message.chosen_upto)
        elif self.backlog.full:
            self._hold_back(now, message)
        elif self.acceptor.on_accept(sender, message, self.effects):
            self.yield_to(now, message.ballot)
            self.follow(now, sender, message.ballot, message.chosen_upto)

    def _hold_back(self, now: int, message: Accept) -> None:
        """Take nothing in for a disk that has too much to do; but whoever sent it is there."""
        self.counters.messages_held_back += 1
        if message.ballot >= self.acceptor.promised:
            self.election.heard(now)

    def _on_accepted(self, now: int, sender: int, message: Accepted) -> None:
        leader = self.leader
        if leader is None:
            return
        if message.ballot == leader.ballot:
            leader.heard_from(sender, now)
        if leader.on_accepted(sender, message.ballot, message.slot):
            leader.land(message.slot, now)
            self.log.choose(message.slot)

    def _on_refused(self, now: int, sender: int, message: Refused) -> None:
        self.see(message.promised)
        if self.leader is not None and message.ballot == self.leader.ballot:
            if message.promised > self.leader.ballot:
                self.step_down(now)
                self.election.ask_at_once(now)  # if whoever was promised there leads, a majority will say so
        elif self.candidate is not None and message.ballot == self.candidate.ballot:
            self.candidate = None
            self.election.refused(now)

    # -- leader and followers -----------------------------------------------------------------------------------------

    def _on_heartbeat(self, now: int, sender: int, message: Heartbeat) -> None:
        self.see(message.ballot)
        if self.rejoining.may_not_vote():
            self.follow(now, sender, message.ballot, message.chosen_upto)
            return
        if message.ballot < self.acceptor.promised:
            self.counters.heartbeats_refused += 1
            self.send(sender, Refused(message.ballot, self.acceptor.promised))
            return
        self.yield_to(now, message.ballot)
        self.follow(now, sender, message.ballot, message.chosen_upto, message.age_ns)
        self.send(sender, HeartbeatAck(message.ballot, message.beat, self.log.chosen_upto))

    def _on_heartbeat_ack(self, now: int, sender: int, message: HeartbeatAck) -> None:
        if self.leader is not None and message.ballot == self.leader.ballot and sender in self.leader.voters:
            self.leader.heard_from(sender, now)
            self.leader.known_upto[sender] = message.chosen_upto
            self.leader.lease.beat_acknowledged(sender, message.beat)
            self.leader.reads.on_ack(sender, message.beat)
            if self.leader.handover is not None:
                knows_all = message.chosen_upto >= self.log.chosen_upto
                self.leader.handover.on_ack(sender, message.beat, knows_all=knows_all)

    def follow(self, now: int, sender: int, ballot: Ballot, chosen_upto: int, age_ns: int | None = None) -> None:
        """A legitimate leader was heard: wait for it, learn what it knows to be chosen."""
        if sender == self.config.me:
            return
        if ballot != self.grant.given_up:
            if self.succession.asking is not None:
                self.counters.suspicions_withdrawn += 1
                self.succession.asking = None
            self.election.heard(now, sender, ballot, age_ns)
            self.grant.give(sender, now, ballot)
            self.set_leader(sender)
        self.catchup.learn_prefix(now, sender, ballot, chosen_upto)

    def caught_up(self, now: int) -> None:
        """More slots are known to be chosen than a moment ago, by what others told: a candidate may have waited."""
        if self.candidate is not None:
            self._lead_if_ready(now, self.candidate)
        elif self.leader is not None:
            for slot in [slot for slot in self.leader.flights if self.log.is_chosen(slot)]:
                self.leader.land(slot)

    # -- stepping down -------------------------------------------------------------------------------------------------

    def see(self, ballot: Ballot) -> None:
        """A ballot exists: the next one of this node must be above it."""
        self.highest = max(self.highest, ballot)

    def yield_to(self, now: int, ballot: Ballot) -> None:
        """Stop leading or trying to, if ``ballot`` is another's and higher."""
        if self.candidate is not None and ballot > self.candidate.ballot:
            self.candidate = None
        if self.leader is not None and ballot > self.leader.ballot:
            self.step_down(now)

    def step_down(self, now: int) -> None:
        """Lead no more, and give whoever leads now a full time-out to be heard before trying again."""
        assert self.leader is not None
        self.election.wait(now)
        self.counters.stepped_down += 1
        if self.leader.handover is not None:
            self.succession.give_handover_up(self.leader)
        abandoned = self.leader.reads.abandon()
        self.effects.reads_failed.extend(r.read_id for r in abandoned if r.node == self.config.me)
        self.effects.stepped_down = True
        self.leader = None
        self.follow_nobody()

    def set_leader(self, node: int) -> None:
        """Somebody leads."""
        if node != self.leader_hint:
            self.follow_nobody()
            self.leader_hint = node
        self.succession.on_leader(node)

    def follow_nobody(self) -> None:
        """The leader this node knew is gone: reads that wait for its word have failed."""
        self.leader_hint = None
        self.effects.reads_failed.extend(self.reading.asked)
        self.reading.asked.clear()

    # -- members ------------------------------------------------------------------------------------------------------

    def adopt(self, membership: Membership) -> None:
        """The log has come to this membership, or a snapshot to a later one."""
        if membership.version > self.membership.version:
            self.counters.members_changed += 1
            self._join(membership)
            self.effects.membership = membership
            self.regrouping.due = True

    def _join(self, membership: Membership) -> None:
        self.membership = membership
        self.voters = frozenset(membership.nodes)
        self.peers = membership.others(self.config.me)

    # -- time ---------------------------------------------------------------------------------------------------------

    def _on_time(self, now: int) -> None:
        """Do what is due: beats and repetitions of a leader, attempts of a follower, expiry of reads."""
        leader = self.leader
        if leader is not None:
            if now >= leader.next_heartbeat:
                self._lead_on(now, leader)
        elif self.rejoining.recovery is not None:
            self.rejoining.press(now, self.rejoining.recovery)
        elif self.election.due(now):
            if self.config.me in self.voters:
                self.succession.ask(now)
            else:
                self.election.abstains(now)
                self.catchup.ask_around(now)
        elif self.candidate is not None:
            if now >= self._prepare_again_at:
                self._send_prepare(now)
        elif self.succession.asking is not None:
            self.succession.press(now, self.succession.asking)
        if self.reading.asked:
            self.reading.expire(now)

    def _lead_on(self, now: int, leader: Leader) -> None:
        patience = self.config.election_timeout_ms * MS
        if not leader.has_quorum(now, patience):
            self.counters.quorum_lost += 1
            self.succession.resign(now, leader, None)
            self.election.give_way(now)
            return
        if self.backlog.stuck(now, patience):
            self.counters.backlogs_stuck += 1
            self.succession.resign(now, leader, None)
            self.election.give_way(now)
            return
        if leader.handover is not None and now >= leader.handover.until:
            self.succession.give_handover_up(leader)
            if self.config.me not in self.voters:
                self.regrouping.leave(now, leader)
                return
        self.counters.leases_expired += leader.lease.lapses(now)
        for slot, flight in leader.overdue(now, self.config.retry_ms * MS):
            self.counters.accepts_resent += 1
            flight.sent_at = now
            accept = Accept(leader.ballot, slot, flight.value, self.log.chosen_upto)
            for peer in self.peers:
                if peer not in flight.acks:
                    self.send(peer, accept)
        if now < leader.quiet_until:
            leader.next_heartbeat = leader.quiet_until
        else:
            self.beat(now)

    def beat(self, now: int) -> None:
        """Tell the followers that the leader is there."""
        leader = self.leader
        assert leader is not None
        leader.beat += 1
        leader.lease.beats(leader.beat, now)
        leader.next_heartbeat = now + self.config.heartbeat_ms * MS
        self.broadcast(Heartbeat(leader.ballot, leader.beat, self.log.chosen_upto, now - leader.since))

    def _settle(self, now: int) -> None:
        """End a step: hand out what is newly chosen, fill the window, serve reads, set the next wake-up."""
        if self.handed_out < self.log.chosen_upto:
            self.hand_out()
        if self.regrouping.due:
            self.regrouping.regroup(now)
        leader = self.leader
        if leader is not None:
            if leader.change is not None:
                self.regrouping.press_change(now, leader)
            while not self.backlog.full and (batch := leader.next_batch(now)) is not None:
                self.launch(now, leader.next_slot, batch)
            if not leader.reads.idle:
                self.reading.serve(now, leader)
            if leader.handover is not None:
                self.succession.press_handover(now, leader, leader.handover)
        if self.regrouping.waiting is not None and self.leader is None and self.candidate is None:
            self.regrouping.waiting = None
            self.effects.stepped_down = True
        leader = self.leader
        wake_at = self.effects.wake_at = self._wake_at() if leader is None else leader.next_heartbeat
        self._asleep_from = wake_at + self._own_pause

    def hand_out(self) -> None:
        """Hand out what is newly chosen, and keep up with who the members are."""
        while self.handed_out < self.log.chosen_upto:
            self.handed_out += 1
            entry = self.log.get(self.handed_out)
            assert entry is not None
            if is_change(entry.value):
                self.adopt(self.membership.after(decode_change(entry.value[0])))
            self.effects.apply.append((self.handed_out, entry.value))

    def _wake_at(self) -> int:
        if self.rejoining.recovery is not None:
            return self.rejoining.recovery.ask_at
        wake_at = self.election.deadline
        if self.candidate is not None:
            wake_at = min(wake_at, self._prepare_again_at)
        elif self.succession.asking is not None:
            wake_at = min(wake_at, self.succession.ask_again_at)
        if self.reading.asked:
            wake_at = min(wake_at, *self.reading.asked.values())
        return wake_at

    # -- sending ------------------------------------------------------------------------------------------------------

    def send(self, to: int, message: Message) -> None:
        """Send a message that waits for no record."""
        self.effects.send_now.append(Send(to, message))

    def broadcast(self, message: Message) -> None:
        """Send it to all the others."""
        self.effects.send_now += [Send(peer, message) for peer in self.peers]
