"""When to suspect the leader, and when to ask the others about it.

Two different times, because they are two different things:

- *suspicion* (``suspects_at``) is the detector's: from then on this node has lost the leader. It changes nothing by
  itself, but a node that has lost the leader says so to whoever asks.
- *the attempt* (``deadline``) is the node's own: a random while after the suspicion it asks the others (see
  ``node.paxos.preelection``). The spread makes one of them first; what asks disturbs nobody, but what follows a won
  pre-election is a ballot, and two candidates at the same moment depose each other. Each ballot that comes to nothing
  doubles the spread of the next, however slow the network is (Ongaro, *Consensus: Bridging Theory and Practice*, 2014,
  section 3.4, for the same remedy in Raft). Questions are repeated, so a link that is mended shows at once.

Whatever the detector says, a leader is never suspected later than ``election_timeout_ms`` after it was last heard, and
never before two heartbeats have passed: an adaptive detector may be quicker than the fixed time-out, not slower.

What is a sample for the detector is decided here:

- The leader owes a sign of life every ``heartbeat_ms``. What comes sooner (Accepts under load, beats of a read round)
  is no sample each: now and then the longest gap among them is, and none is taken for shorter than a heartbeat. Else
  a busy hour would teach that silence means death.
- A gap over ``election_timeout_ms`` is an outage, and no sample.
- Nor is one in which this node itself was asleep (stopped, starved, suspended): if it wakes much later than it wanted,
  the silence was its own, and the leader has its patience once more. Once in a row: a node that is always late must
  suspect in the end.
"""

from __future__ import annotations

from typing import Protocol

from node.paxos.ballot import ZERO, Ballot
from node.paxos.config import MS, Config
from node.paxos.detector import Detector, detector

SAMPLES_MIN = 8
"""Until a detector has so many samples, the fixed time-out holds."""
QUESTIONS_DOUBLED_MAX = 4
"""A question has twice the time of the one before it, so many times: however long an answer takes, it comes in time."""


class RandomStream(Protocol):
    """The stream of randomness handed in; ``random.Random`` has this shape."""

    def random(self) -> float:
        """Return the next number in [0, 1)."""


class ElectionTimer:
    """Suspicion and attempts; times are ns."""

    def __init__(self, config: Config, rng: RandomStream, now: int) -> None:
        self._config = config
        self._rng = rng
        self._detector: Detector = detector(config)
        self._timeout = config.election_timeout_ms * MS
        self._heartbeat = config.heartbeat_ms * MS
        self._least = 2 * self._heartbeat
        self._patience = self._timeout
        self._spread = 0
        self._last: int | None = None
        self._sampled_at = now
        self._longest = 0
        self._ballot = ZERO
        self._slept = False
        self.attempts = 0
        """Ballots taken since a leader was heard."""
        self.questions = 0
        """Questions asked since a leader was heard."""
        self.waits_for: int | None = None
        """The node that this one follows or has promised: if it asks itself, it is not leading."""
        self.suspects_at = 0
        self.deadline = 0
        self.wait(now)

    def heard(
        self, now: int, leader: int | None = None, ballot: Ballot | None = None, sent_at: int | None = None
    ) -> None:
        """A leader is alive; ``sent_at`` is when a beat was sent, on its clock, and None for any other sign of life."""
        if ballot is not None and ballot != self._ballot:
            self._ballot = ballot
            self._last = None
            self._detector.another_leader()
        if leader is not None:
            self.waits_for = leader
        if self.questions:
            self._begin_anew()
        self._slept = False
        last, self._last = self._last, now
        self.suspects_at = now + self._patience
        if last is None:
            self._sampled_at, self._longest = now, 0
        elif now - last > self._longest:
            self._longest = now - last
        if 2 * (now - self._sampled_at) >= self._heartbeat:
            gap, self._sampled_at, self._longest = self._longest, now, 0
            if gap <= self._timeout:
                self._sample(now, gap, sent_at)
        self.deadline = self.suspects_at + self._spread

    def _sample(self, now: int, gap: int, sent_at: int | None) -> None:
        """Let the detector learn from a gap, and hold its answer to the bounds."""
        at = self._detector.beat(now, max(gap, self._heartbeat), sent_at)
        if self._detector.samples >= SAMPLES_MIN:
            self._patience = min(max(self._detector.patience, self._least), self._timeout)
            self.suspects_at = min(max(at, now + self._least), now + self._timeout)

    def wait(self, now: int, whom: int | None = None) -> None:
        """Something is under way (a start, a promise given, another leader): give it a full time-out."""
        self._begin_anew()
        self.waits_for = whom
        self.suspects_at = now + self._timeout
        self.deadline = self.suspects_at + self._spread

    def lost(self, now: int) -> None:
        """The leader itself says that it leads no more: there is nothing to wait for but one's turn."""
        self.wait(now)
        self.suspects_at = now
        self.deadline = now + self._spread

    def give_way(self, now: int) -> None:
        """This node led and has lost its majority: it knows of no leader, and lets the others go first."""
        self.wait(now)
        self.suspects_at = now

    def ask_at_once(self, now: int) -> None:
        """There is a reason to ask now."""
        self.wait(now)
        self.suspects_at = self.deadline = now

    def asks(self, now: int) -> None:
        """A question goes out: give it time, more with every one that came to nothing."""
        self.questions += 1
        self.waits_for = None
        patience = self._timeout << min(self.questions - 1, QUESTIONS_DOUBLED_MAX)
        self.deadline = now + patience + self._drawn()

    def abstains(self, now: int) -> None:
        """It would be time to ask, but this node is no member: look again later, and suspect whom it suspects."""
        self.deadline = now + self._timeout + self._spread

    def campaigns(self, now: int) -> None:
        """A ballot is taken: that is a promise, to oneself, and has a full time-out like any other."""
        self.attempts = min(self.attempts + 1, self._config.election_backoff_max)
        self.suspects_at = now + self._timeout
        self.deadline = self.suspects_at + self._drawn()

    def refused(self, now: int) -> None:
        """The ballot taken was not high enough: ask again soon."""
        self.deadline = min(self.deadline, now + self._drawn())

    def slept(self, now: int) -> bool:
        """This node has slept, and the silence was its own; False if it is not so the first time in a row."""
        self._last = None
        if self._slept:
            return False
        self._slept = True
        self.suspects_at = max(self.suspects_at, now + self._patience)
        self.deadline = max(self.deadline, self.suspects_at + self._spread)
        return True

    def suspects(self, now: int) -> bool:
        """Say whether this node has lost the leader."""
        return now >= self.suspects_at

    def due(self, now: int) -> bool:
        """Say whether it is time to ask."""
        return now >= self.deadline

    def _begin_anew(self) -> None:
        self.attempts = self.questions = 0
        self._spread = self._drawn()

    def _drawn(self) -> int:
        """Draw the spread of an attempt."""
        spread_ms = self._config.election_spread_ms * (1 << max(0, self.attempts - 1))
        return int(self._rng.random() * spread_ms * MS)
