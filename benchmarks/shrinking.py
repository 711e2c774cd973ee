"""How small do failures become? Planted bugs, each from a minute of the swarm, against the best known by hand.

    python benchmarks/shrinking.py [BUG[:SEED] …]

The first seed that fails is taken, from SEED (0) on.

Sizes and runs depend on the seeds alone; only the seconds are this machine's. docs/shrinking.md has the table.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.execution import Prepared, carry_out, prepare
from harness.exploration.worker import Unwatched
from harness.plan import make_plan
from harness.results import RunVerdict
from harness.scenario import Scenario, load
from harness.shrinking.candidate import of_plan, size
from harness.shrinking.reduction import Request, as_data, shrink
from harness.shrinking.screen import amounts_line
from harness.shrinking.shrinker import Attempt
from harness.store import RESULTS, Store

BUGS = (
    "commit-by-index",
    "double-apply",
    "early-ack",
    "first-report",
    "late-lease",
    "local-reads",
    "forgotten-promises",
)
SEEDS_MAX = 200
"""The first of so many seeds that fails is shrunk."""
NODES = {"late-lease": 3}
"""With five nodes two acknowledgements have to be late, which takes the swarm longer than a minute."""
BEST = Path(__file__).resolve().parents[1] / "tests" / "shrinking" / "best"
RATIO_MAX = 1.5


class Quiet:
    """Looks at nothing."""

    def tried(self, attempt: Attempt, carried_out: int) -> None:
        """Nothing to show."""


def failing(scenario: Scenario, store: Store, first: int) -> Prepared:
    """Return the run of the first seed that fails."""
    for seed in range(first, first + SEEDS_MAX):
        run = prepare(scenario, seed, store, datetime.now(UTC))
        result = carry_out(run, Unwatched()).result
        if result.verdict is RunVerdict.VIOLATION:
            run.folder.write(RESULTS, msgspec.json.encode(result))
            return run
        shutil.rmtree(run.folder.path)
    raise SystemExit(f"{scenario.bug}: none of {SEEDS_MAX} seeds from {first} on fails")


def shrunk(bug: str, first: int, root: Path) -> bool:
    """Shrink one bug's run, say what came of it, and whether it is small enough."""
    scenario = Scenario(
        name=bug, place="simulated", faults=("swarm",), time="60s", rate=50, bug=bug, nodes=NODES.get(bug, 5)
    )
    store = Store(root)
    run = failing(scenario, store, first)
    began = time.monotonic()
    jobs = len(os.sched_getaffinity(0))
    reduction = shrink(Request(run=run.folder, store=store, jobs=jobs, started_at=datetime.now(UTC)), Quiet())
    by_hand = load(BEST / f"{bug}.toml")
    best = size(of_plan(by_hand, make_plan(by_hand, by_hand.seed or 0)))
    came_to = size(reduction.shrunk.candidate)
    print(f"{bug}, seed {run.plan.seed}: {reduction.finding.signature.checker}: {reduction.finding.signature.kind}")
    print(f"  from {size(reduction.start)}: {amounts_line(reduction.start)}")
    print(f"  to   {came_to}: {amounts_line(reduction.shrunk.candidate)}")
    print(f"  best {best}, ratio {came_to / best:.2f}; {reduction.shrunk.runs} runs, {time.monotonic() - began:.0f} s")
    for line in as_data(reduction)["story"]:
        print(f"    {line}")
    return came_to <= RATIO_MAX * best


def main() -> None:
    """Shrink all that are asked for."""
    asked = [word.partition(":") for word in sys.argv[1:] or BUGS]
    with tempfile.TemporaryDirectory() as root:
        small = [shrunk(bug, int(first or 0), Path(root)) for bug, _, first in asked]
    print(f"{sum(small)} of {len(small)} are at most {RATIO_MAX} times the best known by hand")
    sys.exit(not all(small))


if __name__ == "__main__":
    main()
