"""Exploring for real: worker processes, simulated runs, findings that replay, workers that are killed meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from harness.exploration.explorer import Pace, Request, explore
from harness.exploration.worker import MODULE
from harness.results import RunVerdict
from harness.scenario import Scenario
from harness.store import HISTORY, Store
from tests.harness.controller import antipaxos, command, environment
from tests.integration.local_support import require_disks

pytestmark = pytest.mark.integration
SHORT = ("--time", "3s", "--faults", "none")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_valid_seeds_leave_nothing_but_numbers(tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "explore", "--seeds", "0..6", *SHORT, "--jobs", "2", "--json")
    assert done.status == 0, done.err
    told = done.json
    assert (told["verdict"], told["done"], told["failed"], told["findings"]) == ("valid", 6, 0, [])
    assert told["operations"]["ok"] >= 6 * 600
    assert told["run_s"] >= 18
    assert told["counters"]["elections_won"] >= 6
    assert told["measured"]["run_s_per_cpu_s"] > 0
    assert "✔ VALID  6 of 6 seeds (0..6)" in done.err
    assert Store(tmp_path).runs() == []


def test_what_is_told_depends_on_the_seeds_alone(tmp_path: Path) -> None:
    words = ["explore", "--seeds", "3..9", "--time", "4s", "--faults", "kill", "--bug", "local-reads", "--json"]
    told = []
    for jobs in ("1", "3"):
        store = tmp_path / jobs
        store.mkdir()
        data = antipaxos(store, *words, "--jobs", jobs).json
        del data["measured"]
        for finding in data["findings"]:
            assert finding.pop("folder")
        told.append(data)
    assert told[0] == told[1]


def test_violations_are_grouped_kept_and_replayed(tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "explore", "--seeds", "0..4", *SHORT, "--bug", "local-reads", "--jobs", "1", "--json")
    assert done.status == 1, done.err
    found = done.json["findings"]
    stale = next(finding for finding in found if finding["kind"] == "stale-read")
    assert (stale["checker"], stale["verdict"], stale["count"]) == ("linearizable", "violation", 4)
    assert stale["replay"] in done.err
    assert "--place simulated" in stale["replay"]
    assert len(Store(tmp_path).runs()) == done.json["failed"] == 4
    report = antipaxos(tmp_path, "report", stale["folder"], "--json")
    assert report.status == 0, report.err
    assert (report.json["seed"], report.json["store"]) == (stale["first_seed"], stale["folder"])
    assert (Path(stale["folder"]) / "report.html").exists()
    assert (Path(stale["folder"]) / "nodes" / "n1").is_dir()


def test_a_seed_is_the_run_that_the_replay_command_gives_wherever_it_came_in_its_worker(tmp_path: Path) -> None:
    antipaxos(tmp_path, "explore", "--seeds", "0..4", *SHORT, "--bug", "local-reads", "--jobs", "1")
    last = next(result for run in Store(tmp_path).runs() if (result := run.results()) and result.seed == 3)
    again = antipaxos(tmp_path, *last.replay.split()[1:], "--json")
    assert again.status == 1
    for key in ("plan_sha256", "history_sha256", "trace_sha256", "sentence"):
        assert again.json[key] == getattr(last, key)


def test_it_stops_at_the_lowest_failing_seed(tmp_path: Path) -> None:
    words = ["--seeds", "5..50", *SHORT, "--bug", "local-reads", "--stop-at-first", "--json"]
    done = antipaxos(tmp_path, "explore", *words)
    assert done.status == 1
    assert (done.json["stopped_at"], done.json["done"]) == (5, 1)
    assert len(Store(tmp_path).runs()) == 1


def test_faults_that_no_seed_had_are_not_met(tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "explore", "--seeds", "0..2", "--time", "2s", "--faults", "pause", "--json")
    assert done.status == 4
    assert done.json["verdicts"] == {"faults-not-met": 2}
    assert done.json["requirements_never_met"] == ["pause"]


@pytest.mark.parametrize("seeds", ["5..5", "a..b", "0-5"])
def test_seeds_that_are_none(seeds: str, tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "explore", "--seeds", seeds)
    assert done.status == 2
    assert "seeds: " in done.err
    assert list(tmp_path.iterdir()) == []


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Killer:
    """Kills one worker of this process as soon as some seeds are done."""

    def __init__(self) -> None:
        self.killed = 0

    def pace(self, pace: Pace) -> None:
        workers = [pid for pid in children(os.getpid()) if MODULE in Path(f"/proc/{pid}/cmdline").read_text()]
        if not self.killed and pace.done >= 1 and workers:
            self.killed = workers[-1]
            os.kill(self.killed, signal.SIGKILL)


def test_a_worker_that_is_killed_in_mid_run_is_replaced(tmp_path: Path) -> None:
    killer = Killer()
    exploration = explore(asked(tmp_path, range(8), time="8s"), killer)
    assert killer.killed
    (group,) = exploration.tally.groups()
    assert (group.verdict, group.kind) == (RunVerdict.HARNESS_FAILURE, "the worker was killed by SIGKILL")
    assert dict(exploration.tally.verdicts) == {RunVerdict.VALID: 7, RunVerdict.HARNESS_FAILURE: 1}
    assert exploration.exit_code == 5
    result = Store(tmp_path).find(group.folder).results()
    assert result is not None and str(killer.killed) in result.sentence


def asked(store: Path, seeds: range, patch: str = "", **scenario: str) -> Request:
    """Ask for an exploration whose workers run ``patch`` first."""
    program = f"import harness.exploration.worker as worker\n{patch}\nworker.main()  # {MODULE}"
    return Request(
        scenario=Scenario(place="simulated", faults=(), **scenario),  # type: ignore[arg-type]
        seeds=seeds,
        jobs=2,
        store=Store(store),
        started_at=NOW,
        command=(sys.executable, "-P", "-c", program),
    )


class Quiet:
    """Looks at nothing."""

    def pace(self, pace: Pace) -> None:
        pass


BREAKING = """
from harness.simulation.invariants import Invariants
healthy = Invariants._applies
def breaking(self, node, seen, upto, digest):
    if upto == 40 and node.name == "n3":
        self._broken(node, f"has applied slot {upto} in a way nobody likes")
    healthy(self, node, seen, upto, digest)
Invariants._applies = breaking
"""


def test_a_broken_invariant_is_a_violation_with_all_there_was(tmp_path: Path) -> None:
    exploration = explore(asked(tmp_path, range(4), BREAKING, time="3s"), Quiet())
    (group,) = exploration.tally.groups()
    assert (group.verdict, group.checker, group.count, group.first_seed) == (RunVerdict.VIOLATION, "invariants", 4, 0)
    assert group.kind == "n# has applied slot # in a way nobody likes"
    folder = Store(tmp_path).find(group.folder)
    result = folder.results()
    assert result is not None and result.operations.ok > 10
    assert "n3 has applied slot 40" in result.sentence
    assert (folder / HISTORY).exists() and any(folder.node("n3").rglob("*.log"))
    report = antipaxos(tmp_path, "report", group.folder)
    assert report.status == 0 and "VIOLATION" in report.out
    assert "n3 has applied slot 40" in report.out


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("def judge(*_): raise ZeroDivisionError('by 3')\nimport harness.execution as e\ne.judge = judge", "by 3"),
        ("def plan(*_): raise KeyError('no plan')\nimport harness.execution as e\ne.make_plan = plan", "no plan"),
    ],
)
def test_an_exception_is_a_harness_failure_with_its_traceback(patch: str, said: str, tmp_path: Path) -> None:
    exploration = explore(asked(tmp_path, range(2), patch, time="2s"), Quiet())
    (group,) = exploration.tally.groups()
    assert (group.verdict, group.count) == (RunVerdict.HARNESS_FAILURE, 2)
    assert said in group.sentence
    assert exploration.exit_code == 5
    if group.folder:
        assert "ZeroDivisionError" in (Path(group.folder) / "traceback.txt").read_text()
        report = antipaxos(tmp_path, "report", group.folder)
        assert "HARNESS FAILURE" in report.out


def test_a_hanging_seed_says_where_it_hangs(tmp_path: Path) -> None:
    patch = """
import harness.execution
def endless(*_):
    while True: pass
healthy = harness.execution.judge
harness.execution.judge = lambda s, plan, *rest: (endless if plan.seed == 1 else healthy)(s, plan, *rest)
"""
    request = replace(asked(tmp_path, range(3), patch, time="2s"), limit_s=6.0)
    (group,) = explore(request, Quiet()).tally.groups()
    assert (group.first_seed, group.kind) == (1, "the worker did not end within the limit of a seed")
    assert "in endless" in (Path(group.folder) / "worker.stderr").read_text()
    assert (Path(group.folder) / HISTORY).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_exploration_ends_its_workers_and_tells_what_there_is(number: int, tmp_path: Path) -> None:
    words = ["explore", "--seeds", "0..100000", *SHORT, "--jobs", "2", "--json"]
    with subprocess.Popen(
        command(*words),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        workers = wait_for_workers(process.pid)
        time.sleep(1)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    told = msgspec.json.decode(out.splitlines()[-1])
    assert told["interrupted"] and told["exit_code"] == 130
    assert "Traceback" not in err
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def wait_for_workers(pid: int) -> list[int]:
    deadline = time.monotonic() + 30
    while len(found := children(pid)) < 2:
        assert time.monotonic() < deadline, "no workers"
        time.sleep(0.02)
    return found


# -- real processes ---------------------------------------------------------------------------------------------------

POWER = """
name = "power"
nodes = 3
time = "20s"
rate = 100
faults = []
schedule = [
    { at = "1s", until = "1500ms", every = "4s", fault = { type = "power-off", target = "all" } },
]
"""


def living_in(directory: Path) -> list[str]:
    """Return the commands of the processes, and the mounts, that have to do with a directory."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode())
    return [line for line in lines if str(directory) in line]


def test_seeds_on_real_processes_side_by_side(tmp_path: Path) -> None:
    words = ("--seeds", "0..2", "--time", "4s", "--faults", "kill", "--place", "local", "--jobs", "2", "--json")
    done = antipaxos(tmp_path, "explore", *words)
    assert done.status == 0, done.err
    assert (done.json["done"], done.json["failed"]) == (2, 0)
    assert done.json["faults_installed"]["kill"] >= 1
    assert Store(tmp_path).runs() == []
    assert living_in(tmp_path) == []


def test_real_processes_of_seeds_that_are_given_up_are_ended(tmp_path: Path) -> None:
    require_disks()
    scenario = tmp_path / "power.toml"
    scenario.write_text(POWER)
    words = ("--seeds", "0..2", "--place", "local", "--jobs", "2", "--seed-limit", "5s", "--json")
    done = antipaxos(tmp_path, "explore", str(scenario), *words)
    assert done.status == 5, done.err
    assert [finding["kind"] for finding in done.json["findings"]] == [
        "the worker did not end within the limit of a seed"
    ]
    assert living_in(tmp_path) == []
    kept = Store(tmp_path).runs()
    assert len(kept) == 2
    assert all((run / HISTORY).exists() for run in kept)


def test_nothing_is_left_of_real_processes_whose_exploration_was_killed(tmp_path: Path) -> None:
    require_disks()
    scenario = tmp_path / "power.toml"
    scenario.write_text(POWER)
    words = command("explore", str(scenario), "--seeds", "0..2", "--place", "local", "--jobs", "2")
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, env=environment(tmp_path), stdout=quiet, stderr=quiet) as process:
        while not list(tmp_path.glob(".antipaxos-explore-*/*/*/nodes/n1/node.log")):
            time.sleep(0.05)
        process.kill()
    cleaned = antipaxos(tmp_path, "clean")
    assert cleaned.status == 0, cleaned.err
    assert living_in(tmp_path) == []
    assert list(tmp_path.glob(".antipaxos-explore-*")) == []
