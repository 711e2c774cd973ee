"""The survey: each scenario with seed after seed, until it has reached all that it is there for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.coverage.table import EVENTS
from harness.results import EXIT_CODES, RunResult, RunVerdict
from harness.scenario import Scenario, load
from harness.testing import simulate

FOLDER = Path(__file__).parent / "scenarios"
SEEDS_MAX = 20
EXIT_NOT_REACHED = EXIT_CODES[RunVerdict.FAULTS_NOT_MET]
_GOOD = (RunVerdict.VALID, RunVerdict.FAULTS_NOT_MET)


class UnknownSceneError(ValueError):
    """There is no scenario of that name."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A scenario, what it is about (the comment at its head), and the rare events that it must reach."""

    name: str
    about: str
    scenario: Scenario
    events: tuple[str, ...]


@dataclass(slots=True)
class Surveyed:
    """What a scene came to over its seeds. ``first``: for each event that was met the first seed that met it."""

    scene: Scene
    seeds: int = 0
    met: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)
    failed: list[RunResult] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """The events that it must reach and has not."""
        return [event for event in self.scene.events if not self.met[event]]

    def take(self, seed: int, result: RunResult) -> None:
        """Take a run in."""
        self.seeds += 1
        self.met.update(result.rare_events)
        for event in result.rare_events:
            self.first.setdefault(event, seed)
        if result.verdict not in _GOOD:
            self.failed.append(result)


def scenes(names: Sequence[str] = ()) -> tuple[Scene, ...]:
    """Return the named scenes, or all. Raises UnknownSceneError, ScenarioError naming the file."""
    known = sorted(path.stem for path in FOLDER.glob("*.toml"))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownSceneError(f"no scenario is named {unknown[0]!r}; there are: {', '.join(known)}")
    return tuple(_scene(name) for name in (names or known))


def _scene(name: str) -> Scene:
    path = FOLDER / f"{name}.toml"
    head = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        head.append(line.removeprefix("#").strip())
    return Scene(name, " ".join(head), load(path), tuple(e.counter for e in EVENTS if e.scenario == name))


def survey(scene: Scene, seeds_max: int = SEEDS_MAX) -> Iterator[Surveyed]:
    """Run a scene with seeds from 0 on until it has reached its events, at most ``seeds_max``; yield after each run."""
    surveyed = Surveyed(scene)
    for seed in range(seeds_max):
        surveyed.take(seed, simulate(scene.scenario, seed))
        yield surveyed
        if not surveyed.missing:
            return


def exit_code(surveys: Sequence[Surveyed]) -> int:
    """0 if all was reached, 4 if something was not; a run that failed says it all: 1, 3 or 5."""
    failed = [EXIT_CODES[result.verdict] for surveyed in surveys for result in surveyed.failed]
    if failed:
        return min(failed)
    return EXIT_NOT_REACHED if any(surveyed.missing for surveyed in surveys) else 0
