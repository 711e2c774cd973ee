"""One PySyncObj node of a benchmark; the one that leads loads itself, which flatters it by a client's round trip.

Its tick is as short as it can be made (its default of 50 ms makes every operation wait for it), it batches as it does
by default, and it writes its journal, which it never syncs: what it acknowledges, a power cut may take back.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from pysyncobj import SyncObj, SyncObjConf, replicated

from harness.benching.load import CLASS, Counted

TICK_S = 0.0005


class Store(SyncObj):  # type: ignore[misc]  # it has no types
    """A dictionary on PySyncObj."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.data: dict[str, str] = {}
        conf = SyncObjConf(
            journalFile=order["journal"],
            autoTickPeriod=TICK_S,
            appendEntriesPeriod=TICK_S,
            appendEntriesUseBatch=True,
            commandsQueueSize=1_000_000,
        )
        super().__init__(order["me"], order["others"], conf)

    @replicated  # type: ignore[untyped-decorator]
    def put(self, key: str, value: str) -> None:
        """Set a key."""
        self.data[key] = value


class Load:
    """As many operations under way as there are clients, each begun anew when it is done."""

    def __init__(self, store: Store, order: dict[str, Any]) -> None:
        self._store = store
        self._value = "v" * order["value_bytes"]
        self.latencies: list[float] = []
        self.counting = False
        self.failed: str | None = None

    def begin(self, client: int) -> None:
        """Begin one client's next operation."""
        begun = time.perf_counter()

        def done(_result: object, error: int) -> None:
            if error:
                self.failed = f"an operation failed with {error}"
                return
            if self.counting:
                self.latencies.append(time.perf_counter() - begun)
            self.begin(client)

        self._store.put(f"k{client}", self._value, callback=done)


def main() -> None:
    """Run one node; if it comes to lead, measure, and write what was measured."""
    order = json.loads(sys.argv[1])
    store = Store(order)
    while not (store.isReady() and store._isLeader()):
        time.sleep(0.02)
    load = Load(store, order)
    for client in range(order["clients"]):
        load.begin(client)
    time.sleep(order["warm_s"])
    load.counting = True
    begun, cpu = time.perf_counter(), time.process_time()
    time.sleep(order["count_s"])
    load.counting = False
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    classes = Counter(int(math.log(max(latency * 1e6, 1.0)) / CLASS) for latency in list(load.latencies))
    counted = Counted(
        seconds=seconds, operations=len(load.latencies), classes=dict(classes), cpu_s=cpu, failed=load.failed
    )
    report = Path(order["report"])
    report.with_suffix(".tmp").write_bytes(msgspec.json.encode(counted))
    report.with_suffix(".tmp").rename(report)
    threading.Event().wait(60)
    os._exit(0)


if __name__ == "__main__":
    main()
