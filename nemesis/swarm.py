"""The swarm: for each kind of fault, what it does when it is driven gently, so-so and hard.

After *Swarm testing* (Groce et al., ISSTA 2012): runs that each leave out some kinds find more than runs that all do
everything, because kinds hide each other's effects. Which kinds a run has, and how hard each is driven, is drawn from
the seed by the plan; here is only what the words mean. A cluster can recover from each, for every fault ends; disks
keep their budget: never one fault that damages on a majority of them. (A slow disk damages nothing, and slow disks
everywhere are what makes an answer before its fsync show.) Clocks stay within the bound that leases rest on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nemesis.faults import (
    EVERYWHERE,
    KINDS,
    ClockDrift,
    ClockFreeze,
    DiskEio,
    DiskFull,
    DiskSlow,
    Fault,
    Kill,
    LinkFault,
    Partition,
    Pause,
    PowerOff,
    Restart,
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
        (LinkFault(delay_max_us=2_000), LinkFault("one", delay_max_us=50_000), LinkFault(loss_ppm=1_000)),
        (
            LinkFault(delay_max_us=20_000, loss_ppm=10_000, duplicate_ppm=10_000),
            LinkFault("leader", delay_min_us=10_000, delay_max_us=60_000),
            LinkFault(delay_max_us=0, duplicate_ppm=200_000),
        ),
        (
            LinkFault(delay_max_us=100_000, loss_ppm=100_000, duplicate_ppm=100_000),
            LinkFault(delay_min_us=50_000, delay_max_us=400_000, duplicate_ppm=50_000),
            LinkFault("minority", delay_max_us=0, loss_ppm=600_000),
        ),
    ),
    "power-off": (
        (PowerOff("one"), PowerOff("follower", mode="torn")),
        (PowerOff("leader"), PowerOff("minority", mode="torn")),
        (PowerOff("all"), PowerOff("all", mode="torn"), PowerOff("majority", mode="torn")),
    ),
    "clock-drift": (
        (ClockDrift("one", 200), ClockDrift("minority", -200)),
        (ClockDrift("leader", 500), ClockDrift("minority", -500)),
        (ClockDrift("leader", -900), ClockDrift("majority", 900), ClockDrift("all", -900)),
    ),
    "clock-freeze": (
        (ClockFreeze("one"), ClockFreeze("follower")),
        (ClockFreeze("leader"), ClockFreeze("minority")),
        (ClockFreeze("leader"), ClockFreeze("majority")),
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
}
"""Each kind's variants, gentle first."""

KINDS_OF_PLACES: dict[str, tuple[str, ...]] = {
    "local": EVERYWHERE,
    "simulated": tuple(kind for kind in KINDS if kind != "clock-freeze"),
}
"""Which kinds a swarm may choose from: a matter of the place's name, as a plan is made before its place is there."""


def variants(kind: str, intensity: Intensity) -> tuple[Fault, ...]:
    """Return what a kind does at an intensity."""
    return STRENGTHS[kind][list(Intensity).index(intensity)]
