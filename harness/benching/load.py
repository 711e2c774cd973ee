"""One process of a benchmark's load: ``python -m harness.benching.load ORDER``, with the order and the answer as JSON.

It connects all lanes, lets them run warm, then counts for a while. The answer has every latency, in microseconds, as a
histogram whose classes are one per cent wide: percentiles over several processes come out of the sum of theirs.
"""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import time
from collections import Counter

import msgspec
import uvloop

from harness.benching.lanes import LANES, Lane, Meter

CLASS = math.log(1.01)
CONNECTS_AT_ONCE = 32
READY_S = 20.0


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to do: ``lanes`` connections of ``kind``, ``first`` is the number of the first one."""

    kind: str
    host: str
    port: int
    first: int
    lanes: int
    depth: int
    value_bytes: int
    warm_s: float
    count_s: float


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured: ``classes`` is how many operations fell in each class of latency; ``cpu_s`` what it cost."""

    seconds: float
    operations: int
    classes: dict[int, int]
    cpu_s: float
    failed: str | None


def main() -> None:
    """Carry out one order."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    gc.disable()  # nothing here makes cycles, and a collection would be taken for the system's latency
    counted = uvloop.run(carry_out(order))
    sys.stdout.write(msgspec.json.encode(counted).decode())


async def carry_out(order: Order) -> Counted:
    """Run the lanes and return what they measured."""
    meter = Meter()
    lanes = await _connected(order, meter)
    for lane in lanes:
        lane.begin()
    await asyncio.sleep(order.warm_s)
    meter.counting = True
    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(order.count_s)
    meter.counting = False
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    failed = next((lane.failed for lane in lanes if lane.failed), None)
    for lane in lanes:
        lane.close()
    classes = Counter(int(math.log(max(latency * 1e6, 1.0)) / CLASS) for latency in meter.latencies)
    return Counted(seconds=seconds, operations=len(meter.latencies), classes=dict(classes), cpu_s=cpu, failed=failed)


async def _connected(order: Order, meter: Meter) -> list[Lane]:
    loop = asyncio.get_running_loop()
    value = "v" * order.value_bytes
    lanes: list[Lane] = []
    for begun in range(0, order.lanes, CONNECTS_AT_ONCE):
        batch = [
            LANES[order.kind](order.first + number, order.depth, value, meter)
            for number in range(begun, min(begun + CONNECTS_AT_ONCE, order.lanes))
        ]
        await asyncio.gather(*(_connect(loop, lane, order) for lane in batch))
        async with asyncio.timeout(READY_S):
            await asyncio.gather(*(lane.ready for lane in batch))
        lanes += batch
    return lanes


async def _connect(loop: asyncio.AbstractEventLoop, lane: Lane, order: Order) -> None:
    await loop.create_connection(lambda: lane, order.host, order.port)


def percentile_ms(classes: dict[int, int], share: float) -> float:
    """Return the latency (ms) that ``share`` of the operations do not exceed; 0 of none."""
    total = sum(classes.values())
    seen = 0
    for number in sorted(classes):
        seen += classes[number]
        if seen >= share * total:
            return math.exp((number + 0.5) * CLASS) / 1e3
    return 0.0


if __name__ == "__main__":
    main()
