"""The doctor: tries by doing, survives what it tries, leaves nothing, and says the same as a run."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from harness.cluster.local import pids
from harness.doctor import diagnosis
from harness.doctor.attempts import ATTEMPTS
from harness.doctor.diagnosis import Diagnosis
from harness.doctor.screen import print_diagnosis
from harness.doctor.trial import Found, TrialError, try_all
from harness.execution import carry_out, prepare
from harness.exploration.worker import Unwatched
from harness.results import Served
from harness.scenario import Scenario, Timed
from harness.store import Store
from nemesis.faults import KINDS
from tests.harness.controller import antipaxos
from tests.integration.local_support import require_disks, require_namespaces

pytestmark = pytest.mark.integration


def test_what_works_and_what_does_not_is_told_with_the_reason(tmp_path: Path) -> None:
    def works(folder: Path) -> str:
        assert folder.is_dir()
        return "by magic"

    def refuses(folder: Path) -> str:
        raise TrialError("no  such\nthing", "buy one")

    def breaks(folder: Path) -> str:
        return str(1 // 0)

    def dies(folder: Path) -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    found = try_all({"works": works, "refuses": refuses, "breaks": breaks, "dies": dies}, tmp_path, 5)
    assert found["works"] == Found(name="works", works=True, how="by magic")
    assert found["refuses"] == Found(name="refuses", works=False, why="no such thing", remedy="buy one")
    assert found["breaks"].why.startswith("ZeroDivisionError")
    assert not found["dies"].works


def test_an_attempt_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    def hangs(folder: Path) -> str:
        with subprocess.Popen(("/bin/sleep", "600")) as child:
            (folder / "pid").write_text(str(child.pid))
            child.wait()
        return ""

    began = time.monotonic()
    found = try_all({"hangs": hangs, "works": lambda folder: "at once"}, tmp_path, 1.0)
    assert time.monotonic() - began < 10
    assert found["hangs"].why == "the attempt gave no answer within 1 s"
    assert found["works"].works
    deadline = time.monotonic() + 5
    while pids.identify(int((tmp_path / "hangs" / "pid").read_text())) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_attempts_do_to_themselves_is_not_done_to_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    before = own()
    monkeypatch.delitem(ATTEMPTS, "Chromium")  # slow, and a process of its own anyway
    diagnosed = diagnosis.diagnose()
    assert own() == before
    assert not list(Path("/sys/fs/cgroup").glob(f"**/antipaxos-{os.getpid()}-*"))
    assert not [entry for entry in Path("/tmp").glob("antipaxos-doctor-*") if entry.stat().st_uid == os.geteuid()]
    assert {served.kind for served in diagnosed.faults} == set(KINDS)


def own() -> tuple[dict[str, str], str, int]:
    """Return this process's namespaces, mounts and how many descriptors it has."""
    namespaces = {entry.name: str(entry.readlink()) for entry in Path("/proc/self/ns").iterdir()}
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    return namespaces, Path("/proc/self/mountinfo").read_text(), descriptors


def test_the_command_says_as_json_what_a_run_can_do_here(tmp_path: Path) -> None:
    require_namespaces("userns")
    done = antipaxos(tmp_path, "doctor", "--json", "--mode", "userns")
    assert done.status == 0
    assert done.json["default_job"] is True
    by_kind = {served["kind"]: served for served in done.json["faults"]}
    assert not by_kind["partition"]["missing"]
    assert by_kind["partition"]["mechanism"].startswith("user namespace + AF_PACKET switch")
    assert by_kind["clock-drift"]["missing"] or by_kind["clock-drift"]["mechanism"].startswith("preload library (")
    assert {found["name"] for found in done.json["found"]} == set(ATTEMPTS)
    assert all(found["how"] if found["works"] else found["why"] for found in done.json["found"])
    assert "Faults on real processes" in done.err


def test_disks_and_power_are_tried_though_no_fault_asks_for_them(tmp_path: Path) -> None:
    require_disks()
    done = antipaxos(tmp_path, "doctor", "--json")
    by_kind = {served["kind"]: served for served in done.json["faults"]}
    for kind in ("disk-lie", "power-off"):
        assert not by_kind[kind]["missing"] and "undo journal" in by_kind[kind]["mechanism"]


class Leaves(Unwatched):
    """Ends a run as soon as its place is set up."""

    def begun(self, served: Sequence[Served]) -> None:
        raise OSError("seen enough")


def test_a_run_says_the_same_of_its_faults(tmp_path: Path) -> None:
    schedule = tuple(Timed(at="1s", until="2s", fault=fault()) for fault in KINDS.values())
    every = Scenario(place="local", time="2s", faults=(), schedule=schedule)
    run = carry_out(prepare(every, 1, Store(tmp_path), datetime.now(UTC)), Leaves()).result
    doctor = antipaxos(tmp_path, "doctor", "--json").json["faults"]
    told = [(served.kind, served.mechanism, served.missing) for served in run.served]
    assert told == [(served["kind"], served["mechanism"], served["missing"]) for served in doctor]


def test_a_mode_that_is_misspelt(tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "doctor", "--mode", "usrns")
    assert done.status == 2
    assert "--mode: unknown value 'usrns'" in done.err


@pytest.mark.parametrize(("width", "has_purpose"), [(80, False), (120, True)])
def test_the_screen_names_what_to_do_and_ends_with_the_verdict(width: int, has_purpose: bool) -> None:
    sick = Diagnosis(
        machine="Linux",
        user="root",
        default_job=False,
        faults=(Served(kind="partition", mechanism="none", missing="no link can be cut"),),
        found=(Found(name="veth", works=False, why="no such device", remedy="modprobe veth"),),
        purposes={"veth": "for links"},
    )
    out = io.StringIO()
    print_diagnosis(Console(file=out, width=width, force_terminal=True, color_system=None), sick)
    shown = out.getvalue()
    assert "no link can be cut" in shown
    assert "no such device → modprobe veth" in shown
    assert ("for links" in shown) is has_purpose
    assert "✘ The default job does not work here (partition, kill)" in shown
    assert sick.exit_code == 4
