"""Whole runs on the real local place: real nodes, real faults, and everything a run leaves behind for its reader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from checkers.history import Outcome
from harness.plan import make_plan
from harness.results import RunResult
from harness.scenario import load
from harness.store import ENVIRONMENT, FAULTS, HISTORY, PLAN, REPORT, RESULTS, SCENARIO, RunFolder, Store
from harness.systems.multipaxos import LogReader
from nemesis.faults import EVERYWHERE
from tests.harness.controller import Finished, antipaxos
from tests.integration.local_support import require_namespaces

pytestmark = pytest.mark.integration

SEEDS = {"register": "17857", "append": "2034", "set": "787"}
"""Seeds whose plans of six seconds hold a fault of each kind, begun one after the other."""
WORKLOADS = tuple(SEEDS)


class Whole(NamedTuple):
    """A finished run and its folder."""

    done: Finished
    folder: RunFolder
    store: Path

    @property
    def result(self) -> dict[str, Any]:
        return self.done.json


@pytest.fixture(scope="module", params=WORKLOADS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """Run one workload under all kinds of faults; once for all tests of this module."""
    require_namespaces("userns")
    store = tmp_path_factory.mktemp("store")
    words = ["--seed", SEEDS[request.param], "--time", "6s", "--workload", request.param]
    done = antipaxos(store, "run", *words, "--faults", ",".join(EVERYWHERE), "--json")
    (folder,) = Store(store).runs()
    yield Whole(done, folder, store)
    shutil.rmtree(store)


def test_a_healthy_cluster_is_valid_under_every_kind_of_fault(whole: Whole) -> None:
    assert whole.done.status == 0, whole.done.err
    assert whole.result["verdict"] == "valid", whole.result["sentence"]
    assert {checker["verdict"] for checker in whole.result["checkers"]} == {"valid"}
    installed = {fault["kind"] for fault in whole.result["faults"] if fault["status"] == "installed"}
    assert installed == set(EVERYWHERE)
    assert all(fault["healed"] for fault in whole.result["faults"])
    assert all("operations were left out: their client was" in note for note in whole.result["notes"])


def test_standard_output_holds_one_json_object_and_nothing_else(whole: Whole) -> None:
    assert whole.done.out.count("\n") == 1
    assert whole.result.keys() == set(RunResult.__struct_fields__)
    assert msgspec.json.decode(whole.done.out, type=RunResult) == whole.folder.results()


def test_standard_error_tells_the_run_to_a_person(whole: Whole) -> None:
    for phase in (
        "setting up",
        "waiting for a leader",
        "breaking",
        "recovering",
        "final reads",
        "stopping",
        "checking",
    ):
        assert f"\n{phase}" in whole.done.err
    assert "✔ VALID" in whole.done.err
    assert f"seed {whole.result['seed']}" in whole.done.err
    assert whole.result["replay"] in whole.done.err
    assert "Traceback" not in whole.done.err


def test_the_folder_is_complete(whole: Whole) -> None:
    expected = {SCENARIO, PLAN, ENVIRONMENT, HISTORY, FAULTS, RESULTS, REPORT, "nodes", "cluster"}
    assert {path.name for path in whole.folder.path.iterdir()} == expected
    for node in whole.result["nodes"]:
        assert (whole.folder.node(node) / "node.log").is_file()
        assert LogReader()(node, whole.folder.node(node)).applied_upto > 0
    assert (whole.folder / REPORT).stat().st_size > 10_000
    environment = json.loads((whole.folder / ENVIRONMENT).read_text())
    assert {"python", "kernel", "antipaxos", "packages"} <= environment.keys()


def test_the_plan_is_the_one_that_scenario_and_seed_make(whole: Whole) -> None:
    scenario = load(whole.folder / SCENARIO)
    assert scenario.seed == whole.result["seed"]
    plan = make_plan(scenario, whole.result["seed"])
    assert (whole.folder / PLAN).read_bytes() == plan.canonical()
    assert whole.result["plan_sha256"] == plan.sha256
    printed = antipaxos(whole.store, "plan", whole.folder / SCENARIO)
    assert (printed.status, printed.out) == (0, plan.canonical().decode() + "\n")


def test_the_history_is_the_one_that_was_counted(whole: Whole) -> None:
    operations = whole.folder.history().operations()
    counts = whole.result["operations"]
    assert whole.folder.history_sha256() == whole.result["history_sha256"]
    for outcome in Outcome:
        assert counts[outcome.value] == sum(operation.outcome is outcome for operation in operations)
    assert counts["ok"] > 300


def test_the_journal_of_faults_agrees_with_the_result(whole: Whole) -> None:
    lines = [json.loads(line) for line in (whole.folder / FAULTS).read_text().splitlines()]
    last = {line["record"]["number"]: line["record"] for line in lines}
    assert [last[number] for number in sorted(last)] == whole.result["faults"]
    first: dict[int, str] = {}
    for line in lines:
        first.setdefault(line["record"]["number"], line["phase"])
    assert set(first.values()) <= {"intent", "skipped"}


def test_list_shows_it_and_report_shows_it_again(whole: Whole) -> None:
    listed = antipaxos(whole.store, "list")
    assert listed.status == 0
    assert f"{whole.folder.name}  valid  {whole.result['workload']}" in listed.out
    assert antipaxos(whole.store, "list", "--json").json["verdict"] == "valid"
    (whole.folder / REPORT).unlink()
    shown = antipaxos(whole.store, "report", "--json")
    assert shown.status == 0
    assert shown.json["history_sha256"] == whole.result["history_sha256"]
    assert "✔ VALID" in shown.err
    assert (whole.folder / REPORT).is_file()


def test_its_history_can_be_checked_alone(whole: Whole) -> None:
    history = whole.folder / HISTORY
    if whole.result["workload"] == "set":
        refused = antipaxos(whole.store, "check", history, "--model", "list-append")
        assert refused.status == 2
        assert "does not know the operation add" in refused.err
        return
    model = {"register": "cas-register", "append": "list-append"}[whole.result["workload"]]
    checked = antipaxos(whole.store, "check", history, "--model", model, "--json")
    assert (checked.status, checked.json["verdict"]) == (0, "valid"), checked.err
    assert checked.json["operations"] == whole.result["operations"]


def test_cleaning_after_a_run_in_good_order_finds_nothing(whole: Whole) -> None:
    cleaned = antipaxos(whole.store, "clean")
    assert (cleaned.status, cleaned.out) == (0, "nothing was left behind\n")
