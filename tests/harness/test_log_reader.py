"""Truncated logs before the audit: what a snapshot shows is believed, what nothing shows stays unknown."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from checkers.audit import Accepted, ChosenLearned, NodeAudit, NodeLog
from checkers.history import History
from checkers.verdict import CheckResult, Limits, Verdict
from harness.systems.base import LogUnreadableError
from harness.systems.multipaxos import LogReader
from node.__main__ import main
from node.inspection import describe, dump_json
from tests.checkers.literal import history
from tests.checkers.literal import write as write_bar
from tests.node.scenario import Script


def script(*lines: str, settings: str = "snapshot_slots=4 snapshot_tail_slots=0") -> Script:
    """Carry out the lines of a text scenario on three nodes, the first of which leads."""
    played = Script()
    for line in (f"cluster 3 {settings}", "lead n1", "open n1 c", "settle", *lines):
        played.run(line)
    return played


def write(*values: int) -> list[str]:
    """Return lines in which the client writes values."""
    return [line for value in values for line in (f"write n1 c x {value}", "settle")]


def logs(played: Script, folder: Path) -> list[NodeLog]:
    """Read the logs of all nodes."""
    read = LogReader()
    found = []
    for number, node in played.cluster.nodes.items():
        data = folder / f"n{number}" / "data"
        data.mkdir(parents=True)
        for name in node.disk.names():
            (data / name).write_bytes(node.disk.content(name))
        found.append(read(f"n{number}", data.parent))
    return found


def served(played: Script, *sequences: int) -> History:
    """Return a history in which these operations of the client were acknowledged."""
    session, _ = played.sessions["c"]
    return history(
        *(write_bar(0, 2 * n, 2 * n + 1, n, ref=f"{session}/{sequence}") for n, sequence in enumerate(sequences))
    )


def audit(found: list[NodeLog], acknowledged: History) -> CheckResult:
    """Hold logs against what was acknowledged."""
    return NodeAudit(found, cluster_size=3).check(acknowledged, Limits(time_s=None))


SAVE_ALL = ["time 60", "tick n1", "settle", "save n1", "save n2", "save n3"]


def test_a_whole_log_has_no_snapshot(tmp_path: Path) -> None:
    found = logs(script(*write(7)), tmp_path)
    assert [log.snapshot_slot for log in found] == [0, 0, 0]
    assert found[0].digests.keys() == {1, 2}, "slot 3 is chosen, but the log does not say so yet"


def test_what_is_truncated_everywhere_is_vouched_for_by_the_snapshot(tmp_path: Path) -> None:
    played = script(*write(7, 8, 9), *SAVE_ALL, settings="snapshot_slots=4 snapshot_tail_slots=0")
    for node in played.cluster.nodes.values():  # nothing of the slots is left in any log
        assert node.running.paxos.log.truncated_upto >= 4
    found = logs(played, tmp_path)
    assert {log.snapshot_slot for log in found} == {4}
    verdict = audit([without_slots(log, 4) for log in found], served(played, 1, 2, 3))
    assert verdict.verdict is Verdict.VALID
    assert verdict.statistics["in_snapshots_only"] == 2


def test_what_no_snapshot_vouches_for_is_unknown_not_lost(tmp_path: Path) -> None:
    played = script(*write(7, 8, 9), *SAVE_ALL)
    found = [without_slots(log, 4) for log in logs(played, tmp_path)]
    missing = audit(found, served(played, 1, 99))
    assert missing.verdict is Verdict.UNKNOWN
    assert "no node knows what is in slot 1" in missing.sentence


def test_a_state_that_differs_in_a_snapshot_is_seen(tmp_path: Path) -> None:
    found = logs(script(*write(7, 8, 9), *SAVE_ALL), tmp_path)
    other = msgspec.structs.replace(found[1], digests={4: "0" * 32})
    broken = audit([found[0], other], served(script(), 1))
    assert broken.verdict is Verdict.INVALID
    assert broken.anomalies[0].kind == "state-divergence"


def test_digests_go_on_behind_a_snapshot(tmp_path: Path) -> None:
    """One node begins with its snapshot, another with the first slot: after the same slots the digest is the same."""
    played = script(
        *write(7, 8), "time 60", "tick n1", "settle", "save n1", *write(9, 10, 11), "time 60", "tick n1", "settle"
    )
    found = logs(played, tmp_path)
    assert (found[0].snapshot_slot, found[1].snapshot_slot) == (4, 0)
    common = found[0].digests.keys() & found[1].digests.keys()
    assert common >= {4, 5}
    assert all(found[0].digests[slot] == found[1].digests[slot] for slot in common)


def test_a_rotten_snapshot_is_an_unreadable_log(tmp_path: Path) -> None:
    played = script(*write(7, 8, 9), *SAVE_ALL)
    disk = played.cluster.nodes[1].disk
    name = next(name for name in disk.names() if name.startswith("snapshot-"))
    disk.put(name, disk.content(name)[:-1] + b"?")
    with pytest.raises(LogUnreadableError, match=f"n1: {name}, offset 64: .* bit rot"):
        logs(played, tmp_path)


def test_inspection_shows_the_snapshot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs(script(*write(7, 8, 9), *SAVE_ALL), tmp_path)
    data = tmp_path / "n1" / "data"
    told = "\n".join(describe(data))
    assert "snapshot     of slot 4, ballot 1.1, " in told
    assert "1 keys, 1 sessions, digest " in told
    assert "1 - 4: in the snapshot" in told
    assert '{"kind":"snapshot","slot":4,"ballot":[1,1],"digest":' in next(dump_json(data))
    assert main(["inspect", str(data)]) == 0
    assert "in the snapshot" in capsys.readouterr().out
    next(data.glob("snapshot-*")).write_bytes(b"rot")
    assert main(["inspect", str(data)]) == 65
    assert "no snapshot has 3 bytes" in capsys.readouterr().err


def without_slots(log: NodeLog, upto: int) -> NodeLog:
    """Return a log of which only the slots behind ``upto`` are left, as if its first segments had gone."""
    events = tuple(e for e in log.events if not isinstance(e, Accepted | ChosenLearned) or e.slot > upto)
    return msgspec.structs.replace(log, events=events)
