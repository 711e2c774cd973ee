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
from pathlib import Path

import msgspec

from harness.execution import Prepared, carry_out, prepare, unfinished, write_result
from harness.exploration import serving
from harness.exploration.findings import INVARIANTS, SeedReport, harness_finding, report
from harness.results import RunVerdict, Served
from harness.runner import Progress, Seen
from harness.scenario import Scenario
from harness.store import RunFolder, Store

TRACEBACK = "traceback.txt"
MODULE = "harness.exploration.worker"


class Job(serving.Job, frozen=True):
    """What a worker is told once, the scenario of all seeds included."""

    scenario: Scenario


class Unwatched:
    """Nobody watches a run of an exploration."""

    def progress(self, progress: Progress) -> None:
        """Nothing to show."""

    def begun(self, served: Sequence[Served]) -> None:
        """Nothing to show."""

    def alarmed(self, seen: Seen) -> None:
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
    folder: RunFolder | None = None
    try:
        run = prepare(scenario, seed, Store(Path(job.directory)), job.started_at)
        folder = run.folder
        carried = carry_out(run, Unwatched())
        write_result(carried.result, folder)
        look(run)
        answer = report(carried.result, carried.clock_ns / 1e9, time.process_time() - began, str(folder.path))
    except Exception as error:  # noqa: BLE001 - one seed's exception is a finding, and the others go on
        why = f"{type(error).__name__}: {error}"
        if folder is not None:
            with contextlib.suppress(OSError):  # the disk may be what failed; the answer says why all the same
                (folder / TRACEBACK).write_text("".join(traceback.format_exception(error)))
                write_result(unfinished(scenario, seed, folder, job.started_at, why), folder)
        return SeedReport(
            seed=seed,
            verdict=RunVerdict.HARNESS_FAILURE,
            findings=(harness_finding(why),),
            cpu_s=time.process_time() - began,
            folder=str(folder.path) if folder is not None else None,
            spent=True,
        )
    if not answer.failed:
        shutil.rmtree(folder.path)
        return msgspec.structs.replace(answer, folder=None)
    broke_off = any(finding.signature.checker == INVARIANTS for finding in answer.findings)
    return msgspec.structs.replace(answer, spent=broke_off or answer.verdict is RunVerdict.HARNESS_FAILURE)


def main() -> None:
    """Serve one exploration."""
    serving.serve(Job, lambda job, order: explore_seed(job, job.scenario, int(order)))


if __name__ == "__main__":
    main()
