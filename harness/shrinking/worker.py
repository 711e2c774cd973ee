"""The process that carries candidates out: ``python -m harness.shrinking.worker``.

Like the worker of an exploration, but each line that it is given is a numbered scenario, and nothing is kept of any run
but its findings. A run that an invariant ends leaves coroutines behind that nobody will ever finish; that is some
memory, so the process asks to be replaced only after many of them.
"""

from __future__ import annotations

import faulthandler
import os
import shutil
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from harness.cluster.local.kernel import die_with_parent
from harness.execution import carry_out, prepare
from harness.exploration.findings import INVARIANTS, SeedReport, findings, harness_finding
from harness.exploration.worker import Unwatched, take_standard_output
from harness.results import RunVerdict
from harness.scenario import Scenario
from harness.store import Store

MODULE = "harness.shrinking.worker"
BROKEN_OFF_MAX = 400


class Job(msgspec.Struct, frozen=True):
    """What a worker is told once: the folder for its runs, when the shrinking began, and by whom."""

    directory: str
    started_at: datetime
    controller: int


class Order(msgspec.Struct, frozen=True):
    """A run to carry out; the scenario has its seed."""

    number: int
    scenario: Scenario


def try_out(job: Job, order: Order) -> SeedReport:
    """Carry one run out and say what it came to; its number stands where the seed would."""
    assert order.scenario.seed is not None
    folder: Path | None = None
    try:
        run = prepare(order.scenario, order.scenario.seed, Store(Path(job.directory)), job.started_at)
        folder = run.folder.path
        result = carry_out(run, Unwatched()).result
    except Exception as error:  # noqa: BLE001 - whatever a candidate does is an answer
        why = f"{type(error).__name__}: {error}"
        return SeedReport(
            seed=order.number, verdict=RunVerdict.HARNESS_FAILURE, findings=(harness_finding(why),), spent=True
        )
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return SeedReport(seed=order.number, verdict=result.verdict, findings=findings(result))


def serve(job: Job, orders: BinaryIO, answer: Callable[[bytes], None]) -> None:
    """Answer every order until they end."""
    broken_off = 0
    for line in orders:
        report = try_out(job, msgspec.json.decode(line, type=Order))
        broken_off += any(finding.signature.checker == INVARIANTS for finding in report.findings)
        spent = report.spent or broken_off >= BROKEN_OFF_MAX
        answer(msgspec.json.encode(msgspec.structs.replace(report, spent=spent)) + b"\n")


def main() -> None:
    """Serve one shrinking."""
    faulthandler.enable()
    answers = take_standard_output()
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    die_with_parent(job.controller)

    def answer(line: bytes) -> None:
        while line:
            line = line[os.write(answers, line) :]

    serve(job, sys.stdin.buffer, answer)


if __name__ == "__main__":
    main()
