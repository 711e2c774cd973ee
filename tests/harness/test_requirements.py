"""Requirements: what can be asked for, what is refused and how, and what meets them; and the exposure behind them."""

from __future__ import annotations

import pytest

from checkers.history import Operation, Outcome
from harness.exposure import Evidence
from harness.requirements import RequirementError, parse, parse_all, unmet
from nemesis.record import FaultRecord, FaultStatus

S = 10**9
INSTALLED, SKIPPED, INDETERMINATE = FaultStatus


def fault(
    kind: str, at_s: float | None, until_s: float | None, status: FaultStatus = INSTALLED, leader: bool = False
) -> FaultRecord:
    return FaultRecord(
        number=0,
        kind=kind,
        what=kind,
        planned_at=0,
        planned_until=1,
        injected_at=None if at_s is None else round(at_s * S),
        healed_at=None if until_s is None else round(until_s * S),
        status=status,
        hit_leader=leader,
        evidence=("because",),
    )


def operation(at_s: float, until_s: float | None, outcome: Outcome = Outcome.OK) -> Operation:
    return Operation(
        process=0,
        f="read",
        key=None,
        argument=None,
        result=None,
        outcome=outcome,
        invoke_index=0,
        invoke_time=round(at_s * S),
        complete_index=1,
        complete_time=None if until_s is None else round(until_s * S),
    )


EVIDENCE = Evidence(
    faults=(
        fault("kill", 1, 3),
        fault("kill", 2, 4, leader=True),
        fault("kill", 6, None),
        fault("pause", 1, 9, INDETERMINATE),
        fault("clock-bump", 5, 5.5),
        fault("partition", None, None, SKIPPED),
    ),
    operations=(
        operation(0.0, 0.9),
        operation(0.5, 1.0),
        operation(2.0, 2.1, Outcome.FAIL),
        operation(4.1, 5.9),
        operation(4.5, None, Outcome.INFO),
        operation(9.9, 10.5),
    ),
    end=10 * S,
    rare_events={"noops_filled": 2},
)


@pytest.mark.parametrize(
    "text",
    [
        "kill",
        "kill>=3",
        "kill > 2",
        " kill ",
        "kill.leader",
        "kill.leader>=1",
        "clock",
        "clock>=1",
        "clock-bump",
        "faults>=4",
        "seconds(kill)>=7",
        "seconds(kill)>6.9",
        "seconds( kill.leader )>=2",
        "seconds(faults)>=7.5",
        "ok(kill)>=2",
        "fail(kill)>=1",
        "info(kill)>=1",
        "noops_filled",
        "noops_filled>=2",
    ],
)
def test_what_happened_is_met(text: str) -> None:
    assert unmet(parse_all([text]), EVIDENCE) == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pause", "no pause is shown to have happened (because)"),
        ("partition", "no partition is shown to have happened (because)"),
        ("disk", "no disk is shown to have happened (none was planned in so short a run)"),
        ("kill>=4", "kill>=4 was required, and 3 are shown to have happened"),
        ("kill>3", "kill>3 was required, and 3 are shown to have happened"),
        ("clock.leader", "clock.leader was required, and 0 which hit a leader are shown to have happened"),
        ("seconds(kill)>=7.5", "seconds(kill)>=7.5 was required, and it was 7"),
        ("seconds(kill.leader)>2", "seconds(kill.leader)>2 was required, and it was 2"),
        ("ok(pause)>=1", "ok(pause)>=1 was required, and it was 0"),
        ("noops_filled>=3", "noops_filled>=3 was required, and it was 2"),
        ("slots_replayed", "slots_replayed was required, and it was 0"),
    ],
)
def test_what_did_not_happen_is_told(text: str, sentence: str) -> None:
    assert unmet(parse_all([text]), EVIDENCE) == {text: sentence}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kil", "'kil': unknown fault or rare event 'kil'; did you mean 'kill'?"),
        ("noops_filed>=1", "did you mean 'noops_filled'?"),
        ("second(kill)>=1", "unknown measure 'second'; did you mean 'seconds'?"),
        ("seconds(noops_filled)>=1", "unknown fault or rare event 'noops_filled'"),
        ("seconds(kill)", "'seconds(kill)' wants a number: seconds(kill)>=1"),
        ("kill.leder", "unknown qualifier 'leder'; did you mean 'leader'?"),
        ("kill.", "unknown qualifier ''"),
        ("noops_filled.leader", "noops_filled is a rare event, and hits nobody"),
        ("kill<=3", "<= is no comparison here; there are: >=, >"),
        ("kill=3", "= is no comparison here"),
        ("kill>=many", "'many' is no number"),
        ("kill>=-1", "'-1' is no number"),
        ("kill>=1e9", "'1e9' is no number"),
        ("kill>=", "is no requirement"),
        ("", "is no requirement; such are: kill, kill>=3"),
        ("kill pause", "is no requirement"),
        ("swarm", "unknown fault or rare event 'swarm'"),
    ],
)
def test_what_means_nothing_is_refused_with_a_suggestion(text: str, message: str) -> None:
    with pytest.raises(RequirementError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_the_same_twice_is_asked_once() -> None:
    assert [requirement.text for requirement in parse_all(["kill", " kill", "kill>=1"])] == ["kill", "kill>=1"]


def test_which_kinds_can_meet_it() -> None:
    assert parse("clock>=2").kinds == ("clock-drift", "clock-bump", "clock-strobe")
    assert parse("seconds(kill)>=1").kinds == ("kill",)
    assert parse("faults").kinds == parse("noops_filled").kinds == ()


# -- exposure ---------------------------------------------------------------------------------------------------------


def test_only_what_was_seen_to_happen_is_coverage() -> None:
    kinds = {exposure.kind: exposure for exposure in EVIDENCE.exposures()}
    assert list(kinds) == ["clock-bump", "kill", "partition", "pause", "faults"]
    pause, partition = kinds["pause"], kinds["partition"]
    assert (pause.installed, pause.indeterminate, pause.seconds, pause.ok) == (0, 1, 0.0, 0)
    assert (partition.installed, partition.skipped) == (0, 1)


def test_overlapping_faults_of_a_kind_count_their_time_and_operations_once() -> None:
    kill = EVIDENCE.exposure("kill")
    assert (kill.installed, kill.leader, kill.seconds) == (3, 1, 7.0)
    assert (kill.ok, kill.fail, kill.info) == (2, 1, 1)


def test_all_kinds_together_have_the_time_of_all() -> None:
    together = EVIDENCE.exposures()[-1]
    assert (together.kind, together.installed, together.seconds) == ("faults", 4, 7.5)
    assert (together.ok, together.fail, together.info) == (3, 1, 1)


def test_a_run_without_faults_was_exposed_to_nothing() -> None:
    assert Evidence(()).exposures() == ()
