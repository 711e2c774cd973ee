"""Changes of the members: the one fault that asks the cluster itself to do it.

So it may be refused, or time out and happen all the same, at once or when a later leader finds it. What counts is who
the members are: that is looked up after each change, and again before healing for those whose answer did not come. A
leader that was deposed and does not know it may call something done that is not so any more; therefore healing
believes no answer that what the nodes say of themselves does not bear out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from nemesis.absences import Absences
from nemesis.action import OnNodes
from nemesis.faults import Membership
from nemesis.ground import ChangeAnswer, Ground, Members
from nemesis.targets import SYMBOLS, TargetError, resolve

CHANGE_S = 2.0
"""How long the cluster may take over a change before it is looked up whether it has happened."""
HEAL_S = 20.0
"""How long healing goes on trying: other faults may stand in its way."""
RETRY_S = 0.1
NOBODY_SAYS = "no node says who the members are"


class ChangeMembers(OnNodes):
    """Remove nodes, with others in their place or without; undo it."""

    needs = "membership"

    def __init__(self, ground: Ground, order: Sequence[str], fault: Membership, absences: Absences) -> None:
        super().__init__(ground, order, fault.target)
        self._replaces = fault.mode == "replace"
        self._absences = absences
        self._stand_ins: tuple[str, ...] = ()
        self._open: dict[str, bool] = {}

    def resolve(self, leader: str | None) -> None:
        """Fix the nodes, counted among those that no fault keeps out; one of these always stays."""
        present = self._absences.present
        order = [node for node in self.order if node in present] if self._target in SYMBOLS else self.order
        if not order:
            raise TargetError("other membership faults keep every node out")
        self.targets = resolve(self._target, order, leader)
        self._leader = leader
        if self._replaces:
            self._find_stand_ins([node for node in self.order if node not in present])
        elif present and not set(present).difference(self.targets):
            self._let_one_stay()
        self.hit_leader = leader is not None and leader in self.targets

    def _find_stand_ins(self, spare: Sequence[str]) -> None:
        self.targets = tuple(node for node in self.targets if node not in spare)[: len(spare)]
        self._stand_ins = tuple(spare[: len(self.targets)])
        if not self._stand_ins:
            raise TargetError("no other membership fault keeps a node out that could take the place of one")

    def _let_one_stay(self) -> None:
        last = max(node for node in self.targets if self._absences.wanted(node))
        self.targets = tuple(node for node in self.targets if node != last)
        if not self.targets:
            raise TargetError(f"{last} is the last member")
        self.observed.note(f"{last} stays, as the last member")

    @property
    def what(self) -> str:
        """Who goes, and who comes in their place."""
        leader = f" (leader: {self._leader})" if self.hit_leader else ""
        if self._replaces:
            return f"membership: {', '.join(self._stand_ins)} in place of {', '.join(self.targets)}{leader}"
        return f"membership: without {', '.join(self.targets)}{leader}"

    async def inject(self) -> None:
        """Change the members, one after the other; a node goes only once its stand-in is there."""
        self._absences.add(self, self.targets, self._stand_ins)
        for number, node in enumerate(self.targets):
            if not self._replaces or await self._change(self._stand_ins[number], member=True):
                await self._change(node, member=False)
            else:
                self.observed.note(f"{node} stays, as nobody has taken its place")

    async def heal(self) -> bool:
        """Look up what was left open, then ask until all is as it was, as far as no other fault wants it otherwise."""
        if self._open:
            now = await self.ground.members()
            for node, member in self._open.items():
                if not self._look(node, member, now, "after all"):
                    self.observed.note(f"{node}: still not {_change(member)}; {now or NOBODY_SAYS}")
            self._open.clear()
        self._absences.remove(self)
        deadline = asyncio.get_running_loop().time() + HEAL_S
        healed = True
        kept = self._absences.kept
        own = [node for node in (*self.targets, *self._stand_ins) if node not in kept]
        for node in (*own, *sorted(kept)):  # whoever is only there for want of another goes last
            healed = await self._bring_back(node, deadline) and healed
        return healed

    async def _change(self, node: str, *, member: bool) -> bool:
        """Ask once, look whether it is so, and say so."""
        if _is_so(node, member, await self.ground.members()):
            self.observed.note(f"{node} was {_standing(member)} already")
            return True
        self._open[node] = member
        answer = await self.ground.change_members(node, member=member, timeout_s=CHANGE_S)
        now = await self.ground.members()
        if self._look(node, member, now, _told(answer)):
            del self._open[node]
            return True
        self.observed.note(f"{node}: not {_change(member)} {_told(answer)}".rstrip() + f"; {now or NOBODY_SAYS}")
        return False

    def _look(self, node: str, member: bool, now: Members | None, how: str) -> bool:
        """Hold a change that was asked for against who the members are."""
        if not _is_so(node, member, now):
            return False
        self.observed.effect(f"{node}: {_change(member)} {how}".rstrip() + f"; {now}")
        return True

    async def _bring_back(self, node: str, deadline: float) -> bool:
        """Ask until a node is what all other faults let it be, or time is up."""
        kept = self._absences.kept
        if node in self.targets and node not in kept and not self._absences.wanted(node):
            self.observed.note(f"{node} stays out, as another fault wants it")
            return True
        if not self._absences.present:
            kept.add(node)
            self.observed.note(f"{node} stays in, as the last member")
            return True
        while True:
            member = self._absences.wanted(node)
            answer = await self.ground.change_members(node, member=member, timeout_s=CHANGE_S)
            now = await self.ground.members()
            if answer.done and _is_so(node, member, now):
                self.observed.note(f"{node}: {_standing(member)} again; {now}")
                kept.discard(node)
                return True
            if asyncio.get_running_loop().time() >= deadline:
                self.observed.note(f"{node}: not yet {_standing(member)} again {_told(answer)}".rstrip())
                return False
            await asyncio.sleep(RETRY_S)


def _is_so(node: str, member: bool, now: Members | None) -> bool:
    return now is not None and (node in now.nodes) == member


def _change(member: bool) -> str:
    return "added" if member else "removed"


def _standing(member: bool) -> str:
    return "a member" if member else "no member"


def _told(answer: ChangeAnswer) -> str:
    return "" if answer.done else f"({answer.said})"
