"""The law of one link: which frames it loses, doubles and holds up, as a share and against plain arithmetic."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nemesis.delays import Delay
from nemesis.ground import MILLION, Loss, Rate, Reorder, Weather
from nemesis.passage import Passage


def passage(weather: Weather, seed: int = 1) -> Passage:
    made = Passage(dice(seed))
    made.change(weather)
    return made


def dice(seed: int) -> Callable[[int], int]:
    draws = random.Random(seed)
    return lambda bound: int(draws.random() * bound)


def no_dice(bound: int) -> int:
    raise AssertionError(f"something was drawn below {bound}")


def test_nothing_is_drawn_for_what_the_weather_does_not_do() -> None:
    weather = Weather(rate=Rate(8, 1))
    calm = Passage(no_dice)
    calm.change(weather)
    assert not calm.loses(weather)
    assert not calm.doubles(weather)
    assert calm.lateness(weather) == 0
    assert calm.queue(Weather(), 5, 100) == 0


def test_the_share_that_is_lost_is_the_same_with_and_without_a_correlation() -> None:
    for correlation_ppm in (0, 800_000):
        weather = Weather(losses=(Loss(200_000, correlation_ppm),))
        link = passage(weather)
        fates = [link.loses(weather) for _ in range(100_000)]
        assert 0.18 < sum(fates) / 100_000 < 0.22
        assert link.lost == sum(fates)
        turns = sum(one != other for one, other in pairwise(fates))
        burst = 2 * sum(fates) / turns  # each burst has two ends
        assert abs(burst - 1 / ((1 - correlation_ppm / MILLION) * 0.8)) < 0.4


def test_a_new_weather_begins_its_bursts_and_its_queue_anew() -> None:
    stuck = Weather(losses=(Loss(MILLION, 999_999),), rate=Rate(8, 10))
    link = Passage(lambda bound: 0)  # the same fate as before, always: none was lost
    link.change(stuck)
    assert not link.loses(stuck)
    assert link.queue(stuck, 0, 1) == 10**9
    link.change(stuck)
    assert link.queue(stuck, 0, 1) == 10**9


def test_held_back_and_doubled_frames_are_counted() -> None:
    weather = Weather((Delay(5, 5),), duplicate_ppm=MILLION, reorders=(Reorder(MILLION, 7), Reorder(MILLION, 11)))
    link = passage(weather)
    assert link.lateness(weather) == 23
    assert link.doubles(weather)
    assert (link.reordered, link.duplicated, link.lost, link.delayed) == (2, 1, 0, 0)


frames = st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 3_000)), max_size=60)


@given(frames, st.integers(1_000, 10**9), st.integers(1, 20_000))
def test_a_rate_is_a_queue_before_a_slow_line(sent: list[tuple[int, int]], bits_per_s: int, queue_bytes: int) -> None:
    """Against the queue written out: each frame with the time at which it is out."""
    weather = Weather(rate=Rate(bits_per_s, queue_bytes))
    link = Passage(no_dice)
    link.change(weather)
    now, free_at, lost = 0, 0, 0
    for gap, size in sent:
        now += gap
        takes = size * 8 * 10**9 // bits_per_s
        ahead_bytes = max(0, free_at - now) * bits_per_s // (8 * 10**9)
        held = link.queue(weather, now, size)
        if free_at > now and ahead_bytes + size > queue_bytes:
            assert held is None
            lost += 1
            continue
        free_at = max(now, free_at) + takes
        assert held == free_at - now
    assert (link.lost, link.throttled) == (lost, len(sent) - lost)
