"""How each fault is carried out: resolved, injected, looked at, healed.

An action lives for one fault of one run. ``resolve`` fixes the targets from what can be seen now; ``inject`` and
``heal`` act; both return what they observed, in sentences. Healing is idempotent, works on whatever is left of the
fault, and is called even if injecting failed half-way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from nemesis import grudges
from nemesis.cuts import Cuts
from nemesis.faults import Fault, Kill, Partition, Pause, Restart
from nemesis.ground import Ground, Link, Run
from nemesis.record import FaultStatus
from nemesis.targets import TargetError, resolve


class Observed:
    """What was seen of a fault so far."""

    def __init__(self) -> None:
        self.status = FaultStatus.INDETERMINATE
        self.evidence: list[str] = []

    def note(self, sentence: str) -> None:
        """Add an observation."""
        self.evidence.append(sentence)

    def effect(self, sentence: str) -> None:
        """Add an observation that shows the fault's effect."""
        self.status = FaultStatus.INSTALLED
        self.evidence.append(sentence)


class Action(ABC):
    """One fault being carried out on a ground; ``needs`` is the ability it needs of the place."""

    needs = "processes"

    def __init__(self, ground: Ground, order: Sequence[str]) -> None:
        self.ground = ground
        self.order = order
        self.targets: tuple[str, ...] = ()
        self.hit_leader = False
        self.observed = Observed()

    @abstractmethod
    def resolve(self, leader: str | None) -> None:
        """Fix the targets. Raises TargetError."""

    @property
    @abstractmethod
    def what(self) -> str:
        """The fault with its resolved targets, in a few words."""

    @abstractmethod
    async def inject(self) -> None:
        """Do it, and look whether it is done."""

    @abstractmethod
    async def heal(self) -> bool:
        """Undo it, look whether it is undone, and say so. Idempotent."""


class CutLinks(Action):
    """Partition."""

    needs = "links"

    def __init__(self, ground: Ground, order: Sequence[str], fault: Partition, cuts: Cuts) -> None:
        super().__init__(ground, order)
        self._fault = fault
        self._cuts = cuts
        self._links: frozenset[Link] = frozenset()
        self._dropped_before = 0

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
                self.observed.effect(f"{dropped} packets dropped on the cut links")
            else:
                self.observed.note("no packet was dropped on the cut links")
        await self._cuts.remove(self)
        return True

    async def _dropped(self) -> int:
        counters = await self.ground.link_counters()
        return sum(counters[link].dropped for link in self._links if link in counters)


class _OnProcesses(Action):
    """A fault of some nodes' processes."""

    verb = ""

    def __init__(self, ground: Ground, order: Sequence[str], target: str) -> None:
        super().__init__(ground, order)
        self._target = target
        self._leader: str | None = None

    def resolve(self, leader: str | None) -> None:
        """Fix the nodes."""
        self.targets = resolve(self._target, self.order, leader)
        self._leader = leader
        self.hit_leader = leader is not None and leader in self.targets

    @property
    def what(self) -> str:
        """The verb and its nodes."""
        leader = f" (leader: {self._leader})" if self.hit_leader else ""
        return f"{self.verb} {', '.join(self.targets)}{leader}"

    async def _note_leader(self) -> None:
        """If the leader was hit: say who leads now."""
        if not self.hit_leader:
            return
        now = await self.ground.leader()
        if now is not None and now != self._leader:
            self.observed.note(f"the leader changed: {self._leader} → {now}")


class KillNodes(_OnProcesses):
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
        await self._note_leader()
        healed = True
        for node in self.targets:
            state = await self.ground.start(node)
            started = state.run is not Run.GONE
            healed = healed and started
            self.observed.note(f"{node}: started again as process {state.pid}" if started else f"{node}: did not start")
        return healed


class PauseNodes(_OnProcesses):
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
        await self._note_leader()
        healed = True
        for node in self.targets:
            state = await self.ground.resume(node)
            healed = healed and state.run is not Run.STOPPED
            self.observed.note(f"{node}: process {state.pid} is {state.run} after SIGCONT")
        return healed


class RestartNodes(_OnProcesses):
    """SIGTERM, start again at once."""

    verb = "restart"

    async def inject(self) -> None:
        """Stop each in order and start it again."""
        for node in self.targets:
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
        await self._note_leader()
        states = [await self.ground.start(node) for node in self.targets]
        return all(state.run is not Run.GONE for state in states)


def action_for(fault: Fault, ground: Ground, order: Sequence[str], cuts: Cuts) -> Action:
    """Return what carries a fault out."""
    match fault:
        case Partition():
            return CutLinks(ground, order, fault, cuts)
        case Kill():
            return KillNodes(ground, order, fault.target)
        case Pause():
            return PauseNodes(ground, order, fault.target)
        case Restart():
            return RestartNodes(ground, order, fault.target)
