"""How faults of links and processes are carried out, and which action carries out which fault.

What an action owes its caller is said in ``nemesis.action``; power, clocks, disks and members have a module each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from nemesis import grudges
from nemesis.action import Action, OnNodes
from nemesis.clocks import BumpWallClocks, DriftClocks, FreezeNodes, JumpMonotonicClocks, ResetWallClocks, StrobeClocks
from nemesis.cuts import Cuts
from nemesis.damage import DamageDisks
from nemesis.disks import FailCalls, FillDisks, LieAboutSyncs, MisreadFiles, SlowDisks
from nemesis.faults import (
    ClockBump,
    ClockDrift,
    ClockFreeze,
    ClockReset,
    ClockStrobe,
    DiskEio,
    DiskFull,
    DiskLie,
    DiskMisdirect,
    DiskMisread,
    DiskRot,
    DiskSlow,
    DiskTruncate,
    DiskWipe,
    Fault,
    FdLimit,
    Kill,
    LinkClog,
    LinkFault,
    Membership,
    MemoryLimit,
    Partition,
    Pause,
    PowerOff,
    Reset,
    Restart,
    RollingRestart,
    Starve,
)
from nemesis.ground import Ground, Link, Run
from nemesis.in_force import InForce
from nemesis.members import ChangeMembers
from nemesis.power import PowerOffNodes
from nemesis.rations import LimitDescriptors, LimitMemory, StarveNodes
from nemesis.resets import ResetConnections
from nemesis.targets import TargetError
from nemesis.watching import passing, still_bad
from nemesis.weather import ClogLinks, DisturbLinks

ANSWERS_WITHIN_S = 10.0
"""How long a rolling restart waits for a node."""
LOOK_AGAIN_S = 0.05


class CutLinks(Action):
    """Partition."""

    needs = "links"

    def __init__(self, ground: Ground, order: Sequence[str], fault: Partition, cuts: Cuts) -> None:
        super().__init__(ground, order)
        self._fault = fault
        self._cuts = cuts
        self._links: frozenset[Link] = frozenset()
        self._passed: set[Link] = set()
        self._dropped_before = 0
        self._unit = "packets"

    def resolve(self, leader: str | None) -> None:
        """Fix the links."""
        fault, nodes = self._fault, self.ground.nodes
        if fault.grudge:
            self._links = frozenset(Link(source, node) for node, deaf_to in fault.grudge.items() for source in deaf_to)
        else:
            self._links = grudges.grudge(fault.shape, nodes, self.order, leader)
        self.targets = tuple(sorted({name for link in self._links for name in link}))
        strangers = [name for name in self.targets if name not in nodes]
        if strangers:
            raise TargetError(f"the grudge names {strangers[0]!r}, which is no node here")
        self.hit_leader = leader is not None and leader in self.targets

    @property
    def what(self) -> str:
        """The grudge."""
        shape = "grudge" if self._fault.grudge else self._fault.shape
        return f"partition {shape}: {grudges.describe(self._links, self.ground.nodes)}"

    async def inject(self) -> None:
        """Cut, on top of what other faults have cut."""
        self._dropped_before = await self._dropped()
        await self._cuts.add(self, self._links)
        self.observed.note(f"{len(self._links)} directed links cut")

    async def heal(self) -> bool:
        """Count what was dropped, then take this fault's cuts back."""
        if self._cuts.holds(self):
            dropped = await self._dropped() - self._dropped_before
            if dropped > 0:
                done = "dropped" if self._unit == "packets" else "held back"
                self.observed.effect(f"{dropped} {self._unit} {done} on the cut links")
            else:
                self.observed.note("nothing was sent over the cut links")
        await self._cuts.remove(self)
        return True

    async def look_again(self) -> bool:
        """See frames pass again, on the links that no other fault has cut; that none was sent is no failure."""
        counted = await self.ground.link_counters()
        whole = [link for link in sorted(self._links & counted.keys()) if self._is_whole(link)]
        self._passed.clear()
        cut = await still_bad(whole, self._still_cut)
        if whole:
            self.observed.heals(f"frames pass again on {len(self._passed)} of the {len(whole)} links")
        if cut:
            self.observed.heals(f"what is sent is still dropped: {', '.join(' → '.join(link) for link in cut)}")
        return not cut

    async def _still_cut(self, links: Sequence[Link]) -> Sequence[Link]:
        """Return the links that drop what is sent and let nothing pass, and note those that do."""
        counted = await self.ground.link_counters()
        before = {link: counted[link] for link in links}
        passed = await passing(self.ground, before)
        now = await self.ground.link_counters()
        self._passed |= passed.keys()
        dropping = [link for link in links if link not in passed and now[link].dropped > before[link].dropped]
        return [link for link in dropping if self._is_whole(link)]  # another fault may have come meanwhile

    def _is_whole(self, link: Link) -> bool:
        return link not in self._cuts.now

    async def _dropped(self) -> int:
        counters = await self.ground.link_counters()
        cut = [counters[link] for link in self._links if link in counters]
        self._unit = cut[0].unit if cut else self._unit
        return sum(link.dropped for link in cut)


class KillNodes(OnNodes):
    """SIGKILL, start again."""

    verb = "kill"

    async def inject(self) -> None:
        """Kill."""
        for node in self.targets:
            before = await self.ground.process(node)
            if before.run is Run.GONE:
                self.observed.note(f"{node} was not running")
                continue
            state = await self.ground.kill(node)
            if state.run is Run.GONE and state.exit_code == -9:
                self.observed.effect(f"{node}: process {before.pid} is gone (SIGKILL)")
            else:
                self.observed.note(f"{node}: process {before.pid} is {state.run}, exit status {state.exit_code}")

    async def heal(self) -> bool:
        """Start what is not there."""
        return await self.start_all(self.targets)


class PauseNodes(OnNodes):
    """SIGSTOP, SIGCONT."""

    verb = "pause"

    async def inject(self) -> None:
        """Stop."""
        for node in self.targets:
            state = await self.ground.pause(node)
            if state.run is Run.STOPPED:
                self.observed.effect(f"{node}: process {state.pid} is stopped (SIGSTOP)")
            else:
                self.observed.note(f"{node}: process {state.pid} is {state.run}")

    async def heal(self) -> bool:
        """Go on."""
        healed = True
        for node in self.targets:
            state = await self.ground.resume(node)
            healed = healed and state.run is not Run.STOPPED
            self.observed.note(f"{node}: process {state.pid} is {state.run} after SIGCONT")
        return healed


class RestartNodes(OnNodes):
    """SIGTERM, start again at once."""

    verb = "restart"

    async def inject(self) -> None:
        """Stop each in order and start it again."""
        for node in self.targets:
            await self.restart(node)

    async def restart(self, node: str) -> None:
        """Stop one and start it again."""
        before = await self.ground.process(node)
        stopped = await self.ground.stop(node)
        after = await self.ground.start(node)
        if before.run is not Run.GONE and stopped.run is Run.GONE and after.pid != before.pid:
            self.observed.effect(
                f"{node}: process {before.pid} stopped with status {stopped.exit_code}, process {after.pid} started"
            )
        else:
            self.observed.note(f"{node}: process {before.pid} was {before.run}, process {after.pid} is {after.run}")

    async def heal(self) -> bool:
        """Start what is not there."""
        states = [await self.ground.start(node) for node in self.targets]
        return all(state.run is not Run.GONE for state in states)


class RollRestarts(RestartNodes):
    """Rolling-restart: each node answers again before the next one is stopped."""

    verb = "rolling-restart"

    async def inject(self) -> None:
        """Stop each in order, start it again, and wait for it."""
        loop = asyncio.get_running_loop()
        for node in self.targets:
            await self.restart(node)
            began = loop.time()
            while await self.ground.view(node) is None and loop.time() < began + ANSWERS_WITHIN_S:  # noqa: ASYNC110 - no event
                await asyncio.sleep(LOOK_AGAIN_S)
            waited = loop.time() - began
            if waited < ANSWERS_WITHIN_S:
                self.observed.note(f"{node}: answered {waited:.2f} s after its start")
            else:
                self.observed.note(f"{node}: did not answer within {ANSWERS_WITHIN_S:g} s of its start")


def action_for(fault: Fault, ground: Ground, order: Sequence[str], in_force: InForce) -> Action:
    """Return what carries a fault out."""
    match fault:
        case Partition():
            return CutLinks(ground, order, fault, in_force.cuts)
        case Kill():
            return KillNodes(ground, order, fault.target)
        case Pause():
            return PauseNodes(ground, order, fault.target)
        case Restart():
            return RestartNodes(ground, order, fault.target)
        case LinkFault():
            return DisturbLinks(ground, order, fault, in_force.weather)
        case LinkClog():
            return ClogLinks(ground, order, fault, in_force.weather)
        case Reset():
            return ResetConnections(ground, order, fault.target)
        case PowerOff():
            return PowerOffNodes(ground, order, fault)
        case RollingRestart():
            return RollRestarts(ground, order, fault.target)
        case Starve() | MemoryLimit() | FdLimit():
            return _of_rations(fault, ground, order, in_force)
        case Membership():
            return ChangeMembers(ground, order, fault, in_force.absences)
        case ClockDrift() | ClockFreeze() | ClockBump() | ClockStrobe() | ClockReset():
            return _of_clocks(fault, ground, order, in_force)
        case _:
            return _of_disks(fault, ground, order, in_force)


def _of_clocks(
    fault: ClockDrift | ClockFreeze | ClockBump | ClockStrobe | ClockReset,
    ground: Ground,
    order: Sequence[str],
    in_force: InForce,
) -> Action:
    match fault:
        case ClockDrift():
            return DriftClocks(ground, order, fault, in_force.clocks)
        case ClockFreeze():
            return FreezeNodes(ground, order, fault, in_force.clocks)
        case ClockBump(clock="monotonic"):
            return JumpMonotonicClocks(ground, order, fault, in_force.clocks)
        case ClockBump():
            return BumpWallClocks(ground, order, fault, in_force.clocks)
        case ClockStrobe():
            return StrobeClocks(ground, order, fault, in_force.clocks)
        case ClockReset():
            return ResetWallClocks(ground, order, fault, in_force.clocks)


def _of_rations(
    fault: Starve | MemoryLimit | FdLimit, ground: Ground, order: Sequence[str], in_force: InForce
) -> Action:
    match fault:
        case Starve():
            return StarveNodes(ground, order, fault, in_force)
        case MemoryLimit():
            return LimitMemory(ground, order, fault, in_force)
        case FdLimit():
            return LimitDescriptors(ground, order, fault, in_force)


def _of_disks(
    fault: DiskSlow | DiskEio | DiskFull | DiskLie | DiskRot | DiskTruncate | DiskMisdirect | DiskWipe | DiskMisread,
    ground: Ground,
    order: Sequence[str],
    in_force: InForce,
) -> Action:
    match fault:
        case DiskSlow():
            return SlowDisks(ground, order, fault, in_force.disks)
        case DiskEio():
            return FailCalls(ground, order, fault, in_force.disks)
        case DiskFull():
            return FillDisks(ground, order, fault.target, in_force.disks)
        case DiskLie():
            return LieAboutSyncs(ground, order, fault.target, in_force.disks)
        case DiskMisread():
            return MisreadFiles(ground, order, fault, in_force.disks)
        case DiskRot() | DiskTruncate() | DiskMisdirect() | DiskWipe():
            return DamageDisks(ground, order, fault)
