"""A seed is a whole run: the same bytes within a process and across processes, whatever the hash seed is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.runs import run, scenario

REPOSITORY = Path(__file__).resolve().parents[2]
SWARM = scenario(time="8s", faults=("swarm",))
SCRIPT = """
import sys
from pathlib import Path
from tests.simulation.runs import run
from tests.simulation.test_determinism import SWARM
ran = run(SWARM, int(sys.argv[1]), Path(sys.argv[2]))
print(ran.history_sha256, ran.trace_sha256)
"""


@pytest.mark.parametrize("seed", [1, 5])
def test_the_same_seed_is_the_same_run(seed: int, tmp_path: Path) -> None:
    one, two = run(SWARM, seed, tmp_path / "1"), run(SWARM, seed, tmp_path / "2")
    assert one == two
    assert one.faults


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    one, two = run(SWARM, 1, tmp_path / "1"), run(SWARM, 2, tmp_path / "2")
    assert one.trace_sha256 != two.trace_sha256
    assert one.history_sha256 != two.history_sha256


def test_other_processes_with_other_hash_seeds_run_the_same(tmp_path: Path) -> None:
    seen = {
        subprocess.run(
            (sys.executable, "-c", SCRIPT, "3", str(tmp_path / hash_seed)),
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for hash_seed in ("0", "4711")
    }
    here = run(SWARM, 3, tmp_path / "here")
    assert seen == {f"{here.history_sha256} {here.trace_sha256}\n"}
