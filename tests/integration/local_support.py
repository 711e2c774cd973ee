"""What tests of the place ``local`` share: skipping with a reason, a cluster for a block, nodes to talk to."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from harness.cluster.base import Launch, Wire
from harness.cluster.local.cluster import LocalCluster
from harness.cluster.local.messages import Mode, UsedMode

REPOSITORY = Path(__file__).resolve().parents[2]
NODE_SCRIPT = Path(__file__).with_name("local_node.py")
START_LIMIT_S = 10.0


@functools.cache
def _why_not(mode: UsedMode) -> str:
    done = subprocess.run(
        (sys.executable, "-P", "-m", "harness.cluster.local.probe", mode),
        cwd=REPOSITORY,
        env={"PYTHONPATH": ":".join([str(REPOSITORY), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout


def require_namespaces(mode: UsedMode) -> None:
    """Skip the test, with the reason that the kernel gives, where this mode does not work."""
    reason = _why_not(mode)
    if reason:
        pytest.skip(f"mode {mode} does not work on this machine: {reason}")


def require_disks() -> None:
    """Skip the test, with the reason, where disks that fail and forget cannot be had."""
    from nemesis.fuse import mount

    try:
        mount.load()
    except mount.FuseError as error:
        pytest.skip(f"no FUSE on this machine: {error}")


@asynccontextmanager
async def cluster_of(
    nodes: int, mode: Mode, directory: Path, *, bends_clocks: bool = False
) -> AsyncIterator[LocalCluster]:
    """Be a cluster, with no node started, for the block."""
    cluster = LocalCluster(nodes, mode, directory, bends_clocks=bends_clocks)
    await cluster.setup()
    try:
        yield cluster
    finally:
        await cluster.teardown()


def launch_of(cluster: LocalCluster, node: str, directory: Path) -> Launch:
    """Return what starts the test node."""
    address = cluster.addresses[node]
    argv = (sys.executable, "-S", "-E", str(NODE_SCRIPT), node, address.host, str(address.port))
    return Launch(argv, directory, directory / f"{node}.log", {})


class Talker:
    """A control connection to a test node: a command, its answer."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._buffer = b""
        wire.write(b"control\n")

    async def __call__(self, command: str, limit_s: float = 10.0) -> str:
        self._wire.write(command.encode() + b"\n")
        async with asyncio.timeout(limit_s):
            while b"\n" not in self._buffer:
                data = await self._wire.read()
                if not data:
                    raise ConnectionError("the node has closed the connection")
                self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def close(self) -> None:
        self._wire.close()


async def talker(cluster: LocalCluster, node: str) -> Talker:
    """Dial a node that is just starting."""
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            return Talker(await cluster.dial(node))
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.005)


async def ask_once(cluster: LocalCluster, node: str, command: str) -> str:
    """Dial, ask, hang up."""
    node_talker = await talker(cluster, node)
    try:
        return await node_talker(command)
    finally:
        node_talker.close()


async def start_all(cluster: LocalCluster, directory: Path) -> dict[str, Talker]:
    """Start a test node everywhere and return how to talk to each."""
    for node in cluster.nodes:
        await cluster.spawn(node, launch_of(cluster, node, directory))
    return {node: await talker(cluster, node) for node in cluster.nodes}


async def start_alone(cluster: LocalCluster, directory: Path) -> None:
    """Start a test node everywhere, wait until each listens, and leave no connection to it."""
    for node_talker in (await start_all(cluster, directory)).values():
        node_talker.close()


async def connect(
    cluster: LocalCluster, nodes: dict[str, Talker], source: str, destination: str, key: str, limit_s: float = 5.0
) -> str:
    """Have one node connect to another one; both then know the connection by ``key``."""
    address = cluster.addresses[destination]
    return await nodes[source](f"connect {key} {address.host} {address.port} {limit_s}", limit_s + 5)


async def eventually(condition: Callable[[], Awaitable[bool]], limit_s: float) -> float:
    """Wait until the condition holds and return after how many seconds; fail after the limit."""
    started = time.monotonic()
    while not await condition():
        elapsed = time.monotonic() - started
        assert elapsed < limit_s, f"did not come about within {limit_s} s"
        await asyncio.sleep(0.01)
    return time.monotonic() - started


async def hears(nodes: dict[str, Talker], node: str, key: str, text: str, limit_s: float = 20.0) -> float:
    """Wait until a node has heard exactly this over a connection; return after how many seconds."""

    async def heard() -> bool:
        return await nodes[node](f"heard {key}") == f"heard {text}"

    return await eventually(heard, limit_s)
