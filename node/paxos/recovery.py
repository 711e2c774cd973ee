"""Recovery of a node that may have forgotten: it does not vote until the others have told it what it had answered for.

Paxos lets a node crash as often as it likes, if it remembers what it has promised and accepted. A disk that called
something durable which was not, or a disk that is new, breaks that without a word. With ``amnesia_safe`` a node that
was not stopped cleanly takes its own memory for what it is, true but perhaps not whole, and asks:

    n1, recovering            all others                      the leader
        Recover(nonce) ------->  note n1's new life, durably
                       ------------------------------------>  campaign anew, in ballot B: each promise of B is from
                                                              one that has noted n1's new life, none from n1
        <--------------------------------------- Welcome(B, upto)
        learn every slot up to ``upto``, promise B, vote

*Why that is enough.* Let n = 2f + 1. Before B, n1 may have answered in some ballot b and forgotten it.

- It had accepted (b, slot, v) and the answer helped, or will help, to choose v. Then f others accept that too, and of
  the f + 1 promises of B at least one is from such a node: either it had accepted before, and B's leader proposed v
  again, in a slot not after ``upto``, so n1 knows v as chosen; or it refuses b, and v is not chosen in b.
- It had promised b < B, and Phase 1 of b ends with that promise. One of its f other promises is of a node that
  promised B, so it came before, and n1 accepts nothing below B any more. In b itself no majority accepts anything now.
- It had promised b > B, and the promise is still on its way when n1 votes in B. Then one of the f other promises of b
  is of a node that had noted n1's new life, after it promised B. Promises say which lives their sender has noted
  (``lives``), so the candidate of b knows that n1's promise was a dead one's, and asks again.

This is the recovery of Viewstamped Replication Revisited (Liskov and Cowling, 2012, section 4.3) with the crash
vectors whose lack Michael et al. found in it (*Recovering Shared Objects Without Stable Storage*, DISC 2017), for a log
that is mostly there. The leader pays a campaign for each recovery, and its own lease lets it win that at once.

*No life twice.* A disk that lies may even forget how many lives its node has had, and a number used again would make a
dead life's answers count. So every life is noted, durably, by as many others as make a majority, before it votes, with
a nonce, the time of the start on the node's own clock; also that of a node which was stopped cleanly and has forgotten
nothing: that is all it waits for. Whoever has noted the same number with another nonce, or a later one, says so
(``OldLife``), and the node takes a number that nobody knows. It has forgotten a life then: if its log ends with a clean
stop, that was the end of another one.

*A new cluster* has nobody to ask, and cannot be told from one whose disks were all replaced: if all members, every
single one, find nothing on their disks, they begin anew. They begin together: each votes only when all have heard that
all are blank, or when one of them is seen to have begun.

*What it cannot do.* While a majority recovers there is nobody to ask, so after a power cut of the whole cluster it
waits, for its disks may all have lied. Whoever knows that they have not starts it with ``amnesia_safe=0``.
"""

from __future__ import annotations

from node.paxos.ballot import Ballot
from node.paxos.config import MS, Config
from node.paxos.membership import Membership
from node.paxos.messages import LifeNoted, Recover, Welcome
from node.paxos.records import Remembered


class Recovery:
    """One start of a node, until it may vote; times are ns on its own clock."""

    def __init__(self, config: Config, membership: Membership, now: int, remembered: Remembered) -> None:
        self._others = frozenset(membership.others(config.me))
        self._majority = membership.majority
        self._retry = config.retry_ms * MS
        self.whole = remembered.stopped_cleanly
        self._blank = remembered.blank
        self.nonce = now  # no other start of this node was at that time
        self.ask_at = now
        self._noted: set[int] = set()
        self._blanks: set[int] = set()
        self._ready: set[int] = set()
        self._welcome: tuple[Ballot, int] | None = None

    def ask(self, now: int) -> Recover:
        """Return what to ask all others now."""
        self.ask_at = now + self._retry
        return Recover(self.nonce, self.whole, self.all_blank)

    def begin_anew(self, now: int) -> None:
        """This life has another number from now on; who noted the old one has to note it, too.

        The old number was of a life that this node has forgotten, so its log may end with the clean stop of one before.
        The nonce is another one, too: what was said to the old number may still be on its way.
        """
        self.nonce = max(now, self.nonce + 1)
        self.ask_at = now
        self.whole = False
        self._noted.clear()
        self._blanks.clear()
        self._welcome = None

    def on_life_noted(self, sender: int, message: LifeNoted) -> None:
        """Another node has noted this life."""
        if message.nonce == self.nonce:
            self._noted.add(sender)
            if message.blank:
                self._blanks.add(sender)

    # -- a leader's word ----------------------------------------------------------------------------------------------

    def on_welcome(self, message: Welcome) -> bool:
        """Take the word of a leader that this life was welcomed; False if it was another one."""
        if message.nonce != self.nonce:
            return False
        if self._welcome is None or message.ballot > self._welcome[0]:
            self._welcome = (message.ballot, message.upto)
        return True

    def welcomed_in(self, chosen_upto: int) -> Ballot | None:
        """Return the ballot to promise, once every slot that had to be learned is."""
        if self._welcome is None or chosen_upto < self._welcome[1]:
            return None
        return self._welcome[0]

    # -- without one --------------------------------------------------------------------------------------------------

    @property
    def may_begin(self) -> bool:
        """True once a node that has forgotten nothing may vote, or all the nodes of a new cluster."""
        return self.all_ready or (self.whole and len(self._noted) >= self._majority)

    @property
    def all_blank(self) -> bool:
        """True once this node and all others are known to have had nothing on their disks."""
        return self._blank and self._blanks == self._others

    @property
    def all_ready(self) -> bool:
        """True once all others are known to know that."""
        return self.all_blank and self._ready == self._others

    def on_recover(self, sender: int, message: Recover) -> None:
        """Another node asks; it may say that it has heard of all."""
        if message.all_blank:
            self._ready.add(sender)
