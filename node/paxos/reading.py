"""Reads that do not go through the log: who may answer alone, who asks whom, and when a read has failed.

A leader that holds the lease answers at once; without it, reads wait for a round of beats (``node.paxos.reads``). A
follower asks its leader for the slot up to which it must have applied the log (``ReadIndex``) and answers from its own
state then. A read that nobody confirms in time has failed, and nothing has happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.paxos.ballot import ZERO
from node.paxos.config import MS
from node.paxos.effects import ReadReady
from node.paxos.leader import Leader
from node.paxos.messages import ReadIndex, ReadIndexReply
from node.paxos.reads import Reader

if TYPE_CHECKING:
    from node.paxos.core import Paxos


class Reading:
    """The reads asked of one node, and those that others ask it to confirm."""

    def __init__(self, core: Paxos) -> None:
        self._core = core
        self.asked: dict[int, int] = {}
        """Reads for which the leader was asked, and until when its answer is waited for (ns)."""

    def read(self, now: int, read_id: int) -> None:
        """Answer a read of this node's own, or see to it that somebody confirms it."""
        core = self._core
        if core.leader is not None:
            if self.reads_alone(now):
                core.counters.reads_under_lease += 1
                core.effects.reads.append(ReadReady(read_id, core.log.chosen_upto))
            elif not core.leader.reads.add(Reader(core.config.me, read_id)):
                core.effects.reads_failed.append(read_id)
        elif core.leader_hint is None or len(self.asked) >= core.config.reads_max:
            core.effects.reads_failed.append(read_id)
        else:
            self.asked[read_id] = now + core.config.read_timeout_ms * MS
            core.send(core.leader_hint, ReadIndex(read_id))

    def on_read_index(self, now: int, sender: int, message: ReadIndex) -> None:
        """Confirm a follower's read, now or by the next round."""
        core = self._core
        if core.leader is not None and self.reads_alone(now):
            core.counters.reads_under_lease += 1
            core.send(sender, ReadIndexReply(core.leader.ballot, message.read_id, core.log.chosen_upto))
        elif core.leader is None or not core.leader.reads.add(Reader(sender, message.read_id)):
            core.send(sender, ReadIndexReply(ZERO, message.read_id, None))

    def on_read_index_reply(self, now: int, sender: int, message: ReadIndexReply) -> None:
        """The leader has confirmed a read, or not."""
        core = self._core
        if self.asked.pop(message.read_id, None) is None:
            return
        if message.index is None:
            core.effects.reads_failed.append(message.read_id)
            return
        core.catchup.learn_prefix(now, sender, message.ballot, message.index)
        core.effects.reads.append(ReadReady(message.read_id, message.index))

    def reads_alone(self, now: int) -> bool:
        """Say whether this node leads, knows all that was chosen before it did, and holds the lease."""
        leader = self._core.leader
        return leader is not None and leader.lease.holds(now) and self._core.log.chosen_upto >= leader.read_floor

    def serve(self, now: int, leader: Leader) -> None:
        """Answer the reads that are confirmed, and begin a round for those that wait."""
        core = self._core
        self._answer(leader)
        if leader.reads.wants_round and core.log.chosen_upto >= leader.read_floor:
            core.counters.read_rounds += 1
            core.beat(now)
            leader.reads.begin(leader.beat, core.log.chosen_upto, core.config.me)
            self._answer(leader)  # alone in its cluster, a leader is a majority at once

    def _answer(self, leader: Leader) -> None:
        """Answer the reads of the round under way if a majority has confirmed it."""
        core = self._core
        finished = leader.reads.confirmed()
        if finished is None:
            return
        for node, read_id in finished.readers:
            if node == core.config.me:
                core.effects.reads.append(ReadReady(read_id, finished.index))
            else:
                core.send(node, ReadIndexReply(leader.ballot, read_id, finished.index))

    def expire(self, now: int) -> None:
        """Give up what nobody has confirmed in time."""
        for read_id in [read_id for read_id, deadline in self.asked.items() if now >= deadline]:
            del self.asked[read_id]
            self._core.counters.reads_expired += 1
            self._core.effects.reads_failed.append(read_id)
