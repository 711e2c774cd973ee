"""Want: too little processor, memory, or descriptors.

A limit that nobody runs into has had no effect, so what counts is what the process came to: how long its threads were
ready and had no processor, whether its memory grew up to the limit, whether a free descriptor was left. Healing is
looked at where it happens, in what the kernel shows of the process.
"""

from __future__ import annotations

from collections.abc import Sequence

from nemesis.action import OnNodes
from nemesis.faults import FdLimit, MemoryLimit, Starve
from nemesis.ground import DiskTrouble, Ground, ProcessState, Ration, Resources
from nemesis.in_force import InForce

PAGE_BYTES = 4_096
"""Less than this is no room: memory comes in pages."""


class _PutOnRations(OnNodes):
    """What all have in common."""

    def __init__(self, ground: Ground, order: Sequence[str], target: str, in_force: InForce, ration: Ration) -> None:
        super().__init__(ground, order, target)
        self._rations = in_force.rations
        self._disks = in_force.disks
        self._ration = ration
        self._before: dict[str, Resources] = {}
        self._gone = True

    async def inject(self) -> None:
        """Ration, on top of others, and look at what the kernel shows."""
        self._before = {node: await self.ground.resources(node) for node in self.targets}
        await self._rations.add(self, dict.fromkeys(self.targets, self._ration))
        for node in self.targets:
            now = await self.ground.resources(node)
            if not now.pid:
                self.observed.note(f"{node} was not running")
            else:
                self.look_at_once(node, now)

    async def heal(self) -> bool:
        """Look what came of it, take it back, look whether it is gone, and start what has ended of it."""
        held = self._rations.holds(self)
        for node in self.targets if held else ():
            self.look_back(node, self._before[node], await self.ground.resources(node))
        await self._rations.remove(self)
        for node in self.targets if held else ():
            self._gone = self.look_whether_healed(node, await self.ground.resources(node)) and self._gone
        return await self.start_ended(self._disks) and self._gone

    async def look_again(self) -> bool:
        """Start who took until now to end, and say whether all was gone."""
        await super().look_again()
        self._before.clear()  # what ends from here on had its ration back
        await self.start_ended(self._disks)
        return self._gone

    def look_at_once(self, node: str, now: Resources) -> None:
        """Say what the kernel shows right after the beginning."""

    def look_back(self, node: str, before: Resources, now: Resources) -> None:
        """Say what came of it, right before the end."""

    def look_whether_healed(self, node: str, now: Resources) -> bool:
        """Say whether it is gone. Other faults of the same kind may still be there: those are no concern of this."""
        raise NotImplementedError


class StarveNodes(_PutOnRations):
    """Starve."""

    needs = "cpu"

    def __init__(self, ground: Ground, order: Sequence[str], fault: Starve, in_force: InForce) -> None:
        super().__init__(ground, order, fault.target, in_force, Ration(times=fault.times))
        self.verb = f"starve 1/{fault.times}"

    def look_at_once(self, node: str, now: Resources) -> None:
        """By what means."""
        self.observed.note(f"{node}: process {now.pid} {now.starved or 'is not starved'}")

    def look_back(self, node: str, before: Resources, now: Resources) -> None:
        """It has an effect if it is in force and threads were ready and had to wait longer than they ran.

        On a busy machine they have to wait for long all the same.
        """
        same = before.pid == now.pid
        ran, waited = (now.ran_ns - before.ran_ns * same) / 1e9, (now.waited_ns - before.waited_ns * same) / 1e9
        if not now.pid:
            self.observed.note(f"{node} is not running")
        elif not now.starved:
            self.observed.note(
                f"{node}: is not starved; was ready and had no processor for {waited:.3f} s all the same"
            )
        elif waited > ran:
            self.observed.effect(f"{node}: had a processor for {ran:.3f} s, was ready and had none for {waited:.3f} s")
        else:
            self.observed.note(f"{node}: had a processor for {ran:.3f} s, and waited for one for {waited:.3f} s only")

    def look_whether_healed(self, node: str, now: Resources) -> bool:
        """Unless another fault starves it still."""
        free = not now.starved or self._rations.of(node).times > 1
        self.observed.heals(f"{node}: has all the processor it wants" if free else f"{node}: still {now.starved}")
        return free


class LimitMemory(_PutOnRations):
    """Memory-limit."""

    needs = "limits"

    def __init__(self, ground: Ground, order: Sequence[str], fault: MemoryLimit, in_force: InForce) -> None:
        super().__init__(ground, order, fault.target, in_force, Ration(memory_room_bytes=fault.room_bytes))
        self.verb = f"memory-limit +{fault.room_bytes} bytes"

    def look_at_once(self, node: str, now: Resources) -> None:
        """The limit that is shown."""
        limit = "without a limit" if now.memory_max_bytes is None else f"of {now.memory_max_bytes}"
        self.observed.note(f"{node}: process {now.pid} has {now.memory_bytes} bytes {limit}")

    def look_back(self, node: str, before: Resources, now: Resources) -> None:
        """It has an effect if the process has grown up to its limit."""
        if not now.pid or now.pid != before.pid or now.memory_max_bytes is None:
            return
        grown, room = now.memory_bytes - before.memory_bytes, now.memory_max_bytes - now.memory_bytes
        sentence = f"{node}: grew by {grown} bytes, {max(0, room)} were left"
        if grown > 0 and room < PAGE_BYTES:
            self.observed.effect(sentence)
        else:
            self.observed.note(sentence)

    def look_whether_healed(self, node: str, now: Resources) -> bool:
        """Unless another fault limits it still."""
        free = now.memory_max_bytes is None or self._rations.of(node).memory_room_bytes is not None
        self.observed.heals(f"{node}: may have memory as ever" if free else f"{node}: still limited")
        return free

    def note_end(self, state: ProcessState) -> None:
        """That is the effect, if it is the process that was limited and nothing else may have been the cause."""
        node = state.node
        if node not in self._before:
            return
        if state.pid != self._before[node].pid:
            self.observed.note(f"{node}: process {state.pid} was not under the limit")
        elif self._disks.of(node) != DiskTrouble():
            self.observed.note(f"{node}: ended by itself under the limit, and its disk was in trouble besides")
        elif self._rations.of(node) != Ration():
            self.observed.note(f"{node}: ended by itself under the limit, and was on another ration besides")
        else:
            self.observed.effect(f"{node}: ended by itself under the limit")


class LimitDescriptors(_PutOnRations):
    """Fd-limit."""

    needs = "limits"

    def __init__(self, ground: Ground, order: Sequence[str], fault: FdLimit, in_force: InForce) -> None:
        super().__init__(ground, order, fault.target, in_force, Ration(descriptor_room=fault.room))
        self.verb = f"fd-limit +{fault.room}"

    def look_at_once(self, node: str, now: Resources) -> None:
        """Whether one more can be opened."""
        self._look(node, now)

    def look_back(self, node: str, before: Resources, now: Resources) -> None:
        """Whether one more could be opened at the end."""
        if now.pid and now.pid == before.pid:
            self._look(node, now)

    def look_whether_healed(self, node: str, now: Resources) -> bool:
        """Unless another fault limits it still."""
        free = now.descriptors_free is None or self._rations.of(node).descriptor_room is not None
        self.observed.heals(f"{node}: may open descriptors as ever" if free else f"{node}: still limited")
        return free

    def _look(self, node: str, now: Resources) -> None:
        left = "as many as ever" if now.descriptors_free is None else str(now.descriptors_free or "no more")
        sentence = f"{node}: process {now.pid} has {now.descriptors} descriptors and can open {left}"
        if now.descriptors_free == 0:
            self.observed.effect(sentence)
        else:
            self.observed.note(sentence)
