"""Every wait ends when the program's own clock says so, whatever that clock does meanwhile.

Margins are wide, as these are about effect and direction: a machine may be slow to wake anybody. What is exact is that
no wait ends before its time by the program's own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nemesis.ground import ClockBend
from nemesis.preload.page import ClockPage
from tests.preload.support import Act, Waited, Waits, compiled, page_in, python

pytestmark = pytest.mark.integration

SECOND_NS = 10**9
PYTHON = (
    "time.sleep", "event", "queue", "condition", "lock", "join", "busy-threads", "select", "poll", "selector", "socket",
    "child", "in-child", "in-fork", "setitimer", "asyncio", "uvloop", "asyncio.timeout",
)  # fmt: skip
C_WALL = (
    "clock_nanosleep-wall", "sem_timedwait-wall", "cond_timedwait-wall", "mutex_timedlock-wall",
    "rwlock_timedrdlock-wall", "timerfd-wall", "mq_timedreceive-wall",
)  # fmt: skip
C_MONOTONIC = (
    "nanosleep", "usleep", "thrd_sleep", "clock_nanosleep", "clock_nanosleep-until", "sem_clockwait", "cond_timedwait",
    "cond_clockwait", "mutex_clocklock", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select",
    "pselect", "timerfd", "timerfd-periodic", "timerfd-until", "timerfd-epoll", "timer", "setitimer", "sigtimedwait",
    "futex", "futex-until",
)  # fmt: skip
C_SECONDS = ("sleep", "alarm")
"""These count in whole seconds."""
STARTS_A_PROGRAM = {"in-child"}
"""Its wait begins only once a program has started, which takes its own time."""
EARLY = 0.999
"""Rounding to the kernel's units may cost a wait so much of its length."""
KERNEL_TIMERS = ("timerfd", "timer", "setitimer", "alarm")
KERNEL_EARLY_S = 0.1
"""A timer that the kernel holds is set anew a few ms after its clock has changed; until then it may go off."""
ONCE_FOR_ALL = {"timerfd-periodic"}
"""A jump over several of its times makes it go off once."""


@pytest.fixture(scope="module", params=["python", "c"])
def commands(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, ...]]:
    if request.param == "python":
        return python(*PYTHON)
    program = str(compiled(tmp_path_factory.mktemp("c")))
    return [(program, name) for name in (*C_MONOTONIC, *C_WALL)]


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, ...]]:
    program = str(compiled(tmp_path_factory.mktemp("c")))
    return [(program, name) for name in C_WALL]


def carried_out(
    commands: Sequence[tuple[str, ...]], seconds: float, page: ClockPage | None, *acts: Act, limit_s: float = 20.0
) -> dict[str, Waited]:
    with Waits(commands, seconds, page) as waits:
        ended = waits.watch(acts, limit_s)
    assert set(ended) == {command[-1] for command in commands}, "not all have ended"
    return ended


def is_early(waited: Waited, seconds: float) -> bool:
    """Say whether a wait has ended before its time by the program's own clock."""
    allowed_s = KERNEL_EARLY_S if waited.name.startswith(KERNEL_TIMERS) else seconds * (1 - EARLY)
    return waited.own_s < seconds - allowed_s


def test_without_a_page_nothing_is_bent(commands: list[tuple[str, ...]]) -> None:
    for waited in carried_out(commands, 0.3, None).values():
        assert 0.3 * EARLY <= waited.true_s < 5, waited
        assert 0.3 * EARLY <= waited.own_s < waited.true_s + 0.1, waited


def test_a_fast_clock_ends_waits_sooner(commands: list[tuple[str, ...]], tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        page.bend(ClockBend(ppm=3_000_000))
        ended = carried_out(commands, 4.0, page)
    for waited in ended.values():
        assert not is_early(waited, 4.0), waited
        assert 0.95 <= waited.true_s < 3.5, waited


def test_a_slow_clock_ends_waits_later(commands: list[tuple[str, ...]], tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        page.bend(ClockBend(ppm=-750_000))
        ended = carried_out(commands, 0.3, page)
    for waited in ended.values():
        assert not is_early(waited, 0.3), waited
        assert waited.true_s >= 1.15, waited


def test_a_wait_stands_still_with_its_clock_and_goes_on(commands: list[tuple[str, ...]], tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        freeze = Act(0.2, lambda: page.bend(ClockBend(frozen=True)))
        thaw = Act(1.7, lambda: page.bend(ClockBend()))
        ended = carried_out(commands, 0.8, page, freeze, thaw)
    for waited in ended.values():
        assert not is_early(waited, 0.8), waited
        assert waited.true_s >= 1.9, waited


def test_a_jump_ends_waits_that_are_under_way(commands: list[tuple[str, ...]], tmp_path: Path) -> None:
    """Of the monotonic clock, by which all but waits for a wall time wait; these end by a jump of the wall clock."""
    with page_in(tmp_path) as page:
        jump = Act(0.3, lambda: page.jump(60 * SECOND_NS))
        wall = Act(0.3, lambda: page.bend(ClockBend(wall_ahead=60 * SECOND_NS)))
        late = Act(5.0, lambda: page.jump(60 * SECOND_NS))  # for who began to wait after the first
        ending = [command for command in commands if command[-1] not in ONCE_FOR_ALL]
        ended = carried_out(ending, 40.0, page, jump, wall, late, limit_s=30)
    for waited in ended.values():
        assert waited.true_s < (20 if waited.name in STARTS_A_PROGRAM else 4.5), waited


def test_a_change_of_the_rate_counts_for_waits_that_are_under_way(
    commands: list[tuple[str, ...]], tmp_path: Path
) -> None:
    with page_in(tmp_path) as page:
        faster = Act(0.3, lambda: page.bend(ClockBend(ppm=10_000_000)))
        ended = carried_out(commands, 12.0, page, faster)
    for waited in ended.values():
        assert not is_early(waited, 12.0), waited
        assert waited.true_s < 6, waited


def test_a_strobing_clock_ends_waits_on_its_average(commands: list[tuple[str, ...]], tmp_path: Path) -> None:
    with page_in(tmp_path) as page:
        flips = [
            Act(0.02 * number, lambda ppm=500_000 * (-1) ** number: page.bend(ClockBend(ppm=ppm)))  # type: ignore[misc]
            for number in range(100)
        ]
        ended = carried_out(commands, 1.0, page, *flips)
    for waited in ended.values():
        assert not is_early(waited, 1.0), waited
        assert 0.6 <= waited.true_s < 6, waited


def test_a_jump_of_the_wall_clock_leaves_other_waits_alone(tmp_path: Path) -> None:
    program = str(compiled(tmp_path))
    commands = [*python(*PYTHON), *((program, name) for name in C_MONOTONIC if name not in PYTHON)]
    with page_in(tmp_path) as page:
        ahead = Act(0.1, lambda: page.bend(ClockBend(wall_ahead=3_600 * SECOND_NS)))
        behind = Act(0.3, lambda: page.bend(ClockBend(wall_ahead=-3_600 * SECOND_NS)))
        ended = carried_out(commands, 0.8, page, ahead, behind)
    for waited in ended.values():
        assert not is_early(waited, 0.8), waited
        assert 0.75 <= waited.true_s < 10, waited


def test_a_wait_for_a_wall_time_waits_until_the_wall_clock_shows_it(
    walled: list[tuple[str, ...]], tmp_path: Path
) -> None:
    with page_in(tmp_path) as page, Waits(walled, 0.5, page) as waits:
        back = Act(0.1, lambda: page.bend(ClockBend(wall_ahead=-60 * SECOND_NS)))
        again = Act(2.0, lambda: page.bend(ClockBend()))
        ended = waits.watch([back, again], 20)
    assert set(ended) == {name for _, name in walled}
    for waited in ended.values():
        assert waited.true_s >= 1.9, waited


def test_whole_seconds(tmp_path: Path) -> None:
    program = str(compiled(tmp_path))
    with page_in(tmp_path) as page:
        page.bend(ClockBend(ppm=3_000_000))
        ended = carried_out([(program, name) for name in C_SECONDS], 4.0, page)
    for waited in ended.values():
        assert not is_early(waited, 4.0), waited
        assert 0.95 <= waited.true_s < 3.5, waited


def test_programs_built_with_fortified_functions(tmp_path: Path) -> None:
    """The compiler then calls others than those that the source names."""
    program = str(compiled(tmp_path, "-D_FORTIFY_SOURCE=2"))
    with page_in(tmp_path) as page:
        page.bend(ClockBend(ppm=3_000_000))
        ended = carried_out([(program, name) for name in ("poll", "ppoll", "select")], 4.0, page)
    for waited in ended.values():
        assert 0.95 <= waited.true_s < 3.5, waited
