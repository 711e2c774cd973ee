"""Symbolic targets: whom each means, and when it means nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemesis.targets import SYMBOLS, TargetError, majority, resolve
from tests.nemesis.ground import names

orders = st.integers(1, 9).flatmap(lambda count: st.permutations(names(count)))


@given(orders, st.sampled_from(SYMBOLS), st.data())
def test_a_symbol_means_different_nodes_of_the_cluster_sorted(
    order: list[str], symbol: str, data: st.DataObject
) -> None:
    leader = data.draw(st.sampled_from(order))
    if symbol == "follower" and len(order) == 1:
        return
    found = resolve(symbol, order, leader)
    assert found == tuple(sorted(set(found)))
    assert set(found) <= set(order)
    assert found


@given(orders)
def test_how_many_each_symbol_means(order: list[str]) -> None:
    count = len(order)
    sizes = {symbol: len(resolve(symbol, order, order[0])) for symbol in SYMBOLS if symbol != "follower"}
    assert sizes["one"] == sizes["leader"] == 1
    assert sizes["all"] == count
    assert sizes["majority"] * 2 > count >= (sizes["majority"] - 1) * 2
    assert sizes["minority"] * 2 < count or sizes["minority"] == 1
    assert (sizes["minority"] + 1) * 2 >= count
    assert sizes["minority-third"] * 3 < count or sizes["minority-third"] == 1
    assert (sizes["minority-third"] + 1) * 3 >= count


@given(orders)
def test_the_order_decides_who_is_hit(order: list[str]) -> None:
    assert resolve("one", order, None) == (order[0],)
    assert set(resolve("minority", order, None)) <= set(resolve("majority", order, None))
    assert set(resolve("majority", order, None)) == set(order[: majority(len(order))])


def test_the_leader_and_a_follower() -> None:
    order = ["n3", "n1", "n2"]
    assert resolve("leader", order, "n2") == ("n2",)
    assert resolve("follower", order, "n3") == ("n1",)
    assert resolve("follower", order, "n2") == ("n3",)
    assert resolve("follower", order, None) == ("n3",)


@pytest.mark.parametrize(
    ("target", "order", "leader", "why"),
    [
        ("leader", ["n1", "n2"], None, "no node leads"),
        ("follower", ["n1"], "n1", "no follower"),
        ("n9", ["n1", "n2"], "n1", "'n9', which is no node here"),
        ("n1+n9", ["n1", "n2"], "n1", "'n1\\+n9' names 'n9'"),
    ],
)
def test_a_target_that_means_nobody_says_why(target: str, order: list[str], leader: str | None, why: str) -> None:
    with pytest.raises(TargetError, match=why):
        resolve(target, order, leader)


@given(orders, st.data())
def test_nodes_by_name_are_meant_once_and_sorted(order: list[str], data: st.DataObject) -> None:
    named = data.draw(st.lists(st.sampled_from(order), min_size=1))
    assert resolve("+".join(named), order, None) == tuple(sorted(set(named)))
