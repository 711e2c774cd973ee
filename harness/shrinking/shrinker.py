"""The shrinker: applies passes until none has anything left.

It is a pure function of its start and its oracle: no clock, no chance. A candidate is tried with the seed of the best
so far, and where that does not fail, with a few more from a list that the first seed fixes: in simulation the weather
of the network comes from the seed, and whatever is cut shifts it. The smaller a candidate, the more seeds it gets, for
it costs less. Answers are asked for in order and the first failing one is taken, so an oracle may work ahead on as many
processors as it likes: what comes out is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

from harness.seeds import SeedTree
from harness.shrinking.candidate import Candidate, size, sort_key
from harness.shrinking.passes import PASSES, START, Pass, Phase, Position, possible

RUNS_MAX = 20_000
SEEDS_BY_SIZE = ((12, 16), (40, 8), (400, 3))
"""Up to how much (``size``) a candidate is tried with how many seeds."""
SEEDS_MIN = 2
SEED_BOUND = 2**32
"""Seeds are drawn below this: small enough to be read out over a telephone."""


class Attempt(NamedTuple):
    """One run to try: a candidate with a seed. ``proposal`` counts the pass's candidates, from 1."""

    candidate: Candidate
    seed: int
    position: Position
    proposal: int
    of_pass: str


class Answer(NamedTuple):
    """The first attempt that fails, and how many there were up to it."""

    attempt: Attempt | None
    asked: int


class StoppedError(Exception):
    """Somebody asked to stop before an answer was there."""


class Oracle(Protocol):
    """Who carries attempts out."""

    def first_failing(self, attempts: Iterator[Attempt]) -> Answer:
        """Return the first attempt, in their order, that fails for the same reason. Raises StoppedError."""


@dataclass(slots=True)
class Count:
    """What a pass has done: candidates tried, accepted, and the runs that took."""

    tried: int = 0
    accepted: int = 0
    runs: int = 0


@dataclass(slots=True)
class Shrunk:
    """The best so far, how it was come by, and whether nothing makes it smaller."""

    candidate: Candidate
    seed: int
    counts: dict[str, Count] = field(default_factory=dict)
    finished: bool = False

    @property
    def runs(self) -> int:
        """Runs that answers were asked for, known ones included."""
        return sum(count.runs for count in self.counts.values())


class Shrinker:
    """One shrinking. ``best`` is whole at any time."""

    def __init__(
        self,
        start: Candidate,
        seed: int,
        oracle: Oracle,
        passes: Sequence[Pass] = PASSES,
        runs_max: int = RUNS_MAX,
    ) -> None:
        """``start`` is known to fail with ``seed``."""
        self._oracle = oracle
        self._passes = passes
        self._runs_max = runs_max
        self._seeds = _seeds(seed)
        self._exhausted: dict[str, Candidate] = {}
        self.best = Shrunk(start, seed, {one.name: Count() for one in passes})

    def shrink(self) -> Shrunk:
        """Shrink until nothing makes it smaller, or the runs are used up, or the oracle stops."""
        try:
            before = None
            while before is not self.best.candidate:
                before = self.best.candidate
                for phase in Phase:
                    self._exhaust([one for one in self._passes if one.phase is phase])
        except StoppedError:
            return self.best
        self.best.finished = self.best.runs < self._runs_max
        return self.best

    def _exhaust(self, passes: Sequence[Pass]) -> None:
        """Apply passes in turn until none of them has anything left; a pass is not asked twice about the same."""
        while left := [one for one in passes if self._exhausted.get(one.name) is not self.best.candidate]:
            for one in left:
                self._apply(one)
                self._exhausted[one.name] = self.best.candidate

    def _apply(self, one: Pass) -> None:
        """Apply one pass until it has nothing left for what it made."""
        count = self.best.counts[one.name]
        position: Position | None = START
        while position is not None and (left := self._runs_max - self.best.runs) > 0:
            position = self._step(one, position, count, left)

    def _step(self, one: Pass, since: Position, count: Count, runs: int) -> Position | None:
        """Find the pass's next proposal that fails; return its position, None if there is none."""
        proposed = [0]
        answer = self._oracle.first_failing(islice(self._attempts(one, since, proposed), runs))
        count.runs += answer.asked
        found = answer.attempt
        count.tried += proposed[0] if found is None else found.proposal
        if found is None:
            return None
        count.accepted += 1
        self.best.candidate, self.best.seed = found.candidate, found.seed
        return found.position

    def _attempts(self, one: Pass, since: Position, proposed: list[int]) -> Iterator[Attempt]:
        best = sort_key(self.best.candidate)
        for position, candidate in one.propose(self.best.candidate, since):
            if not possible(candidate) or sort_key(candidate) >= best:
                continue
            proposed[0] += 1
            for seed in self._seeds_for(candidate)[: one.seeds]:
                yield Attempt(candidate, seed, position, proposed[0], one.name)

    def _seeds_for(self, candidate: Candidate) -> list[int]:
        ordered = [self.best.seed, *(seed for seed in self._seeds if seed != self.best.seed)]
        return ordered[: seeds_tried(candidate)]


def seeds_tried(candidate: Candidate) -> int:
    """Return with how many seeds a candidate is tried."""
    amount = size(candidate)
    return next((seeds for upto, seeds in SEEDS_BY_SIZE if amount <= upto), SEEDS_MIN)


def _seeds(seed: int) -> list[int]:
    """Return the seeds to try, the first one first."""
    draws = SeedTree(seed).stream("shrink/seeds")
    most = max(seeds for _, seeds in SEEDS_BY_SIZE)
    return list(dict.fromkeys([seed, *(draws.below(SEED_BOUND) for _ in range(most))]))
