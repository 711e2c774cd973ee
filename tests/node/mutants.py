"""Planted bugs, to show that the checks of this folder can fail: each is one classic mistake in one small class.

They are planted through the node's own seam (``Assembly``, ``Parts``), or as a fault of the shell where the mistake is
one of the shell. ``test_schedules.py`` demands that the random schedules catch each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from node.assembly import Assembly
from node.bugs.half_rollback import HalfRollback
from node.bugs.local_reads import LocalReads
from node.bugs.released_early import ReleasedEarly
from node.bugs.speculative_reads import SpeculativeReads
from node.machine import Machine, decode_state
from node.museum import Unasked
from node.paxos.acceptor import Acceptor, Deferrable
from node.paxos.ballot import ZERO, Ballot
from node.paxos.candidate import Candidate
from node.paxos.config import Config
from node.paxos.core import Parts
from node.paxos.counters import Counters
from node.paxos.effects import Deferred, Effects
from node.paxos.leader import Flight, Leader
from node.paxos.lease import Grant
from node.paxos.membership import NOBODY, Membership, encode_change
from node.paxos.messages import Accept, Accepted, Lives, PreVoteReply, Promise, Reported, Value
from node.paxos.preelection import PreElection
from node.paxos.reads import ReadRounds
from node.paxos.recovery import Recovery
from node.paxos.regrouping import Regrouping
from node.paxos.snapshot import Snapshot
from node.replica import Output, Replica
from node.sessions import Sessions, Standing


class EarlyAnswers(Acceptor):
    """Answers before the fsync."""

    def after_persist(self, to: int, message: Deferrable, effects: Effects) -> None:
        effects.send_after_persist.append(Deferred(0, to, message))


class ForgetsPromises(Acceptor):
    """Does not write a promise down."""

    def promise(self, ballot: Ballot, effects: Effects) -> bool:
        if ballot < self.promised:
            return False
        self.promised = ballot
        return True


class BreaksPromises(Acceptor):
    """Accepts below its promise."""

    def on_accept(self, sender: int, message: Accept, effects: Effects) -> bool:
        self.promised = min(self.promised, message.ballot)
        return super().on_accept(sender, message, effects)


class HidesChosen(Acceptor):
    """Reports only what is not chosen yet, as if everybody knew the rest."""

    def report(self, from_slot: int) -> Iterator[Reported]:
        return (reported for reported in super().report(from_slot) if not reported.chosen)


class LearnsIdly(Acceptor):
    """Learns what was chosen in a ballot without honouring that ballot."""

    def learn(self, slot: int, ballot: Ballot, value: Value, effects: Effects) -> None:
        promised = self.promised
        super().learn(slot, ballot, value, effects)
        self.promised = promised


class TakesFirstReport(Candidate):
    """Proposes the first value that it hears of instead of the one of the highest ballot."""

    def binds_more(self, reported: Reported, known: Reported) -> bool:
        return False


class CountsStalePromises(Candidate):
    """Counts promises of its earlier attempts."""

    def belongs(self, message: Promise) -> bool:
        return True


class CountsHalfPromises(Candidate):
    """Takes a promise for whole when its first part is there."""

    def on_promise(self, sender: int, message: Promise) -> None:
        super().on_promise(sender, message)
        if self.belongs(message):
            self._complete.add(sender)


class MixesPromises(Candidate):
    """Puts parts of different answers together."""

    def on_promise(self, sender: int, message: Promise) -> None:
        super().on_promise(sender, msgspec.structs.replace(message, as_of=0))


class IgnoresReports(Candidate):
    """Fills what it does not hold itself with no-ops: asks a majority, and listens to the first answer alone."""

    def merge(self, reported: Reported) -> None:
        if len(self._complete) == 0:
            super().merge(reported)


class CountsAnyBallot(Leader):
    """Counts acknowledgements of other ballots."""

    def counts(self, ballot: Ballot) -> bool:
        return True


class CountsTwice(Leader):
    """Counts an acceptor's repeated acknowledgement again."""

    def vote(self, flight: Flight, sender: int) -> None:
        while sender in flight.acks:
            sender += 1_000
        flight.acks.add(sender)


class AnyAck(ReadRounds):
    """Takes any acknowledgement for a confirmation of the read under way."""

    def on_ack(self, sender: int, beat: int) -> None:
        if self._round is not None:
            self._round.acks.add(sender)


class LooseReads(Leader):
    """Confirms reads by acknowledgements of beats that were sent before the read came."""

    def __init__(self, config: Config, membership: Membership, ballot: Ballot, next_slot: int, now: int) -> None:
        super().__init__(config, membership, ballot, next_slot, now)
        self.reads = AnyAck(self.majority, config.reads_max)


class EagerReads(Leader):
    """Serves reads before the leadership's opening no-op is chosen."""

    @property
    def read_floor(self) -> int:
        return 0

    @read_floor.setter
    def read_floor(self, slot: int) -> None:
        pass


class CountsOldAnswers(PreElection):
    """Counts answers to other questions."""

    def belongs(self, message: PreVoteReply) -> bool:
        return True


class KeepsAnswers(PreElection):
    """Counts a yes for ever, whatever was said since."""

    def on_reply(self, sender: int, message: PreVoteReply, now: int) -> bool:
        return super().on_reply(sender, message, now) if message.yes else True

    def ready_at(self, now: int) -> int | None:
        return super().ready_at(max([0, *(yes.at for yes in self._yes.values() if yes.at < now)]) or now)


class ReleasesAnyGrant(Grant):
    """Takes a late word that a lease was given up for one about the lease that it grants now."""

    def covers(self, leader: int, ballot: Ballot) -> bool:
        return True


class GrantsAfterTheWord(Grant):
    """Forgets which lease was given up."""

    def release(self, leader: int, now: int, ballot: Ballot) -> None:
        super().release(leader, now, ballot)
        self.given_up = ZERO


class LeavesInAHurry(Leader):
    """Hands over with commands under way."""

    @property
    def drained(self) -> bool:
        return True


class LeavesToAnybody(Leader):
    """Picks its successor without looking who is there."""

    def successor(self, now: int, patience_ns: int) -> int | None:
        return min(self.last_ack)


class VotesAtOnce(Recovery):
    """Does not wait for anybody."""

    @property
    def may_begin(self) -> bool:
        return True


class VotesUnlearned(Recovery):
    """Votes as soon as it is welcome, whatever it has yet to learn."""

    def welcomed_in(self, chosen_upto: int) -> Ballot | None:
        del chosen_upto
        return super().welcomed_in(1 << 60)


class WelcomesAll(Leader):
    """Welcomes a recovering node in a ballot that was promised before it recovered."""

    @property
    def lives(self) -> Lives:
        return Everything()

    @lives.setter
    def lives(self, lives: Lives) -> None:
        pass


class Everything(tuple[tuple[int, int, int], ...]):
    """Contains whatever it is asked for."""

    __slots__ = ()

    def __contains__(self, item: object) -> bool:
        return True


class NoSessions(Sessions):
    """Takes every operation for a new one."""

    def standing(self, session: int, sequence: int) -> Standing:
        return Standing.EXPIRED if super().standing(session, sequence) is Standing.EXPIRED else Standing.NEW


class ForgetfulMachine(Machine):
    """Cannot tell a retry."""

    def __init__(self, counters: Counters, membership: Membership = NOBODY) -> None:
        super().__init__(counters, membership)
        self.sessions = NoSessions()


class AppliesTwice(Replica):
    """Applies every retry."""

    machine_type = ForgetfulMachine


class HidesTruncation(Acceptor):
    """Says nothing of slots that it has truncated, as if nothing had ever been chosen there."""

    def truncated_upto(self) -> int:
        return 0


class AcknowledgesTruncated(Acceptor):
    """Acknowledges whatever is proposed for a slot that it has truncated."""

    def on_accept(self, sender: int, message: Accept, effects: Effects) -> bool:
        if message.ballot < self.promised or message.slot > self.log.truncated_upto:
            return super().on_accept(sender, message, effects)
        self.promise(message.ballot, effects)
        self.after_persist(sender, Accepted(message.ballot, message.slot), effects)
        return True


class LeadsBehind(Candidate):
    """Takes truncated slots for empty ones, and leads at once."""

    def on_promise(self, sender: int, message: Promise) -> None:
        super().on_promise(sender, msgspec.structs.replace(message, truncated_upto=0))


class TruncatesEarly(Replica):
    """Forgets the log as soon as a snapshot is handed out to be written."""

    def _take_snapshot(self, output: Output) -> None:
        super()._take_snapshot(output)
        if output.snapshot is not None:
            self.paxos.catchup.on_saved(0, output.snapshot)


class InstallsEarly(Replica):
    """Counts a snapshot that came over before it is durable."""

    def _install(self, snapshot: Snapshot, output: Output) -> None:
        super()._install(snapshot, output)
        if output.snapshot is snapshot and snapshot.slot > self.machine.applied_upto:
            self.machine.restore(decode_state(snapshot.state))
            self.paxos.catchup.on_saved(0, snapshot)


class WithoutSessions(Machine):
    """Leaves the session table out of the snapshot."""

    def state(self) -> bytes:
        return msgspec.msgpack.encode(msgspec.structs.replace(decode_state(super().state()), sessions=[]))


class LosesSessions(Replica):
    """Takes snapshots without sessions."""

    machine_type = WithoutSessions


class ProposesBehindAChange(Leader):
    """Goes on proposing while the members are being changed."""

    @property
    def fenced(self) -> bool:
        return False


class ChangesInAHurry(Regrouping):
    """Proposes a change of the members while slots before it are open."""

    def press_change(self, now: int, leader: Leader) -> None:
        if leader.change is not None and not leader.change_slot:
            leader.change_slot = leader.next_slot
            self._core.launch(now, leader.next_slot, (encode_change(leader.change),))


class KeepsItsBallot(Regrouping):
    """Leads on in its ballot when the members have changed, and counts the votes of the new ones."""

    def _renew(self, now: int, leader: Leader) -> None:
        leader.change, leader.change_slot = None, 0
        leader.voters, leader.majority = self._core.voters, self._core.membership.majority


class LeadsPastAChange(Regrouping):
    """Takes a change of the members that its predecessor has left open for a command like any other."""

    def finds_change(self, slot: int, leader: Leader) -> bool:
        return False


def acceptor(kind: type[Acceptor]) -> Assembly:
    """Return a node with another acceptor."""
    return Assembly(core=Parts(acceptor=kind))


def candidate(kind: type[Candidate]) -> Assembly:
    """Return a node with another candidate."""
    return Assembly(core=Parts(candidate=kind))


def leader(kind: type[Leader]) -> Assembly:
    """Return a node with another leader."""
    return Assembly(core=Parts(leader=kind))


def parts(**kinds: type) -> Assembly:
    """Return a node with other parts of its core."""
    return Assembly(core=Parts(**kinds))


MUTANTS: dict[str, Callable[[], Assembly]] = {
    "early-answers": lambda: acceptor(EarlyAnswers),
    "forgets-promises": lambda: acceptor(ForgetsPromises),
    "breaks-promises": lambda: acceptor(BreaksPromises),
    "hides-chosen": lambda: acceptor(HidesChosen),
    "learns-idly": lambda: acceptor(LearnsIdly),
    "takes-first-report": lambda: candidate(TakesFirstReport),
    "counts-stale-promises": lambda: candidate(CountsStalePromises),
    "counts-half-promises": lambda: candidate(CountsHalfPromises),
    "mixes-promises": lambda: candidate(MixesPromises),
    "ignores-reports": lambda: candidate(IgnoresReports),
    "hides-truncation": lambda: acceptor(HidesTruncation),
    "acknowledges-truncated": lambda: acceptor(AcknowledgesTruncated),
    "leads-behind": lambda: candidate(LeadsBehind),
    "truncates-early": lambda: Assembly(replica=TruncatesEarly),
    "installs-early": lambda: Assembly(replica=InstallsEarly),
    "loses-sessions": lambda: Assembly(replica=LosesSessions),
    "counts-any-ballot": lambda: leader(CountsAnyBallot),
    "counts-twice": lambda: leader(CountsTwice),
    "loose-reads": lambda: leader(LooseReads),
    "eager-reads": lambda: leader(EagerReads),
    "counts-old-answers": lambda: parts(pre_election=CountsOldAnswers),
    "keeps-answers": lambda: parts(pre_election=KeepsAnswers),
    "asks-nobody": lambda: parts(pre_election=Unasked),
    "releases-any-grant": lambda: parts(grant=ReleasesAnyGrant),
    "grants-after-the-word": lambda: parts(grant=GrantsAfterTheWord),
    "proposes-behind-a-change": lambda: leader(ProposesBehindAChange),
    "changes-in-a-hurry": lambda: parts(regrouping=ChangesInAHurry),
    "keeps-its-ballot": lambda: parts(regrouping=KeepsItsBallot),
    "leads-past-a-change": lambda: parts(regrouping=LeadsPastAChange),
    "leaves-in-a-hurry": lambda: leader(LeavesInAHurry),
    "leaves-to-anybody": lambda: leader(LeavesToAnybody),
    "local-reads": lambda: Assembly(replica=LocalReads),
    "applies-twice": lambda: Assembly(replica=AppliesTwice),
    "released-early": lambda: Assembly(replica=ReleasedEarly),
    "half-rollback": lambda: Assembly(replica=HalfRollback),
    "speculative-reads": lambda: Assembly(replica=SpeculativeReads),
    "votes-at-once": lambda: Assembly(core=Parts(recovery=VotesAtOnce)),
    "votes-unlearned": lambda: Assembly(core=Parts(recovery=VotesUnlearned)),
    "welcomes-all": lambda: leader(WelcomesAll),
}
