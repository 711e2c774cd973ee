"""Bent clocks: a monotonic clock that runs at another rate, or stands still while its machine is suspended."""

from __future__ import annotations

from collections.abc import Sequence

from nemesis.action import OnNodes
from nemesis.faults import ClockDrift, ClockFreeze
from nemesis.ground import ClockBend, ClockReading, Ground, Run
from nemesis.in_force import Stack


class _BendClocks(OnNodes):
    """What both have in common: the bend is taken back at the end, and the readings tell what it did."""

    needs = "clocks"

    def __init__(
        self, ground: Ground, order: Sequence[str], target: str, clocks: Stack[str, ClockBend], bend: ClockBend
    ) -> None:
        super().__init__(ground, order, target)
        self._clocks = clocks
        self._bend = bend
        self._before: dict[str, ClockReading] = {}

    async def inject(self) -> None:
        """Bend."""
        self._before = {node: await self.ground.clock(node) for node in self.targets}
        await self._clocks.add(self, dict.fromkeys(self.targets, self._bend))

    async def heal(self) -> bool:
        """Read the clocks, then take this fault's bend back."""
        if self._clocks.holds(self):
            for node in self.targets:
                self._compare(node, self._before[node], await self.ground.clock(node))
        await self._clocks.remove(self)
        return True

    def _compare(self, node: str, before: ClockReading, now: ClockReading) -> None:
        true, local = now.true - before.true, now.local - before.local
        sentence = f"{node}: its clock went {local / 1e9:.6f} s in {true / 1e9:.6f} s"
        if abs(local - true) > 1:
            self.observed.effect(sentence)
        else:
            self.observed.note(sentence)


class DriftClocks(_BendClocks):
    """Clock-drift."""

    def __init__(self, ground: Ground, order: Sequence[str], fault: ClockDrift, clocks: Stack[str, ClockBend]) -> None:
        super().__init__(ground, order, fault.target, clocks, ClockBend(ppm=fault.ppm))
        self.verb = f"clock-drift {fault.ppm:+d} ppm"


class FreezeNodes(_BendClocks):
    """Clock-freeze: the process is stopped for as long as its clock is."""

    verb = "clock-freeze"

    def __init__(self, ground: Ground, order: Sequence[str], fault: ClockFreeze, clocks: Stack[str, ClockBend]) -> None:
        super().__init__(ground, order, fault.target, clocks, ClockBend(frozen=True))

    async def inject(self) -> None:
        """Stop the processes, then the clocks."""
        for node in self.targets:
            state = await self.ground.pause(node)
            self.observed.note(f"{node}: process {state.pid} is {state.run}")
        await super().inject()

    async def heal(self) -> bool:
        """Clocks go on, then processes."""
        await self.note_leader()
        healed = await super().heal()
        for node in self.targets:
            state = await self.ground.resume(node)
            healed = healed and state.run is not Run.STOPPED
        return healed
