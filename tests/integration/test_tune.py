"""``antipaxos tune`` as a user has it: over a cluster that it starts, a file, a seed; and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.tuning.trace import read

pytestmark = pytest.mark.integration
BOUND_S = 120.0


def tune(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", "tune", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_S,
    )


def test_a_cluster_is_recorded_and_its_trace_gives_the_same_answer_again(tmp_path: Path) -> None:
    recorded = tune(tmp_path, "--time", "6s", "--heartbeat", "20", "--keep", "trace.jsonl", "--json")
    assert recorded.returncode == 0, recorded.stderr
    trace = read(tmp_path / "trace.jsonl")
    assert trace.heartbeat == 20_000_000
    assert all("in" in beats.link for beats in trace.links)
    assert len(trace.round_trips) > 0
    assert (tmp_path / "tune.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    again = tune(tmp_path, "trace.jsonl", "--json", "--out", "again.html")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == json.loads(recorded.stdout)
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "tune.html").read_bytes()


def test_a_seed_gives_the_same_answer_each_time(tmp_path: Path) -> None:
    one, other = (tune(tmp_path, "--seed", "5", "--beats", "3000", "--json") for _ in range(2))
    assert one.returncode == 0, one.stderr
    assert one.stdout == other.stdout
    assert "too short for the 99.99th" in one.stderr


@pytest.mark.parametrize(
    ("words", "why", "status"),
    [
        (("nowhere.jsonl",), "nowhere.jsonl", 2),
        (("x.jsonl", "--seed", "1"), "a trace or a seed, not both", 2),
        (("--nodes", "2", "--time", "1s"), "2 nodes: there must be 3 to 9", 5),
        (("--seed", "1", "--out", "no/such/folder.html"), "no/such/folder.html", 2),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...], why: str, status: int, tmp_path: Path) -> None:
    refused = tune(tmp_path, *words)
    assert refused.returncode == status
    assert why in refused.stderr
