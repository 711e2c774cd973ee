"""All systems by name: how one is made for a cluster, and how its logs are read afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.cluster.base import Cluster
from harness.scenario import Scenario
from harness.systems.base import LogReader, System
from harness.systems.multipaxos import LogReader as MultiPaxosLogReader
from harness.systems.multipaxos import MultiPaxos


@dataclass(frozen=True, slots=True)
class SystemKind:
    """``make`` takes the scenario, the cluster (set up) and the run's seed; ``log_reader`` reads one run's logs."""

    make: Callable[[Scenario, Cluster, int], System]
    log_reader: Callable[[], LogReader]


SYSTEMS: dict[str, SystemKind] = {"multipaxos": SystemKind(MultiPaxos, MultiPaxosLogReader)}
