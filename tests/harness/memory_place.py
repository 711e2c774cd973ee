"""A place and a system in memory: processes are states, the store is a dictionary, and a test decides what goes wrong.

Both keep to the protocols of ``harness.cluster.base`` and ``harness.systems.base``, so the real runner runs on them,
in virtual time (``tests.nemesis.virtual_time``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checkers.history import EventType
from harness.cluster.base import Ability, Address, ClusterError, Launch, Wire
from harness.results import NodeSummary, Served
from harness.runner import Progress, Seen
from harness.systems.base import Completion
from nemesis.ground import ChangeAnswer, Link, LinkCounters, NodeView, ProcessState, Run
from tests.nemesis.ground import STEP_S, names
from workloads.base import Operation

ABILITIES = (Ability("links", True, "memory"), Ability("processes", True, "memory"))


class MemoryCluster:
    """A place in memory.

    ``breaks``: calls (``setup``, ``spawn n1``, ``kill``…) that raise ClusterError. ``dies``: nodes that end as soon as
    they are started. ``ends_with``: the exit status of a node that is asked to stop. ``takes_s``: how long calls take.
    ``said``: what the place says of itself.
    """

    place = "memory"

    def __init__(self, count: int = 3, abilities: tuple[Ability, ...] = ABILITIES) -> None:
        self.nodes = names(count)
        self.abilities = abilities
        self.breaks: set[str] = set()
        self.dies: set[str] = set()
        self.ends_with = 0
        self.takes_s: dict[str, float] = {}
        self.said: tuple[str, ...] = ()
        self.log: list[str] = []
        self.cut_now: frozenset[Link] = frozenset()
        self._states = {node: ProcessState(node, 0, Run.GONE) for node in self.nodes}
        self._pids = 100

    @property
    def addresses(self) -> Mapping[str, Address]:
        return {node: Address("memory", number) for number, node in enumerate(self.nodes)}

    def addresses_for(self, node: str) -> Mapping[str, Address]:
        return self.addresses

    def state(self, node: str) -> ProcessState:
        """Look at a process without touching anything."""
        return self._states[node]

    def running(self) -> list[str]:
        """Return the nodes that run, in order."""
        return [node for node, state in self._states.items() if state.run is Run.RUNNING]

    async def setup(self) -> None:
        await self._did("setup")

    async def spawn(self, node: str, launch: Launch) -> int:
        await self._did("spawn", node)
        if self._states[node].run is not Run.GONE:
            raise ClusterError(f"{node} is still there")
        self._pids += 1
        dead = node in self.dies
        self._states[node] = ProcessState(node, self._pids, Run.GONE if dead else Run.RUNNING, 3 if dead else None)
        return self._pids

    async def kill(self, node: str) -> ProcessState:
        return await self._end(node, "kill", -9)

    async def terminate(self, node: str, grace_s: float) -> ProcessState:
        return await self._end(node, "terminate", self.ends_with)

    async def pause(self, node: str) -> ProcessState:
        return await self._change(node, "pause", Run.RUNNING, Run.STOPPED)

    async def resume(self, node: str) -> ProcessState:
        return await self._change(node, "resume", Run.STOPPED, Run.RUNNING)

    async def process(self, node: str) -> ProcessState:
        await asyncio.sleep(STEP_S)
        return self._states[node]

    async def dial(self, node: str) -> Wire:
        raise ConnectionError("nobody listens in memory")

    async def cut(self, links: frozenset[Link]) -> None:
        await self._did("cut")
        self.cut_now = links

    async def link_counters(self) -> Mapping[Link, LinkCounters]:
        return {link: LinkCounters(0, 1) for link in self.cut_now}

    async def disturbances(self) -> tuple[str, ...]:
        return self.said

    async def teardown(self) -> None:
        await self._did("teardown")
        self._states = {node: ProcessState(node, 0, Run.GONE) for node in self.nodes}

    async def _did(self, what: str, whom: str = "") -> None:
        call = f"{what} {whom}".rstrip()
        self.log.append(call)
        await asyncio.sleep(self.takes_s.get(what, STEP_S))
        if {what, call} & self.breaks:
            raise ClusterError(f"{call} was to fail")

    async def _end(self, node: str, what: str, exit_code: int) -> ProcessState:
        await self._did(what, node)
        state = self._states[node]
        if state.run is not Run.GONE:
            self._states[node] = ProcessState(node, state.pid, Run.GONE, exit_code)
        return self._states[node]

    async def _change(self, node: str, what: str, before: Run, after: Run) -> ProcessState:
        await self._did(what, node)
        state = self._states[node]
        if state.run is before:
            self._states[node] = ProcessState(node, state.pid, after)
        return self._states[node]


Answer = Callable[[Operation], Completion | None]
"""Says how the system answers an operation; None for what a correct store would say."""


@dataclass
class MemorySystem:
    """A store in memory, on a cluster in memory: the first node that runs leads.

    ``answer`` overrides answers. ``lags``: nodes that never catch up. ``silent``: nodes that never answer when asked
    how they are. ``leaderless``: nobody leads. ``takes_s``: how long an operation takes.
    """

    cluster: MemoryCluster
    answer: Answer = lambda _: None
    lags: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    leaderless: bool = False
    takes_s: float = STEP_S
    data: dict[str, Any] = field(default_factory=dict)
    applied: int = 0
    clients: list[int] = field(default_factory=list)
    clients_closed: int = 0
    closed: int = 0

    def launch(self, node: str, addresses: Mapping[str, Address], folder: Path) -> Launch:
        return Launch((node,), folder, folder / "node.log", {})

    def client(self, number: int) -> MemoryClient:
        self.clients.append(number)
        return MemoryClient(self)

    async def view(self, node: str) -> NodeView | None:
        await asyncio.sleep(STEP_S)
        running = self.cluster.running()
        if node not in running or node in self.silent:
            return None
        leader = None if self.leaderless else running[0]
        return NodeView(node, leader, node == leader, (1, 1), 0 if node in self.lags else self.applied, 1)

    @property
    def fixed_members(self) -> str:
        return "a store in memory has no members"

    async def change_members(self, node: str, *, member: bool, timeout_s: float) -> ChangeAnswer:
        raise NotImplementedError

    async def summary(self, node: str) -> NodeSummary:
        return NodeSummary(node=node, applied_upto=self.applied)

    def close(self) -> None:
        self.closed += 1

    def store(self, operation: Operation) -> Completion:
        """Apply an operation as a correct store does."""
        key, value = operation.key, operation.value
        if operation.f == "read":
            return Completion(EventType.OK, self.data.get(key))
        if operation.f == "cas" and self.data.get(key) != value[0]:
            return Completion(EventType.FAIL, value, "another value")
        self.applied += 1
        match operation.f:
            case "write":
                self.data[key] = value
            case "cas":
                self.data[key] = value[1]
            case _:
                self.data[key] = [*self.data.get(key, []), value]
        return Completion(EventType.OK, value, None, f"1/{self.applied}")


@dataclass
class MemoryClient:
    """One client of a store in memory."""

    system: MemorySystem

    async def apply(self, operation: Operation, timeout_s: float) -> Completion:
        await asyncio.sleep(self.system.takes_s)
        if not self.system.cluster.running():
            return Completion(EventType.INFO, operation.value, "nobody is there")
        return self.system.answer(operation) or self.system.store(operation)

    def close(self) -> None:
        self.system.clients_closed += 1


@dataclass
class Watching:
    """A watcher that remembers."""

    seen: list[Progress] = field(default_factory=list)
    served: tuple[Served, ...] = ()
    alarms: list[Seen] = field(default_factory=list)
    judged: int = 0

    def progress(self, progress: Progress) -> None:
        self.seen.append(progress)

    def begun(self, served: Sequence[Served]) -> None:
        self.served = tuple(served)

    def alarmed(self, seen: Seen) -> None:
        self.alarms.append(seen)

    def judging(self) -> None:
        self.judged += 1

    @property
    def phases(self) -> list[str]:
        """Return the phases in order, each once."""
        return list(dict.fromkeys(progress.phase for progress in self.seen))
