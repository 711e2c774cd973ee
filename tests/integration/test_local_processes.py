"""Nodes as processes of the place: where they run, how they are started, paused and ended, who survives whom."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from pathlib import Path

import pytest

from harness.cluster.base import OPTIONAL, ClusterError, Launch
from harness.cluster.local import pids
from harness.cluster.local.cluster import LocalCluster
from harness.cluster.local.messages import UsedMode
from harness.cluster.local.wire import LocalWire
from nemesis.ground import ProcessState, Run
from tests.integration.local_support import (
    Talker,
    ask_once,
    cluster_of,
    eventually,
    launch_of,
    require_namespaces,
    start_all,
    start_alone,
    talker,
)

pytestmark = pytest.mark.integration
modes = pytest.mark.parametrize("mode", ["root", "userns", "loopback"])
namespaces = pytest.mark.parametrize("mode", ["root", "userns"])


@namespaces
def test_nodes_run_on_machines_of_their_own(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        own = network_of_this_process()
        async with cluster_of(5, mode, tmp_path) as cluster:
            nodes = await start_all(cluster, tmp_path)
            networks = {await nodes[node]("network") for node in cluster.nodes}
            assert len(networks) == 5
            assert own not in {f"net:[{network}]" for network in networks}
            assert [address.host for address in cluster.addresses.values()] == [
                f"10.77.0.{number}" for number in range(1, 6)
            ]
            works = {ability.name: ability.works for ability in cluster.abilities}
            assert {"clocks", "epochs"} <= works.keys()  # the machine's, see test_local_clocks
            assert {name: works[name] for name in works.keys() - {"clocks", "epochs"}} == {
                "namespaces": True,
                "links": True,
                "processes": True,
                **{name: name not in ("disk", "power") for name in OPTIONAL if name != "clocks"},
            }
        assert network_of_this_process() == own

    asyncio.run(scene())


@modes
def test_life_and_death_of_a_process(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(1, mode, tmp_path) as cluster:
            never = ProcessState("n1", 0, Run.GONE)
            assert await cluster.process("n1") == never
            assert await cluster.kill("n1") == never
            launch = launch_of(cluster, "n1", tmp_path)
            pid = await cluster.spawn("n1", launch)
            assert pids.identify(pid) is not None
            with pytest.raises(ClusterError, match="still runs"):
                await cluster.spawn("n1", launch)
            first = await talker(cluster, "n1")
            assert await cluster.pause("n1") == ProcessState("n1", pid, Run.STOPPED)
            assert pids.is_stopped(pid)
            with pytest.raises(TimeoutError):
                await first("network", 0.2)
            assert await cluster.resume("n1") == ProcessState("n1", pid, Run.RUNNING)
            await ask_once(cluster, "n1", "network")
            first.close()
            await cluster.pause("n1")
            killed = ProcessState("n1", pid, Run.GONE, -signal.SIGKILL)
            assert await cluster.kill("n1") == killed
            assert await cluster.process("n1") == killed
            assert await cluster.kill("n1") == killed
            assert await cluster.resume("n1") == killed
            assert await cluster.pause("n1") == killed
            again = await cluster.spawn("n1", launch)
            assert again != pid
            await ask_once(cluster, "n1", "network")
            assert await cluster.terminate("n1", 5) == ProcessState("n1", again, Run.GONE, -signal.SIGTERM)

    asyncio.run(scene())


def test_a_node_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    async def scene() -> None:
        async with cluster_of(1, "loopback", tmp_path) as cluster:
            script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
            await cluster.spawn("n1", shell(tmp_path, script))
            await eventually_logged(tmp_path, "ready")
            assert (await cluster.terminate("n1", 0.2)).exit_code == -signal.SIGKILL

    asyncio.run(scene())


def test_the_exit_status_of_a_node_that_ends_by_itself(tmp_path: Path) -> None:
    async def scene() -> None:
        async with cluster_of(1, "loopback", tmp_path) as cluster:
            for status in (0, 3):
                await cluster.spawn("n1", shell(tmp_path, f"exit {status}"))

                async def gone() -> bool:
                    return (await cluster.process("n1")).run is Run.GONE

                await eventually(gone, 5)
                assert (await cluster.process("n1")).exit_code == status

    asyncio.run(scene())


@modes
def test_a_kill_takes_the_whole_process_group(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(2, mode, tmp_path) as cluster:
            nodes = await start_all(cluster, tmp_path)
            child, orphan = int(await nodes["n1"]("child")), int(await nodes["n1"]("orphan"))
            other = int(await nodes["n2"]("orphan"))
            await cluster.pause("n1")

            async def stopped() -> bool:
                return pids.is_stopped(child) and pids.is_stopped(orphan)

            await eventually(stopped, 2)
            await cluster.kill("n1")
            assert pids.identify(child) is None
            assert pids.identify(orphan) is None
            assert pids.identify(other) is not None
        assert pids.identify(other) is None

    asyncio.run(scene())


@namespaces
def test_a_node_inherits_nothing_but_its_log(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(1, mode, tmp_path) as cluster:
            launch = dataclasses.replace(launch_of(cluster, "n1", tmp_path), environment={"COLOUR": "blue"})
            await cluster.spawn("n1", launch)
            node = await talker(cluster, "n1")
            # What is open: stdin, the log twice, and asyncio's own epoll and sockets; no namespace, no packet socket.
            descriptors = (await node("descriptors")).split()
            assert not [name for name in descriptors if "net:" in name]
            assert descriptors.count(str(tmp_path / "n1.log")) == 2
            assert {"COLOUR", "PATH", "HOME", "LANG"} <= set((await node("environment")).split())
            assert not {"USER", "PYTHONPATH"} & set((await node("environment")).split())
            assert len(descriptors) < 12

    asyncio.run(scene())


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    async def scene() -> None:
        async with cluster_of(1, "loopback", tmp_path) as cluster:
            missing = Launch(("/no/such/program",), tmp_path, tmp_path / "n1.log", {})
            with pytest.raises(ClusterError, match=r"cannot start n1.*No such file"):
                await cluster.spawn("n1", missing)
            with pytest.raises(ClusterError, match="no node 'n7' here; there are n1"):
                await cluster.spawn("n7", missing)
            huge = dataclasses.replace(missing, environment={"X": "x" * 70_000})
            with pytest.raises(ClusterError, match="over the limit"):
                await cluster.spawn("n1", huge)
            assert (await cluster.process("n1")).run is Run.GONE

    asyncio.run(scene())


@modes
def test_dialling_finds_out_what_is_wrong_with_a_node(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(2, mode, tmp_path) as cluster:
            with pytest.raises(ConnectionRefusedError, match="cannot connect to n1"):
                await cluster.dial("n1")
            await start_alone(cluster, tmp_path)
            wires = await asyncio.gather(*(cluster.dial("n1") for _ in range(200)))
            answers = await asyncio.gather(*(Talker(wire)("network") for wire in wires))
            assert len(set(answers)) == 1
            await cluster.kill("n1")
            for wire in wires:
                assert await wire.read() == b""
                wire.write(b"into the void")
                wire.close()
                wire.close()
                assert await wire.read() == b""

    asyncio.run(scene())


def test_a_slow_dial_holds_up_nobody(tmp_path: Path) -> None:
    """A stopped node with a full backlog takes no connection: others are served meanwhile."""
    require_namespaces("userns")

    async def scene() -> None:
        async with cluster_of(2, "userns", tmp_path) as cluster:
            await start_alone(cluster, tmp_path)
            await cluster.pause("n1")
            dials = [asyncio.create_task(cluster.dial("n1")) for _ in range(180)]
            started = asyncio.get_running_loop().time()
            await ask_once(cluster, "n2", "network")
            assert asyncio.get_running_loop().time() - started < 1.0
            outcomes = await asyncio.gather(*dials, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {LocalWire, TimeoutError}
            for outcome in outcomes:
                if isinstance(outcome, LocalWire):
                    outcome.close()

    asyncio.run(scene())


def network_of_this_process() -> str:
    return str(Path("/proc/self/ns/net").readlink())


def shell(directory: Path, script: str) -> Launch:
    return Launch(("/bin/sh", "-c", script), directory, directory / "shell.log", {})


async def eventually_logged(directory: Path, text: str) -> None:
    async def logged() -> bool:
        return text in await asyncio.to_thread((directory / "shell.log").read_text)

    await eventually(logged, 5)


def test_a_cluster_of_no_or_too_many_nodes_is_refused(tmp_path: Path) -> None:
    for count in (0, 65):
        with pytest.raises(ClusterError, match="1 to 64 nodes"):
            LocalCluster(count, "loopback", tmp_path)


def test_a_cluster_is_used_between_setup_and_teardown(tmp_path: Path) -> None:
    async def scene() -> None:
        cluster = LocalCluster(1, "loopback", tmp_path)
        with pytest.raises(ClusterError, match="not set up"):
            await cluster.process("n1")
        await cluster.setup()
        with pytest.raises(ClusterError, match="set up already"):
            await cluster.setup()
        await cluster.teardown()
        await cluster.teardown()
        with pytest.raises(ClusterError, match="not set up"):
            await cluster.process("n1")

    asyncio.run(scene())
