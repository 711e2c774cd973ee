"""Does computing ahead help? Two clusters of three nodes on loopback, one with ``speculative``, in turns.

    .venv/bin/python benchmarks/speculation.py [TURNS]

Closed loop, one operation under way for each client: short ones (a write of 64 bytes) and long ones (``add`` of an
element that is the last one of a long list already: it looks at all of them, and changes nothing). On this disk as it
is, and where a sync takes 2 ms at least.

Both clusters are up all the while, and have their turns of half a second one after the other, so that whatever else the
machine does falls on both. Each figure is a median over the turns. Of the latencies there is the median, and what one
operation in ten does not exceed: that is about what the path takes when nobody else wants the processor. The last
column says in how many turns that was lower with speculation: half of them is what chance alone would give.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import uvloop

from harness.benching import lanes
from harness.benching.load import Counted, Order, carry_out, percentile_ms
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
TURN_S = (0.2, 0.5)
"""To get warm, and to be counted."""


class AddLane(lanes.OurLane):
    """A client that adds what is there."""

    def _open(self, body: bytes) -> None:
        answer = wire.decode_reply(body).answer
        assert isinstance(answer, wire.Done)
        command = wire.Command(answer.result.value, lanes._MARK, Add("set", ELEMENTS - 1))
        frame = wire.encode(wire.Request(lanes._MARK, command))
        self._head, self._middle, self._tail = frame.split(lanes._UINT32.pack(lanes._MARK))
        self.ready.set_result(None)


def main(turns: int) -> None:
    """Measure and print a table."""
    lanes.LANES["add"] = AddLane
    print(f"a long operation takes {long_us():.0f} µs by itself; load average {os.getloadavg()[0]:.1f}; {turns} turns")
    print(
        "sync ≥   operation  clients  ops/s without, with   p10 ms without, with   p50 ms without, with  p10 lower in"
    )
    for sync_us in SYNCS_US:
        for kind, clients, (without, ahead) in measure(sync_us, turns):
            rates, p10s, p50s = zip(figures(without), figures(ahead), strict=True)
            lower = sum(p10(two) < p10(one) for one, two in zip(without, ahead, strict=True))
            print(
                f"{sync_us / 1e3:4.1f} ms  {kind:9s}  {clients:7d}  {rates[0]:10.0f} {rates[1]:9.0f}  "
                f"{p10s[0]:11.2f} {p10s[1]:9.2f}  {p50s[0]:11.2f} {p50s[1]:9.2f}  {lower} of {turns}",
                flush=True,
            )
    print(f"load average {os.getloadavg()[0]:.1f}")


def figures(turns: list[Counted]) -> tuple[float, float, float]:
    """Return the medians over turns: operations a second, and two latencies in ms."""
    rate = statistics.median(one.operations / one.seconds for one in turns)
    p50 = statistics.median(percentile_ms(one.classes, 0.5) for one in turns)
    return rate, statistics.median(map(p10, turns)), p50


def p10(counted: Counted) -> float:
    """Return the latency (ms) that one operation in ten does not exceed."""
    return percentile_ms(counted.classes, 0.1)


def long_us() -> float:
    """Return how long a long operation takes by itself."""
    held = list(range(1_000, 1_000 + ELEMENTS))
    sought = int(f"{1_000 + ELEMENTS - 1}")
    begun = time.perf_counter()
    for _ in range(100):
        assert sought in held
    return (time.perf_counter() - begun) * 1e4


def measure(sync_us: int, turns: int) -> Iterator[tuple[str, int, tuple[list[Counted], list[Counted]]]]:
    """Start both clusters; yield what came of each load without and with speculation."""
    with ExitStack() as stack:
        addresses = []
        for speculative in (0, 1):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="antipaxos-bench-"))
            settings = {"speculative": speculative, "election_timeout_ms": PATIENCE_MS}
            nodes = stack.enter_context(closing(OurNodes(Path(folder), 3, settings, sync_us)))
            addresses.append(nodes.leader())
            asyncio.run(fill(nodes))
        first = 0
        for kind, lane in KINDS.items():
            for clients in CLIENTS:
                measured: tuple[list[Counted], list[Counted]] = ([], [])
                for turn in range(turns):
                    for speculative in (0, 1) if turn % 2 else (1, 0):
                        measured[speculative].append(load(lane, addresses[speculative], first, clients))
                        first += clients
                yield kind, clients, measured


def load(lane: str, address: tuple[str, int], first: int, clients: int) -> Counted:
    """Let clients work for one turn."""
    host, port = address
    warm_s, count_s = TURN_S
    counted = uvloop.run(
        carry_out(
            Order(
                kind=lane,
                host=host,
                port=port,
                first=first,
                lanes=clients,
                depth=1,
                value_bytes=64,
                warm_s=warm_s,
                count_s=count_s,
            )
        )
    )
    if counted.failed is not None:
        sys.exit(f"{clients} clients: {counted.failed}")
    return counted


async def fill(nodes: OurNodes) -> None:
    """Write the long list."""
    async with connect(nodes.addresses) as client:
        await client.put("set", list(range(ELEMENTS)), timeout_s=30)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
