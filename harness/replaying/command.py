"""``antipaxos replay``: which kind of replay is meant, carried out and told; the exit status and data come back."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from harness.console import LiveLine
from harness.duration import DurationError, parse_ms
from harness.exploration.worker import Unwatched
from harness.replaying import measured, screen, simulated
from harness.replaying.inside import look_around, print_state
from harness.replaying.original import Original, ReplayUsageError, find
from harness.results import EXIT_CODES
from harness.simulation.observation import World
from harness.simulation.state import ClusterState
from harness.store import Store

NS_PER_MS = 1_000_000
FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command's options."""

    trace: bool = False
    from_: str | None = None
    until: str | None = None
    break_at: str | None = None
    times: int | None = None
    stop_at_first: bool = False
    keep: bool = False
    verdict: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it."""

    exit_code: int
    data: dict[str, Any]


def replay(store: Store, named: str, seed: int | None, asked: Asked, console: Console) -> Done:
    """Replay what is named. Raises ReplayUsageError, ScenarioError, StoreError; KeyboardInterrupt if nothing came."""
    original = find(store, named, seed)
    _check(original, asked)
    _announce(console, original, asked)
    if not original.simulated:
        return _measure(store, original, asked, console)
    if asked.break_at is not None or asked.until is not None:
        return _open(store, original, asked, console)
    return _compare(store, original, asked, console)


def _check(original: Original, asked: Asked) -> None:
    """Refuse what means nothing there. Raises ReplayUsageError."""
    if original.simulated:
        if asked.times is not None or asked.stop_at_first:
            raise ReplayUsageError("--times, --stop-at-first: a simulated seed is one run, once shows it")
    else:
        for flag, given in (
            ("--trace", asked.trace),
            ("--from", asked.from_),
            ("--until", asked.until),
            ("--break-at", asked.break_at),
        ):
            if given:
                place = original.scenario.place
                raise ReplayUsageError(f"{flag}: only a simulated run can be looked into, not one on {place}")
    if asked.until is not None and asked.break_at is not None:
        raise ReplayUsageError("--until and --break-at: a run ends at one of them")
    if asked.from_ is not None and not asked.trace:
        raise ReplayUsageError("--from: says where a trace begins; add --trace")
    if asked.break_at is not None or asked.until is not None:
        _moment(asked)
    if (asked.until or asked.break_at) and (asked.keep or asked.verdict):
        raise ReplayUsageError("--keep, --verdict: a run that is broken off has no result")


def _announce(console: Console, original: Original, asked: Asked) -> None:
    what = "replaying"
    if original.result is None:
        what = "there is no result to compare with yet: running it, then replaying:"
    elif not original.simulated:
        what = f"replaying the plan {asked.times or measured.TIMES} times:"
    scenario = original.scenario
    console.print(
        f"{what} {original.name}, {scenario.place}, {scenario.nodes} nodes, {scenario.workload} for {scenario.time}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _compare(store: Store, original: Original, asked: Asked, console: Console) -> Done:
    with LiveLine(console) as line:
        done = simulated.replay(
            original, store, line, _now(), trace=asked.trace, from_ns=_ns("--from", asked.from_), keep=asked.keep
        )
    screen.print_replayed(console, original, done)
    exit_code = done.exit_code
    if asked.verdict and exit_code != simulated.EXIT_DIFFERS:
        exit_code = done.result.exit_code
    return Done(exit_code, screen.replayed_as_data(original, done, exit_code))


def _open(store: Store, original: Original, asked: Asked, console: Console) -> Done:
    moment = _moment(asked)

    def inside(world: World, state: ClusterState) -> None:
        print_state(console, state)
        if sys.stdin.isatty() and console.is_terminal:
            look_around(world, state)

    opened = simulated.open_at(
        original,
        store,
        Unwatched(),
        _now(),
        moment,
        inside,
        trace=asked.trace,
        from_ns=_ns("--from", asked.from_),
    )
    screen.print_opened(console, opened)
    return Done(opened.exit_code, screen.opened_as_data(original, opened))


def _moment(asked: Asked) -> simulated.Moment:
    if asked.break_at is None:
        return simulated.Moment(time=_ns("--until", asked.until))
    if asked.break_at == FAILURE:
        return simulated.Moment(failure=True)
    if not asked.break_at.isdecimal() or not int(asked.break_at):
        raise ReplayUsageError(f"--break-at: {asked.break_at!r} is neither an event's number (from 1) nor {FAILURE!r}")
    return simulated.Moment(event=int(asked.break_at))


def _measure(store: Store, original: Original, asked: Asked, console: Console) -> Done:
    with LiveLine(console) as line:
        result = measured.measure(
            original,
            store,
            line,
            _now,
            lambda trial: screen.print_trial(console, trial),
            times=asked.times or measured.TIMES,
            stop_at_first=asked.stop_at_first,
            keep=asked.keep,
        )
    screen.print_measured(console, result)
    exit_code = result.exit_code
    if asked.verdict and not result.interrupted:
        exit_code = EXIT_CODES[result.verdict]
    return Done(exit_code, screen.measured_as_data(original, result, exit_code))


def _ns(flag: str, text: str | None) -> int:
    try:
        return parse_ms(text) * NS_PER_MS if text is not None else 0
    except DurationError as error:
        raise ReplayUsageError(f"{flag}: {error}") from error


def _now() -> datetime:
    return datetime.now(UTC)
