"""Runs that are interrupted, and controllers that are killed: nothing goes on, and nothing recorded is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from checkers.history import EventType
from harness.store import RESULTS
from tests.harness.controller import (
    Controller,
    alive,
    antipaxos,
    everyone,
    networks,
    running,
    strangers_in,
    wait_for_their_end,
)
from tests.integration.local_support import require_namespaces

pytestmark = pytest.mark.integration

WORDS = ("--time", "60s", "--seed", "17857", "--faults", "partition,kill,pause,restart")
WARDEN_LIMIT_S = 10.0
"""How long the warden may take to see that its controller is gone and to end everything."""


@pytest.fixture(autouse=True)
def namespaces() -> None:
    require_namespaces("userns")


def wait_for_faults(controller: Controller) -> None:
    """Wait until several faults are active."""
    journal = controller.folder / "faults.jsonl"
    controller.wait_for(lambda: journal.exists() and journal.read_text().count('"phase":"injected"') >= 2)


def interrupt(controller: Controller) -> None:
    controller.interrupt()


def terminate(controller: Controller) -> None:
    controller.process.terminate()


@pytest.mark.parametrize("how", [interrupt, terminate])
def test_an_interrupted_run_ends_everything_and_keeps_its_history(
    how: Callable[[Controller], None], tmp_path: Path
) -> None:
    with running(tmp_path, *WORDS) as controller:
        controller.wait_for_load()
        members = controller.members()
        namespaces = networks(members)
        assert len(members) == 7 and len(namespaces) >= 5
        wait_for_faults(controller)
        members |= {f"{name} again": process for name, process in controller.members().items()}
        before = everyone()
        recorded = controller.lines
        how(controller)
        done = controller.end()
        assert done.status == 130, done.err
        assert alive(members) == []
        assert strangers_in(namespaces, before) == []
        assert "interrupted" in done.out
        assert "Traceback" not in done.err
        assert len(controller.folder.history()) >= recorded
        journal = (controller.folder / "faults.jsonl").read_text()
        assert journal.count('"phase":"intent"') == journal.count('"phase":"healed"')
        assert not (controller.folder / RESULTS).exists()
        assert "unfinished" in antipaxos(tmp_path, "list").out
        shown = antipaxos(tmp_path, "report")
        assert shown.status == 2
        assert "did not come to a result" in shown.err


@pytest.mark.parametrize("phase", ["setting up", "waiting for a leader"])
def test_a_run_interrupted_before_it_began_leaves_nothing(phase: str, tmp_path: Path) -> None:
    with running(tmp_path, *WORDS) as controller:
        assert controller.process.stdout is not None
        while not controller.process.stdout.readline().startswith(phase):
            assert controller.process.poll() is None
        before = everyone()
        children = Path(f"/proc/{controller.process.pid}/task/{controller.process.pid}/children").read_text().split()
        controller.interrupt()
        done = controller.end()
        assert done.status == 130, done.err
        assert alive({pid: before[pid] for pid in children if pid in before}) == []
        assert "Traceback" not in done.err
        assert antipaxos(tmp_path, "clean").out == "nothing was left behind\n"


def test_nothing_outlives_a_killed_controller_and_nothing_recorded_is_lost(tmp_path: Path) -> None:
    with running(tmp_path, *WORDS) as controller:
        controller.wait_for_load()
        wait_for_faults(controller)
        members, before = controller.members(), everyone()
        namespaces = networks(members)
        recorded = controller.lines
        controller.process.kill()
        wait_for_their_end(members, WARDEN_LIMIT_S)
        assert strangers_in(namespaces, before) == []
        assert controller.end().status == -signal.SIGKILL
        history = controller.folder.history()
        assert len(history) >= recorded
        invoked = sum(event.type is EventType.INVOKE for event in history.events)
        assert len(history.operations()) == invoked
        for _ in range(2):
            cleaned = antipaxos(tmp_path, "clean")
            assert (cleaned.status, cleaned.out) == (0, "nothing was left behind\n")
        assert "unfinished" in antipaxos(tmp_path, "list").out


def test_clean_ends_what_a_stopped_warden_could_not(tmp_path: Path) -> None:
    with running(tmp_path, *WORDS) as controller:
        controller.wait_for_load()
        members = controller.members()
        os.kill(members["warden"].pid, signal.SIGSTOP)
        controller.process.kill()
        controller.end()
        assert "warden" in alive(members)
        cleaned = antipaxos(tmp_path, "clean")
        assert cleaned.status == 0
        assert "ended warden" in cleaned.out
        wait_for_their_end(members, WARDEN_LIMIT_S)
        again = antipaxos(tmp_path, "clean")
        assert (again.status, again.out) == (0, "nothing was left behind\n")


def test_clean_leaves_a_run_alone_that_is_under_way(tmp_path: Path) -> None:
    with running(tmp_path, "--time", "20s", "--seed", "1", "--faults", "none") as controller:
        controller.wait_for_load(50)
        members = controller.members()
        assert antipaxos(tmp_path, "clean").out == "nothing was left behind\n"
        assert alive(members) == list(members)
        controller.interrupt()
        assert controller.end().status == 130
