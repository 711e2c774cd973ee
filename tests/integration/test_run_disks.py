"""Whole runs over disks that fail and forget: a healthy node loses nothing, a broken world is seen, nothing is left."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from harness.scenario import load
from nemesis.faults import OF_DISKS
from tests.harness.controller import alive, antipaxos, running, wait_for_their_end
from tests.integration.local_support import REPOSITORY, require_disks, require_namespaces

pytestmark = pytest.mark.integration

HEALTHY = """
name = "healthy"
seed = 3
nodes = 3
time = "17s"
rate = 100
faults = []
schedule = [
    { at = "1s", until = "1300ms", fault = { type = "power-off", target = "leader" } },
    { at = "3s", until = "4s", fault = { type = "disk-slow", target = "all", times = 20 } },
    { at = "3500ms", until = "3800ms", fault = { type = "power-off", target = "leader" } },
    { at = "6s", until = "6500ms", fault = { type = "disk-eio", target = "leader" } },
    { at = "8500ms", until = "9s", fault = { type = "disk-eio", target = "leader", call = "write" } },
    { at = "11s", until = "11500ms", fault = { type = "disk-full", target = "leader" } },
    { at = "13500ms", until = "14s", fault = { type = "disk-slow", target = "leader", times = 0 } },
    { at = "14500ms", until = "15s", fault = { type = "power-off", target = "all", mode = "torn" } },
    { at = "15500ms", until = "16s", fault = { type = "power-off", target = "all", mode = "reordered" } },
]
"""


@pytest.fixture(autouse=True)
def disks() -> None:
    require_namespaces("userns")
    require_disks()


def test_a_healthy_node_loses_nothing_under_every_trouble_of_its_disks(tmp_path: Path) -> None:
    (tmp_path / "healthy.toml").write_text(HEALTHY)
    done = antipaxos(tmp_path, "run", tmp_path / "healthy.toml", "--json")
    assert done.status == 0, done.err
    assert {fault["status"] for fault in done.json["faults"]} == {"installed"}
    told = " ".join(sentence for fault in done.json["faults"] for sentence in fault["evidence"])
    assert "bytes taken back" in told and "had ended with status 70" in told
    works = {mechanism["name"]: mechanism["mechanism"] for mechanism in done.json["mechanisms"] if mechanism["works"]}
    assert works["disk"].startswith("FUSE passthrough") and works["power"].startswith("SIGSTOP, SIGKILL, then FUSE")


def test_disks_that_all_lie_lose_commits_which_are_named(tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "run", REPOSITORY / "examples" / "lying-disks.toml", "--json")
    assert done.status == 1, done.err
    audit = next(checker for checker in done.json["checkers"] if checker["name"] == "node-audit")
    assert audit["verdict"] == "invalid"
    assert "was acknowledged, but" in audit["anomalies"][0]["sentence"]
    assert "Beyond the model: disk-lie n1, n2, n3" in done.json["sentence"]


def test_a_run_without_faults_of_disks_has_no_disks(tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "run", "--time", "2s", "--seed", "1", "--faults", "kill", "--json")
    missing = {mechanism["name"]: mechanism["missing"] for mechanism in done.json["mechanisms"]}
    assert missing["disk"] == missing["power"] == "no fault of this run's needs it, so it was not tried"


@pytest.mark.parametrize("mode", ["userns", "loopback"])
def test_nothing_is_left_of_a_controller_that_was_killed_at_any_moment(mode: str, tmp_path: Path) -> None:
    (tmp_path / "healthy.toml").write_text(HEALTHY)
    for seed in (1, 2):
        store = tmp_path / str(seed)
        store.mkdir()
        with running(store, tmp_path / "healthy.toml", "--mode", mode, "--seed", str(seed)) as controller:
            controller.wait_for_load()
            members = controller.members()
            assert sum(name.startswith("disk of ") for name in members) == 3
            time.sleep(random.Random(seed).uniform(0, 2))
            members |= controller.members()
            controller.process.send_signal(signal.SIGKILL)
            controller.end()
            wait_for_their_end(members, 10)
            assert alive(members) == []
        antipaxos(store, "clean")
        assert [line for line in Path("/proc/mounts").read_text().splitlines() if str(tmp_path) in line] == []


def test_every_kind_of_disks_is_known_to_need_them() -> None:
    example = load(REPOSITORY / "examples" / "lying-disks.toml")
    assert example.needs_disks
    assert all(kind.startswith(("disk-", "power-")) for kind in OF_DISKS)
