"""Whole simulated runs of transactions on our node: a healthy one is valid, stale reads and early answers are not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from checkers.history import EventType
from harness.execution import carry_out, prepare
from harness.exploration.worker import Unwatched
from harness.results import RunResult, RunVerdict
from harness.scenario import Scenario
from harness.store import Store
from harness.systems.multipaxos import store_operation
from node import kv
from workloads.base import Operation

CHECKERS = {"txn-append": "list-append-transactions", "txn-register": "register-transactions"}
both = pytest.mark.parametrize("workload", CHECKERS)


def run(folder: Path, workload: str, bug: str | None = None) -> RunResult:
    scenario = Scenario(
        place="simulated",
        nodes=3,
        time="6s",
        workload=workload,
        faults=("partition", "kill"),
        require=(),
        bug=bug,
        invariants=False,
    )
    return carry_out(prepare(scenario, 1, Store(folder), datetime.now(UTC)), Unwatched()).result


@both
def test_the_healthy_node_is_strictly_serializable(workload: str, tmp_path: Path) -> None:
    result = run(tmp_path, workload)
    assert result.verdict is RunVerdict.VALID, result.sentence
    judged = next(checker for checker in result.checkers if checker.name == CHECKERS[workload])
    assert judged.statistics["transactions"] > 500
    assert min(judged.statistics[kind] for kind in ("ww", "wr", "rw")) > 20


@both
@pytest.mark.parametrize("bug", ["local-reads", "early-reply"])
def test_a_planted_bug_is_caught_by_the_transactions_themselves(workload: str, bug: str, tmp_path: Path) -> None:
    result = run(tmp_path, workload, bug)
    assert result.verdict is RunVerdict.VIOLATION
    judged = next(checker for checker in result.checkers if checker.name == CHECKERS[workload])
    assert judged.verdict == "invalid"
    assert judged.anomalies[0].operations


def test_a_history_holds_what_the_reads_saw(tmp_path: Path) -> None:
    run(tmp_path, "txn-append")
    events = [event for event in Store(tmp_path).find("latest").history().events if event.f == "txn"]
    invoked = [event for event in events if event.type is EventType.INVOKE]
    ended = [event for event in events if event.type is EventType.OK]
    assert all(step[2] is None for event in invoked for step in event.value if step[0] == "r")
    assert any(step[2] for event in ended for step in event.value if step[0] == "r")


def test_a_transaction_is_one_operation_of_the_store() -> None:
    steps = [["r", "x", None], ["append", "x", 1], ["w", "y", 2]]
    assert store_operation(Operation("txn", "t0", steps)) == kv.Txn((kv.Read("x"), kv.Append("x", 1), kv.Write("y", 2)))
    with pytest.raises(ValueError, match="no operation 'frobnicate'"):
        store_operation(Operation("txn", "t0", [["frobnicate", "x", 1]]))
