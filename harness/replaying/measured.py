"""Replays on real processes: the same plan several times, and how often it ends in the same failure.

There the seed gives the plan, and the machine gives the rest. So a replay proves nothing if it comes out differently,
and the honest answer is a rate with its interval. A replay that the harness could not carry out is neither the same nor
different: it is told, and not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from harness import environment
from harness.execution import carry_out, finish, prepare
from harness.exploration.findings import FAILURES, findings
from harness.replaying.original import Original
from harness.replaying.wilson import Interval, wilson
from harness.results import EXIT_CODES, EXIT_INTERRUPTED, RunResult, RunVerdict
from harness.runner import Watcher
from harness.store import ENVIRONMENT, RunFolder, Store

TIMES = 5
TIMES_MAX = 10_000
_WORST_FIRST = (RunVerdict.VIOLATION, RunVerdict.UNKNOWN, RunVerdict.FAULTS_NOT_MET, RunVerdict.VALID)


@dataclass(frozen=True, slots=True)
class Trial:
    """One replay; ``same`` is None if it came to nothing that could be the same. ``folder`` is None if not kept."""

    number: int
    result: RunResult
    same: bool | None
    folder: RunFolder | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What so many replays came to."""

    original: RunResult
    trials: tuple[Trial, ...]
    interrupted: bool

    @property
    def counted(self) -> int:
        """How many replays came to a verdict."""
        return sum(trial.same is not None for trial in self.trials)

    @property
    def same(self) -> int:
        """How many of them were the same."""
        return sum(trial.same is True for trial in self.trials)

    @property
    def harness_failures(self) -> int:
        """How many came to none."""
        return len(self.trials) - self.counted

    @property
    def interval(self) -> Interval:
        """Where the true rate lies, at 95 %."""
        return wilson(self.same, self.counted)

    @property
    def exit_code(self) -> int:
        """0 if it happened again, 3 if never; 5 if no replay came to a verdict; 130 if interrupted."""
        if self.interrupted:
            return EXIT_INTERRUPTED
        if not self.counted:
            return EXIT_CODES[RunVerdict.HARNESS_FAILURE]
        return 0 if self.same else EXIT_CODES[RunVerdict.UNKNOWN]

    @property
    def verdict(self) -> RunVerdict:
        """The worst verdict of any replay that came to one."""
        seen = {trial.result.verdict for trial in self.trials}
        return next((verdict for verdict in _WORST_FIRST if verdict in seen), RunVerdict.HARNESS_FAILURE)


def is_same(original: RunResult, replayed: RunResult) -> bool | None:
    """Say whether a replay failed as the original did: in a signature that they share; else by the verdict alone."""
    if replayed.verdict is RunVerdict.HARNESS_FAILURE and original.verdict is not RunVerdict.HARNESS_FAILURE:
        return None
    if original.verdict not in FAILURES:
        return replayed.verdict is original.verdict
    of_original = {finding.signature for finding in findings(original)}
    return any(finding.signature in of_original for finding in findings(replayed))


def measure(
    original: Original,
    store: Store,
    watcher: Watcher,
    clock: Callable[[], datetime],
    tell: Callable[[Trial], None],
    *,
    times: int = TIMES,
    stop_at_first: bool = False,
    keep: bool = False,
) -> Measured:
    """Carry the plan out so many times; a scenario without a run is carried out once more before that.

    Ctrl-C ends it with what was measured so far. Folders of failing replays are kept, of others if asked for.
    """
    result, trials = original.result, []
    try:
        if result is None:
            result = _carry_out(original, store, watcher, clock(), keep=True)[0]
        for number in range(1, times + 1):
            new, folder = _carry_out(original, store, watcher, clock(), keep)
            trials.append(Trial(number, new, is_same(result, new), folder))
            tell(trials[-1])
            if stop_at_first and trials[-1].same:
                break
    except KeyboardInterrupt:
        if result is None:
            raise
        return Measured(result, tuple(trials), True)
    return Measured(result, tuple(trials), False)


def _carry_out(
    original: Original, store: Store, watcher: Watcher, now: datetime, keep: bool
) -> tuple[RunResult, RunFolder | None]:
    run = prepare(original.scenario, original.seed, store, now)
    run.folder.write(ENVIRONMENT, environment.as_json(environment.look()))
    result = carry_out(run, watcher).result
    if keep or result.verdict in FAILURES:
        finish(result, run.folder)
        return result, run.folder
    store.remove(run.folder)
    return result, None
