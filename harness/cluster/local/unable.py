"""What the place ``local`` cannot do to the world around its nodes, until a class of its own can."""

from __future__ import annotations

from harness.cluster.base import ClusterError
from nemesis.ground import ClockBend, ClockReading, DiskCounters, DiskTrouble, ProcessState
from nemesis.undo import Arrival, Damage, Damaged

NOT_YET = {
    "power": "what was not synced cannot be taken back here yet; use place simulated",
    "clocks": "clocks cannot be bent here yet; use place simulated",
    "disk": "disks cannot be slowed, failed or filled here yet; use place simulated",
}


class Unable:
    """The methods of ``harness.cluster.base.Physics`` that are not there yet: each refuses."""

    async def set_clock(self, node: str, bend: ClockBend) -> None:
        """Refuse."""
        raise ClusterError(NOT_YET["clocks"])

    async def jump_clock(self, node: str, by: int) -> None:
        """Refuse."""
        raise ClusterError(NOT_YET["clocks"])

    async def clock(self, node: str) -> ClockReading:
        """Refuse."""
        raise ClusterError(NOT_YET["clocks"])

    async def set_disk(self, node: str, trouble: DiskTrouble) -> None:
        """Refuse."""
        raise ClusterError(NOT_YET["disk"])

    async def disk_counters(self, node: str) -> DiskCounters:
        """Refuse."""
        raise ClusterError(NOT_YET["disk"])

    async def power_off(self, node: str, arrival: Arrival) -> ProcessState:
        """Refuse."""
        raise ClusterError(NOT_YET["power"])

    async def damage_disk(self, node: str, damage: Damage) -> tuple[Damaged, ...]:
        """Refuse."""
        raise ClusterError(NOT_YET["disk"])
