"""Weather on links between real processes, as their sockets see it: TCP and UDP between the nodes' own namespaces.

Times are judged by effect and direction, with wide margins; what is drawn is judged by what chance allows, with the
run's own seed, so it is the same each time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from harness.cluster.base import ClusterError
from harness.cluster.local.cluster import LocalCluster
from harness.cluster.local.messages import UsedMode
from harness.seeds import SeedTree
from nemesis.delays import Delay, Distribution
from nemesis.ground import Link, LinkCounters, Loss, Rate, Reorder, Weather
from tests.integration.local_support import (
    Talker,
    cluster_of,
    connect,
    eventually,
    hears,
    require_namespaces,
    start_all,
)

pytestmark = pytest.mark.integration
modes = pytest.mark.parametrize("mode", ["root", "userns"])

THERE, BACK = Link("n1", "n2"), Link("n2", "n1")
MS = 1_000_000
US = 1_000
Nodes = dict[str, Talker]
Act = Callable[[LocalCluster, Nodes], Awaitable[None]]


def play(mode: UsedMode, directory: Path, act: Act, nodes: int = 2) -> None:
    """Have a cluster with talking nodes for an act."""
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(nodes, mode, directory) as cluster:
            talkers = await start_all(cluster, directory)
            await act(cluster, talkers)
            assert await cluster.overruns() == 0
            for talker in talkers.values():
                talker.close()

    asyncio.run(scene())


async def fire(cluster: LocalCluster, nodes: Nodes, count: int, gap_s: float = 0.0002) -> list[int]:
    """Send numbered datagrams from n1 to n2 and return the numbers in the order of their arrival, once all is quiet."""
    address = cluster.addresses["n2"]
    await nodes["n2"]("forget")
    await nodes["n1"](f"fire {address.host} {address.port} {count} {gap_s}", 30)
    return await numbers(nodes)


async def numbers(nodes: Nodes, quiet_s: float = 0.3) -> list[int]:
    seen: list[int] = []
    while True:
        await asyncio.sleep(quiet_s)
        _, _, text = (await nodes["n2"]("numbers")).partition(" ")
        now = [int(number) for number in text.split(",") if number]
        if len(now) == len(seen):
            return now
        seen = now


async def ping_us(cluster: LocalCluster, nodes: Nodes, source: str = "n1", destination: str = "n2") -> int:
    """Return the median round trip of a datagram."""
    address = cluster.addresses[destination]
    return int(await nodes[source](f"ping {address.host} {address.port} 15", 60))


async def is_broken(nodes: Nodes, node: str, key: str) -> bool:
    return "<Connection" in await nodes[node](f"heard {key}")


async def there(cluster: LocalCluster) -> LinkCounters:
    return (await cluster.link_counters())[THERE]


@modes
def test_a_delay_is_one_way_and_on_its_own_link_only(mode: UsedMode, tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        assert await ping_us(cluster, nodes) < 30 * US
        await cluster.set_weather({THERE: Weather((Delay(30 * MS, 30 * MS),))})
        assert 30 * US <= await ping_us(cluster, nodes) < 60 * US
        await cluster.set_weather({BACK: Weather((Delay(30 * MS, 30 * MS),))})
        assert 60 * US <= await ping_us(cluster, nodes) < 120 * US
        assert await ping_us(cluster, nodes, "n1", "n3") < 30 * US
        assert (await there(cluster)).delayed >= 30
        await cluster.set_weather({THERE: Weather(), BACK: Weather()})
        assert await ping_us(cluster, nodes) < 30 * US

    play(mode, tmp_path, act, 3)


def test_tcp_takes_as_long_and_both_delays_add_up(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        await nodes["n2"]("echo a")
        two = Weather((Delay(40 * MS, 40 * MS),)) + Weather((Delay(10 * MS, 10 * MS),))
        await cluster.set_weather({THERE: two, BACK: two})
        began = time.monotonic()
        await nodes["n1"]("say a hello")
        assert await hears(nodes, "n1", "a", "hello") >= 0
        assert 0.1 <= time.monotonic() - began < 1.0

    play("userns", tmp_path, act)


@pytest.mark.parametrize("distribution", Distribution)
def test_every_law_of_jitter_stays_within_its_bounds(distribution: Distribution, tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await cluster.set_weather({THERE: Weather((Delay(5 * MS, 25 * MS, distribution),))})
        address = cluster.addresses["n2"]
        lates = [int(await nodes["n1"](f"ping {address.host} {address.port} 1")) for _ in range(30)]
        assert min(lates) >= 5 * US
        assert sorted(lates)[15] < 100 * US
        assert len({late // 100 for late in lates}) > 5
        arrived = await fire(cluster, nodes, 200)
        assert sorted(arrived) == list(range(200))
        assert arrived != sorted(arrived)  # a spread reorders

    play("userns", tmp_path, act)


@modes
def test_the_share_of_lost_datagrams_is_what_chance_allows(mode: UsedMode, tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        count = 2_000
        await cluster.set_weather({THERE: Weather(losses=(Loss(200_000),))})
        arrived = await fire(cluster, nodes, count)
        deviation = (count * 0.2 * 0.8) ** 0.5
        lost = count - len(arrived)
        assert abs(lost - 0.2 * count) < 5 * deviation
        assert arrived == sorted(arrived)
        counters = await there(cluster)
        assert counters.lost >= lost
        assert (await cluster.link_counters())[BACK].lost == 0
        await cluster.set_weather({THERE: Weather()})
        assert await fire(cluster, nodes, 200) == list(range(200))

    play(mode, tmp_path, act)


def test_the_same_seed_loses_the_same_datagrams_and_another_one_others(tmp_path: Path) -> None:
    require_namespaces("userns")

    async def arrived(seed: int, name: str) -> list[int]:
        folder = tmp_path / name
        cluster = LocalCluster(2, "userns", folder, SeedTree(seed))
        await cluster.setup()
        try:
            nodes = await start_all(cluster, folder)
            await cluster.set_weather({THERE: Weather(losses=(Loss(500_000),))})
            return await fire(cluster, nodes, 300)
        finally:
            for talker in nodes.values():
                talker.close()
            await cluster.teardown()

    async def scene() -> None:
        first, again = await arrived(7, "a"), await arrived(7, "b")
        other = await arrived(8, "c")
        assert first == again != other

    asyncio.run(scene())


def test_correlated_losses_come_in_bursts(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        runs = {}
        for correlation_ppm in (0, 900_000):
            await cluster.set_weather({THERE: Weather(losses=(Loss(300_000, correlation_ppm),))})
            arrived = set(await fire(cluster, nodes, 2_000))
            fates = [number in arrived for number in range(2_000)]
            runs[correlation_ppm] = sum(one != other for one, other in pairwise(fates))
        assert runs[900_000] < runs[0] / 3

    play("userns", tmp_path, act)


@modes
def test_datagrams_come_twice(mode: UsedMode, tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await cluster.set_weather({THERE: Weather(duplicate_ppm=300_000)})
        arrived = await fire(cluster, nodes, 1_000)
        twice = len(arrived) - 1_000
        assert set(arrived) == set(range(1_000))
        assert abs(twice - 300) < 5 * (1_000 * 0.3 * 0.7) ** 0.5
        assert (await there(cluster)).duplicated >= twice

    play(mode, tmp_path, act)


@modes
def test_what_is_held_back_is_overtaken(mode: UsedMode, tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await cluster.set_weather({THERE: Weather(reorders=(Reorder(100_000, 50 * MS),))})
        arrived = await fire(cluster, nodes, 500, 0.001)
        assert sorted(arrived) == list(range(500))
        overtaken = sum(1 for one, other in pairwise(arrived) if one > other)
        assert overtaken > 10
        assert (await there(cluster)).reordered > 20

    play(mode, tmp_path, act)


@modes
def test_a_rate_limits_a_bulk_stream_each_way_for_itself(mode: UsedMode, tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        await cluster.set_weather({THERE: Weather(rate=Rate(8_000_000, 256 * 1024))})

        async def seconds(source: str, destination: str, size: int) -> float:
            before = int(await nodes[destination]("size a"))
            began = time.monotonic()
            await nodes[source](f"push a {size}", 60)

            async def arrived() -> bool:
                return int(await nodes[destination]("size a")) - before == size

            await eventually(arrived, 60)
            return time.monotonic() - began

        assert 1.5 < await seconds("n1", "n2", 2_000_000) < 8  # 2 s at a megabyte a second
        assert await seconds("n2", "n1", 2_000_000) < 1.5
        assert (await there(cluster)).throttled > 0
        await cluster.set_weather({THERE: Weather()})
        assert await seconds("n1", "n2", 2_000_000) < 1.5

    play(mode, tmp_path, act)


def test_what_finds_no_room_before_a_rate_is_lost(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await cluster.set_weather({THERE: Weather(rate=Rate(20_000, 1_000))})  # some fifty a second
        arrived = await fire(cluster, nodes, 500, 0)
        assert 0 < len(arrived) < 400
        assert arrived == sorted(arrived)
        assert (await there(cluster)).lost >= 500 - len(arrived)

    play("userns", tmp_path, act)


@modes
def test_a_clogged_link_lets_go_at_the_end_in_order(mode: UsedMode, tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        await cluster.set_weather({THERE: Weather(clogged=True)})
        await nodes["n1"]("say a late")
        assert await fire(cluster, nodes, 150) == []  # all at once they have to fit into the receiver's socket
        assert await nodes["n2"]("heard a") == "heard "
        assert (await there(cluster)).clogged >= 150
        await cluster.set_weather({THERE: Weather()})
        assert await numbers(nodes) == list(range(150))
        await hears(nodes, "n2", "a", "late")

    play(mode, tmp_path, act)


def test_what_is_under_way_at_a_heal_comes_when_it_was_to_and_is_not_overtaken(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        address = cluster.addresses["n2"]
        await cluster.set_weather({THERE: Weather((Delay(600 * MS, 600 * MS),))})
        firing = asyncio.create_task(nodes["n1"](f"fire {address.host} {address.port} 200 0.001"))
        await asyncio.sleep(0.1)
        await cluster.set_weather({THERE: Weather()})
        assert await nodes["n2"]("numbers") == "numbers "
        await firing
        assert await numbers(nodes, 0.8) == list(range(200))
        assert (await there(cluster)).lost == 0
        assert await ping_us(cluster, nodes) < 30 * US

    play("userns", tmp_path, act)


def test_a_cut_takes_what_is_under_way(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        address = cluster.addresses["n2"]
        await cluster.set_weather({THERE: Weather((Delay(500 * MS, 500 * MS),))})
        await nodes["n1"](f"fire {address.host} {address.port} 50 0")
        await cluster.cut(frozenset({THERE, BACK}))
        assert await numbers(nodes, 0.8) == []
        assert (await there(cluster)).dropped == 50

    play("userns", tmp_path, act)


def test_total_loss_one_way_is_not_a_cut_and_tcp_hears_the_other_way_only_by_datagram(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await cluster.set_weather({THERE: Weather(losses=(Loss(1_000_000),))})
        assert await connect(cluster, nodes, "n2", "n1", "a", 0.5) == "TimeoutError"  # no acknowledgement comes back
        assert await fire(cluster, nodes, 50) == []
        await cluster.set_weather({THERE: Weather()})
        assert await connect(cluster, nodes, "n2", "n1", "b") == "connected"

    play("userns", tmp_path, act)


@modes
def test_every_connection_of_a_node_is_reset_at_both_ends(mode: UsedMode, tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        await connect(cluster, nodes, "n1", "n2", "a")
        await connect(cluster, nodes, "n3", "n1", "b")
        await connect(cluster, nodes, "n2", "n3", "c")
        await cluster.cut(frozenset({THERE, BACK}))  # no reset gets through: it needs none
        assert await cluster.reset_connections(frozenset({"n1"})) == 3  # and the client's
        for node, key in (("n2", "a"), ("n3", "b")):
            await eventually(partial(is_broken, nodes, node, key), 10)
        assert await nodes["n3"]("heard c") == "heard "
        with pytest.raises(ConnectionError):
            await nodes["n1"]("heard a")
        await cluster.cut(frozenset())
        assert await connect(cluster, nodes, "n2", "n1", "d") == "connected"

    play(mode, tmp_path, act, 3)


def test_weather_on_links_that_do_not_exist_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async def act(cluster: LocalCluster, nodes: Nodes) -> None:
        weather = Weather(losses=(Loss(1_000_000),))
        with pytest.raises(ClusterError, match="no link between nodes"):
            await cluster.set_weather({THERE: weather, Link("n1", "n9"): weather})
        assert await fire(cluster, nodes, 50) == list(range(50))

    play("userns", tmp_path, act)
