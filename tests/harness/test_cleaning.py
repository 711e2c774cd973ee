"""Cleaning: ends what is left of every run, whatever the state of its neighbours; with real but harmless processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness import workplace
from harness.cleaning import Cleaned, clean, sweep
from harness.cluster.base import ClusterError
from harness.cluster.local import cgroups, ledger, pids
from harness.cluster.local.ledger import Ledger
from harness.scenario import Scenario, dump
from harness.store import SCENARIO, RunFolder, Store

pytestmark = pytest.mark.integration


@contextmanager
def sleeper() -> Iterator[tuple[subprocess.Popen[bytes], pids.Identity]]:
    """Be a process that would sleep for long."""
    with subprocess.Popen((sys.executable, "-c", "import time; time.sleep(600)"), start_new_session=True) as process:
        try:
            identity = pids.identify(process.pid)
            assert identity is not None
            yield process, identity
        finally:
            process.kill()


def dead() -> pids.Identity:
    """Return a process that has ended."""
    with sleeper() as (_, identity):
        return identity


def me() -> pids.Identity:
    identity = pids.identify(os.getpid())
    assert identity is not None
    return identity


def make_run(store: Store, name: str) -> RunFolder:
    run = store.create(name, 1, datetime(2026, 1, 1, tzinfo=UTC))
    run.write(SCENARIO, dump(Scenario()))
    (run / "cluster").mkdir()
    return run


def leave(run: RunFolder, controller: pids.Identity, node: pids.Identity) -> None:
    """Leave a ledger behind as a cluster with one node would."""
    ledger.write(run / "cluster", Ledger(pids.boot_id(), controller, dead(), None, {"n1": node}))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_nothing_is_left_of_nothing(store: Store) -> None:
    assert clean(store) == []
    make_run(store, "a")
    assert clean(store) == []


def test_a_leftover_is_ended_once(store: Store) -> None:
    run = make_run(store, "a")
    with sleeper() as (process, identity):
        leave(run, dead(), identity)
        assert clean(store) == [Cleaned(run.name, "n1", process.pid)]
        assert process.wait(10) == -9
        assert clean(store) == []
    assert not (run / "cluster" / ledger.FILE_NAME).exists()


def test_a_run_whose_controller_lives_is_left_alone(store: Store) -> None:
    run = make_run(store, "a")
    with sleeper() as (process, identity):
        leave(run, me(), identity)
        assert clean(store) == []
        assert process.poll() is None


def test_a_pid_that_means_another_process_now_is_left_alone(store: Store) -> None:
    run = make_run(store, "a")
    with sleeper() as (process, identity):
        leave(run, dead(), pids.Identity(process.pid, identity.started_ticks - 1))
        assert clean(store) == []
        assert process.poll() is None


def test_a_damaged_ledger_does_not_keep_the_others_from_being_cleaned(store: Store) -> None:
    damaged, good = make_run(store, "a"), make_run(store, "b")
    (damaged / "cluster" / ledger.FILE_NAME).write_text("{")
    with sleeper() as (process, identity):
        leave(good, dead(), identity)
        with pytest.raises(ClusterError, match=f"{damaged.name}: .*cannot be read"):
            clean(store)
        assert process.wait(10) == -9


def test_the_folder_of_an_exploration_that_was_killed_is_removed_and_one_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, store = tmp_path / "shm", Store(tmp_path / "store")
    monkeypatch.setattr(workplace, "MEMORY_DISK", memory)
    gone, used = (memory / f"{workplace.WORK_PREFIX}{pid}-x" for pid in (dead().pid, os.getpid()))
    for folder in (gone, used, beside := store.root / gone.name):
        folder.mkdir(parents=True)
        (folder / "history.jsonl").write_text("x")
    assert sorted(sweep(store)) == sorted([gone, beside])
    assert used.is_dir()
    assert sweep(store) == []


def test_what_a_warden_that_is_gone_had_made_of_cgroups_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[pids.Identity] = []

    def remove(owner: pids.Identity) -> tuple[str, ...]:
        removed.append(owner)
        return ()

    monkeypatch.setattr(cgroups, "remove", remove)
    store = Store(tmp_path)
    run = make_run(store, "starved")
    with sleeper() as (_, node):
        leave(run, dead(), node)
        assert [cleaned.name for cleaned in clean(store)] == ["n1"]
    assert len(removed) == 1
