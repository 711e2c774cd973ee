"""What a program reads, in all the ways there are to ask for the time."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nemesis.ground import ClockBend
from nemesis.preload.page import ClockPage
from tests.preload.support import compiled, environment, page_in

pytestmark = pytest.mark.integration

SECOND_NS = 10**9
NEAR_NS = 5 * SECOND_NS
"""A program takes its time to start; what is told apart here is a hundred times as much."""
BACK_S = 1.5
CLOCKS = (
    "realtime", "realtime-coarse", "monotonic", "monotonic-coarse", "raw", "boottime", "tai", "gettimeofday", "time",
    "timespec_get", "syscall",
)  # fmt: skip
FROM_BOOT = {"monotonic": time.CLOCK_MONOTONIC, "monotonic-coarse": time.CLOCK_MONOTONIC} | {
    "raw": time.CLOCK_MONOTONIC_RAW,
    "boottime": time.CLOCK_BOOTTIME,
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("c"))


def told(program: Path, page: ClockPage | None) -> dict[str, int]:
    """Return how far a program's clocks are ahead of this process's, which are true (ns)."""
    true = {name: time.clock_gettime_ns(clock) for name, clock in FROM_BOOT.items()}
    wall, tai = time.time_ns(), time.clock_gettime_ns(time.CLOCK_TAI)
    done = subprocess.run((program, "clocks"), env=environment(page), capture_output=True, text=True, check=True)
    readings = dict(zip(CLOCKS, map(int, done.stdout.split()), strict=True))
    return {name: reading - true.get(name, tai if name == "tai" else wall) for name, reading in readings.items()}


def test_without_a_page_clocks_are_the_machine_s(program: Path) -> None:
    assert all(abs(off) < NEAR_NS for off in told(program, None).values())


def test_with_right_clocks_they_are_true(program: Path, tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        assert all(abs(off) < NEAR_NS for off in told(program, page).values())


def test_an_epoch_shifts_the_clocks_from_boot_alone(program: Path, tmp_path: Path) -> None:
    with page_in(tmp_path, epoch_ns=5_000 * SECOND_NS) as page:
        off = told(program, page)
    for name in CLOCKS:
        expected = 5_000 * SECOND_NS if name in FROM_BOOT else 0
        assert abs(off[name] - expected) < NEAR_NS, name


@pytest.mark.parametrize("ahead_s", [3_600, -3_600])
def test_a_bump_shifts_the_wall_clocks_alone(program: Path, tmp_path: Path, ahead_s: int) -> None:
    with page_in(tmp_path) as page:
        page.bend(ClockBend(wall_ahead=ahead_s * SECOND_NS))
        off = told(program, page)
    for name in CLOCKS:
        expected = 0 if name in FROM_BOOT else ahead_s * SECOND_NS
        assert abs(off[name] - expected) < NEAR_NS, name


def test_a_jump_shifts_the_clocks_from_boot_alone_and_for_good(program: Path, tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        page.jump(600 * SECOND_NS)
        page.bend(ClockBend())
        page.reset()
        off = told(program, page)
    for name in CLOCKS:
        assert abs(off[name] - (600 * SECOND_NS if name in FROM_BOOT else 0)) < NEAR_NS, name


def test_a_rate_is_shared_by_all_and_a_reset_takes_it_back_from_the_wall_clocks(program: Path, tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        page.bend(ClockBend(ppm=10_000_000))
        time.sleep(BACK_S)
        page.bend(ClockBend())
        fast = told(program, page)
        page.reset()
        reset = told(program, page)
    for name in CLOCKS:
        assert fast[name] > 5 * BACK_S * SECOND_NS, name
        assert (reset[name] > 5 * BACK_S * SECOND_NS) == (name in FROM_BOOT), name


READER = """
import sys, threading, time
over = False
worst = [0] * 4

def read(number):
    last = 0
    while not over:
        reading = time.monotonic_ns()
        worst[number] = min(worst[number], reading - last)
        last = reading

threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
sys.stdout.write("ready\\n"); sys.stdout.flush()
sys.stdin.read()
over = True
for thread in threads: thread.join()
sys.stdout.write(f"{min(worst)}\\n")
"""


@pytest.mark.parametrize("kind", ["c", "python"])
def test_no_monotonic_clock_goes_back_in_any_thread(program: Path, tmp_path: Path, kind: str) -> None:
    """While it is bent in all ways a thousand times a second; the wall clock may and does go back."""
    command = (program, "hammer") if kind == "c" else (sys.executable, "-c", READER)
    bends = itertools.cycle(
        [
            ClockBend(ppm=5_000_000),
            ClockBend(frozen=True),
            ClockBend(ppm=-999_000, wall_ahead=-10 * SECOND_NS),
            ClockBend(),
            ClockBend(wall_ahead=10 * SECOND_NS),
        ]
    )
    with (
        page_in(tmp_path) as page,
        subprocess.Popen(
            command, env=environment(page), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in range(2_000):
            page.bend(next(bends))
            if number % 100 == 0:
                page.jump(number)
            time.sleep(0.0005)
        page.bend(ClockBend())
        process.stdin.close()
        assert int(process.stdout.read()) == 0
        assert page.note_of(process.pid) is not None
        assert page.doubts() == ()


def test_a_writer_that_died_in_the_middle_stops_nobody_for_long(program: Path, tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        page.bend(ClockBend(wall_ahead=1_000 * SECOND_NS))
        page.leave_half_written()
        off = told(program, page)
    assert abs(off["realtime"] - 1_000 * SECOND_NS) < NEAR_NS
    assert abs(off["monotonic"]) < NEAR_NS


def test_a_file_that_is_no_page_is_left_alone(program: Path, tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        page.bend(ClockBend(wall_ahead=1_000 * SECOND_NS))
        page.path.unlink()
        assert abs(told(program, page)["realtime"]) < NEAR_NS
        page.path.write_bytes(b"x" * 200_000)
        assert abs(told(program, page)["realtime"]) < NEAR_NS


def test_the_machine_s_clock_cannot_be_set(tmp_path: Path) -> None:
    """Not even by root: it asks to set the clock to what it reads, so nothing could happen if it went through."""
    script = """
import time
try:
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))
except PermissionError:
    raise SystemExit(7)
"""
    with page_in(tmp_path) as page:
        done = subprocess.run((sys.executable, "-S", "-c", script), env=environment(page), check=False)
    assert done.returncode == 7
