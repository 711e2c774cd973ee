"""Delays: each law keeps its bounds and has the middle, spread and tail that its docstring says."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemesis.delays import Delay, Distribution, draw

COUNT = 20_000
WIDTH = 6_400_000


def stream(seed: int) -> Callable[[int], int]:
    """Return draws that are the same for a seed."""
    source = random.Random(seed)
    return lambda bound: int(source.random() * bound)


def sample(distribution: Distribution) -> list[int]:
    below = stream(7)
    return sorted(draw(Delay(1_000, 1_000 + WIDTH, distribution), below) - 1_000 for _ in range(COUNT))


@given(st.sampled_from(Distribution), st.integers(0, 10**10), st.integers(0, 10**10), st.integers(0, 2**32))
def test_no_delay_is_out_of_bounds(distribution: Distribution, low: int, width: int, seed: int) -> None:
    below = stream(seed)
    for _ in range(20):
        assert low <= draw(Delay(low, low + width, distribution), below) <= low + width


@pytest.mark.parametrize("distribution", Distribution)
def test_the_ends_of_the_dice_are_within_bounds_too(distribution: Distribution) -> None:
    for below in (lambda _: 0, lambda bound: bound - 1):
        assert 5 <= draw(Delay(5, 1_000, distribution), below) <= 1_000


def test_uniform_is_even() -> None:
    drawn = sample(Distribution.UNIFORM)
    for tenth in range(1, 10):
        assert abs(drawn[COUNT * tenth // 10] - WIDTH * tenth // 10) < WIDTH // 50


def test_normal_has_its_mean_in_the_middle_and_a_twelfth_of_the_width_as_its_deviation() -> None:
    drawn = sample(Distribution.NORMAL)
    mean = sum(drawn) / COUNT
    deviation = (sum((one - mean) ** 2 for one in drawn) / COUNT) ** 0.5
    assert abs(mean - WIDTH / 2) < WIDTH / 200
    assert abs(deviation - WIDTH / 12) < WIDTH / 500
    within = sum(abs(one - mean) < deviation for one in drawn) / COUNT
    assert 0.66 < within < 0.71


def test_exponential_has_an_eighth_of_the_width_as_its_mean_and_forgets() -> None:
    drawn = sample(Distribution.EXPONENTIAL)
    mean = WIDTH / 8
    assert abs(sum(drawn) / COUNT - mean) < mean / 25
    for times, left in ((1, 0.3679), (2, 0.1353), (3, 0.0498)):
        assert abs(sum(one > times * mean for one in drawn) / COUNT - left) < 0.012


def test_pareto_has_a_heavy_tail() -> None:
    drawn = sample(Distribution.PARETO)
    median = WIDTH / 64
    assert abs(drawn[COUNT // 2] - median) < median / 20
    for k in (2, 5, 10, 50):
        assert abs(sum(one > (k - 1) * median for one in drawn) / COUNT - 1 / k) < 0.012
    assert 0.01 < drawn.count(WIDTH) / COUNT < 0.02
