"""The seed tree: the same numbers on every Python version and machine, and streams that know nothing of each other."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.seeds import SEED_MAX, SeedTree, Stream

seeds = st.integers(0, SEED_MAX)
paths = st.text(max_size=20)


def test_golden_numbers() -> None:
    tree = SeedTree(17)
    assert tree.number("clients") == 72138101429580793396820439434695232906
    assert tree.number("faults/partition") == 303866442161827355491150442967417875381
    assert SeedTree(SEED_MAX).number("") == 0x763F62CA7766B7EB35E2C45A5CCD85D6


def test_golden_draws() -> None:
    stream = SeedTree(17).stream("clients")
    assert [stream.below(1000) for _ in range(8)] == [140, 722, 534, 69, 965, 652, 268, 106]
    assert stream.random().hex() == "0x1.d2620989d588cp-1"
    assert "".join(SeedTree(17).stream("x").shuffled("abcdefgh")) == "dgfbhcea"


@given(seeds, paths)
def test_a_stream_begins_at_its_beginning_each_time(seed: int, path: str) -> None:
    first, second = SeedTree(seed).stream(path), SeedTree(seed).stream(path)
    assert [first.random() for _ in range(5)] == [second.random() for _ in range(5)]


@given(seeds, st.lists(paths, min_size=2, max_size=2, unique=True))
def test_streams_are_independent_of_what_others_draw(seed: int, two: list[str]) -> None:
    tree = SeedTree(seed)
    alone = [tree.stream(two[1]).random()]
    other = tree.stream(two[0])
    drawn = [other.random() for _ in range(100)]
    assert [tree.stream(two[1]).random()] == alone
    assert drawn[0] != alone[0]


@given(st.lists(seeds, min_size=2, max_size=2, unique=True), paths)
def test_other_seeds_draw_other_numbers(two: list[int], path: str) -> None:
    assert SeedTree(two[0]).number(path) != SeedTree(two[1]).number(path)


def test_a_seed_is_not_glued_to_its_path() -> None:
    assert SeedTree(1).number("1/x") != SeedTree(11).number("/x")
    assert SeedTree(1).number("1x") != SeedTree(11).number("x")


@pytest.mark.parametrize("seed", [-1, SEED_MAX + 1])
def test_seeds_out_of_range_are_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="a seed is a whole number"):
        SeedTree(seed)


@given(st.integers(0, 2**32), st.integers(1, 2**53))
def test_below_stays_below(key: int, bound: int) -> None:
    stream = Stream(key)
    assert all(0 <= stream.below(bound) < bound for _ in range(20))


@pytest.mark.parametrize("bound", [0, -1, 2**53 + 1])
def test_bounds_that_cannot_be_drawn_below_are_refused(bound: int) -> None:
    with pytest.raises(ValueError, match="cannot draw below"):
        Stream(1).below(bound)


@given(st.integers(0, 2**32), st.integers(-50, 50), st.integers(0, 100))
def test_between_includes_both_ends(key: int, low: int, width: int) -> None:
    stream = Stream(key)
    assert all(low <= stream.between(low, low + width) <= low + width for _ in range(20))


def test_between_reaches_both_ends_and_choice_every_item() -> None:
    stream = Stream(1)
    assert {stream.between(3, 6) for _ in range(200)} == {3, 4, 5, 6}
    assert {stream.choice("abc") for _ in range(200)} == {"a", "b", "c"}


@given(st.integers(0, 2**32), st.lists(st.integers()))
def test_a_shuffle_loses_nothing_and_leaves_its_argument(key: int, items: list[int]) -> None:
    before = list(items)
    assert Counter(Stream(key).shuffled(items)) == Counter(items)
    assert items == before


def test_every_order_is_as_likely() -> None:
    stream = Stream(1)
    count = 24_000
    found = Counter(tuple(stream.shuffled("abcd")) for _ in range(count))
    assert len(found) == math.factorial(4)
    chi_square = sum((times - count / 24) ** 2 / (count / 24) for times in found.values())
    assert chi_square < 50  # 23 degrees of freedom: above 50 once in a thousand streams, and this one is fixed
