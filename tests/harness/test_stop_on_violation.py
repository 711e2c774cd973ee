"""A run whose history is watched while it is made: it ends early where it is to, and is the same where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from checkers.history import Event
from checkers.streaming import Alarm
from harness.execution import carry_out, prepare, replay_command
from harness.results import RunResult, RunVerdict
from harness.runner import Seen
from harness.scenario import Scenario, changed
from harness.store import RunFolder, Store
from nemesis.faults import Kill, Partition
from nemesis.record import FaultStatus
from tests.simulation.runs import STARTED, Nobody, scenario, timed
from workloads.register import RegisterWorkload

STALE = scenario(
    timed("0s", "18s", Partition("leader")), timed("15s", "16s", Kill("one")), time="20s", bug="local-reads", rate=150
)
STALE = changed(STALE, invariants=False)
HEALTHY = scenario(timed("1s", "2s", Partition("leader")), time="5s", rate=150)


class Listener(Nobody):
    def __init__(self) -> None:
        self.alarms: list[Seen] = []

    def alarmed(self, seen: Seen) -> None:
        self.alarms.append(seen)


def carried(chosen: Scenario, root: Path) -> tuple[RunResult, RunFolder, Sequence[Seen]]:
    run, listener = prepare(chosen, 7, Store(root), STARTED), Listener()
    return carry_out(run, listener).result, run.folder, listener.alarms


def test_a_violation_ends_clients_and_faults(tmp_path: Path) -> None:
    result, folder, (alarm,) = carried(changed(STALE, stop_on_violation=True), tmp_path)
    assert result.verdict is RunVerdict.VIOLATION
    assert alarm.ends
    assert alarm.at < 15e9
    assert f"the load ended at {alarm.at / 1e9:.3f} s: {alarm.sentence}" in result.notes
    cut, kill = result.faults
    assert (cut.status, cut.healed) == (FaultStatus.INSTALLED, True)
    assert cut.healed_at is not None and cut.healed_at < alarm.at + 3e9
    assert kill.status is FaultStatus.SKIPPED
    assert kill.evidence == ("the run ended before its time",)
    invoked = [event.time for event in folder.history().events if event.time is not None]
    assert max(invoked) < alarm.at + 5e9
    (faults,) = [exposure for exposure in result.coverage if exposure.kind == "faults"]
    assert faults.seconds < 10
    assert "--stop-on-violation" in replay_command(Scenario(stop_on_violation=True), 7)


def test_without_the_option_it_is_seen_and_the_run_goes_on(tmp_path: Path) -> None:
    result, folder, alarms = carried(STALE, tmp_path / "unwatched")
    assert result.verdict is RunVerdict.VIOLATION
    assert not alarms, "nobody looks at a simulation while it goes on"
    invoked = [event.time for event in folder.history().events if event.time is not None]
    assert max(invoked) > 19e9


def test_watching_a_healthy_run_changes_nothing(tmp_path: Path) -> None:
    plain, _, _ = carried(HEALTHY, tmp_path / "plain")
    watched, _, alarms = carried(changed(HEALTHY, stop_on_violation=True), tmp_path / "watched")
    assert (plain.verdict, watched.verdict) == (RunVerdict.VALID, RunVerdict.VALID)
    assert not alarms
    assert plain.history_sha256 == watched.history_sha256
    assert plain.trace_sha256 == watched.trace_sha256


class Liar:
    """Sees what is not there."""

    def take(self, event: Event) -> Alarm | None:
        return Alarm("this is wrong", event.index) if event.index > 100 else None


def test_an_alarm_that_no_checker_confirms_is_not_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RegisterWorkload, "watch", lambda self: Liar())
    result, _, alarms = carried(changed(HEALTHY, stop_on_violation=True), tmp_path)
    assert len(alarms) == 1
    assert result.verdict is RunVerdict.UNKNOWN
    assert "watch: the load ended at" in result.sentence
    assert "this is a bug of the harness" in result.sentence
