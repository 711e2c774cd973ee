"""The benchmark: every system in turn, several times over, so that all of them have the machine's good and bad minutes.

A figure of a shared machine means little alone. So each repetition measures the raw disk, our nodes and the others
within the same minutes, what is reported is the median with the lowest and the highest, and where those lie far apart
the result says that the machine was too noisy for it.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.benching import raw
from harness.benching.load import Counted, Order, percentile_ms
from harness.benching.raw import RawRate
from harness.benching.rivals import Etcd, OurNodes, PySyncObj, RivalError, load
from node import wire
from node.paxos.config import Config

T = TypeVar("T")
NODE, ETCD, PYSYNCOBJ = "node", "etcd", "pysyncobj"
SYSTEMS = (NODE, ETCD, PYSYNCOBJ)
VALUE_BYTES = 64
RECORD_BYTES = 192
"""About what one operation takes in our log."""
NOISY = 0.35
"""A spread of more than this share of the median is said to be too much."""
PIPELINE = (8, 128)
"""Connections and requests under way on each, in the pipelined measurement."""
SWEEP_US = (0, 500, 1_000, 2_000, 5_000, 10_000)
"""How long a sync takes at least, in the sweep; 0: as long as it does."""
ATTEMPTS = 3
"""How often a load is tried."""
SETTLE_S = 0.7
"""How long a load may take to be what it is, its process's start included."""
SWEEP_BATCH = 64
SWEEP_LOADS = ((1, 1), (8, 16), (8, 32))
"""Connections and depth of the sweep. Pipelined, twice and four times the cap of a batch: two and more rounds are in
flight. With more, it is the processors that are short, and no log is busy (8 × 64: 60 to 70 % at 1 ms)."""
BUSY_TARGET = 0.85
"""The share of the wall time in which the critical node's log is to be busy, ..."""
BUSY_FROM_US = 1_000
"""... from so slow a sync on, while two and more rounds are in flight."""
TARGETS = {(1, 1): 1_200, (16, 1): 8_000, (64, 1): 18_000, (256, 1): 25_000, PIPELINE: 100_000}
"""Operations a second to reach with three nodes on the reference machine, by connections and depth."""
ETCD_TARGET = 2.0


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure."""

    clients: tuple[int, ...] = (1, 16, 64, 256)
    nodes: tuple[int, ...] = (3, 5)
    systems: tuple[str, ...] = SYSTEMS
    repetitions: int = 3
    seconds: float = 3.0
    warm_s: float = 1.0
    sweep: bool = True
    load_processes: int = 1
    folder: Path | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement: ``load`` is connections and requests under way on each, latencies are in ms."""

    system: str
    nodes: int
    load: tuple[int, int]
    rates: tuple[float, ...]
    p50_ms: float
    p99_ms: float
    p999_ms: float
    load_average: tuple[float, ...]

    @property
    def rate(self) -> float:
        """The median of operations a second."""
        return statistics.median(self.rates)

    @property
    def spread(self) -> float:
        """How far the repetitions lie apart, as a share of the median."""
        return (max(self.rates) - min(self.rates)) / self.rate if self.rate else 0.0


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the sweep over the sync's latency, at one load; a sync's time is what the nodes measured.

    ``device_bound`` is the batch cap times the syncs a second that the critical node's log could do; ``closed_bound``
    is requests under way by the time of a sync; ``busy`` is the share of the wall time in which the log of the critical
    node (the slowest that a majority needs) had a write and a sync under way.
    """

    sync_us: int
    load: tuple[int, int]
    rates: tuple[float, ...]
    sync_ms: float
    busy: tuple[float, ...]
    device_bound: float
    closed_bound: float

    @property
    def rate(self) -> float:
        """The median of operations a second."""
        return statistics.median(self.rates)

    @property
    def share(self) -> float:
        """The median of the busy shares."""
        return statistics.median(self.busy)

    @property
    def target(self) -> float | None:
        """The share that is to be reached, None if only one round is in flight or the disk is too fast to be filled."""
        return BUSY_TARGET if self.sync_us >= BUSY_FROM_US and self.load[0] * self.load[1] > SWEEP_BATCH else None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured; ``missing`` says what was not, and why, ``disturbed`` what had to be measured again."""

    machine: str
    seconds: float
    repetitions: int
    raw: tuple[RawRate, ...]
    figures: tuple[Figure, ...]
    sweep: tuple[Swept, ...]
    missing: tuple[str, ...]
    disturbed: tuple[str, ...]
    load_average: tuple[float, float]
    etcd_version: str


class _Series:
    """The repetitions of one figure."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.classes: dict[int, int] = {}
        self.load_average: list[float] = []

    def add(self, counted: Counted) -> None:
        self.rates.append(counted.operations / counted.seconds)
        self.load_average.append(os.getloadavg()[0])
        for number, count in counted.classes.items():
            self.classes[number] = self.classes.get(number, 0) + count


class Bench:
    """One benchmark; ``tell`` is called with what is being measured."""

    def __init__(self, wish: Wish, tell: Callable[[str], None]) -> None:
        self._wish = wish
        self._tell = tell
        self._series: dict[tuple[str, int, tuple[int, int]], _Series] = {}
        self._raw: list[RawRate] = []
        self._missing: dict[str, None] = {}
        self._disturbed: dict[str, None] = {}
        self._etcd_version = ""

    def run(self) -> Report:
        """Measure everything. Raises RivalError if our own nodes fail, OSError."""
        begun = os.getloadavg()[0]
        for repetition in range(1, self._wish.repetitions + 1):
            self._repetition(f"{repetition}/{self._wish.repetitions}")
        sweep = tuple(self._sweep()) if self._wish.sweep else ()
        return Report(
            machine=_machine(),
            seconds=self._wish.seconds,
            repetitions=self._wish.repetitions,
            raw=tuple(_medians(self._raw)),
            figures=tuple(_figure(*key, series) for key, series in self._series.items()),
            sweep=sweep,
            missing=tuple(self._missing),
            disturbed=tuple(self._disturbed),
            load_average=(begun, os.getloadavg()[0]),
            etcd_version=self._etcd_version,
        )

    def _repetition(self, which: str) -> None:
        wish = self._wish
        for nodes in wish.nodes:
            with self._folder() as folder:
                self._tell(f"{which}: the disk, {nodes} writers")
                for record_bytes in (RECORD_BYTES, RECORD_BYTES * Config(me=1, members=(1,)).batch_commands_max):
                    self._raw.append(raw.measure(folder, record_bytes, nodes, min(1.0, wish.seconds)))
            if NODE in wish.systems:
                self._ours(which, nodes)
            if ETCD in wish.systems:
                self._etcd(which, nodes)
            if PYSYNCOBJ in wish.systems:
                self._pysyncobj(which, nodes)

    def _ours(self, which: str, nodes: int) -> None:
        with self._folder() as folder:
            cluster = OurNodes(folder, nodes, {})
            try:
                for connections, depth in (*((clients, 1) for clients in self._wish.clients), PIPELINE):
                    self._tell(f"{which}: {nodes} of our nodes, {connections} connections, {depth} under way on each")
                    counted = self._load(cluster, connections, depth)
                    self._keep(NODE, nodes, (connections, depth), counted)
            finally:
                cluster.close()

    def _etcd(self, which: str, nodes: int) -> None:
        with self._folder() as folder, self._optional(f"etcd, {nodes} nodes"):
            cluster = Etcd(folder, nodes)
            self._etcd_version = cluster.version
            try:
                for connections, depth in (*((clients, 1) for clients in self._wish.clients), PIPELINE):
                    self._tell(f"{which}: {nodes} of etcd, {connections} connections, {depth} under way on each")
                    counted = self._load(cluster, connections, depth)
                    self._keep(ETCD, nodes, (connections, depth), counted)
            finally:
                cluster.close()

    def _pysyncobj(self, which: str, nodes: int) -> None:
        with self._folder() as folder, self._optional(f"PySyncObj, {nodes} nodes"):
            cluster = PySyncObj(folder, nodes)
            for clients in self._wish.clients:
                self._tell(f"{which}: {nodes} of PySyncObj, {clients} under way in the leader")
                counted = cluster.run(clients, VALUE_BYTES, self._wish.warm_s, self._wish.seconds)
                self._keep(PYSYNCOBJ, nodes, (clients, 1), counted)

    def _load(self, cluster: OurNodes | Etcd, connections: int, depth: int) -> Counted:
        """Load a cluster's leader. Raises RivalError."""

        def attempt() -> Counted:
            return load(self._order(cluster.kind, cluster.leader(), connections, depth), self._processes)

        return self._again(cluster.kind, attempt)

    def _again(self, kind: str, attempt: Callable[[], T]) -> T:
        """Try a few times: on a busy machine a leader may lose its place in the middle of it. Raises RivalError."""
        for _ in range(ATTEMPTS - 1):
            try:
                return attempt()
            except (RivalError, OSError) as error:
                self._disturbed[f"a load of {kind} began anew: {error}"] = None
        return attempt()

    def _keep(self, system: str, nodes: int, load: tuple[int, int], counted: Counted) -> None:
        self._series.setdefault((system, nodes, load), _Series()).add(counted)

    # -- the sweep ----------------------------------------------------------------------------------------------------

    def _sweep(self) -> Iterator[Swept]:
        """Measure our nodes on slower and slower disks."""
        for sync_us in SWEEP_US:
            rates: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
            for _ in range(self._wish.repetitions):
                with self._folder() as folder:
                    cluster = OurNodes(folder, 3, {"batch_commands_max": SWEEP_BATCH}, sync_us)
                    try:
                        for connections, depth in SWEEP_LOADS:
                            self._tell(f"a sync of {sync_us / 1e3:g} ms: {connections} connections, depth {depth}")
                            shape = (cluster, connections, depth)
                            measured = self._again(cluster.kind, partial(self._measured, *shape))
                            rates.setdefault((connections, depth), []).append(measured)
                    finally:
                        cluster.close()
            for load_shape, measured_all in rates.items():
                sync_ms = statistics.median(sync for _, sync, _ in measured_all)
                under_way = load_shape[0] * load_shape[1]
                yield Swept(
                    sync_us=sync_us,
                    load=load_shape,
                    rates=tuple(rate for rate, _, _ in measured_all),
                    sync_ms=sync_ms,
                    busy=tuple(busy for _, _, busy in measured_all),
                    device_bound=min(SWEEP_BATCH, under_way) * 1e3 / sync_ms,
                    closed_bound=under_way * 1e3 / sync_ms,
                )

    def _measured(self, cluster: OurNodes, connections: int, depth: int) -> tuple[float, float, float]:
        """Return operations a second, and of the critical node's log a sync's time (ms) and the busy share.

        The nodes are asked twice in the middle of the load: what they say is of a time in which it did not change.
        """
        order = self._order(cluster.kind, cluster.leader(), connections, depth)
        order = msgspec.structs.replace(order, warm_s=SETTLE_S, count_s=order.count_s + SETTLE_S)
        with ThreadPoolExecutor(1) as executor:
            loading = executor.submit(load, order, 1)
            time.sleep(2 * SETTLE_S)
            before, begun = cluster.statuses(), time.perf_counter()
            time.sleep(self._wish.seconds - SETTLE_S / 2)
            after, wall_s = cluster.statuses(), time.perf_counter() - begun
            counted = loading.result()
        return (counted.operations / counted.seconds, *critical(before, after, wall_s))

    # -- ground -------------------------------------------------------------------------------------------------------

    @property
    def _processes(self) -> int:
        return self._wish.load_processes

    def _order(self, kind: str, address: tuple[str, int], connections: int, depth: int) -> Order:
        return Order(
            kind=kind,
            host=address[0],
            port=address[1],
            first=0,
            lanes=connections,
            depth=depth,
            value_bytes=VALUE_BYTES,
            warm_s=self._wish.warm_s,
            count_s=self._wish.seconds,
        )

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="antipaxos-bench-", dir=self._wish.folder) as name:
            yield Path(name)

    @contextmanager
    def _optional(self, what: str) -> Iterator[None]:
        """Go on without a system that cannot be measured here, and say so."""
        try:
            yield
        except RivalError as error:
            self._missing.setdefault(f"{what}: {error}")


def critical(before: Mapping[int, wire.Status], after: Mapping[int, wire.Status], wall_s: float) -> tuple[float, float]:
    """Return a sync's mean time (ms) and the busy share of the slowest log that a majority cannot do without.

    A round ends with the majority's last acknowledgement, so of the nodes in the order of how busy their logs were, it
    is the one that completes a majority from below: the others beyond it were not waited for.
    """
    shares = []
    for node, status in after.items():
        busy_s = (status.wal.busy_ns - before[node].wal.busy_ns) / 1e9
        commits = max(1, status.wal.commits - before[node].wal.commits)
        shares.append((busy_s / wall_s, busy_s * 1e3 / commits))
    share, sync_ms = sorted(shares)[len(shares) // 2]
    return sync_ms, share


def _figure(system: str, nodes: int, load: tuple[int, int], series: _Series) -> Figure:
    return Figure(
        system=system,
        nodes=nodes,
        load=load,
        rates=tuple(series.rates),
        p50_ms=percentile_ms(series.classes, 0.5),
        p99_ms=percentile_ms(series.classes, 0.99),
        p999_ms=percentile_ms(series.classes, 0.999),
        load_average=tuple(series.load_average),
    )


def _medians(rates: list[RawRate]) -> Iterator[RawRate]:
    """Return the median of each kind of raw rate."""
    for record_bytes, writers in dict.fromkeys((rate.record_bytes, rate.writers) for rate in rates):
        same = [rate for rate in rates if (rate.record_bytes, rate.writers) == (record_bytes, writers)]
        yield RawRate(
            record_bytes=record_bytes,
            writers=writers,
            appended=statistics.median(rate.appended for rate in same),
            zeroed=statistics.median(rate.zeroed for rate in same),
        )


def _machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    return f"{cores} × {model}, Linux {platform.release()}, Python {platform.python_version()}"
