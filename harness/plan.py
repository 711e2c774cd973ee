"""The plan: a scenario and a seed, worked out into every client's operations and every fault's time and targets.

It holds integers, strings and lists only, and its canonical JSON (sorted keys, no blanks, ASCII) is the same on every
machine and Python version; its SHA-256 is the run's name for "the same plan".

Faults are drawn kind by kind, each kind from its own stream: waits and durations are even over a range, shapes and
targets come from a shuffled bag, so a short run meets different ones before any returns. Kinds overlap freely; two
faults of one kind do not. A swarm is expanded here into ordinary faults: the plan stays plain data. With an intensity,
there is a time without any fault after each storm of them, and at the end (``nemesis.packages``).

Faults beyond the model do not heal, so their budget is the run's: all that are drawn share one order of the nodes, and
``one`` and ``minority`` mean the same nodes each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from harness.duration import parse_ms, parse_ns
from harness.scenario import SWARM, Scenario, TimedOperation
from harness.seeds import SeedTree, Stream
from nemesis import swarm
from nemesis.delays import Distribution
from nemesis.faults import (
    ClockBump,
    ClockDrift,
    ClockFreeze,
    ClockReset,
    ClockStrobe,
    DiskEio,
    DiskFull,
    DiskLie,
    DiskMisdirect,
    DiskMisread,
    DiskRot,
    DiskSlow,
    DiskTruncate,
    DiskWipe,
    Fault,
    FdLimit,
    Kill,
    LinkClog,
    LinkFault,
    Membership,
    MemoryLimit,
    Partition,
    Pause,
    PowerOff,
    Reset,
    Restart,
    RollingRestart,
    Starve,
)
from nemesis.nemesis import ScheduledFault
from nemesis.packages import ROUNDS, Rounds, expand
from nemesis.undo import Spot
from workloads.base import Operation, Workload
from workloads.catalogue import WORKLOADS

MS = 1_000_000
PLAN_VERSION = 3
QUIET_START_MS = 2_000
"""Nothing is broken before this: the first operations show that the cluster works at all."""


class PlannedOperation(msgspec.Struct, frozen=True, array_like=True):
    """An operation of one client, due ``at`` ns after the run's start."""

    at: int
    operation: Operation


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the seed decides. ``clients`` and ``final`` hold one list a client; times are ns."""

    version: int
    seed: int
    nodes: tuple[str, ...]
    time: int
    clients: tuple[tuple[PlannedOperation, ...], ...]
    final: tuple[tuple[Operation, ...], ...]
    faults: tuple[ScheduledFault, ...]

    def canonical(self) -> bytes:
        """Return the canonical JSON of the plan."""
        data = msgspec.to_builtins(self)
        return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")

    @property
    def sha256(self) -> str:
        """The plan's name: the hash of its canonical JSON."""
        return hashlib.sha256(self.canonical()).hexdigest()


@dataclass(frozen=True, slots=True)
class Menu:
    """What is drawn for one kind of fault: variants, and how long one lasts and is waited for (ms, low and high)."""

    variants: tuple[Fault, ...]
    lasts_ms: tuple[int, int]
    wait_ms: tuple[int, int]


MENUS: dict[str, Menu] = {
    "partition": Menu(
        (
            Partition("leader"),
            Partition("random-halves"),
            Partition("majorities-ring"),
            Partition("leader-deaf"),
            Partition("bridge"),
            Partition("leader-mute"),
            Partition("one"),
            Partition("minority-third"),
            Partition("one-way"),
            Partition("halves"),
        ),
        (2_000, 5_000),
        (1_500, 3_500),
    ),
    "kill": Menu((Kill("leader"), Kill("one"), Kill("minority")), (500, 3_000), (2_500, 5_000)),
    "pause": Menu((Pause("leader"), Pause("one"), Pause("minority")), (500, 3_000), (2_500, 5_000)),
    "restart": Menu((Restart("leader"), Restart("one"), Restart("all")), (200, 500), (3_000, 6_000)),
    "link": Menu(
        (
            LinkFault(delay_max_us=20_000, loss_ppm=10_000, duplicate_ppm=10_000),
            LinkFault("leader", delay_min_us=10_000, delay_max_us=60_000),
            LinkFault("one", loss_ppm=300_000),
            LinkFault(delay_max_us=100_000, duplicate_ppm=100_000),
            LinkFault(delay_max_us=1_000_000, distribution=Distribution.PARETO),
            LinkFault("leader", delay_max_us=0, loss_ppm=1_000_000, direction="from"),
            LinkFault(delay_max_us=50_000, distribution=Distribution.NORMAL, reorder_ppm=100_000),
            LinkFault(delay_max_us=0, loss_ppm=100_000, loss_correlation_ppm=800_000),
            LinkFault(delay_max_us=200_000, distribution=Distribution.EXPONENTIAL),
            LinkFault("one", delay_max_us=0, loss_ppm=1_000_000, direction="to"),
        ),
        (1_000, 4_000),
        (1_500, 3_500),
    ),
    "link-clog": Menu(
        (LinkClog("leader"), LinkClog("leader", direction="from"), LinkClog("minority"), LinkClog("one", "to")),
        (500, 3_000),
        (1_500, 3_500),
    ),
    "power-off": Menu(
        (
            PowerOff("majority"),
            PowerOff("leader", mode="torn"),
            PowerOff("all", mode="torn"),
            PowerOff("all"),
            PowerOff("all", mode="reordered"),
            PowerOff("majority", mode="names"),
        ),
        (500, 3_000),
        (2_500, 5_000),
    ),
    "clock-drift": Menu(
        (ClockDrift("leader", 200), ClockDrift("minority", -200), ClockDrift("leader", -900), ClockDrift("one")),
        (2_000, 5_000),
        (1_500, 3_500),
    ),
    "clock-freeze": Menu(
        (ClockFreeze("leader"), ClockFreeze("one"), ClockFreeze("minority")), (500, 3_000), (2_500, 5_000)
    ),
    "clock-bump": Menu(
        (
            ClockBump("leader", "wall", -10_000),
            ClockBump("all", "wall", 60_000),
            ClockBump("minority", "wall", 1_000),
        ),
        (500, 3_000),
        (1_500, 3_500),
    ),
    "clock-strobe": Menu(
        (
            ClockStrobe("leader", "wall"),
            ClockStrobe("leader", "monotonic", ppm=900),
            ClockStrobe("minority", "monotonic", period_ms=200, ppm=900),
            ClockStrobe("all", "wall", delta_ms=-5_000),
        ),
        (500, 3_000),
        (1_500, 3_500),
    ),
    "clock-reset": Menu((ClockReset(), ClockReset("leader"), ClockReset("minority")), (100, 500), (1_500, 3_500)),
    "disk-slow": Menu(
        (DiskSlow("leader", 100), DiskSlow("minority", 100), DiskSlow("one", 1_000), DiskSlow("leader", 0)),
        (500, 3_000),
        (2_500, 5_000),
    ),
    "disk-eio": Menu((DiskEio("leader"), DiskEio("one"), DiskEio("minority")), (500, 3_000), (2_500, 5_000)),
    "disk-full": Menu((DiskFull("leader"), DiskFull("one"), DiskFull("minority")), (500, 3_000), (2_500, 5_000)),
    "disk-lie": Menu((DiskLie("minority"), DiskLie("one")), (1_000, 4_000), (1_500, 3_500)),
    "disk-rot": Menu(
        (DiskRot("one", Spot.BODY), DiskRot("one", Spot.TAIL), DiskRot("one", bits=100), DiskRot("one", Spot.HEAD)),
        (500, 3_000),
        (4_000, 8_000),
    ),
    "disk-truncate": Menu((DiskTruncate("one"), DiskTruncate("one", 64)), (500, 3_000), (4_000, 8_000)),
    "disk-misdirect": Menu((DiskMisdirect("one"),), (500, 3_000), (4_000, 8_000)),
    "disk-wipe": Menu((DiskWipe("one"),), (500, 3_000), (4_000, 8_000)),
    "disk-misread": Menu((DiskMisread("one"), DiskMisread("one", 1_000_000)), (500, 3_000), (4_000, 8_000)),
    "membership": Menu(
        (
            Membership("leader"),
            Membership("one"),
            Membership("minority"),
            Membership("follower"),
            Membership("majority"),
        ),
        (500, 4_000),
        (500, 2_500),
    ),
    "rolling-restart": Menu((RollingRestart(),), (2_000, 5_000), (3_000, 6_000)),
    "starve": Menu(
        (Starve("leader"), Starve("minority"), Starve("one", 50), Starve("all", 5)), (1_000, 4_000), (2_500, 5_000)
    ),
    "memory-limit": Menu(
        (MemoryLimit("leader", 0), MemoryLimit("one"), MemoryLimit("minority")), (1_000, 4_000), (2_500, 5_000)
    ),
    "fd-limit": Menu((FdLimit("leader"), FdLimit("one"), FdLimit("minority", 2)), (1_000, 4_000), (2_500, 5_000)),
    "reset": Menu((Reset("leader"), Reset("one"), Reset("all"), Reset("minority")), (200, 500), (1_500, 3_500)),
}


SNAPSHOT_SETTINGS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("snapshot_slots", (5, 20, 100)),
    ("snapshot_tail_slots", (0, 5, 50)),
    ("snapshot_part_bytes", (200, 2_000, 65_536)),
    ("log_segment_bytes", (2_048, 16_384)),
    ("log_zero_ahead_bytes", (0, 512, 4_096)),
)
"""What a swarm draws for the nodes' snapshots."""
SPECULATIVE_OF = 4
"""In every seed of so many of a swarm leaders compute results ahead."""

WINDOW_SETTINGS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("batch_commands_max", (1, 1, 2, 8)),
    ("window_max", (2, 4, 8)),
    ("retry_ms", (150, 600)),
)
"""What a swarm draws for how the log is filled: with small batches several slots are in flight at a gentle load, and
what is lost of them leaves a gap until it is sent again."""

LIMIT_SETTINGS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("backlog_records_max", (0, 5, 50)),
    ("deferred_max", (0, 5, 50)),
    ("queue_commands_max", (4, 20, 100)),
    ("reads_max", (3, 10, 50)),
    ("pipeline_max", (1, 2)),
)
"""What a swarm draws for the nodes' limits; the first two on top of twice the members, the least that they may be."""
PER_MEMBER = ("backlog_records_max", "deferred_max")
WINDOWS_ONE_IN, LIMITS_ONE_IN = 3, 4


def make_plan(scenario: Scenario, seed: int) -> Plan:
    """Work a scenario out with a seed."""
    tree = SeedTree(seed)
    workload = WORKLOADS[scenario.workload]()
    return Plan(
        version=PLAN_VERSION,
        seed=seed,
        nodes=scenario.node_names,
        time=scenario.time_ms * MS,
        clients=_clients(scenario, workload, tree.stream("clients")),
        final=_final(scenario, workload),
        faults=_faults(scenario, tree),
    )


def node_settings(scenario: Scenario, seed: int) -> dict[str, int | float | str]:
    """Return the settings of the nodes in a run: the scenario's, and what a swarm draws besides.

    In every other seed of a swarm nodes take snapshots all the time, so that what is rare in a long life (truncation, a
    snapshot sent to a node that lags, a power cut in the middle of writing one) happens in a short one; in some they
    keep several slots in flight (a leader that is lost leaves gaps), in some their limits are tight (they refuse, hold
    back and shed), in some leaders compute results ahead. It is no part of the plan: neither clients nor faults depend
    on it.
    """
    if SWARM not in scenario.faults:
        return dict(scenario.node)
    tree = SeedTree(seed)
    drawn: dict[str, int | float | str] = {}
    drawn |= _drawn(tree.stream("node/snapshots"), 2, SNAPSHOT_SETTINGS)
    drawn |= _drawn(tree.stream("node/window"), WINDOWS_ONE_IN, WINDOW_SETTINGS)
    limits = _drawn(tree.stream("node/limits"), LIMITS_ONE_IN, LIMIT_SETTINGS)
    drawn |= {name: value + 2 * scenario.nodes * (name in PER_MEMBER) for name, value in limits.items()}
    if not tree.stream("node/speculation").below(SPECULATIVE_OF):
        drawn["speculative"] = 1
    return {**drawn, **scenario.node}


def _drawn(draws: Stream, one_in: int, settings: Sequence[tuple[str, tuple[int, ...]]]) -> dict[str, int]:
    """Draw settings in one seed of so many, none in the others."""
    if draws.below(one_in):
        return {}
    return {name: draws.choice(choices) for name, choices in settings}


def _clients(scenario: Scenario, workload: Workload, draws: Stream) -> tuple[tuple[PlannedOperation, ...], ...]:
    """Spread the operations over the time, each to a random client, a little off its even place; or take the given."""
    if scenario.operations is not None:
        return _given(scenario.operations, scenario.concurrency)
    count = scenario.planned_operations
    total = scenario.time_ms * MS
    clients: list[list[PlannedOperation]] = [[] for _ in range(scenario.concurrency)]
    for number in range(count):
        begin, end = number * total // count, (number + 1) * total // count
        planned = PlannedOperation(begin + draws.below(max(1, end - begin)), workload.operation(number, draws))
        draws.choice(clients).append(planned)
    return tuple(tuple(client) for client in clients)


def _given(operations: Sequence[TimedOperation], concurrency: int) -> tuple[tuple[PlannedOperation, ...], ...]:
    clients: list[list[PlannedOperation]] = [[] for _ in range(concurrency)]
    for given in operations:
        clients[given.client].append(PlannedOperation(parse_ns(given.at), Operation(given.f, given.key, given.value)))
    return tuple(tuple(sorted(client, key=lambda planned: planned.at)) for client in clients)


def _final(scenario: Scenario, workload: Workload) -> tuple[tuple[Operation, ...], ...]:
    clients: list[list[Operation]] = [[] for _ in range(scenario.concurrency)]
    if scenario.operations is None:
        reads = workload.final_reads(scenario.planned_operations)
    else:
        keys = {operation.key for operation in scenario.operations}
        reads = workload.final_reads_of(sorted(keys, key=lambda key: (len(key), key)))
    for number, operation in enumerate(reads):
        clients[number % scenario.concurrency].append(operation)
    return tuple(tuple(client) for client in clients)


def _faults(scenario: Scenario, tree: SeedTree) -> tuple[ScheduledFault, ...]:
    """Draw the faults of all kinds and number them by time; add those at fixed times."""
    drawn = [
        fault
        for kind in expand(scenario.faults)
        if kind != SWARM
        for fault in _draw(_menu(kind, scenario), scenario, tree, tree.stream(f"faults/{kind}"))
    ]
    if SWARM in scenario.faults:
        drawn += _swarm(scenario, tree)
    orders = tree.stream("faults/scheduled")
    fixed = [
        ScheduledFault(
            number=0,
            at=parse_ms(timed.at) * MS,
            until=parse_ms(timed.until) * MS,
            fault=timed.fault,
            order=timed.order or tuple(orders.shuffled(scenario.node_names)),
        )
        for timed in scenario.schedule
    ]
    ordered = sorted([*drawn, *fixed], key=lambda scheduled: scheduled.at)
    return tuple(msgspec.structs.replace(scheduled, number=number) for number, scheduled in enumerate(ordered))


def _swarm(scenario: Scenario, tree: SeedTree) -> Iterator[ScheduledFault]:
    """Choose among the kinds of swarms, each with an intensity, and draw their faults.

    Each kind decides from its own stream whether it is in, with even chances; if none is, one is chosen.
    """
    known = swarm.KINDS_OF_SWARMS
    streams = {kind: tree.stream(f"faults/swarm/{kind}") for kind in known}
    chosen = [kind for kind in known if streams[kind].below(2)]
    for kind in chosen or [tree.stream("faults/swarm").choice(known)]:
        draws = streams[kind]
        drawn = draws.choice(tuple(swarm.Intensity))
        intensity = swarm.Intensity(scenario.intensity) if scenario.intensity is not None else drawn
        pace = swarm.PACES[intensity]
        shuffled = tuple(draws.shuffled(v for v in swarm.variants(kind, intensity) if _possible(v, scenario.nodes)))
        yield from _draw(Menu(shuffled, pace.lasts_ms, pace.wait_ms), scenario, tree, draws)


def _draw(menu: Menu, scenario: Scenario, tree: SeedTree, draws: Stream) -> Iterator[ScheduledFault]:
    """Draw one kind's faults one after the other, as long as a whole one fits before the end."""
    variants = _bag(menu.variants, scenario.nodes, draws)
    doomed = tuple(tree.stream("faults/beyond").shuffled(scenario.node_names))
    rounds = ROUNDS[swarm.Intensity(scenario.intensity)] if scenario.intensity is not None else None
    end = scenario.time_ms - (rounds.calm_ms if rounds is not None else 0)
    at = QUIET_START_MS + draws.between(0, menu.wait_ms[0])
    while (until := at + draws.between(*menu.lasts_ms)) < end:
        if rounds is not None:
            at, until = _in_storm(rounds, at, until)
            if until >= end:
                return
        fault, order = next(variants), tuple(draws.shuffled(scenario.node_names))
        yield ScheduledFault(
            number=0, at=at * MS, until=until * MS, fault=fault, order=doomed if fault.beyond_model() else order
        )
        at = until + draws.between(*menu.wait_ms)


def _menu(kind: str, scenario: Scenario) -> Menu:
    """Return what is drawn for a kind: its own menu, or, with an intensity, what the swarm has for that."""
    menu = MENUS[kind]
    if scenario.intensity is None:
        return menu
    intensity = swarm.Intensity(scenario.intensity)
    pace = swarm.PACES[intensity]
    variants = swarm.variants(kind, intensity) if kind in swarm.STRENGTHS else menu.variants
    return Menu(variants, pace.lasts_ms, pace.wait_ms)


def _in_storm(rounds: Rounds, at: int, until: int) -> tuple[int, int]:
    """Return a fault's times, moved out of the quiet."""
    moved = QUIET_START_MS + rounds.placed(at - QUIET_START_MS, until - at)
    return moved, moved + until - at


def _bag(variants: tuple[Fault, ...], nodes: int, draws: Stream) -> Iterator[Fault]:
    """Yield variants for ever: the first one of the menu first, then shuffled bag after bag."""
    possible = [variant for variant in variants if _possible(variant, nodes)]
    first, *others = possible
    yield first
    yield from draws.shuffled(others)
    while True:
        yield from draws.shuffled(possible)


def _possible(fault: Fault, nodes: int) -> bool:
    """Say whether a variant means anything with so many nodes."""
    if isinstance(fault, Partition):
        return nodes >= 4 or fault.shape not in ("majorities-ring", "bridge")
    return True
