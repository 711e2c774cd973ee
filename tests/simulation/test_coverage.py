"""Protocol coverage: every rare event that the node counts is reached, by a scenario or by a test that is named."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.coverage import page
from harness.coverage.survey import Scene, Surveyed, UnknownSceneError, exit_code, scenes, survey
from harness.coverage.table import EVENTS, RareEvent, unlisted, unreached
from harness.results import RunVerdict
from harness.testing import simulate

REPOSITORY = Path(__file__).parents[2]
SCENES = scenes()


def test_every_counter_has_a_line_and_every_line_a_counter() -> None:
    assert unlisted() == [], "harness/coverage/table.py must have one line for each counter, and what reaches it"
    counters = [event.counter for event in EVENTS]
    assert len(set(counters)) == len(counters)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scenario_reaches_all_that_it_is_there_for(scene: Scene) -> None:
    *_, surveyed = survey(scene)
    assert [f"seed {result.seed}: {result.sentence}" for result in surveyed.failed] == []
    assert surveyed.missing == [], f"{surveyed.scene.name} has not reached them in {surveyed.seeds} seeds"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.counter)
def test_a_line_names_a_scenario_that_there_is_or_a_test_that_asserts_the_counter(event: RareEvent) -> None:
    assert bool(event.scenario) != bool(event.test)
    if event.scenario:
        assert event.scenario in [scene.name for scene in SCENES]
        return
    path, name = event.test.split("::")
    source = (REPOSITORY / path).read_text()
    functions = [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    assert name in functions, f"{path} has no {name}"
    assert event.counter in source, f"{path} does not look at {event.counter}"


def test_every_scenario_is_there_for_something_and_says_what_it_is() -> None:
    for scene in SCENES:
        assert scene.events, f"{scene.name} reaches nothing that another does not"
        assert scene.about.endswith((".", ".)"))
        assert scene.scenario.name == scene.name
        assert scene.scenario.place == "simulated" and scene.scenario.seed is None


def test_the_page_is_what_the_command_writes() -> None:
    written = (REPOSITORY / "docs" / "coverage.md").read_text()
    assert written == page.markdown(SCENES), "write it anew: antipaxos coverage --markdown > docs/coverage.md"


def test_events_of_a_life_that_ended_are_counted() -> None:
    """The leader that is asked to stop counts its hand-over, and takes the count with it."""
    (handovers,) = scenes(("handovers",))
    result = simulate(handovers.scenario, 0)
    at_the_end = sum((summary.counters or {}).get("transfers_begun", 0) for summary in result.node_summaries)
    assert result.rare_events["transfers_begun"] > at_the_end


def test_what_is_missing_is_named() -> None:
    assert "noops_filled" in unreached({"elections_won": 3})
    assert "elections_won" not in unreached({"elections_won": 3})
    assert "frames_refused" not in unreached({}), "nothing simulated can reach it"
    surveyed = Surveyed(SCENES[0])
    assert surveyed.missing == list(SCENES[0].events)
    assert exit_code([surveyed]) == 4


def test_a_run_that_failed_outweighs_what_was_not_reached() -> None:
    (gaps,) = scenes(("gaps",))
    surveyed = Surveyed(gaps)
    result = simulate(gaps.scenario, 0)
    surveyed.take(0, msgspec.structs.replace(result, verdict=RunVerdict.VIOLATION))
    assert exit_code([surveyed]) == 1


def test_an_unknown_scenario_is_an_error_with_all_names() -> None:
    with pytest.raises(UnknownSceneError, match="gaps"):
        scenes(("gap",))


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_says_what_was_reached() -> None:
    done = CliRunner().invoke(app, ["coverage", "gaps", "--json"])
    assert done.exit_code == 0, done.output
    told = msgspec.json.decode(done.stdout.splitlines()[-1])
    (gaps,) = told["scenarios"]
    assert gaps["events"]["noops_filled"] > 0 and gaps["not_reached"] == [] and gaps["failed"] == []
    assert "2 of 2 rare events reached" in done.stderr


def test_a_scenario_that_is_none_is_a_usage_error() -> None:
    done = CliRunner().invoke(app, ["coverage", "no-such-scenario"])
    assert done.exit_code == 2
    assert "no scenario is named" in done.stderr
