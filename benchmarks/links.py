"""What the links of the place ``local`` cost: set-up, round trips, bulk streams, and how exact a delay is.

    python benchmarks/links.py [--modes root,userns,loopback] [--repetitions 5] [--seconds 2]

Five nodes. A round trip is one byte over TCP and back, p50 and p99 of 3,000; "own" is the same to the node's own
address, which no link carries: the difference is what the link adds. A bulk stream is one TCP connection from n1 to
n2, written as fast as it goes. A delay is measured as the shift of the median round trip by 5 ms each way.
Everything here is processes and sockets; nothing is simulated.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from harness.cluster.base import Launch
from harness.cluster.local.cluster import LocalCluster
from nemesis.delays import Delay
from nemesis.ground import Link, Run, Weather

HERE = Path(__file__).resolve()
ROUND_TRIPS = 3_000
DELAYED_ROUND_TRIPS = 100
PIECE_BYTES = 1 << 20
DELAY_MS = 5
START_LIMIT_S = 10.0
STREAM_MOST_BYTES = 8 << 30


def serve(host: str, port: int) -> None:
    """Be a node: echo what comes, or count it, as the first byte of the connection says."""
    with socket.create_server((host, port), backlog=64) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_handle, args=(connection,), daemon=True).start()


def _handle(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        if connection.recv(1) == b"e":
            while data := connection.recv(64):
                connection.sendall(data)
            return
        buffer = bytearray(PIECE_BYTES)
        total = 0
        while size := connection.recv_into(buffer):
            total += size
        connection.sendall(b"%d\n" % total)


def load(what: str, targets: dict[str, tuple[str, int]], seconds: float, out: Path) -> None:
    """Be the node that measures: write what was found to a file, whole."""
    found: dict[str, Any] = {}
    if what == "plain":
        for name, address in targets.items():
            found[name] = _round_trips(address, ROUND_TRIPS)
        found["gbit_per_s"] = _stream(targets["link"], seconds)
    else:
        found["link"] = _round_trips(targets["link"], DELAYED_ROUND_TRIPS)
    draft = out.with_suffix(".draft")
    draft.write_text(json.dumps(found))
    draft.replace(out)


def _connect(address: tuple[str, int], kind: bytes) -> socket.socket:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            connection = socket.create_connection(address)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(kind)
    return connection


def _round_trips(address: tuple[str, int], count: int) -> dict[str, float]:
    times = []
    with _connect(address, b"e") as connection:
        for number in range(count + count // 10):
            began = time.perf_counter_ns()
            connection.sendall(b"x")
            connection.recv(1)
            if number >= count // 10:  # the first ones warm up
                times.append((time.perf_counter_ns() - began) / 1_000)
    times.sort()
    return {"p50_us": round(times[count // 2], 1), "p99_us": round(times[count * 99 // 100], 1)}


def _stream(address: tuple[str, int], seconds: float) -> float:
    piece = memoryview(bytes(PIECE_BYTES))
    with _connect(address, b"s") as connection:
        began = time.monotonic()
        sent = 0
        while time.monotonic() - began < seconds and sent < STREAM_MOST_BYTES:
            connection.sendall(piece)
            sent += len(piece)
        connection.shutdown(socket.SHUT_WR)
        arrived = int(connection.makefile().readline())
        took = time.monotonic() - began
    return round(arrived * 8 / took / 1e9, 2)


async def measure(mode: str, seconds: float) -> dict[str, Any]:
    """Set a cluster up and measure it once."""
    with tempfile.TemporaryDirectory(prefix="antipaxos-links-") as name:
        folder = Path(name)
        began = time.monotonic()
        cluster = LocalCluster(5, mode, folder)  # type: ignore[arg-type]  # refused in words if it is no mode
        await cluster.setup()
        found: dict[str, Any] = {"set_up_ms": round((time.monotonic() - began) * 1_000, 1)}
        try:
            own = cluster.addresses["n1"]
            peer = cluster.addresses_for("n1")["n2"]

            def launch(node: str, *words: str) -> Launch:
                return Launch((sys.executable, str(HERE), *words), folder, folder / f"{node}.log", {})

            for node in ("n2", "n3", "n4", "n5"):
                address = cluster.addresses[node]
                await cluster.spawn(node, launch(node, "--serve", address.host, str(address.port)))

            for node in ("n2", "n3", "n4", "n5"):
                await _until_it_listens(cluster, node)

            async def run(what: str) -> dict[str, Any]:
                out = folder / f"{what}.json"
                targets = {"link": (peer.host, peer.port), "own": (own.host, own.port)}
                words = ("--load", what, json.dumps(targets), str(seconds), str(out))
                await cluster.spawn("n1", launch("n1", *words))
                while (await cluster.process("n1")).run is not Run.GONE:  # noqa: ASYNC110 - an end has no event here
                    await asyncio.sleep(0.02)
                return dict(json.loads(out.read_text()))

            found |= await run("plain")
            late = Weather((Delay(DELAY_MS * 10**6, DELAY_MS * 10**6),))
            await cluster.set_weather({Link("n1", "n2"): late, Link("n2", "n1"): late})
            found["delayed"] = (await run("delayed"))["link"]
            found["overruns"] = await cluster.overruns()
        finally:
            await cluster.teardown()
        return found


async def _until_it_listens(cluster: LocalCluster, node: str) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            (await cluster.dial(node)).close()
            return
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.01)


def show(mode: str, runs: list[dict[str, Any]]) -> None:
    """Print the medians of one mode as a row of the table in docs/benchmarks.md."""

    def median(*path: str) -> float:
        values = []
        for run in runs:
            value: Any = run
            for key in path:
                value = value[key]
            values.append(value)
        return statistics.median(values)

    link, own = median("link", "p50_us"), median("own", "p50_us")
    shift_ms = (median("delayed", "p50_us") - link) / 1_000
    print(
        f"| {mode} | {median('set_up_ms'):.0f} | {link:.0f} | {median('link', 'p99_us'):.0f} | {own:.0f} "
        f"| {link - own:.0f} | {median('gbit_per_s'):.1f} | {shift_ms:.2f} | {sum(run['overruns'] for run in runs)} |",
        flush=True,
    )


def main() -> None:
    """Measure, or be a part of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modes", default="root,userns,loopback" if os.geteuid() == 0 else "userns,loopback")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a bulk stream goes on")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--load", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve[0], int(given.serve[1]))
    elif given.load:
        what, targets, seconds, out = given.load
        if what == "plain":
            own = json.loads(targets)["own"]
            threading.Thread(target=serve, args=(own[0], own[1]), daemon=True).start()
        addresses = {name: (host, port) for name, (host, port) in json.loads(targets).items()}
        load(what, addresses, float(seconds), Path(out))
    else:
        print("| mode | set-up ms | round trip µs | p99 µs | own µs | added µs | Gbit/s | 2 × 5 ms | overruns |")
        print("|---|---|---|---|---|---|---|---|---|")
        for mode in given.modes.split(","):
            show(mode, [asyncio.run(measure(mode, given.seconds)) for _ in range(given.repetitions)])
        print(f"\nload average {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
