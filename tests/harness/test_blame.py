"""The faults that were active when something went wrong."""

from __future__ import annotations

import pytest

from harness import blame
from harness.results import Anomaly, CheckerResult
from nemesis.record import FaultRecord, FaultStatus

S = 1_000_000_000


def fault(number: int, start: int | None, stop: int | None, status: FaultStatus = FaultStatus.INSTALLED) -> FaultRecord:
    return FaultRecord(
        number=number,
        kind="kill",
        what=f"kill of n{number}",
        planned_at=0,
        planned_until=S,
        injected_at=None if start is None else start * S,
        healed_at=None if stop is None else stop * S,
        status=status,
    )


FAULTS = (
    fault(3, 8, None, FaultStatus.INDETERMINATE),
    fault(1, 1, 2),
    fault(2, 4, 6),
    fault(4, None, None, FaultStatus.SKIPPED),
)


@pytest.mark.parametrize(
    ("window", "numbers"),
    [((0, 1), [1]), ((2, 3), [1]), ((3, 3), []), ((5, 5), [2]), ((0, 9), [1, 2, 3]), ((20, 30), [3])],
)
def test_those_are_active_that_were_in_force_at_some_moment(window: tuple[int, int], numbers: list[int]) -> None:
    start, stop = window
    assert blame.active((start * S, stop * S), FAULTS) == tuple(f"#{n} kill of n{n}" for n in numbers)


def test_every_anomaly_and_note_with_a_window_is_given_its_faults() -> None:
    lost = Anomaly(kind="lost", sentence="it is lost", window=(4 * S, 5 * S))
    result = CheckerResult(
        name="final-reads",
        verdict="invalid",
        sentence="it is lost",
        anomalies=(lost, Anomaly(kind="unexpected", sentence="it is odd")),
        notes=(Anomaly(kind="recovered", sentence="it is there", window=(3 * S, 3 * S)),),
    )
    told = blame.with_faults(result, FAULTS)
    assert [anomaly.during for anomaly in told.anomalies] == [("#2 kill of n2",), ()]
    assert blame.sentence(told.anomalies[0]) == "lost between 4.000 s and 5.000 s, under #2 kill of n2"
    assert blame.sentence(told.anomalies[1]) == ""
    assert blame.sentence(told.notes[0]) == "recovered between 3.000 s and 3.000 s, under no fault"
