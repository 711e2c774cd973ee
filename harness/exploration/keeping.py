"""What becomes of a run that was carried out in a worker's directory and failed: it moves into the store, as a whole.

A run whose worker was lost has no result. It gets one that says how it was lost, and all there is of it goes with it.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from harness import environment
from harness.cluster.base import ClusterError
from harness.execution import replay_command, unfinished, write_result
from harness.exploration.findings import SeedReport, harness_finding
from harness.exploration.pool import Lost
from harness.results import RunVerdict
from harness.scenario import Scenario, changed, dump
from harness.store import ENVIRONMENT, SCENARIO, RunFolder, Store, StoreError
from harness.workplace import end_leftovers

WORKER_STDERR = "worker.stderr"


class Keeper:
    """Keeps the runs of one exploration; ``started_at`` is when all of them began."""

    def __init__(self, store: Store, started_at: datetime) -> None:
        self._store = store
        self._started_at = started_at
        self._environment = b""

    def keep(self, folder: str, scenario: Scenario, seed: int) -> RunFolder:
        """Move a run's folder into the store, and tell its result where it is now. Raises OSError, StoreError."""
        kept = self._store.adopt(Path(folder), scenario.name, seed, self._started_at)
        if not self._environment:
            self._environment = environment.as_json(environment.look())  # once: to look takes longer than to write
        kept.write(ENVIRONMENT, self._environment)
        result = kept.results()
        if result is None:
            raise StoreError(f"{kept.path}: the run came without a result")
        replay = replay_command(scenario, seed, kept.path)
        result = msgspec.structs.replace(result, store=str(kept.path), replay=replay)
        write_result(result, kept)
        return kept

    def lost(self, lost: Lost, scenario: Scenario, seed: int) -> SeedReport:
        """Make a harness failure of a lost seed, with what there is of its run. Raises OSError."""
        why = lost.why
        try:
            end_leftovers(lost.directory)
        except ClusterError as error:
            why += f"; what it left behind could not be ended: {error}"
        folder = Store(lost.directory).made(scenario.name, seed, self._started_at)
        if folder is None:
            folder = lost.directory / f"s{seed}"
            folder.mkdir()
        run, scenario = RunFolder(folder), changed(scenario, seed=seed)
        run.write(SCENARIO, dump(scenario))
        (run / WORKER_STDERR).write_text(lost.stderr)
        write_result(unfinished(scenario, seed, run, self._started_at, why), run)
        return SeedReport(
            seed=seed,
            verdict=RunVerdict.HARNESS_FAILURE,
            findings=(harness_finding(why, lost.kind),),
            folder=str(folder),
        )
