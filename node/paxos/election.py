"""When to try to lead: a time-out with random spread, and a back-off that grows while attempts fail.

Two candidates that try at the same moment depose each other; the spread makes one of them first, and doubling it with
every failed attempt makes a repetition unlikely however slow the network is (Ongaro, *Consensus: Bridging Theory and
Practice*, 2014, section 3.4, for the same remedy in Raft).
"""

from __future__ import annotations

from typing import Protocol

from node.paxos.config import MS, Config


class RandomStream(Protocol):
    """The stream of randomness handed in; ``random.Random`` has this shape."""

    def random(self) -> float:
        """Return the next number in [0, 1)."""


class ElectionTimer:
    """The deadline after which a node that heard no leader tries to lead; times are ns."""

    def __init__(self, config: Config, rng: RandomStream) -> None:
        self._config = config
        self._rng = rng
        self.attempts = 0
        self.deadline = 0

    def heard(self, now: int) -> None:
        """A leader is alive, or a promise was just given: wait a full time-out from now."""
        self.attempts = 0
        self._arm(now)

    def attempt(self, now: int) -> None:
        """An attempt to lead begins: give it time, more with every one that failed before."""
        self.attempts = min(self.attempts + 1, self._config.election_backoff_max)
        self._arm(now)

    def due(self, now: int) -> bool:
        """Say whether it is time to try."""
        return now >= self.deadline

    def _arm(self, now: int) -> None:
        spread_ms = self._config.election_spread_ms * (1 << max(0, self.attempts - 1))
        wait_ms = self._config.election_timeout_ms + self._rng.random() * spread_ms
        self.deadline = now + int(wait_ms * MS)
