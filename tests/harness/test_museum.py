"""The museum: each exhibit is whole, its page is up to date, and the cheap half of it is caught here and now.

The rest is shown by ``antipaxos bugs --short`` in CI: the same exhibits, on worker processes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.exploration.findings import Finding, SeedReport, Signature
from harness.exploration.serving import Job
from harness.museum import here, page
from harness.museum.exhibits import Exhibit, exhibit, exhibits, matches
from harness.museum.hall import Visit
from harness.museum.screen import troubles
from harness.museum.showing import Showing, Terms
from harness.museum.worker import MISDEEDS, show
from harness.results import RunVerdict
from harness.scenario import ScenarioError, changed, dump, from_data
from harness.shrinking.worker import Order
from node.assembly import UnknownBugError, bug_names
from node.bugs import old_incarnation
from node.bugs.old_incarnation import Unrenewed
from node.museum import Unasked
from node.paxos.core import Parts
from node.paxos.rejoining import Rejoining

REPOSITORY = Path(__file__).parents[2]
STARTED = datetime(2000, 1, 1, tzinfo=UTC)
SEEDS_MAX = 12
CHEAP = (
    "accepted-is-chosen",
    "commit-by-index",
    "doubled-acks",
    "driftless-lease",
    "early-ack",
    "early-promise",
    "early-reply",
    "first-open-slot",
    "forgotten-accepts",
    "forgotten-promises",
    "half-is-enough",
    "half-promises",
    "hidden-chosen",
    "hidden-truncation",
    "ignored-grant",
    "kept-lease",
    "late-lease",
    "local-expiry",
    "lost-sessions",
    "never-synced",
    "no-directory-sync",
    "one-grant-lease",
    "released-early",
    "rot-is-torn",
    "sent-once",
    "shared-ballots",
    "stale-promises",
    "unchosen-catch-up",
    "undurable-leader",
)
"""Those that are caught in a few hundredths of a second."""
PARTS = ("*Mechanism.*", "*In real life.*", "*Exposed by*", "*Caught by*")


class Renewed(old_incarnation.OldIncarnation):
    """Lets messages of dead lives in, but takes a new ballot when it hears of a new life."""

    def _noted(self, now: int, node: int) -> None:
        Rejoining._noted(self, now, node)


def run(shown: Exhibit, seed: int, folder: Path, *, healthy: bool = False, invariants: bool = True) -> SeedReport:
    """Carry out one run in this process."""
    scenario = changed(shown.healthy if healthy else shown.scenario, seed=seed)
    scenario = msgspec.structs.replace(scenario, invariants=invariants)
    return show(Job(str(folder), STARTED, 0), Order(seed, scenario))


# -- exhibits ---------------------------------------------------------------------------------------------------------


def test_there_are_thirty_exhibits_and_more() -> None:
    assert len(exhibits()) >= 30


@pytest.mark.parametrize("name", bug_names())
def test_an_exhibit_tells_its_story_and_has_a_scenario_of_its_own(name: str) -> None:
    shown = exhibit(name)
    assert [part for part in PARTS if part not in shown.story] == []
    assert shown.title.endswith(".") and "\n" not in shown.title
    assert shown.scenario.bug == name and shown.scenario.place == "simulated" and shown.scenario.seed is None
    assert shown.healthy.bug is None
    assert msgspec.structs.replace(shown.healthy, bug=name) == shown.scenario
    assert shown.caught_by
    invariants = [pattern for pattern in shown.checkers_alone if pattern.startswith("invariants")]
    assert invariants == [], "what the checkers say alone is said by checkers"


def test_an_unknown_bug_is_an_error_with_all_names() -> None:
    with pytest.raises(UnknownBugError, match="early-ack"):
        exhibit("late-ack")


def test_the_page_is_what_the_command_writes() -> None:
    written = (REPOSITORY / "docs" / "museum.md").read_text()
    assert written == page.markdown(exhibits()), "write it anew: antipaxos bugs --markdown > docs/museum.md"


def test_patterns_take_brackets_and_question_marks_for_what_they_are() -> None:
    assert matches("checker: a [b] c?", "checker: a [b] *?")
    assert not matches("checker: a b c?", "checker: a [b] c?")


@pytest.mark.parametrize("name", CHEAP)
def test_a_cheap_exhibit_is_caught_and_the_healthy_node_is_not(name: str, tmp_path: Path) -> None:
    shown = exhibit(name)
    for seed in range(SEEDS_MAX):
        planted, healthy = run(shown, seed, tmp_path), run(shown, seed, tmp_path, healthy=True)
        assert healthy.findings == (), healthy.findings
        assert healthy.counters[MISDEEDS] == 0
        if any(shown.catches(finding) for finding in planted.findings):
            assert planted.counters[MISDEEDS] > 0, "caught without having been reached"
            return
    pytest.fail(f"{name} was not caught in {SEEDS_MAX} seeds")


def test_without_invariants_the_checkers_see_what_was_lost(tmp_path: Path) -> None:
    shown = exhibit("forgotten-accepts")
    report = run(shown, 0, tmp_path, invariants=False)
    assert {finding.signature.checker for finding in report.findings} & {"linearizable", "final-reads", "node-audit"}
    assert any(shown.catches(finding, invariants=False) for finding in report.findings)


def test_that_nobody_looks_at_invariants_is_in_the_scenario_and_only_then() -> None:
    scenario = from_data({"seed": 1, "place": "simulated"})
    assert "invariants" not in dump(scenario)
    assert "invariants = false" in dump(msgspec.structs.replace(scenario, invariants=False))
    with pytest.raises(ScenarioError):
        from_data({"invariants": "no"})


@pytest.mark.parametrize("guarded", [Unrenewed, Renewed])
def test_either_guard_against_dead_lives_is_enough_in_the_exhibit_that_lacks_both(
    guarded: type[Rejoining], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = exhibit("old-incarnation")
    parts = Parts(rejoining=guarded, pre_election=Unasked)
    monkeypatch.setattr(old_incarnation, "plant", lambda healthy: replace(healthy, core=parts))
    for seed in range(4):
        report = run(shown, seed, tmp_path)
        assert not any(shown.catches(finding) for finding in report.findings), report.findings
        assert report.counters[MISDEEDS] == 0


# -- showing ----------------------------------------------------------------------------------------------------------

CATCH = Finding(Signature(RunVerdict.VIOLATION, "invariants", "n# promises # before that is durable"), "a catch")
OTHER = Finding(Signature(RunVerdict.VIOLATION, "recovery", "something else"), "another")


def answer(seed: int, *findings: Finding, misdeeds: int = 1) -> SeedReport:
    """Return what a run came to."""
    verdict = RunVerdict.VIOLATION if findings else RunVerdict.VALID
    return SeedReport(seed=seed, verdict=verdict, findings=findings, counters={MISDEEDS: misdeeds}, cpu_s=0.5)


def showing(seeds_min: int, seeds_max: int, catches: int = 5) -> Showing:
    """Return the showing of an exhibit that is caught by ``CATCH``."""
    return Showing(0, exhibit("early-promise"), Terms(seeds_max, seeds_min, catches))


def test_each_seed_is_ordered_with_the_bug_and_without() -> None:
    ordered = showing(seeds_min=2, seeds_max=5).order()
    assert [(one.seed, one.healthy, one.scenario.bug) for one in ordered] == [
        (0, False, "early-promise"),
        (0, True, None),
    ]
    assert {one.scenario.seed for one in ordered} == {0}


def test_no_more_seeds_are_ordered_than_may_be_needed() -> None:
    one = showing(seeds_min=2, seeds_max=3, catches=1)
    assert [bool(one.order()) for _ in range(3)] == [True, True, False]
    for seed in range(2):
        one.take(seed, False, answer(seed))
        one.take(seed, True, answer(seed, misdeeds=0))
    assert [bool(one.order()) for _ in range(2)] == [True, False]
    assert one.shown().caught == 0
    one.take(2, True, answer(2, misdeeds=0))
    one.take(2, False, answer(2, CATCH))
    assert one.done
    assert one.order() == ()


def test_answers_are_taken_in_in_the_order_of_seeds() -> None:
    one = showing(seeds_min=1, seeds_max=9, catches=1)
    one.take(1, False, answer(1, CATCH))
    one.take(1, True, answer(1, misdeeds=0))
    assert one.shown().seeds == 0
    one.take(0, True, answer(0, misdeeds=0))
    one.take(0, False, answer(0))
    shown = one.shown()
    assert (shown.seeds, shown.caught, shown.seeds_needed) == (2, 1, 2)
    assert shown.first is not None and shown.first.seed == 1
    assert shown.proven


def test_a_catch_where_the_bug_did_no_wrong_is_not_made_up_for_by_a_miss_where_it_did() -> None:
    one = showing(seeds_min=2, seeds_max=2)
    for seed, planted in enumerate((answer(0, CATCH, misdeeds=0), answer(1, misdeeds=1))):
        one.take(seed, False, planted)
        one.take(seed, True, answer(seed, misdeeds=0))
    shown = one.shown()
    assert (shown.caught, shown.reached, shown.caught_unreached) == (1, 1, 1)
    assert not shown.proven
    told = troubles(Visit((shown,), 1.0, False))
    assert told == ["✘ early-promise: caught in 1 of 1 seeds where it did no wrong: something else was caught"]


def test_what_was_missed_says_whether_the_bug_was_reached() -> None:
    one = showing(seeds_min=3, seeds_max=3)
    for seed, report in enumerate((answer(0, misdeeds=0), answer(1), answer(2, OTHER))):
        one.take(seed, False, report)
        one.take(seed, True, answer(seed, misdeeds=0))
    shown = one.shown()
    assert (shown.caught, shown.reached, shown.missed_unreached, shown.seeds_needed) == (0, 2, 1, None)
    assert shown.said_otherwise == {"recovery: something else": 1}
    assert not shown.proven
    assert one.first_catch is None


def test_a_catch_of_what_did_nothing_wrong_proves_nothing() -> None:
    one = showing(seeds_min=1, seeds_max=1)
    one.take(0, False, answer(0, CATCH, misdeeds=0))
    one.take(0, True, answer(0, misdeeds=0))
    assert not one.shown().proven


def test_what_is_said_of_the_healthy_node_is_a_false_alarm() -> None:
    one = showing(seeds_min=1, seeds_max=1)
    one.take(0, False, answer(0, CATCH))
    one.take(0, True, answer(0, OTHER))
    shown = one.shown()
    assert [alarm.said for alarm in shown.false_alarms] == ["recovery: something else"]
    assert not shown.proven


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_tells_the_story_catches_it_and_says_how_to_do_it_again(tmp_path: Path) -> None:
    arguments = ["bugs", "early-promise", "--seeds", "2", "--jobs", "1", "--store", str(tmp_path), "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    told = msgspec.json.decode(done.stdout.splitlines()[-1])
    (bug,) = told["bugs"]
    assert (bug["bug"], bug["caught"], bug["seeds"], bug["proven"]) == ("early-promise", 2, 2, True)
    assert bug["false_alarms"] == []
    scenario = tmp_path / "museum" / "early-promise.toml"
    assert bug["command"] == f"antipaxos run {scenario}"
    assert "*Mechanism.*" in done.stderr and bug["command"] in done.stderr
    again = CliRunner().invoke(app, ["run", str(scenario), "--store", str(tmp_path), "--json"])
    assert again.exit_code == 1
    assert "before that is durable" in again.stdout


def test_a_bug_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bugs", "no-such-bug", "--store", str(tmp_path)])
    assert done.exit_code == 2
    assert "no planted bug is named" in done.stderr


def test_a_bug_that_checkers_cannot_see_is_not_shown_without_invariants(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["bugs", "early-promise", "--no-invariants", "--store", str(tmp_path)])
    assert done.exit_code == 2


# -- on real processes ------------------------------------------------------------------------------------------------


def test_real_processes_show_what_checkers_see_under_faults_of_every_place() -> None:
    names = {shown.name for shown in here.showable(exhibits())}
    assert {"deposed-reads", "local-reads", "early-reply", "early-ack", "wall-clock"} <= names
    assert not names & {"ignored-grant", "early-promise"}  # invariants alone see them


@pytest.mark.integration
def test_a_bug_is_shown_on_real_processes(tmp_path: Path) -> None:
    arguments = [
        "bugs",
        "local-reads",
        "--place",
        "local",
        "--short",
        "--seeds",
        "3",
        "--store",
        str(tmp_path),
        "--json",
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    (bug,) = msgspec.json.decode(done.stdout.splitlines()[-1])["bugs"]
    assert bug["proven"] and bug["reached"] >= 1
