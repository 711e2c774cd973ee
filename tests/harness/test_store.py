"""The store: run folders by name, files that are there whole or not at all, lines that stay."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from checkers.history import Event, EventType, HistoryError
from harness.results import Latency, OperationCounts, RunResult, RunVerdict, Unavailability
from harness.scenario import Scenario, dump
from harness.store import (
    FAULTS,
    HISTORY,
    RESULTS,
    SCENARIO,
    FaultJournal,
    FaultLine,
    Lines,
    RunFolder,
    Store,
    StoreError,
)
from nemesis.record import FaultRecord, FaultStatus

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

RESULT = RunResult(
    verdict=RunVerdict.VALID,
    sentence="fine",
    seed=3,
    scenario="default",
    workload="register",
    place="local",
    nodes=("n1",),
    plan_sha256="",
    history_sha256="",
    operations=OperationCounts(ok=1),
    faults=(),
    checkers=(),
    latency=Latency(),
    unavailability=Unavailability(),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def make(store: Store, scenario: str = "default", seed: int = 3, later_s: int = 0) -> RunFolder:
    folder = store.create(scenario, seed, NOON + timedelta(seconds=later_s))
    folder.write(SCENARIO, dump(Scenario()))
    return folder


def names(folders: list[RunFolder]) -> list[str]:
    return [folder.name for folder in folders]


def test_a_run_is_named_by_time_scenario_and_seed(store: Store) -> None:
    assert make(store, "stale-reads", 17).name == "20260301T120000-stale-reads-s17"
    assert (store.root / "latest").resolve() == store.root / "20260301T120000-stale-reads-s17"


def test_a_name_is_never_taken_twice(store: Store) -> None:
    assert names([make(store) for _ in range(3)]) == [
        "20260301T120000-default-s3",
        "20260301T120000-default-s3-2",
        "20260301T120000-default-s3-3",
    ]


def test_runs_are_listed_oldest_first_and_nothing_else_is(store: Store) -> None:
    assert store.runs() == []
    made = [make(store, later_s=later_s) for later_s in (20, 0, 10)]
    (store.root / "notes").mkdir()
    (store.root / "file").touch()
    store.create("unborn", 1, NOON)
    assert names(store.runs()) == [made[1].name, made[2].name, made[0].name]


def test_a_run_is_found_by_name_beginning_path_or_as_the_latest(store: Store) -> None:
    first, second = make(store), make(store, "other", 4, later_s=5)
    assert store.find(first.name).path == first.path
    assert store.find("20260301T120000-d").path == first.path
    assert store.find("20260301T120005").path == second.path
    assert store.find(str(first.path)).path == first.path
    assert store.find("latest").path == second.path


def test_a_whole_name_means_that_run_even_if_others_begin_like_it(store: Store) -> None:
    first, _ = make(store), make(store)
    assert store.find(first.name).path == first.path


def test_a_beginning_means_a_beginning_and_no_pattern(store: Store) -> None:
    make(store)
    for name in ("default", "2026.*", "20260301T12000."):
        with pytest.raises(StoreError, match=r"no run in .* is named"):
            store.find(name)


def test_the_latest_is_the_one_made_last_whatever_the_names_say(store: Store) -> None:
    make(store, "zebra", 9)
    last = make(store, "ant", 1)
    assert store.find("latest").path == last.path


def test_without_the_link_the_latest_is_the_last_by_name(store: Store) -> None:
    make(store)
    last = make(store, later_s=1)
    (store.root / "latest").unlink()
    assert store.find("latest").path == last.path
    (store.root / "latest").symlink_to("removed")
    assert store.find("latest").path == last.path


def test_what_is_ambiguous_or_missing_is_an_error_that_says_so(store: Store) -> None:
    with pytest.raises(StoreError, match=r"no run in .* is named 'latest'; `antipaxos list` shows them"):
        store.find("latest")
    first, second = make(store), make(store, later_s=1)
    with pytest.raises(StoreError, match=f"'2026' may mean {first.name}, {second.name}"):
        store.find("2026")


def test_a_store_that_cannot_be_made_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Store(tmp_path / "file").create("default", 1, NOON)


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole_and_leaves_no_trace(store: Store) -> None:
    folder = make(store)
    folder.write("plan.json", "old")
    folder.write("plan.json", b"new")
    assert (folder / "plan.json").read_bytes() == b"new"
    assert sorted(path.name for path in folder.path.iterdir()) == ["plan.json", SCENARIO]


def test_a_file_that_cannot_be_written_leaves_the_old_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(store)
    folder.write("plan.json", "old")

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        folder.write("plan.json", "newer")
    assert (folder / "plan.json").read_text() == "old"


def test_results_come_back_or_are_absent_or_are_damaged(store: Store) -> None:
    folder = make(store)
    assert folder.results() is None
    folder.write(RESULTS, msgspec.json.encode(RESULT))
    assert folder.results() == RESULT
    for damaged in (b"{", b'{"verdict":"perfect"}', b""):
        folder.write(RESULTS, damaged)
        with pytest.raises(StoreError, match=r"results\.json: "):
            folder.results()


def test_each_node_has_a_folder(store: Store) -> None:
    folder = make(store)
    assert folder.node("n1") == folder.node("n1") == folder.path / "nodes" / "n1"
    assert folder.node("n1").is_dir()


# -- lines ------------------------------------------------------------------------------------------------------------


def event(index: int, kind: EventType) -> Event:
    return Event(index, index, 0, kind, "write", 1, "r0")


def test_a_line_is_with_the_kernel_when_write_returns(store: Store) -> None:
    folder = make(store)
    with Lines(folder / HISTORY) as lines:
        for count, kind in enumerate((EventType.INVOKE, EventType.OK), 1):
            lines.write(event(count, kind))
            assert len(folder.history()) == count
    assert len(folder.history_sha256()) == 64


def test_lines_are_appended_and_never_replaced(store: Store) -> None:
    folder = make(store)
    for count, kind in enumerate((EventType.INVOKE, EventType.OK), 1):
        with Lines(folder / HISTORY) as lines:
            lines.write(event(count, kind))
    assert len(folder.history()) == 2


def test_closing_twice_is_harmless_and_closed_lines_take_nothing(store: Store) -> None:
    lines = Lines(make(store) / HISTORY)
    lines.close()
    lines.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        lines.write(1)


def test_a_full_disk_is_an_error_and_never_half_a_line_unnoticed(store: Store) -> None:
    with Lines(Path("/dev/full")) as lines, pytest.raises(OSError, match="No space"):
        lines.write(1)


def test_a_line_that_is_written_in_part_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    folder = make(store)
    with Lines(folder / HISTORY) as lines:
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:5]))
        with pytest.raises(OSError, match="the disk is full"):
            lines.write(event(0, EventType.INVOKE))
    with pytest.raises(HistoryError, match="line 1"):
        folder.history()


def test_a_fault_journal_has_one_line_a_phase(store: Store) -> None:
    folder = make(store)
    record = FaultRecord(
        number=2, kind="kill", what="kill n1", planned_at=1, planned_until=2, status=FaultStatus.SKIPPED
    )
    journal = FaultJournal(folder / FAULTS)
    journal.write("intent", record)
    journal.write("healed", record)
    journal.close()
    lines = (folder / FAULTS).read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=FaultLine) for line in lines] == [
        FaultLine("intent", record),
        FaultLine("healed", record),
    ]
