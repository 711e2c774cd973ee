"""The page's own arithmetic: the same line as a simulated clock's, and never two truths."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nemesis.clock_line import ClockLine
from nemesis.ground import ClockBend
from nemesis.preload.page import REGION_BYTES, ClockPage
from tests.preload.support import page_in

SECOND_NS = 10**9
bends = st.builds(
    ClockBend,
    ppm=st.integers(-1_000_000, 10_000_000),
    frozen=st.booleans(),
    wall_ahead=st.integers(-(10**13), 10**13),
)


def test_right_clocks_read_true_time(tmp_path: Path) -> None:
    with page_in(tmp_path, epoch_ns=7 * SECOND_NS) as page:
        before, wall = time.monotonic_ns(), time.time_ns()
        reading = page.read()
        assert before <= reading.true <= time.monotonic_ns()
        assert reading.local == reading.true + 7 * SECOND_NS
        assert abs(reading.wall - wall) < SECOND_NS


@given(changes=st.lists(st.one_of(bends, st.integers(0, 10**12), st.none()), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_monotonic_readings_never_go_back_whatever_is_done(
    tmp_path_factory: pytest.TempPathFactory, changes: list[ClockBend | int | None]
) -> None:
    """A bend, a jump (ns) or a reset; after an empty bend and a reset all is right."""
    with page_in(tmp_path_factory.mktemp("page")) as page:
        last = page.read()
        for change in changes:
            match change:
                case ClockBend():
                    page.bend(change)
                case None:
                    page.reset()
                case _:
                    page.jump(change)
            now = page.read()
            assert now.local >= last.local
            if isinstance(change, int):
                assert now.local >= last.local + change
            last = now
        page.bend(ClockBend())
        page.reset()
        one, other = page.read(), page.read()
        assert other.local - one.local == other.true - one.true == other.wall - one.wall
        assert abs(other.wall - time.time_ns()) < SECOND_NS


def test_a_bend_taken_back_leaves_the_wall_where_drift_brought_it() -> None:
    """What a simulated clock does, a real one does: they are one line."""
    line = ClockLine(0, 100, 10_000)
    line.bend(0, ClockBend(ppm=1_000_000, wall_ahead=-500))
    assert (line.read(50), line.wall(50)) == (200, 9_600)
    line.bend(50, ClockBend())
    assert (line.read(60), line.wall(60)) == (210, 10_110)
    line.bend(60, ClockBend(wall_ahead=30))
    line.set_right(60, 10_060)
    assert (line.read(70), line.wall(70)) == (220, 10_100)
    line.bend(70, ClockBend())
    assert (line.read(80), line.wall(80)) == (230, 10_080)


def test_a_monotonic_clock_does_not_jump_back(tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        before = page.read()
        with pytest.raises(ValueError, match="never goes back"):
            page.jump(-1)
        page.jump(5)
        after = page.read()
    assert after.local - before.local == after.true - before.true + 5


def test_a_page_is_never_made_over_another(tmp_path: Path) -> None:
    with page_in(tmp_path), pytest.raises(FileExistsError):
        ClockPage(tmp_path / "page")


def test_a_reading_that_the_page_never_gave_is_doubted(tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        page.bend(ClockBend(ppm=1_000_000))
        true = page.read().true
        with page.path.open("r+b") as file:
            file.seek(REGION_BYTES + 64)
            for word in (2, 4711, 2, true, true):
                file.write(word.to_bytes(8, "little"))
        note = page.note_of(4711)
        assert note is not None and note.local == true
        (doubt,) = page.doubts()
        assert page.read().doubt == doubt
        page.bend(ClockBend())
        assert page.read().doubt == "", "that was another line"
        assert page.doubts() == (doubt,)
    assert "process 4711 has read" in doubt


def test_a_reading_says_which_change_processes_have_read(tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        assert (page.read().change, page.read().seen) == (1, None)
        page.bend(ClockBend(ppm=1_000_000))
        page.jump(5)
        with page.path.open("r+b") as file:
            for place, generation in enumerate((1, 2)):
                file.seek(REGION_BYTES + 64 * (1 + place))
                for word in (2, 4711 + place, generation):
                    file.write(word.to_bytes(8, "little"))
        assert (page.read().change, page.read().seen) == (3, 2)


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    page = ClockPage(tmp_path / "page")
    page.close()
    page.close()
