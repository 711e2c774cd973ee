"""Links where namespaces are forbidden: proxies between the nodes, as the nodes' sockets see them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from harness.cluster.base import ClusterError
from harness.cluster.local.cluster import LocalCluster
from nemesis.delays import Delay
from nemesis.ground import Link, LinkCounters, Loss, Rate, Weather
from tests.integration.local_support import Talker, cluster_of, eventually, hears, start_all

pytestmark = pytest.mark.integration

THERE, BACK = Link("n1", "n2"), Link("n2", "n1")
MS = 1_000_000
QUIET_S = 0.3
Nodes = dict[str, Talker]
Act = Callable[[LocalCluster, Nodes], Awaitable[None]]


def play(directory: Path, act: Act, nodes: int = 2) -> None:
    async def scene() -> None:
        async with cluster_of(nodes, "loopback", directory) as cluster:
            talkers = await start_all(cluster, directory)
            await act(cluster, talkers)
            for talker in talkers.values():
                talker.close()

    asyncio.run(scene())


async def connect(cluster: LocalCluster, nodes: Nodes, source: str, destination: str, key: str) -> str:
    """Have one node connect to another one as it was told to."""
    address = cluster.addresses_for(source)[destination]
    return await nodes[source](f"connect {key} {address.host} {address.port} 5")


async def has_said(nodes: Nodes, node: str, key: str, text: str) -> bool:
    """Say something over a connection, if the node knows of it yet: one that was dialled it has to be told of."""
    return await nodes[node](f"say {key} {text}") == "said"


async def there(cluster: LocalCluster) -> LinkCounters:
    return (await cluster.link_counters())[THERE]


def test_each_node_reaches_its_peers_by_proxies_and_itself_and_clients_by_its_own_address(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        told = {node: cluster.addresses_for(node) for node in cluster.nodes}
        detours = {told[one][other] for one in cluster.nodes for other in cluster.nodes if one != other}
        assert len(detours) == 6
        assert detours.isdisjoint(cluster.addresses.values())
        assert all(told[node][node] == cluster.addresses[node] for node in cluster.nodes)
        await connect(cluster, nodes, "n1", "n2", "a")
        await nodes["n1"]("say a ping")
        await hears(nodes, "n2", "a", "ping")
        await nodes["n2"]("say a pong")
        await hears(nodes, "n1", "a", "pong")
        counters = await cluster.link_counters()
        assert set(counters) == {Link(a, b) for a in cluster.nodes for b in cluster.nodes if a != b}
        assert counters[THERE].forwarded > 0 < counters[BACK].forwarded
        assert counters[THERE].unit == "chunks"
        await nodes["n1"]("close a")
        await hears(nodes, "n2", "a", "ping<end>")

    play(tmp_path, act, 3)


def test_a_cut_one_way_holds_back_what_is_said_one_way(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        await connect(cluster, nodes, "n2", "n1", "b")
        await nodes["n1"]("say a 1")
        await eventually(partial(has_said, nodes, "n1", "b", "1"), 5)
        for key in "ab":
            await hears(nodes, "n2", key, "1")
        await cluster.cut(frozenset({THERE}))
        for key in "ab":
            await nodes["n1"](f"say {key} 2")
            await nodes["n2"](f"say {key} back")
            await hears(nodes, "n1", key, "back")
        await asyncio.sleep(QUIET_S)
        assert await nodes["n2"]("heard a") == await nodes["n2"]("heard b") == "heard 1"
        assert (await there(cluster)).dropped == 2
        assert (await cluster.link_counters())[BACK].dropped == 0
        await cluster.cut(frozenset())
        for key in "ab":
            await hears(nodes, "n2", key, "12")

    play(tmp_path, act)


def test_a_connection_made_over_a_cut_link_waits(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await cluster.cut(frozenset({THERE, BACK}))
        assert await connect(cluster, nodes, "n1", "n2", "a") == "connected"  # to its proxy
        await nodes["n1"]("say a x")
        await asyncio.sleep(QUIET_S)
        assert await nodes["n2"]("heard a") == "heard "
        await cluster.cut(frozenset())
        await hears(nodes, "n2", "a", "x")

    play(tmp_path, act)


def test_delay_jitter_rate_and_clog_keep_the_stream_in_order(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        await cluster.set_weather({THERE: Weather((Delay(100 * MS, 200 * MS),))})
        began = time.monotonic()
        for number in range(9):
            await nodes["n1"](f"say a {number}")
        await hears(nodes, "n2", "a", "012345678")
        assert 0.1 <= time.monotonic() - began < 2
        assert (await there(cluster)).delayed > 0
        await cluster.set_weather({THERE: Weather(clogged=True)})
        await nodes["n1"]("say a 9")
        await asyncio.sleep(QUIET_S)
        assert await nodes["n2"]("heard a") == "heard 012345678"
        await cluster.set_weather({THERE: Weather(rate=Rate(8_000_000, 1))})
        await hears(nodes, "n2", "a", "0123456789")
        assert (await there(cluster)).clogged == 1
        began = time.monotonic()
        await nodes["n1"]("push a 1000000", 30)

        async def arrived() -> bool:
            return await nodes["n2"]("size a") == "1000010"

        await eventually(arrived, 20)
        assert 0.7 < time.monotonic() - began < 6  # a second at a megabyte a second
        assert (await there(cluster)).throttled > 0

    play(tmp_path, act)


def test_every_connection_of_a_node_is_reset(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        await connect(cluster, nodes, "n3", "n1", "b")
        await connect(cluster, nodes, "n2", "n3", "c")
        for node, key, other in (("n1", "a", "n2"), ("n3", "b", "n1"), ("n2", "c", "n3")):
            await nodes[node](f"say {key} x")
            await hears(nodes, other, key, "x")
        assert await cluster.reset_connections(frozenset({"n1"})) == 3  # and the client's
        await hears(nodes, "n2", "a", "x<ConnectionResetError>")
        await hears(nodes, "n3", "b", "<ConnectionResetError>")
        assert await nodes["n3"]("heard c") == "heard x"

    play(tmp_path, act, 3)


def test_a_node_that_is_gone_is_gone_for_its_peers_too(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        await cluster.kill("n2")

        async def noticed() -> bool:
            return await nodes["n1"]("heard a") in ("heard <end>", "heard <ConnectionResetError>")

        await eventually(noticed, 5)

    play(tmp_path, act)


def test_a_node_that_dies_behind_a_cut_is_gone_for_its_peers_after_the_heal(tmp_path: Path) -> None:
    """Killed with something unread it leaves a reset, which overtakes nothing that was held back."""

    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        await nodes["n1"]("say a x")
        await hears(nodes, "n2", "a", "x")
        await cluster.cut(frozenset({BACK}))
        for number in range(3):
            await nodes["n2"](f"say a {number}")
            await asyncio.sleep(QUIET_S / 3)
        await cluster.pause("n2")
        carried = (await there(cluster)).forwarded
        await nodes["n1"]("say a unread")
        await eventually(lambda: _has_carried(cluster, carried + 1), 5)
        await cluster.kill("n2")
        await asyncio.sleep(QUIET_S)
        assert await nodes["n1"]("heard a") == "heard "
        await cluster.cut(frozenset())
        await hears(nodes, "n1", "a", "012<ConnectionResetError>")

    play(tmp_path, act)


async def _has_carried(cluster: LocalCluster, count: int) -> bool:
    return (await there(cluster)).forwarded >= count


def test_what_is_sent_to_a_dead_node_is_not_answered_across_a_cut(tmp_path: Path) -> None:
    """The kernel answers it with a reset, at a time when the end of the stream is still held back."""

    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        await nodes["n1"]("say a x")
        await hears(nodes, "n2", "a", "x")
        await cluster.cut(frozenset({BACK}))
        await cluster.kill("n2")
        for _ in range(3):
            await nodes["n1"]("say a y")
            await asyncio.sleep(QUIET_S / 3)
        assert await nodes["n1"]("heard a") == "heard "
        await cluster.cut(frozenset())
        await hears(nodes, "n1", "a", "<end>")

    play(tmp_path, act)


def test_fates_of_single_frames_are_refused(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        with pytest.raises(ClusterError, match="cannot lose, double or reorder"):
            await cluster.set_weather({THERE: Weather(losses=(Loss(1),))})
        with pytest.raises(ClusterError, match="no link between nodes"):
            await cluster.cut(frozenset({Link("n1", "n9")}))

    play(tmp_path, act)


def test_nothing_of_a_weather_comes_if_a_part_of_it_is_refused(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        with pytest.raises(ClusterError, match="cannot lose, double or reorder"):
            await cluster.set_weather({THERE: Weather(clogged=True), BACK: Weather(duplicate_ppm=1)})
        await nodes["n1"]("say a x")
        await hears(nodes, "n2", "a", "x")
        assert (await there(cluster)).clogged == 0

    play(tmp_path, act)
