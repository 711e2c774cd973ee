"""Links between real processes in real namespaces: what a cut stops, what it lets through, how a heal looks to TCP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness.cluster.base import ClusterError
from harness.cluster.local.messages import UsedMode
from nemesis.ground import Link
from tests.integration.local_support import (
    Talker,
    cluster_of,
    connect,
    eventually,
    hears,
    require_namespaces,
    start_all,
    talker,
)

pytestmark = pytest.mark.integration
modes = pytest.mark.parametrize("mode", ["root", "userns"])

QUIET_S = 0.7  # longer than a first retransmission and the probe before it


def both(one: str, other: str) -> frozenset[Link]:
    return frozenset({Link(one, other), Link(other, one)})


async def stays_at(nodes: dict[str, Talker], node: str, key: str, text: str) -> None:
    """Check that a node hears nothing beyond ``text`` for a while."""
    await asyncio.sleep(QUIET_S)
    assert await nodes[node](f"heard {key}") == f"heard {text}"


@modes
def test_every_node_reaches_every_other_one(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(5, mode, tmp_path) as cluster:
            nodes = await start_all(cluster, tmp_path)
            pairs = [(one, other) for one in cluster.nodes for other in cluster.nodes if one != other]
            for one, other in pairs:
                assert await connect(cluster, nodes, one, other, f"{one}-{other}") == "connected"
                await nodes[one](f"say {one}-{other} ping")
                await hears(nodes, other, f"{one}-{other}", "ping")
                await nodes[other](f"say {one}-{other} pong")
                await hears(nodes, one, f"{one}-{other}", "pong")
            counters = await cluster.link_counters()
            assert set(counters) == {Link(*pair) for pair in pairs}
            assert all(seen.forwarded > 0 and seen.dropped == 0 for seen in counters.values())
            assert await cluster.overruns() == 0

    asyncio.run(scene())


@modes
def test_a_symmetric_cut_stops_both_directions_and_nobody_else(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(3, mode, tmp_path) as cluster:
            nodes = await start_all(cluster, tmp_path)
            await connect(cluster, nodes, "n1", "n2", "a")
            await connect(cluster, nodes, "n1", "n3", "b")
            await cluster.cut(both("n1", "n2"))
            before = await cluster.link_counters()
            await nodes["n1"]("say a lost")
            await nodes["n2"]("say a gone")
            await nodes["n1"]("say b kept")
            await hears(nodes, "n3", "b", "kept")
            assert await connect(cluster, nodes, "n2", "n1", "c", 0.5) == "TimeoutError"
            await stays_at(nodes, "n2", "a", "")
            await stays_at(nodes, "n1", "a", "")
            after = await cluster.link_counters()
            for link in both("n1", "n2"):
                assert after[link].dropped > before[link].dropped
                assert after[link].forwarded == before[link].forwarded
            assert after[Link("n1", "n3")].dropped == 0
            await cluster.cut(frozenset())
            await hears(nodes, "n2", "a", "lost")
            await hears(nodes, "n1", "a", "gone")

    asyncio.run(scene())


@modes
def test_a_one_way_cut_of_an_open_connection(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(2, mode, tmp_path) as cluster:
            nodes = await start_all(cluster, tmp_path)
            for key, dialler, listener in (("forth", "n1", "n2"), ("back", "n2", "n1")):
                await connect(cluster, nodes, dialler, listener, key)
                await nodes[dialler](f"say {key} hello")
                await hears(nodes, listener, key, "hello")
            await cluster.cut(frozenset({Link("n1", "n2")}))
            for key, before in (("forth", "hello"), ("back", "")):
                await nodes["n1"](f"say {key} never")
                # Two megabytes: far more than goes out before an acknowledgement has come back.
                for _ in range(32):
                    await nodes["n2"](f"say {key} {'x' * 65000}")
                heard = "x" * 65000 * 32 if key == "forth" else "hello" + "x" * 65000 * 32
                await hears(nodes, "n1", key, heard, 5.0)
                await stays_at(nodes, "n2", key, before)
            counters = await cluster.link_counters()
            assert counters[Link("n1", "n2")].dropped > 0
            assert counters[Link("n2", "n1")].dropped == 0
            await cluster.cut(frozenset())
            await hears(nodes, "n2", "forth", "hellonever")
            await hears(nodes, "n2", "back", "never")

    asyncio.run(scene())


@modes
def test_a_one_way_cut_for_new_connections(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(2, mode, tmp_path) as cluster:
            nodes = await start_all(cluster, tmp_path)
            await cluster.cut(frozenset({Link("n1", "n2")}))
            assert await connect(cluster, nodes, "n1", "n2", "forth", 0.5) == "TimeoutError"
            assert await connect(cluster, nodes, "n2", "n1", "back", 2.0) == "connected"
            await nodes["n2"]("say back news")
            await hears(nodes, "n1", "back", "news")
            await nodes["n1"]("say back reply")
            await stays_at(nodes, "n2", "back", "")
            # A refusal is an answer and passes: nobody listens on this port.
            refused = await nodes["n2"](f"connect r {cluster.addresses['n1'].host} 7999 2")
            assert refused == "ConnectionRefusedError"

    asyncio.run(scene())


def test_a_one_way_cut_does_not_slow_the_opposite_stream_when_both_sides_talk(tmp_path: Path) -> None:
    """Acknowledgements that ride on dropped data still arrive, and at once."""
    require_namespaces("userns")

    async def scene() -> None:
        async with cluster_of(2, "userns", tmp_path) as cluster:
            nodes = await start_all(cluster, tmp_path)
            await connect(cluster, nodes, "n2", "n1", "a")
            await nodes["n1"]("echo a")
            for number in range(20):  # makes n1's kernel wait with acknowledgements for its next data
                await nodes["n2"]("say a x")
                await hears(nodes, "n2", "a", "x" * (number + 1))
            await cluster.cut(frozenset({Link("n1", "n2")}))

            async def acknowledged() -> bool:
                return await nodes["n2"]("unacknowledged a") == "0"

            for number in range(20, 40):
                await nodes["n2"]("say a x")
                await hears(nodes, "n1", "a", "x" * (number + 1))
                await eventually(acknowledged, 0.15)  # less than any retransmission time-out
            assert (await cluster.link_counters())[Link("n1", "n2")].dropped >= 5
            assert await nodes["n2"]("heard a") == "heard " + "x" * 20
            await cluster.cut(frozenset())
            await hears(nodes, "n2", "a", "x" * 40)

    asyncio.run(scene())


def test_the_end_of_a_node_is_no_news_across_a_one_way_cut(tmp_path: Path) -> None:
    require_namespaces("userns")

    async def scene() -> None:
        async with cluster_of(2, "userns", tmp_path) as cluster:
            nodes = await start_all(cluster, tmp_path)
            await connect(cluster, nodes, "n2", "n1", "a")
            await connect(cluster, nodes, "n2", "n1", "b")
            await cluster.cut(frozenset({Link("n1", "n2")}))
            await nodes["n1"]("close a")
            await cluster.kill("n1")
            await nodes["n2"]("say b anyone")  # n1's kernel answers this with a reset
            await stays_at(nodes, "n2", "a", "")
            await stays_at(nodes, "n2", "b", "")
            await cluster.cut(frozenset())
            await hears(nodes, "n2", "a", "<end>")
            await hears(nodes, "n2", "b", "<ConnectionResetError>")

    asyncio.run(scene())


def test_each_cut_replaces_the_one_before(tmp_path: Path) -> None:
    require_namespaces("userns")

    async def scene() -> None:
        async with cluster_of(3, "userns", tmp_path) as cluster:
            nodes = await start_all(cluster, tmp_path)
            await connect(cluster, nodes, "n1", "n2", "a")
            await connect(cluster, nodes, "n2", "n3", "b")
            await cluster.cut(both("n1", "n2"))
            await cluster.cut(both("n1", "n2") | both("n2", "n3"))
            await nodes["n2"]("say a 1")
            await nodes["n2"]("say b 1")
            await stays_at(nodes, "n1", "a", "")
            await stays_at(nodes, "n3", "b", "")
            # From both to one direction: what n2 says to n1 passes again, not the opposite.
            await cluster.cut(both("n2", "n3") | {Link("n1", "n2")})
            await hears(nodes, "n1", "a", "1")
            await nodes["n1"]("say a 2")
            await stays_at(nodes, "n2", "a", "")
            await stays_at(nodes, "n3", "b", "")
            await cluster.cut(frozenset())
            await hears(nodes, "n3", "b", "1")
            await hears(nodes, "n2", "a", "2")

    asyncio.run(scene())


@modes
def test_traffic_is_back_within_two_seconds_of_a_heal(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(2, mode, tmp_path) as cluster:
            nodes = await start_all(cluster, tmp_path)
            await connect(cluster, nodes, "n1", "n2", "a")
            await cluster.cut(both("n1", "n2"))
            await nodes["n1"]("say a late")
            second = {"n2": await talker(cluster, "n2")}
            connecting = asyncio.create_task(connect(cluster, second, "n2", "n1", "b", 10.0))
            await asyncio.sleep(5)
            await cluster.cut(frozenset())
            assert await hears(nodes, "n2", "a", "late", 2.0) < 2.0
            async with asyncio.timeout(2):
                assert await connecting == "connected"

    asyncio.run(scene())


def test_links_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    require_namespaces("userns")

    async def scene() -> None:
        async with cluster_of(2, "userns", tmp_path) as cluster:
            for link in (Link("n1", "n9"), Link("n1", "n1"), Link("clients", "n1")):
                with pytest.raises(ClusterError, match="no link between nodes"):
                    await cluster.cut(frozenset({link}))

    asyncio.run(scene())


def test_two_clusters_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    require_namespaces("userns")

    async def scene() -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        async with cluster_of(2, "userns", one) as first, cluster_of(2, "userns", other) as second:
            mine, theirs = await asyncio.gather(start_all(first, one), start_all(second, other))
            await connect(first, mine, "n1", "n2", "a")
            await connect(second, theirs, "n1", "n2", "a")
            await first.cut(both("n1", "n2"))
            await mine["n1"]("say a x")
            await theirs["n1"]("say a y")
            await hears(theirs, "n2", "a", "y")
            await stays_at(mine, "n2", "a", "")
            assert all(seen.dropped == 0 for seen in (await second.link_counters()).values())

    asyncio.run(scene())
