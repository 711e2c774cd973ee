"""The clusters of a benchmark: our nodes, etcd, PySyncObj; each starts, says where its leader is, and ends.

All are real processes on loopback, each node with a folder of its own on the same disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.benching.load import Counted, Order
from node import wire
from node.client import ClientError, connect

SOURCE_ROOT = Path(__file__).resolve().parents[2]
START_S = 30.0
STOP_S = 10.0
LOAD_GRACE_S = 60.0


class RivalError(Exception):
    """A system that did not start, or a load that failed; the message says which and why."""


class Processes:
    """The processes of one cluster; they end with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, argv: Sequence[str]) -> None:
        """Start one; what it says goes to a file."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running.append(
                subprocess.Popen(argv, cwd=SOURCE_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for whoever does not end."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def tail(self, name: str) -> str:
        """Return the end of what one has said."""
        with contextlib.suppress(OSError):
            return (self.folder / f"{name}.log").read_text(errors="replace")[-500:].strip()
        return ""


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [sock.getsockname()[1] for sock in sockets]


# -- our nodes --------------------------------------------------------------------------------------------------------


class OurNodes:
    """``python -m node serve``, several times; ``sync_us`` makes every sync take at least so long."""

    kind = "node"

    def __init__(self, folder: Path, nodes: int, settings: dict[str, int], sync_us: int = 0) -> None:
        self.addresses = {node: ("127.0.0.1", port) for node, port in enumerate(free_ports(nodes), start=1)}
        self._processes = Processes(folder)
        peers = ",".join(f"{node}={host}:{port}" for node, (host, port) in self.addresses.items())
        program = ["-m", "harness.benching.slow_node", str(sync_us)] if sync_us else ["-m", "node"]
        sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        for node in self.addresses:
            data = ["--data", str(folder / f"n{node}")]
            argv = [sys.executable, *program, "serve", "--id", str(node), "--peers", peers, *data, *sets]
            self._processes.start(f"n{node}", argv)

    def leader(self) -> tuple[str, int]:
        """Wait until it serves, and return the leader's address. Raises RivalError."""
        return asyncio.run(self._leader())

    async def _leader(self) -> tuple[str, int]:
        end = time.monotonic() + START_S
        async with connect(self.addresses) as client:
            while time.monotonic() < end:
                with contextlib.suppress(ClientError):
                    await client.put("ready", 1, timeout_s=1)
                with contextlib.suppress(OSError):
                    statuses = [await client.status(node, 1.0) for node in self.addresses]
                    leader = statuses[0].leader
                    if leader is not None and all(status.leader == leader for status in statuses):
                        return self.addresses[leader]
                await asyncio.sleep(0.05)
        raise RivalError(f"our nodes do not all follow one leader: {self._processes.tail('n1')}")

    def statuses(self) -> dict[int, wire.Status]:
        """Return every node's status. Raises OSError."""

        async def ask() -> dict[int, wire.Status]:
            async with connect(self.addresses) as client:
                return {node: await client.status(node, 5.0) for node in self.addresses}

        return asyncio.run(ask())

    def close(self) -> None:
        """End all nodes."""
        self._processes.stop()


# -- etcd -------------------------------------------------------------------------------------------------------------


class Etcd:
    """etcd servers as Debian packages them, with their defaults but for names, ports and folders."""

    kind = "etcd"

    def __init__(self, folder: Path, nodes: int) -> None:
        program = shutil.which("etcd")
        if program is None:
            raise RivalError("etcd is not installed here: apt-get install etcd-server")
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        self.version = version.splitlines()[0].rpartition(" ")[2] if version else "?"
        ports = free_ports(2 * nodes)
        self._clients, peers = ports[:nodes], ports[nodes:]
        self._processes = Processes(folder)
        cluster = ",".join(f"e{number}=http://127.0.0.1:{port}" for number, port in enumerate(peers))
        for number in range(nodes):
            client, peer = f"http://127.0.0.1:{self._clients[number]}", f"http://127.0.0.1:{peers[number]}"
            flags = {
                "name": f"e{number}",
                "data-dir": str(folder / f"e{number}"),
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": cluster,
                "log-level": "error",
            }
            words = [word for flag, value in flags.items() for word in (f"--{flag}", value)]
            self._processes.start(f"e{number}", [program, *words])

    def leader(self) -> tuple[str, int]:
        """Wait until there is a leader, and return its address. Raises RivalError."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            for port in self._clients:
                with contextlib.suppress(OSError, ValueError, urllib.error.URLError):
                    status = self._status(port)
                    if status.get("leader") == status["header"]["member_id"]:
                        return ("127.0.0.1", port)
            time.sleep(0.1)
        raise RivalError(f"etcd has no leader: {self._processes.tail('e0')}")

    @staticmethod
    def _status(port: int) -> dict[str, Any]:
        url = f"http://127.0.0.1:{port}/v3/maintenance/status"
        with urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=1) as answer:
            status: dict[str, Any] = json.load(answer)
            return status

    def close(self) -> None:
        """End all servers."""
        self._processes.stop()


# -- PySyncObj --------------------------------------------------------------------------------------------------------


class PySyncObj:
    """PySyncObj's replicated dictionary; its load runs inside the leader's process, for it has no clients."""

    def __init__(self, folder: Path, nodes: int) -> None:
        if importlib.util.find_spec("pysyncobj") is None:
            raise RivalError("PySyncObj is not installed here: pip install 'antipaxos[bench]'")
        self._folder = folder
        self._ports = free_ports(nodes)
        self._processes = Processes(folder)

    def run(self, clients: int, value_bytes: int, warm_s: float, count_s: float) -> Counted:
        """Start the nodes, let the leader load itself, and return what it measured. Raises RivalError."""
        run = f"{clients}-{time.monotonic_ns()}"
        report = self._folder / f"counted-{run}.json"
        for number, port in enumerate(self._ports):
            order = {
                "me": f"127.0.0.1:{port}",
                "others": [f"127.0.0.1:{other}" for other in self._ports if other != port],
                "journal": str(self._folder / f"journal-{run}-{number}"),
                "report": str(report),
                "clients": clients,
                "value_bytes": value_bytes,
                "warm_s": warm_s,
                "count_s": count_s,
            }
            argv = [sys.executable, "-m", "harness.benching.pysyncobj_node", json.dumps(order)]
            self._processes.start(f"p{number}", argv)
        try:
            end = time.monotonic() + START_S + warm_s + count_s
            while time.monotonic() < end:
                if report.exists():
                    return msgspec.json.decode(report.read_bytes(), type=Counted)
                time.sleep(0.05)
            raise RivalError(f"PySyncObj measured nothing: {self._processes.tail('p0')}")
        finally:
            self.close()

    def close(self) -> None:
        """End all nodes."""
        self._processes.stop()


# -- load -------------------------------------------------------------------------------------------------------------


def load(order: Order, processes: int) -> Counted:
    """Carry an order out with several processes and return the sum of what they measured. Raises RivalError."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "harness.benching.load", msgspec.json.encode(part).decode()],
            cwd=SOURCE_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for part in _shares(order, processes)
    ]
    parts: list[Counted] = []
    try:
        for process in running:
            out, err = process.communicate(timeout=order.warm_s + order.count_s + LOAD_GRACE_S)
            if process.returncode:
                raise RivalError(f"the load failed: {err.decode(errors='replace')[-500:].strip()}")
            parts.append(msgspec.json.decode(out, type=Counted))
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    failed = next((part.failed for part in parts if part.failed), None)
    if failed:
        raise RivalError(f"the load failed: {failed}")
    classes: dict[int, int] = {}
    for part in parts:
        for number, count in part.classes.items():
            classes[number] = classes.get(number, 0) + count
    return Counted(
        seconds=max(part.seconds for part in parts),
        operations=sum(part.operations for part in parts),
        classes=classes,
        cpu_s=sum(part.cpu_s for part in parts),
        failed=None,
    )


def _shares(order: Order, processes: int) -> Iterator[Order]:
    """Divide an order's lanes."""
    processes = min(processes, order.lanes)
    for number in range(processes):
        begin, end = order.lanes * number // processes, order.lanes * (number + 1) // processes
        yield msgspec.structs.replace(order, first=order.first + begin, lanes=end - begin)
