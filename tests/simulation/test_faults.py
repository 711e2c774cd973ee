"""Each fault in simulation: it happens, it shows, it is healed, and a healthy node stays safe under it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.execution import carry_out, prepare
from harness.exploration.findings import findings
from harness.results import RunVerdict
from harness.scenario import Timed, changed
from harness.store import Store
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
    DiskRot,
    DiskSlow,
    DiskTruncate,
    DiskWipe,
    Fault,
    Kill,
    LinkClog,
    LinkFault,
    Partition,
    Pause,
    PowerOff,
    Reset,
    kind,
)
from nemesis.record import FaultStatus
from nemesis.undo import Spot
from node.storage.wal import Wal
from tests.simulation.runs import STARTED, Nobody, run, scenario, timed

SEEDS = range(5)
FAULTS: list[tuple[Fault, str]] = [
    (LinkFault(delay_max_us=50_000, loss_ppm=50_000, duplicate_ppm=100_000), "frames on the disturbed links: "),
    (LinkFault("leader", delay_max_us=0, loss_ppm=500_000), " lost"),
    (LinkFault(delay_max_us=500_000, distribution=Distribution.PARETO), " delayed"),
    (LinkFault("all", delay_max_us=0, reorder_ppm=200_000), " held back"),
    (LinkFault("all", delay_max_us=0, loss_ppm=200_000, loss_correlation_ppm=800_000), " lost"),
    (LinkFault("leader", delay_max_us=0, loss_ppm=1_000_000, direction="from"), " lost"),
    (LinkFault("leader", delay_max_us=0, loss_ppm=1_000_000, direction="to"), " lost"),
    (LinkClog("leader"), " clogged"),
    (LinkClog("all", direction="from"), " clogged"),
    (PowerOff("all", mode="reordered"), "bytes taken back"),
    (PowerOff("all", mode="names"), "bytes taken back"),
    (ClockBump("all", "wall", -3_600_000), "its wall clock jumped by -3600.000 s"),
    (ClockBump("all", "wall", 5), "its wall clock jumped back by -0.005 s"),
    (ClockStrobe("all", "wall", period_ms=20, delta_ms=60_000), "by up to 60000.000 ms at once"),
    (ClockStrobe("majority", "monotonic", period_ms=100, ppm=900), "by up to 0.090 ms at once"),
    (PowerOff("all"), "bytes taken back"),
    (PowerOff("majority", mode="torn"), "bytes taken back"),
    (ClockDrift("leader", 900), "its clock went"),
    (ClockDrift("all", -900), "its clock went 1.9982"),
    (DiskSlow("all", 50), "syncs slowed"),
    (DiskSlow("leader", 0), "syncs slowed"),
    (DiskEio("leader"), "1 syncs failed"),
    (DiskEio("minority"), "had ended with status 70"),
    (DiskEio("leader", "write"), "1 writes failed"),
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


def test_a_reset_takes_back_what_a_drift_has_left_of_the_wall_clock(tmp_path: Path) -> None:
    schedule = (timed("1s", "3s", ClockDrift("n2", 500)), timed("4s", "5s", ClockReset("n2")))
    ran = run(scenario(*schedule), 7, tmp_path)
    assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
    assert ran.faults[1].evidence == ("n2: its wall clock was set right, by -0.001000 s",)


def test_a_reset_where_nobody_runs_breaks_nothing(tmp_path: Path) -> None:
    schedule = (timed("1s", "4s", Kill("all")), timed("2s", "3s", Reset("all")), timed("5s", "6s", Reset("n1")))
    ran = run(scenario(*schedule, time="7s", require=()), 7, tmp_path)
    _, nobody, somebody = ran.faults
    assert (nobody.status, nobody.evidence[-1]) == (FaultStatus.INDETERMINATE, "there was no connection to break")
    assert somebody.status is FaultStatus.INSTALLED


# -- names ------------------------------------------------------------------------------------------------------------

SMALL_SEGMENTS = {"log_segment_bytes": 512}
DARK_TWICE = (timed("2s", "3s", PowerOff("all")), timed("4s", "5s", PowerOff("all", mode="names")))


@pytest.mark.parametrize("mode", ["drop", "torn", "reordered", "names"])
def test_segments_that_are_new_at_a_power_cut_cost_nothing(mode: str, tmp_path: Path) -> None:
    cuts = [timed(f"{at}s", f"{at}.5s", PowerOff("all", mode=mode)) for at in (2, 3, 4, 5)]
    for seed in range(2):
        ran = run(scenario(*cuts, rate=200, node=SMALL_SEGMENTS), seed, tmp_path)
        assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), f"seed {seed}: {ran.sentence}"


def roll_and_forget_the_name(self: Wal, first_lsn: int) -> None:
    """Begin a segment as the log does, and leave out the one step that programs forget."""
    disk = self._disk
    sync_names, disk.sync_names = disk.sync_names, lambda: None  # type: ignore[method-assign]
    try:
        ROLL(self, first_lsn)
    finally:
        disk.sync_names = sync_names  # type: ignore[method-assign]


ROLL = Wal._roll


def test_a_log_that_does_not_sync_its_names_is_caught_by_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Wal, "_roll", roll_and_forget_the_name)
    for cut in DARK_TWICE:
        ran = run(scenario(cut, rate=300, node=SMALL_SEGMENTS), 1, tmp_path)
        assert ran.broken or ran.verdict is RunVerdict.VIOLATION, ran.sentence
        assert "changes of names lost" in " ".join(ran.faults[0].evidence)


# -- beyond the model -------------------------------------------------------------------------------------------------

MOST, REST = ("n1", "n2", "n3"), ("n4", "n5")
SPLIT = Partition("mine", {**dict.fromkeys(MOST, REST), **dict.fromkeys(REST, MOST)})
LIARS = (
    timed("1s", "6s", SPLIT),
    timed("2s", "5s", DiskLie("n1+n2+n3")),
    timed("4s", "5s", PowerOff("n1+n2+n3")),
)


def test_a_majority_of_lying_disks_loses_commits_at_a_power_cut_and_the_checkers_see_it(tmp_path: Path) -> None:
    for seed in range(3):
        ran = run(scenario(*LIARS, time="8s"), seed, tmp_path)
        assert "accepts another value for slot" in ran.broken
        lie = next(record for record in ran.faults if record.kind == "disk-lie")
        cut = next(record for record in ran.faults if record.kind == "power-off")
        assert (lie.beyond_model, cut.beyond_model) == (DiskLie().beyond_model(), "")
        assert "bytes lost that it had called durable" in lie.evidence[0]
        assert "called durable before" in cut.evidence[0]


def test_a_violation_under_a_lying_disk_says_so_and_is_a_signature_of_its_own(tmp_path: Path) -> None:
    prepared = prepare(scenario(*LIARS, time="8s"), 0, Store(tmp_path), STARTED)
    result = carry_out(prepared, Nobody()).result
    assert result.verdict is RunVerdict.VIOLATION
    assert "Beyond the model: disk-lie n1, n2, n3" in result.sentence
    assert result.sentence.endswith("; a correct node may break here.")
    assert [finding.signature.kind.endswith(" (beyond the model)") for finding in findings(result)] == [True]


def test_without_the_lie_the_same_power_cut_costs_nothing(tmp_path: Path) -> None:
    ran = run(scenario(LIARS[0], LIARS[2], time="8s"), 0, tmp_path)
    assert ran.verdict is RunVerdict.VALID, ran.sentence


DAMAGES: list[Fault] = [
    DiskRot("one", Spot.BODY),
    DiskRot("n3", Spot.HEAD, 3),
    DiskRot("minority", Spot.BODY, 20),
    DiskTruncate("one", 100),
    DiskMisdirect("one"),
]


@pytest.mark.parametrize("fault", DAMAGES, ids=[f"{kind(f)}-{n}" for n, f in enumerate(DAMAGES)])
def test_a_damaged_minority_refuses_or_recovers_and_the_others_go_on(fault: Fault, tmp_path: Path) -> None:
    ran = run(scenario(timed("3s", "4s", fault)), 5, tmp_path)
    assert ran.verdict is RunVerdict.VALID or "has forgotten what it had answered for" in ran.broken, ran.sentence
    (record,) = ran.faults
    assert (record.status, record.beyond_model) == (FaultStatus.INSTALLED, "durable data was damaged")
    assert "offset" in record.evidence[0]


def test_a_node_whose_log_is_rotten_says_so_and_stays_down(tmp_path: Path) -> None:
    ran = run(scenario(timed("3s", "4s", DiskRot("n2+n3", Spot.BODY))), 2, tmp_path)
    assert ran.verdict is RunVerdict.VALID, ran.sentence
    assert sum("cannot start: wal-" in line and "bit rot, not a torn tail" in line for line in ran.said) == 2
    assert sum("ended with status 65" in sentence for sentence in ran.faults[0].evidence) == 2


def test_of_a_rotten_majority_nothing_is_demanded_and_nothing_is_known(tmp_path: Path) -> None:
    ran = run(scenario(timed("3s", "4s", DiskRot("majority", Spot.BODY))), 2, tmp_path)
    assert ran.verdict is RunVerdict.UNKNOWN, ran.sentence
    assert "final-reads" in ran.sentence
    assert "Beyond the model: disk-rot body" in ran.sentence


WIPED = (
    timed("1s", "1900ms", Partition("one")),
    timed("1800ms", "1950ms", DiskWipe("n3")),
    timed("1900ms", "3500ms", Partition("leader")),
)
"""What the leader and n3 alone have accepted may be acknowledged; then n3 has forgotten it, and decides without it."""


@pytest.mark.parametrize("amnesia_safe", [0, 1])
def test_a_wiped_disk_loses_commits_unless_the_node_knows_that_it_may_forget(amnesia_safe: int, tmp_path: Path) -> None:
    wiped = scenario(*WIPED, nodes=3, rate=100, time="5s", node={"amnesia_safe": amnesia_safe})
    broken = [run(wiped, seed, tmp_path).broken for seed in range(12, 18)]
    assert any(broken) is not bool(amnesia_safe)
    assert all("another value" in what for what in broken if what)


# -- clocks beyond the bound that leases rest on ----------------------------------------------------------------------

UNBOUND: list[tuple[Fault, str]] = [
    (ClockDrift("all", -900_000), "its clock went 0.2"),
    (ClockDrift("all", 10_000_000), "its clock went 22"),
    (ClockFreeze("leader"), "its clock went 0.000000 s in 2."),
    (ClockBump("leader", "monotonic", 60_000), "its monotonic clock jumped by +60.000 s"),
    (ClockBump("majority", "monotonic", 300), "its monotonic clock jumped by +0.300 s"),
    (ClockStrobe("majority", "monotonic", period_ms=100, ppm=900_000), "by up to 90.000 ms at once"),
]


@pytest.mark.parametrize(("fault", "evidence"), UNBOUND, ids=[f"{kind(f)}-{n}" for n, (f, _) in enumerate(UNBOUND)])
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


@pytest.mark.parametrize(
    "fault",
    [LinkClog("minority", "to"), LinkFault("minority", delay_max_us=0, loss_ppm=1_000_000, direction="to")],
    ids=["clog", "one-way"],
)
def test_reads_without_asking_anybody_are_caught_where_news_does_not_arrive(fault: Fault, tmp_path: Path) -> None:
    stale = changed(scenario(timed("2s", "4s", fault)), bug="local-reads")
    ran = run(stale, 1, tmp_path)
    assert ran.verdict is RunVerdict.VIOLATION, ran.sentence
    assert "linearizable" in ran.sentence
    assert "eyond" not in ran.sentence
