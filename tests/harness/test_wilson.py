"""Wilson's interval: known values, and what is true of any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.replaying.wilson import wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I, method 3 (score)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # by hand: z² / (n + z²) for k = 0, and its mirror for k = n
        (0, 1, 0.0, 0.793457),
        (5, 5, 0.565518, 1.0),
    ],
)
def test_known_values(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_without_trials_every_rate_is_plausible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3), (1, 0)])
def test_what_cannot_be_counted_is_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} successes in {trials} trials"):
        wilson(successes, trials)


counts = st.integers(1, 10**6).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


@given(counts)
def test_it_lies_within_0_and_1_and_holds_what_was_measured(counted: tuple[int, int]) -> None:
    successes, trials = counted
    low, high = wilson(successes, trials)
    assert 0.0 <= low <= successes / trials <= high <= 1.0
    assert low < high


@given(counts)
def test_failures_mirror_successes(counted: tuple[int, int]) -> None:
    successes, trials = counted
    low, high = wilson(successes, trials)
    mirrored = wilson(trials - successes, trials)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high), abs=1e-12)


@given(counts)
def test_its_ends_are_z_of_their_own_deviations_away(counted: tuple[int, int]) -> None:
    """What defines it (Wilson 1927): (k/n − p)² = z² p (1 − p) / n."""
    successes, trials = counted
    for end in wilson(successes, trials):
        if 0.0 < end < 1.0:
            away = (successes / trials - end) ** 2
            assert away == pytest.approx(1.959963984540054**2 * end * (1 - end) / trials, rel=1e-6, abs=1e-12)


@given(counts)
def test_more_of_the_same_makes_it_narrower(counted: tuple[int, int]) -> None:
    successes, trials = counted
    few, many = wilson(successes, trials), wilson(10 * successes, 10 * trials)
    assert many.high - many.low < few.high - few.low
