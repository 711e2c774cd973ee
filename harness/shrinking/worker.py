"""The process that carries candidates out: ``python -m harness.shrinking.worker``.

Like the worker of an exploration, but each line that it is given is a numbered scenario, and nothing is kept of any run
but its findings.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from harness.execution import carry_out, prepare
from harness.exploration.findings import SeedReport, findings, harness_finding
from harness.exploration.serving import Job, Wear, serve
from harness.exploration.worker import Unwatched
from harness.results import RunVerdict
from harness.scenario import Scenario
from harness.store import Store

MODULE = "harness.shrinking.worker"


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


def main() -> None:
    """Serve one shrinking."""
    wear = Wear()
    serve(Job, lambda job, order: wear.worn(try_out(job, msgspec.json.decode(order, type=Order))))


if __name__ == "__main__":
    main()
