"""Troubles of disks: slow, failing, full, lying.

A node whose disk fails must end, and is started again at the end of the fault. One that was ended by another fault in
between (by a signal) is that fault's to start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from nemesis.action import OnNodes
from nemesis.faults import DiskEio, DiskMisread, DiskSlow
from nemesis.ground import DiskCounters, DiskTrouble, Ground, ProcessState, Run
from nemesis.in_force import Stack
from nemesis.watching import still_bad

ENDS_WITHIN_S = 2.0
WATCHED_S = 0.1
"""How long a disk is watched when its fault is over."""
_TOLD = {
    "slowed": "syncs slowed",
    "failed": "syncs or writes failed",
    "refused": "writes refused",
    "lied": "syncs lied about",
    "betrayed_bytes": "bytes lost that it had called durable",
    "misread": "reads returned what is not there",
}


class _TroubleDisks(OnNodes):
    """What all have in common."""

    needs = "disk"
    failing = _TOLD["failed"]

    def __init__(
        self,
        ground: Ground,
        order: Sequence[str],
        target: str,
        disks: Stack[str, DiskTrouble],
        trouble: DiskTrouble,
    ) -> None:
        super().__init__(ground, order, target)
        self._disks = disks
        self._trouble = trouble
        self._before: dict[str, DiskCounters] = {}
        self._hurt: set[str] = set()

    async def inject(self) -> None:
        """Let the disks have this trouble, on top of others."""
        self._before = {node: await self.ground.disk_counters(node) for node in self.targets}
        await self._disks.add(self, dict.fromkeys(self.targets, self._trouble))

    async def heal(self) -> bool:
        """Look what came of it, take it back, and start what has ended of it."""
        if self._disks.holds(self):
            for node in self.targets:
                self._look(node, self._before[node], await self.ground.disk_counters(node))
        await self._disks.remove(self)
        return await self.start_ended(self._disks)

    async def look_again(self) -> bool:
        """See the disks do what they are asked to, those that no other fault troubles."""
        await super().look_again()
        sound = [node for node in self.targets if self._is_sound(node)]
        troubled = await still_bad(sound, self._troubled)
        await self._wait_for_ends()
        await self.start_ended(self._disks)
        for node in sound:
            how = "it went on" if node in troubled else "nothing went wrong"
            self.observed.heals(f"{node}: {how} in the {WATCHED_S:g} s after it")
        return not troubled

    def note_end(self, state: ProcessState) -> None:
        """It need not be waited for."""
        self._hurt.discard(state.node)

    async def _wait_for_ends(self) -> None:
        """Give who met an error, maybe at the last moment, the time that a process takes to end."""
        until = asyncio.get_running_loop().time() + ENDS_WITHIN_S
        while self._hurt and asyncio.get_running_loop().time() < until:
            states = [await self.ground.process(node) for node in sorted(self._hurt)]
            self._hurt.difference_update(state.node for state in states if state.run is Run.GONE)
            await asyncio.sleep(WATCHED_S)

    async def _troubled(self, nodes: Sequence[str]) -> Sequence[str]:
        before = {node: await self.ground.disk_counters(node) for node in nodes}
        await asyncio.sleep(WATCHED_S)
        now = {node: await self.ground.disk_counters(node) for node in nodes}
        changed = [node for node in nodes if _done(before[node], now[node])]
        return [node for node in changed if self._is_sound(node)]  # another fault may have come meanwhile

    def _is_sound(self, node: str) -> bool:
        return self._disks.of(node) == DiskTrouble()

    def _look(self, node: str, before: DiskCounters, now: DiskCounters) -> None:
        """Tell what this fault's own trouble did; what another one did to the same disk is no effect of this."""
        done, own = _done(before, now), self._trouble.shows_in
        if seen := self._told({counter: count for counter, count in done.items() if counter in own}):
            self.observed.effect(f"{node}: {seen}")
            if self._trouble.fails:
                self._hurt.add(node)
        else:
            self.observed.note(
                f"{node}: its disk was not used meanwhile" if not done else f"{node}: its disk showed nothing of it"
            )
        if besides := self._told({counter: count for counter, count in done.items() if counter not in own}):
            self.observed.note(f"{node}: on the same disk besides: {besides}")

    def _told(self, done: Mapping[str, int]) -> str:
        how = {**_TOLD, "failed": self.failing}
        return ", ".join(f"{count} {how[counter]}" for counter, count in done.items())


def _done(before: DiskCounters, now: DiskCounters) -> dict[str, int]:
    """Return what troubles have done in between, by counter."""
    more = {counter: int(getattr(now, counter)) - int(getattr(before, counter)) for counter in _TOLD}
    return {counter: count for counter, count in more.items() if count > 0}


class SlowDisks(_TroubleDisks):
    """Disk-slow."""

    def __init__(self, ground: Ground, order: Sequence[str], fault: DiskSlow, disks: Stack[str, DiskTrouble]) -> None:
        trouble = DiskTrouble(times=fault.times) if fault.times else DiskTrouble(stalled=True)
        super().__init__(ground, order, fault.target, disks, trouble)
        self.verb = f"disk-slow ×{fault.times}" if fault.times else "disk-slow stalled"


class FailCalls(_TroubleDisks):
    """Disk-eio."""

    def __init__(self, ground: Ground, order: Sequence[str], fault: DiskEio, disks: Stack[str, DiskTrouble]) -> None:
        of_write = fault.call == "write"
        trouble = DiskTrouble(fails_next_write=True) if of_write else DiskTrouble(fails_next=True)
        super().__init__(ground, order, fault.target, disks, trouble)
        self.verb = "disk-eio (write)" if of_write else "disk-eio"
        self.failing = "writes failed" if of_write else "syncs failed"


class FillDisks(_TroubleDisks):
    """Disk-full."""

    verb = "disk-full"

    def __init__(self, ground: Ground, order: Sequence[str], target: str, disks: Stack[str, DiskTrouble]) -> None:
        super().__init__(ground, order, target, disks, DiskTrouble(full=True))


class MisreadFiles(_TroubleDisks):
    """Disk-misread."""

    def __init__(
        self, ground: Ground, order: Sequence[str], fault: DiskMisread, disks: Stack[str, DiskTrouble]
    ) -> None:
        super().__init__(ground, order, fault.target, disks, DiskTrouble(misread_ppm=fault.chance_ppm))
        self.verb = f"disk-misread {fault.chance_ppm / 10_000:g} %"

    async def inject(self) -> None:
        """Let reads be wrong, and have the nodes read everything anew."""
        await super().inject()
        for node in self.targets:
            await self.ground.kill(node)
        await self.start_all(self.targets)


class LieAboutSyncs(_TroubleDisks):
    """Disk-lie."""

    verb = "disk-lie"

    def __init__(self, ground: Ground, order: Sequence[str], target: str, disks: Stack[str, DiskTrouble]) -> None:
        super().__init__(ground, order, target, disks, DiskTrouble(lies=True))
