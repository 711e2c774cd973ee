"""Does computing ahead help? Three nodes on loopback, with ``speculative`` and without, in turns.

    .venv/bin/python benchmarks/speculation.py [REPETITIONS]

Closed loop, one operation under way for each client: short ones (a write of 64 bytes) and long ones (``add`` of an
element that is the last one of a long list already: it looks at all of them, and changes nothing). On this disk as it
is, and where a sync takes 2 ms at least. Medians of all repetitions, the lowest and the highest rate behind them; every
repetition starts new nodes, and the order of with and without changes from one to the next.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from harness.benching import lanes
from harness.benching.load import Order, carry_out, percentile_ms
from harness.benching.rivals import OurNodes
from node import wire
from node.client import connect
from node.kv import Add

ELEMENTS = 20_000
"""As many as one value may hold, nearly."""
SYNCS_US = (0, 2_000)
CLIENTS = (1, 64)
KINDS = {"short": "node", "long": "add"}
PATIENCE_MS = 5_000
"""Nobody is to be elected in between, however busy the machine is."""
Measured = tuple[float, float]


class AddLane(lanes.OurLane):
    """A client that adds what is there."""

    def _open(self, body: bytes) -> None:
        answer = wire.decode_reply(body).answer
        assert isinstance(answer, wire.Done)
        frame = wire.encode(
            wire.Request(lanes._MARK, wire.Command(answer.result.value, lanes._MARK, Add("set", ELEMENTS - 1)))
        )
        self._head, self._middle, self._tail = frame.split(lanes._UINT32.pack(lanes._MARK))
        self.ready.set_result(None)


def main(repetitions: int) -> None:
    """Measure and print a table."""
    lanes.LANES["add"] = AddLane
    print(f"an operation that is long takes {long_us():.0f} µs here; load average {os.getloadavg()[0]:.1f}")
    found: dict[tuple[int, str, int], dict[int, list[Measured]]] = {}
    for repetition in range(repetitions):
        for sync_us in SYNCS_US:
            for speculative in (0, 1) if repetition % 2 else (1, 0):
                for load, measured in measure(speculative, sync_us).items():
                    found.setdefault((sync_us, *load), {0: [], 1: []})[speculative].append(measured)
    print("sync ≥   operation  clients  ops/s without             p50 ms  ops/s with                p50 ms  ratios")
    for (sync_us, kind, clients), by in found.items():
        without, ahead = summary(by[0]), summary(by[1])
        cells = "  ".join(
            f"{rate:6.0f} {f'({low:.0f} to {high:.0f})':17s} {p50:7.2f}" for rate, low, high, p50 in (without, ahead)
        )
        ratios = f"{ahead[0] / without[0]:5.2f} {ahead[3] / without[3]:5.2f}"
        print(f"{sync_us / 1e3:4.1f} ms  {kind:9s} {clients:7d}  {cells}  {ratios}")
    print(f"load average {os.getloadavg()[0]:.1f}")


def long_us() -> float:
    """Return how long a long operation takes by itself."""
    held = list(range(1_000, 1_000 + ELEMENTS))
    sought = int(f"{1_000 + ELEMENTS - 1}")
    begun = time.perf_counter()
    for _ in range(100):
        assert sought in held
    return (time.perf_counter() - begun) * 1e4


def measure(speculative: int, sync_us: int) -> dict[tuple[str, int], Measured]:
    """Start nodes and return what each load comes to: operations a second, and the median latency in ms."""
    measured = {}
    with tempfile.TemporaryDirectory(prefix="antipaxos-bench-") as folder:
        nodes = OurNodes(Path(folder), 3, {"speculative": speculative, "election_timeout_ms": PATIENCE_MS}, sync_us)
        try:
            host, port = nodes.leader()
            asyncio.run(fill(nodes))
            first = 0
            for kind, lane in KINDS.items():
                for clients in CLIENTS:
                    order = Order(
                        kind=lane,
                        host=host,
                        port=port,
                        first=first,
                        lanes=clients,
                        depth=1,
                        value_bytes=64,
                        warm_s=0.4,
                        count_s=1.6,
                    )
                    first += clients
                    counted = uvloop.run(carry_out(order))
                    if counted.failed is not None:
                        sys.exit(f"{kind}, {clients} clients: {counted.failed}")
                    measured[kind, clients] = counted.operations / counted.seconds, percentile_ms(counted.classes, 0.5)
        finally:
            nodes.close()
    return measured


async def fill(nodes: OurNodes) -> None:
    """Write the long list."""
    async with connect(nodes.addresses) as client:
        await client.put("set", list(range(ELEMENTS)), timeout_s=30)


def summary(measured: list[Measured]) -> tuple[float, float, float, float]:
    """Return the median rate, the lowest, the highest, and the median of the median latencies."""
    rates = [rate for rate, _ in measured]
    return statistics.median(rates), min(rates), max(rates), statistics.median(p50 for _, p50 in measured)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
