"""The protocol of a workload.

Operations are planned before the run, from the seed, so the plan is the same wherever it runs; the one thing that a
plan cannot hold is what clients will have seen, and ``Memory`` adds that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from checkers.streaming import Watch
from checkers.verdict import Checker

CHANGED = "recovered"
"""A key of no workload: what is written there is in no history."""


class Draws(Protocol):
    """A stream of random draws, handed in."""

    def below(self, bound: int) -> int:
        """Return an integer in [0, bound)."""


class Operation(msgspec.Struct, frozen=True, array_like=True):
    """One planned operation: what, on which key, with which argument."""

    f: str
    key: str
    value: Any = None


class Memory:
    """What a run's clients have seen, all together, and how planned operations are completed with that.

    What the history tells need not be what the system is asked: a transfer between accounts is a transaction, a lock is
    a register. Systems know ``read``, ``write``, ``cas``, ``append``, ``add``, ``increment`` (of numbers: returns the
    sum) and ``txn``: ``[[f, key, value], ...]``, all or nothing, which returns the same with what was read filled in.
    """

    def of_client(self, number: int) -> Memory:
        """Return one client thread's view of it."""
        del number
        return self

    def invocation(self, operation: Operation) -> Operation:
        """Return the operation as it is to be invoked: what the history tells."""
        return operation

    def request(self, invoked: Operation) -> Operation:
        """Return what the system is asked for that."""
        return invoked

    def told(self, invoked: Operation, request: Operation, result: Any) -> Any:
        """Return what the history tells of a result of the system's, of an operation that returned ok."""
        del invoked, request
        return result

    def saw(self, operation: Operation, result: Any) -> None:
        """An operation, as invoked, returned ok with a result, as told."""


class Workload(ABC):
    """One kind of client load."""

    name: str
    """The workload's name in scenarios."""
    functions: tuple[str, ...]
    """What its operations do (``f``), all of them."""

    @abstractmethod
    def operation(self, number: int, draws: Draws) -> Operation:
        """Plan the run's operation number ``number`` (from 0, over all clients)."""

    @abstractmethod
    def change(self, number: int) -> Operation:
        """Return a change on ``CHANGED``, none of the workload's own: it shows whether anything can be changed."""

    @abstractmethod
    def final_reads(self, operations: int) -> Sequence[Operation]:
        """Return the reads to make at the end, when ``operations`` operations were planned."""

    @abstractmethod
    def final_reads_of(self, keys: Sequence[str]) -> Sequence[Operation]:
        """Return the reads to make at the end, when operations on just these keys were planned."""

    @abstractmethod
    def checkers(self) -> Sequence[Checker]:
        """Return what judges the history."""

    def watch(self) -> Watch | None:
        """Return what looks at the history while it is being made, if anything can."""
        return None

    def refusal(self, operation: Operation) -> str:
        """Say why an operation that a scenario gives is none of the workload's; "" if it is one."""
        if (operation.value is None) != (operation.f == "read"):
            return "a read has no value, and everything else has one"
        if operation.value is not None and not isinstance(operation.value, int):
            return f"the value of {operation.f} is an integer, not {operation.value!r}"
        return ""

    def shown(self, result: Any) -> Any:
        """Return a read's result as the history shows it (an absent list is an empty one)."""
        return result

    def memory(self) -> Memory:
        """Return a run's fresh memory."""
        return Memory()
