"""How a node that may have forgotten something comes back among the others, and how they let it in.

Both sides of ``node.paxos.recovery``, which has the reasons and the proof: this node's own recovery, the lives of the
others as far as this node has noted them, and which incarnation each of them speaks from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.paxos.ballot import ZERO
from node.paxos.config import MS
from node.paxos.effects import Receive
from node.paxos.leader import Leader
from node.paxos.messages import LifeNoted, Lives, OldLife, Recover, Welcome
from node.paxos.records import Life, Remembered, Started
from node.paxos.recovery import Recovery

if TYPE_CHECKING:
    from node.paxos.core import Paxos


class Rejoining:
    """The lives of all nodes, for all that one of them knows; times are ns on its own clock."""

    def __init__(self, core: Paxos, remembered: Remembered, now: int) -> None:
        self._core = core
        self.incarnations = {node: life.incarnation for node, life in remembered.lives.items()}
        """The latest life in which each node was heard; what it said in earlier ones counts no more."""
        self.incarnations[core.config.me] = remembered.incarnation
        self._lead_anew_at = 0
        self.recovery = self._begin(remembered, now)
        """This node's own, while it may not vote."""

    def _begin(self, remembered: Remembered, now: int) -> Recovery | None:
        core = self._core
        if not core.config.amnesia_safe:
            return None
        core.counters.recoveries_begun += not remembered.stopped_cleanly
        return core.parts.recovery(core.config, core.membership, now, remembered)

    def hears(self, event: Receive) -> bool:
        """Note which life of its sender a message is of; False if it is of an earlier one than the latest heard of."""
        if event.incarnation < self.incarnations.get(event.sender, 0):
            return False
        self.incarnations[event.sender] = event.incarnation
        return True

    def may_not_vote(self) -> bool:
        """Say whether an answer must be withheld; in a new cluster, who is asked to answer may begin."""
        if self.recovery is None:
            return False
        if self.recovery.all_blank:
            self._end()
            return False
        self._core.counters.answers_withheld += 1
        return True

    def _end(self) -> None:
        self._core.counters.recoveries_ended += 1
        self.recovery = None

    def press(self, now: int, recovery: Recovery) -> None:
        """Vote if that is safe now; else ask, and ask again."""
        core = self._core
        ballot = recovery.welcomed_in(core.log.chosen_upto)
        if ballot is not None:
            core.acceptor.promise(ballot, core.effects)
            core.election.wait(now, ballot.node)
            self._end()
        elif recovery.may_begin:
            self._end()
        elif now >= recovery.ask_at:
            question = recovery.ask(now)
            for peer in core.peers:
                core.acceptor.after_persist(peer, question, core.effects)

    def on_recover(self, now: int, sender: int, message: Recover) -> None:
        """A node has started, and may have forgotten: nothing that it said in earlier lives counts from now on."""
        core = self._core
        life = Life(self.incarnations[sender], message.nonce)
        if core.acceptor.note(sender, life, core.effects):
            self._noted(now, sender)
        elif core.acceptor.lives[sender] != life:
            core.send(sender, OldLife(core.acceptor.lives[sender].incarnation))
            return
        blank = core.acceptor.promised == ZERO and core.log.last == 0
        if self.recovery is not None:
            self.recovery.on_recover(sender, message)
        if self.recovery is None or blank:
            core.acceptor.after_persist(sender, LifeNoted(message.nonce, blank), core.effects)
        if core.leader is not None and not message.whole:
            self._welcome(now, core.leader, sender, life)

    def _noted(self, now: int, node: int) -> None:
        """A life was noted: promises of earlier ones count no more, and attempts that do not know it cannot succeed."""
        core = self._core
        core.counters.lives_noted += 1
        if core.candidate is not None and node != core.config.me:
            core.campaign(now)

    def _welcome(self, now: int, leader: Leader, node: int, life: Life) -> None:
        """Tell a recovering node when it may vote, if this ballot's promises knew of its life; else lead anew."""
        core = self._core
        if (node, *life) in leader.lives:
            core.send(node, Welcome(life.nonce, leader.ballot, leader.read_floor, core.acceptor.lives_noted()))
        elif now >= self._lead_anew_at:
            self._lead_anew_at = now + core.config.retry_ms * MS
            core.counters.recoveries_led += 1
            core.step_down(now)
            core.campaign(now)

    def on_life_noted(self, now: int, sender: int, message: LifeNoted) -> None:
        """Another node has noted this life."""
        del now
        if self.recovery is not None:
            self.recovery.on_life_noted(sender, message)

    def on_old_life(self, now: int, sender: int, message: OldLife) -> None:
        """Even the number of this life is forgotten: take one that nobody knows."""
        core = self._core
        del sender
        me = core.config.me
        if self.recovery is None or message.incarnation < self.incarnations[me]:
            return
        core.counters.reincarnations += 1
        core.effects.incarnation = self.incarnations[me] = message.incarnation + 1
        core.succession.begin_anew(message.incarnation + 1)
        core.acceptor.persist(Started(message.incarnation + 1), core.effects)
        self.recovery.begin_anew(now)

    def on_welcome(self, now: int, sender: int, message: Welcome) -> None:
        """A leader says when this node may vote."""
        if self.recovery is not None and self.recovery.on_welcome(message):
            self.note(now, message.lives)
            self._core.follow(now, sender, message.ballot, message.upto)

    def note(self, now: int, lives: Lives) -> None:
        """Note the lives that another node has noted."""
        core = self._core
        for node, incarnation, nonce in lives:
            if core.acceptor.note(node, Life(incarnation, nonce), core.effects):
                if node != core.config.me:
                    self.incarnations[node] = max(incarnation, self.incarnations.get(node, 0))
                self._noted(now, node)
