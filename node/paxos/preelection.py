"""The pre-election: ask before taking a ballot, and disturb nobody by asking.

A node that has lost the leader may be the one that is lost. If it took a higher ballot to find out, the others would
have to refuse the healthy leader's messages from then on: a node that comes back from isolation, or one that hears
nobody but is heard, would depose every leader, again and again. So it asks first. The question raises no ballot, the
answer promises nothing, and nothing is written down; only a majority's yes makes it take a ballot (Ongaro, *Consensus:
Bridging Theory and Practice*, 2014, section 9.6, calls it the pre-vote).

The yes of a majority also proves that its links work in both directions with a majority right now, which is all that
Multi-Paxos needs of a leader. That is the quorum-connected leader of Ng, Haridi and Carbone (*Omni-Paxos: Breaking the
Barriers of Partial Connectivity*, EuroSys 2023): together with a leader that resigns when it has not heard a majority,
there is one under every pattern of cut links that leaves somebody such links.

While it waits, the asker prepares what a ballot would otherwise fail on: answers tell the highest ballot that each
member has promised (so the first one taken is high enough), for how long its grant of a lease still binds it (so the
ballot is taken when it can be promised), and how far its log is chosen (so that it catches up before it leads).

Answers count for the very question that they were given to (its number is never used again, in no life of the node),
and for a while only: a member that had lost the leader a minute ago says nothing about now.
"""

from __future__ import annotations

from typing import NamedTuple

from node.paxos.membership import Membership
from node.paxos.messages import PreVoteReply

_QUESTION_BITS = 40
STALE_REFUSALS_MAX = 2
"""After so many questions that came to nothing, a log that lags behind is no reason to say no any more."""


class Yes(NamedTuple):
    """An answer: when it came, and from when on its giver may promise, on this node's clock (ns)."""

    at: int
    free_at: int


class PreElection:
    """One question to all members, and the answers to it; times are ns."""

    def __init__(self, question: int, membership: Membership, fresh_for: int) -> None:
        self.question = question
        self._voters = frozenset(membership.nodes)
        self._majority = membership.majority
        self._fresh_for = fresh_for
        self._yes: dict[int, Yes] = {}

    def on_reply(self, sender: int, message: PreVoteReply, now: int) -> bool:
        """Count an answer; False if it is one to another question."""
        if sender not in self._voters or not self.belongs(message):
            return False
        if message.yes:
            self._yes[sender] = Yes(now, now + message.bound_ns)
        else:
            self._yes.pop(sender, None)
        return True

    def belongs(self, message: PreVoteReply) -> bool:
        """Say whether an answer was given to this very question."""
        return message.question == self.question

    def ready_at(self, now: int) -> int | None:
        """Return from when on a ballot can be promised by a majority that says yes; None if none says so now.

        The asker's own yes needs no letter.
        """
        free = sorted(yes.free_at for yes in self._yes.values() if now - yes.at <= self._fresh_for)
        others = self._majority - 1
        if len(free) < others:
            return None
        return free[others - 1] if others else now


def first_question(incarnation: int) -> int:
    """Return a number below all questions of this life and above all of earlier ones."""
    return incarnation << _QUESTION_BITS
