"""Which lines of a trace are kept, and that a line says where some are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.places import NotObservableError
from harness.replaying.recording import CUT, STANDING_LINES_MAX, Around, Limited, check, into
from harness.scenario import Scenario
from harness.simulation.tape import TraceLine, read_tape

MS = 1_000_000


def line(event: int, kind: str = "frame", what: str = "") -> TraceLine:
    """A line a millisecond."""
    return TraceLine(event=event, at=event * MS, kind=kind, what=what)


def around(moments: list[int], lines: list[TraceLine], lines_max: int) -> list[TraceLine]:
    kept: list[TraceLine] = []
    window = Around(kept.append, moments, lines_max)
    for one in lines:
        window.write(one)
    window.close()
    assert window.lines == sum(one.kind != CUT for one in kept)
    return kept


def told(lines: list[TraceLine]) -> list[str]:
    return [f"-{one.body['lines']}" if one.kind == CUT else str(one.event) for one in lines]


def test_without_a_moment_the_end_is_kept() -> None:
    assert told(around([], [line(n) for n in range(1, 101)], 4)) == ["-96", "97", "98", "99", "100"]


def test_around_a_moment_as_many_before_as_after() -> None:
    assert told(around([50 * MS], [line(n) for n in range(1, 101)], 4)) == ["-47", "48", "49", "50", "51", "-49"]


def test_moments_far_apart_share_the_lines_and_a_line_says_what_is_between() -> None:
    kept = around([10 * MS, 500 * MS], [line(n) for n in range(1, 1_001)], 8)
    assert told(kept) == ["-7", "8", "9", "10", "11", "-486", "498", "499", "500", "501", "-499"]


def test_what_lies_between_close_moments_is_kept() -> None:
    kept = around([10 * MS, 13 * MS], [line(n) for n in range(1, 101)], 8)
    assert told(kept) == ["-5", *map(str, range(6, 17)), "-84"]


def test_a_moment_after_the_last_line_is_the_end() -> None:
    assert told(around([10_000 * MS], [line(n) for n in range(1, 101)], 4)) == ["-98", "99", "100"]


def test_how_things_stood_is_kept_all_along() -> None:
    lines = [line(n) for n in range(1, 101)]
    lines[9], lines[19], lines[29] = line(10, "role", "leader"), line(20, "links", "cut"), line(30, "disk", "trouble")
    lines[39] = line(40, "disk", "sync")
    assert told(around([], lines, 2)) == ["10", "20", "30", "-95", "99", "100"]


def test_how_things_stood_has_a_limit_too() -> None:
    lines = [line(n, "role") for n in range(1, STANDING_LINES_MAX + 101)]
    kept = around([], lines, 10)
    assert len(kept) == STANDING_LINES_MAX + 10 + 1


@given(
    st.lists(st.integers(0, 400), max_size=16),
    st.lists(st.sampled_from(["frame", "role"]), max_size=300),
    st.integers(1, 50),
)
def test_lines_stay_in_order_and_nothing_is_left_out_in_silence(
    moments: list[int], kinds: list[str], lines_max: int
) -> None:
    lines = [line(n, kind) for n, kind in enumerate(kinds, start=1)]
    kept = around([moment * MS for moment in moments], lines, lines_max)
    events = [one.event for one in kept if one.kind != CUT]
    assert events == sorted(set(events))
    assert {one.event for one in lines if one.kind == "role"} <= set(events)
    missing = len(lines) - len(events)
    cuts = sum(one.body["lines"] for one in kept if one.kind == CUT)
    assert cuts == missing


def test_a_whole_trace_has_a_limit_and_says_what_is_not_there(tmp_path: Path) -> None:
    with into(tmp_path / "trace", 3) as limited:
        for number in range(1, 11):
            limited.write(line(number))
    *kept, cut = read_tape(tmp_path / "trace")
    assert ([one.event for one in kept], limited.lines) == ([1, 2, 3], 3)
    assert (cut.event, cut.kind, cut.what) == (10, CUT, "7 lines left out")


def test_a_trace_that_fits_has_no_such_line() -> None:
    kept: list[TraceLine] = []
    limited = Limited(kept.append, 2)
    limited.write(line(1))
    limited.write(line(2))
    limited.close()
    assert kept == [line(1), line(2)]


def test_a_trace_of_real_processes_is_refused() -> None:
    check(Scenario(), False)
    check(Scenario(place="simulated"), True)
    with pytest.raises(NotObservableError, match="only a simulated run has a trace, not one on local"):
        check(Scenario(), True)
