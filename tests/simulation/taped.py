"""Whole runs in simulation with their trace on a tape, as a run folder that commands and reports take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cluster.simulated import SimulatedCluster
from harness.execution import carry_out, prepare
from harness.results import RunResult
from harness.scenario import Scenario, changed
from harness.simulation.tape import Tape, TapeFile
from harness.store import RESULTS, RunFolder, Store
from nemesis.faults import DiskSlow, Kill, LinkFault, Partition, Pause, PowerOff
from tests.simulation.runs import STARTED, Nobody, scenario, timed

EARLY_ACK = scenario(
    timed("1s", "3s", DiskSlow("all", 100)), timed("2s", "3s", PowerOff("all")), time="5s", rate=300, bug="early-ack"
)
"""An answer before its sync, and a power cut: an invariant breaks when the nodes are back."""
LOCAL_READS = scenario(timed("1s", "4s", Partition("leader")), time="5s", rate=150, bug="local-reads")
"""Reads from any node's own state: they are stale."""
HEALTHY = scenario(
    timed("1s", "1500ms", Kill("leader")),
    timed("1700ms", "2200ms", Pause("one")),
    timed("2s", "2500ms", LinkFault("all", delay_max_us=2_000, loss_ppm=20_000, duplicate_ppm=50_000)),
    time="3s",
    rate=100,
)
"""Faults of every sort for a picture, and nothing goes wrong."""


def taped(scenario: Scenario, seed: int, root: Path, patch: pytest.MonkeyPatch) -> tuple[RunFolder, RunResult]:
    """Carry a run out; its folder has ``trace.jsonl`` and the result, and no report."""
    run = prepare(changed(scenario, name="taped"), seed, Store(root), STARTED)
    file = TapeFile(run.folder / "trace.jsonl")

    class Taped(SimulatedCluster):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self.trace.tape = Tape(file.write)

    with patch.context() as patched:
        patched.setattr("harness.places.SimulatedCluster", Taped)
        result = carry_out(run, Nobody()).result
    file.close()
    run.folder.write(RESULTS, msgspec.json.encode(result))
    return run.folder, result
