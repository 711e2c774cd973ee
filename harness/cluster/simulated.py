"""The place ``simulated``: the same nodes, in one process and in virtual time.

It takes the same launches as any place (a node's command line), and makes simulated nodes of them. At the end the disks
are written out, so the audit reads the same files as after a real run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

from harness.cluster.base import OPTIONAL, Ability, Address, ClusterError, Launch
from harness.seeds import SeedTree
from harness.simulation.clock import WALL_EPOCH, SimulatedClock
from harness.simulation.invariants import Invariants, Unwatched
from harness.simulation.loop import VirtualLoop
from harness.simulation.network import SimulatedNetwork
from harness.simulation.node import SimulatedNode
from harness.simulation.trace import Trace
from harness.simulation.wire import SimulatedWire
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
from node.assembly import Assembly, UnknownBugError
from node.options import ServerConfig, configure, parser
from node.paxos.config import ConfigError

PORT = 7000
FIRST_PID = 1000
MODULE = ("-m", "node")
LOOK_AGAIN_S = 0.001
CLIENT_DELAY_NS = (80_000, 160_000)


class SimulatedCluster:
    """Nodes of one run in virtual time; implements all protocols of ``harness.cluster.base``."""

    def __init__(self, nodes: int, tree: SeedTree, loop: VirtualLoop, *, watched: bool = True) -> None:
        self._loop = loop
        self._names = tuple(f"n{number}" for number in range(1, nodes + 1))
        self._network = SimulatedNetwork(loop, self._names, tree.stream("simulation/network"))
        self._client_draws = tree.stream("simulation/clients")
        self._power_draws = tree.stream("simulation/power")
        self._damage_draws = tree.stream("simulation/damage")
        self._pids = FIRST_PID
        self.trace = Trace(loop)
        self.invariants = (Invariants if watched else Unwatched)(loop, self.trace, nodes)
        epochs = tree.stream("simulation/epochs")
        self._nodes = {
            name: SimulatedNode(
                number,
                loop,
                tree.stream(f"simulation/disk/{name}"),
                SimulatedClock(epochs.between(0, 10**15)),
                self._send,
                self.invariants,
                self.trace,
            )
            for number, name in enumerate(self._names, start=1)
        }
        self._ways = {
            (source.number, destination.number): (Link(source.name, destination.name), destination)
            for source in self._nodes.values()
            for destination in self._nodes.values()
        }

    @property
    def place(self) -> str:
        """The place's name."""
        return "simulated"

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes' names."""
        return self._names

    @property
    def addresses(self) -> Mapping[str, Address]:
        """Addresses that nothing dials."""
        return {name: Address(f"10.77.0.{number}", PORT) for number, name in enumerate(self._names, start=1)}

    def addresses_for(self, node: str) -> Mapping[str, Address]:
        """The same."""
        return self.addresses

    @property
    def abilities(self) -> tuple[Ability, ...]:
        """Everything works here."""
        means = "simulated, in virtual time"
        return tuple(Ability(name, True, means) for name in ("namespaces", "links", "processes", *OPTIONAL))

    async def setup(self) -> None:
        """Nothing to make."""

    async def spawn(self, node: str, launch: Launch) -> int:
        """Start a node from its command line."""
        simulated = self._nodes[node]
        if simulated.state.run != "gone":
            raise ClusterError(f"{node} is still there as process {simulated.state.pid}")
        config, assembly = _configured(launch)
        self._pids += 1
        simulated.start(self._pids, config, assembly)
        return self._pids

    async def kill(self, node: str) -> ProcessState:
        """SIGKILL."""
        self._nodes[node].kill()
        return self._nodes[node].state

    async def terminate(self, node: str, grace_s: float) -> ProcessState:
        """SIGTERM; a process that is stopped, or waits for its disk, ends by SIGKILL after the grace."""
        simulated = self._nodes[node]
        deadline = self._loop.now_ns + int(grace_s * 1e9)
        while simulated.state.run != "gone" and self._loop.now_ns < deadline:
            if simulated.state.run == "running":
                simulated.terminate()
            await asyncio.sleep(LOOK_AGAIN_S)  # an end has no event to wait for, as with a real process
        simulated.kill()
        return simulated.state

    async def pause(self, node: str) -> ProcessState:
        """SIGSTOP."""
        self._nodes[node].pause()
        return self._nodes[node].state

    async def resume(self, node: str) -> ProcessState:
        """SIGCONT."""
        self._nodes[node].resume()
        return self._nodes[node].state

    async def process(self, node: str) -> ProcessState:
        """Look at the process."""
        return self._nodes[node].state

    async def dial(self, node: str) -> SimulatedWire:
        """Connect a client to a node, one round trip away. Raises ConnectionRefusedError."""
        await asyncio.sleep((self._client_delay() + self._client_delay()) / 1e9)
        return SimulatedWire(self._loop, self._nodes[node], self._client_delay, self.trace)

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links be cut."""
        self.trace.happens("links", "", "cut", sorted(links))
        self._network.cut(links)

    async def link_counters(self) -> Mapping[Link, LinkCounters]:
        """Return the counters of all links."""
        return self._network.counters()

    async def set_weather(self, weather: Mapping[Link, Weather]) -> None:
        """Let these links have this weather."""
        self.trace.happens("links", "", "weather", [[*link, asdict(now)] for link, now in sorted(weather.items())])
        self._network.set_weather(weather)

    async def reset_connections(self, nodes: frozenset[str]) -> int:
        """Break every connection of these nodes."""
        self.trace.happens("links", "", "reset", sorted(nodes))
        clients = sum(self._nodes[node].hang_up_on_clients() for node in sorted(nodes))
        serving = frozenset(name for name, simulated in self._nodes.items() if simulated.listening)
        return self._network.reset(nodes, serving) + clients

    async def set_clock(self, node: str, bend: ClockBend) -> None:
        """Let a node's clocks run so."""
        self.trace.happens("clock", node, "bend", asdict(bend))
        self._nodes[node].clock.set_wall(bend.wall_ahead)
        self._nodes[node].set_clock_rate(bend.rate_ppm)

    async def jump_clock(self, node: str, by: int) -> None:
        """Let a node's monotonic clock jump."""
        self.trace.happens("clock", node, "jump", {"by": by})
        self._nodes[node].jump_clock(by)

    async def reset_clock(self, node: str) -> None:
        """Set a node's wall clock right."""
        self.trace.happens("clock", node, "reset", {})
        self._nodes[node].clock.set_right(self._loop.now_ns, WALL_EPOCH + self._loop.now_ns)

    async def clock(self, node: str) -> ClockReading:
        """Read a node's clocks."""
        now, clock = self._loop.now_ns, self._nodes[node].clock
        return ClockReading(clock.read(now), now, clock.wall(now))

    def unbendable(self, node: str) -> str:
        """There is none."""
        del node
        return ""

    async def set_disk(self, node: str, trouble: DiskTrouble) -> None:
        """Let a node's disk have this trouble."""
        self.trace.happens("disk", node, "trouble", asdict(trouble))
        self._nodes[node].set_disk_trouble(trouble)

    async def disk_counters(self, node: str) -> DiskCounters:
        """Return what troubles have done to a node's disk."""
        return self._nodes[node].disk.counters

    async def power_off(self, node: str, arrival: Arrival) -> ProcessState:
        """Cut a node's power."""
        before = self._nodes[node].disk.counters.taken_back_bytes
        self._nodes[node].power_off(arrival, self._power_draws.below)
        taken_back = self._nodes[node].disk.counters.taken_back_bytes - before
        self.trace.happens("disk", node, "power-off", {"taken_back_bytes": taken_back})
        return self._nodes[node].state

    async def damage_disk(self, node: str, damage: Damage) -> tuple[Damaged, ...]:
        """Damage a node's disk."""
        done = self._nodes[node].disk.damage(damage, self._damage_draws.below)
        for damaged in done:
            self.trace.happens("disk", node, "damage", asdict(damaged))
        return done

    async def set_ration(self, node: str, ration: Ration) -> None:
        """Put a node on a ration."""
        self.trace.happens("process", node, "ration", asdict(ration))
        self._nodes[node].set_ration(ration)

    async def resources(self, node: str) -> Resources:
        """Look at what a node's process has."""
        return self._nodes[node].resources

    async def disturbances(self) -> tuple[str, ...]:
        """There are none."""
        return ()

    def said(self, node: str) -> tuple[str, ...]:
        """Return what a node's processes have said: their log."""
        return tuple(self._nodes[node].lines)

    def met(self) -> dict[str, int]:
        """Return how often each rare event has happened, on all nodes and in all their lives, if it has."""
        met = sum((simulated.met for simulated in self._nodes.values()), Counter[str]())
        return dict(met)

    async def teardown(self) -> None:
        """End all processes and write the disks out."""
        for simulated in self._nodes.values():
            simulated.kill()
            if simulated.config is not None:
                _write_out(simulated, simulated.config.data)

    def _client_delay(self) -> int:
        return self._client_draws.between(CLIENT_DELAY_NS[0], CLIENT_DELAY_NS[1])

    def _send(self, source: int, incarnation: int, destination: int, frame: bytes) -> None:
        link, receiver = self._ways[source, destination]
        trace = self.trace
        if trace.tape is not None:
            frame = trace.tape.sent(trace.events, self._loop.now_ns, link.source, link.destination, frame)
        self._network.send(link, partial(receiver.receive, source, incarnation), frame)


def _configured(launch: Launch) -> tuple[ServerConfig, Assembly]:
    """Return what a launch's command line asks of a node. Raises ClusterError if it is not our node's."""
    if launch.argv[1:3] != MODULE:
        raise ClusterError(f"only our own node can be simulated, not {launch.argv[0]!r}")
    try:
        return configure(parser().parse_args(launch.argv[3:]))
    except (ConfigError, UnknownBugError) as error:
        raise ClusterError(f"the node would not start: {error}") from error


def _write_out(node: SimulatedNode, folder: Path) -> None:
    """Write a node's disk, and what it had to say, where a real node would have."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in node.disk.contents().items():
        (folder / name).write_bytes(data)
    (folder.parent / "node.log").write_text("".join(f"{line}\n" for line in node.lines))
