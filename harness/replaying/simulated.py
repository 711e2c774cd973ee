"""Replays in simulation: the whole run again, compared; or up to one moment, to look inside.

The replay is made beside the store and leaves nothing there, unless it is asked to or turns out to be another run: then
its folder is the evidence.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from harness import environment
from harness.execution import Prepared, carry_out, finish, prepare, replay_command, watch
from harness.exploration.findings import INVARIANTS
from harness.exploration.worker import Unwatched
from harness.replaying import recording
from harness.replaying.comparison import (
    Comparison,
    Follower,
    Side,
    compare,
    other_code,
    parts_before,
    read_environment,
)
from harness.replaying.original import Original, ReplayUsageError
from harness.results import EXIT_CODES, RunResult, RunVerdict
from harness.runner import Watcher
from harness.scenario import load
from harness.simulation.observation import Observation, World
from harness.simulation.state import ClusterState, look
from harness.simulation.tape import TraceLine, read_tape
from harness.simulation.trace import Breakpoint
from harness.store import ENVIRONMENT, HISTORY, SCENARIO, TRACE, RunFolder, Store
from harness.workplace import working_directory

EXIT_DIFFERS = EXIT_CODES[RunVerdict.HARNESS_FAILURE]
EXIT_OTHER_CODE = EXIT_CODES[RunVerdict.UNKNOWN]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A whole replay; ``trace`` is the file that its lines are in, and ``kept`` its folder, if there are any."""

    original: RunResult
    result: RunResult
    comparison: Comparison
    trace: Path | None = None
    trace_lines: int = 0
    kept: tuple[RunFolder, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 if it was the same run; 5 if the same code gave another one, 3 if other code did."""
        if self.comparison.identical:
            return 0
        return EXIT_OTHER_CODE if self._excused else EXIT_DIFFERS

    @property
    def _excused(self) -> bool:
        """Other code may give another run; a file that was changed after its run is another matter."""
        recorded, new = self.original, self.result
        parts = ("plan_sha256", "history_sha256", "trace_sha256")
        truly = any(getattr(recorded, part) not in ("", getattr(new, part)) for part in parts)
        return truly and self.comparison.other_code is True


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a replay is to be broken off: after an event, at a time of the history (ns), or where it fails.

    An invariant fails when it breaks; a checker has no moment of its own, so the end of the last operation that proves
    its objection is taken.
    """

    event: int = 0
    time: int | None = None
    failure: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A replay that was broken off: the state there; how many events of history were the same, and where they part."""

    state: ClusterState
    same: int | None
    difference: str
    other_code: bool | None
    trace: Path | None = None
    trace_lines: int = 0

    @property
    def exit_code(self) -> int:
        """0 if it was the same run so far, else as for a whole replay."""
        if not self.difference:
            return 0
        return EXIT_OTHER_CODE if self.other_code else EXIT_DIFFERS


def replay(
    original: Original,
    store: Store,
    watcher: Watcher,
    now: datetime,
    *,
    trace: bool = False,
    from_ns: int = 0,
    keep: bool = False,
) -> Replayed:
    """Carry a run out again and compare; with ``trace`` its lines (from a time of the history on) go to its folder."""
    with working_directory(store, 1) as work:
        there = Store(work)
        first = _recorded(original, there, watcher, now)
        run = _prepared(original, there, now)
        with _lines(first.folder if original.result is not None else run.folder, trace) as draft:
            observation = None
            if draft is not None:
                draft.from_ns = from_ns and from_ns + first.result.set_up_ns
                observation = draft.observation
            result = carry_out(run, watcher, observation=observation).result
        side = Side(run.folder, result, environment.look())
        comparison = compare(first, side)
        if not comparison.identical:
            comparison = _with_first_line(comparison, first, run)
        done = Replayed(first.result, result, comparison, trace_lines=draft.lines if draft is not None else 0)
        if original.result is not None:
            return _settle(done, original.result, first.folder, side, store, now, keep, draft)
        return _settle_new(done, first, side, store, now, keep, draft)


def open_at(
    original: Original,
    store: Store,
    watcher: Watcher,
    now: datetime,
    moment: Moment,
    inside: Callable[[World, ClusterState], None],
    *,
    trace: bool = False,
    from_ns: int = 0,
) -> Opened:
    """Carry a run out up to a moment, hand the world and its state to ``inside``, and end there.

    Raises ReplayUsageError if the run does not come to that moment.
    """
    with working_directory(store, 1) as work:
        there = Store(work)
        if trace and original.folder is None:
            raise ReplayUsageError("--trace: a scenario has no folder for it; replay the run that it made")
        first = _recorded(original, there, watcher, now)
        set_up_ns = first.result.set_up_ns
        run = _prepared(original, there, now)
        seen: list[ClusterState] = []

        def at_break(world: World) -> None:
            seen.append(look(world, set_up_ns))
            inside(world, seen[-1])

        with _lines(first.folder, trace) as draft:
            observation = draft.observation if draft is not None else Observation()
            if draft is not None:
                draft.from_ns = from_ns and from_ns + set_up_ns
            _set(observation, moment, first)
            observation.at_break = at_break
            with contextlib.suppress(Breakpoint):
                watch(run, watcher, observation)
        if not seen:
            raise ReplayUsageError(_beyond(moment, observation, set_up_ns))
        same, difference = parts_before(first.folder / HISTORY, run.folder / HISTORY, seen[0].time)
        opened = Opened(seen[0], same, difference, other_code(first.environment, environment.look()))
        if draft is None:
            return opened
        if difference:
            draft.discard()
            return opened
        opened = replace(opened, trace=draft.publish(), trace_lines=draft.lines)
        finish(first.result, first.folder)
        return opened


def _set(observation: Observation, moment: Moment, recorded: Side) -> None:
    """Let a run be broken off at a moment. Raises ReplayUsageError if the failure has none."""
    result = recorded.result
    observation.break_at = moment.event
    observation.until_ns = moment.time + result.set_up_ns if moment.time is not None else None
    if not moment.failure:
        return
    if any(checker.name == INVARIANTS and checker.verdict == "invalid" for checker in result.checkers):
        observation.at_failure = True
        return
    times = recording.moments_of(result, recorded.folder)
    if not times:
        raise ReplayUsageError(f"--break-at failure: the verdict ({result.verdict}) names no moment; give an EVENT")
    observation.until_ns = max(times)


class _Draft:
    """Lines of a replay on their way to a file that appears only when the replay turns out to be the run."""

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder / TRACE
        self.unpublished = folder / f".{TRACE}.new"
        self.observation = Observation()
        self.from_ns = 0
        self.lines = 0

    def publish(self) -> Path:
        """Let the file be there under its name."""
        self.unpublished.replace(self._path)
        return self._path

    def discard(self) -> None:
        """Let it never have been."""
        self.unpublished.unlink(missing_ok=True)


@contextlib.contextmanager
def _lines(folder: RunFolder, trace: bool) -> Iterator[_Draft | None]:
    if not trace:
        yield None
        return
    draft = _Draft(folder)
    try:
        with recording.into(draft.unpublished) as limited:

            def take(line: TraceLine) -> None:
                if line.at >= draft.from_ns and not draft.observation.broken_off:
                    limited.write(line)

            draft.observation.line = take
            yield draft
        draft.lines = limited.lines
    except BaseException:
        draft.discard()
        raise


def _recorded(original: Original, there: Store, watcher: Watcher, now: datetime) -> Side:
    """Return the run that is to be replayed; if it has no result yet, it is carried out first."""
    if original.folder is not None and original.result is not None:
        return Side(original.folder, original.result, read_environment(original.folder))
    run = _prepared(original, there, now)
    result = carry_out(run, watcher).result
    return Side(run.folder, result, environment.look())


def _prepared(original: Original, there: Store, now: datetime) -> Prepared:
    return prepare(original.scenario, original.seed, there, now)


def _with_first_line(comparison: Comparison, recorded: Side, run: Prepared) -> Comparison:
    """If the traces differ and there are lines of the recorded one, look for the first that does, in one more run."""
    path = recorded.folder / TRACE
    different = [difference.part for difference in comparison.differences]
    if "trace" not in different or not path.exists():
        return comparison
    try:
        follower = Follower(read_tape(path))
        folder = Store(run.folder.path.parent).create(run.scenario.name, run.plan.seed, run.started_at)
        watch(replace(run, folder=folder), Unwatched(), Observation(line=follower.write))
        follower.close()
        where = follower.where or f"none of the lines in {TRACE} differs"
    except ValueError as error:
        where = str(error)
    differences = tuple(
        msgspec.structs.replace(difference, where=where) if difference.part == "trace" else difference
        for difference in comparison.differences
    )
    return msgspec.structs.replace(comparison, differences=differences)


def _settle(
    done: Replayed,
    recorded: RunResult,
    folder: RunFolder,
    side: Side,
    store: Store,
    now: datetime,
    keep: bool,
    draft: _Draft | None,
) -> Replayed:
    """Put everything where it belongs after a replay of a recorded run."""
    if draft is not None:
        if done.comparison.identical:
            done = replace(done, trace=draft.publish())
            finish(recorded, folder)
        else:
            shutil.move(draft.unpublished, side.folder / TRACE)
    if keep or not done.comparison.identical:
        done = replace(done, kept=(_keep(side, store, now),))
    return done


def _settle_new(
    done: Replayed, first: Side, side: Side, store: Store, now: datetime, keep: bool, draft: _Draft | None
) -> Replayed:
    """Put everything where it belongs after two runs of which none was recorded before."""
    if draft is not None:
        draft.publish()
    if done.comparison.identical and not keep and draft is None:
        return done
    kept = [] if done.comparison.identical else [_keep(first, store, now)]
    kept.append(_keep(side, store, now))
    return replace(done, kept=tuple(kept), trace=kept[-1] / TRACE if draft is not None else None)


def _keep(side: Side, store: Store, now: datetime) -> RunFolder:
    """Move a replay's folder into the store, whole: with its result, environment and report."""
    kept = store.adopt(side.folder.path, side.result.scenario, side.result.seed, now)
    if side.environment is not None:
        kept.write(ENVIRONMENT, environment.as_json(side.environment))
    replay_it = replay_command(load(kept / SCENARIO), side.result.seed, kept.path)
    finish(msgspec.structs.replace(side.result, store=str(kept.path), replay=replay_it), kept)
    return kept


def _beyond(moment: Moment, observation: Observation, set_up_ns: int) -> str:
    world = observation.world
    assert world is not None
    end = f"the run's last event is {observation.events}, its end at {(world.loop.now_ns - set_up_ns) / 1e9:.6f} s"
    if moment.time is not None:
        return f"--until: {moment.time / 1e9:g} s is beyond the run; {end}"
    if moment.failure:
        return f"--break-at failure: it did not fail again as recorded; {end}"
    return f"--break-at: there is no event {moment.event}; {end}"
