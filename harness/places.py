"""The places by name: what a run's cluster is, which event loop carries it, and which clock times it.

The only module that knows more than one place. Everything else takes a ``Stage`` and does not ask.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from harness.cluster.base import Cluster
from harness.cluster.local.cluster import LocalCluster
from harness.cluster.simulated import SimulatedCluster
from harness.results import CheckerResult
from harness.scenario import Scenario
from harness.seeds import SeedTree
from harness.simulation.loop import virtual_loop
from harness.simulation.observation import Observation, World
from harness.store import CLUSTER, RunFolder
from harness.systems.base import DATA

_T = TypeVar("_T")
GATHER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Stage:
    """Where one run takes place.

    ``drive`` runs a coroutine to its end; it raises KeyboardInterrupt after SIGINT or SIGTERM, when the coroutine has
    cleaned up. ``read_clock`` gives ns on the clock that the loop's time follows. ``trace_sha256`` names all that
    happened in a simulation, "" elsewhere. ``gather_bytes`` of the history may wait to be written: none where a run
    cannot be brought back. ``met`` counts the nodes' rare events in all their lives; where there is none, only the
    nodes themselves can tell, and each of them only since its last start: they are asked again and again. ``seen`` is
    what the place has to say of a run at its end that nobody outside could see, and ``told`` what a reader may want to
    know besides.
    """

    cluster: Cluster
    drive: Callable[[Coroutine[Any, Any, _T]], _T]
    read_clock: Callable[[], int]
    trace_sha256: Callable[[], str]
    gather_bytes: int = 0
    met: Callable[[], dict[str, int]] | None = None
    seen: Callable[[], tuple[CheckerResult, ...]] = tuple
    told: Callable[[], tuple[str, ...]] = tuple


class NotObservableError(ValueError):
    """Somebody wants to see inside a run whose place has no inside that could be shown."""


def stage(scenario: Scenario, seed: int, folder: RunFolder, observation: Observation | None = None) -> Stage:
    """Make the stage that a scenario asks for. Raises NotObservableError before anything is made."""
    return STAGES[scenario.place](scenario, seed, folder, observation)


def _local(scenario: Scenario, seed: int, folder: RunFolder, observation: Observation | None) -> Stage:
    if observation is not None:
        raise NotObservableError("place: only a simulated run can be traced or broken off, not one on local")
    directory = folder / CLUSTER
    directory.mkdir()
    disks = {f"n{number}": folder.node(f"n{number}") / DATA for number in range(1, scenario.nodes + 1)}
    cluster = LocalCluster(
        scenario.nodes,
        scenario.local_mode,
        directory,
        SeedTree(seed),
        disks=disks if scenario.needs_disks else None,
        bends_clocks=scenario.bends_clocks,
        capture=folder.path if scenario.pcap else None,
    )
    return Stage(cluster, _drive_real, time.monotonic_ns, lambda: "", told=cluster.told)


def _simulated(scenario: Scenario, seed: int, folder: RunFolder, observation: Observation | None) -> Stage:
    del folder
    loop = virtual_loop()
    cluster = SimulatedCluster(scenario.nodes, SeedTree(seed), loop, watched=scenario.invariants)
    if observation is not None:
        observation.attach(World(loop, cluster))
    hash_of, seen = lambda: cluster.trace.sha256, cluster.invariants.at_the_end
    told = ("no frames were captured: a simulated run has a trace instead (--trace)",) if scenario.pcap else ()
    return Stage(cluster, loop.run, loop.monotonic_ns, hash_of, GATHER_BYTES, cluster.met, seen, lambda: told)


STAGES: dict[str, Callable[[Scenario, int, RunFolder, Observation | None], Stage]] = {
    "local": _local,
    "simulated": _simulated,
}


def _drive_real(main: Coroutine[Any, Any, _T]) -> _T:
    async def cancellable() -> _T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(cancellable())
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
