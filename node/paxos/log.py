"""The replicated log as one node knows it: per slot the value accepted last, and whether it is chosen.

Slots count from 1. ``chosen_upto`` is the end of the chosen prefix: the only part that may be applied. Its beginning,
up to ``truncated_upto``, is forgotten: a durable snapshot holds what it has come to (``node.paxos.snapshot``). A
forgotten slot is chosen for good, and nothing that anybody says of it changes anything.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from node.paxos.ballot import ZERO, Ballot
from node.paxos.messages import Reported, Value


class SafetyError(AssertionError):
    """Two values for one slot: the one thing that must never happen. The node stops rather than go on."""


class Entry(msgspec.Struct, gc=False):
    """One slot: the value, the ballot it was accepted in, and whether it is known to be chosen."""

    ballot: Ballot
    value: Value
    chosen: bool


class Log:
    """All slots of a node from ``truncated_upto + 1`` on; ``truncated_upto`` is what a snapshot begins it with."""

    __slots__ = ("_entries", "chosen_upto", "last", "truncated_upto")

    def __init__(self, truncated_upto: int = 0) -> None:
        self._entries: dict[int, Entry] = {}
        self.truncated_upto = truncated_upto
        self.chosen_upto = truncated_upto
        self.last = truncated_upto

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, slot: int) -> Entry | None:
        """Return what is known of a slot, or None; None of a truncated one, too."""
        return self._entries.get(slot)

    def is_chosen(self, slot: int) -> bool:
        """Say whether the slot's value is known to be chosen."""
        if slot <= self.chosen_upto:
            return True
        entry = self._entries.get(slot)
        return entry is not None and entry.chosen

    def accept(self, slot: int, ballot: Ballot, value: Value) -> None:
        """Take a value in a ballot. Raises SafetyError if another value is already chosen there."""
        entry = self._entries.get(slot)
        if entry is None:
            if slot <= self.truncated_upto:
                return
            self._entries[slot] = Entry(ballot, value, chosen=False)
            self.last = max(self.last, slot)
            return
        if entry.chosen and entry.value != value:
            raise SafetyError(
                f"slot {slot}: asked to accept another value in {ballot} than the chosen one of {entry.ballot}"
            )
        entry.ballot = ballot
        entry.value = value

    def learn(self, slot: int, ballot: Ballot, value: Value) -> None:
        """Take a value that is known to be chosen. Raises SafetyError if another one is chosen there."""
        entry = self._entries.get(slot)
        if entry is not None and entry.chosen:
            if entry.value != value:
                raise SafetyError(
                    f"slot {slot}: told that another value was chosen in {ballot} than the one of {entry.ballot}"
                )
            return
        if slot <= self.truncated_upto:
            return
        self._entries[slot] = Entry(ballot, value, chosen=True)
        self.last = max(self.last, slot)
        self._advance()

    def choose(self, slot: int) -> bool:
        """Mark the slot's accepted value as chosen; False if the slot is empty."""
        entry = self._entries.get(slot)
        if entry is None:
            return False
        entry.chosen = True
        if slot == self.chosen_upto + 1:
            self._advance()
        return True

    def _advance(self) -> None:
        entries = self._entries
        upto = self.chosen_upto
        while (following := entries.get(upto + 1)) is not None and following.chosen:
            upto += 1
        self.chosen_upto = upto

    def highest_ballot(self, first: int, last: int) -> Ballot:
        """Return the highest ballot of the chosen slots from ``first`` to ``last``, none of them truncated."""
        return max((self._entries[slot].ballot for slot in range(first, last + 1)), default=ZERO)

    def truncate(self, upto: int) -> None:
        """Forget the slots up to ``upto``, all of them chosen: a durable snapshot must cover them."""
        assert upto <= self.chosen_upto, f"truncating up to slot {upto}, but only {self.chosen_upto} are chosen"
        for slot in range(self.truncated_upto + 1, upto + 1):
            del self._entries[slot]
        self.truncated_upto = max(self.truncated_upto, upto)

    def install(self, upto: int) -> None:
        """A snapshot stands for the slots up to ``upto``, beyond ``chosen_upto``; what is above stays."""
        assert upto > self.chosen_upto, f"a snapshot up to slot {upto}, but {self.chosen_upto} are chosen"
        self._entries = {slot: entry for slot, entry in self._entries.items() if slot > upto}
        self.truncated_upto = self.chosen_upto = upto
        self.last = max(self.last, upto)
        self._advance()

    def report(self, from_slot: int) -> Iterator[Reported]:
        """Yield everything accepted or chosen from a slot on: what a promise has to tell, truncated ones left out."""
        for slot in range(max(from_slot, self.truncated_upto + 1), self.last + 1):
            entry = self._entries.get(slot)
            if entry is not None:
                yield Reported(slot, entry.ballot, entry.value, entry.chosen)

    def chosen_from(self, from_slot: int, bytes_max: int) -> tuple[tuple[int, Ballot, Value], ...]:
        """Return entries of the chosen prefix from a slot on, about ``bytes_max`` bytes of them, at least one.

        The slot must not be truncated.
        """
        taken: list[tuple[int, Ballot, Value]] = []
        size = 0
        for slot in range(max(from_slot, 1), self.chosen_upto + 1):
            entry = self._entries[slot]
            size += value_bytes(entry.value)
            if taken and size > bytes_max:
                break
            taken.append((slot, entry.ballot, entry.value))
        return tuple(taken)


def value_bytes(value: Value) -> int:
    """Return about how many bytes a value takes in a frame."""
    return 32 + sum(len(command) + 5 for command in value)
