"""Oracles that carry nothing out: a predicate says what fails, and the tests say what the shrinker must come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.plan import MS, make_plan
from harness.scenario import Scenario
from harness.shrinking.candidate import Candidate, PlacedFault, PlacedOperation, of_plan
from harness.shrinking.shrinker import Answer, Attempt, StoppedError

Fails = Callable[[Candidate, int], bool]
SEED = 17


class Told:
    """An oracle that asks a predicate, and stops after so many attempts if it is told to."""

    def __init__(self, fails: Fails, stop_after: int | None = None) -> None:
        self._fails = fails
        self._stop_after = stop_after
        self.asked: list[tuple[Candidate, int]] = []

    def first_failing(self, attempts: Iterator[Attempt]) -> Answer:
        """Ask one after the other."""
        count = 0
        for attempt in attempts:
            if self._stop_after is not None and len(self.asked) >= self._stop_after:
                raise StoppedError
            self.asked.append((attempt.candidate, attempt.seed))
            count += 1
            if self._fails(attempt.candidate, attempt.seed):
                return Answer(attempt, count)
        return Answer(None, count)


def swarm(time: str = "30s", rate: int = 20, **more: object) -> Candidate:
    """Return what a run of the swarm does."""
    scenario = Scenario(place="simulated", faults=("swarm",), time=time, rate=rate, **more)  # type: ignore[arg-type]
    return of_plan(scenario, make_plan(scenario, SEED))


def operation(at_ms: int, f: str = "write", key: str = "x", value: int | None = 1, client: int = 0) -> PlacedOperation:
    """Return an operation at a time in ms."""
    return PlacedOperation(at_ms * MS, client, f, key, None if f == "read" else value)


def of_kind(candidate: Candidate, kind: type) -> list[PlacedFault]:
    """Return a candidate's faults of one kind."""
    return [placed for placed in candidate.faults if isinstance(placed.fault, kind)]
