"""One node's Multi-Paxos: ``step(now, event) -> Effects``.

A node is always an acceptor and a learner, and beyond that a follower, a candidate or a leader:

    follower --(leader lost, and a majority says so too)--> candidate --(promises of a majority)--> leader
    candidate, leader --(a higher ballot seen; or no majority heard; or handed over)--> follower

The roles keep their own state in their own modules; this one routes events to them, sends what they decide, and ends
each step with what is true of any step: newly chosen slots are handed out in order, the leader's window is filled, the
next wake-up is set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from node.paxos.acceptor import Acceptor
from node.paxos.ballot import ZERO, Ballot
from node.paxos.candidate import Candidate
from node.paxos.config import MS, Config
from node.paxos.counters import Counters
from node.paxos.effects import Effects, Event, HandOver, Propose, ReadReady, ReadRequest, Receive, Saved, Send
from node.paxos.election import ElectionTimer, RandomStream
from node.paxos.leader import Handover, Leader
from node.paxos.lease import Grant
from node.paxos.log import SafetyError
from node.paxos.messages import (
    NOOP,
    Accept,
    Accepted,
    Chosen,
    Fetch,
    Heartbeat,
    HeartbeatAck,
    LifeNoted,
    Lives,
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
from node.paxos.preelection import STALE_REFUSALS_MAX, PreElection, first_question
from node.paxos.reads import Reader
from node.paxos.records import Life, Remembered, Started
from node.paxos.recovery import Recovery
from node.paxos.snapshot import SNAPSHOT_BYTES_MAX, Download, Snapshot

LENT_RETRIES = 10
"""For how many times ``retry_ms`` after its last part was asked for an old snapshot is kept for whoever fetches it."""

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


@dataclass(frozen=True, slots=True)
class Parts:
    """The classes a core is made of: the seam through which planted bugs replace a part of it."""

    acceptor: type[Acceptor] = Acceptor
    candidate: type[Candidate] = Candidate
    leader: type[Leader] = Leader
    pre_election: type[PreElection] = PreElection
    grant: type[Grant] = Grant
    recovery: type[Recovery] = Recovery


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
    ) -> None:
        self.config = config
        self.counters = counters
        self.parts = parts or Parts()
        self.acceptor = self.parts.acceptor(config, remembered, counters)
        self.log = self.acceptor.log
        self.backlog = self.acceptor.backlog
        self.election = ElectionTimer(config, rng, now)
        self.grant = self.parts.grant(config, now)
        self.asking: PreElection | None = None
        self.candidate: Candidate | None = None
        self.leader: Leader | None = None
        self.leader_hint: int | None = None
        self.highest: Ballot = self.acceptor.promised
        self.snapshot: Snapshot | None = remembered.snapshot
        """The last durable one: what a node gets that asks for truncated slots. It stays in memory, because the loop
        must not wait for a file; that is once more the room that the state takes."""
        self.handed_out = self.log.truncated_upto
        self.recovery = self._begin_recovery(remembered, now)
        self._incarnations = {node: life.incarnation for node, life in remembered.lives.items()}
        self._incarnations[config.me] = remembered.incarnation
        self._remote_reads: dict[int, int] = {}
        self._peers = config.peers
        self._prepare_again_at = 0
        self._fetch_again_at = 0
        self._ask_again_at = 0
        self._question = first_question(remembered.incarnation)
        self._handed_to: int | None = None
        self._own_pause = config.election_timeout_ms * MS // OWN_PAUSE_PARTS
        self._asleep_from = now + self._own_pause
        self._download: Download | None = None
        self._installing = False
        """True while a snapshot of another node's is on its way to the disk."""
        self._lent: Snapshot | None = None
        self._lent_until = 0
        self._lead_anew_at = 0
        self._effects = Effects()
        self._handlers: dict[type[Any], Callable[[int, int, Any], None]] = {
            Prepare: self._on_prepare,
            Promise: self._on_promise,
            Accept: self._on_accept,
            Accepted: self._on_accepted,
            Refused: self._on_refused,
            Heartbeat: self._on_heartbeat,
            HeartbeatAck: self._on_heartbeat_ack,
            PreVote: self._on_pre_vote,
            PreVoteReply: self._on_pre_vote_reply,
            Resign: self._on_resign,
            ReadIndex: self._on_read_index,
            ReadIndexReply: self._on_read_index_reply,
            Fetch: self._on_fetch,
            Chosen: self._on_chosen,
            Truncated: self._on_truncated,
            SnapshotPart: self._on_snapshot_part,
            Recover: self._on_recover,
            LifeNoted: self._on_life_noted,
            OldLife: self._on_old_life,
            Welcome: self._on_welcome,
        }

    # -- surface ------------------------------------------------------------------------------------------------------

    def step(self, now: int, event: Event) -> Effects:
        """Take one event at time ``now`` (ns, monotonic) and return what must be done about it.

        Raises SafetyError if the event contradicts what is known to be chosen: the node must stop then.
        """
        self._effects = effects = Effects()
        if now >= self._asleep_from:
            self._wake_up(now)
        if isinstance(event, Receive):
            self._receive(now, event)
        elif isinstance(event, Propose):
            self._propose(event)
        elif isinstance(event, ReadRequest):
            self._read(now, event.read_id)
        elif isinstance(event, HandOver):
            self._hand_over(now, event.to)
        elif isinstance(event, Saved):
            self._on_saved(now, event.snapshot)
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

    def stop(self) -> Effects:
        """Return what to write at a clean stop."""
        effects = Effects()
        if self.recovery is None:  # who may have forgotten something must not find a clean end the next time
            self.acceptor.remember_chosen(effects)
        return effects

    # -- events -------------------------------------------------------------------------------------------------------

    def _receive(self, now: int, event: Receive) -> None:
        sender = event.sender
        if event.incarnation >= self._incarnations.get(sender, 0):
            self._incarnations[sender] = event.incarnation
            self._handlers[type(event.message)](now, sender, event.message)
        else:
            self.counters.old_incarnations_dropped += 1
            if isinstance(event.message, Recover):
                self._send(sender, OldLife(self._incarnations[sender]))

    def _propose(self, event: Propose) -> None:
        if self.leader is None:
            raise ValueError("proposed to a node that does not lead: ask refusal() first")
        self.leader.enqueue(event.commands)

    def _read(self, now: int, read_id: int) -> None:
        if self.leader is not None:
            if self.reads_alone(now):
                self.counters.reads_under_lease += 1
                self._effects.reads.append(ReadReady(read_id, self.log.chosen_upto))
            elif not self.leader.reads.add(Reader(self.config.me, read_id)):
                self._effects.reads_failed.append(read_id)
        elif self.leader_hint is None or len(self._remote_reads) >= self.config.reads_max:
            self._effects.reads_failed.append(read_id)
        else:
            self._remote_reads[read_id] = now + self.config.read_timeout_ms * MS
            self._send(self.leader_hint, ReadIndex(read_id))

    # -- before Phase 1 -----------------------------------------------------------------------------------------------

    def _wake_up(self, now: int) -> None:
        """This step comes much later than the node wanted: it was not running, and has heard nothing in that time."""
        self.counters.own_pauses += 1
        self.election.slept(now)

    def _ask(self, now: int) -> None:
        """The leader is lost, for all that this node knows: ask the others before taking a ballot."""
        self.counters.suspicions += self.election.questions == 0
        self.candidate = None
        self._follow_nobody()
        self.election.asks(now)
        self._question += 1
        self.asking = self.parts.pre_election(
            self._question, self.config.majority, self.config.election_timeout_ms * MS
        )
        self._send_question(now, self.asking)
        self._press(now, self.asking)

    def _send_question(self, now: int, asking: PreElection) -> None:
        self._ask_again_at = now + self.config.retry_ms * MS
        self._broadcast(PreVote(asking.question, self.log.chosen_upto, self.election.questions))

    def _press(self, now: int, asking: PreElection) -> None:
        """Take a ballot once it can be promised; until then, repeat the question now and then."""
        ready_at = asking.ready_at(now)
        if ready_at is not None:
            ready_at = max(ready_at, self.grant.until)
            if now >= ready_at:
                self.counters.pre_elections_won += 1
                self._campaign(now)
                return
        if now >= self._ask_again_at:
            self._send_question(now, asking)
        if ready_at is not None:
            self._ask_again_at = min(self._ask_again_at, ready_at)

    def _on_pre_vote(self, now: int, sender: int, message: PreVote) -> None:
        yes = not self._may_not_vote() and self.has_lost(sender, now) and self._is_fresh(message)
        self.counters.pre_elections_refused += not yes
        bound = max(0, self.grant.until - now) if self.grant.forbids(sender, now) else 0
        self._send(sender, PreVoteReply(message.question, yes, self.acceptor.promised, self.log.chosen_upto, bound))

    def has_lost(self, asker: int, now: int) -> bool:
        """Say whether this node has lost its leader; it has if the leader is the one who asks."""
        return self.leader is None and (self.election.suspects(now) or self.election.waits_for == asker)

    def _is_fresh(self, message: PreVote) -> bool:
        """Say whether the asker's log is no reason to wait for another: after some time, no log is."""
        behind = self.log.chosen_upto - message.chosen_upto
        return behind <= self.config.election_lag_slots_max or message.attempt > STALE_REFUSALS_MAX

    def _on_pre_vote_reply(self, now: int, sender: int, message: PreVoteReply) -> None:
        if self.asking is None or not self.asking.on_reply(sender, message, now):
            self.counters.pre_election_answers_dropped += 1
            return
        self._see(message.promised)
        if self.log.chosen_upto < message.chosen_upto and now >= self._fetch_again_at:
            self._fetch(now, sender)
        self._press(now, self.asking)

    # -- handing over -------------------------------------------------------------------------------------------------

    def _hand_over(self, now: int, to: int | None) -> None:
        leader = self.leader
        if leader is not None and leader.handover is not None:
            return  # one is under way
        if leader is not None and to is None:
            to = leader.successor(now, self.config.election_timeout_ms * MS)
        if leader is None or to not in self._peers:
            self._effects.handed_over = False
            return
        self.counters.transfers_begun += 1
        leader.handover = Handover(to, now + self.config.transfer_timeout_ms * MS)

    def _press_handover(self, now: int, leader: Leader, handover: Handover) -> None:
        """Once all is chosen, tell the successor so; once it says that it knows all, leave."""
        if not leader.drained:
            return
        if handover.beat is None:
            self._beat(now)
            handover.beat = leader.beat
        elif handover.ready:
            leader.handover = None
            self._handed_to = handover.to
            self._resign(now, leader, handover.to)

    def _give_handover_up(self, leader: Leader) -> None:
        """The leadership stays here, or was lost on the way."""
        leader.handover = None
        self.counters.transfers_given_up += 1
        self._effects.handed_over = False

    def _handed_over(self, leader: int) -> None:
        """Somebody leads after this node has resigned in favour of another one."""
        done = leader == self._handed_to
        self._handed_to = None
        self.counters.transfers_done += done
        self._effects.handed_over = done

    def _resign(self, now: int, leader: Leader, successor: int | None) -> None:
        """Lead no more, and say so: the lease ends in this very step, so that its grants may be forgotten."""
        self._step_down(now)
        self.election.wait(now, successor)
        self._broadcast(Resign(leader.ballot, successor))

    def _on_resign(self, now: int, sender: int, message: Resign) -> None:
        if message.ballot.node != sender or message.ballot < self.acceptor.promised:
            return
        self._see(message.ballot)
        self._yield_to(now, message.ballot)
        followed = self.grant.covers(sender, message.ballot)
        self.grant.release(sender, now, message.ballot)
        if not followed:
            return  # an old word, of a leadership that is long over, or one that an earlier life has followed
        self.counters.resignations_heard += 1
        self.asking = None
        self._follow_nobody()
        if message.successor == self.config.me and self.recovery is None:
            self._campaign(now)
        elif message.successor in (None, self.config.me):
            self.election.lost(now)
        else:
            self.election.wait(now, message.successor)

    # -- Phase 1 ------------------------------------------------------------------------------------------------------

    def next_ballot(self) -> Ballot:
        """Return a ballot above all that this node has seen or promised; it is durable before it is used."""
        return Ballot(max(self.highest.round, self.acceptor.promised.round) + 1, self.config.me)

    def _campaign(self, now: int) -> None:
        if self.backlog.full:  # a promise that cannot become durable wins nothing: look again later
            self.election.heard(now)
            self.candidate = None
            return
        self.counters.elections_started += 1
        self.election.campaigns(now)
        self.asking = None
        self._follow_nobody()
        ballot = self.next_ballot()
        self._see(ballot)
        self.acceptor.promise(ballot, self._effects)
        self.candidate = self.parts.candidate(
            ballot, self.log.chosen_upto + 1, self.config.majority, self.acceptor.lives_noted()
        )
        self._send_prepare(now)

    def _send_prepare(self, now: int) -> None:
        assert self.candidate is not None
        if self.candidate.has_majority and self.candidate.ahead is not None:  # what it waits for is the log
            self._fetch(now, self.candidate.ahead)
        self._prepare_again_at = now + self.config.retry_ms * MS
        for member in self.config.members:
            if member not in self.candidate.promised_by:
                self.acceptor.after_persist(member, self.candidate.prepare(), self._effects)

    def _on_prepare(self, now: int, sender: int, message: Prepare) -> None:
        self._see(message.ballot)
        if self._may_not_vote():
            return
        if self.backlog.full:
            self.counters.messages_held_back += 1
            return
        if message.ballot > self.acceptor.promised and self.bound(sender, now):
            self.counters.promises_withheld += 1
            return  # no refusal: the candidate asks again, and the grant will be over soon
        self._note(now, message.lives)
        if self.acceptor.on_prepare(sender, message, self._effects) and sender != self.config.me:
            self._yield_to(now, message.ballot)
            self.asking = None
            self.election.wait(now, sender)

    def bound(self, candidate: int, now: int) -> bool:
        """Say whether a promise to this node would break a lease: one granted, or one that this node itself holds."""
        return self.grant.forbids(candidate, now) or (
            self.leader is not None and candidate != self.config.me and self.leader.lease.holds(now)
        )

    def _on_promise(self, now: int, sender: int, message: Promise) -> None:
        if self.candidate is None:
            return
        self._note(now, message.lives)
        self.candidate.on_promise(sender, message)
        self._lead_if_ready(now, self.candidate)

    def _lead_if_ready(self, now: int, candidate: Candidate) -> None:
        """Lead once a majority has promised, and all slots are known that it has truncated: catch up first."""
        if not candidate.has_majority:
            return
        if candidate.truncated_upto <= self.log.chosen_upto:
            self.counters.elections_caught_up += candidate.truncated_upto >= candidate.from_slot
            self._lead(now, candidate)
        elif candidate.ahead is not None and now >= self._fetch_again_at:
            self._fetch(now, candidate.ahead)

    def _lead(self, now: int, candidate: Candidate) -> None:
        """Take the lead: propose again all that may be chosen, close gaps, open with a no-op."""
        if candidate.last_slot < self.log.chosen_upto:
            raise SafetyError(
                f"a majority has promised {candidate.ballot} and reported nothing behind slot {candidate.last_slot}, "
                f"but slot {self.log.chosen_upto} is chosen"
            )
        self.counters.elections_won += 1
        self.candidate = None
        self.leader = self.parts.leader(self.config, candidate.ballot, candidate.last_slot + 1, now)
        self.leader.lives = candidate.lives
        self._set_leader(self.config.me)
        for slot in range(self.log.chosen_upto + 1, candidate.last_slot + 1):
            self._settle_slot(now, slot, candidate)
        self.leader.read_floor = self.leader.next_slot
        self._launch(now, self.leader.next_slot, NOOP)

    def _settle_slot(self, now: int, slot: int, candidate: Candidate) -> None:
        """Decide what a slot left over from predecessors must hold."""
        if self.log.is_chosen(slot):
            return
        bound = candidate.best.get(slot)
        if bound is None:
            self.counters.noops_filled += 1
            self._launch(now, slot, NOOP)
        elif bound.chosen:
            self.acceptor.learn(slot, bound.ballot, bound.value, self._effects)
        else:
            self.counters.slots_replayed += 1
            self._launch(now, slot, bound.value)

    # -- Phase 2 ------------------------------------------------------------------------------------------------------

    def _launch(self, now: int, slot: int, value: Value) -> None:
        leader = self.leader
        assert leader is not None
        assert leader.ballot >= self.acceptor.promised, "a leader has promised a higher ballot without stepping down"
        leader.launch(slot, value, now)
        self.acceptor.accept(leader.ballot, slot, value, self._effects)
        self.acceptor.after_persist(self.config.me, Accepted(leader.ballot, slot), self._effects)
        self._broadcast(Accept(leader.ballot, slot, value, self.log.chosen_upto))

    def _on_accept(self, now: int, sender: int, message: Accept) -> None:
        self._see(message.ballot)
        if self._may_not_vote():
            self._follow(now, sender, message.ballot, message.chosen_upto)
        elif self.backlog.full:
            self._hold_back(now, message)
        elif self.acceptor.on_accept(sender, message, self._effects):
            self._yield_to(now, message.ballot)
            self._follow(now, sender, message.ballot, message.chosen_upto)

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
            leader.land(message.slot)
            self.log.choose(message.slot)

    def _on_refused(self, now: int, sender: int, message: Refused) -> None:
        self._see(message.promised)
        if self.leader is not None and message.ballot == self.leader.ballot:
            if message.promised > self.leader.ballot:
                self._step_down(now)
                self.election.ask_at_once(now)  # if whoever was promised there leads, a majority will say so
        elif self.candidate is not None and message.ballot == self.candidate.ballot:
            self.candidate = None
            self.election.refused(now)

    # -- leader and followers -----------------------------------------------------------------------------------------

    def _on_heartbeat(self, now: int, sender: int, message: Heartbeat) -> None:
        self._see(message.ballot)
        if self._may_not_vote():
            self._follow(now, sender, message.ballot, message.chosen_upto)
            return
        if message.ballot < self.acceptor.promised:
            self.counters.heartbeats_refused += 1
            self._send(sender, Refused(message.ballot, self.acceptor.promised))
            return
        self._yield_to(now, message.ballot)
        self._follow(now, sender, message.ballot, message.chosen_upto, message.age_ns)
        self._send(sender, HeartbeatAck(message.ballot, message.beat, self.log.chosen_upto))

    def _on_heartbeat_ack(self, now: int, sender: int, message: HeartbeatAck) -> None:
        if self.leader is not None and message.ballot == self.leader.ballot:
            self.leader.heard_from(sender, now)
            self.leader.known_upto[sender] = message.chosen_upto
            self.leader.lease.beat_acknowledged(sender, message.beat)
            self.leader.reads.on_ack(sender, message.beat)
            if self.leader.handover is not None:
                knows_all = message.chosen_upto >= self.log.chosen_upto
                self.leader.handover.on_ack(sender, message.beat, knows_all=knows_all)

    def _follow(self, now: int, sender: int, ballot: Ballot, chosen_upto: int, age_ns: int | None = None) -> None:
        """A legitimate leader was heard: wait for it, learn what it knows to be chosen."""
        if sender == self.config.me:
            return
        if ballot != self.grant.given_up:
            if self.asking is not None:
                self.counters.suspicions_withdrawn += 1
                self.asking = None
            self.election.heard(now, sender, ballot, age_ns)
            self.grant.give(sender, now, ballot)
            self._set_leader(sender)
        self._learn_prefix(now, sender, ballot, chosen_upto)

    def _learn_prefix(self, now: int, sender: int, ballot: Ballot, chosen_upto: int) -> None:
        self.acceptor.choose_prefix(ballot, chosen_upto)
        if self.log.chosen_upto < chosen_upto and now >= self._fetch_again_at:
            self._fetch(now, sender)

    def _fetch(self, now: int, sender: int) -> None:
        self.counters.fetches_sent += 1
        self._fetch_again_at = now + self.config.retry_ms * MS
        if self._installing:
            return
        download = self._download
        if download is None or download.slot <= self.log.chosen_upto:  # overtaken by what was learnt slot by slot
            self._download = None
            self._send(sender, Fetch(self.log.chosen_upto + 1))
            return
        self.counters.snapshot_downloads_resumed += download.ask()
        self._send(sender, Fetch(self.log.chosen_upto + 1, download.slot, download.crc, download.offset))

    def _on_fetch(self, now: int, sender: int, message: Fetch) -> None:
        if message.from_slot <= self.log.truncated_upto:
            self._send_part(now, sender, message)
            return
        entries = self.log.chosen_from(message.from_slot, self.config.fetch_bytes_max)
        if entries:
            self._send(sender, Chosen(entries, self.log.chosen_upto))

    def _on_chosen(self, now: int, sender: int, message: Chosen) -> None:
        if self.backlog.full:
            self.counters.messages_held_back += 1
            return
        known = self.log.chosen_upto
        for slot, ballot, value in message.entries:
            self.acceptor.learn(slot, ballot, value, self._effects)
        self._see(self.acceptor.promised)
        self._yield_to(now, self.acceptor.promised)
        if known < self.log.chosen_upto < message.chosen_upto:  # a doubled answer brings nothing, and asks for nothing
            self._fetch(now, sender)
        self._caught_up(now)

    def _caught_up(self, now: int) -> None:
        """More slots are known to be chosen than a moment ago, by what others told: a candidate may have waited."""
        if self.candidate is not None:
            self._lead_if_ready(now, self.candidate)
        elif self.leader is not None:
            for slot in [slot for slot in self.leader.flights if self.log.is_chosen(slot)]:
                self.leader.land(slot)

    # -- snapshots ----------------------------------------------------------------------------------------------------

    def _on_truncated(self, now: int, sender: int, message: Truncated) -> None:
        """What this node wants accepted was chosen so long ago that the sender has forgotten it: learn it."""
        if message.upto > self.log.chosen_upto and now >= self._fetch_again_at:
            self._fetch(now, sender)

    def _send_part(self, now: int, to: int, asked: Fetch) -> None:
        """Send the part of a snapshot that is asked for, or the first one if that snapshot is not here.

        The snapshot that somebody is fetching is kept beside a newer one: else a follower that takes longer over one
        than the next takes to come would begin for ever.
        """
        named = (asked.snapshot_slot, asked.snapshot_crc)
        snapshot = self.snapshot
        assert snapshot is not None, "slots are truncated, but there is no snapshot of them"
        lent = self._lent
        if lent is not None and named == (lent.slot, lent.crc) and lent.slot >= asked.from_slot:
            snapshot = lent
        offset = asked.offset if named == (snapshot.slot, snapshot.crc) else 0
        self._lent, self._lent_until = snapshot, now + LENT_RETRIES * self.config.retry_ms * MS
        data = snapshot.state[offset : offset + self.config.snapshot_part_bytes]
        self.counters.snapshot_parts_sent += 1
        self._send(to, SnapshotPart(snapshot.slot, snapshot.ballot, len(snapshot.state), snapshot.crc, offset, data))

    def _on_snapshot_part(self, now: int, sender: int, message: SnapshotPart) -> None:
        """Take a part in and ask for the next; hand the whole out, to be made durable before it counts."""
        if message.slot <= self.log.chosen_upto or self._installing:
            return
        download = self._download
        if download is None or not download.is_of(message.slot, message.size, message.crc):
            if download is not None and message.slot < download.slot and not download.stalled:
                return  # late
            if message.size > SNAPSHOT_BYTES_MAX:
                self.counters.snapshots_refused += 1
                return
            download = self._download = Download(message.slot, message.ballot, message.size, message.crc)
        if not download.add(message.offset, message.data):
            return
        if not download.whole:
            self._fetch(now, sender)
            return
        self._download = None
        self._effects.install = download.snapshot()
        self._installing = self._effects.install is not None
        self.counters.snapshots_refused += self._effects.install is None

    def refuse_install(self) -> None:
        """What came over checks out, but is no state: fetch it anew."""
        self._installing = False
        self.counters.snapshots_refused += 1

    def _on_saved(self, now: int, snapshot: Snapshot) -> None:
        """A snapshot is durable: it may stand for the log up to its slot."""
        self._installing = False
        before = self.snapshot.slot if self.snapshot is not None else 0
        if snapshot.slot <= before:
            return
        self.snapshot = snapshot
        if snapshot.slot > self.log.chosen_upto:
            self._install(now, snapshot)
        truncated = self.log.truncated_upto
        if now >= self._lent_until:
            self._lent = None
        self.log.truncate(max(before, snapshot.slot - self.config.snapshot_tail_slots, truncated))
        self.counters.slots_truncated += self.log.truncated_upto - truncated

    def _install(self, now: int, snapshot: Snapshot) -> None:
        self.counters.snapshots_installed += 1
        self.acceptor.install(snapshot)
        self.handed_out = snapshot.slot
        self._see(snapshot.ballot)
        self._yield_to(now, snapshot.ballot)
        if self.leader is not None and snapshot.slot >= self.leader.next_slot:
            raise SafetyError(
                f"slot {snapshot.slot} was chosen in {snapshot.ballot} or before, but the leader in "
                f"{self.leader.ballot} has not come further than slot {self.leader.next_slot - 1}"
            )
        self._caught_up(now)

    def _see(self, ballot: Ballot) -> None:
        self.highest = max(self.highest, ballot)

    def _yield_to(self, now: int, ballot: Ballot) -> None:
        """Stop leading or trying to, if ``ballot`` is another's and higher."""
        if self.candidate is not None and ballot > self.candidate.ballot:
            self.candidate = None
        if self.leader is not None and ballot > self.leader.ballot:
            self._step_down(now)

    def _step_down(self, now: int) -> None:
        """Lead no more, and give whoever leads now a full time-out to be heard before trying again."""
        assert self.leader is not None
        self.election.wait(now)
        self.counters.stepped_down += 1
        if self.leader.handover is not None:
            self._give_handover_up(self.leader)
        abandoned = self.leader.reads.abandon()
        self._effects.reads_failed.extend(r.read_id for r in abandoned if r.node == self.config.me)
        self._effects.stepped_down = True
        self.leader = None
        self._follow_nobody()

    def _set_leader(self, node: int) -> None:
        if node != self.leader_hint:
            self._follow_nobody()
            self.leader_hint = node
        if self._handed_to is not None:
            self._handed_over(node)

    def _follow_nobody(self) -> None:
        """The leader this node knew is gone: reads that wait for its word have failed."""
        self.leader_hint = None
        self._effects.reads_failed.extend(self._remote_reads)
        self._remote_reads.clear()

    # -- reads --------------------------------------------------------------------------------------------------------

    def _on_read_index(self, now: int, sender: int, message: ReadIndex) -> None:
        if self.leader is not None and self.reads_alone(now):
            self.counters.reads_under_lease += 1
            self._send(sender, ReadIndexReply(self.leader.ballot, message.read_id, self.log.chosen_upto))
        elif self.leader is None or not self.leader.reads.add(Reader(sender, message.read_id)):
            self._send(sender, ReadIndexReply(ZERO, message.read_id, None))

    def _on_read_index_reply(self, now: int, sender: int, message: ReadIndexReply) -> None:
        if self._remote_reads.pop(message.read_id, None) is None:
            return
        if message.index is None:
            self._effects.reads_failed.append(message.read_id)
            return
        self._learn_prefix(now, sender, message.ballot, message.index)
        self._effects.reads.append(ReadReady(message.read_id, message.index))

    def reads_alone(self, now: int) -> bool:
        """Say whether this node leads, knows all that was chosen before it did, and holds the lease."""
        leader = self.leader
        return leader is not None and leader.lease.holds(now) and self.log.chosen_upto >= leader.read_floor

    def _serve_reads(self, now: int, leader: Leader) -> None:
        self._answer_reads(leader)
        if leader.reads.wants_round and self.log.chosen_upto >= leader.read_floor:
            self.counters.read_rounds += 1
            self._beat(now)
            leader.reads.begin(leader.beat, self.log.chosen_upto, self.config.me)
            self._answer_reads(leader)  # alone in its cluster, a leader is a majority at once

    def _answer_reads(self, leader: Leader) -> None:
        """Answer the reads of the round under way if a majority has confirmed it."""
        finished = leader.reads.confirmed()
        if finished is None:
            return
        for node, read_id in finished.readers:
            if node == self.config.me:
                self._effects.reads.append(ReadReady(read_id, finished.index))
            else:
                self._send(node, ReadIndexReply(leader.ballot, read_id, finished.index))

    # -- recovery -----------------------------------------------------------------------------------------------------

    def _begin_recovery(self, remembered: Remembered, now: int) -> Recovery | None:
        if not self.config.amnesia_safe:
            return None
        self.counters.recoveries_begun += not remembered.stopped_cleanly
        return self.parts.recovery(self.config, now, remembered)

    def _may_not_vote(self) -> bool:
        """Say whether an answer must be withheld; in a new cluster, who is asked to answer may begin."""
        if self.recovery is None:
            return False
        if self.recovery.all_blank:
            self._end_recovery()
            return False
        self.counters.answers_withheld += 1
        return True

    def _end_recovery(self) -> None:
        self.counters.recoveries_ended += 1
        self.recovery = None

    def _recover_on(self, now: int, recovery: Recovery) -> None:
        """Vote if that is safe now; else ask, and ask again."""
        ballot = recovery.welcomed_in(self.log.chosen_upto)
        if ballot is not None:
            self.acceptor.promise(ballot, self._effects)
            self.election.wait(now, ballot.node)
            self._end_recovery()
        elif recovery.may_begin:
            self._end_recovery()
        elif now >= recovery.ask_at:
            question = recovery.ask(now)
            for peer in self._peers:
                self.acceptor.after_persist(peer, question, self._effects)

    def _on_recover(self, now: int, sender: int, message: Recover) -> None:
        """A node has started, and may have forgotten: nothing that it said in earlier lives counts from now on."""
        life = Life(self._incarnations[sender], message.nonce)
        if self.acceptor.note(sender, life, self._effects):
            self._noted(now, sender)
        elif self.acceptor.lives[sender] != life:
            self._send(sender, OldLife(self.acceptor.lives[sender].incarnation))
            return
        blank = self.acceptor.promised == ZERO and self.log.last == 0
        if self.recovery is not None:
            self.recovery.on_recover(sender, message)
        if self.recovery is None or blank:
            self.acceptor.after_persist(sender, LifeNoted(message.nonce, blank), self._effects)
        if self.leader is not None and not message.whole:
            self._welcome(now, self.leader, sender, life)

    def _noted(self, now: int, node: int) -> None:
        """A life was noted: promises of earlier ones count no more, and attempts that do not know it cannot succeed."""
        self.counters.lives_noted += 1
        if self.candidate is not None and node != self.config.me:
            self._campaign(now)

    def _welcome(self, now: int, leader: Leader, node: int, life: Life) -> None:
        """Tell a recovering node when it may vote, if this ballot's promises knew of its life; else lead anew."""
        if (node, *life) in leader.lives:
            self._send(node, Welcome(life.nonce, leader.ballot, leader.read_floor, self.acceptor.lives_noted()))
        elif now >= self._lead_anew_at:
            self._lead_anew_at = now + self.config.retry_ms * MS
            self.counters.recoveries_led += 1
            self._step_down(now)
            self._campaign(now)

    def _on_life_noted(self, now: int, sender: int, message: LifeNoted) -> None:
        del now
        if self.recovery is not None:
            self.recovery.on_life_noted(sender, message)

    def _on_old_life(self, now: int, sender: int, message: OldLife) -> None:
        """Even the number of this life is forgotten: take one that nobody knows."""
        del sender
        me = self.config.me
        if self.recovery is None or message.incarnation < self._incarnations[me]:
            return
        self.counters.reincarnations += 1
        self._effects.incarnation = self._incarnations[me] = message.incarnation + 1
        self._question = first_question(message.incarnation + 1)
        self.acceptor.persist(Started(message.incarnation + 1), self._effects)
        self.recovery.begin_anew(now)

    def _on_welcome(self, now: int, sender: int, message: Welcome) -> None:
        if self.recovery is not None and self.recovery.on_welcome(message):
            self._note(now, message.lives)
            self._follow(now, sender, message.ballot, message.upto)

    def _note(self, now: int, lives: Lives) -> None:
        """Note the lives that another node has noted."""
        for node, incarnation, nonce in lives:
            if self.acceptor.note(node, Life(incarnation, nonce), self._effects):
                if node != self.config.me:
                    self._incarnations[node] = max(incarnation, self._incarnations.get(node, 0))
                self._noted(now, node)

    # -- time ---------------------------------------------------------------------------------------------------------

    def _on_time(self, now: int) -> None:
        """Do what is due: beats and repetitions of a leader, attempts of a follower, expiry of reads."""
        leader = self.leader
        if leader is not None:
            if now >= leader.next_heartbeat:
                self._lead_on(now, leader)
        elif self.recovery is not None:
            self._recover_on(now, self.recovery)
        elif self.election.due(now):
            self._ask(now)
        elif self.candidate is not None:
            if now >= self._prepare_again_at:
                self._send_prepare(now)
        elif self.asking is not None:
            self._press(now, self.asking)
        if self._remote_reads:
            self._expire_reads(now)

    def _expire_reads(self, now: int) -> None:
        for read_id in [read_id for read_id, deadline in self._remote_reads.items() if now >= deadline]:
            del self._remote_reads[read_id]
            self.counters.reads_expired += 1
            self._effects.reads_failed.append(read_id)

    def _lead_on(self, now: int, leader: Leader) -> None:
        patience = self.config.election_timeout_ms * MS
        if not leader.has_quorum(now, patience):
            self.counters.quorum_lost += 1
            self._resign(now, leader, None)
            self.election.give_way(now)
            return
        if self.backlog.stuck(now, patience):
            self.counters.backlogs_stuck += 1
            self._resign(now, leader, None)
            self.election.give_way(now)
            return
        if leader.handover is not None and now >= leader.handover.until:
            self._give_handover_up(leader)
        self.counters.leases_expired += leader.lease.lapses(now)
        for slot, flight in leader.overdue(now, self.config.retry_ms * MS):
            self.counters.accepts_resent += 1
            flight.sent_at = now
            accept = Accept(leader.ballot, slot, flight.value, self.log.chosen_upto)
            for peer in self._peers:
                if peer not in flight.acks:
                    self._send(peer, accept)
        if now < leader.quiet_until:
            leader.next_heartbeat = leader.quiet_until
        else:
            self._beat(now)

    def _beat(self, now: int) -> None:
        leader = self.leader
        assert leader is not None
        leader.beat += 1
        leader.lease.beats(leader.beat, now)
        leader.next_heartbeat = now + self.config.heartbeat_ms * MS
        self._broadcast(Heartbeat(leader.ballot, leader.beat, self.log.chosen_upto, now - leader.since))

    def _settle(self, now: int) -> None:
        """End a step: fill the window, serve reads, hand out what is newly chosen, set the next wake-up."""
        leader = self.leader
        if leader is not None:
            while not self.backlog.full and (batch := leader.next_batch()) is not None:
                self._launch(now, leader.next_slot, batch)
            if not leader.reads.idle:
                self._serve_reads(now, leader)
            if leader.handover is not None:
                self._press_handover(now, leader, leader.handover)
        while self.handed_out < self.log.chosen_upto:
            self.handed_out += 1
            entry = self.log.get(self.handed_out)
            assert entry is not None
            self._effects.apply.append((self.handed_out, entry.value))
        leader = self.leader
        wake_at = self._effects.wake_at = self._wake_at() if leader is None else leader.next_heartbeat
        self._asleep_from = wake_at + self._own_pause

    def _wake_at(self) -> int:
        if self.recovery is not None:
            return self.recovery.ask_at
        wake_at = self.election.deadline
        if self.candidate is not None:
            wake_at = min(wake_at, self._prepare_again_at)
        elif self.asking is not None:
            wake_at = min(wake_at, self._ask_again_at)
        if self._remote_reads:
            wake_at = min(wake_at, *self._remote_reads.values())
        return wake_at

    # -- sending ------------------------------------------------------------------------------------------------------

    def _send(self, to: int, message: Message) -> None:
        self._effects.send_now.append(Send(to, message))

    def _broadcast(self, message: Message) -> None:
        self._effects.send_now += [Send(peer, message) for peer in self._peers]
