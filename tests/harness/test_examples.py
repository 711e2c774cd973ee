"""The examples that the README names are scenarios that can be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.plan import make_plan
from harness.scenario import load

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_a_plan(path: Path) -> None:
    scenario = load(path)
    assert scenario.name == path.stem
    assert scenario.seed is not None
    plan = make_plan(scenario, scenario.seed)
    assert plan.faults and sum(len(client) for client in plan.clients) == scenario.planned_operations


def test_the_readme_names_examples_that_exist() -> None:
    readme = (EXAMPLES[0].parents[1] / "README.md").read_text(encoding="utf-8")
    named = [word for word in readme.split() if word.startswith("examples/")]
    assert named and all((EXAMPLES[0].parents[1] / name).exists() for name in named)
