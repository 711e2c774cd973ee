"""What a fault needs to know and touch of the place where the nodes live.

The nemesis never imports the harness; the harness hands in an object of this shape. Everything here is either an
*action* on one node or link, or an *observation*: evidence is collected by the same faults that inject, so both have
to be within reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class Link(NamedTuple):
    """A directed link: what ``source`` sends to ``destination``."""

    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class LinkCounters:
    """Frames that a directed link has carried and dropped since the cluster was set up."""

    forwarded: int
    dropped: int


class Run(StrEnum):
    """How a process is doing, as the kernel tells it."""

    RUNNING = "running"
    STOPPED = "stopped"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ProcessState:
    """A node's process as it was observed; ``pid`` is 0 when none was ever started.

    ``exit_code`` is the exit status once it is gone, negative for the signal that ended it (as in ``subprocess``).
    """

    node: str
    pid: int
    run: Run
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class NodeView:
    """What a node says of itself when asked, or None fields where it has nothing to say."""

    node: str
    leader: str | None
    is_leader: bool
    ballot: tuple[int, int]
    applied: int
    incarnation: int


class Ground(Protocol):
    """The nodes and links of a run, as faults see them."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of all nodes, in order."""

    async def view(self, node: str) -> NodeView | None:
        """Ask the node how it sees itself; None if it does not answer within a short time."""

    async def leader(self) -> str | None:
        """Return the node that leads in the highest ballot among those that answer; None if none does."""

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links be cut."""

    async def link_counters(self) -> Mapping[Link, LinkCounters]:
        """Return the counters of all directed links between nodes (empty where the place cannot count)."""

    async def kill(self, node: str) -> ProcessState:
        """SIGKILL the node and wait until it is gone."""

    async def stop(self, node: str) -> ProcessState:
        """SIGTERM the node and wait until it is gone (SIGKILL if that takes too long)."""

    async def start(self, node: str) -> ProcessState:
        """Start the node if its process is gone; harmless otherwise."""

    async def pause(self, node: str) -> ProcessState:
        """SIGSTOP the node."""

    async def resume(self, node: str) -> ProcessState:
        """SIGCONT the node."""

    async def process(self, node: str) -> ProcessState:
        """Look at the node's process."""

    def can(self, ability: str) -> str:
        """Return "" if the place has the ability (``links``, ``processes``), else one line saying why not."""
