"""The process that carries runs out, one after the other: ``python -m harness.exploration.worker``.

An order is one seed (``harness.exploration.serving`` is how orders and answers go to and fro).

Whatever a seed does, it is an answer. An exception that nobody expected is a harness failure with its traceback in the
run's folder; and since a simulation that broke off leaves coroutines behind that nobody will ever finish, the process
then asks to be replaced (``spent``).
"""

from __future__ import annotations

import contextlib
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.execution import Prepared, carry_out, prepare, unfinished
from harness.exploration import serving
from harness.exploration.findings import INVARIANTS, SeedReport, harness_finding, report
from harness.results import RunResult, RunVerdict, Served
from harness.runner import Progress
from harness.scenario import Scenario
from harness.store import RESULTS, RunFolder, Store

TRACEBACK = "traceback.txt"
MODULE = "harness.exploration.worker"


class Job(serving.Job, frozen=True):
    """What a worker is told once, the scenario of all seeds included."""

    scenario: Scenario


@dataclass(frozen=True, slots=True)
class _Order:
    job: serving.Job
    scenario: Scenario
    seed: int


class Unwatched:
    """Nobody watches a run of an exploration."""

    def progress(self, progress: Progress) -> None:
        """Nothing to show."""

    def begun(self, served: Sequence[Served]) -> None:
        """Nothing to show."""

    def judging(self) -> None:
        """Nothing to show."""


def explore_seed(
    job: serving.Job, scenario: Scenario, seed: int, look: Callable[[Prepared], None] = lambda run: None
) -> SeedReport:
    """Carry one seed out. Its folder is there afterwards if the run failed, and gone if it did not.

    ``look`` is called with the run before that, when it has been judged.
    """
    began = time.process_time()
    order = _Order(job, scenario, seed)
    try:
        run = prepare(scenario, seed, Store(Path(job.directory)), job.started_at)
    except Exception as error:  # noqa: BLE001 - a plan that cannot be made is an answer too
        return _unexpected(order, error, None, time.process_time() - began)
    try:
        carried = carry_out(run, Unwatched())
        _write(carried.result, run.folder)
        look(run)
        answer = report(carried.result, carried.clock_ns / 1e9, time.process_time() - began, str(run.folder.path))
    except Exception as error:  # noqa: BLE001 - one seed's exception is a finding, and the others go on
        return _unexpected(order, error, run.folder, time.process_time() - began)
    if not answer.failed:
        shutil.rmtree(run.folder.path)
        return msgspec.structs.replace(answer, folder=None)
    broke_off = any(finding.signature.checker == INVARIANTS for finding in answer.findings)
    return msgspec.structs.replace(answer, spent=broke_off or answer.verdict is RunVerdict.HARNESS_FAILURE)


def _unexpected(order: _Order, error: Exception, folder: RunFolder | None, cpu_s: float) -> SeedReport:
    why = f"{type(error).__name__}: {error}"
    with contextlib.suppress(OSError):  # the disk may be what failed; the answer says why all the same
        if folder is not None:
            (folder / TRACEBACK).write_text("".join(traceback.format_exception(error)))
            _write(unfinished(order.scenario, order.seed, folder, order.job.started_at, why), folder)
    return SeedReport(
        seed=order.seed,
        verdict=RunVerdict.HARNESS_FAILURE,
        findings=(harness_finding(why),),
        cpu_s=cpu_s,
        folder=str(folder.path) if folder is not None else None,
        spent=True,
    )


def _write(result: RunResult, folder: RunFolder) -> None:
    folder.write(RESULTS, msgspec.json.format(msgspec.json.encode(result)))


def main() -> None:
    """Serve one exploration."""
    serving.serve(Job, lambda job, order: explore_seed(job, job.scenario, int(order)))


if __name__ == "__main__":
    main()
