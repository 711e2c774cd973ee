"""The lease: for as long as a majority has promised to elect nobody else, a leader may answer reads alone.

Two sides, each on its own monotonic clock, and no clock is ever compared with another:

- *The grant.* A follower that hears its leader (a heartbeat or an Accept) will promise no other node anything, and not
  try to lead itself, for ``lease_ms`` from the moment it heard. After a restart it does not know what it had granted,
  so it grants nothing to anybody, and waits as long.
- *The lease.* The leader counts from the moment it *sent* what a follower acknowledged, which is before the follower
  heard it, and for a little less than ``lease_ms``: if every clock's rate is within ``drift_ppm`` of true time, its
  lease is over before the first of the grants it rests on is. With followers enough for a majority, itself included,
  it may read its own state: no other leader can have been elected yet, so nothing can have been chosen elsewhere.
- *Giving it up.* A leader that resigns says so in the step in which its leadership, and with it its lease, ends; so
  whoever hears it may forget what it has granted in that ballot, and in that ballot only: the word may come late, when
  the same node leads again and holds a lease of another ballot. What that ballot's leader said before and what comes
  after its resignation, overtaken on the way, grants nothing any more.

That is the lease of Gray and Cheriton (*Leases*, 1989) with bounded drift for synchronised clocks, as Paxos Made Live
(Chandra, Griesemer and Redstone, 2007, section 5.2) uses it for its master. Measuring from the send, not from the
receipt of the acknowledgement, is what makes delays harmless.

A clock that stands still or runs slower than the bound while the world goes on breaks it: that is beyond the model,
and ``lease_ms = 0`` turns leases off; then every read is confirmed by a round (``node.paxos.reads``).
"""

from __future__ import annotations

from collections import deque

from node.paxos.ballot import ZERO, Ballot
from node.paxos.config import MILLION, MS, Config
from node.paxos.membership import Membership

BEATS_REMEMBERED_MAX = 64
NEVER = -1


class Lease:
    """The leader's side, for one leadership; times are ns on its own clock."""

    def __init__(self, config: Config, membership: Membership) -> None:
        self._grants_needed = membership.majority - 1  # its own is the one that it need not ask for
        self._lasts = lease_ns(config)
        self._granted: dict[int, int] = dict.fromkeys(membership.others(config.me), NEVER)
        self._beats: deque[tuple[int, int]] = deque(maxlen=BEATS_REMEMBERED_MAX)
        self.until = NEVER
        """When it is over; it never was there if NEVER."""

    def beats(self, beat: int, now: int) -> None:
        """A heartbeat is sent."""
        self._beats.append((beat, now))

    def beat_acknowledged(self, peer: int, beat: int) -> None:
        """A follower has heard that heartbeat; one sent too long ago counts for nothing."""
        for sent, at in reversed(self._beats):
            if sent == beat:
                self.renew(peer, at)
                return

    def renew(self, peer: int, sent_at: int) -> None:
        """A follower has acknowledged what was first sent at ``sent_at``."""
        if sent_at <= self._granted.get(peer, sent_at):
            return
        self._granted[peer] = sent_at
        if self._grants_needed:
            since = sorted(self._granted.values())[-self._grants_needed]
            if since != NEVER:
                self.until = since + self._lasts

    def holds(self, now: int) -> bool:
        """Say whether reads may be answered alone now."""
        if self._lasts <= 0:
            return False
        return now < self.until or not self._grants_needed

    def lapses(self, now: int) -> bool:
        """Say, once, that it was held and is over."""
        over = NEVER < self.until <= now
        if over:
            self.until = NEVER
        return over


class Grant:
    """The follower's side; times are ns on its own clock."""

    def __init__(self, config: Config, now: int) -> None:
        self._lasts = config.lease_ms * MS
        self.to: int | None = None
        self.until = now + self._lasts  # granted before the restart to somebody, for all that is known
        self._ballot = ZERO
        self.given_up = ZERO
        """The last ballot whose leader has given its lease up."""

    def give(self, leader: int, now: int, ballot: Ballot = ZERO) -> None:
        """The leader of a ballot was heard, and has not given its lease up."""
        self.to = leader
        self.until = now + self._lasts
        self._ballot = ballot

    def release(self, leader: int, now: int, ballot: Ballot) -> None:
        """The leader of a ballot has given its lease up."""
        self.given_up = max(self.given_up, ballot)
        if self.covers(leader, ballot):
            self.until = min(self.until, now)

    def covers(self, leader: int, ballot: Ballot) -> bool:
        """Say whether what is granted now is what was granted to that leader, in that ballot."""
        return self.to == leader and self._ballot == ballot

    def forbids(self, candidate: int, now: int) -> bool:
        """Say whether a promise to this node would break the grant. Whoever holds it may ask to lead anew."""
        return now < self.until and candidate != self.to


def lease_ns(config: Config) -> int:
    """Return how long a lease lasts on the leader's clock, for a grant of ``lease_ms`` on the followers'.

    The leader's clock may be slow by the bound and a follower's fast by it: of D on the follower's, D·(1 - e)/(1 + e)
    on the leader's is over first.
    """
    return config.lease_ms * MS * (MILLION - config.drift_ppm) // (MILLION + config.drift_ppm)
