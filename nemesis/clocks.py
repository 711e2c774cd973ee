"""Bent clocks: at another rate, standing still, bumped once or flipping to and fro; wall and monotonic separately."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from nemesis.action import OnNodes
from nemesis.faults import ClockBump, ClockDrift, ClockFreeze, ClockReset, ClockStrobe
from nemesis.ground import ClockBend, ClockReading, Ground, Run
from nemesis.in_force import Stack
from nemesis.targets import TargetError
from nemesis.watching import still_bad

NS_PER_MS = 1_000_000
WATCHED_S = 0.05
"""How long a clock is watched when its fault is over."""
RIGHT_NS = 1_000
WALL_RIGHT_NS = NS_PER_MS
"""What a wall clock may be off meanwhile: the machine's own is set right now and then."""
_CLOCKS = ("true", "local", "wall")


class _OnClocks(OnNodes):
    """A fault of some nodes' clocks, of those whose clocks can be bent."""

    needs = "clocks"

    def __init__(self, ground: Ground, order: Sequence[str], target: str, clocks: Stack[str, ClockBend]) -> None:
        super().__init__(ground, order, target)
        self._clocks = clocks
        self._after: dict[str, str] = {}

    def resolve(self, leader: str | None) -> None:
        """Fix the nodes, and leave those out that the place has no hold of. Raises TargetError if none is left."""
        super().resolve(leader)
        skipped = {node: why for node in self.targets if (why := self.ground.can(self.needs, node))}
        reasons = [f"{node}: skipped: {why}" for node, why in skipped.items()]
        self.targets = tuple(node for node in self.targets if node not in skipped)
        if skipped and not self.targets:
            raise TargetError("; ".join(reasons))
        self.hit_leader = leader is not None and leader in self.targets
        for reason in reasons:
            self.observed.note(reason)

    async def look_again(self) -> bool:
        """See the clocks go right, those that no other fault bends."""
        await super().look_again()
        free = [node for node in self.targets if self._is_free(node)]
        self._after.clear()
        bent = await still_bad(free, self._bent)
        for sentence in self._after.values():
            self.observed.heals(sentence)
        return not bent

    async def _bent(self, nodes: Sequence[str]) -> Sequence[str]:
        before = {node: await self.ground.clock(node) for node in nodes}
        await asyncio.sleep(WATCHED_S)
        wrong = []
        for node in nodes:
            now = await self.ground.clock(node)
            true, local, wall = (getattr(now, clock) - getattr(before[node], clock) for clock in _CLOCKS)
            if not self._is_free(node):  # another fault has come meanwhile
                continue
            self._after[node] = f"{node}: its clock went {local / 1e9:.6f} s in {true / 1e9:.6f} s after it"
            if abs(local - true) > RIGHT_NS or abs(wall - true) > WALL_RIGHT_NS:
                wrong.append(node)
        return wrong

    def _is_free(self, node: str) -> bool:
        return self._clocks.of(node) == ClockBend()


class _BendClocks(_OnClocks):
    """What all have in common: the bend is taken back at the end, and the readings tell what it did."""

    def __init__(
        self, ground: Ground, order: Sequence[str], target: str, clocks: Stack[str, ClockBend], bend: ClockBend
    ) -> None:
        super().__init__(ground, order, target, clocks)
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
        healed = await super().heal()
        for node in self.targets:
            state = await self.ground.resume(node)
            healed = healed and state.run is not Run.STOPPED
        return healed


class BumpWallClocks(_BendClocks):
    """Clock-bump of the wall clock."""

    def __init__(self, ground: Ground, order: Sequence[str], fault: ClockBump, clocks: Stack[str, ClockBend]) -> None:
        super().__init__(ground, order, fault.target, clocks, ClockBend(wall_ahead=fault.delta_ms * NS_PER_MS))
        self.verb = f"clock-bump wall {fault.delta_ms:+d} ms"

    async def inject(self) -> None:
        """Jump, and look how far."""
        await super().inject()
        for node in self.targets:
            self._look(node, _wall_jump(self._before[node], await self.ground.clock(node)))

    async def heal(self) -> bool:
        """Jump back, and look how far."""
        held = self._clocks.holds(self)
        before = {node: await self.ground.clock(node) for node in self.targets}
        await self._clocks.remove(self)
        for node in self.targets if held else ():
            back = _wall_jump(before[node], await self.ground.clock(node))
            self.observed.note(f"{node}: its wall clock jumped back by {back / 1e9:+.3f} s")
        return True

    def _look(self, node: str, jump: int) -> None:
        sentence = f"{node}: its wall clock jumped by {jump / 1e9:+.3f} s"
        if jump:
            self.observed.effect(sentence)
        else:
            self.observed.note(sentence)


class JumpMonotonicClocks(_OnClocks):
    """Clock-bump of the monotonic clock: forward, and for good."""

    def __init__(self, ground: Ground, order: Sequence[str], fault: ClockBump, clocks: Stack[str, ClockBend]) -> None:
        super().__init__(ground, order, fault.target, clocks)
        self._by = fault.delta_ms * NS_PER_MS
        self.verb = f"clock-bump monotonic {fault.delta_ms:+d} ms"

    async def inject(self) -> None:
        """Jump, and look how far."""
        for node in self.targets:
            before = await self.ground.clock(node)
            await self.ground.jump_clock(node, self._by)
            now = await self.ground.clock(node)
            jump = now.local - before.local - (now.true - before.true)
            sentence = f"{node}: its monotonic clock jumped by {jump / 1e9:+.3f} s"
            if jump > 0:
                self.observed.effect(sentence)
            else:
                self.observed.note(sentence)

    async def heal(self) -> bool:
        """Nothing: a monotonic clock never goes back."""
        return True


class ResetWallClocks(_OnClocks):
    """Clock-reset: once."""

    verb = "clock-reset"

    def __init__(self, ground: Ground, order: Sequence[str], fault: ClockReset, clocks: Stack[str, ClockBend]) -> None:
        super().__init__(ground, order, fault.target, clocks)

    async def inject(self) -> None:
        """Set right, and look how far that was."""
        for node in self.targets:
            before = await self.ground.clock(node)
            await self.ground.reset_clock(node)
            jump = _wall_jump(before, await self.ground.clock(node))
            if jump:
                self.observed.effect(f"{node}: its wall clock was set right, by {jump / 1e9:+.6f} s")
            else:
                self.observed.note(f"{node}: its wall clock was right")

    async def heal(self) -> bool:
        """Nothing: what is right stays so."""
        return True


class StrobeClocks(_OnClocks):
    """Clock-strobe: one bend and another in turn, until the end."""

    def __init__(self, ground: Ground, order: Sequence[str], fault: ClockStrobe, clocks: Stack[str, ClockBend]) -> None:
        super().__init__(ground, order, fault.target, clocks)
        self._period_s = fault.period_ms / 1_000
        self._phases = (
            (ClockBend(wall_ahead=fault.delta_ms * NS_PER_MS), ClockBend())
            if fault.clock == "wall"
            else (ClockBend(ppm=fault.ppm), ClockBend(ppm=-fault.ppm))
        )
        swing = f"{fault.delta_ms:+d} ms" if fault.clock == "wall" else f"±{fault.ppm} ppm"
        self.verb = f"clock-strobe {fault.clock} {swing} every {fault.period_ms} ms"
        self._flipping: asyncio.Task[None] | None = None
        self._flips = 0
        self._last: dict[str, ClockReading] = {}
        self._seen: dict[str, int] = {}

    async def inject(self) -> None:
        """Flip once, and let it go on."""
        self._seen = dict.fromkeys(self.targets, 0)
        self._last = {node: await self.ground.clock(node) for node in self.targets}
        await self._flip()
        self._flipping = asyncio.create_task(self._go_on())

    async def heal(self) -> bool:
        """Stop flipping, say what was seen, and take the bend back, also if the flipping had come to an error."""
        try:
            if self._flipping is not None:
                flipping, self._flipping = self._flipping, None
                flipping.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await flipping
                await self._look()
                self._tell()
        finally:
            await self._clocks.remove(self)
        return True

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            await self._look()
            await self._flip()

    async def _flip(self) -> None:
        bend = self._phases[self._flips % 2]
        self._flips += 1
        await self._clocks.add(self, dict.fromkeys(self.targets, bend))

    async def _look(self) -> None:
        """Note how far each clock has got from where it was, whichever of the two it is."""
        for node in self.targets:
            before, now = self._last[node], await self.ground.clock(node)
            true = now.true - before.true
            off = max(abs(now.local - before.local - true), abs(now.wall - before.wall - true))
            self._seen[node] = max(self._seen[node], off)
            self._last[node] = now

    def _tell(self) -> None:
        for node in self.targets:
            sentence = f"{node}: flipped {self._flips} times, by up to {self._seen[node] / 1e6:.3f} ms at once"
            if self._seen[node] > 1:
                self.observed.effect(sentence)
            else:
                self.observed.note(sentence)


def _wall_jump(before: ClockReading, now: ClockReading) -> int:
    """Return how far the wall clock has gone beyond what the monotonic one has."""
    return (now.wall - before.wall) - (now.local - before.local)
