"""Durations: as people write them, there and back, and what is no duration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.duration import DurationError, format_ms, format_ns, parse_ms, parse_ns


@given(st.integers(0, 10**12))
def test_every_duration_comes_back_from_text(milliseconds: int) -> None:
    assert parse_ms(format_ms(milliseconds)) == milliseconds


@given(st.integers(0, 10**18))
def test_every_nanosecond_comes_back_from_text(nanoseconds: int) -> None:
    assert parse_ns(format_ns(nanoseconds)) == nanoseconds


@given(st.integers(0, 10**12))
def test_whole_milliseconds_are_written_as_ever(milliseconds: int) -> None:
    assert format_ns(milliseconds * 1_000_000) == format_ms(milliseconds)
    assert parse_ns(format_ms(milliseconds)) == milliseconds * 1_000_000


@pytest.mark.parametrize("text", ["", "ns", "1.5ns", "5ns1s", "5us", "-5ns"])
def test_no_nanoseconds(text: str) -> None:
    with pytest.raises(DurationError):
        parse_ns(text)


@given(st.integers(0, 999), st.integers(0, 59), st.integers(0, 59), st.integers(0, 99))
def test_parts_add_up(ms: int, seconds: int, minutes: int, hours: int) -> None:
    total = ms + 1_000 * (seconds + 60 * (minutes + 60 * hours))
    assert parse_ms(f"{hours}h{minutes}m{seconds}s{ms}ms") == total


@given(st.floats(0, 1e6))
def test_a_bare_number_is_seconds(seconds: float) -> None:
    assert parse_ms(seconds) == round(seconds * 1_000)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("45s", 45_000),
        ("1m30s", 90_000),
        ("250ms", 250),
        ("1.5s", 1_500),
        ("0.5h", 1_800_000),
        ("7", 7_000),
        ("0.25", 250),
        (" 2s ", 2_000),
        (3, 3_000),
        (0.0014, 1),
        ("0s", 0),
    ],
)
def test_durations_as_people_write_them(text: str | float, milliseconds: int) -> None:
    assert parse_ms(text) == milliseconds


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0s"), (1, "1ms"), (999, "999ms"), (1_000, "1s"), (1_500, "1s500ms"), (60_000, "1m"), (90_000, "1m30s")],
)
def test_durations_as_they_are_written(milliseconds: int, text: str) -> None:
    assert format_ms(milliseconds) == text


@pytest.mark.parametrize(
    "text", ["", "s", "5x", "5 s", "-5s", "1s2", "1s-2s", "1e3s", "five", ".5s", True, None, "9" * 400, "9" * 400 + "s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(DurationError):
        parse_ms(text)


@pytest.mark.parametrize("seconds", [-1, -0.1, float("inf"), float("-inf"), float("nan")])
def test_numbers_that_are_no_duration_are_refused(seconds: float) -> None:
    with pytest.raises(DurationError, match=r"negative|finite"):
        parse_ms(seconds)


def test_the_message_shows_what_one_looks_like() -> None:
    with pytest.raises(DurationError, match="'5x' is no duration; write 45s, 1m30s, 250ms or a number of seconds"):
        parse_ms("5x")
