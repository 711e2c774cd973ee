"""How a change of the members is carried out: proposed, found again by a successor, and what it ends.

``node.paxos.membership`` has the rules and their reasons. A node's membership follows its log (``Paxos.hand_out``);
what it had begun among the old members ends with the step in which it learns of the new ones: a leader takes a new
ballot, or hands over if it is no member any more, a candidate begins anew, and so does whoever asks for votes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.paxos.config import MS
from node.paxos.leader import Leader
from node.paxos.membership import decode_change, encode_change, is_change

if TYPE_CHECKING:
    from node.paxos.core import Paxos


class Regrouping:
    """The changes of the members, as one node goes along with them."""

    def __init__(self, core: Paxos) -> None:
        self._core = core
        self.due = False
        """True when the members have changed in this step."""
        self.waiting: tuple[bytes, ...] | None = None
        """While this node takes a new ballot among new members: the commands that wait for it."""

    def take_waiting(self) -> tuple[bytes, ...]:
        """The new ballot is won: return what waits for it."""
        waiting, self.waiting = self.waiting, None
        return waiting or ()

    def press_change(self, now: int, leader: Leader) -> None:
        """Propose the change that is asked for, once nothing is open before it."""
        core = self._core
        if leader.change_slot or leader.change is None or core.log.chosen_upto < leader.next_slot - 1:
            return
        if not core.backlog.full:
            core.counters.changes_proposed += 1
            leader.change_slot = leader.next_slot
            core.launch(now, leader.next_slot, (encode_change(leader.change),))

    def finds_change(self, slot: int, leader: Leader) -> bool:
        """Say whether an open slot holds a change of the members: what is behind it belongs to another ballot."""
        core = self._core
        entry = core.log.get(slot)
        if entry is None or not is_change(entry.value):
            return False
        core.counters.changes_found += 1
        leader.change, leader.change_slot = decode_change(entry.value[0]), slot
        leader.read_floor = leader.next_slot
        return True

    def regroup(self, now: int) -> None:
        """Go on among the new members: what was begun among the old ones ends here."""
        core = self._core
        self.due = False
        if core.leader is not None and core.leader.voters != core.voters:
            if core.config.me in core.voters:
                self._renew(now, core.leader)
            else:
                self.leave(now, core.leader)
        elif core.candidate is not None and core.candidate.voters != core.voters:
            core.campaign(now)
        elif core.succession.asking is not None:
            core.succession.asking = None
            core.election.ask_at_once(now)

    def _renew(self, now: int, leader: Leader) -> None:
        """Lead on in a new ballot. Nothing is in flight; the commands that wait go on waiting."""
        core = self._core
        core.counters.leaderships_renewed += 1
        waiting = leader.take_waiting()
        core.step_down(now)
        core.effects.stepped_down = False
        self.waiting = waiting
        core.campaign(now)

    def leave(self, now: int, leader: Leader) -> None:
        """This node is no member any more: hand over to one that is, and knows it.

        What waits here is not proposed; whoever has asked for it hears that when the leadership ends.
        """
        core = self._core
        leader.take_waiting()
        successor = leader.successor(now, core.config.election_timeout_ms * MS)
        if successor is None:
            core.succession.resign(now, leader, None)
        elif leader.handover is None:
            core.succession.hand_over(now, successor)
