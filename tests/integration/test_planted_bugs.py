"""The harness is worth its silence only if it speaks when a node is broken: planted bugs, real processes, real faults.

Each seed is a whole run of the command line against a cluster of one of the broken nodes of ``node/bugs``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness.results import RunResult, RunVerdict

pytestmark = pytest.mark.integration

SEEDS = range(1, 11)


def run_with_bug(bug: str, seed: int, store: Path) -> RunResult:
    """Run six seconds of partitions and kills against a broken node and return the result."""
    command = [sys.executable, "-m", "harness.cli", "run", "--bug", bug, "--seed", str(seed), "--time", "6s"]
    done = subprocess.run(
        [*command, "--store", str(store), "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout, f"no result; exit status {done.returncode}:\n{done.stderr}"
    result = msgspec.json.decode(done.stdout.splitlines()[-1].encode(), type=RunResult)
    assert done.returncode == result.exit_code
    return result


def test_reads_that_ask_nobody_are_caught_in_nine_of_ten_seeds(tmp_path: Path) -> None:
    caught = []
    for seed in SEEDS:
        result = run_with_bug("local-reads", seed, tmp_path)
        judged = next(checker for checker in result.checkers if checker.name == "linearizable")
        if result.verdict is RunVerdict.VIOLATION and judged.verdict == "invalid":
            caught.append(seed)
            anomaly = judged.anomalies[0]
            assert 2 <= len(anomaly.operations) <= 4, anomaly.sentence
            assert "by process" in anomaly.sentence and "read of" in anomaly.sentence
        assert result.replay.startswith("antipaxos run") and "--bug local-reads" in result.replay
    assert len(caught) >= 9, f"caught with seeds {caught} only"


def test_an_answer_before_the_fsync_is_not_seen_without_power_loss(tmp_path: Path) -> None:
    # The kernel keeps what a killed process had written, so this bug needs a disk that loses power to show itself. The
    # run must say valid: a harness that cried wolf here would be guessing.
    result = run_with_bug("early-ack", 1, tmp_path)
    assert result.verdict is RunVerdict.VALID, result.sentence
    assert any(record.kind == "kill" and record.status == "installed" for record in result.faults)
