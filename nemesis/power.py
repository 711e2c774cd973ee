"""Power cuts: the one end of a process after which its disk has forgotten something."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from nemesis.action import OnNodes
from nemesis.faults import PowerOff
from nemesis.ground import DiskCounters, Ground, Run
from nemesis.undo import Arrival


class PowerOffNodes(OnNodes):
    """All nodes at the same moment, as a rack does; then start again."""

    needs = "power"

    def __init__(self, ground: Ground, order: Sequence[str], fault: PowerOff) -> None:
        super().__init__(ground, order, fault.target)
        self._arrival = Arrival(fault.mode)
        self.verb = "power-off" if self._arrival is Arrival.DROP else f"power-off ({self._arrival})"

    async def inject(self) -> None:
        """Cut the power."""
        await asyncio.gather(*(self._cut(node) for node in self.targets))

    async def _cut(self, node: str) -> None:
        before, disk_before = await self.ground.process(node), await self.ground.disk_counters(node)
        state = await self.ground.power_off(node, self._arrival)
        lost = _lost(disk_before, await self.ground.disk_counters(node))
        if before.run is Run.GONE:
            self.observed.note(f"{node} was not running; {lost}")
        elif state.run is Run.GONE:
            self.observed.effect(f"{node}: process {before.pid} is gone, {lost}")
        else:
            self.observed.note(f"{node}: process {before.pid} is {state.run}")

    async def heal(self) -> bool:
        """Start what is not there."""
        return await self.start_all(self.targets)


def _lost(before: DiskCounters, now: DiskCounters) -> str:
    """Say what the disk has lost."""
    told = [f"{now.taken_back_bytes - before.taken_back_bytes} bytes taken back"]
    if betrayed := now.betrayed_bytes - before.betrayed_bytes:
        told.append(f"{betrayed} of them called durable before")
    if names := now.names_lost - before.names_lost:
        told.append(f"{names} changes of names lost")
    return ", ".join(told)
