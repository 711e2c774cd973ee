"""Scenarios: TOML there and back, and for everything that is misspelt an error that suggests what was meant."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from harness.scenario import (
    OPERATIONS_MAX,
    Scenario,
    ScenarioError,
    Timed,
    TimedOperation,
    changed,
    dump,
    from_data,
    load,
)
from nemesis.faults import Kill, Partition
from tests.harness.scenarios import scenarios


@given(scenarios())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_every_scenario_comes_back_from_toml(scenario: Scenario) -> None:
    assert from_data(tomllib.loads(dump(scenario))) == scenario


def test_the_default_scenario() -> None:
    scenario = from_data({})
    assert scenario == Scenario()
    assert (scenario.time_ms, scenario.operation_timeout_ms, scenario.recovery_ms) == (45_000, 2_000, 30_000)
    assert scenario.planned_operations == 9_000
    assert scenario.node_names == ("n1", "n2", "n3", "n4", "n5")
    assert scenario.required == ("partition", "kill")


FULL = """
name = "stale-reads"
time = 20
operation_timeout = 0.5
recovery = "10s"
nodes = 3
faults = []
require = ["kill"]
bug = "local-reads"
[node]
window_max = 1
[[schedule]]
at = 2
until = "4s500ms"
fault = { type = "kill", target = "n1+n3" }
[[schedule]]
at = "3s"
until = 9.5
fault = { type = "partition", grudge = { n1 = ["n2"] } }
"""


def test_a_file_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "stale.toml"
    path.write_text(FULL)
    scenario = load(path)
    assert scenario.time == "20s"
    assert scenario.operation_timeout == "500ms"
    assert scenario.schedule == (
        Timed(at="2s", until="4s500ms", fault=Kill("n1+n3")),
        Timed(at="3s", until="9s500ms", fault=Partition(grudge={"n1": ("n2",)})),
    )
    assert scenario.node == {"window_max": 1}


def scheduled(fault: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schedule": [{"at": "1s", "until": "2s", **more, "fault": fault}]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sed": 3}, "unknown key 'sed'; did you mean 'seed'?"),
        ({"zzzz": 3}, "unknown key 'zzzz'; there are: bug, clocks, concurrency"),
        ({"workload": "registre"}, "workload: unknown value 'registre'; did you mean 'register'?"),
        ({"faults": ["partitoin"]}, "faults: unknown value 'partitoin'; did you mean 'partition'?"),
        ({"require": ["kil"]}, "require: 'kil': unknown fault or rare event 'kil'; did you mean 'kill'?"),
        ({"mode": "usrns"}, "mode: unknown value 'usrns'; did you mean 'userns'?"),
        ({"system": "etcd"}, "system: unknown value 'etcd'; there are: multipaxos"),
        ({"place": "locl"}, "place: unknown value 'locl'; did you mean 'local'?"),
        ({"place": "ssh"}, "place: 'ssh' is planned but not built yet"),
        ({"bug": "local_reads"}, "bug: unknown planted bug 'local_reads'; did you mean 'local-reads'?"),
        ({"node": {"windw_max": 3}}, "node: unknown setting 'windw_max'; did you mean 'window_max'?"),
        ({"node": {"me": 3}}, "node: unknown setting 'me'"),
        (scheduled({"type": "kill"}, untill="3s"), "schedule[0]: unknown key 'untill'; did you mean 'until'?"),
        (scheduled({"type": "kill", "targt": "n1"}), "schedule[0].fault: unknown key 'targt'; did you mean 'target'?"),
        (scheduled({"type": "kill", "shape": "one"}), "schedule[0].fault: key 'shape' does not belong here"),
        (scheduled({"type": "kil"}), "schedule[0].fault.type: unknown fault 'kil'; did you mean 'kill'?"),
        (scheduled({"type": "kill", "target": "leeder"}), "unknown target 'leeder'; did you mean 'leader'?"),
        (scheduled({"type": "pause", "target": "n1+n6"}), "schedule[0].fault.target: unknown target 'n6'"),
        (scheduled({"type": "partition", "grudge": {"n1": ["m2"]}}), "unknown node 'm2'; did you mean 'n2'?"),
        (scheduled({"type": "partition", "grudge": {"m1": ["n2"]}}), "unknown node 'm1'; did you mean 'n1'?"),
        (scheduled({"type": "partition", "shape": "halfs"}), "no shape 'halfs'; there are: halves"),
    ],
)
def test_what_is_misspelt_is_told_what_was_meant(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_data(data)
    assert message in str(caught.value)


REPEATED = """
time = "8s"
faults = []
[[schedule]]
at = "1s"
until = "1300ms"
every = "2s"
fault = { type = "kill", target = "leader" }
[[schedule]]
at = 0
until = 1
fault = { type = "pause" }
[[schedule]]
at = "2s"
until = "4s"
every = 2
order = ["n3", "n2", "n1", "n5", "n4"]
fault = { type = "pause" }
"""


def test_a_fault_that_comes_again_is_written_out_as_often_as_it_ends_before_the_run() -> None:
    scenario = from_data(tomllib.loads(REPEATED))
    assert [(timed.at, timed.until) for timed in scenario.schedule] == [
        *(("1s", "1s300ms"), ("3s", "3s300ms"), ("5s", "5s300ms"), ("7s", "7s300ms")),
        ("0s", "1s"),
        *(("2s", "4s"), ("4s", "6s"), ("6s", "8s")),
    ]
    assert {timed.fault for timed in scenario.schedule[:4]} == {Kill("leader")}
    assert [timed.order is not None for timed in scenario.schedule] == [False] * 5 + [True] * 3
    assert from_data(tomllib.loads(dump(scenario))) == scenario


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (scheduled({"type": "kill"}, every="soon"), "schedule[0].every: 'soon' is no duration"),
        (scheduled({"type": "kill"}, every=[1]), "schedule[0].every: [1] is no duration"),
        (scheduled({"type": "kill"}, every="0s"), "schedule[0].every: 0s comes more than 10000 times"),
        (scheduled({"type": "kill"}, every="1ms"), "schedule[0].every: 1ms comes more than 10000 times"),
        (scheduled({"type": "kill"}, evry="1s"), "schedule[0]: unknown key 'evry'; did you mean 'every'?"),
        (scheduled({"type": "kil"}, every="1s"), "schedule[0].fault.type: unknown fault 'kil'"),
        ({"schedule": [*scheduled({"type": "kill"}, every="1s")["schedule"], 7]}, "schedule[1]"),
    ],
)
def test_a_repetition_that_cannot_be_names_its_place(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_data(data)
    assert message in str(caught.value)


def operation(**more: Any) -> dict[str, Any]:
    return {"operations": [{"at": "1s", "client": 0, "f": "write", "key": "x", "value": 1} | more]}


TXN = {"workload": "txn-append"}


def test_operations_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    path.write_text("""
operations = [
    { at = 1.5, client = 0, f = "write", key = "x", value = 3 },
    { at = "1s600ms7ns", client = 1, f = "read", key = "x" },
]
[[schedule]]
at = "1s"
until = "2s"
order = ["n2", "n1", "n3", "n5", "n4"]
fault = { type = "kill" }
""")
    scenario = load(path)
    assert scenario.operations == (
        TimedOperation(at="1s500ms", client=0, f="write", key="x", value=3),
        TimedOperation(at="1s600ms7ns", client=1, f="read", key="x"),
    )
    assert scenario.planned_operations == 2
    assert scenario.schedule[0].order == ("n2", "n1", "n3", "n5", "n4")


def test_no_operations_at_all_is_not_the_same_as_none_given() -> None:
    scenario = from_data(tomllib.loads(dump(Scenario(operations=()))))
    assert scenario.operations == () and scenario.planned_operations == 0
    assert from_data({}).operations is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (operation(at="45s"), "operations[0]: an operation at 45s is not before the run's end at 45s"),
        (operation(at="soon"), "operations[0].at: 'soon' is no duration"),
        (operation(client=10), "operations[0].client: 10 is not between 0 and 9"),
        (operation(f="wrte"), "operations[0].f: unknown operation 'wrte'; did you mean 'write'?"),
        (operation(f="append"), "operations[0].f: unknown operation 'append'"),
        (operation(key=""), "operations[0].key: not 1 to 64 characters"),
        (operation(f="read"), "operations[0]: a read has no value"),
        (operation(value=None), "operations[0]: a read has no value, and everything else has one"),
        (operation(value=2**60), "operations[0].value: "),
        (operation(value="3"), "operations[0]: the value of write is an integer, not '3'"),
        (operation(f="txn") | TXN, "operations[0]: a transaction is a text like 'r xa; append xb 1'"),
        (
            operation(f="txn", value="w xa 1") | TXN,
            "operations[0]: 'w xa 1' is neither 'r KEY' nor 'append KEY NUMBER'",
        ),
        (operation(f="txn", value="r y") | TXN, "operations[0]: 'y' is no key of the group 'x': xa to e"),
        (operation(clinet=3), "operations[0]: unknown key 'clinet'; did you mean 'client'?"),
        (scheduled({"type": "kill"}, order=["n1"]), "schedule[0].order: must name each of n1, n2, n3, n4, n5 once"),
    ],
)
def test_operations_that_cannot_be_carried_out(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_data(data)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"nodes": 0}, "nodes: 0 is not between 1 and 25"),
        ({"nodes": 26}, "nodes: 26 is not between"),
        ({"nodes": True}, "Expected `int`, got `bool` - at `$.nodes`"),
        ({"nodes": "5"}, "Expected `int`, got `str` - at `$.nodes`"),
        ({"rate": 0}, "rate: 0 is not between"),
        ({"rate": 2.5}, "Expected `int`, got `float`"),
        ({"concurrency": 501}, "concurrency: 501"),
        ({"seed": -1}, "seed: -1"),
        ({"seed": 2**63}, "seed: 9223372036854775808"),
        ({"time": "45 seconds"}, "time: '45 seconds' is no duration"),
        ({"time": -5}, "time: -5 is negative"),
        ({"time": float("inf")}, "time: inf is not finite"),
        ({"time": float("nan")}, "time: nan is not finite"),
        ({"time": True}, "Expected `str`, got `bool`"),
        ({"time": "0s"}, "time: must be longer than nothing"),
        ({"recovery": 0}, "recovery: must be longer than nothing"),
        ({"operation_timeout": "0ms"}, "operation_timeout: must be longer than nothing"),
        ({"time": "1ms"}, "rate × time is 0 operations"),
        ({"time": "1h", "rate": 20_000}, f"rate × time is 72000000 operations, not 1 to {OPERATIONS_MAX}"),
        ({"faults": "kill"}, "Expected `array`, got `str`"),
        ({"faults": ["kill", "partition", "kill"]}, "faults: 'kill' is named twice"),
        ({"name": ""}, "name: ''"),
        ({"name": "../x"}, "name: '../x'"),
        ({"name": ".hidden"}, "name: '.hidden'"),
        ({"name": "x" * 151}, "name: longer than 150 bytes"),
        (scheduled({"type": "kill"}, until="1s"), "schedule[0]: a fault ends at 1s, not after it begins at 1s"),
        (scheduled({"type": "kill"}, until="46s"), "schedule[0]: a fault ends at 46s, after the run's time of 45s"),
        (scheduled({"type": "kill"}, at="soon"), "schedule[0].at: 'soon' is no duration"),
        (scheduled({"type": "kill"}, at=-1), "schedule.at: -1 is negative"),
        (scheduled({"type": "kill", "target": "n1,n2"}), "is neither of leader"),
        ({"schedule": ["kill"]}, "$.schedule[0]"),
        ({"schedule": [{"at": "1s", "fault": {"type": "kill"}}]}, "until"),
        ({"node": {"window_max": "1"}}, "node.window_max: '1' is not a number"),
        ({"node": {"detector": 8}}, "node.detector: 8 is not a word"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_key(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_data(data)
    assert message in str(caught.value)


def test_a_fault_may_last_to_the_very_end() -> None:
    assert from_data(scheduled({"type": "kill"}, until="45s")).schedule[0].until == "45s"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"nodes = ", "Invalid value"),
        (b"name = '\xff'", "utf-8"),
        (b"workload = 'registr'", "did you mean 'register'?"),
        (None, "No such file or directory"),
    ],
)
def test_a_bad_file_is_named(content: bytes | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert why in str(caught.value)


def test_a_folder_is_no_scenario(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"Is a directory"):
        load(tmp_path)


def test_changes_are_checked_like_the_rest_and_none_changes_nothing() -> None:
    scenario = Scenario(nodes=3)
    assert changed(scenario, nodes=None, rate=5) == Scenario(nodes=3, rate=5)
    assert changed(scenario, faults=()).faults == ()
    with pytest.raises(ScenarioError, match="did you mean 'append'"):
        changed(scenario, workload="apend")
    with pytest.raises(ScenarioError, match="after the run's time of 6s"):
        changed(from_data(scheduled({"type": "kill"}, until="7s")), time="6s")


def test_all_kinds_that_are_asked_for_are_required_unless_it_says_which() -> None:
    data = scheduled({"type": "pause"})
    assert from_data({**data, "faults": ["kill"]}).required == ("kill", "pause")
    assert from_data({**data, "faults": ["pause"]}).required == ("pause",)
    assert from_data({**data, "require": ["kill"]}).required == ("kill",)
    assert from_data({**data, "require": []}).required == ()


def test_what_is_not_set_is_not_written() -> None:
    assert not {"seed", "require", "bug"} & tomllib.loads(dump(Scenario())).keys()


def test_every_key_is_documented() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "scenarios.md").read_text()
    rows = "".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    assert set(rows.replace("`", " ").replace(",", " ").split()) == set(Scenario.__struct_fields__)


@pytest.mark.parametrize("require", [["kill>=3"], ["partition.leader", "seconds(partition)>=5", "noops_filled>=1"]])
def test_requirements_are_written_back_as_they_were(require: list[str]) -> None:
    scenario = from_data({"require": require, "intensity": "low"})
    assert from_data(tomllib.loads(dump(scenario))) == scenario
    assert scenario.required == tuple(require)


def test_a_package_is_required_as_a_whole() -> None:
    assert from_data({"faults": ["clock", "kill"]}).required == ("clock", "kill")
