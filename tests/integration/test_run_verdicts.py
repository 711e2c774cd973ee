"""The other verdicts on the real local place: a violation, faults that could not be, and failures of the harness."""

from __future__ import annotations

import os
import resource
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.cluster.local.ledger import FILE_NAME
from harness.scenario import Scenario, dump
from harness.store import SCENARIO, Store
from tests.harness.controller import Controller, Finished, alive, antipaxos, running, wait_for_their_end
from tests.integration.local_support import require_namespaces

pytestmark = pytest.mark.integration


def test_stale_reads_are_a_violation_told_by_its_operations(tmp_path: Path) -> None:
    require_namespaces("userns")
    done = antipaxos(
        tmp_path, "run", "--bug", "local-reads", "--seed", "1", "--time", "5s", "--faults", "none", "--json"
    )
    assert done.status == 1, done.err
    assert done.json["verdict"] == "violation"
    (said,) = [checker for checker in done.json["checkers"] if checker["name"] == "linearizable"]
    assert said["verdict"] == "invalid"
    anomaly = said["anomalies"][0]
    assert 2 <= len(anomaly["operations"]) <= 4
    assert "read of r" in anomaly["sentence"] and " by process " in anomaly["sentence"]
    assert anomaly["sentence"] in done.json["sentence"]
    assert "✘ VIOLATION" in done.err
    assert "--bug local-reads" in done.json["replay"]


def test_where_frames_cannot_be_lost_such_faults_are_skipped_and_the_gate_is_not_met(tmp_path: Path) -> None:
    scenario = tmp_path / "lossy.toml"
    fault = '{ type = "link", loss_ppm = 1000 }'
    scenario.write_text(
        f'time = "6s"\nfaults = ["partition", "kill"]\n[[schedule]]\nat = "1s"\nuntil = "2s"\nfault = {fault}\n'
    )
    done = antipaxos(tmp_path, "run", scenario, "--mode", "loopback", "--seed", "2034", "--json")
    assert done.status == 4, done.err
    assert done.json["verdict"] == "faults-not-met"
    assert {checker["verdict"] for checker in done.json["checkers"]} == {"valid"}
    by_kind = {fault["kind"]: fault for fault in done.json["faults"]}
    assert by_kind["link"]["status"] == "skipped"
    assert by_kind["link"]["injected_at"] is None
    assert by_kind["partition"]["status"] == "installed"
    assert by_kind["kill"]["status"] == "installed"
    assert len([line for line in done.err.splitlines() if line.startswith("note: frames: ")]) == 1
    assert "no link is shown to have happened" in done.json["sentence"]


def failed(done: Finished, why: str) -> None:
    """Expect a failure of the harness, and that it is told as one."""
    assert done.status == 5, done.err
    assert done.json["verdict"] == "harness-failure"
    assert why in done.json["sentence"]
    assert done.json["checkers"] == []
    assert "HARNESS FAILURE" in done.err
    assert "Traceback" not in done.err


def test_a_node_that_cannot_start_is_no_violation(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.toml"
    scenario.write_text('time = "3s"\nfaults = []\nnodes = 3\n[node]\nwindow_max = 0\n')
    done = antipaxos(tmp_path, "run", scenario, "--seed", "1", "--json")
    failed(done, "before anything was broken; see ")
    log = Path(done.json["sentence"].rpartition("see ")[2])
    assert "window_max is 0, not 1 to" in log.read_text()
    assert done.json["store"] in antipaxos(tmp_path, "list", "--json").out


def test_a_cluster_that_never_elects_is_no_violation(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.toml"
    scenario.write_text('time = "3s"\nfaults = []\nnodes = 3\n[node]\nelection_timeout_ms = 600000\n')
    failed(antipaxos(tmp_path, "run", scenario, "--seed", "1", "--json"), "no node leads 15 s after the start")


def fill_the_disk(controller: Controller, room: int) -> None:
    """Let no file of the controller grow beyond ``room`` bytes: to it, as good as a full disk."""
    resource.prlimit(controller.process.pid, resource.RLIMIT_FSIZE, (room, room))


@pytest.mark.parametrize("member", ["warden", "switch"])
def test_a_place_that_dies_under_the_run_is_no_violation(member: str, tmp_path: Path) -> None:
    require_namespaces("userns")
    with running(tmp_path, "--time", "8s", "--seed", "17857", "--json") as controller:
        controller.wait_for_load()
        members = controller.members()
        before = controller.lines
        os.kill(members[member].pid, signal.SIGKILL)
        done = controller.end()
        failed(done, "gone" if member == "warden" else "switch has died")
        wait_for_their_end(members, 10)
        assert len(controller.folder.history()) >= before


@pytest.mark.parametrize("room", [64 * 1024, 0])
def test_a_disk_that_takes_no_more_is_no_violation(room: int, tmp_path: Path) -> None:
    require_namespaces("userns")
    with running(tmp_path, "--time", "8s", "--seed", "17857", "--json") as controller:
        controller.wait_for_load(1_000)
        members = controller.members()
        fill_the_disk(controller, room)
        done = controller.end()
    assert alive(members) == []
    assert done.status == 5, done.err


def test_a_store_that_cannot_be_written_is_no_violation(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = antipaxos(tmp_path, "run", "--store", tmp_path / "file", "--time", "3s")
    assert done.status in (2, 5), done.err
    assert "Traceback" not in done.err


def test_a_ledger_that_cannot_be_read_is_no_violation(tmp_path: Path) -> None:
    run = Store(tmp_path).create("a", 1, datetime.now(UTC))
    run.write(SCENARIO, dump(Scenario()))
    (run / "cluster").mkdir()
    (run / "cluster" / FILE_NAME).write_text("{")
    done = antipaxos(tmp_path, "clean")
    assert done.status == 5, done.err
    assert "cannot be read" in done.err
    assert "Traceback" not in done.err


def test_a_stale_read_ends_a_real_run_early(tmp_path: Path) -> None:
    require_namespaces("userns")
    words = ("--bug", "local-reads", "--seed", "1", "--time", "60s", "--stop-on-violation")
    done = antipaxos(tmp_path, "run", *words, "--json")
    assert done.status == 1, done.err
    assert done.json["verdict"] == "violation"
    assert any(note.startswith("the load ended at ") for note in done.json["notes"])
    assert "✘ the load ended at " in done.err
    assert done.json["duration_s"] < 55
    assert "--stop-on-violation" in done.json["replay"]


def test_a_workload_that_cannot_be_watched_is_not_asked_to_stop(tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "run", "--workload", "bank", "--stop-on-violation")
    assert done.status == 2
    assert "bank cannot be watched while it goes on; these can: register, set" in done.err
