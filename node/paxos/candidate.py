"""The candidate: Phase 1 over every open slot at once, and the rule that decides what a new leader must propose.

For each slot from the first one that the candidate does not know to be chosen:

- a value that any promise reports as chosen is chosen;
- else the value accepted in the highest ballot among the promises must be proposed (it may be chosen);
- else nobody of a majority has accepted anything there, so nothing is chosen and a no-op closes the gap.

Only promises for exactly this ballot and this first slot count, each acceptor once, and only when all parts of one
answer came: an acceptor that is asked again may have learned something in between and cut its report elsewhere.

What an acceptor has truncated it cannot report. These slots are chosen; ``ahead`` names an acceptor that has the
snapshot which covers them, and the candidate must have caught up to ``truncated_upto`` before it may lead.
"""

from __future__ import annotations

from node.paxos.ballot import Ballot
from node.paxos.membership import Membership
from node.paxos.messages import Lives, Prepare, Promise, Reported


class Candidate:
    """One attempt to lead, in one ballot."""

    def __init__(self, ballot: Ballot, from_slot: int, membership: Membership, lives: Lives = ()) -> None:
        self.ballot = ballot
        self.from_slot = from_slot
        self.voters = frozenset(membership.nodes)
        self.majority = membership.majority
        self.lives = lives
        self.best: dict[int, Reported] = {}
        self.truncated_upto = 0
        self.ahead: int | None = None
        self._parts: dict[tuple[int, int, int], set[int]] = {}
        self._complete: set[int] = set()

    def prepare(self) -> Prepare:
        """Return Phase 1a's message."""
        return Prepare(self.ballot, self.from_slot, self.lives)

    @property
    def has_majority(self) -> bool:
        """True once complete promises of a majority are in."""
        return len(self._complete) >= self.majority

    @property
    def promised_by(self) -> set[int]:
        """Acceptors whose promise is complete: they need not be asked again."""
        return self._complete

    def on_promise(self, sender: int, message: Promise) -> None:
        """Count one part of one promise; parts of other attempts and doubled parts change nothing."""
        if sender not in self.voters or not self.belongs(message):
            return
        parts = self._parts.setdefault((sender, message.as_of, message.truncated_upto), set())
        if message.part in parts:
            return
        parts.add(message.part)
        for reported in message.reported:
            self.merge(reported)
        if len(parts) == message.parts:
            self._complete.add(sender)
            if message.truncated_upto > self.truncated_upto:
                self.truncated_upto, self.ahead = message.truncated_upto, sender

    def belongs(self, message: Promise) -> bool:
        """Say whether a promise answers this very attempt, by one who has noted all lives that it knew of."""
        return (
            message.ballot == self.ballot
            and message.from_slot == self.from_slot
            and (not self.lives or covers(message.lives, self.lives))
        )

    def merge(self, reported: Reported) -> None:
        """Keep the report that binds more: chosen over accepted, higher ballot over lower."""
        known = self.best.get(reported.slot)
        if known is None or self.binds_more(reported, known):
            self.best[reported.slot] = reported

    def binds_more(self, reported: Reported, known: Reported) -> bool:
        """Say whether ``reported`` overrules ``known`` for the same slot."""
        if known.chosen or reported.chosen:
            return reported.chosen and not known.chosen
        return reported.ballot > known.ballot

    @property
    def last_slot(self) -> int:
        """The last slot that any promise reports or has truncated, or the one before the first open slot."""
        return max(max(self.best, default=0), self.truncated_upto, self.from_slot - 1)


def covers(noted: Lives, lives: Lives) -> bool:
    """Say whether who has noted the one knows of all the others, or of later ones."""
    known = {node: (incarnation, nonce) for node, incarnation, nonce in noted}
    return all(
        node in known and (known[node] == (incarnation, nonce) or known[node][0] > incarnation)
        for node, incarnation, nonce in lives
    )
