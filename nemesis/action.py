"""One fault being carried out: resolved, injected, looked at, healed.

An action lives for one fault of one run. ``resolve`` fixes the targets from what can be seen now; ``inject`` and
``heal`` act; both return what they observed, in sentences. Healing is idempotent, works on whatever is left of the
fault, and is called even if injecting failed half-way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from nemesis.ground import DiskTrouble, Ground, ProcessState, Run
from nemesis.in_force import Stack
from nemesis.record import FaultStatus
from nemesis.targets import resolve


class Observed:
    """What was seen of a fault so far."""

    def __init__(self) -> None:
        self.status = FaultStatus.INDETERMINATE
        self.evidence: list[str] = []
        self.healing: list[str] = []

    def note(self, sentence: str) -> None:
        """Add an observation."""
        self.evidence.append(sentence)

    def heals(self, sentence: str) -> None:
        """Add what was seen of the healing: it says nothing of the effect."""
        self.healing.append(sentence)

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

    async def look_again(self) -> bool:
        """See of the heal what shows only a while after it; False if it shows that nothing is healed after all."""
        return True


class OnNodes(Action):
    """A fault of some nodes."""

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

    async def look_again(self) -> bool:
        """If the leader was hit: say who leads now. To ask takes time, and no fault may last longer for it."""
        now = await self.ground.leader() if self.hit_leader else None
        if now is not None and now != self._leader:
            self.observed.note(f"the leader changed: {self._leader} → {now}")
        return True

    async def start_ended(self, disks: Stack[str, DiskTrouble]) -> bool:
        """Start who has ended in failure; one whose disk a fault still lets fail is that fault's to start on.

        Who was ended by a signal, or as it was told to, is another fault's to start.
        """
        states = [await self.ground.process(node) for node in self.targets]
        ended = [state for state in states if state.run is Run.GONE and (state.exit_code or 0) > 0]
        for state in ended:
            self.observed.note(f"{state.node}: process {state.pid} had ended with status {state.exit_code}")
            self.note_end(state)
        return await self.start_all([state.node for state in ended if not disks.of(state.node).fails])

    def note_end(self, state: ProcessState) -> None:
        """Make of it what it means to this fault that a target has ended by itself."""

    async def start_all(self, nodes: Sequence[str]) -> bool:
        """Start what is not there, and say so."""
        healed = True
        for node in nodes:
            state = await self.ground.start(node)
            started = state.run is not Run.GONE
            healed = healed and started
            self.observed.note(f"{node}: started again as process {state.pid}" if started else f"{node}: did not start")
        return healed
