"""What is to be replayed: a run in the store, or a scenario with its seed, of which nothing is known yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.results import RunResult, RunVerdict
from harness.scenario import SIMULATED, Scenario, ScenarioError, changed, load
from harness.store import SCENARIO, RunFolder, Store


class ReplayUsageError(ValueError):
    """A replay that cannot be; the message says why."""


@dataclass(frozen=True, slots=True)
class Original:
    """What is replayed; without a ``result``, its first run is what others are compared with."""

    scenario: Scenario
    seed: int
    folder: RunFolder | None = None
    result: RunResult | None = None

    @property
    def simulated(self) -> bool:
        """True if a seed is a whole run there."""
        return self.scenario.place == SIMULATED

    @property
    def name(self) -> str:
        """What to call it."""
        return self.folder.name if self.folder is not None else f"{self.scenario.name}, seed {self.seed}"


def find(store: Store, named: str, seed: int | None) -> Original:
    """Return what is meant by a run's name or a scenario file. Raises ReplayUsageError, ScenarioError, StoreError."""
    path = Path(named)
    if path.is_file():
        return _of_file(path, seed)
    folder = store.find(named)
    if seed is not None:
        raise ReplayUsageError(f"{folder.name} has its seed; --seed goes with a scenario file")
    scenario = load(folder / SCENARIO)
    if scenario.seed is None:
        raise ReplayUsageError(f"{folder / SCENARIO}: has no seed, so it is not the whole run")
    result = folder.results()
    if result is not None and scenario.place == SIMULATED and _cut_short(result):
        result = None
    return Original(scenario, scenario.seed, folder, result)


def _cut_short(result: RunResult) -> bool:
    """Say whether a result is no run's: its process was ended or died, so what there is of it may end anywhere."""
    return result.verdict is RunVerdict.HARNESS_FAILURE and not result.trace_sha256


def _of_file(path: Path, seed: int | None) -> Original:
    scenario = load(path)
    chosen = seed if seed is not None else scenario.seed
    if chosen is None:
        raise ReplayUsageError(f"{path}: has no seed; a replay needs one: --seed N")
    try:
        return Original(changed(scenario, seed=chosen), chosen)
    except ScenarioError as error:
        raise ScenarioError(f"--seed: {error}") from error
