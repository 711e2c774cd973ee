"""A node's clock: it never goes back, and a timer goes off when the clock reads its time, never before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.simulation.clock import WALL_EPOCH, SimulatedClock
from nemesis.ground import MILLION

rates = st.integers(0, 5 * MILLION)
changes = st.lists(st.tuples(st.integers(0, 10**10), rates), max_size=10)


@given(st.integers(0, 10**15), changes, st.lists(st.integers(0, 10**9), min_size=1, max_size=5))
def test_it_never_goes_back(epoch: int, changes: list[tuple[int, int]], steps: list[int]) -> None:
    clock, true, last = SimulatedClock(epoch), 0, epoch
    for after, rate in changes:
        for step in (*steps, after):
            true += step
            assert clock.read(true) >= last
            last = clock.read(true)
        clock.set_rate(true, rate)
        assert clock.read(true) == last


@given(st.integers(0, 10**15), changes, st.integers(-(10**9), 10**12))
def test_a_timer_goes_off_at_the_first_moment_that_the_clock_reads_its_time(
    epoch: int, changes: list[tuple[int, int]], ahead: int
) -> None:
    clock, true = SimulatedClock(epoch), 0
    for after, rate in changes:
        true += after
        clock.set_rate(true, rate)
    local = clock.read(true) + ahead
    when = clock.when(local)
    if when is None:
        assert clock.read(true + 10**12) == clock.read(true)
    elif ahead > 0:
        assert clock.read(when) >= local
        assert clock.read(when - 1) < local
    else:
        assert when <= true


def test_rates_are_what_they_say() -> None:
    clock = SimulatedClock(7)
    assert clock.read(10**9) == 10**9 + 7
    clock.set_rate(10**9, MILLION + 100)
    assert clock.read(11 * 10**9) == 11 * 10**9 + 7 + 10**6
    clock.set_rate(11 * 10**9, 0)
    assert clock.read(20 * 10**9) == clock.read(11 * 10**9)
    assert clock.when(clock.read(20 * 10**9) + 1) is None


@given(st.integers(0, 10**15), st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**12)), max_size=10))
def test_a_jump_goes_forward_and_the_wall_clock_does_not_notice(epoch: int, jumps: list[tuple[int, int]]) -> None:
    clock, true, gained = SimulatedClock(epoch), 0, 0
    for after, by in jumps:
        true += after
        clock.jump(true, by)
        gained += by
        assert clock.read(true) == epoch + true + gained
        assert clock.wall(true) == WALL_EPOCH + true


def test_a_monotonic_clock_never_jumps_back() -> None:
    with pytest.raises(ValueError, match="never goes back"):
        SimulatedClock(5).jump(0, -1)


@given(st.integers(0, 10**15), st.integers(-(10**15), 10**15), rates)
def test_the_wall_clock_jumps_and_the_monotonic_one_does_not_notice(epoch: int, ahead: int, rate: int) -> None:
    clock = SimulatedClock(epoch)
    clock.set_rate(10**9, rate)
    before, wall = clock.read(2 * 10**9), clock.wall(2 * 10**9)
    clock.set_wall(ahead)
    assert clock.read(2 * 10**9) == before
    assert clock.wall(2 * 10**9) == wall + ahead
    clock.set_wall(0)
    assert clock.wall(2 * 10**9) == wall


def test_a_timer_that_a_jump_has_passed_is_due_at_once() -> None:
    clock = SimulatedClock(0)
    clock.jump(10, 1_000)
    assert clock.when(500) == 10
    assert clock.when(1_020) == 20
