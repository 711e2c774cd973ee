"""The ground that faults stand on: a cluster and the system in it, as ``nemesis.ground.Ground`` wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from harness.cluster.base import OPTIONAL, Cluster, ClusterError, Launch, Rationing, Storage, Timekeeping, Traffic
from harness.systems.base import System
from nemesis.ground import (
    ChangeAnswer,
    ClockBend,
    ClockReading,
    DiskCounters,
    DiskTrouble,
    Link,
    LinkCounters,
    Members,
    NodeView,
    ProcessState,
    Ration,
    Resources,
    Run,
    Weather,
    latest_members,
)
from nemesis.undo import Arrival, Damage, Damaged

STOP_GRACE_S = 5.0


class RunGround:
    """One run's nodes and links."""

    def __init__(self, cluster: Cluster, system: System, launches: Mapping[str, Launch]) -> None:
        self.on_clock: Callable[[str], Awaitable[None]] | None = None
        """Called right before and after a node's clocks are changed."""
        self._cluster = cluster
        self._system = system
        self._launches = launches
        self._starting = {node: asyncio.Lock() for node in cluster.nodes}
        self._missing = {ability.name: ability.missing for ability in cluster.abilities if not ability.works}

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes."""
        return self._cluster.nodes

    async def view(self, node: str) -> NodeView | None:
        """Ask one node."""
        return await self._system.view(node)

    async def views(self) -> list[NodeView]:
        """Ask all nodes at once; those that do not answer are left out."""
        views = await asyncio.gather(*(self._system.view(node) for node in self.nodes))
        return [view for view in views if view is not None]

    async def leader(self) -> str | None:
        """Return the leader in the highest ballot among those that say they lead."""
        leaders = [view for view in await self.views() if view.is_leader]
        return max(leaders, key=lambda view: view.ballot).node if leaders else None

    async def members(self) -> Members | None:
        """Return the members, as the node sees them that knows the latest change."""
        return latest_members(await self.views())

    async def change_members(self, node: str, *, member: bool, timeout_s: float) -> ChangeAnswer:
        """Ask the system to add a node to the members, or to remove it."""
        return await self._system.change_members(node, member=member, timeout_s=timeout_s)

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links be cut."""
        await self._cluster.cut(links)

    async def link_counters(self) -> Mapping[Link, LinkCounters]:
        """Return the counters of the links."""
        return await self._cluster.link_counters()

    async def set_weather(self, weather: Mapping[Link, Weather]) -> None:
        """Let these links have this weather."""
        await self._traffic.set_weather(weather)

    async def reset_connections(self, nodes: frozenset[str]) -> int:
        """Break every connection of these nodes."""
        return await self._traffic.reset_connections(nodes)

    async def set_clock(self, node: str, bend: ClockBend) -> None:
        """Bend the node's clocks."""
        await self._look_at_clock(node)
        await self._timekeeping.set_clock(node, bend)
        await self._look_at_clock(node)

    async def jump_clock(self, node: str, by: int) -> None:
        """Let the node's monotonic clock jump forward."""
        await self._look_at_clock(node)
        await self._timekeeping.jump_clock(node, by)
        await self._look_at_clock(node)

    async def reset_clock(self, node: str) -> None:
        """Set the node's wall clock right."""
        await self._look_at_clock(node)
        await self._timekeeping.reset_clock(node)
        await self._look_at_clock(node)

    async def clock(self, node: str) -> ClockReading:
        """Read the node's clocks."""
        return await self._timekeeping.clock(node)

    async def set_disk(self, node: str, trouble: DiskTrouble) -> None:
        """Let the node's disk have this trouble and no other."""
        await self._storage.set_disk(node, trouble)

    async def disk_counters(self, node: str) -> DiskCounters:
        """Return what troubles have done to the node's disk."""
        return await self._storage.disk_counters(node)

    async def power_off(self, node: str, arrival: Arrival) -> ProcessState:
        """Cut the node's power."""
        return await self._storage.power_off(node, arrival)

    async def damage_disk(self, node: str, damage: Damage) -> tuple[Damaged, ...]:
        """Damage what is durable on the node's disk."""
        return await self._storage.damage_disk(node, damage)

    async def set_ration(self, node: str, ration: Ration) -> None:
        """Let the node have this ration."""
        await self._rationing.set_ration(node, ration)

    async def resources(self, node: str) -> Resources:
        """Look at what the node's process has."""
        return await self._rationing.resources(node)

    async def kill(self, node: str) -> ProcessState:
        """SIGKILL."""
        return await self._cluster.kill(node)

    async def stop(self, node: str) -> ProcessState:
        """SIGTERM, and SIGKILL if it takes too long."""
        return await self._cluster.terminate(node, STOP_GRACE_S)

    async def start(self, node: str) -> ProcessState:
        """Start the node if it is gone. Two faults that end together may both want to: then it is started once."""
        async with self._starting[node]:
            state = await self._cluster.process(node)
            if state.run is Run.GONE:
                await self._cluster.spawn(node, self._launches[node])
                state = await self._cluster.process(node)
            return state

    async def pause(self, node: str) -> ProcessState:
        """SIGSTOP."""
        return await self._cluster.pause(node)

    async def resume(self, node: str) -> ProcessState:
        """SIGCONT."""
        return await self._cluster.resume(node)

    async def process(self, node: str) -> ProcessState:
        """Look at the process."""
        return await self._cluster.process(node)

    def can(self, ability: str, node: str = "") -> str:
        """Return "" or why the place, the system, or this node, lacks an ability."""
        if ability == "membership":
            return self._system.fixed_members
        protocol = OPTIONAL.get(ability)
        if protocol is not None and not isinstance(self._cluster, protocol):
            return self._missing.get(ability) or f"the place {self._cluster.place} has no way to do it ({ability})"
        missing = self._missing.get(ability, "")
        if node and not missing and ability == "clocks":
            return self._timekeeping.unbendable(node)
        return missing

    async def _look_at_clock(self, node: str) -> None:
        if self.on_clock is not None:
            await self.on_clock(node)

    @property
    def _timekeeping(self) -> Timekeeping:
        if not isinstance(self._cluster, Timekeeping):
            raise ClusterError(f"the place {self._cluster.place} can do nothing to clocks")
        return self._cluster

    @property
    def _rationing(self) -> Rationing:
        if not isinstance(self._cluster, Rationing):
            raise ClusterError(f"the place {self._cluster.place} can leave no node short of anything")
        return self._cluster

    @property
    def _storage(self) -> Storage:
        if not isinstance(self._cluster, Storage):
            raise ClusterError(f"the place {self._cluster.place} can do nothing to disks and power")
        return self._cluster

    @property
    def _traffic(self) -> Traffic:
        if not isinstance(self._cluster, Traffic):
            raise ClusterError(f"the place {self._cluster.place} can do nothing to what its links carry")
        return self._cluster
