"""Power cuts: the one end of a process after which its disk has forgotten something."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from nemesis.action import OnNodes
from nemesis.faults import PowerOff
from nemesis.ground import Ground, Run


class PowerOffNodes(OnNodes):
    """All nodes at the same moment, as a rack does; then start again."""

    needs = "power"
    verb = "power-off"

    def __init__(self, ground: Ground, order: Sequence[str], fault: PowerOff) -> None:
        super().__init__(ground, order, fault.target)
        self._torn = fault.mode == "torn"

    async def inject(self) -> None:
        """Cut the power."""
        await asyncio.gather(*(self._cut(node) for node in self.targets))

    async def _cut(self, node: str) -> None:
        before, disk_before = await self.ground.process(node), await self.ground.disk_counters(node)
        state = await self.ground.power_off(node, torn=self._torn)
        taken_back = (await self.ground.disk_counters(node)).taken_back_bytes - disk_before.taken_back_bytes
        if before.run is Run.GONE:
            self.observed.note(f"{node} was not running; {taken_back} bytes taken back")
        elif state.run is Run.GONE:
            self.observed.effect(f"{node}: process {before.pid} is gone, {taken_back} bytes taken back")
        else:
            self.observed.note(f"{node}: process {before.pid} is {state.run}")

    async def heal(self) -> bool:
        """Start what is not there."""
        await self.note_leader()
        return await self.start_all(self.targets)
