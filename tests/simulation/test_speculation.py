"""Speculation under faults: outside a node nobody can tell whether it computes ahead."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.plan import node_settings
from harness.results import RunVerdict
from harness.scenario import Scenario, changed
from nemesis.faults import DiskSlow, Kill, Partition
from tests.simulation.runs import Ran, run, scenario, timed

SWARM = scenario(time="5s", rate=200, faults=("swarm",))
LOST_BALLOTS = scenario(
    timed("500ms", "5500ms", DiskSlow("all", 20)),
    timed("1s", "1800ms", Partition("leader")),
    timed("2500ms", "3s", Kill("leader")),
    timed("4s", "4800ms", Partition("leader")),
    rate=400,
    concurrency=30,
)
"""Leaders end with Accepts under way."""


def carried_out(shown: Scenario, seed: int, speculative: int, root: Path) -> Ran:
    """Carry a run out with speculation or without."""
    root.mkdir()
    node = {**node_settings(shown, seed), "speculative": speculative}
    return run(changed(shown, node=node), seed, root)


def states(ran: Ran) -> list[tuple[str, int, str]]:
    """Return what the nodes had applied at the end."""
    return [(summary.node, summary.applied_upto, summary.digest) for summary in ran.summaries]


@pytest.mark.parametrize("shown", [SWARM, LOST_BALLOTS], ids=["swarm", "lost-ballots"])
@pytest.mark.parametrize("seed", range(4))
def test_the_same_seed_with_and_without_is_the_same_run(shown: Scenario, seed: int, tmp_path: Path) -> None:
    ahead = carried_out(shown, seed, 1, tmp_path / "ahead")
    plain = carried_out(shown, seed, 0, tmp_path / "plain")
    assert ahead.verdict is plain.verdict is RunVerdict.VALID, ahead.sentence
    assert ahead.total("slots_released") > 0
    assert plain.total("slots_run_ahead") == 0
    assert ahead.history_sha256 == plain.history_sha256, "every operation, with its answer and its times"
    assert [(s.applied_upto, s.digest) for s in ahead.summaries] == [
        (s.applied_upto, s.digest) for s in plain.summaries
    ]


def test_lost_ballots_are_rolled_back(tmp_path: Path) -> None:
    rolled_back = 0
    for seed in range(4):
        ran = carried_out(LOST_BALLOTS, seed, 1, tmp_path / str(seed))
        assert ran.verdict is RunVerdict.VALID, ran.sentence
        left = ran.total("slots_run_ahead") - ran.total("slots_released") - ran.total("slots_rolled_back")
        assert left == 0, "after a quiet end nothing is left ahead"
        rolled_back += ran.total("slots_rolled_back")
    assert rolled_back > 0
