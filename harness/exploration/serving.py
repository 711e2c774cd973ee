"""What every worker process does: a job, then orders, a line of JSON each, on standard input; a line for each answer.

Standard output belongs to the answers alone: whatever else prints goes to standard error, and so does the stack of
every thread if the process is killed by a fault of its own (faulthandler). A worker ends when its orders do, and dies
with the process that ordered.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from harness.cluster.local.kernel import die_with_parent
from harness.exploration.findings import INVARIANTS, SeedReport

BROKEN_OFF_MAX = 400
"""A run that an invariant ends leaves coroutines behind that nobody will ever finish: some memory. After so many of
them a worker asks to be replaced."""


class Job(msgspec.Struct, frozen=True):
    """What a worker is told once: the folder for its runs, when it all began, and which process gives the orders."""

    directory: str
    started_at: datetime
    controller: int


J = TypeVar("J", bound=Job)


class Wear:
    """Counts the runs that an invariant ended, and says when a worker has had enough of them."""

    def __init__(self) -> None:
        self._broken_off = 0

    def worn(self, report: SeedReport) -> SeedReport:
        """Return the report, which asks for another process if this one is spent."""
        self._broken_off += any(finding.signature.checker == INVARIANTS for finding in report.findings)
        return msgspec.structs.replace(report, spent=report.spent or self._broken_off >= BROKEN_OFF_MAX)


def serve(job_type: type[J], answer: Callable[[J, bytes], SeedReport]) -> None:
    """Take the job, and answer every order until they end."""
    faulthandler.enable()
    answers = os.dup(1)
    os.dup2(2, 1)
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=job_type)
    die_with_parent(job.controller)
    for order in sys.stdin.buffer:
        line = msgspec.json.encode(answer(job, order)) + b"\n"
        while line:
            line = line[os.write(answers, line) :]
