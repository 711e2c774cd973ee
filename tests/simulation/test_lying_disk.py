"""One lying disk of three: with ``amnesia_safe`` it loses no commit; without, over the same seeds, it does."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.results import RunResult, RunVerdict
from harness.scenario import Scenario, load
from harness.testing import simulate

EXAMPLE = Path(__file__).parents[2] / "examples" / "lying-disk.toml"
SEEDS = range(10)


def carried_out(amnesia_safe: int) -> list[RunResult]:
    """Carry the example out over the seeds."""
    scenario: Scenario = load(EXAMPLE)
    node = {**scenario.node, "amnesia_safe": amnesia_safe}
    return [simulate(msgspec.structs.replace(scenario, node=node, seed=seed, place="simulated")) for seed in SEEDS]


def test_a_node_that_knows_that_it_may_forget_loses_nothing() -> None:
    for result in carried_out(1):
        assert result.verdict is RunVerdict.VALID, result.sentence


def test_a_node_that_does_not_know_loses_commits() -> None:
    lost = [result for result in carried_out(0) if result.verdict is RunVerdict.VIOLATION]
    assert lost
    assert all("Beyond the model: disk-lie n3" in result.sentence for result in lost)
