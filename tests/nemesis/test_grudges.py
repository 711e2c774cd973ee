"""Shapes of partitions: each is exactly what Jepsen means by its name, for 2 to 9 nodes in any order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nemesis import grudges
from nemesis.ground import Link
from nemesis.targets import TargetError, majority
from tests.nemesis.ground import links, names


class Case(NamedTuple):
    """Nodes, a permutation of them, and who leads."""

    nodes: tuple[str, ...]
    order: tuple[str, ...]
    leader: str


@st.composite
def cases(draw: st.DrawFn, least: int = 2) -> Case:
    nodes = names(draw(st.integers(least, 9)))
    return Case(nodes, tuple(draw(st.permutations(nodes))), draw(st.sampled_from(nodes)))


def cut(shape: str, case: Case) -> frozenset[Link]:
    return grudges.grudge(shape, case.nodes, case.order, case.leader)


def mirrored(cuts: frozenset[Link]) -> frozenset[Link]:
    return frozenset(Link(link.destination, link.source) for link in cuts)


def hears(node: str, cuts: frozenset[Link], nodes: Sequence[str]) -> frozenset[str]:
    """Return whom a node hears, itself included."""
    return frozenset(other for other in nodes if Link(other, node) not in cuts)


def crossing(left: Sequence[str], right: Sequence[str]) -> frozenset[Link]:
    """Return all links from the left to the right."""
    return links((a, b) for a in left for b in right)


def split(left: Sequence[str], right: Sequence[str]) -> frozenset[Link]:
    """Return all links between left and right."""
    return crossing(left, right) | crossing(right, left)


def rest(nodes: Sequence[str], without: Sequence[str]) -> list[str]:
    return [node for node in nodes if node not in without]


@pytest.mark.parametrize("shape", grudges.SHAPES)
@given(case=cases(least=4))
def test_every_shape_cuts_something_among_the_nodes_and_nobody_from_itself(shape: str, case: Case) -> None:
    cuts = cut(shape, case)
    assert cuts
    assert all(link.source != link.destination for link in cuts)
    assert {name for link in cuts for name in link} <= set(case.nodes)


@pytest.mark.parametrize("shape", [s for s in grudges.SHAPES if s not in ("one-way", "leader-deaf", "leader-mute")])
@given(case=cases(least=4))
def test_shapes_that_are_not_one_way_cut_both_ways(shape: str, case: Case) -> None:
    cuts = cut(shape, case)
    assert cuts == mirrored(cuts)


@pytest.mark.parametrize("shape", ["one-way", "leader-deaf", "leader-mute"])
@given(case=cases())
def test_one_way_shapes_never_cut_a_link_and_its_mirror(shape: str, case: Case) -> None:
    cuts = cut(shape, case)
    assert not cuts & mirrored(cuts)


@given(cases())
def test_halves_are_the_first_half_against_the_rest_whatever_the_order(case: Case) -> None:
    half = len(case.nodes) // 2
    assert cut("halves", case) == split(case.nodes[:half], case.nodes[half:])


@given(cases())
def test_random_halves_split_the_order_and_the_larger_half_is_a_majority_of_odd_clusters(case: Case) -> None:
    half = len(case.nodes) // 2
    cuts = cut("random-halves", case)
    assert cuts == split(case.order[:half], case.order[half:])
    if len(case.nodes) % 2:
        assert len(hears(case.order[-1], cuts, case.nodes)) == majority(len(case.nodes))


@given(cases())
def test_one_is_the_first_of_the_order_alone(case: Case) -> None:
    alone = case.order[:1]
    assert cut("one", case) == split(alone, rest(case.nodes, alone))


@given(cases())
def test_leader_is_the_leader_alone(case: Case) -> None:
    assert cut("leader", case) == split([case.leader], rest(case.nodes, [case.leader]))


@given(cases())
def test_a_deaf_leader_hears_nobody_and_is_heard_by_all(case: Case) -> None:
    cuts = cut("leader-deaf", case)
    assert cuts == crossing(rest(case.nodes, [case.leader]), [case.leader])
    assert hears(case.leader, cuts, case.nodes) == {case.leader}
    assert all(case.leader in hears(node, cuts, case.nodes) for node in case.nodes)


@given(cases())
def test_a_mute_leader_hears_all_and_is_heard_by_nobody(case: Case) -> None:
    cuts = cut("leader-mute", case)
    assert cuts == crossing([case.leader], rest(case.nodes, [case.leader]))
    assert hears(case.leader, cuts, case.nodes) == set(case.nodes)
    assert [node for node in case.nodes if case.leader in hears(node, cuts, case.nodes)] == [case.leader]


@given(cases())
def test_one_way_the_second_half_never_hears_the_first(case: Case) -> None:
    half = len(case.nodes) // 2
    cuts = cut("one-way", case)
    assert cuts == crossing(case.order[:half], case.order[half:])
    assert all(hears(node, cuts, case.nodes) == set(case.nodes) for node in case.order[:half])
    assert all(hears(node, cuts, case.nodes) == set(case.order[half:]) for node in case.order[half:])


@given(cases(least=4))
def test_in_a_ring_of_majorities_each_node_sees_a_majority_and_no_two_the_same(case: Case) -> None:
    cuts = cut("majorities-ring", case)
    seen = [hears(node, cuts, case.nodes) for node in case.nodes]
    assert all(node in view for node, view in zip(case.nodes, seen, strict=True))
    assert all(majority(len(case.nodes)) <= len(view) < len(case.nodes) for view in seen)
    assert len(set(seen)) == len(case.nodes)
    assert len({len(view) for view in seen}) == 1


@given(cases(least=4))
def test_a_ring_of_majorities_keeps_the_nearest_neighbours(case: Case) -> None:
    cuts = cut("majorities-ring", case)
    for here, there in combinations(range(len(case.order)), 2):
        apart = min(there - here, len(case.order) - (there - here))
        kept = Link(case.order[here], case.order[there]) not in cuts
        assert kept == (apart <= majority(len(case.order)) // 2)


@given(st.integers(2, 3))
def test_a_ring_of_majorities_needs_four_nodes(count: int) -> None:
    with pytest.raises(TargetError, match="four nodes"):
        grudges.grudge("majorities-ring", names(count), names(count), "n1")


@given(cases(least=3))
def test_a_bridge_is_the_one_node_that_sees_both_halves(case: Case) -> None:
    half = len(case.nodes) // 2
    left, bridge, right = case.order[:half], case.order[half], case.order[half + 1 :]
    cuts = cut("bridge", case)
    assert cuts == split(left, right)
    assert hears(bridge, cuts, case.nodes) == set(case.nodes)
    assert all(bridge in hears(node, cuts, case.nodes) for node in case.nodes)
    assert abs(len(left) - len(right)) <= 1


def test_a_bridge_needs_three_nodes() -> None:
    with pytest.raises(TargetError, match="three nodes"):
        grudges.grudge("bridge", names(2), names(2), "n1")


@given(cases())
def test_minority_third_is_less_than_a_third_or_one_node(case: Case) -> None:
    cuts = cut("minority-third", case)
    few = hears(case.order[0], cuts, case.nodes)
    assert cuts == split(sorted(few), rest(case.nodes, sorted(few)))
    assert len(few) * 3 < len(case.nodes) or len(few) == 1
    assert (len(few) + 1) * 3 >= len(case.nodes)


@pytest.mark.parametrize("shape", ["leader", "leader-deaf", "leader-mute"])
def test_shapes_around_the_leader_need_one(shape: str) -> None:
    with pytest.raises(TargetError, match="no node leads"):
        grudges.grudge(shape, names(5), names(5), None)


@pytest.mark.parametrize("shape", grudges.SHAPES)
def test_no_shape_can_be_made_of_one_node(shape: str) -> None:
    with pytest.raises(TargetError, match="two nodes"):
        grudges.grudge(shape, names(1), names(1), "n1")


def test_an_unknown_shape_is_told_which_there_are() -> None:
    with pytest.raises(TargetError, match="'star'; there are: halves, random-halves"):
        grudges.grudge("star", names(5), names(5), "n1")


# -- describe ---------------------------------------------------------------------------------------------------------


def told(text: str) -> frozenset[Link]:
    """Read a description back."""
    if text.startswith("{"):
        groups = [group.strip("{}").split(", ") for group in text.split(" | ")]
        return frozenset().union(*(split(a, b) for a, b in combinations(groups, 2)))
    arrows = [arrow.split(" ⇸ ") for arrow in text.split("; ") if arrow]
    return links((source, to) for source, many in arrows for to in many.split(", "))


@given(cases(), st.data())
def test_a_description_tells_exactly_the_links(case: Case, data: st.DataObject) -> None:
    every = sorted(split(case.nodes, case.nodes) - links((node, node) for node in case.nodes))
    cuts = frozenset(data.draw(st.sets(st.sampled_from(every))))
    assert told(grudges.describe(cuts, case.nodes)) == cuts


@given(cases(), st.integers(1, 8))
def test_a_clean_split_is_described_by_its_groups(case: Case, at: int) -> None:
    assume(at < len(case.nodes))
    text = grudges.describe(split(case.order[:at], case.order[at:]), case.nodes)
    groups = [group.strip("{}").split(", ") for group in text.split(" | ")]
    assert sorted(map(sorted, groups)) == sorted([sorted(case.order[:at]), sorted(case.order[at:])])


@pytest.mark.parametrize(
    ("cuts", "text"),
    [
        (split(["n2"], ["n1", "n3"]), "{n1, n3} | {n2}"),
        (split(["n1"], ["n2", "n3"]) | split(["n2"], ["n3"]), "{n1} | {n2} | {n3}"),
        (crossing(["n1"], ["n2", "n3"]), "n1 ⇸ n2, n3"),
        (split(["n1"], ["n3"]), "n1 ⇸ n3; n3 ⇸ n1"),
        (frozenset(), ""),
    ],
)
def test_descriptions_as_people_read_them(cuts: frozenset[Link], text: str) -> None:
    assert grudges.describe(cuts, names(3)) == text
