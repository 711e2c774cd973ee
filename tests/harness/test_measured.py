"""Replays that are counted: what is the same, what counts, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.execution import Carried, Prepared
from harness.replaying import measured
from harness.replaying.measured import Measured, Trial, is_same, measure
from harness.replaying.original import Original
from harness.replaying.screen import rate_sentence
from harness.results import (
    Anomaly,
    CheckerResult,
    Latency,
    OperationCounts,
    RunResult,
    RunVerdict,
    Unavailability,
)
from harness.scenario import Scenario
from harness.store import RESULTS, Store
from tests.simulation.runs import STARTED, Nobody


def result(verdict: RunVerdict, *kinds: str, sentence: str = "") -> RunResult:
    """A result whose checker objects to anomalies of these kinds."""
    anomalies = tuple(Anomaly(kind=kind, sentence=kind) for kind in kinds)
    said = (CheckerResult(name="linearizable", verdict="invalid", sentence="", anomalies=anomalies),) if kinds else ()
    return RunResult(
        verdict=verdict,
        sentence=sentence,
        seed=1,
        scenario="a",
        workload="register",
        place="local",
        nodes=("n1",),
        plan_sha256="",
        history_sha256="",
        operations=OperationCounts(),
        faults=(),
        checkers=said,
        latency=Latency(),
        unavailability=Unavailability(),
    )


VALID = result(RunVerdict.VALID)
NOT_MET = result(RunVerdict.FAULTS_NOT_MET)
STALE = result(RunVerdict.VIOLATION, "stale-read")
STALE_AND_LOST = result(RunVerdict.VIOLATION, "lost-write", "stale-read")
LOST = result(RunVerdict.VIOLATION, "lost-write")
HARNESS = result(RunVerdict.HARNESS_FAILURE, sentence="no node leads 15 s after the start")
HARNESS_TOO = result(RunVerdict.HARNESS_FAILURE, sentence="n1 ended with status 1")


@pytest.mark.parametrize(
    ("original", "replayed", "same"),
    [
        (STALE, STALE, True),
        (STALE, STALE_AND_LOST, True),
        (STALE, LOST, False),
        (STALE, VALID, False),
        (STALE, HARNESS, None),
        (VALID, VALID, True),
        (VALID, STALE, False),
        (VALID, NOT_MET, False),
        (VALID, HARNESS, None),
        (NOT_MET, NOT_MET, True),
        (HARNESS, HARNESS, True),
        (HARNESS, HARNESS_TOO, False),
        (HARNESS, VALID, False),
    ],
)
def test_what_is_the_same(original: RunResult, replayed: RunResult, same: bool | None) -> None:
    assert is_same(original, replayed) is same


def counted(*sames: bool | None, original: RunResult = STALE, interrupted: bool = False) -> Measured:
    outcomes = {True: original, False: VALID, None: HARNESS}
    trials = tuple(Trial(number, outcomes[same], same, None) for number, same in enumerate(sames, start=1))
    return Measured(original, trials, interrupted)


@pytest.mark.parametrize(
    ("of", "said", "exit_code"),
    [
        (counted(True, False, True), "the same failure in 2 of 3 replays (66.7 %, 95 % Wilson interval 20.8 % to", 0),
        (counted(True, None), "the same failure in 1 of 1 replays (100 %, 95 % Wilson interval 20.7 % to 100 %)", 0),
        (counted(False, False), "the same failure in 0 of 2 replays (0 %, 95 % Wilson interval 0 % to 65.8 %)", 3),
        (counted(None, None), "the same failure in 0 of 0 replays: nothing was measured", 5),
        (counted(True, original=VALID), "the same verdict (valid) in 1 of 1 replays", 0),
        (counted(True, interrupted=True), "the same failure in 1 of 1 replays", 130),
    ],
)
def test_what_is_said_and_how_it_exits(of: Measured, said: str, exit_code: int) -> None:
    assert rate_sentence(of).startswith(said)
    assert of.exit_code == exit_code


def test_the_worst_verdict_counts() -> None:
    assert counted(False, True).verdict is RunVerdict.VIOLATION
    assert counted(False, None).verdict is RunVerdict.VALID
    assert counted(None).verdict is RunVerdict.HARNESS_FAILURE


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> list[RunResult | type[BaseException]]:
    """What the next runs come to, instead of running."""
    following: list[RunResult | type[BaseException]] = []

    def instead(run: Prepared, watcher: Any) -> Carried:
        del watcher
        outcome = following.pop(0)
        if isinstance(outcome, type):
            raise outcome
        run.folder.write("history.jsonl", "")
        return Carried(outcome, 0)

    monkeypatch.setattr(measured, "carry_out", instead)
    return following


def carried_out(store: Store, original: RunResult | None, **how: Any) -> tuple[Measured, list[Trial]]:
    told: list[Trial] = []
    done = measure(Original(Scenario(), 1, None, original), store, Nobody(), lambda: STARTED, told.append, **how)
    return done, told


def test_each_is_told_and_only_failures_are_kept(
    outcomes: list[RunResult | type[BaseException]], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    outcomes += [VALID, STALE, HARNESS, VALID]
    done, told = carried_out(store, STALE, times=4)
    assert [trial.same for trial in told] == [False, True, None, False]
    assert (done.same, done.counted, done.harness_failures, done.exit_code) == (1, 3, 1, 0)
    assert [trial.folder is not None for trial in told] == [False, True, True, False]
    kept = store.runs()
    assert {run.name for run in kept} == {trial.folder.name for trial in told if trial.folder is not None}
    assert all((run / RESULTS).exists() for run in kept)
    assert store.find("latest").name in {run.name for run in kept}


def test_the_first_that_is_the_same_may_be_enough(
    outcomes: list[RunResult | type[BaseException]], tmp_path: Path
) -> None:
    outcomes += [VALID, STALE, STALE]
    done, _ = carried_out(Store(tmp_path), STALE, times=3, stop_at_first=True, keep=True)
    assert (done.same, done.counted) == (1, 2)
    assert len(Store(tmp_path).runs()) == 2


def test_a_scenario_is_carried_out_first_and_that_is_what_others_are_held_against(
    outcomes: list[RunResult | type[BaseException]], tmp_path: Path
) -> None:
    outcomes += [LOST, LOST, VALID]
    done, _ = carried_out(Store(tmp_path), None, times=2)
    assert (done.original, done.same, done.counted) == (LOST, 1, 2)


def test_an_interruption_ends_with_what_was_measured(
    outcomes: list[RunResult | type[BaseException]], tmp_path: Path
) -> None:
    outcomes += [STALE, KeyboardInterrupt]
    done, _ = carried_out(Store(tmp_path), STALE, times=5)
    assert (done.interrupted, done.same, done.counted, done.exit_code) == (True, 1, 1, 130)


def test_an_interruption_before_there_is_anything_measures_nothing(
    outcomes: list[RunResult | type[BaseException]], tmp_path: Path
) -> None:
    outcomes += [KeyboardInterrupt]
    with pytest.raises(KeyboardInterrupt):
        carried_out(Store(tmp_path), None)
