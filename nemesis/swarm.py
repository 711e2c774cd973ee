"""The swarm: for each kind of fault, what it does when it is driven gently, so-so and hard.

After *Swarm testing* (Groce et al., ISSTA 2012): runs that each leave out some kinds find more than runs that all do
everything, because kinds hide each other's effects. Which kinds a run has, and how hard each is driven, is drawn from
the seed by the plan; here is only what the words mean. A cluster can recover from each, for every fault ends; disks
keep their budget: never one fault that damages on a majority of them. (A slow disk damages nothing, and slow disks
everywhere are what makes an answer before its fsync show.) Clocks stay within the bound that leases rest on. No fault
here is beyond the model: whatever a swarm finds is a bug.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nemesis.delays import Distribution
from nemesis.faults import (
    IN_MODEL,
    OF_THE_SYSTEM,
    SINCE_SWARMS,
    ClockBump,
    ClockDrift,
    ClockReset,
    ClockStrobe,
    DiskEio,
    DiskFull,
    DiskSlow,
    Fault,
    FdLimit,
    Kill,
    LinkClog,
    LinkFault,
    MemoryLimit,
    Partition,
    Pause,
    PowerOff,
    Reset,
    Restart,
    RollingRestart,
    Starve,
)


class Intensity(StrEnum):
    """How hard a kind is driven."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a fault lasts and how long the next one is waited for (ms, low and high)."""

    lasts_ms: tuple[int, int]
    wait_ms: tuple[int, int]


PACES = {
    Intensity.LOW: Pace((200, 1_000), (3_000, 6_000)),
    Intensity.MEDIUM: Pace((500, 2_500), (1_500, 4_000)),
    Intensity.HIGH: Pace((1_000, 4_000), (300, 2_000)),
}

STRENGTHS: dict[str, tuple[tuple[Fault, ...], tuple[Fault, ...], tuple[Fault, ...]]] = {
    "partition": (
        (Partition("one"), Partition("one-way"), Partition("minority-third")),
        (Partition("leader"), Partition("random-halves"), Partition("leader-deaf"), Partition("leader-mute")),
        (Partition("majorities-ring"), Partition("bridge"), Partition("leader"), Partition("random-halves")),
    ),
    "kill": (
        (Kill("one"), Kill("follower")),
        (Kill("leader"), Kill("minority")),
        (Kill("leader"), Kill("majority"), Kill("all")),
    ),
    "pause": (
        (Pause("one"), Pause("follower")),
        (Pause("leader"), Pause("minority")),
        (Pause("leader"), Pause("majority"), Pause("all")),
    ),
    "restart": (
        (Restart("one"),),
        (Restart("leader"), Restart("minority")),
        (Restart("all"), Restart("leader")),
    ),
    "link": (
        (
            LinkFault(delay_max_us=2_000),
            LinkFault("one", delay_max_us=50_000),
            LinkFault(loss_ppm=1_000),
            LinkFault(delay_max_us=50_000, distribution=Distribution.PARETO),
            LinkFault(delay_max_us=0, reorder_ppm=10_000),
        ),
        (
            LinkFault(delay_max_us=20_000, loss_ppm=10_000, duplicate_ppm=10_000),
            LinkFault("leader", delay_min_us=10_000, delay_max_us=60_000),
            LinkFault(delay_max_us=0, duplicate_ppm=200_000),
            LinkFault(delay_max_us=0, loss_ppm=50_000, loss_correlation_ppm=700_000),
            LinkFault(delay_max_us=200_000, distribution=Distribution.EXPONENTIAL, reorder_ppm=50_000),
            LinkFault("one", delay_max_us=0, loss_ppm=1_000_000, direction="from"),
        ),
        (
            LinkFault(delay_max_us=100_000, loss_ppm=100_000, duplicate_ppm=100_000),
            LinkFault(delay_min_us=50_000, delay_max_us=400_000, duplicate_ppm=50_000),
            LinkFault("minority", delay_max_us=0, loss_ppm=600_000),
            LinkFault(delay_max_us=2_000_000, distribution=Distribution.PARETO, duplicate_ppm=50_000),
            LinkFault(delay_max_us=0, reorder_ppm=300_000, held_us=200_000),
            LinkFault(delay_max_us=0, loss_ppm=300_000, loss_correlation_ppm=900_000),
            LinkFault("leader", delay_max_us=0, loss_ppm=1_000_000, direction="from"),
            LinkFault("leader", delay_max_us=0, loss_ppm=1_000_000, direction="to"),
        ),
    ),
    "link-clog": (
        (LinkClog("one"), LinkClog("follower", direction="to")),
        (LinkClog("leader"), LinkClog("minority", direction="from")),
        (LinkClog("all"), LinkClog("leader", direction="from"), LinkClog("majority")),
    ),
    "power-off": (
        (PowerOff("one"), PowerOff("follower", mode="torn"), PowerOff("one", mode="names")),
        (PowerOff("leader"), PowerOff("minority", mode="torn"), PowerOff("leader", mode="reordered")),
        (
            PowerOff("all"),
            PowerOff("all", mode="torn"),
            PowerOff("majority", mode="torn"),
            PowerOff("all", mode="reordered"),
            PowerOff("all", mode="names"),
        ),
    ),
    "clock-drift": (
        (ClockDrift("one", 200), ClockDrift("minority", -200)),
        (ClockDrift("leader", 500), ClockDrift("minority", -500)),
        (ClockDrift("leader", -900), ClockDrift("majority", 900), ClockDrift("all", -900)),
    ),
    "clock-bump": (
        (ClockBump("one", "wall", 100),),
        (ClockBump("leader", "wall", -5_000), ClockBump("minority", "wall", 60_000)),
        (ClockBump("all", "wall", -3_600_000), ClockBump("majority", "wall", 3_600_000)),
    ),
    "clock-strobe": (
        (ClockStrobe("one", "wall"), ClockStrobe("one", "monotonic", period_ms=500, ppm=200)),
        (ClockStrobe("leader", "wall", delta_ms=-1_000), ClockStrobe("leader", "monotonic", period_ms=100, ppm=500)),
        (
            ClockStrobe("all", "wall", period_ms=20, delta_ms=60_000),
            ClockStrobe("majority", "monotonic", period_ms=200, ppm=900),
            ClockStrobe("leader", "monotonic", period_ms=20, ppm=900),
        ),
    ),
    "disk-slow": (
        (DiskSlow("one", 10),),
        (DiskSlow("leader", 100), DiskSlow("minority", 100), DiskSlow("all", 30)),
        (DiskSlow("leader", 1_000), DiskSlow("minority", 0), DiskSlow("leader", 0), DiskSlow("all", 300)),
    ),
    "disk-eio": (
        (DiskEio("one"), DiskEio("follower")),
        (DiskEio("leader"), DiskEio("one")),
        (DiskEio("minority"), DiskEio("leader")),
    ),
    "disk-full": (
        (DiskFull("one"), DiskFull("follower")),
        (DiskFull("leader"), DiskFull("one")),
        (DiskFull("minority"), DiskFull("leader")),
    ),
    "rolling-restart": (
        (RollingRestart("minority"),),
        (RollingRestart(),),
        (RollingRestart(),),
    ),
    "starve": (
        (Starve("one", 5), Starve("follower", 10)),
        (Starve("leader", 20), Starve("minority", 20)),
        (Starve("leader", 50), Starve("majority", 20), Starve("all", 10)),
    ),
    "memory-limit": (
        (MemoryLimit("one"), MemoryLimit("follower")),
        (MemoryLimit("leader"), MemoryLimit("one", 0)),
        (MemoryLimit("minority", 0), MemoryLimit("leader", 0)),
    ),
    "fd-limit": (
        (FdLimit("one", 2), FdLimit("follower")),
        (FdLimit("leader"), FdLimit("minority")),
        (FdLimit("majority"), FdLimit("all")),
    ),
    "reset": (
        (Reset("one"), Reset("follower")),
        (Reset("leader"), Reset("minority")),
        (Reset("all"), Reset("leader")),
    ),
    "clock-reset": (
        (ClockReset("one"), ClockReset("follower")),
        (ClockReset("leader"), ClockReset("minority")),
        (ClockReset("all"), ClockReset("leader")),
    ),
}
"""Each kind's variants, gentle first."""

KINDS_OF_SWARMS = tuple(kind for kind in IN_MODEL if kind not in (*OF_THE_SYSTEM, *SINCE_SWARMS))
"""Which kinds a swarm may choose from, wherever the run is: a seed is one plan in simulation and on real processes.

One kind more, and every seed would have another plan. So changes of the members, and all kinds that came after swarms,
come besides a swarm, by their names: ``--faults swarm,membership,starve``.
"""


def variants(kind: str, intensity: Intensity) -> tuple[Fault, ...]:
    """Return what a kind does at an intensity."""
    return STRENGTHS[kind][list(Intensity).index(intensity)]
