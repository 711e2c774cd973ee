"""Who the members were, slot by slot and ballot by ballot, as somebody sees it who sees everything.

Whether a value is chosen depends on who the acceptors of its slot are, and nodes may differ over that for a while. An
observer may not believe any of them. So it keeps the members by itself: those after each change that it has seen
chosen; and those of each ballot, for a ballot belongs to the members that held when its first proposal was made, and
its votes are counted among them (``node.paxos.membership`` has the reasons).
"""

from __future__ import annotations

from node.paxos.ballot import Ballot
from node.paxos.membership import Member, Membership, decode_change, is_change
from node.paxos.messages import Value


class Memberships:
    """The members of one cluster, from its founders on."""

    def __init__(self, founders: tuple[int, ...]) -> None:
        self._after: list[tuple[int, Membership]] = [(0, Membership(0, tuple(Member(node) for node in founders)))]
        self._of: dict[Ballot, Membership] = {}
        self._fences: dict[Ballot, int] = {}
        self._changes: set[tuple[int, Value]] = set()
        self._upto = 0
        self._beyond: set[int] = set()

    def at(self, slot: int) -> Membership:
        """Return who the members are in a slot, as far as the changes before it are chosen."""
        return next(membership for changed_in, membership in reversed(self._after) if changed_in < slot)

    def of(self, ballot: Ballot, slot: int) -> Membership:
        """Return the members of a ballot; ``slot`` is where something is proposed in it now."""
        known = self._of.get(ballot)
        if known is None:
            known = self._of[ballot] = self.at(slot)
        return known

    def proposed(self, ballot: Ballot, slot: int, value: Value) -> str | None:
        """Take note of a proposal; return what is wrong with it, if anything is."""
        self.of(ballot, slot)
        fence = self._fences.get(ballot)
        if fence is not None and slot > fence:
            return f"slot {slot} is proposed in {ballot}, which changes the members in slot {fence}"
        if is_change(value):
            if fence is not None and fence != slot:
                return f"slot {slot} changes the members in {ballot}, as slot {fence} does"
            self._fences[ballot] = slot
            if (slot, value) not in self._changes and self._upto < slot - 1:
                return f"slot {slot} changes the members in {ballot} while slot {self._upto + 1} is open"
            self._changes.add((slot, value))
        return None

    def chosen(self, slot: int, value: Value) -> None:
        """A value is chosen in a slot."""
        if slot > self._upto:
            self._beyond.add(slot)
        while self._upto + 1 in self._beyond:
            self._upto += 1
            self._beyond.remove(self._upto)
        if is_change(value):
            last = self._after[-1][1]
            changed = last.after(decode_change(value[0]))
            if changed is not last:
                self._after.append((slot, changed))
