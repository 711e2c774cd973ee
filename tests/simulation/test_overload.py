"""More than a node can do: what is refused is refused at once, what is accepted goes on, and nothing piles up.

The load comes in whether or not anything was answered (an open loop): that is what overload is. Whatever waits in a
node is looked at while it happens, not only at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.cluster.simulated import SimulatedCluster
from harness.results import RunVerdict
from harness.scenario import Scenario
from harness.seeds import SeedTree
from harness.simulation.loop import VirtualLoop, virtual_loop
from harness.simulation.node import SimulatedNode
from harness.systems.multipaxos import MultiPaxos
from nemesis.ground import DiskTrouble
from node import wire
from node.client import Client
from node.kv import Increment, Read
from node.paxos.counters import Counters
from node.replica import Replica
from node.sessions import SESSIONS_MAX
from tests.simulation.runs import run, scenario

MS = 1_000_000
FAIR_ROUND_TRIP_MS = 0.5
"""A client's request and its reply, in simulation, and a little for the turn of the loop."""


class Overloaded:
    """Three simulated nodes with small limits."""

    def __init__(self, folder: Path, **settings: int) -> None:
        scenario = Scenario(place="simulated", nodes=3, node=settings)
        self.loop: VirtualLoop = virtual_loop()
        self.cluster = SimulatedCluster(3, SeedTree(7), self.loop)
        self.system = MultiPaxos(scenario, self.cluster, 7)
        self.folder = folder

    def run(self, main: Callable[[], Awaitable[None]]) -> None:
        async def all_of_it() -> None:
            for name in self.cluster.nodes:
                await self.cluster.spawn(name, self.system.launch(name, self.cluster.addresses, self.folder / name))
            await asyncio.sleep(3)
            await main()

        self.loop.run(all_of_it())

    def node(self, name: str) -> SimulatedNode:
        return self.cluster._nodes[name]

    def replica(self, name: str) -> Replica:
        replica = self.node(name).replica
        assert replica is not None, f"{name} is down"
        return replica

    def counters(self, name: str) -> Counters:
        return self.replica(name).counters

    @property
    def leader(self) -> str:
        leading = [name for name in self.cluster.nodes if self.replica(name).paxos.leader is not None]
        assert len(leading) == 1, leading
        return leading[0]

    def client(self) -> Client:
        async def dial(node: int) -> object:
            return await self.cluster.dial(f"n{node}")

        return Client((1, 2, 3), dial, "antipaxos")  # type: ignore[arg-type]


@dataclass
class Tally:
    """What became of a load: latencies in virtual milliseconds, done and refused apart."""

    done: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    unanswered: int = 0


class Flood:
    """One connection that sends whatever comes back."""

    def __init__(self, world: Overloaded, tally: Tally) -> None:
        self._world = world
        self._tally = tally
        self._sent: dict[int, int] = {}
        self.expired = 0
        self._session: asyncio.Future[int] = world.loop.create_future()

    async def connect(self, node: str) -> None:
        self._number = 1
        self._stream = await self._world.cluster.dial(node)
        self._stream.write(wire.encode(wire.ClientHello(wire.PROTOCOL, "antipaxos")))
        self._task = asyncio.get_running_loop().create_task(self._listen())

    async def open(self, node: str) -> None:
        await self.connect(node)
        self._stream.write(wire.encode(wire.Request(1, wire.OpenSession())))
        self.session = await self._session

    async def run(self, per_second: int, for_s: float) -> None:
        end = self._world.loop.now_ns + int(for_s * 1e9)
        while self._world.loop.now_ns < end:
            self.write()
            await asyncio.sleep(1 / per_second)

    def write(self) -> None:
        self._send(wire.Command(self.session, self._number, Increment("n", 1)))

    def read(self) -> None:
        self._send(wire.Query(Read("n")))

    def open_one_more(self) -> None:
        self._send(wire.OpenSession())

    def _send(self, body: wire.Body) -> None:
        self._number += 1
        self._sent[self._number] = self._world.loop.now_ns
        self._stream.write(wire.encode(wire.Request(self._number, body)))

    async def close(self) -> None:
        await asyncio.sleep(0.5)
        self._tally.unanswered += len(self._sent)
        self._stream.close()
        await self._task

    async def _listen(self) -> None:
        frames = wire.FrameReader(1 << 20)
        while data := await self._stream.read():
            for frame in frames.feed(data):
                self._take(wire.decode_reply(frame))

    def _take(self, reply: wire.Reply) -> None:
        if reply.number == 1:
            assert isinstance(reply.answer, wire.Done)
            self._session.set_result(reply.answer.result.value)
            return
        took_ms = (self._world.loop.now_ns - self._sent.pop(reply.number)) / MS
        if isinstance(reply.answer, wire.Done):
            self._tally.done.append(took_ms)
        else:
            assert isinstance(reply.answer, wire.Refusal)
            if reply.answer.reason is wire.Reason.SESSION_EXPIRED:
                self.expired += 1
                return
            assert reply.answer.reason is wire.Reason.OVERLOADED
            assert reply.answer.detail
            self._tally.refused.append(took_ms)


async def offered(world: Overloaded, per_second: int, for_s: float = 1.0, connections: int = 8) -> Tally:
    """Offer a load to the leader and return what became of it."""
    tally = Tally()
    floods = [Flood(world, tally) for _ in range(connections)]
    for flood in floods:
        await flood.open(world.leader)
    await asyncio.gather(*(flood.run(per_second // connections, for_s) for flood in floods))
    await asyncio.gather(*(flood.close() for flood in floods))
    return tally


def test_goodput_holds_at_ten_times_the_capacity_and_refusals_are_quick(tmp_path: Path) -> None:
    world = Overloaded(tmp_path, batch_commands_max=1, window_max=1, queue_commands_max=20)

    async def main() -> None:
        just = await offered(world, 2_800)
        capacity = len(just.done)
        assert just.refused, "the load must be more than it can do"
        much = await offered(world, 28_000)
        assert len(much.done) > 0.9 * capacity
        assert len(much.refused) > 5 * len(much.done)
        assert max(much.refused) < FAIR_ROUND_TRIP_MS
        assert max(much.done) < 3 * 20 / capacity * 1e3, "whoever is let in waits no longer than the queue is"
        assert just.unanswered == much.unanswered == 0
        counters = world.counters(world.leader)
        assert counters.commands_overloaded == len(just.refused) + len(much.refused)

    world.run(main)


def test_a_connection_that_pipelines_without_limit_is_refused_what_is_over_it(tmp_path: Path) -> None:
    world = Overloaded(tmp_path, pipeline_max=50)

    async def main() -> None:
        tally = Tally()
        flood = Flood(world, tally)
        await flood.open(world.leader)
        for _ in range(2_000):
            flood.write()
        await flood.close()
        assert tally.unanswered == 0
        assert len(tally.done) >= 50
        assert max(tally.refused) < min(tally.done), "a refusal waits for no disk"
        assert world.counters(world.leader).pipelines_overloaded == len(tally.refused) > 1_000
        async with world.client() as other:
            assert await other.get("n") == len(tally.done), "a refused command was done"

    world.run(main)


def test_reads_beyond_the_limit_are_refused_at_a_node_that_cannot_answer_them(tmp_path: Path) -> None:
    """A follower whose leader is silent keeps no more reads than it may."""
    world = Overloaded(tmp_path, reads_max=10)

    async def main() -> None:
        follower = next(name for name in world.cluster.nodes if name != world.leader)
        tally = Tally()
        reader = Flood(world, tally)
        await reader.connect(follower)
        for _ in range(100):
            reader.read()
        await reader.close()
        assert len(tally.done) == 10
        assert len(tally.refused) == world.counters(follower).reads_overloaded == 90

    world.run(main)


def test_one_client_more_than_are_served_is_turned_away(tmp_path: Path) -> None:
    world = Overloaded(tmp_path, clients_max=3)

    async def main() -> None:
        wires = [await world.cluster.dial("n1") for _ in range(3)]
        with pytest.raises(ConnectionRefusedError):
            await world.cluster.dial("n1")
        assert world.counters("n1").clients_turned_away == 1
        wires[0].close()
        await world.cluster.dial("n1")

    world.run(main)


def test_a_session_more_than_are_kept_ends_the_least_recently_used(tmp_path: Path) -> None:
    world = Overloaded(tmp_path)

    async def main() -> None:
        tally = Tally()
        first = Flood(world, tally)
        await first.open(world.leader)
        opener = Flood(world, tally)
        await opener.connect(world.leader)
        for _ in range(SESSIONS_MAX // 1_000):
            for _ in range(1_000):
                opener.open_one_more()
            await asyncio.sleep(0.5)
        await opener.close()
        assert len(tally.done) == SESSIONS_MAX
        assert [world.counters(name).sessions_evicted for name in world.cluster.nodes] == [1] * 3
        assert {len(world.replica(name).machine.sessions) for name in world.cluster.nodes} == {SESSIONS_MAX}
        first.write()
        await first.close()
        assert first.expired == 1

    world.run(main)


@pytest.mark.parametrize("whose", ["follower", "leader"])
def test_a_stalled_disk_fills_no_memory_and_stops_nobody_else(tmp_path: Path, whose: str) -> None:
    world = Overloaded(tmp_path, backlog_records_max=30, batch_commands_max=2, queue_commands_max=50, deferred_max=40)
    highest = {"backlog": 0, "deferred": 0, "commands": 0}

    async def watch(replica: Replica) -> None:
        while True:
            highest["backlog"] = max(highest["backlog"], len(replica.paxos.backlog))
            highest["deferred"] = max(highest["deferred"], len(replica._deferred))
            highest["commands"] = max(highest["commands"], len(replica._commands))
            await asyncio.sleep(0.001)

    async def main() -> None:
        leader = world.leader
        stalled = leader if whose == "leader" else next(name for name in world.cluster.nodes if name != leader)
        replica = world.replica(stalled)
        watching = asyncio.get_running_loop().create_task(watch(replica))
        client = world.client()
        await client.increment("n")
        await world.cluster.set_disk(stalled, DiskTrouble(stalled=True))
        if whose == "leader":
            await offered_anyway(world, leader)
            assert replica.paxos.leader is None, "a leader whose disk is stuck must not keep its place"
            assert world.counters(stalled).backlogs_stuck == 1
        for _ in range(300):
            await client.increment("n", timeout_s=20)
        assert highest["backlog"] <= 30 + 4
        assert highest["deferred"] <= 40 + 30 + 4
        assert highest["commands"] <= 50 + 2 * 4 + 30 * 2
        if whose == "follower":
            assert world.counters(stalled).messages_held_back > 0
        await world.cluster.set_disk(stalled, DiskTrouble())
        await asyncio.sleep(3)
        await client.increment("n", timeout_s=20)
        await asyncio.sleep(1)
        watching.cancel()
        applied = {world.replica(name).machine.applied_upto for name in world.cluster.nodes}
        assert len(applied) == 1, f"the node with the stalled disk has not caught up: {applied}"
        assert len(replica.paxos.backlog) == 0
        client.close()

    world.run(main)


async def offered_anyway(world: Overloaded, leader: str) -> None:
    """Load a leader until it leads no more; the answers do not matter."""
    replica = world.replica(leader)
    stream = await world.cluster.dial(leader)
    stream.write(wire.encode(wire.ClientHello(wire.PROTOCOL, "antipaxos")))
    for number in range(1, 20_000):
        if replica.paxos.leader is None:
            break
        stream.write(wire.encode(wire.Request(number, wire.Command(1 << 20, 1_000 + number, Increment("m", 1)))))
        await asyncio.sleep(0.001)
    stream.close()


@pytest.mark.parametrize("seed", [3, 4])
def test_faults_and_load_on_nodes_with_the_tightest_limits_lose_nothing(tmp_path: Path, seed: int) -> None:
    """What is refused, held back and shed must look to Paxos like a network that loses messages, and nothing else."""
    tight = {
        "backlog_records_max": 10,
        "deferred_max": 10,
        "queue_commands_max": 6,
        "batch_commands_max": 3,
        "reads_max": 5,
        "pipeline_max": 1,
    }
    faults = ("disk-slow", "kill", "partition", "restart")
    chosen = scenario(time="10s", rate=400, concurrency=20, faults=faults, require=(), node=tight)
    ran = run(chosen, seed, tmp_path)
    assert (ran.verdict, ran.broken) == (RunVerdict.VALID, ""), ran.sentence
