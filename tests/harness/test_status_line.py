"""The line that says how far something has got, where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.status_line import PLAIN_EVERY_S, PLAIN_EVERY_S_MAX, StatusLine


def lines(seconds: int) -> list[int]:
    """Return when lines were printed of something that was shown each second."""
    console = Console(file=io.StringIO(), width=80)
    with StatusLine(console) as line:
        for second in range(seconds):
            line.show(second, f"{second}", "bar ")
    assert isinstance(console.file, io.StringIO)
    return [int(said) for said in console.file.getvalue().splitlines()]


def test_lines_come_soon_at_first_and_rarer_later() -> None:
    assert lines(21) == [5, 10, 15, 20]
    late = lines(3_600)
    assert late[-1] - late[-2] == PLAIN_EVERY_S_MAX
    assert len(late) < 90


@pytest.mark.parametrize("seconds", [0, int(PLAIN_EVERY_S)])
def test_what_is_over_soon_says_nothing(seconds: int) -> None:
    assert lines(seconds) == []


def test_a_terminal_has_one_line_with_what_comes_before_it() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None, _environ={})
    with StatusLine(console) as line:
        line.show(1, "1 of 2", "bar ")
        line.show(2, "2 of 2", "bar ")
    assert isinstance(console.file, io.StringIO)
    assert "bar 2 of 2" in console.file.getvalue()
