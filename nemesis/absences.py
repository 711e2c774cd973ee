"""Which nodes are no members now, by whom: overlapping faults add up, and healing one leaves the others standing.

This is what the faults want, not what is so: the cluster has to be asked for each change, and may not be able to.
"""

from __future__ import annotations

from collections.abc import Sequence


class Absences:
    """What all active faults together want of each node."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = nodes
        self._by_fault: dict[object, dict[str, bool]] = {}
        self.kept: set[str] = set()
        """Members that no fault wants, as there would be nobody else: they go when there is."""

    def wanted(self, node: str) -> bool:
        """Say whether a node is to be a member: as the last fault wants it that wants anything of it."""
        return next((wants[node] for wants in reversed(self._by_fault.values()) if node in wants), True)

    @property
    def present(self) -> tuple[str, ...]:
        """The nodes that are to be members, in order."""
        return tuple(node for node in self._nodes if self.wanted(node))

    def add(self, fault: object, out: Sequence[str], stand_ins: Sequence[str]) -> None:
        """Keep some nodes out as well, and have others stand in for them."""
        self._by_fault[fault] = {**dict.fromkeys(out, False), **dict.fromkeys(stand_ins, True)}

    def remove(self, fault: object) -> None:
        """Take back what a fault wants. Idempotent."""
        self._by_fault.pop(fault, None)
