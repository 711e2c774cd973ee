"""Heartbeats of a real cluster on this machine, as one of its members hears them.

The recorder starts all members but the last as processes, and is the last one itself: it listens at that member's
address and notes when each heartbeat comes, and says nothing. The others are a majority, so they elect a leader
without it. What it hears has gone through the leader's process, the kernel and an event loop like its own, under
whatever load the machine has; that, more than the network, is what detectors on one machine are up against.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from harness.tuning.trace import MS, Trace, made
from node import wire
from node.client import Client, tcp_dialer
from node.paxos.messages import Heartbeat

CLUSTER = "antipaxos-tune"
HOST = "127.0.0.1"
ROUND_TRIP_EVERY_S = 0.2
STOP_TIMEOUT_S = 10.0
NODES_MIN, NODES_MAX = 3, 9
REPOSITORY = Path(__file__).resolve().parents[2]


class RecorderError(Exception):
    """The cluster could not be recorded."""


class Ear(asyncio.Protocol):
    """One member's connection to the recorder."""

    def __init__(self, heard: Callable[[int, Heartbeat, int], None]) -> None:
        self._heard = heard
        self._frames = wire.FrameReader(wire.PEER_FRAME_BYTES_MAX)
        self._sender = 0
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connects."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Note the time first."""
        now = time.monotonic_ns()
        try:
            for frame in self._frames.feed(data):
                if not self._sender:
                    hello = wire.decode_hello(frame)
                    self._sender = hello.node if isinstance(hello, wire.PeerHello) else -1
                elif isinstance(message := wire.decode_message(frame), Heartbeat):
                    self._heard(self._sender, message, now)
        except wire.FrameError:
            if self._transport is not None:
                self._transport.close()


class Recorder:
    """A cluster, and what is heard of it."""

    def __init__(self, nodes: int, heartbeat_ms: int) -> None:
        self._nodes = nodes
        self._heartbeat_ms = heartbeat_ms
        self._beats: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._round_trips: list[int] = []

    async def record(self, seconds: float) -> Trace:
        """Record for so long. Raises RecorderError, TraceError, OSError."""
        addresses = _free_addresses(self._nodes)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Ear(self._hear), *addresses[self._nodes])
        with tempfile.TemporaryDirectory(prefix="antipaxos-tune-") as folder:
            processes = [self._start(node, addresses, Path(folder)) for node in range(1, self._nodes)]
            try:
                await self._listen(seconds, processes, addresses)
            finally:
                server.close()
                _stop(processes)
        source = f"{self._nodes - 1} nodes on this machine and the recorder, {seconds:g} s"
        return made(self._heartbeat_ms * MS, source, self._beats, self._round_trips, "the recorded cluster")

    async def _listen(
        self, seconds: float, processes: list[subprocess.Popen[bytes]], addresses: dict[int, tuple[str, int]]
    ) -> None:
        client = Client(tuple(addresses)[:-1], tcp_dialer(addresses), CLUSTER)
        end = time.monotonic() + seconds
        node = 0
        try:
            while time.monotonic() < end:
                await asyncio.sleep(ROUND_TRIP_EVERY_S)
                for number, process in enumerate(processes, start=1):
                    if process.poll() is not None:
                        raise RecorderError(f"node {number} has ended with status {process.returncode}")
                node = node % (self._nodes - 1) + 1
                begun = time.monotonic_ns()
                try:
                    await client.status(node, 1.0)
                except OSError:
                    continue  # it is still starting, or slow: that is no round trip
                self._round_trips.append(time.monotonic_ns() - begun)
        finally:
            client.close()

    def _hear(self, sender: int, message: Heartbeat, now: int) -> None:
        self._beats[f"n{sender} in {message.ballot}"].append((message.age_ns, now))

    def _start(self, node: int, addresses: dict[int, tuple[str, int]], folder: Path) -> subprocess.Popen[bytes]:
        peers = ",".join(f"{number}={host}:{port}" for number, (host, port) in addresses.items())
        timeout = max(400, 8 * self._heartbeat_ms)
        words = ["--id", str(node), "--peers", peers, "--data", str(folder / f"n{node}"), "--cluster", CLUSTER]
        words += ["--set", f"heartbeat_ms={self._heartbeat_ms}", "--set", f"election_timeout_ms={timeout}"]
        with (folder / f"n{node}.log").open("wb") as log:
            return subprocess.Popen([sys.executable, "-m", "node", "serve", *words], cwd=REPOSITORY, stderr=log)


def record(nodes: int, heartbeat_ms: int, seconds: float) -> Trace:
    """Record a cluster of so many members. Raises RecorderError, TraceError, OSError."""
    if not NODES_MIN <= nodes <= NODES_MAX:
        raise RecorderError(f"{nodes} nodes: there must be {NODES_MIN} to {NODES_MAX}")
    return asyncio.run(Recorder(nodes, heartbeat_ms).record(seconds))


def _free_addresses(nodes: int) -> dict[int, tuple[str, int]]:
    sockets = [socket.create_server((HOST, 0)) for _ in range(nodes)]
    addresses = {node: (HOST, int(sock.getsockname()[1])) for node, sock in enumerate(sockets, start=1)}
    for sock in sockets:
        sock.close()
    return addresses


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
