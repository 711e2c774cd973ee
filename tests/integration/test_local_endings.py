"""Who survives whom: nothing of a cluster may outlive its controller, whatever dies and however."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cluster.base import ClusterError
from harness.cluster.local import ledger, leftovers, pids
from harness.cluster.local.cluster import LocalCluster
from harness.cluster.local.ledger import Ledger
from harness.cluster.local.messages import UsedMode
from nemesis.ground import Link
from tests.integration.local_support import (
    REPOSITORY,
    cluster_of,
    require_namespaces,
    start_alone,
)

pytestmark = pytest.mark.integration
modes = pytest.mark.parametrize("mode", ["root", "userns", "loopback"])
namespaces = pytest.mark.parametrize("mode", ["root", "userns"])

END_LIMIT_S = 5.0

CONTROLLER = """
import asyncio, os, sys
from pathlib import Path
from tests.integration.local_support import start_alone
from harness.cluster.local.cluster import LocalCluster

async def main(mode, directory):
    cluster = LocalCluster(3, mode, directory)
    await cluster.setup()
    await start_alone(cluster, directory)
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
"""


def book_of(directory: Path) -> Ledger:
    book = ledger.read(directory)
    assert book is not None
    return book


def members(book: Ledger) -> list[pids.Identity]:
    return [book.warden, *([book.switch] if book.switch else []), *book.nodes.values()]


def wait_for_the_end(processes: list[pids.Identity]) -> None:
    deadline = time.monotonic() + END_LIMIT_S
    while left := [process.pid for process in processes if pids.is_alive(process)]:
        assert time.monotonic() < deadline, f"still alive: {left}"
        time.sleep(0.005)


def networks_of(processes: list[pids.Identity]) -> set[str]:
    """Return the network namespaces that these processes live in or hold open, other than this process's own."""
    found = set()
    for process in processes:
        root = Path(f"/proc/{process.pid}")
        with contextlib.suppress(OSError):
            found |= {str(entry.readlink()) for entry in (root / "ns/net", *(root / "fd").iterdir())}
    return {name for name in found if name.startswith("net:")} - {str(Path("/proc/self/ns/net").readlink())}


def everyone() -> set[pids.Identity]:
    """Return all processes of the machine."""
    found = (pids.identify(int(entry.name)) for entry in Path("/proc").glob("[0-9]*"))
    return {process for process in found if process is not None}


def holders(networks: set[str], among: set[pids.Identity]) -> list[pids.Identity]:
    """Return who still lives in one of these namespaces or holds it open.

    ``among`` are the processes that were there before the end: the kernel gives a namespace's number to the next one.
    """
    return [process for process in among if pids.is_alive(process) and networks & networks_of([process])]


@contextlib.contextmanager
def controller(mode: UsedMode, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a cluster of three nodes in a process of its own."""
    with subprocess.Popen(
        (sys.executable, "-P", "-c", CONTROLLER, mode, str(directory)),
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@modes
def test_nothing_survives_a_killed_controller(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)
    with controller(mode, tmp_path) as process:
        started = members(book_of(tmp_path))
        assert len(started) == 5  # controller, warden, switch or proxies, two nodes
        assert all(pids.is_alive(member) for member in started)
        networks = networks_of(started)
        before = everyone()
        assert len(networks) == (0 if mode == "loopback" else 5)
        assert leftovers.find(tmp_path) == []
        process.kill()
        wait_for_the_end(started)
        assert holders(networks, before) == []
    assert not (tmp_path / "warden.json").exists()
    assert leftovers.find(tmp_path) == []


@modes
def test_nothing_survives_a_killed_warden(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        cluster = LocalCluster(2, mode, tmp_path)
        await cluster.setup()
        await start_alone(cluster, tmp_path)
        started = members(book_of(tmp_path))
        networks = networks_of(started)
        before = everyone()
        os.kill(started[0].pid, signal.SIGKILL)
        with pytest.raises(ClusterError, match=r"the warden \(pid \d+, log .*\) is gone"):
            await cluster.process("n1")
        await asyncio.to_thread(wait_for_the_end, started[1:])
        with pytest.raises(ClusterError, match=r"the warden .* is gone"):
            await cluster.dial("n1")
        await cluster.teardown()
        assert holders(networks, before) == []
        assert leftovers.find(tmp_path) == []

    asyncio.run(scene())


@namespaces
def test_a_dead_switch_is_a_failure_of_the_harness(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(2, mode, tmp_path) as cluster:
            await start_alone(cluster, tmp_path)
            switch = book_of(tmp_path).switch
            assert switch is not None
            os.kill(switch.pid, signal.SIGKILL)
            await asyncio.to_thread(wait_for_the_end, [switch])
            with pytest.raises(ClusterError, match="the switch has died"):
                await cluster.process("n1")
            with pytest.raises(ClusterError, match="the switch has died"):
                await cluster.cut(frozenset({Link("n1", "n2")}))
            with pytest.raises(ClusterError, match="the switch has died"):
                await cluster.dial("n1")

    asyncio.run(scene())


@modes
def test_a_teardown_leaves_nothing(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(2, mode, tmp_path) as cluster:
            await start_alone(cluster, tmp_path)
            await cluster.pause("n2")
            open_wire = await cluster.dial("n1")
            started = members(book_of(tmp_path))
            networks = networks_of(started)
            before = everyone()
        assert not [member for member in started if pids.is_alive(member)]
        assert holders(networks, before) == []
        assert await open_wire.read() == b""

    asyncio.run(scene())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n1.log", "n2.log", "warden.log"]
    assert (tmp_path / "warden.log").read_text() == ""


def test_leftovers_of_a_stopped_warden_are_found_and_ended(tmp_path: Path) -> None:
    require_namespaces("userns")
    with controller("userns", tmp_path) as process:
        started = members(book_of(tmp_path))
        os.kill(started[0].pid, signal.SIGSTOP)
        process.kill()
        process.wait()
        found = leftovers.find(tmp_path)
        assert [leftover.name for leftover in found] == ["warden", "switch", "n1", "n2", "n3"]
        assert leftovers.end(found[3])
        assert not pids.is_alive(started[3])
        assert leftovers.end(found[0])
        for leftover in found:
            leftovers.end(leftover)
        wait_for_the_end(started)
        assert not leftovers.end(found[0])
        assert leftovers.find(tmp_path) == []
        assert not (tmp_path / "warden.json").exists()


def test_nobody_elses_process_is_taken_for_a_leftover(tmp_path: Path) -> None:
    with subprocess.Popen(("sleep", "60")) as stranger:
        mine = pids.identify(stranger.pid)
        assert mine is not None
        gone = pids.Identity(mine.pid, mine.started_ticks - 1)
        ledger.write(tmp_path, Ledger(pids.boot_id(), gone, gone, None, {"n1": gone}))
        assert leftovers.find(tmp_path) == []
        assert not leftovers.end(leftovers.Leftover("n1", gone, tmp_path))
        ledger.write(tmp_path, Ledger("another boot", gone, mine, None, {}))
        assert leftovers.find(tmp_path) == []
        assert stranger.poll() is None
        stranger.kill()


def test_a_damaged_ledger_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "warden.json").write_text('{"warden": 7')
    with pytest.raises(ClusterError, match="look for its processes by hand"):
        leftovers.find(tmp_path)


def test_loopback_clusters_have_addresses_of_their_own(tmp_path: Path) -> None:
    async def scene() -> None:
        async with (
            cluster_of(3, "loopback", tmp_path / "one") as first,
            cluster_of(3, "loopback", tmp_path / "two") as second,
        ):
            hosts = [address.host for cluster in (first, second) for address in cluster.addresses.values()]
            assert len(set(hosts)) == 6
            assert all(host.startswith("127.77.") for host in hosts)
            await start_alone(first, tmp_path / "one")
            await start_alone(second, tmp_path / "two")
            by_name = {ability.name: ability for ability in first.abilities}
            assert by_name["links"].works
            assert not by_name["frames"].works
            assert "mode auto" in by_name["frames"].missing
            await first.cut(frozenset({Link("n1", "n2")}))
            assert len(await first.link_counters()) == 6

    asyncio.run(scene())


def test_a_setup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        occupied = tmp_path / "file"
        occupied.write_text("")
        with pytest.raises(ClusterError, match="cannot set up"):
            await LocalCluster(1, "loopback", occupied).setup()
        async with cluster_of(1, "auto", tmp_path / "run"):
            book = ledger.read(tmp_path / "run")
            with pytest.raises(ClusterError, match="belongs to another cluster, of which warden"):
                await LocalCluster(1, "auto", tmp_path / "run").setup()
            assert ledger.read(tmp_path / "run") == book

    asyncio.run(scene())


def test_a_warden_that_has_to_give_up_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    """The ledger cannot be written, at a time when network and switch are already made."""
    require_namespaces("userns")

    async def scene() -> None:
        cluster = LocalCluster(1, "userns", tmp_path / "run")
        setup = asyncio.create_task(cluster.setup())
        await asyncio.sleep(0)  # the warden is started, and its log open
        children = children_of_this_process()
        remove_with_log(tmp_path / "run")
        with pytest.raises(ClusterError, match="cannot write"):
            await setup
        with pytest.raises(ClusterError, match="not set up"):
            await cluster.process("n1")
        assert children
        assert not [process for process in children if pids.is_alive(process)]

    asyncio.run(scene())


def remove_with_log(directory: Path) -> None:
    (directory / "warden.log").unlink()
    directory.rmdir()


def children_of_this_process() -> list[pids.Identity]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [process for process in map(pids.identify, map(int, listed)) if process is not None]
