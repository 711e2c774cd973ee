"""Partitions against elections, in simulation: a healthy leader stays, and what cannot lead is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.results import RunVerdict
from nemesis.faults import Partition, Restart
from tests.simulation.runs import Ran, run, scenario, timed

NODES = tuple(f"n{number}" for number in range(1, 6))


def valid(ran: Ran) -> Ran:
    assert ran.verdict is RunVerdict.VALID, (ran.sentence, ran.broken)
    return ran


def others(node: str) -> tuple[str, ...]:
    return tuple(name for name in NODES if name != node)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("way", ["isolated", "deaf", "mute"])
def test_who_is_cut_off_and_comes_back_deposes_nobody(seed: int, way: str, tmp_path: Path) -> None:
    """A ballot is taken by an election, so none was: the highest ballot is the one from before."""
    before = valid(run(scenario(time="3s"), seed, tmp_path / "before"))
    away = others(before.leader)[seed % 4]
    grudges: dict[str, dict[str, tuple[str, ...]]] = {
        "isolated": {away: others(away)} | dict.fromkeys(others(away), (away,)),
        "deaf": {away: others(away)},
        "mute": dict.fromkeys(others(away), (away,)),
    }
    ran = valid(run(scenario(timed("1s", "6s", Partition(grudge=grudges[way])), time="8s"), seed, tmp_path / "after"))
    assert ran.leader == before.leader
    assert ran.total("elections_started") == before.total("elections_started")
    assert ran.total("stepped_down") == before.total("stepped_down") == 0
    if way != "mute":
        assert ran.total("suspicions") > before.total("suspicions")
        assert ran.total("suspicions_withdrawn") > 0


@pytest.mark.parametrize("seed", range(3))
def test_a_leader_that_hears_nobody_gives_way_and_stays_out_of_it(seed: int, tmp_path: Path) -> None:
    before = valid(run(scenario(time="3s"), seed, tmp_path / "before"))
    deaf = Partition(grudge={before.leader: others(before.leader)})
    ran = valid(run(scenario(timed("1s", "6s", deaf), time="8s"), seed, tmp_path / "after"))
    assert ran.leader != before.leader
    assert ran.total("quorum_lost") == 1
    assert ran.total("resignations_heard") == 4
    assert ran.total("elections_won") == before.total("elections_won") + 1


@pytest.mark.parametrize("seed", range(3))
def test_nodes_that_are_restarted_one_after_the_other_hand_over(seed: int, tmp_path: Path) -> None:
    """Nobody has to find out that a leader is gone, if it says so."""
    ran = valid(run(scenario(timed("1s", "4s", Restart("all")), time="6s"), seed, tmp_path))
    assert ran.total("resignations_heard") > 0
    assert ran.total("promises_withheld") == 0
