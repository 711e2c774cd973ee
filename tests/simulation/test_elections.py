"""Partitions against elections, in simulation: a healthy leader stays, and what cannot work is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.results import RunVerdict
from harness.scenario import Timed
from nemesis.faults import LinkFault, Partition, Pause, Restart
from tests.simulation.runs import Ran, counters, run, scenario, timed


def others(node: str, nodes: int = 5) -> tuple[str, ...]:
    return tuple(name for name in (f"n{number}" for number in range(1, nodes + 1)) if name != node)


def quiet(ran: Ran, before: Ran) -> None:
    """Say that a run had as many elections as the same run without its faults."""
    assert ran.verdict is RunVerdict.VALID, (ran.sentence, ran.broken)
    assert ran.counters["suspicions"] > before.counters["suspicions"]
    assert ran.counters["elections_started"] == before.counters["elections_started"]
    assert ran.counters["stepped_down"] == before.counters["stepped_down"]
    assert ran.ballot == before.ballot


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("way", ["isolated", "deaf", "mute"])
def test_who_is_cut_off_and_comes_back_deposes_nobody(seed: int, way: str, tmp_path: Path) -> None:
    before = run(scenario(time="8s"), seed, tmp_path / "before")
    away = next(name for name in others("") if name != before.leader)
    grudge = {
        "isolated": {away: others(away)} | {name: (away,) for name in others(away)},
        "deaf": {away: others(away)},
        "mute": {name: (away,) for name in others(away)},
    }[way]
    fault = timed("1s", "6s", Partition(grudge=grudge))
    ran = run(scenario(fault, time="8s"), seed, tmp_path / "after")
    assert ran.verdict is RunVerdict.VALID, (ran.sentence, ran.broken)
    if way == "mute":
        assert ran.counters["elections_started"] == before.counters["elections_started"]
        return
    quiet(ran, before)
