"""The command that repeats a run, and what a run that came to no proper end says of what was required."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness import execution
from harness.cli import app
from harness.execution import replay_command
from harness.exploration.findings import report
from harness.plan import make_plan
from harness.results import RunVerdict
from harness.scenario import Scenario, Timed, changed, dump, load
from harness.seeds import SEED_MAX
from harness.testing import simulate
from nemesis.faults import DiskSlow, Kill, PowerOff
from tests.harness.scenarios import scenarios


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (Scenario(), ""),
        (Scenario(name="mine", seed=4), ""),
        (Scenario(nodes=3, time="1m30s", rate=50), "--nodes 3 --time 1m30s --rate 50"),
        (
            Scenario(workload="set", mode="loopback", bug="local-reads"),
            "--workload set --mode loopback --bug local-reads",
        ),
        (Scenario(faults=("pause", "kill")), "--faults pause,kill"),
        (Scenario(faults=()), "--faults none"),
    ],
)
def test_flags_where_they_say_it_all(scenario: Scenario, words: str, tmp_path: Path) -> None:
    assert replay_command(scenario, 17, tmp_path) == f"antipaxos run --seed 17 {words}".strip()


@pytest.mark.parametrize(
    "more",
    [
        {"schedule": (Timed(at="1s", until="2s", fault=Kill("n1")),)},
        {"require": ()},
        {"operation_timeout": "1s"},
        {"recovery": "10s"},
        {"node": {"window_max": 1}},
    ],
)
def test_a_file_where_flags_do_not_say_it_all(more: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    scenario = Scenario(**more)
    assert shlex.split(replay_command(scenario, 17, folder)) == ["antipaxos", "run", f"{folder}/scenario.toml"]
    assert replay_command(scenario, 17) == "antipaxos run SCENARIO.toml"


@given(scenarios(time_max_ms=10_000, rate_max=20), st.integers(0, SEED_MAX))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
def test_the_command_makes_the_same_plan_again(
    tmp_path_factory: pytest.TempPathFactory, scenario: Scenario, seed: int
) -> None:
    """The plan is printed by the ``plan`` command, which takes the same words but for those that no plan depends on."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "scenario.toml").write_text(dump(changed(scenario, seed=seed)))
    words = shlex.split(replay_command(scenario, seed, folder))[2:]
    for flag in ("--mode", "--place", "--bug"):
        if flag in words:
            del words[words.index(flag) : words.index(flag) + 2]
    done = CliRunner().invoke(app, ["plan", *words])
    assert done.exit_code == 0, done.output
    assert done.stdout_bytes == make_plan(scenario, seed).canonical() + b"\n"


def test_the_scenario_that_is_kept_holds_the_seed(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(dump(changed(Scenario(), seed=17)))
    assert tomllib.loads(path.read_text())["seed"] == load(path).seed == 17


# -- what was required of a run that came to no proper end ------------------------------------------------------------


def test_a_run_that_an_invariant_ends_has_met_what_had_happened_by_then() -> None:
    slow = Timed(at="1s", until="8s", fault=DiskSlow("all", 100))
    off = Timed(at="2s", until="3s", fault=PowerOff("all"))
    required = ("disk-slow", "seconds(disk-slow)>=1", "seconds(disk-slow)>=6", "kill", "ok(faults)>=1", "elections_won")
    early = Scenario(time="9s", rate=300, faults=(), schedule=(slow, off), bug="early-ack", require=required)
    result = simulate(early, 3)
    assert result.checkers[0].name == "invariants" and result.verdict is RunVerdict.VIOLATION
    assert list(result.unmet) == ["seconds(disk-slow)>=6", "kill"]
    (exposed,) = [exposure for exposure in result.coverage if exposure.kind == "disk-slow"]
    assert 1 <= exposed.seconds < 6, "no longer than the run went on"


def test_nobody_can_tell_what_a_run_has_met_that_could_not_be_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(*_: object) -> None:
        raise OSError("as it were")

    monkeypatch.setattr(execution, "judge", judge)
    result = simulate(Scenario(time="6s", rate=50, faults=("kill",)), 3)
    assert result.verdict is RunVerdict.HARNESS_FAILURE
    assert result.unmet == {"kill": "kill was required, and nobody can tell: the run failed"}
    assert report(result, 0, 0, None).met == ()
