"""Damage to what is durable: rot, a tail that is missing, a sector that lies where another belongs, an empty disk.

It is done while no process uses the disk, because a process that runs has read its files long ago and would not look
again; and the node is started on what is left, because that is the moment the fault is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from nemesis.action import OnNodes
from nemesis.faults import DiskMisdirect, DiskRot, DiskTruncate, DiskWipe
from nemesis.ground import Ground, Run
from nemesis.undo import Damage, Damaged, Harm

Damaging = DiskRot | DiskTruncate | DiskMisdirect | DiskWipe
OPENING_S = 0.5
"""How long a node is given to read its files and to say no to them."""
PLACES_TOLD_MAX = 4


class DamageDisks(OnNodes):
    """Kill, damage, start again."""

    needs = "disk"

    def __init__(self, ground: Ground, order: Sequence[str], fault: Damaging) -> None:
        super().__init__(ground, order, fault.target)
        self._damage, self.verb = _damage(fault)

    async def inject(self) -> None:
        """Do it to each node."""
        for node in self.targets:
            state = await self.ground.kill(node)
            if state.run is not Run.GONE:
                self.observed.note(f"{node}: process {state.pid} is {state.run}, its disk was left alone")
                continue
            done = await self.ground.damage_disk(node, self._damage)
            for damaged in done[:PLACES_TOLD_MAX]:
                self.observed.effect(_told(node, damaged))
            if len(done) > PLACES_TOLD_MAX:
                self.observed.note(f"{node}: and {len(done) - PLACES_TOLD_MAX} more")
            if not done:
                self.observed.note(f"{node}: there was nothing to damage")

    async def heal(self) -> bool:
        """Start what is not there, and see whether it stays. Nothing can be done for one that does not."""
        started = await self.start_all(self.targets)
        await asyncio.sleep(OPENING_S)
        for node in self.targets:
            state = await self.ground.process(node)
            if state.run is Run.GONE:
                self.observed.note(f"{node}: process {state.pid} ended with status {state.exit_code}")
        return started


def _damage(fault: Damaging) -> tuple[Damage, str]:
    match fault:
        case DiskRot():
            return Damage(Harm.ROT, fault.bits, fault.where), f"disk-rot {fault.where}"
        case DiskTruncate():
            return Damage(Harm.TRUNCATE, fault.cut_bytes), f"disk-truncate {fault.cut_bytes} bytes"
        case DiskMisdirect():
            return Damage(Harm.MISDIRECT), "disk-misdirect"
        case DiskWipe():
            return Damage(Harm.WIPE), "disk-wipe"


def _told(node: str, damaged: Damaged) -> str:
    return f"{node}: {damaged.file}, offset {damaged.offset}, {damaged.size} bytes: {damaged.how}"
