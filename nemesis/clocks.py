"""Bent clocks: at another rate, standing still, bumped once or flipping to and fro; wall and monotonic separately.

What a place was told of a clock is no evidence: a bend counts if a process of the node has read its clocks while it was
there, and is healed if what processes read afterwards is right.
"""

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
READS_WITHIN_S = 1.0
"""How long a process is given to read its clocks where it could not before the fault was over."""
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
        self._running: set[str] = set()
        self._since: dict[str, int] = {}
        self._claims: dict[str, str] = {}
        self._ahead_still: list[str] = []
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
        """See who has read what was done, and the clocks go right, those that no other fault bends."""
        await super().look_again()
        await self._bear_out()
        free = [node for node in self.targets if self._clocks.is_free(node)]
        self._after.clear()
        bent = await still_bad(free, self._bent)
        for sentence in (*self._after.values(), *self._ahead_still):
            self.observed.heals(sentence)
        return not bent and not self._ahead_still

    async def read_all(self) -> dict[str, ClockReading]:
        """Read the clocks of all targets."""
        return {node: await self.ground.clock(node) for node in self.targets}

    async def see_who_runs(self) -> None:
        """See which targets have a process, before anything is done to their clocks."""
        states = [await self.ground.process(node) for node in self.targets]
        self._running = {state.node for state in states if state.run is not Run.GONE}

    async def tell(self, node: str, sentence: str, now: ClockReading, *, shows: bool) -> None:
        """Tell what the readings say; it ``shows`` an effect if a process of the node has read its clocks since."""
        unread = await self._why_unread(node, now) if shows else ""
        if shows and not unread:
            self.observed.effect(sentence)
        else:
            self.observed.note(f"{sentence}, but {unread}" if unread else sentence)

    def claim(self, node: str, sentence: str, since: int) -> None:
        """Tell it as an effect later, if a process of the node has read its clocks since a change."""
        self._claims[node], self._since[node] = sentence, since

    async def take_back(self, ahead: int) -> dict[str, tuple[ClockReading, ClockReading]]:
        """Take this fault's bend back, and return what was read right before and right after.

        The wall clocks must go back by what they were ``ahead``: what was left of it would stay for good.
        """
        before: dict[str, ClockReading] = {}
        try:
            if self._clocks.holds(self):
                before = await self.read_all()
        finally:
            await self._clocks.remove(self)
        both = {node: (was, await self.ground.clock(node)) for node, was in before.items()}
        for node, (was, now) in both.items():
            alone = now.change - was.change <= 1 and now.seen is not None  # no other fault came in between
            left = ahead + _wall_jump(was, now)
            if node in self._since and alone and abs(left) > WALL_RIGHT_NS:
                self._ahead_still.append(f"{node}: its wall clock is still {left / 1e9:+.3f} s off")
        return both

    async def _why_unread(self, node: str, now: ClockReading) -> str:
        """Say why no process of a node has seen what was done to its clocks, "" if one has."""
        if now.doubt:
            return now.doubt
        if node not in self._running and (await self.ground.process(node)).run is Run.GONE:
            return "it was not running"
        if now.seen is None or now.seen < self._since.get(node, 0):
            return "no process of it has read its clocks since"
        return ""

    async def _bear_out(self) -> None:
        """Tell what was to be told later, once it was read."""
        until = asyncio.get_running_loop().time() + READS_WITHIN_S
        for node, sentence in self._claims.items():
            now = await self.ground.clock(node)
            while await self._why_unread(node, now) and asyncio.get_running_loop().time() < until:
                await asyncio.sleep(WATCHED_S)
                now = await self.ground.clock(node)
            await self.tell(node, sentence, now, shows=True)
        self._claims.clear()

    async def _bent(self, nodes: Sequence[str]) -> Sequence[str]:
        before = {node: await self.ground.clock(node) for node in nodes}
        await asyncio.sleep(WATCHED_S)
        wrong = []
        for node in nodes:
            now = await self.ground.clock(node)
            true, local, wall = (getattr(now, clock) - getattr(before[node], clock) for clock in _CLOCKS)
            if not self._clocks.is_free(node) or now.change != before[node].change:
                continue  # another fault has come meanwhile
            told = "" if now.seen == now.change else ", but no process of it has read it yet"
            sentence = f"{node}: its clock went {local / 1e9:.6f} s in {true / 1e9:.6f} s after it"
            self._after[node] = f"{sentence}, but {now.doubt}" if now.doubt else sentence + told
            if now.doubt or abs(local - true) > RIGHT_NS or abs(wall - true) > WALL_RIGHT_NS:
                wrong.append(node)
        return wrong


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
        await self.see_who_runs()
        self._before = await self.read_all()
        await self._clocks.add(self, dict.fromkeys(self.targets, self._bend))
        for node, now in (await self.read_all()).items():
            self._since[node] = now.change
            self.look_at_once(node, self._before[node], now)

    async def heal(self) -> bool:
        """Take this fault's bend back, and see what the clocks did until then."""
        for node, (was, now) in (await self.take_back(self._bend.wall_ahead)).items():
            await self.look_back(node, was, now)
        return not self._ahead_still

    def look_at_once(self, node: str, before: ClockReading, now: ClockReading) -> None:
        """See what the bend does at once."""

    async def look_back(self, node: str, was: ClockReading, now: ClockReading) -> None:
        """See what the bend did until right before the end; a process must have read its clocks by then."""
        sentence, shows = self.went(node, was)
        await self.tell(node, sentence, was, shows=shows)

    def went(self, node: str, was: ClockReading) -> tuple[str, bool]:
        """Say how far the clock has gone since the beginning, and whether that is wrong."""
        true, local = was.true - self._before[node].true, was.local - self._before[node].local
        return f"{node}: its clock went {local / 1e9:.6f} s in {true / 1e9:.6f} s", abs(local - true) > 1


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

    async def look_back(self, node: str, was: ClockReading, now: ClockReading) -> None:
        """What was stopped can have read nothing meanwhile: it sees what it has missed when it goes on."""
        sentence, shows = self.went(node, was)
        if shows:
            self.claim(node, sentence, now.change)
        else:
            self.observed.note(sentence)


class BumpWallClocks(_BendClocks):
    """Clock-bump of the wall clock."""

    def __init__(self, ground: Ground, order: Sequence[str], fault: ClockBump, clocks: Stack[str, ClockBend]) -> None:
        super().__init__(ground, order, fault.target, clocks, ClockBend(wall_ahead=fault.delta_ms * NS_PER_MS))
        self.verb = f"clock-bump wall {fault.delta_ms:+d} ms"
        self._jumps: dict[str, int] = {}

    def look_at_once(self, node: str, before: ClockReading, now: ClockReading) -> None:
        """It has jumped."""
        self._jumps[node] = _wall_jump(before, now)

    async def look_back(self, node: str, was: ClockReading, now: ClockReading) -> None:
        """It has jumped back."""
        jump, back = self._jumps.get(node, 0), _wall_jump(was, now)
        await self.tell(node, f"{node}: its wall clock jumped by {jump / 1e9:+.3f} s", was, shows=bool(jump))
        self.observed.note(f"{node}: its wall clock jumped back by {back / 1e9:+.3f} s")


class JumpMonotonicClocks(_OnClocks):
    """Clock-bump of the monotonic clock: forward, and for good."""

    def __init__(self, ground: Ground, order: Sequence[str], fault: ClockBump, clocks: Stack[str, ClockBend]) -> None:
        super().__init__(ground, order, fault.target, clocks)
        self._by = fault.delta_ms * NS_PER_MS
        self.verb = f"clock-bump monotonic {fault.delta_ms:+d} ms"

    async def inject(self) -> None:
        """Jump, and look how far."""
        await self.see_who_runs()
        for node in self.targets:
            before = await self.ground.clock(node)
            await self.ground.jump_clock(node, self._by)
            now = await self.ground.clock(node)
            jump = now.local - before.local - (now.true - before.true)
            sentence = f"{node}: its monotonic clock jumped by {jump / 1e9:+.3f} s"
            if jump > 0:
                self.claim(node, sentence, now.change)
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
        await self.see_who_runs()
        for node in self.targets:
            before = await self.ground.clock(node)
            await self.ground.reset_clock(node)
            now = await self.ground.clock(node)
            if jump := _wall_jump(before, now):
                self.claim(node, f"{node}: its wall clock was set right, by {jump / 1e9:+.6f} s", now.change)
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
        self._at_it = asyncio.Lock()  # who ends the flipping waits for the flip under way
        self._flips = 0
        self._last: dict[str, ClockReading] = {}
        self._seen: dict[str, int] = {}

    async def inject(self) -> None:
        """Flip once, and let it go on."""
        self._seen = dict.fromkeys(self.targets, 0)
        await self.see_who_runs()
        self._last = await self.read_all()
        await self._flip()
        self._since = {node: now.change for node, now in (await self.read_all()).items()}
        self._flipping = asyncio.create_task(self._go_on())

    async def heal(self) -> bool:
        """Stop flipping, take the bend back, also if the flipping had come to an error, and say what was seen."""
        flipped = self._flipping is not None
        try:
            await self._stop_flipping()
        finally:
            both = await self.take_back(self._phase.wall_ahead)
        for node, (was, _) in both.items() if flipped else ():
            self._look(node, was)
            sentence = f"{node}: flipped {self._flips} times, by up to {self._seen[node] / 1e6:.3f} ms at once"
            await self.tell(node, sentence, was, shows=self._seen[node] > 1)
        return not self._ahead_still

    async def _stop_flipping(self) -> None:
        if self._flipping is None:
            return
        flipping, self._flipping = self._flipping, None
        async with self._at_it:
            flipping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flipping

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            async with self._at_it:
                for node, now in (await self.read_all()).items():
                    self._look(node, now)
                await self._flip()

    @property
    def _phase(self) -> ClockBend:
        return self._phases[(self._flips - 1) % 2]

    async def _flip(self) -> None:
        self._flips += 1
        await self._clocks.add(self, dict.fromkeys(self.targets, self._phase))

    def _look(self, node: str, now: ClockReading) -> None:
        """Note how far a clock has got from where it was, whichever of the two it is."""
        before = self._last[node]
        true = now.true - before.true
        off = max(abs(now.local - before.local - true), abs(now.wall - before.wall - true))
        self._seen[node] = max(self._seen[node], off)
        self._last[node] = now


def _wall_jump(before: ClockReading, now: ClockReading) -> int:
    """Return how far the wall clock has gone beyond what the monotonic one has."""
    return (now.wall - before.wall) - (now.local - before.local)
