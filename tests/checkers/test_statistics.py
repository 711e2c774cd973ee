"""Numbers of a run, on histories whose numbers can be counted by hand."""

from __future__ import annotations

import pytest

from checkers.history import Event, EventType, History
from checkers.statistics import (
    Counts,
    Gap,
    Latencies,
    counts_by_f,
    latencies,
    longest_unavailability,
    quantile,
    rate_by_second,
    summarize,
)  # fmt: skip
from tests.checkers.literal import cas, history, read, write

#   ticks of 0.1 s     1    5     10      20        25    31      39
#   0                  |- w -|    |- cas -|x        |- r -|
#   1                     |- w ?                             ... |- r -|
RUN = history(
    write(0, 1, 5, 1), write(1, 3, None, 2), cas(0, 10, 20, [1, 2], "fail"), read(0, 25, 31, 1), read(3, 36, 39, 1)
)  # fmt: skip


def test_outcomes_by_operation() -> None:
    assert counts_by_f(RUN) == {"write": Counts(1, 0, 1), "cas": Counts(0, 1, 0), "read": Counts(2, 0, 0)}


def test_latencies_are_of_ok_operations() -> None:
    assert latencies(RUN.operations()) == Latencies(3, 400_000_000, 600_000_000, 600_000_000, 600_000_000)


@pytest.mark.parametrize(("percent", "expected"), [(1, 10), (50, 20), (51, 30), (75, 30), (76, 40), (100, 40)])
def test_quantiles_are_observed_values(percent: int, expected: int) -> None:
    assert quantile([10, 20, 30, 40], percent) == expected


@pytest.mark.parametrize(("ordered", "percent"), [([], 50), ([1], 0), ([1], 101)])
def test_a_quantile_of_nothing_is_an_error(ordered: list[int], percent: int) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile(ordered, percent)


def test_rate_counts_ok_completions_by_second() -> None:
    assert rate_by_second(RUN) == (1, 0, 0, 2)


def test_longest_unavailability_has_its_ends() -> None:
    assert longest_unavailability(RUN) == Gap(500_000_000, 3_100_000_000)


def test_a_run_that_never_answered_was_unavailable_throughout() -> None:
    silent = history(write(0, 1, None, 1), write(1, 30, 31, 1, "fail"))
    assert longest_unavailability(silent) == Gap(100_000_000, 3_100_000_000)
    assert latencies(silent.operations()) is None


def test_without_times_there_is_nothing_to_say() -> None:
    timeless = History([Event(0, None, 0, EventType.INVOKE, "read", None), Event(1, None, 0, EventType.OK, "read", 1)])
    found = summarize(timeless)
    assert (found.latencies, found.rate, found.longest_unavailability) == (None, (), None)
    assert found.counts == {"read": Counts(1, 0, 0)}


def test_the_summary_holds_everything() -> None:
    found = summarize(RUN)
    assert set(found.latencies_by_f) == {"write", "read"}
    assert found.rate == (1, 0, 0, 2)


def test_absurd_time_stamps_are_refused_rather_than_drawn() -> None:
    far = History([Event(0, 0, 0, EventType.INVOKE, "read", 1), Event(1, 2**62, 0, EventType.OK, "read", 1)])
    with pytest.raises(ValueError, match="over the limit"):
        rate_by_second(far)


def test_the_nemesis_does_not_stretch_the_window() -> None:
    events = [*RUN.events, Event(99, 10**12, "nemesis", EventType.INFO, "heal", None)]
    assert longest_unavailability(History(events)) == Gap(500_000_000, 3_100_000_000)


def test_unavailability_ends_where_the_load_ended() -> None:
    #   ok at 1 s, ok at 2 s, load ends at 3 s, a last ok at 9 s
    events = []
    for number, second in enumerate((1, 2, 9)):
        events.append(Event(2 * number, second * 10**9, 0, EventType.INVOKE, "read", None))
        events.append(Event(2 * number + 1, second * 10**9, 0, EventType.OK, "read", 1))
    assert longest_unavailability(History(events)) == Gap(2 * 10**9, 9 * 10**9)
    assert longest_unavailability(History(events), until_ns=3 * 10**9) == Gap(10**9, 2 * 10**9)
    assert longest_unavailability(History(events), until_ns=5 * 10**9) == Gap(2 * 10**9, 5 * 10**9)
