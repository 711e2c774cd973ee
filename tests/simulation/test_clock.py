"""A node's clock: it never goes back, and a timer goes off when the clock reads its time, never before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.simulation.clock import MILLION, SimulatedClock

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
