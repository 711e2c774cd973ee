"""Candidates: a run said as a scenario is the same run, byte for byte; sizes and the order; what is left in words."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from harness.exploration.findings import Finding, Signature
from harness.plan import make_plan
from harness.results import RunVerdict
from harness.scenario import Scenario, ScenarioError, from_data, load
from harness.shrinking.candidate import of_plan, sha256, size, sort_key, to_scenario
from harness.shrinking.outputs import expectation, regression_name, regression_text, scenario_text, shrunk_name
from harness.shrinking.plainness import fault_weight, lower_numbers, plainer
from harness.shrinking.story import story
from harness.testing import signatures, simulate
from nemesis.delays import Distribution
from nemesis.faults import KINDS, DiskSlow, Kill, LinkFault, Partition, PowerOff
from nemesis.swarm import STRENGTHS

SIGNATURE = Signature(RunVerdict.VIOLATION, "invariants", "n# has another state: #, not #")
FINDING = Finding(SIGNATURE, 'at 1 s: n1 said """this""" \\ that, ' + "and more " * 30)
SWARM = Scenario(place="simulated", faults=("swarm",), time="20s", rate=30, bug="double-apply")


@pytest.mark.parametrize("workload", ["register", "append", "set", "txn-append", "txn-register"])
@pytest.mark.parametrize("seed", [1, 17])
def test_a_run_said_operation_by_operation_is_the_same_plan(workload: str, seed: int) -> None:
    scenario = msgspec.structs.replace(SWARM, workload=workload)
    plan = make_plan(scenario, seed)
    said = to_scenario(scenario, of_plan(scenario, plan), seed)
    assert from_data(tomllib.loads(scenario_text(said, FINDING, "r"))) == said
    assert make_plan(said, seed) == plan


def test_and_the_same_run() -> None:
    plan = make_plan(SWARM, 3)
    one, other = simulate(SWARM, 3), simulate(to_scenario(SWARM, of_plan(SWARM, plan), 3))
    assert (one.history_sha256, one.trace_sha256) == (other.history_sha256, other.trace_sha256)
    assert signatures(one) == signatures(other)


def test_size_counts_faults_operations_nodes_and_clients() -> None:
    candidate = of_plan(SWARM, make_plan(SWARM, 1))
    assert size(candidate) == len(candidate.faults) + 600 + 5 + 10
    assert sort_key(candidate) == sort_key(candidate)


def test_another_seed_is_another_run() -> None:
    candidate = of_plan(SWARM, make_plan(SWARM, 1))
    assert sha256(to_scenario(SWARM, candidate, 1)) != sha256(to_scenario(SWARM, candidate, 2))


# -- plainness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_plainer_faults_are_of_the_same_kind_and_lighter(kind: str) -> None:
    for fault in [one for strength in STRENGTHS.get(kind, ()) for one in strength] or [KINDS[kind]()]:
        others = list(plainer(fault, ("n1", "n2", "n3")))
        assert all(type(other) is type(fault) for other in others)
        assert all(fault_weight(other) < fault_weight(fault) for other in others)


@pytest.mark.parametrize(
    ("lighter", "heavier"),
    [
        (Partition("leader"), Partition("bridge")),
        (Partition("majorities-ring"), Partition(grudge={"n1": ("n2",)})),
        (Kill("leader"), Kill("n1")),
        (Kill("n1"), Kill("n1+n2")),
        (Kill("n1+n2"), Kill("all")),
        (PowerOff("one"), PowerOff("one", mode="torn")),
        (DiskSlow("one", 1_000), DiskSlow("one", 0)),
        (LinkFault(delay_max_us=90_000), LinkFault(delay_max_us=10, loss_ppm=10)),
        (LinkFault(delay_max_us=90_000), LinkFault(delay_max_us=10, held_us=10)),
        (LinkFault(delay_max_us=90_000), LinkFault(delay_max_us=10, distribution=Distribution.PARETO)),
    ],
)
def test_what_is_plainer(lighter: Partition, heavier: Partition) -> None:
    assert fault_weight(lighter) < fault_weight(heavier)


def test_a_rate_is_left_out_before_it_is_made_lower() -> None:
    limited = LinkFault(delay_max_us=5, rate_kbit_per_s=800, queue_bytes=9_000)
    assert LinkFault(delay_max_us=5, rate_kbit_per_s=800) in plainer(limited, ("n1", "n2"))
    assert LinkFault(delay_max_us=5) in plainer(LinkFault(delay_max_us=5, rate_kbit_per_s=800), ("n1", "n2"))
    alone = LinkFault("one", delay_max_us=0, rate_kbit_per_s=800)
    assert all(isinstance(other, LinkFault) and other.rate for other in plainer(alone, ("n1", "n2")))


def test_lower_numbers_are_few_round_and_of_the_same_sign() -> None:
    assert lower_numbers(0) == []
    assert lower_numbers(1) == [0]
    assert lower_numbers(12_345) == [0, 10, 100, 1_000, 3_000, 6_000, 9_000, 10_000]
    assert lower_numbers(-500) == [0, -5, -50, -100, -200, -300]


# -- outputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bug", [None, "local-reads"])
def test_the_head_says_what_is_expected(bug: str | None) -> None:
    text = scenario_text(msgspec.structs.replace(SWARM, bug=bug), FINDING, "20260101T000000-default-s1")
    assert expectation(text) == (SIGNATURE, bug is not None)
    assert all(len(line) <= 120 for line in text.splitlines() if line.startswith("# ") and "expects" not in line)
    assert expectation("# nothing\nname = 'x'") is None


@pytest.mark.parametrize(
    ("signature", "name"),
    [
        (Signature(RunVerdict.VIOLATION, "linearizable", "stale-read"), "test_linearizable_stale_read"),
        (
            Signature(RunVerdict.VIOLATION, "linearizable", "stale-read (beyond the model)"),
            "test_linearizable_stale_read",
        ),
        (
            Signature(
                RunVerdict.VIOLATION,
                "recovery",
                "#s after everything was healed: n# is not running (exit status #); n# lags by # slots.",
            ),
            "test_recovery_not_running",
        ),
        (
            Signature(RunVerdict.VIOLATION, "invariants", "n# accepts another value for slot # in # than # had chosen"),
            "test_invariants_accepts_another_value",
        ),
        (
            Signature(
                RunVerdict.VIOLATION, "invariants", "n# has forgotten what it had answered for: slot #, accepted"
            ),
            "test_invariants_forgotten_answered",
        ),
        (Signature(RunVerdict.VIOLATION, "node-audit", "#"), "test_node_audit"),
    ],
)
def test_the_name_of_a_test_is_the_checker_and_a_few_words(signature: Signature, name: str) -> None:
    assert regression_name(signature) == name


@pytest.mark.parametrize(
    ("name", "shrunk"),
    [
        ("default", "default-shrunk"),
        ("default-shrunk", "default-shrunk"),
        ("long" * 37, "long" * 35 + "lon-shrunk"),
        ("ü" * 75, "ü" * 71 + "-shrunk"),
    ],
)
def test_the_name_of_a_shrunken_scenario_is_one(name: str, shrunk: str) -> None:
    assert shrunk_name(name) == shrunk
    assert Scenario(name=shrunk).name == shrunk


@pytest.mark.parametrize("bug", [None, "local-reads"])
def test_the_test_that_is_written_is_one(bug: str | None) -> None:
    text = regression_text(msgspec.structs.replace(SWARM, bug=bug), FINDING, "run")
    compile(text, "test.py", "exec")
    name = regression_name(SIGNATURE)
    assert name == "test_invariants_another_state"
    assert f"def {name}() -> None:" in text
    assert ("SIGNATURE in signatures(result)" in text) is (bug is not None)


def test_a_written_test_passes_as_long_as_a_planted_bug_is_found(tmp_path: Path) -> None:
    best = Path(__file__).parent / "best" / "local-reads.toml"
    signature = Signature(RunVerdict.VIOLATION, "linearizable", "stale-read")
    (tmp_path / "scenario.toml").write_text(best.read_text())
    for bug, passes in (("local-reads", True), (None, False)):
        scenario = msgspec.structs.replace(load(best), bug=bug)
        space = {"__file__": str(tmp_path / "test_it.py"), "__name__": "test_it"}
        exec(regression_text(scenario, Finding(signature, "stale"), "run"), space)
        check = space["test_linearizable_stale_read"]
        if passes:
            check()  # type: ignore[operator]
        else:
            with pytest.raises(AssertionError, match=r"again: antipaxos run .*scenario.toml"):
                check()  # type: ignore[operator]


def test_a_test_needs_a_seed() -> None:
    with pytest.raises(ScenarioError, match="seed: a test needs one"):
        simulate(Scenario(time="1s"))


def test_the_story_tells_faults_and_operations_by_time() -> None:
    path = Path(__file__).parent / "best" / "first-report.toml"
    scenario = load(path)
    assert scenario.seed is not None
    lines = story(of_plan(scenario, make_plan(scenario, scenario.seed)), simulate(scenario).faults)
    assert lines[0] == "  0.0988 s  client 0 (at home with n1) writes 1 to x"
    assert lines[1].startswith("     0.1 s  partition leader: {n") and lines[1].endswith(", until 0.67 s")
    assert lines[2].startswith("   0.665 s  kill n") and lines[2].endswith(", until 2.9 s")
    assert lines[3] == "      then  everything is healed, and the harness reads x"
