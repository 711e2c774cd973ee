"""How fast three nodes on loopback serve, beside what this disk can sync in the same minute.

    .venv/bin/python benchmarks/node_load.py

Closed loop: each client has one operation under way; half writes, half linearizable reads, over all nodes.
The ratio compares write rounds with the rate at which three writers can append and sync 256 bytes each on this disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from node.client import Client, ClientError, tcp_dialer
from node.kv import Read, Write

OPERATIONS = 6_000
CLIENTS = (1, 16, 64)
SYNC_S = 2.0


def main() -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory(prefix="antipaxos-bench-") as folder:
        syncs = three_writers(Path(folder))
        print(f"three writers, append 256 bytes and fdatasync: {syncs:.0f} syncs/s each")
        print("clients   ops/s   p50 ms   p99 ms   writes/s over syncs/s")
        with nodes(Path(folder)) as addresses:
            for clients in CLIENTS:
                rate, latencies = uvloop.run(load(addresses, clients))
                p50, p99 = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
                print(f"{clients:7d} {rate:7.0f} {p50 * 1e3:8.2f} {p99 * 1e3:8.2f} {rate / 2 / syncs:12.2f}")


def three_writers(folder: Path) -> float:
    """Return the mean rate of three threads that append and sync at once, per thread."""
    counts = [0, 0, 0]
    deadline = time.monotonic() + SYNC_S

    def write(number: int) -> None:
        fd = os.open(folder / f"sync{number}", os.O_WRONLY | os.O_CREAT, 0o644)
        while time.monotonic() < deadline:
            os.write(fd, bytes(256))
            os.fdatasync(fd)
            counts[number] += 1
        os.close(fd)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / 3 / SYNC_S


@contextlib.contextmanager
def nodes(folder: Path) -> Iterator[dict[int, tuple[str, int]]]:
    """Run three nodes on free ports."""
    addresses = {node: ("127.0.0.1", free_port()) for node in (1, 2, 3)}
    peers = ",".join(f"{node}={host}:{port}" for node, (host, port) in addresses.items())
    command = [sys.executable, "-m", "node", "serve", "--peers", peers]
    running = [
        subprocess.Popen([*command, "--id", str(node), "--data", str(folder / f"n{node}")], stderr=subprocess.DEVNULL)
        for node in addresses
    ]
    try:
        yield addresses
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def load(addresses: dict[int, tuple[str, int]], clients: int) -> tuple[float, list[float]]:
    """Return operations a second and all latencies, sorted, in seconds."""
    latencies: list[float] = []

    async def one(number: int) -> None:
        client = Client(tuple(addresses), tcp_dialer(addresses), "antipaxos", home=number % 3 + 1)
        await ready(client)
        for operation in range(OPERATIONS // clients):
            begun = time.perf_counter()
            await client.execute(Write(f"k{number}", operation) if operation % 2 else Read(f"k{number}"), 5.0)
            latencies.append(time.perf_counter() - begun)
        client.close()

    await one_write(addresses)
    begun = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(clients)))
    return len(latencies) / (time.perf_counter() - begun), sorted(latencies)


async def one_write(addresses: dict[int, tuple[str, int]]) -> None:
    """Wait until the cluster serves."""
    client = Client(tuple(addresses), tcp_dialer(addresses), "antipaxos")
    await ready(client)
    client.close()


async def ready(client: Client) -> None:
    """Write until it works."""
    for _ in range(20):
        with contextlib.suppress(ClientError):
            await client.execute(Write("ready", 1), 2.0)
            return
    raise SystemExit("the nodes do not serve")


if __name__ == "__main__":
    main()
