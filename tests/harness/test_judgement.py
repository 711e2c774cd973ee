"""Weighing evidence: violation before doubt before faults that did not happen; exit codes; what a result says."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest

from harness.exposure import Evidence
from harness.judgement import weigh
from harness.requirements import parse_all, unmet
from harness.results import EXIT_CODES, EXIT_USAGE, CheckerResult, RunVerdict
from nemesis.record import FaultRecord, FaultStatus
from tests.harness.report_sample import bare

VALID, INVALID, UNKNOWN = "valid", "invalid", "unknown"
INSTALLED, SKIPPED, INDETERMINATE = FaultStatus.INSTALLED, FaultStatus.SKIPPED, FaultStatus.INDETERMINATE


def said(name: str, verdict: str) -> CheckerResult:
    return CheckerResult(name=name, verdict=verdict, sentence=f"it is {verdict}.")


def fault(kind: str, status: FaultStatus, *evidence: str) -> FaultRecord:
    return FaultRecord(number=0, kind=kind, what=kind, planned_at=0, planned_until=1, status=status, evidence=evidence)


def missing(faults: list[FaultRecord], *required: str) -> dict[str, str]:
    return unmet(parse_all(required), Evidence(faults))


@pytest.mark.parametrize("verdicts", list(product((VALID, INVALID, UNKNOWN), repeat=3)))
@pytest.mark.parametrize("status", list(FaultStatus))
def test_the_order_of_weight(verdicts: tuple[str, ...], status: FaultStatus) -> None:
    results = [said(f"checker{number}", verdict) for number, verdict in enumerate(verdicts)]
    faults = [fault("kill", status)]
    verdict, _ = weigh(results, faults, missing(faults, "kill"))
    if INVALID in verdicts:
        assert verdict is RunVerdict.VIOLATION
    elif UNKNOWN in verdicts:
        assert verdict is RunVerdict.UNKNOWN
    elif status is not INSTALLED:
        assert verdict is RunVerdict.FAULTS_NOT_MET
    else:
        assert verdict is RunVerdict.VALID


def test_the_sentence_is_that_of_all_who_object() -> None:
    results = [said("a", VALID), said("b", INVALID), said("c", UNKNOWN), said("d", INVALID)]
    assert weigh(results, [], {})[1] == "b: it is invalid; d: it is invalid."
    assert weigh([results[0], results[2]], [], {})[1] == "c: it is unknown."


def test_a_valid_run_says_under_how_many_faults_and_who_held_it() -> None:
    faults = [fault("kill", INSTALLED), fault("kill", SKIPPED), fault("pause", INSTALLED)]
    _, sentence = weigh([said("a", VALID), said("b", VALID)], faults, {})
    assert sentence == "Nothing was lost and nothing was stale under 2 faults (a, b)."


def test_a_violation_says_which_faults_beyond_the_model_were_in_force() -> None:
    lie = msgspec.structs.replace(fault("disk-lie", INSTALLED), what="disk-lie n2", beyond_model="it lied")
    rot = msgspec.structs.replace(fault("disk-rot", INDETERMINATE), what="disk-rot n3", beyond_model="it rots")
    told = " Beyond the model: disk-lie n2, disk-rot n3; a correct node may break here."
    assert weigh([said("b", INVALID)], [lie, lie, fault("kill", INSTALLED), rot], {})[1] == f"b: it is invalid.{told}"
    assert weigh([said("b", UNKNOWN)], [lie, rot], {})[1] == f"b: it is unknown.{told}"
    for harmless in (fault("kill", INSTALLED), msgspec.structs.replace(lie, status=SKIPPED)):
        assert weigh([said("b", INVALID)], [harmless], {})[1] == "b: it is invalid."
    assert "eyond" not in weigh([said("b", VALID)], [lie], {})[1]


def test_a_fault_that_lingers_leaves_nothing_valid_and_takes_no_violation_back() -> None:
    slow = msgspec.structs.replace(fault("disk-slow", INSTALLED), what="disk-slow n2", healed=False, lingers=True)
    told = "Not healed: disk-slow n2; nobody knows what the nodes would have done without."
    valid = (RunVerdict.HARNESS_FAILURE, f"Nothing is wrong in what happened. {told}")
    assert weigh([said("a", VALID)], [slow, slow], {"pause": "no pause"}) == valid
    assert weigh([said("a", INVALID)], [slow], {}) == (RunVerdict.VIOLATION, f"a: it is invalid. {told}")
    refused = msgspec.structs.replace(fault("kill", INSTALLED), healed=False)
    assert weigh([said("a", VALID)], [refused], {})[0] is RunVerdict.VALID, "whether it runs is for recovery to say"


def test_one_installed_fault_of_each_required_kind_is_enough() -> None:
    faults = [fault("kill", SKIPPED), fault("kill", INSTALLED), fault("pause", INDETERMINATE)]
    assert missing(faults, "kill") == {}
    assert missing(faults) == {}


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        ([], "none was planned in so short a run"),
        ([fault("pause", INSTALLED)], "none was planned in so short a run"),
        ([fault("kill", SKIPPED, "no node leads")], "no node leads"),
        ([fault("kill", INDETERMINATE, "killing", "n1 was not running")], "n1 was not running"),
        ([fault("kill", SKIPPED), fault("kill", SKIPPED, "it was late")], "it was late"),
    ],
)
def test_a_kind_that_is_not_shown_to_have_happened_is_missed(faults: list[FaultRecord], why: str) -> None:
    assert missing(faults, "kill") == {"kill": f"no kill is shown to have happened ({why})"}


def test_every_missed_kind_is_named_once() -> None:
    missed = missing([fault("pause", INSTALLED)], "kill", "pause", "partition", "kill")
    assert list(missed) == ["kill", "partition"]
    verdict, sentence = weigh([said("a", VALID)], [], missed)
    assert verdict is RunVerdict.FAULTS_NOT_MET
    assert sentence.startswith("Nothing is wrong in what happened, but no kill is shown")
    assert "; no partition is shown" in sentence


def test_each_verdict_has_an_exit_code_of_its_own() -> None:
    assert {verdict.value: code for verdict, code in EXIT_CODES.items()} == {
        "valid": 0,
        "violation": 1,
        "unknown": 3,
        "faults-not-met": 4,
        "harness-failure": 5,
    }
    assert EXIT_CODES.keys() == set(RunVerdict)
    assert EXIT_USAGE == 2


@pytest.mark.parametrize("verdict", list(RunVerdict))
def test_a_result_exits_as_its_verdict_says_and_comes_back_from_json(verdict: RunVerdict) -> None:
    result = bare(verdict=verdict)
    assert result.exit_code == EXIT_CODES[verdict]
    assert msgspec.json.decode(msgspec.json.encode(result), type=type(result)) == result
