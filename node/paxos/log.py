"""The replicated log as one node knows it: per slot the value accepted last, and whether it is chosen.

Slots count from 1. ``chosen_upto`` is the end of the chosen prefix: the only part that may be applied.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from node.paxos.ballot import Ballot
from node.paxos.messages import Reported, Value


class SafetyError(AssertionError):
    """Two values for one slot: the one thing that must never happen. The node stops rather than go on."""


class Entry(msgspec.Struct, gc=False):
    """One slot: the value, the ballot it was accepted in, and whether it is known to be chosen."""

    ballot: Ballot
    value: Value
    chosen: bool


class Log:
    """All slots of a node, from the first on (nothing is truncated yet)."""

    __slots__ = ("_entries", "chosen_upto", "last")

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self.chosen_upto = 0
        self.last = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, slot: int) -> Entry | None:
        """Return what is known of a slot, or None."""
        return self._entries.get(slot)

    def is_chosen(self, slot: int) -> bool:
        """Say whether the slot's value is known to be chosen."""
        entry = self._entries.get(slot)
        return entry is not None and entry.chosen

    def accept(self, slot: int, ballot: Ballot, value: Value) -> None:
        """Take a value in a ballot. Raises SafetyError if another value is already chosen there."""
        entry = self._entries.get(slot)
        if entry is None:
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

    def report(self, from_slot: int) -> Iterator[Reported]:
        """Yield everything accepted or chosen from a slot on: what a promise has to tell."""
        for slot in range(from_slot, self.last + 1):
            entry = self._entries.get(slot)
            if entry is not None:
                yield Reported(slot, entry.ballot, entry.value, entry.chosen)

    def chosen_from(self, from_slot: int, bytes_max: int) -> tuple[tuple[int, Ballot, Value], ...]:
        """Return entries of the chosen prefix from a slot on, about ``bytes_max`` bytes of them, at least one."""
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
