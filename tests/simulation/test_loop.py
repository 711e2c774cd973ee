"""The event loop in virtual time: what is due when, in which order, and what is an error."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.simulation.loop import DeadlockError, virtual_loop


@given(st.lists(st.integers(0, 1_000), max_size=50))
def test_what_is_due_runs_by_time_and_then_in_the_order_it_was_asked_for(times: list[int]) -> None:
    loop = virtual_loop()
    seen: list[tuple[int, int, int]] = []

    async def main() -> None:
        for number, when in enumerate(times):
            loop.at(when, lambda number=number, when=when: seen.append((loop.now_ns, when, number)))
        await asyncio.sleep(1)

    loop.run(main())
    assert [(when, number) for _, when, number in seen] == sorted((when, n) for n, when in enumerate(times))
    assert all(now == when for now, when, _ in seen)


def test_time_never_goes_back_and_what_is_overdue_runs_now() -> None:
    loop = virtual_loop()
    seen: list[int] = []

    async def main() -> None:
        await asyncio.sleep(1)
        loop.at(5, lambda: seen.append(loop.now_ns))
        await asyncio.sleep(1)

    loop.run(main())
    assert seen == [10**9]
    assert loop.now_ns == 2 * 10**9


def test_virtual_time_takes_no_time() -> None:
    began = time.monotonic()

    async def main() -> str:
        await asyncio.sleep(100_000)
        return "done"

    assert virtual_loop().run(main()) == "done"
    assert time.monotonic() - began < 5


@given(st.floats(0, 10_000, allow_nan=False))
def test_whoever_sleeps_until_a_moment_finds_it_reached(seconds: float) -> None:
    loop = virtual_loop()

    async def main() -> float:
        await asyncio.sleep(seconds)
        return loop.time()

    assert loop.run(main()) >= seconds


def test_time_outs_are_virtual_too() -> None:
    loop = virtual_loop()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await loop.create_future()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(60), 4)

    loop.run(main())
    assert loop.now_ns == 7 * 10**9


def test_a_cancelled_timer_does_not_run_and_time_does_not_stop_at_it() -> None:
    loop = virtual_loop()
    seen: list[str] = []

    async def main() -> None:
        loop.call_later(1, seen.append, "cancelled").cancel()
        loop.call_later(2, seen.append, "kept")
        await asyncio.sleep(3)

    loop.run(main())
    assert seen == ["kept"]
    assert loop.events < 20


def test_waiting_for_what_never_happens_is_an_error() -> None:
    loop = virtual_loop()

    async def main() -> None:
        await loop.create_future()

    with pytest.raises(DeadlockError, match=r"nothing is due after 0.000000 s"):
        loop.run(main())


def test_what_a_callback_raises_ends_the_run_after_it_has_cleaned_up() -> None:
    loop = virtual_loop()
    cleaned: list[int] = []

    def fail() -> None:
        raise ArithmeticError("planted")

    async def main() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(1)
            cleaned.append(loop.now_ns)

    loop.at(3 * 10**9, fail)
    with pytest.raises(ArithmeticError, match="planted"):
        loop.run(main())
    assert cleaned == [4 * 10**9]


def test_an_error_in_a_task_is_the_runs_error() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(5))
            group.create_task(_fails())

    async def _fails() -> None:
        raise ArithmeticError("planted")

    with pytest.raises(ExceptionGroup):
        virtual_loop().run(main())
