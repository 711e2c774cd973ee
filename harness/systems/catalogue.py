"""All systems by name: how one is made for a cluster, and how its logs are read afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.cluster.base import Cluster
from harness.scenario import Scenario
from harness.systems.base import LogReader, System
from harness.systems.multipaxos import MultiPaxos, read_log


@dataclass(frozen=True, slots=True)
class SystemKind:
    """``make`` takes the scenario, the cluster (set up) and the run's seed."""

    make: Callable[[Scenario, Cluster, int], System]
    read_log: LogReader


SYSTEMS: dict[str, SystemKind] = {"multipaxos": SystemKind(MultiPaxos, read_log)}
