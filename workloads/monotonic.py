"""Numbers that only grow: what each client may rely on in its own session, and everyone in real time.

Few keys and many reads, so that each client comes back to the same number again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checkers.sessions import Monotonic, SessionGuarantees
from checkers.verdict import Checker
from workloads.base import CHANGED, Draws, Operation, Workload

NUMBERS = 2


class MonotonicWorkload(Workload):
    """One third increments, the rest reads."""

    name = "monotonic"
    functions = ("read", "increment")

    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan one operation; each increment is by one."""
        del number
        key = f"n{draws.below(NUMBERS)}"
        if draws.below(3) == 0:
            return Operation("increment", key, 1)
        return Operation("read", key)

    def change(self, number: int) -> Operation:
        """Change a key of its own."""
        return Operation("write", CHANGED, number)

    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Read every number."""
        return self.final_reads_of([f"n{key}" for key in range(NUMBERS)] if operations else [])

    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Read each key."""
        return [Operation("read", key) for key in keys]

    def shown(self, result: Any) -> Any:
        """An absent key is nought."""
        return 0 if result is None else result

    def checkers(self) -> Sequence[Checker]:
        """All four session guarantees, and versions that agree with real time."""
        return (SessionGuarantees(), Monotonic())
