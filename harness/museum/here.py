"""Exhibits on real processes: one run after the other, on this machine, judged by the checkers alone.

Only exhibits whose faults every place can inject can be shown there, and of those only what a checker sees by itself:
a real cluster has no invariants that somebody could look at. That a planted bug did wrong is read in the nodes' logs.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from datetime import datetime

from harness.execution import carry_out, prepare
from harness.exploration.findings import SeedReport, findings
from harness.exploration.worker import Unwatched
from harness.museum.exhibits import Exhibit
from harness.museum.showing import Ordered
from harness.museum.worker import MISDEEDS
from harness.scenario import changed
from harness.store import RunFolder, Store
from nemesis.faults import EVERYWHERE, OF_LINKS
from node.museum import ANNOUNCEMENT

PLACE = "local"
NODE_LOG = "node.log"


def showable(exhibits: Sequence[Exhibit]) -> tuple[Exhibit, ...]:
    """Return those that can be shown on real processes."""
    return tuple(e for e in exhibits if e.checkers_alone and set(e.scenario.required) <= {*EVERYWHERE, *OF_LINKS})


def show_here(ordered: Ordered, store: Store, started_at: datetime) -> SeedReport:
    """Carry one run out on real processes. Its folder stays in the store if something was found."""
    began = time.process_time()
    run = prepare(changed(ordered.scenario, place=PLACE), ordered.seed, store, started_at)
    result = carry_out(run, Unwatched()).result
    found = findings(result)
    reached = int(any(_announced(run.folder, node) for node in result.nodes))
    if not found:
        shutil.rmtree(run.folder.path)
    return SeedReport(
        seed=ordered.seed,
        verdict=result.verdict,
        findings=found,
        counters={MISDEEDS: reached},
        cpu_s=time.process_time() - began,
    )


def _announced(folder: RunFolder, node: str) -> bool:
    log = folder.node(node) / NODE_LOG
    return log.exists() and ANNOUNCEMENT.encode() in log.read_bytes()
