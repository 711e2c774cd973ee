"""The process that carries runs of the museum out: ``python -m harness.museum.worker``.

Like the worker of a shrinking, whose orders it takes: a numbered scenario a line, and nothing is kept of a run but its
findings. What it adds is the count of the planted bug's misdeeds, which only the process of the run can know.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from harness.cluster.local.kernel import die_with_parent
from harness.exploration.findings import INVARIANTS, SeedReport
from harness.exploration.worker import take_standard_output
from harness.shrinking.worker import BROKEN_OFF_MAX, Job, Order, try_out
from node.museum import misdeeds

MODULE = "harness.museum.worker"
MISDEEDS = "misdeeds"


def show(job: Job, order: Order) -> SeedReport:
    """Carry one run out; the report counts the misdeeds beside its findings."""
    began = time.process_time()
    misdeeds.forget()
    report = try_out(job, order)
    return msgspec.structs.replace(report, counters={MISDEEDS: misdeeds.count}, cpu_s=time.process_time() - began)


def serve(job: Job, orders: BinaryIO, answer: Callable[[bytes], None]) -> None:
    """Answer every order until they end."""
    broken_off = 0
    for line in orders:
        report = show(job, msgspec.json.decode(line, type=Order))
        broken_off += any(finding.signature.checker == INVARIANTS for finding in report.findings)
        spent = report.spent or broken_off >= BROKEN_OFF_MAX
        answer(msgspec.json.encode(msgspec.structs.replace(report, spent=spent)) + b"\n")


def main() -> None:
    """Serve one visit of the museum."""
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
