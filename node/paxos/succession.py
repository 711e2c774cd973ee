"""Who leads next: asking before a ballot is taken, and leaving the lead to another.

Two ways from one leadership to the next that need no accident: a leader that is lost is missed by a majority before
anybody takes a ballot (``node.paxos.preelection``), and a leader that is asked to hand over leaves when its successor
knows everything (``node.paxos.leader``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.paxos.config import MS
from node.paxos.leader import Handover, Leader
from node.paxos.messages import PreVote, PreVoteReply, Resign
from node.paxos.preelection import STALE_REFUSALS_MAX, PreElection, first_question

if TYPE_CHECKING:
    from node.paxos.core import Paxos


class Succession:
    """What one node asks, answers and says about the next leadership; times are ns on its own clock."""

    def __init__(self, core: Paxos, incarnation: int) -> None:
        self._core = core
        self.asking: PreElection | None = None
        self.ask_again_at = 0
        self._question = first_question(incarnation)
        self._handed_to: int | None = None

    def begin_anew(self, incarnation: int) -> None:
        """This node lives another life from now on: its questions are numbered anew."""
        self._question = first_question(incarnation)

    def ask(self, now: int) -> None:
        """The leader is lost, for all that this node knows: ask the others before taking a ballot."""
        core = self._core
        core.counters.suspicions += core.election.questions == 0
        core.candidate = None
        core.follow_nobody()
        core.election.asks(now)
        self._question += 1
        self.asking = core.parts.pre_election(
            self._question, core.config.majority, core.config.election_timeout_ms * MS
        )
        self._send_question(now, self.asking)
        self.press(now, self.asking)

    def _send_question(self, now: int, asking: PreElection) -> None:
        core = self._core
        self.ask_again_at = now + core.config.retry_ms * MS
        core.broadcast(PreVote(asking.question, core.log.chosen_upto, core.election.questions))

    def press(self, now: int, asking: PreElection) -> None:
        """Take a ballot once it can be promised; until then, repeat the question now and then."""
        core = self._core
        ready_at = asking.ready_at(now)
        if ready_at is not None:
            ready_at = max(ready_at, core.grant.until)
            if now >= ready_at:
                core.counters.pre_elections_won += 1
                core.campaign(now)
                return
        if now >= self.ask_again_at:
            self._send_question(now, asking)
        if ready_at is not None:
            self.ask_again_at = min(self.ask_again_at, ready_at)

    def on_pre_vote(self, now: int, sender: int, message: PreVote) -> None:
        """Say whether this node, too, has lost the leader."""
        core = self._core
        yes = not core.rejoining.may_not_vote() and self.has_lost(sender, now) and self._is_fresh(message)
        core.counters.pre_elections_refused += not yes
        bound = max(0, core.grant.until - now) if core.grant.forbids(sender, now) else 0
        core.send(sender, PreVoteReply(message.question, yes, core.acceptor.promised, core.log.chosen_upto, bound))

    def has_lost(self, asker: int, now: int) -> bool:
        """Say whether this node has lost its leader; it has if the leader is the one who asks."""
        core = self._core
        return core.leader is None and (core.election.suspects(now) or core.election.waits_for == asker)

    def _is_fresh(self, message: PreVote) -> bool:
        """Say whether the asker's log is no reason to wait for another: after some time, no log is."""
        behind = self._core.log.chosen_upto - message.chosen_upto
        return behind <= self._core.config.election_lag_slots_max or message.attempt > STALE_REFUSALS_MAX

    def on_pre_vote_reply(self, now: int, sender: int, message: PreVoteReply) -> None:
        """Count an answer to the question that is open."""
        core = self._core
        if self.asking is None or not self.asking.on_reply(sender, message, now):
            core.counters.pre_election_answers_dropped += 1
            return
        core.see(message.promised)
        if core.log.chosen_upto < message.chosen_upto:
            core.catchup.fetch_soon(now, sender)
        self.press(now, self.asking)

    def hand_over(self, now: int, to: int | None) -> None:
        """Begin to hand the lead over: to a node, or (None) to the one most fit for it."""
        core = self._core
        leader = core.leader
        if leader is not None and leader.handover is not None:
            return  # one is under way
        if leader is not None and to is None:
            to = leader.successor(now, core.config.election_timeout_ms * MS)
        if leader is None or to not in core.peers:
            core.effects.handed_over = False
            return
        core.counters.transfers_begun += 1
        leader.handover = Handover(to, now + core.config.transfer_timeout_ms * MS)

    def press_handover(self, now: int, leader: Leader, handover: Handover) -> None:
        """Once all is chosen, tell the successor so; once it says that it knows all, leave."""
        if not leader.drained:
            return
        if handover.beat is None:
            self._core.beat(now)
            handover.beat = leader.beat
        elif handover.ready:
            leader.handover = None
            self._handed_to = handover.to
            self.resign(now, leader, handover.to)

    def give_handover_up(self, leader: Leader) -> None:
        """The leadership stays here, or was lost on the way."""
        leader.handover = None
        self._core.counters.transfers_given_up += 1
        self._core.effects.handed_over = False

    def on_leader(self, leader: int) -> None:
        """Somebody leads: perhaps after this node has resigned in favour of another one."""
        if self._handed_to is None:
            return
        done = leader == self._handed_to
        self._handed_to = None
        self._core.counters.transfers_done += done
        self._core.effects.handed_over = done

    def resign(self, now: int, leader: Leader, successor: int | None) -> None:
        """Lead no more, and say so: the lease ends in this very step, so that its grants may be forgotten."""
        core = self._core
        core.step_down(now)
        core.election.wait(now, successor)
        core.broadcast(Resign(leader.ballot, successor))

    def on_resign(self, now: int, sender: int, message: Resign) -> None:
        """A leader has left: follow its successor, be it, or ask."""
        core = self._core
        if message.ballot.node != sender or message.ballot < core.acceptor.promised:
            return
        core.see(message.ballot)
        core.yield_to(now, message.ballot)
        followed = core.grant.covers(sender, message.ballot)
        core.grant.release(sender, now, message.ballot)
        if not followed:
            return  # an old word, of a leadership that is long over, or one that an earlier life has followed
        core.counters.resignations_heard += 1
        self.asking = None
        core.follow_nobody()
        if message.successor == core.config.me and core.rejoining.recovery is None:
            core.campaign(now)
        elif message.successor in (None, core.config.me):
            core.election.lost(now)
        else:
            core.election.wait(now, message.successor)
