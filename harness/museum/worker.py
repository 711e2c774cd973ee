"""The process that carries runs of the museum out: ``python -m harness.museum.worker``.

Like the worker of a shrinking, whose orders it takes: a numbered scenario a line, and nothing is kept of a run but its
findings. What it adds is the count of the planted bug's misdeeds, which only the process of the run can know.
"""

from __future__ import annotations

import time

import msgspec

from harness.exploration.findings import SeedReport
from harness.exploration.serving import Job, Wear, serve
from harness.shrinking.worker import Order, try_out
from node.museum import misdeeds

MODULE = "harness.museum.worker"
MISDEEDS = "misdeeds"


def show(job: Job, order: Order) -> SeedReport:
    """Carry one run out; the report counts the misdeeds beside its findings."""
    began = time.process_time()
    misdeeds.forget()
    report = try_out(job, order)
    return msgspec.structs.replace(report, counters={MISDEEDS: misdeeds.count}, cpu_s=time.process_time() - began)


def main() -> None:
    """Serve one visit of the museum."""
    wear = Wear()
    serve(Job, lambda job, order: wear.worn(show(job, msgspec.json.decode(order, type=Order))))


if __name__ == "__main__":
    main()
