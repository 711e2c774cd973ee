"""Cut links, one direction at a time: somebody leads wherever somebody can, soon, and stays.

What can be asked of Multi-Paxos: a leader needs links in both directions with a majority, itself included. Under each
pattern of cuts that leaves such a node, one leads within a bound, and after that nobody is deposed any more.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from node.paxos.config import DETECTORS
from tests.node.steady import Steady, quorum_connected

LEADERLESS_MS_MAX = 1_100
"""Of 400 ms until a leader without a majority resigns, or a dead one is suspected, 400 ms for the spread of attempts,
and a repeated question or two."""
SETTLED_MS = 1_500


def links(size: int) -> list[tuple[int, int]]:
    return list(itertools.permutations(range(1, size + 1), 2))


def patterns(size: int, count: int) -> list[frozenset[tuple[int, int]]]:
    """Return all patterns of cuts, or that many random ones."""
    every = links(size)
    if size == 3:
        return [frozenset(link for bit, link in enumerate(every) if mask >> bit & 1) for mask in range(64)]
    rng = random.Random(size)
    return [
        frozenset(link for link in every if rng.random() < share) for share in rng.choices((0.1, 0.3, 0.5), k=count)
    ]


def survives(size: int, cut: frozenset[tuple[int, int]], seed: int, **settings: Any) -> None:
    """Cut a cluster's links and watch it."""
    it = Steady(size, seed, settings)
    it.until_led()
    it.run(500)
    reigns, ballot = len(it.reigns), it.highest()
    it.cut(cut)
    since = it.cluster.now
    it.run(SETTLED_MS)
    settled = len(it.reigns)
    it.run(SETTLED_MS)
    assert len(it.reigns) == settled, f"{sorted(cut)}: {it.reigns[reigns:]}"
    assert it.highest().round - ballot.round <= 3, f"{sorted(cut)}: {it.highest()} after {ballot}"
    if quorum_connected(size, set(cut)):
        assert it.longest_gap_ms(since) <= LEADERLESS_MS_MAX, sorted(cut)


@pytest.mark.parametrize("mask", range(0, 64, 8))
def test_three_nodes_under_every_pattern_of_cuts(mask: int) -> None:
    for seed, cut in enumerate(patterns(3, 64)[mask : mask + 8], start=mask):
        survives(3, cut, seed)


@pytest.mark.parametrize("first", range(0, 20, 5))
def test_five_nodes_under_random_patterns_of_cuts(first: int) -> None:
    for seed, cut in enumerate(patterns(5, 20)[first : first + 5], start=first):
        survives(5, cut, seed)


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("lease_ms", [0, 300])
def test_whatever_the_detector_and_without_leases_too(detector: str, lease_ms: int) -> None:
    deaf_leader = frozenset(link for link in links(3) if link[1] == 1)
    for cut in (deaf_leader, frozenset({(1, 2)}), frozenset({(1, 3), (2, 3)})):
        survives(3, cut, 7, detector=detector, lease_ms=lease_ms)


@pytest.mark.parametrize("size", [3, 5])
def test_a_node_that_comes_back_deposes_nobody(size: int) -> None:
    it = Steady(size, 3)
    leader = it.until_led()
    it.run(300)
    for away in [node for node in it.cluster.members if node != leader][:2]:
        before, ballot = len(it.reigns), it.highest()
        it.cut(link for link in links(size) if away in link)
        it.run(20_000)
        since = it.cluster.now
        it.cut(())
        it.run(2_000)
        assert it.total("suspicions") > 0
        assert (len(it.reigns), it.highest()) == (before, ballot)
        assert it.longest_gap_ms(since) < 100
        assert it.cluster.nodes[away].running.paxos.leader_hint == leader


@pytest.mark.parametrize("direction", [0, 1])
def test_a_node_that_is_cut_off_in_one_direction_deposes_nobody(direction: int) -> None:
    it = Steady(3, 5)
    leader = it.until_led()
    it.run(300)
    lame = next(node for node in it.cluster.members if node != leader)
    before, ballot = len(it.reigns), it.highest()
    since = it.cluster.now
    it.cut(link for link in links(3) if link[direction] == lame)
    it.run(20_000)
    it.cut(())
    it.run(2_000)
    assert (len(it.reigns), it.highest()) == (before, ballot)
    assert it.longest_gap_ms(since) < 100


def test_a_node_that_slept_deposes_nobody_and_learns_nothing_from_its_sleep() -> None:
    it = Steady(3, 6)
    leader = it.until_led()
    it.run(1_000)
    sleeper = next(node for node in it.cluster.members if node != leader)
    before, ballot = len(it.reigns), it.highest()
    for _ in range(20):
        it.freeze(sleeper)
        it.run(1_500)
        it.thaw(sleeper)
        it.run(300)
    assert it.cluster.nodes[sleeper].counters.own_pauses >= 20
    assert it.cluster.nodes[sleeper].counters.suspicions == 0
    assert (len(it.reigns), it.highest()) == (before, ballot)
    timer = it.cluster.nodes[sleeper].running.paxos.election
    assert timer.suspects_at - it.cluster.now < 250_000_000


def test_a_refused_leader_is_back_at_once() -> None:
    """A node that took a ballot in its last moment before it was cut off refuses the leader when it comes back."""
    it = Steady(3, 8)
    leader = it.until_led()
    it.run(300)
    other = next(node for node in it.cluster.members if node != leader)
    it.cut(link for link in links(3) if other in link)
    it.run(50)
    paxos = it.cluster.nodes[other].running.paxos
    paxos.effects.persist.clear()
    paxos.campaign(it.cluster.now)
    it.cluster.nodes[other].waiting.extend(paxos.effects.persist)
    it.run(1_000)
    since = it.cluster.now
    it.cut(())
    it.run(1_000)
    assert it.reigns[-1][1] == leader
    assert it.highest().node == leader
    assert it.longest_gap_ms(since) < 100


def test_a_leader_that_dies_is_followed_by_another_within_the_bound() -> None:
    for seed in range(10):
        it = Steady(3, seed)
        leader = it.until_led()
        it.run(700)
        since = it.cluster.now
        it.crash(leader)
        it.run(2_000)
        assert it.longest_gap_ms(since) <= LEADERLESS_MS_MAX, seed
