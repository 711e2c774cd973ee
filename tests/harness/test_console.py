"""What a run says of its faults on the terminal: mechanisms first, coverage and requirements at the end."""

from __future__ import annotations

import io

import msgspec
from rich.console import Console

from harness.cluster.base import Ability
from harness.console import LiveLine, coverage_line, print_result
from harness.exposure import Exposure
from harness.mechanisms import served
from harness.results import RunResult, RunVerdict, Served
from harness.scenario import Scenario
from harness.testing import simulate
from nemesis.faults import ClockBump, DiskLie, Kill, Membership, Partition
from nemesis.record import FaultRecord, FaultStatus
from tests.harness.report_sample import bare

ABILITIES = (
    Ability("links", True, "a switch"),
    Ability("processes", True, "signals"),
    Ability("clocks", False, "none", "no clock can be bent: use a library"),
)


def lacking(ability: str) -> str:
    return {"clocks": "no clock can be bent: use a library", "disk": "no disk", "membership": ""}.get(ability, "")


def test_each_kind_of_a_plan_has_its_mechanism_or_why_it_has_none() -> None:
    here = served([Kill(), Partition(), Kill("all"), ClockBump(), DiskLie(), Membership()], ABILITIES, lacking)
    assert {one.kind: (one.mechanism, one.missing) for one in here} == {
        "kill": ("signals", ""),
        "partition": ("a switch", ""),
        "clock-bump": ("none", "no clock can be bent: use a library"),
        "disk-lie": ("", "no disk"),
        "membership": ("the system's own client library", ""),
    }
    assert [one.kind for one in here if one.beyond_model] == ["disk-lie"]


def test_the_header_says_so() -> None:
    out = io.StringIO()
    LiveLine(Console(file=out, width=200)).begun(
        (
            Served(kind="kill", mechanism="signals"),
            Served(kind="pause", mechanism="signals"),
            Served(kind="disk-lie", mechanism="", missing="no disk", beyond_model="it lies"),
        )
    )
    assert out.getvalue().splitlines() == [
        "  kill, pause: signals",
        "  disk-lie (beyond the model: it lies): skipped, no disk",
    ]


def test_coverage_in_a_line() -> None:
    assert coverage_line(Exposure(kind="kill", skipped=2)) == "0 installed, 2 skipped"
    told = coverage_line(Exposure(kind="kill", installed=3, leader=1, seconds=4.25, ok=5, fail=6, info=7))
    assert told == "3 installed, 1 on the leader, 4.2 s, meanwhile 5 ok, 6 fail, 7 info"


def result_of(*, require: tuple[str, ...] | None = None) -> RunResult:
    return simulate(Scenario(time="8s", rate=50, faults=("kill",), require=require, intensity="high"), 3)


def printed(result: RunResult) -> str:
    out = io.StringIO()
    print_result(Console(file=out, width=300), result)
    return out.getvalue()


def test_a_requirement_that_is_not_met_ends_the_run_with_its_sentence() -> None:
    result = result_of(require=("kill", " kill>=100 ", "seconds(kill)>=1"))
    assert (result.verdict, result.exit_code) == (RunVerdict.FAULTS_NOT_MET, 4)
    assert list(result.unmet) == ["kill>=100"]
    assert result.unmet["kill>=100"] in result.sentence
    assert "kill, kill>=100, seconds(kill)>=1: 1 not met" in printed(result)
    assert [one.kind for one in result.coverage] == ["kill", "faults"]
    assert [one.kind for one in result.served] == ["kill"]


def test_a_violation_under_what_is_beyond_the_model_is_called_expected() -> None:
    violated = msgspec.structs.replace(result_of(), verdict=RunVerdict.VIOLATION)
    assert "EXPECTED" not in printed(violated)
    assert "VIOLATION (EXPECTED: BEYOND THE MODEL)" in printed(msgspec.structs.replace(violated, expected=True))


def test_what_was_seen_of_a_heal_alone_is_told() -> None:
    healed = FaultRecord(
        number=0, kind="kill", what="kill n1", planned_at=1, planned_until=2, status=FaultStatus.INDETERMINATE,
        healing=("n1: was there",),
    )  # fmt: skip
    assert "n1: was there" in printed(bare(faults=(healed,)))
