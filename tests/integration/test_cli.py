"""The command line without a run: usage errors end with status 2 and a suggestion, and nothing is started for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.plan import make_plan
from harness.scenario import Scenario
from tests.harness.controller import antipaxos

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workload", "registre"], "unknown value 'registre'; did you mean 'register'?"),
        (["--faults", "kill,partitoin"], "unknown value 'partitoin'; did you mean 'partition'?"),
        (["--mode", "usrns"], "did you mean 'userns'?"),
        (["--place", "docker"], "place: unknown value 'docker'; there are: local"),
        (["--intensity", "hihg"], "intensity: unknown value 'hihg'; did you mean 'high'?"),
        (["--require", "kil>=3"], "require: 'kil>=3': unknown fault or rare event 'kil'; did you mean 'kill'?"),
        (["--faults", "clok"], "unknown value 'clok'; did you mean 'clock'?"),
        (["--bug", "local-read"], "did you mean 'local-reads'?"),
        (["--time", "5x"], "time: '5x' is no duration"),
        (["--time", "0s"], "time: must be longer than nothing"),
        (["--nodes", "0"], "nodes: 0 is not between 1 and 25"),
        (["--seed", "-1"], "seed: -1 is not between"),
        (["--rate", "lots"], "Invalid value for '--rate'"),
        (["--sed", "1"], "--seed"),
        (["nowhere.toml"], "nowhere.toml: No such file or directory"),
    ],
)
def test_a_run_that_is_asked_for_wrongly(words: list[str], said: str, tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "run", *words, "--json")
    assert done.status == 2
    assert said in done.err.replace("\n", " ")
    assert "Traceback" not in done.err
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_scenario_with_a_misspelt_key_names_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("nods = 3\n")
    done = antipaxos(tmp_path, "run", "mine.toml")
    assert done.status == 2
    assert "mine.toml: unknown key 'nods'; did you mean 'nodes'?" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan"], "a plan needs a seed: --seed N"),
        (["report"], "is named 'latest'; `antipaxos list` shows them"),
        (["report", "2026"], "is named '2026'"),
        (["check", "nowhere", "--model", "cas-register"], "nowhere: No such file or directory"),
        (["check", "nowhere"], "nowhere: No such file or directory"),
        (["rum"], "rum"),
    ],
)
def test_other_commands_that_are_asked_wrongly(words: list[str], said: str, tmp_path: Path) -> None:
    done = antipaxos(tmp_path, *words)
    assert done.status == 2
    assert said in done.err.replace("\n", " ")
    assert "Traceback" not in done.err


def test_an_empty_store_is_no_error(tmp_path: Path) -> None:
    listed = antipaxos(tmp_path, "list")
    assert listed.status == 0
    assert "no runs in" in listed.out
    assert antipaxos(tmp_path, "list", "--json").out == ""
    assert antipaxos(tmp_path, "clean").out == "nothing was left behind\n"


def test_flags_override_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('nodes = 3\ntime = "30s"\nseed = 4\nworkload = "set"\n')
    done = antipaxos(tmp_path, "plan", "mine.toml", "--time", "9s", "--faults", "none", "--seed", "5")
    expected = make_plan(Scenario(nodes=3, time="9s", workload="set", faults=()), 5)
    assert (done.status, done.out) == (0, expected.canonical().decode() + "\n")


def test_the_seed_of_the_file_holds_where_no_flag_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('time = "9s"\nseed = 4\n')
    expected = make_plan(Scenario(time="9s"), 4)
    assert antipaxos(tmp_path, "plan", "mine.toml").out == expected.canonical().decode() + "\n"


HISTORY = """\
{"index":0,"process":0,"type":"invoke","f":"read","value":null,"key":"x","time":null}
{"index":1,"process":0,"type":"ok","f":"read","value":3,"key":"x","time":null}
"""


@pytest.mark.parametrize(("initial", "status", "verdict"), [("3", 0, "valid"), ("4", 1, "violation")])
def test_check_ends_as_its_verdict_says(initial: str, status: int, verdict: str, tmp_path: Path) -> None:
    (tmp_path / "h").write_text(HISTORY)
    done = antipaxos(tmp_path, "check", "h", "--model", "register", "--initial", initial, "--json")
    assert (done.status, done.json["verdict"]) == (status, verdict)
    assert done.out.count("\n") == 1
    assert verdict.upper() in done.err


def test_check_of_a_damaged_file_is_a_usage_error_that_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "h").write_text(HISTORY + '{"index":2,"pro')
    done = antipaxos(tmp_path, "check", "h", "--model", "register")
    assert done.status == 2
    assert "h, line 3: " in done.err


def test_the_version_is_told(tmp_path: Path) -> None:
    assert antipaxos(tmp_path, "--version").out.startswith("antipaxos ")
