"""``antipaxos audit`` on the folders of nodes that a text scenario has left behind."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from checkers.formats import write_jsonl
from harness.auditing import AuditReport, AuditUsageError, audit_folders
from harness.results import RunVerdict
from harness.systems.base import DATA
from tests.harness.test_log_reader import script, served, write
from tests.node.scenario import Script

UNTIL_A_SNAPSHOT = write(1, 2, 3, 4, 5, 6)


def left_behind(played: Script, folder: Path) -> list[Path]:
    """Write the nodes' data down as a run does; return the nodes' folders."""
    for number, node in played.cluster.nodes.items():
        data = folder / "nodes" / f"n{number}" / DATA
        data.mkdir(parents=True)
        for name in node.disk.names():
            (data / name).write_bytes(node.disk.content(name))
    return [folder / "nodes" / f"n{number}" for number in played.cluster.nodes]


def audit(*folders: Path, history: Path | None = None, cluster_size: int | None = None) -> AuditReport:
    return audit_folders(folders, history, cluster_size)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder: three nodes with snapshots, and what clients were told."""
    played = script(*UNTIL_A_SNAPSHOT)
    left_behind(played, tmp_path / "run")
    write_jsonl(served(played, 1, 2, 3).events, tmp_path / "run" / "history.jsonl")
    return tmp_path / "run"


def test_a_runs_folder_is_audited_with_its_history(run: Path) -> None:
    report = audit(run)
    assert (report.verdict, report.exit_code, report.nodes) == (RunVerdict.VALID, 0, ("n1", "n2", "n3"))
    assert report.statistics["acknowledged"] == 3
    assert report.statistics["digests_compared"] > 0


def test_folders_of_nodes_and_of_their_data_are_the_same(run: Path) -> None:
    mixed = audit(run / "nodes" / "n1", run / "nodes" / "n2" / DATA, run / "nodes" / "n3")
    assert (mixed.verdict, mixed.nodes) == (RunVerdict.VALID, ("n1", "n2", "n3"))
    assert "No history was given" in mixed.sentence
    told = audit(run / "nodes" / "n1", run / "nodes" / "n2", history=run / "history.jsonl", cluster_size=3)
    assert told.statistics["acknowledged"] == 3
    assert shlex.split(told.reproduce)[-2:] == ["--cluster-size", "3"]


def test_an_acknowledged_operation_that_is_in_no_log_is_lost(run: Path) -> None:
    played = script(*write(1), settings="")
    left_behind(played, run.parent / "short")
    write_jsonl(served(played, 1, 99).events, run.parent / "short" / "history.jsonl")
    report = audit(run.parent / "short")
    assert (report.verdict, report.exit_code) == (RunVerdict.VIOLATION, 1)
    assert [anomaly.kind for anomaly in report.anomalies] == ["lost"]


def test_logs_that_tell_two_stories_are_a_violation(tmp_path: Path) -> None:
    one = left_behind(script(*write(1, 2, 3), settings=""), tmp_path / "a")
    other = left_behind(script(*write(1, 7, 3), settings=""), tmp_path / "b")
    report = audit(one[0], other[1], other[2])
    assert report.verdict is RunVerdict.VIOLATION
    assert {"slot-conflict", "ballot-conflict"} <= {a.kind for a in report.anomalies}


def test_a_snapshot_that_is_not_what_the_logs_lead_to_is_a_violation(tmp_path: Path) -> None:
    """The first node's snapshot is of another history; the second's log, which is whole, shows it."""
    wrong = left_behind(script(*write(9, 9, 9, 9, 9, 9)), tmp_path / "a")
    whole = left_behind(script(*UNTIL_A_SNAPSHOT, settings=""), tmp_path / "b")
    report = audit(wrong[0], whole[1])
    assert report.verdict is RunVerdict.VIOLATION
    assert "state-divergence" in {anomaly.kind for anomaly in report.anomalies}


def test_a_damaged_log_leaves_the_answer_open_and_is_named(run: Path) -> None:
    (log,) = (run / "nodes" / "n2" / DATA).glob("*.log")
    log.write_bytes(b"rubbish" + log.read_bytes()[7:])
    report = audit(run)
    assert (report.verdict, report.exit_code) == (RunVerdict.UNKNOWN, 3)
    assert report.unreadable[0].startswith("n2: ")
    assert report.unreadable[0] in report.sentence


def test_too_little_to_look_at_leaves_the_answer_open(run: Path) -> None:
    assert audit(run / "nodes" / "n1").verdict is RunVerdict.UNKNOWN
    assert audit(run / "nodes" / "n1", cluster_size=1).verdict is RunVerdict.VALID


def test_folders_that_cannot_be_meant_are_refused(run: Path) -> None:
    node = run / "nodes" / "n1"
    (run.parent / "empty").mkdir()
    for folders, history, size, why in (
        ((run.parent / "nowhere",), None, None, "nowhere: there is no such folder"),
        ((run / "history.jsonl",), None, None, "history.jsonl: is no folder"),
        ((run.parent / "empty",), None, None, "empty: holds no node's data"),
        ((node, node / DATA), None, None, "there is a n1 already"),
        ((run,), None, 2, "--cluster-size 2: here are 3 nodes"),
        ((run,), run / "no.jsonl", None, "no.jsonl: No such file or directory"),
        ((run,), node / DATA, None, "data: Is a directory"),
    ):
        with pytest.raises(AuditUsageError) as caught:
            audit(*folders, history=history, cluster_size=size)
        assert why in str(caught.value)
