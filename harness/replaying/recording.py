"""Traces in a run's folder: of the whole run, or of what matters of a failed one.

A trace is large (some thousand lines a second), so nobody has one taken down unless asked, and after a failure it is
too late to ask. In simulation that is no loss: a run that failed is carried out once more, and of its lines those are
kept that came around the failure, and all that say how things stood (processes, roles, links, clocks, disks), which are
few. Where lines were left out, a line says how many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
from rich.console import Console

from checkers.history import HistoryError
from harness.execution import Prepared, watch
from harness.exploration.worker import Unwatched
from harness.places import NotObservableError
from harness.replaying.inside import print_state
from harness.results import RunResult, RunVerdict
from harness.scenario import SIMULATED, Scenario
from harness.simulation.disruptions import disrupted_at
from harness.simulation.observation import BROKEN, Observation
from harness.simulation.state import ClusterState, look
from harness.simulation.tape import TapeFile, TraceLine
from harness.store import STATE, TRACE, RunFolder, Store
from harness.workplace import working_directory

LINES_MAX = 5_000_000
"""Lines of a whole run's trace."""
WINDOW_LINES_MAX = 5_000
"""Lines around a failure."""
STANDING_LINES_MAX = 20_000
"""Lines that say how things stood, over the whole run."""
CLOSE_NS = 100_000_000
MOMENTS_MAX = 16
"""Moments of a failure that are looked at."""
STATE_COLUMNS = 200
CUT = "cut"
"""The kind of a line that stands for others."""
_STANDING = frozenset({"starts", "ends", "role", "process", "clock", "links"})
Write = Callable[[TraceLine], None]


class Limited:
    """Passes on so many lines; ``close`` says in a last line how many came after them."""

    def __init__(self, write: Write, lines_max: int = LINES_MAX) -> None:
        self._write = write
        self._left = lines_max
        self._over = 0
        self._last = TraceLine(event=0, at=0, kind=CUT)
        self.lines = 0

    def write(self, line: TraceLine) -> None:
        """Take a line."""
        if self._left:
            self._left -= 1
            self.lines += 1
            self._write(line)
        else:
            self._over += 1
            self._last = line

    def close(self) -> None:
        """There are no more."""
        if self._over:
            self._write(_cut(self._last, self._over))


class Around:
    """Passes on the lines around some moments (times in ns), and those that say how things stood.

    A moment gets as many lines before as after it; moments within ``CLOSE_NS`` of each other share theirs, and are kept
    together. About ``lines_max`` lines come of it all. With no moments, the run's end is the moment.
    """

    def __init__(self, write: Write, moments: Sequence[int], lines_max: int = WINDOW_LINES_MAX) -> None:
        self._write = write
        self._moments = deque(sorted(set(moments)))
        groups = sum(after - before > CLOSE_NS for before, after in pairwise(self._moments)) + 1
        self._share = max(1, lines_max // (2 * groups)) if moments else lines_max
        self._to_the_end = not moments
        self._before: deque[TraceLine] = deque()
        self._after = 0
        self._left_out = 0
        self._standing_left = STANDING_LINES_MAX
        self.lines = 0

    def write(self, line: TraceLine) -> None:
        """Take a line."""
        while self._moments and line.at >= self._moments[0]:
            self._moments.popleft()
            self._flush()
            self._after = self._share
        if self._after:
            self._after -= 1
            self._pass(line)
            return
        self._before.append(line)
        if len(self._before) > self._share:
            self._leave_out(self._before.popleft())

    def close(self) -> None:
        """There are no more."""
        if self._to_the_end or self._moments:
            self._flush()
        last = self._before[-1] if self._before else None
        while self._before:
            self._leave_out(self._before.popleft())
        if last is not None and self._left_out:
            self._write(_cut(last, self._left_out))

    def _leave_out(self, line: TraceLine) -> None:
        if (line.kind in _STANDING or (line.kind == "disk" and line.what != "sync")) and self._standing_left:
            self._standing_left -= 1
            self._pass(line)
        else:
            self._left_out += 1

    def _flush(self) -> None:
        if self._left_out and self._before:
            self._write(_cut(self._before[0], self._left_out))
            self._left_out = 0
        while self._before:
            self._pass(self._before.popleft())

    def _pass(self, line: TraceLine) -> None:
        self.lines += 1
        self._write(line)


def _cut(at: TraceLine, lines: int) -> TraceLine:
    return TraceLine(event=at.event, at=at.at, kind=CUT, what=f"{lines} lines left out", body={"lines": lines})


def check(scenario: Scenario, trace: bool) -> None:
    """Raise NotObservableError if a trace is asked for that the scenario's place has not."""
    if trace and scenario.place != SIMULATED:
        raise NotObservableError(f"--trace: only a simulated run has a trace, not one on {scenario.place}")


@contextmanager
def of_whole_run(folder: RunFolder, trace: bool) -> Iterator[Observation | None]:
    """Give the observation that takes a run's whole trace down in its folder; none if it was not asked for."""
    if not trace:
        yield None
        return
    with into(folder / TRACE) as limited:
        yield Observation(line=limited.write)


@contextmanager
def into(path: Path, lines_max: int = LINES_MAX) -> Iterator[Limited]:
    """Write lines into a file as they come, so many at most."""
    file = TapeFile(path)
    limited = Limited(file.write, lines_max)
    try:
        yield limited
    finally:
        limited.close()
        file.close()


def of_failure(run: Prepared, result: RunResult) -> RunResult:
    """Take down what came around a simulated run's violation, in a run of its own; return the result, noted.

    That a second run of the seed is another run is a failure of the harness, and says nothing against the violation.
    """
    if result.place != SIMULATED or result.verdict is not RunVerdict.VIOLATION:
        return result
    store = Store(run.folder.path.parent)
    try:
        with working_directory(store, 1) as work:
            folder = Store(work).create(run.scenario.name, run.plan.seed, run.started_at)
            seen = around_failure(replace(run, folder=folder), result, run.folder, folder / TRACE)
            if seen != result.trace_sha256:
                return _noted(
                    result,
                    f"harness failure: the seed's second run was another one (trace {seen[:12]}, not "
                    f"{result.trace_sha256[:12]}), so there is no trace of this one",
                )
            run.folder.write(TRACE, (folder / TRACE).read_bytes())
            if (folder / STATE).exists():
                run.folder.write(STATE, (folder / STATE).read_bytes())
    except OSError as error:
        return _noted(result, f"no trace of the failure could be written: {error}")
    return result


def _noted(result: RunResult, note: str) -> RunResult:
    return msgspec.structs.replace(result, notes=(*result.notes, note))


def around_failure(again: Prepared, result: RunResult, recorded: RunFolder, path: Path) -> str:
    """Carry a failed run out again and write what came around its failure to ``path``; return the trace's hash.

    If an invariant broke, the state of all nodes in that moment is written beside it.
    """
    file = TapeFile(path)
    around = Around(file.write, moments_of(result, recorded))
    observation = Observation()

    def until_it_breaks(line: TraceLine) -> None:
        assert observation.world is not None
        # after that, processes are only ended
        if line.kind == BROKEN or observation.world.cluster.invariants.broken is None:
            around.write(line)
        if line.kind == BROKEN:
            _write_state(path.with_name(STATE), look(observation.world, result.set_up_ns))

    observation.line = until_it_breaks
    try:
        seen = watch(again, Unwatched(), observation)
        around.close()
    finally:
        file.close()
    return seen


def _write_state(path: Path, state: ClusterState) -> None:
    with path.open("w", encoding="utf-8") as file:
        print_state(Console(file=file, width=STATE_COLUMNS), state)


def moments_of(result: RunResult, recorded: RunFolder) -> tuple[int, ...]:
    """Return the moments of a failure on the world's clock: when each operation that proves it began and ended.

    Of each checker the first anomaly counts: it is the one that the verdict's sentence tells. Where no operation is
    named (an invariant, say) there is none: the run's end is what to look at; unless it is a disruption, which ends no
    run and says itself when it was.
    """
    firsts = [checker.anomalies[0] for checker in result.checkers if checker.verdict == "invalid" and checker.anomalies]
    indices = {index for anomaly in firsts for index in anomaly.operations}
    if not indices:
        return disrupted_at(result)
    try:
        operations = recorded.history().operations()
    except (HistoryError, OSError):
        return ()
    times = [
        time
        for operation in operations
        if operation.invoke_index in indices
        for time in (operation.invoke_time, operation.complete_time)
        if time is not None
    ]
    return tuple(time + result.set_up_ns for time in times[:MOMENTS_MAX])
