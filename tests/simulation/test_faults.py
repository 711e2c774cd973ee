"""Each fault in simulation: it happens, it shows, it is healed, and a healthy node stays safe under it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.results import RunVerdict
from harness.scenario import Timed, changed
from nemesis.faults import (
    ClockDrift,
    ClockFreeze,
    DiskEio,
    DiskFull,
    DiskSlow,
    Fault,
    LinkFault,
    Partition,
    Pause,
    PowerOff,
    kind,
)
from nemesis.record import FaultStatus
from tests.simulation.runs import run, scenario, timed

SEEDS = range(5)
FAULTS: list[tuple[Fault, str]] = [
    (LinkFault(delay_max_us=50_000, loss_ppm=50_000, duplicate_ppm=100_000), "frames on the disturbed links: "),
    (LinkFault("leader", delay_max_us=0, loss_ppm=500_000), " lost"),
    (PowerOff("all"), "bytes taken back"),
    (PowerOff("majority", mode="torn"), "bytes taken back"),
    (ClockDrift("leader", 900), "its clock went"),
    (ClockDrift("all", -900), "its clock went 1.9982"),
    (DiskSlow("all", 50), "syncs slowed"),
    (DiskSlow("leader", 0), "syncs slowed"),
    (DiskEio("leader"), "1 syncs failed"),
    (DiskEio("minority"), "had ended with status 70"),
    (DiskFull("leader"), "writes refused"),
    (DiskFull("minority"), "had ended with status 70"),
]


@pytest.mark.parametrize(("fault", "evidence"), FAULTS, ids=[f"{kind(f)}-{n}" for n, (f, _) in enumerate(FAULTS)])
def test_each_fault_happens_and_nothing_is_lost(fault: Fault, evidence: str, tmp_path: Path) -> None:
    ran = run(scenario(timed("2s", "4s", fault)), 7, tmp_path)
    assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
    (record,) = ran.faults
    assert (record.kind, record.status, record.healed) == (kind(fault), FaultStatus.INSTALLED, True)
    assert any(evidence in sentence for sentence in record.evidence), record.evidence


def test_a_node_whose_sync_fails_ends_and_its_journal_says_why(tmp_path: Path) -> None:
    ran = run(scenario(timed("2s", "4s", DiskEio("all"))), 3, tmp_path)
    assert ran.verdict is RunVerdict.VALID
    assert sum("memory cannot be trusted: LogFailedError" in line for line in ran.said) == 5


def test_overlapping_faults_of_one_node_are_healed_one_by_one(tmp_path: Path) -> None:
    overlapping = (
        timed("1s", "3s", DiskFull("n1")),
        timed("1500ms", "4s", DiskSlow("n1", 0)),
        timed("2s", "3500ms", PowerOff("n1+n2", mode="torn")),
        timed("2s", "4500ms", Pause("n1+n3")),
        timed("2500ms", "5s", LinkFault("n1", delay_max_us=30_000)),
        timed("2500ms", "4200ms", LinkFault("all", loss_ppm=100_000)),
        timed("3s", "5s", ClockDrift("n1", 900)),
    )
    ran = run(scenario(*overlapping), 11, tmp_path)
    assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
    assert all(record.healed for record in ran.faults)


# -- clocks beyond the bound that leases rest on ----------------------------------------------------------------------

UNBOUND: list[tuple[Fault, str]] = [
    (ClockDrift("all", -900_000), "its clock went 0.2"),
    (ClockDrift("all", 10_000_000), "its clock went 22"),
    (ClockFreeze("leader"), "its clock went 0.000000 s in 2."),
]


@pytest.mark.parametrize(("fault", "evidence"), UNBOUND, ids=[kind(f) for f, _ in UNBOUND])
def test_without_leases_no_clock_can_do_harm(fault: Fault, evidence: str, tmp_path: Path) -> None:
    ran = run(scenario(timed("2s", "4s", fault), node={"lease_ms": 0}), 7, tmp_path)
    assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
    assert any(evidence in sentence for record in ran.faults for sentence in record.evidence)


BEYOND = {
    "a leader's clock far too slow": (
        timed("1s", "4s", ClockDrift("leader", -900_000)),
        timed("1500ms", "4s", Partition("leader")),
    ),
    "a machine suspended and resumed": (timed("1s", "2s", ClockFreeze("leader")),),
}
WITHIN = {
    "a leader's clock slow by less than the bound": (
        timed("1s", "4s", ClockDrift("leader", -900)),
        timed("1500ms", "4s", Partition("leader")),
    ),
    "a process stopped and continued": (timed("1s", "2s", Pause("leader")),),
}


@pytest.mark.parametrize("schedule", BEYOND.values(), ids=BEYOND)
def test_a_clock_beyond_the_bound_makes_two_holders_of_the_lease(schedule: tuple[Timed, ...], tmp_path: Path) -> None:
    broken = [run(scenario(*schedule, time="5s", rate=200), seed, tmp_path).broken for seed in SEEDS]
    assert sum("holds the lease while" in what for what in broken) >= 4, broken


@pytest.mark.parametrize("schedule", WITHIN.values(), ids=WITHIN)
def test_within_the_bound_there_is_one_holder_at_most(schedule: tuple[Timed, ...], tmp_path: Path) -> None:
    for seed in SEEDS:
        ran = run(scenario(*schedule, time="5s", rate=200), seed, tmp_path)
        assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence


# -- a planted bug that only a power cut shows ------------------------------------------------------------------------

SLOW_THEN_DARK = (timed("1s", "3s", DiskSlow("all", 100)), timed("2s", "3s", PowerOff("all")))


def test_answers_before_the_sync_are_caught_by_a_power_cut(tmp_path: Path) -> None:
    healthy = scenario(*SLOW_THEN_DARK, time="5s", rate=300)
    early = changed(healthy, bug="early-ack")
    caught = 0
    for seed in SEEDS:
        ran = run(early, seed, tmp_path)
        caught += bool(ran.broken) or ran.verdict is RunVerdict.VIOLATION
        ran = run(healthy, seed, tmp_path / "healthy")
        assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), f"seed {seed}: {ran.sentence}"
    assert caught >= 4


def test_killing_processes_does_not_show_it(tmp_path: Path) -> None:
    kills = changed(scenario(time="8s", rate=300, faults=("kill",)), bug="early-ack")
    for seed in SEEDS:
        ran = run(kills, seed, tmp_path)
        assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), f"seed {seed}: {ran.sentence}"


@pytest.mark.parametrize("seed", range(100, 104))
def test_a_swarm_finds_nothing_in_a_healthy_node(seed: int, tmp_path: Path) -> None:
    ran = run(scenario(time="10s", faults=("swarm",)), seed, tmp_path)
    assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
