"""Failure detectors: each against its definition, and the arithmetic against other formulas."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.paxos.config import DETECTORS, MS, Config, ConfigError
from node.paxos.detector import (
    FixedTimeout,
    NfdE,
    PhiExponential,
    PhiNormal,
    Window,
    detector,
    normal_deviations,
    normal_tail_log10,
)

NS = st.integers(1, 10_000 * MS)
GAPS = st.lists(NS, min_size=1, max_size=60)


@settings(deadline=None)
@given(st.floats(-30, 36))
def test_the_normal_tail_is_its_logarithm_where_that_can_be_computed(x: float) -> None:
    """From five deviations on ours is another formula than the reference: a continued fraction, not ``erfc``."""
    assert normal_tail_log10(x) == pytest.approx(math.log10(math.erfc(x / math.sqrt(2)) / 2), rel=1e-11)


@settings(deadline=None)
@given(st.floats(5, 1e5))
def test_far_out_it_lies_between_its_bounds(x: float) -> None:
    """Gordon's bounds: x / (x^2 + 1) < tail / density < 1 / x."""
    density = -(x * x / 2 + math.log(2 * math.pi) / 2) / math.log(10)
    low, high = density + math.log10(x / (x * x + 1)), density - math.log10(x)
    assert low * (1 + 1e-15) <= normal_tail_log10(x) <= high * (1 - 1e-15)


def test_it_is_finite_where_the_chance_itself_is_nothing_and_joins_without_a_step() -> None:
    assert math.erfc(1e4) == 0.0
    assert normal_tail_log10(1e4) == pytest.approx(-21_714_728.9, rel=1e-6)
    assert normal_tail_log10(5 - 1e-12) == pytest.approx(normal_tail_log10(5), rel=1e-10)


@settings(deadline=None)
@given(st.floats(0.5, 1_000))
def test_the_deviations_of_a_threshold_are_the_inverse_of_the_tail(threshold: float) -> None:
    assert -normal_tail_log10(normal_deviations(threshold)) == pytest.approx(threshold, rel=1e-6)


@settings(deadline=None)
@given(GAPS, st.integers(1, 20))
def test_a_window_has_the_mean_and_deviation_of_its_last_numbers(numbers: list[int], size: int) -> None:
    window = Window(size)
    for number in numbers:
        window.add(number)
    last = numbers[-size:]
    assert len(window) == len(last)
    assert window.total == sum(last)
    assert window.mean == sum(last) // len(last)
    assert abs(window.deviation - statistics.pstdev(last)) <= 1


@settings(deadline=None, max_examples=200)
@given(GAPS, st.floats(0.5, 50), st.integers(1, 30), st.integers(1, 200), st.integers(0, 500))
def test_phi_reaches_its_threshold_at_the_deadline(
    gaps: list[int], threshold: float, window: int, deviation_ms: int, pause_ms: int
) -> None:
    phi = PhiNormal(threshold, window, deviation_ms * MS, pause_ms * MS)
    now = 0
    for gap in gaps:
        now += gap
        deadline = phi.beat(now, gap, None)
    assert phi.samples == min(len(gaps), window)
    assert deadline == now + phi.patience
    assert phi.phi(phi.patience) == pytest.approx(threshold, rel=1e-4)
    assert phi.phi(phi.patience // 2) <= phi.phi(phi.patience) <= phi.phi(phi.patience * 2)
    last = gaps[-window:]
    spread = max(statistics.pstdev(last), deviation_ms * MS)
    gaps_law = statistics.NormalDist(statistics.fmean(last) + pause_ms * MS, spread)
    nearby = int(gaps_law.mean + 2 * spread)
    assert phi.phi(nearby) == pytest.approx(-math.log10(1 - gaps_law.cdf(nearby)), rel=1e-5)


@settings(deadline=None)
@given(GAPS, st.floats(0.5, 50), st.integers(1, 30))
def test_exponential_phi_is_proportional_to_the_silence(gaps: list[int], threshold: float, window: int) -> None:
    phi = PhiExponential(threshold, window)
    now = 0
    for gap in gaps:
        now += gap
        deadline = phi.beat(now, gap, None)
    mean = statistics.fmean(gaps[-window:])
    assert deadline - now == phi.patience == pytest.approx(threshold * math.log(10) * mean, rel=1e-5, abs=2)
    assert phi.phi(int(mean * 3)) == pytest.approx(3 / math.log(10), rel=1e-5, abs=2 / mean)


@settings(deadline=None)
@given(st.lists(st.integers(0, 400 * MS), min_size=1, max_size=60), st.integers(1, 20), st.integers(-(10**12), 10**12))
def test_nfd_e_expects_beats_as_chen_says_whatever_the_senders_clock(
    delays: list[int], window: int, offset: int
) -> None:
    heartbeat, alpha = 50 * MS, 30 * MS
    ours = NfdE(heartbeat, alpha, window)
    for number, delay in enumerate(delays):
        sent = number * heartbeat
        deadline = ours.beat(sent + delay, 0, sent - offset)
        arrivals = [(i * heartbeat + delays[i], i) for i in range(number + 1)][-window:]
        # EA(l + 1) = mean of (A_i - eta * s_i) + (l + 1) * eta; suspected at EA + alpha
        expected = sum(arrived - i * heartbeat for arrived, i in arrivals) // len(arrivals) + (number + 1) * heartbeat
        assert abs(deadline - (expected + alpha)) <= 1


def test_a_late_beat_moves_the_next_ones_date_for_a_time_out_and_not_for_nfd_e() -> None:
    fixed, nfd = FixedTimeout(80 * MS), NfdE(50 * MS, 30 * MS, 100)
    for number in range(100):
        sent = number * 50 * MS
        late = 25 * MS if number == 99 else MS
        after = fixed.beat(sent + late, 50 * MS, sent), nfd.beat(sent + late, 50 * MS, sent)
    assert after[0] == (99 * 50 + 25 + 80) * MS
    assert after[1] == pytest.approx((100 * 50 + 1 + 30) * MS, abs=MS)


def test_another_leader_has_another_clock() -> None:
    nfd = NfdE(50 * MS, 30 * MS, 10)
    nfd.beat(1_000 * MS, 0, 7 * MS)
    nfd.another_leader()
    assert nfd.samples == 0
    assert nfd.beat(2_000 * MS, 0, 9_000 * MS) == 2_080 * MS


@pytest.mark.parametrize(
    ("name", "kind"),
    list(zip(DETECTORS, (FixedTimeout, PhiNormal, PhiExponential, NfdE), strict=True)),
)
def test_a_setting_chooses_the_detector(name: Any, kind: type) -> None:
    assert type(detector(Config(me=1, members=(1,), detector=name))) is kind


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"detector": "psychic"}, "detector=psychic is none of fixed, phi, phi-exponential, nfd-e"),
        ({"phi_threshold": 0.4}, "phi_threshold=0.4 is not 0.5 to 1000"),
        ({"phi_exponential_threshold": math.nan}, "phi_exponential_threshold=nan is not 0.5 to 1000"),
        ({"detector_window": 0}, "detector_window=0 must be at least 1"),
    ],
)
def test_a_detector_that_makes_no_sense_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Config(me=1, members=(1,), **given)
