"""Shrinking for real: runs of the command line, workers, journals that are cut, and what cannot be shrunk."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.scenario import load
from harness.shrinking.journal import JOURNAL
from harness.store import RESULTS, SCENARIO, RunFolder, Store
from harness.testing import signatures, simulate
from tests.harness.controller import REPOSITORY, antipaxos, command, environment

pytestmark = pytest.mark.integration
RUN = ("--place", "simulated", "--seed", "3", "--time", "10s", "--rate", "40", "--faults", "swarm")


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which reads that ask nobody were caught."""
    store = tmp_path_factory.mktemp("store")
    assert antipaxos(store, "run", *RUN, "--bug", "local-reads").status == 1
    return Store(store).find("latest").path


def copy(failed: Path, to: Path) -> RunFolder:
    """Return a fresh copy of the run in a store of its own."""
    shutil.copytree(failed, to / failed.name, ignore=shutil.ignore_patterns("shrink"))
    return RunFolder(to / failed.name)


def told(data: dict[str, Any]) -> dict[str, Any]:
    """Return what must not depend on where and how fast it was shrunk."""
    return {key: value for key, value in data.items() if key not in ("measured", "scenario", "test", "replay")}


def test_a_failure_is_shrunk_and_its_scenario_and_test_stand_by_themselves(failed: Path, tmp_path: Path) -> None:
    run = copy(failed, tmp_path)
    done = antipaxos(tmp_path, "shrink", run.name, "--json")
    assert done.status == 0, done.err
    data = done.json
    assert data["finished"] and not data["interrupted"]
    assert data["from"]["operations"] == 400 and data["from"]["faults"] > 2
    assert data["to"] == {
        "size": 4,
        "faults": 0,
        "operations": 1,
        "nodes": 2,
        "clients": 1,
        "keys": 1,
        "time_ms": data["to"]["time_ms"],
    }
    assert "✔ SHRUNK  from size" in done.err and "writes 1 to x" in done.err
    assert sum(counted["runs"] for counted in data["passes"].values()) == data["runs"]
    assert data["replay"] in done.err
    again = antipaxos(tmp_path, *data["replay"].split()[1:], "--json")
    assert again.status == 1
    assert data["sentence"] in again.json["sentence"]
    assert tuple(data["signature"]) in signatures(simulate(load(Path(data["scenario"]))))
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", data["test"]],
        cwd=tmp_path,
        env={**environment(tmp_path), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout


def test_the_result_depends_on_neither_jobs_nor_interruptions(failed: Path, tmp_path: Path) -> None:
    one = copy(failed, tmp_path / "one")
    whole = told(antipaxos(tmp_path, "shrink", one.path, "--jobs", "1", "--json").json)
    journal = (one / "shrink" / JOURNAL).read_bytes()
    lines = journal.splitlines(keepends=True)
    for upto in (len(lines) // 3, len(lines) - 1):
        other = copy(failed, tmp_path / str(upto))
        (other / "shrink").mkdir()
        (other / "shrink" / JOURNAL).write_bytes(b"".join(lines[:upto]) + lines[upto][:20])
        data = antipaxos(tmp_path, "shrink", other.path, "--jobs", "3", "--json").json
        assert told(data) == whole
    assert data["measured"]["carried_out"] < len(lines) // 2  # what was known was not carried out again


def test_a_limit_ends_it_early_and_it_goes_on_from_there(failed: Path, tmp_path: Path) -> None:
    run = copy(failed, tmp_path)
    first = antipaxos(tmp_path, "shrink", run.path, "--runs", "6", "--json")
    assert first.status == 0 and not first.json["finished"] and first.json["runs"] == 6
    assert "… NOT FINISHED" in first.err and "its 6 runs are used up" in first.err
    assert tuple(first.json["signature"]) in signatures(simulate(Path(first.json["scenario"])))
    second = antipaxos(tmp_path, "shrink", run.path, "--limit", "2s", "--json")
    if second.status == 0 and not second.json["finished"]:  # a fast machine may well be done by then
        assert "run it again to go on" in second.err
    third = antipaxos(tmp_path, "shrink", run.path, "--json")
    assert third.json["finished"] and third.json["to"]["size"] == 4


def test_interrupted_it_leaves_the_best_so_far(failed: Path, tmp_path: Path) -> None:
    run = copy(failed, tmp_path)
    process = subprocess.Popen(
        command("shrink", run.path, "--jobs", "1"),
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    journal = run / "shrink" / JOURNAL
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 4) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "NOT FINISHED" in said and "run it again to go on" in said
    assert tuple(msgspec.json.decode((run / "shrink" / "shrink.json").read_bytes())["signature"]) in signatures(
        simulate(run / "shrink" / "scenario.toml")
    )
    assert not list(tmp_path.glob(".antipaxos*"))


def test_what_cannot_be_shrunk_is_told(failed: Path, tmp_path: Path) -> None:
    assert (
        antipaxos(tmp_path, "run", "--place", "simulated", "--seed", "1", "--time", "2s", "--faults", "none").status
        == 0
    )
    valid = antipaxos(tmp_path, "shrink")
    assert valid.status == 2
    assert "is valid: there is no failure to shrink" in valid.err
    nothing = antipaxos(tmp_path, "shrink", "nonsense")
    assert nothing.status == 2 and "no run in" in nothing.err
    run = copy(failed, tmp_path)
    limit = antipaxos(tmp_path, "shrink", run.path, "--limit", "soon")
    assert limit.status == 2 and "--limit: 'soon' is no duration" in limit.err
    (run / RESULTS).rename(run / "elsewhere")
    unfinished = antipaxos(tmp_path, "shrink", run.path)
    assert unfinished.status == 2 and "did not come to a result" in unfinished.err


def test_a_failure_that_does_not_come_up_again_is_not_reproduced(failed: Path, tmp_path: Path) -> None:
    run = copy(failed, tmp_path)
    healthy = (run / SCENARIO).read_text().replace('bug = "local-reads"\n', "").replace("simulated", "local")
    run.write(SCENARIO, healthy)
    done = antipaxos(tmp_path, "shrink", run.path)
    assert done.status == 3, done.err
    assert "not reproduced: with its plan and 5 seeds it does not fail in simulation for the same reason" in done.out


def test_a_failure_of_a_real_place_is_shrunk_where_simulation_shows_it_too(failed: Path, tmp_path: Path) -> None:
    run = copy(failed, tmp_path)
    run.write(SCENARIO, (run / SCENARIO).read_text().replace('place = "simulated"', 'place = "local"'))
    done = antipaxos(tmp_path, "shrink", run.path)
    assert done.status == 0, done.err
    assert "the run was on the place local; it fails in simulation for the same reason" in done.out


def test_a_damaged_journal_is_a_harness_failure(failed: Path, tmp_path: Path) -> None:
    run = copy(failed, tmp_path)
    (run / "shrink").mkdir()
    (run / "shrink" / JOURNAL).write_text('{"shrink":1,"start":"another"}\n')
    done = antipaxos(tmp_path, "shrink", run.path)
    assert done.status == 5
    assert "of another run, or of another version; remove the file to begin anew" in done.err
