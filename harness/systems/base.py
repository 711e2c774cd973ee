"""The protocol of a system under test.

A system knows commands, wire formats and log formats; it knows no place and no fault. Clients speak over a
``harness.cluster.base.Wire``, so the same client works over a real socket, a proxy or a simulated link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from checkers.audit import NodeLog
from checkers.history import EventType
from harness.cluster.base import Address, Launch
from harness.results import NodeSummary
from nemesis.ground import ChangeAnswer, NodeView
from workloads.base import Operation

DATA = "data"
"""The folder, within a node's, of all that must survive its process: its disk, as far as faults go."""


@dataclass(frozen=True, slots=True)
class Completion:
    """How an operation ended: ok with its result, fail (it certainly did nothing), or info (nobody can say)."""

    type: EventType
    value: Any = None
    error: str | None = None
    ref: str | None = None


class SystemClient(Protocol):
    """One client: one process of the history, one operation at a time."""

    async def apply(self, operation: Operation, timeout_s: float) -> Completion:
        """Carry out an operation; never raises for what the system does."""

    def close(self) -> None:
        """Close all connections."""


class System(Protocol):
    """A system under test in one cluster."""

    def launch(self, node: str, addresses: Mapping[str, Address], folder: Path) -> Launch:
        """Return what runs a node, with its data and log below ``folder``."""

    def client(self, number: int) -> SystemClient:
        """Return a new client; ``number`` spreads clients over nodes."""

    async def view(self, node: str) -> NodeView | None:
        """Ask a node how it sees itself; None if it does not answer soon."""

    @property
    def fixed_members(self) -> str:
        """Return "" if the members of the cluster can be changed while it runs, else one line saying why not."""

    async def change_members(self, node: str, *, member: bool, timeout_s: float) -> ChangeAnswer:
        """Ask for a node to be added to the members, or removed; what is so already is done at once."""

    async def summary(self, node: str) -> NodeSummary:
        """Ask a node for all it says of itself, at the end of a run."""

    def close(self) -> None:
        """Close what ``view``, ``change_members`` and ``summary`` keep open."""


class LogUnreadableError(Exception):
    """A node's log cannot be audited; the message says which and why."""


LogReader = Callable[[str, Path], NodeLog]
"""Reads a stopped node's log, given its name and folder, for the audit. Raises LogUnreadableError."""
