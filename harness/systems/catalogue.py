"""All systems by name: how one is made for a cluster, and how its logs are read afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.cluster.base import Cluster
from harness.plan import node_settings
from harness.scenario import Scenario
from harness.systems.base import LogReader, System
from harness.systems.multipaxos import LogReader as MultiPaxosLogReader
from harness.systems.multipaxos import MultiPaxos, bound_of
from nemesis.clock_bound import ClockBound


@dataclass(frozen=True, slots=True)
class SystemKind:
    """``make`` takes the scenario, the cluster (set up) and the run's seed; ``log_reader`` reads one run's logs.

    ``clock_bound`` takes the nodes' settings.
    """

    make: Callable[[Scenario, Cluster, int], System]
    log_reader: Callable[[], LogReader]
    clock_bound: Callable[[Mapping[str, int | float | str]], ClockBound]


SYSTEMS: dict[str, SystemKind] = {"multipaxos": SystemKind(MultiPaxos, MultiPaxosLogReader, bound_of)}


def clock_bound(scenario: Scenario, seed: int) -> ClockBound:
    """Return how wrong clocks may run for the nodes of a run."""
    return SYSTEMS[scenario.system].clock_bound(node_settings(scenario, seed))
