"""Whole runs in simulation, in as few words as a test wants to spend on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.cluster.simulated import SimulatedCluster
from harness.judgement import judge
from harness.plan import make_plan
from harness.results import NodeSummary, RunVerdict, Served
from harness.runner import Progress, Runner, Seen
from harness.scenario import Scenario, Timed, changed
from harness.seeds import SeedTree
from harness.simulation.loop import virtual_loop
from harness.store import Store
from harness.systems.catalogue import SYSTEMS
from nemesis.faults import Fault
from nemesis.record import FaultRecord

STARTED = datetime(2026, 1, 1, tzinfo=UTC)


class Nobody:
    """A watcher that does not look."""

    def progress(self, progress: Progress) -> None:
        pass

    def begun(self, served: Sequence[Served]) -> None:
        pass

    def alarmed(self, seen: Seen) -> None:
        pass

    def judging(self) -> None:
        pass


@dataclass(frozen=True)
class Ran:
    """What a run came to; ``broken`` is the invariant that ended it, "" if none did."""

    verdict: RunVerdict | None
    sentence: str
    broken: str
    faults: tuple[FaultRecord, ...]
    history_sha256: str
    trace_sha256: str
    said: tuple[str, ...]
    summaries: tuple[NodeSummary, ...] = ()

    def total(self, counter: str) -> int:
        """Return the sum of a counter over all nodes, since each one's last start."""
        return sum((summary.counters or {}).get(counter, 0) for summary in self.summaries)

    @property
    def leader(self) -> str:
        """The node that led at the end."""
        return next(summary.node for summary in self.summaries if summary.role == "leader")


def timed(at: str, until: str, fault: Fault) -> Timed:
    """Return a fault at a fixed time."""
    return Timed(at=at, until=until, fault=fault)


def scenario(*schedule: Timed, time: str = "6s", rate: int = 150, **more: object) -> Scenario:
    """Return a short scenario in simulation."""
    plain = Scenario(place="simulated", faults=(), schedule=schedule, time=time, rate=rate)
    return changed(plain, **more)


def run(scenario: Scenario, seed: int, root: Path) -> Ran:
    """Carry a run out and judge it."""
    scenario = changed(scenario, seed=seed)
    plan = make_plan(scenario, seed)
    folder = Store(root).create(scenario.name, seed, STARTED)
    loop = virtual_loop()
    cluster = SimulatedCluster(scenario.nodes, SeedTree(seed), loop)
    runner = Runner(
        scenario,
        plan,
        folder,
        cluster,
        lambda place: SYSTEMS[scenario.system].make(scenario, place, seed),
        Nobody(),
        loop.monotonic_ns,
    )
    verdict, sentence = None, ""
    try:
        outcome = loop.run(runner.run())
        judgement = judge(scenario, plan, folder, outcome, cluster.invariants.at_the_end())
        verdict, sentence = judgement.verdict, judgement.sentence
    except Exception:
        if cluster.invariants.broken is None:
            raise
    return Ran(
        verdict,
        sentence,
        str(cluster.invariants.broken or ""),
        runner.outcome.faults,
        folder.history_sha256(),
        cluster.trace.sha256,
        tuple(line for node in cluster.nodes for line in cluster.said(node)),
        runner.outcome.summaries,
    )
