"""The acceptor: what it promised, what it accepted, and the numbers of the records that say so.

The acceptor alone writes records, and counts them: ``records`` is the number of the last one handed out, and every
acknowledgement of this module is deferred behind it. That is coarser than "behind its own record" only by records of
the same or an earlier step, and it makes the answer to a doubled message as careful as the first one: it too waits for
whatever is still on its way to the disk.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.paxos.backlog import Backlog
from node.paxos.ballot import Ballot
from node.paxos.config import Config
from node.paxos.counters import Counters
from node.paxos.effects import Deferred, Effects, Send
from node.paxos.log import Log, value_bytes
from node.paxos.messages import (
    Accept,
    Accepted,
    LifeNoted,
    Lives,
    Prepare,
    Promise,
    Recover,
    Refused,
    Reported,
    Truncated,
    Value,
)
from node.paxos.records import AcceptedRecord, ChosenUpto, Learned, Life, Noted, Promised, Record, Remembered
from node.paxos.snapshot import Snapshot

Deferrable = Promise | Accepted | Prepare | Recover | LifeNoted
"""What is said only once the records that it tells of are durable."""


class Acceptor:
    """The durable half of a node (Paxos Made Simple, section 2.2: P1b, P2b)."""

    def __init__(self, config: Config, remembered: Remembered, counters: Counters) -> None:
        self.config = config
        self.counters = counters
        self.promised: Ballot = remembered.promised
        self.log: Log = remembered.log
        self.lives: dict[int, Life] = remembered.lives
        self.records = remembered.records
        self.backlog = Backlog(config)

    def persist(self, record: Record, effects: Effects) -> None:
        """Hand a record out to be made durable."""
        self.records += 1
        effects.persist.append(record)
        self.backlog.add(self.records, record)

    def after_persist(self, to: int, message: Deferrable, effects: Effects) -> None:
        """Tie a message to the last record handed out."""
        effects.send_after_persist.append(Deferred(self.records, to, message))

    def promise(self, ballot: Ballot, effects: Effects) -> bool:
        """Promise a ballot unless a higher one is promised; an equal one is promised already."""
        if ballot < self.promised:
            return False
        if ballot > self.promised:
            self.promised = ballot
            self.persist(Promised(ballot), effects)
        return True

    def on_prepare(self, sender: int, message: Prepare, effects: Effects) -> bool:
        """Answer Phase 1a; True if promised."""
        if not self.promise(message.ballot, effects):
            self.counters.promises_refused += 1
            effects.send_now.append(Send(sender, Refused(message.ballot, self.promised)))
            return False
        for part in self.promises(message):
            self.after_persist(sender, part, effects)
        return True

    def promises(self, message: Prepare) -> Iterator[Promise]:
        """Yield the promise for a Prepare, in as many parts as its report needs."""
        parts: list[list[Reported]] = [[]]
        size = 0
        for reported in self.report(message.from_slot):
            size += value_bytes(reported.value)
            if parts[-1] and size > self.config.promise_part_bytes:
                parts.append([])
                size = value_bytes(reported.value)
            parts[-1].append(reported)
        told = (message.ballot, message.from_slot, self.records)
        for index, part in enumerate(parts):
            yield Promise(*told, index, len(parts), self.truncated_upto(), tuple(part), self.lives_noted())

    def truncated_upto(self) -> int:
        """Say up to which slot a promise cannot report what was chosen."""
        return self.log.truncated_upto

    def report(self, from_slot: int) -> Iterator[Reported]:
        """Yield what a promise tells: every slot from ``from_slot`` on, chosen ones included."""
        return self.log.report(from_slot)

    def on_accept(self, sender: int, message: Accept, effects: Effects) -> bool:
        """Answer Phase 2a; False if refused. Raises SafetyError if another value is chosen there.

        In a truncated slot nothing is accepted, nor acknowledged: it cannot be compared with what was chosen there.
        """
        if message.ballot < self.promised:
            self.counters.accepts_refused += 1
            effects.send_now.append(Send(sender, Refused(message.ballot, self.promised)))
            return False
        if message.slot <= self.log.truncated_upto:
            self.counters.accepts_outdated += 1
            effects.send_now.append(Send(sender, Truncated(message.ballot, self.log.truncated_upto)))
            return True
        self.accept(message.ballot, message.slot, message.value, effects)
        self.after_persist(sender, Accepted(message.ballot, message.slot), effects)
        return True

    def accept(self, ballot: Ballot, slot: int, value: Value, effects: Effects) -> None:
        """Take a value into the log and hand out its record, unless exactly this was taken before."""
        self.promised = ballot
        entry = self.log.get(slot)
        if entry is not None and entry.ballot == ballot:
            return
        self.log.accept(slot, ballot, value)
        self.persist(AcceptedRecord(slot, ballot, value, self.log.chosen_upto), effects)

    def learn(self, slot: int, ballot: Ballot, value: Value, effects: Effects) -> None:
        """Take a value that others know to be chosen; ``ballot`` is one in which it was accepted.

        It is as good as a promise of that ballot: a lower one may have proposed another value for the slot, so it must
        find no help here any more, nor be led from here. Raises SafetyError if another value is chosen there.
        """
        known = self.log.is_chosen(slot)
        self.log.learn(slot, ballot, value)
        if known:
            return
        self.promised = max(self.promised, ballot)
        self.counters.slots_learned += 1
        self.persist(Learned(slot, ballot, value), effects)

    def install(self, snapshot: Snapshot) -> None:
        """Take a durable snapshot in place of the log up to its slot; it is as good as a promise of its ballot."""
        self.promised = max(self.promised, snapshot.ballot)
        self.log.install(snapshot.slot)

    def choose_prefix(self, ballot: Ballot, upto: int) -> None:
        """Mark slots as chosen up to ``upto``, as far as they were accepted in the very ballot that says so.

        A slot accepted in another ballot may hold a value that lost: it must be fetched, not guessed.
        """
        log = self.log
        while log.chosen_upto < upto:
            entry = log.get(log.chosen_upto + 1)
            if entry is None or entry.ballot != ballot:
                return
            log.choose(log.chosen_upto + 1)

    def note(self, node: int, life: Life, effects: Effects) -> bool:
        """Note a node's life if it is later than any that is noted; say whether it is."""
        known = self.lives.get(node)
        if known is not None and known.incarnation >= life.incarnation:
            return False
        self.lives[node] = life
        self.persist(Noted(node, life.incarnation, life.nonce), effects)
        return True

    def lives_noted(self) -> Lives:
        """Return all that was noted."""
        return tuple((node, *life) for node, life in sorted(self.lives.items()))

    def remember_chosen(self, effects: Effects) -> None:
        """Write down how far the log is chosen: at a clean stop, to know it at once after the restart."""
        self.persist(ChosenUpto(self.log.chosen_upto), effects)
