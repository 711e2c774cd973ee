"""Where nodes live: the one small protocol that every place implements.

A place knows machines, processes, links and files; it does not know Paxos. What is under test (``harness.systems``)
tells it which command makes a node; the faults (``nemesis``) see it through ``nemesis.ground.Ground``; the runner
(``harness.runner``) alone holds all three. So a new place (containers, SSH, a simulation) is one class with these
methods, and a new system needs no new place.

Why every method is a coroutine even where a system call would do: over SSH none of them is quick, and in simulation
each is an event in virtual time. Why links are *directed*: asymmetric partitions are the ones that find bugs, and an
undirected cut is two directed ones, never the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from nemesis.ground import (
    ClockBend,
    ClockReading,
    DiskCounters,
    DiskTrouble,
    Link,
    LinkCounters,
    ProcessState,
    Ration,
    Resources,
    Weather,
)
from nemesis.undo import Arrival, Damage, Damaged


class ClusterError(Exception):
    """The place itself failed (not the system under test): a harness failure, never a violation."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens, as its peers and clients see it."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run to have one node: the same for its first start and for each restart.

    ``argv`` is executed as it is (no shell), in ``directory``, with ``environment`` added to a minimal environment;
    standard output and error are appended to ``log``.
    """

    argv: tuple[str, ...]
    directory: Path
    log: Path
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing that a place can or cannot do here, found out by trying it.

    ``mechanism`` says in a few words by what means; where it is missing, ``missing`` says in one line what is lost
    and how to get it (and is empty otherwise).
    """

    name: str
    works: bool
    mechanism: str
    missing: str = ""


class Wire(Protocol):
    """A connected byte stream to a node, with nothing of a protocol in it."""

    def write(self, data: bytes) -> None:
        """Queue bytes; a broken stream shows at the next ``read``."""

    async def read(self) -> bytes:
        """Return the next bytes, or ``b""`` once the stream is over (closed or reset)."""

    def close(self) -> None:
        """Close at once; closing twice is harmless."""


class Cluster(Protocol):
    """Nodes of one run in one place, from ``setup`` to ``teardown``."""

    @property
    def place(self) -> str:
        """Name of the place as in scenarios: ``local``, ``simulated``…"""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes (``n1``, ``n2``…), in order."""

    @property
    def addresses(self) -> Mapping[str, Address]:
        """Each node's own address; known once ``setup`` has returned."""

    def addresses_for(self, node: str) -> Mapping[str, Address]:
        """The addresses of all nodes as this one has to be told them: where links are proxies, peers are at these."""

    @property
    def abilities(self) -> tuple[Ability, ...]:
        """What works here and by which mechanism; known once ``setup`` has returned."""

    async def setup(self) -> None:
        """Make machines and links, all healthy, no node started. Raises ClusterError; leaves nothing behind then."""

    async def spawn(self, node: str, launch: Launch) -> int:
        """Start the node's process and return its pid. Raises ClusterError if one is still there."""

    async def kill(self, node: str) -> ProcessState:
        """SIGKILL the node's process group, wait until it is reaped, return its last state. Idempotent."""

    async def terminate(self, node: str, grace_s: float) -> ProcessState:
        """SIGTERM the node, SIGKILL its group after ``grace_s`` seconds, return its last state. Idempotent."""

    async def pause(self, node: str) -> ProcessState:
        """SIGSTOP the node's process group; return when the kernel shows it as stopped."""

    async def resume(self, node: str) -> ProcessState:
        """SIGCONT the node's process group; idempotent, harmless on a process that is gone."""

    async def process(self, node: str) -> ProcessState:
        """Look at the node's process now."""

    async def dial(self, node: str) -> Wire:
        """Connect to the node from the clients' side. Raises ConnectionError or TimeoutError."""

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these directed links be cut from now on: those that were cut and are not named are healed."""

    async def link_counters(self) -> Mapping[Link, LinkCounters]:
        """Return what each directed link has forwarded and dropped since ``setup``."""

    async def disturbances(self) -> tuple[str, ...]:
        """Say, in a sentence each, what the place itself did to the nodes that no fault had asked for."""

    async def teardown(self) -> None:
        """End everything that ``setup`` and ``spawn`` made. Idempotent; raises ClusterError only for real leaks."""


@runtime_checkable
class Traffic(Protocol):
    """What a place can do to what its nodes send each other, besides cutting links.

    The abilities are ``weather``, ``frames`` and ``resets``. The methods of this and the following protocols are those
    of ``nemesis.ground.Ground``. There are several, as not every place can do all of it.
    """

    async def set_weather(self, weather: Mapping[Link, Weather]) -> None:
        """Let these links have this weather; all others keep theirs."""

    async def reset_connections(self, nodes: frozenset[str]) -> int:
        """Break every connection that these nodes have, to other nodes and to clients; return how many there were."""


@runtime_checkable
class Timekeeping(Protocol):
    """What a place can do to its nodes' clocks, if it can; the ability is ``clocks``."""

    async def set_clock(self, node: str, bend: ClockBend) -> None:
        """Let the node's clocks run so from now on."""

    async def jump_clock(self, node: str, by: int) -> None:
        """Let the node's monotonic clock jump forward by some ns."""

    async def reset_clock(self, node: str) -> None:
        """Set the node's wall clock right, but for what is done to it now."""

    async def clock(self, node: str) -> ClockReading:
        """Read the node's clocks."""

    def unbendable(self, node: str) -> str:
        """Return "" if the node's clocks can be bent, else why not, where that is not so of all nodes."""


@runtime_checkable
class Storage(Protocol):
    """What a place can do to its nodes' disks and their power, if it can; the abilities are ``disk`` and ``power``."""

    async def set_disk(self, node: str, trouble: DiskTrouble) -> None:
        """Let the node's disk have this trouble and no other from now on."""

    async def disk_counters(self, node: str) -> DiskCounters:
        """Return what troubles have done to the node's disk."""

    async def power_off(self, node: str, arrival: Arrival) -> ProcessState:
        """End the node's process and take back what was not synced, but for what arrives so."""

    async def damage_disk(self, node: str, damage: Damage) -> tuple[Damaged, ...]:
        """Damage what is durable on the node's disk, while no process uses it."""


@runtime_checkable
class Rationing(Protocol):
    """How a place can leave its nodes short of processor time, memory and descriptors, if it can.

    The abilities are ``cpu`` and ``limits``.
    """

    async def set_ration(self, node: str, ration: Ration) -> None:
        """Let the node have this ration and no other from now on."""

    async def resources(self, node: str) -> Resources:
        """Look at what the node's process has."""


OPTIONAL: Mapping[str, type] = MappingProxyType(
    {
        "weather": Traffic,
        "frames": Traffic,
        "resets": Traffic,
        "clocks": Timekeeping,
        "power": Storage,
        "disk": Storage,
        "cpu": Rationing,
        "limits": Rationing,
    }
)
"""The abilities that not every place has, and the protocol that a place with one of them follows."""
