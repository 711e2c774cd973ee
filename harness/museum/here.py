"""Exhibits on real processes: what a worker does there, ``python -m harness.museum.here``, and which can be shown.

Only exhibits whose faults every place can inject can be shown there, and of those only what a checker sees by itself:
a real cluster has no invariants that somebody could look at. That a planted bug did wrong is read in the nodes' logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from harness.execution import Prepared
from harness.exploration.findings import SeedReport
from harness.exploration.serving import Job, serve
from harness.exploration.worker import explore_seed
from harness.museum.exhibits import Exhibit
from harness.museum.worker import MISDEEDS
from harness.requirements import parse_all
from harness.scenario import LOCAL, changed
from harness.shrinking.worker import Order
from harness.store import RunFolder
from node.museum import ANNOUNCEMENT

MODULE = "harness.museum.here"
NODE_LOG = "node.log"


def showable(exhibits: Sequence[Exhibit]) -> tuple[Exhibit, ...]:
    """Return those that can be shown on real processes, as they are shown there."""
    here = (exhibit.real or exhibit for exhibit in exhibits)
    return tuple(
        replace(e, scenario=changed(e.scenario, place=LOCAL))
        for e in here
        if e.checkers_alone and all(r.measure != "event" for r in parse_all(e.scenario.required))
    )


def show(job: Job, order: Order) -> SeedReport:
    """Carry one run out on real processes; its folder is there afterwards if it failed."""
    assert order.scenario.seed is not None
    reached = False

    def look(run: Prepared) -> None:
        nonlocal reached
        reached = any(_announced(run.folder, f"n{number}") for number in range(1, run.scenario.nodes + 1))

    report = explore_seed(job, order.scenario, order.scenario.seed, look)
    return msgspec.structs.replace(report, seed=order.number, counters={MISDEEDS: int(reached)})


def _announced(folder: RunFolder, node: str) -> bool:
    log = folder.node(node) / NODE_LOG
    return log.exists() and ANNOUNCEMENT.encode() in log.read_bytes()


def main() -> None:
    """Serve one visit of the museum."""
    serve(Job, lambda job, order: show(job, msgspec.json.decode(order, type=Order)))


if __name__ == "__main__":
    main()
