"""Faults of weather, power, clocks and disks: what they ask of the ground, what they make of what they see."""

from __future__ import annotations

import pytest

from nemesis.faults import (
    ClockDrift,
    ClockFreeze,
    DiskEio,
    DiskFull,
    DiskSlow,
    Fault,
    FaultError,
    LinkFault,
    PowerOff,
)
from nemesis.ground import MILLION, ClockBend, DiskCounters, DiskTrouble, Link, Run, Weather
from nemesis.record import FaultStatus
from nemesis.swarm import STRENGTHS, Intensity, variants
from nemesis.targets import SYMBOLS, TargetError, majority, resolve
from tests.nemesis.ground import FakeGround, names
from tests.nemesis.test_actions import Scene
from tests.nemesis.virtual_time import run_virtually

INSTALLED, INDETERMINATE = FaultStatus.INSTALLED, FaultStatus.INDETERMINATE


# -- links ------------------------------------------------------------------------------------------------------------


def test_weather_comes_to_all_links_and_goes_again() -> None:
    scene = Scene(LinkFault(delay_min_us=5, delay_max_us=7, loss_ppm=10_000))
    scene.inject()
    assert scene.ground.weather[Link("n1", "n5")] == Weather(5_000, 7_000, 10_000, 0)
    assert len(scene.ground.weather) == 20
    assert scene.action.what == "link: 0.005 to 0.007 ms late, 1 % lost on all links"
    assert scene.heal()
    assert set(scene.ground.weather.values()) == {Weather()}
    assert scene.status is INSTALLED
    assert scene.evidence[-1] == "frames on the disturbed links: 20 delayed, 20 lost, 20 doubled"


def test_weather_that_met_no_frame_is_indeterminate() -> None:
    scene = Scene(LinkFault("leader"))
    scene.ground.traffic = False
    scene.inject()
    assert len(scene.ground.weather) == 8
    assert scene.heal()
    assert (scene.status, scene.evidence[-1]) == (INDETERMINATE, "no frame was disturbed")


def test_weathers_add_up_and_healing_one_leaves_the_other() -> None:
    first = Scene(LinkFault("n1", delay_max_us=10, loss_ppm=600_000))
    second = first.another(LinkFault("all", delay_min_us=1, delay_max_us=1, loss_ppm=600_000))
    first.inject()
    second.resolve("n1")
    run_virtually(second.inject())
    assert first.ground.weather[Link("n1", "n2")] == Weather(1_000, 11_000, MILLION, 0)
    assert first.ground.weather[Link("n2", "n3")] == Weather(1_000, 1_000, 600_000, 0)
    assert first.heal()
    assert first.ground.weather[Link("n1", "n2")] == Weather(1_000, 1_000, 600_000, 0)
    assert run_virtually(second.heal())
    assert set(first.ground.weather.values()) == {Weather()}


def test_one_node_has_no_links_to_disturb() -> None:
    scene = Scene(LinkFault("n1"), FakeGround(1))
    with pytest.raises(TargetError, match="has no links"):
        scene.resolve()


# -- power ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["drop", "torn"])
def test_power_goes_everywhere_at_once_and_comes_back(mode: str) -> None:
    scene = Scene(PowerOff("n1+n2", mode=mode))
    scene.inject()
    assert scene.ground.states("n1", "n2", "n3") == [Run.GONE, Run.GONE, Run.RUNNING]
    assert scene.ground.torn == dict.fromkeys(("n1", "n2"), mode == "torn")
    assert scene.status is INSTALLED
    assert scene.evidence == [f"n{n}: process {1_000 + n} is gone, 100 bytes taken back" for n in (1, 2)]
    assert scene.heal()
    assert scene.ground.states("n1", "n2") == [Run.RUNNING] * 2


def test_a_power_cut_of_what_did_not_run_shows_nothing() -> None:
    scene = Scene(PowerOff("n1"))
    scene.ground.put("n1", Run.GONE, -9)
    scene.inject()
    assert (scene.status, scene.evidence) == (INDETERMINATE, ["n1 was not running; 100 bytes taken back"])


# -- clocks -----------------------------------------------------------------------------------------------------------


def test_clocks_drift_and_run_right_again() -> None:
    scene = Scene(ClockDrift("minority", -200))
    scene.inject()
    assert scene.ground.clocks == dict.fromkeys(("n1", "n3"), ClockBend(ppm=-200))
    assert scene.heal()
    assert set(scene.ground.clocks.values()) == {ClockBend()}
    assert scene.action.what == "clock-drift -200 ppm n1, n3 (leader: n1)"


def test_a_suspended_node_stops_with_its_clock_and_goes_on_with_it() -> None:
    scene = Scene(ClockFreeze("leader"))
    scene.inject()
    assert (scene.ground.state("n1"), scene.ground.clocks["n1"].rate_ppm) == (Run.STOPPED, 0)
    assert scene.heal()
    assert (scene.ground.state("n1"), scene.ground.clocks["n1"].rate_ppm) == (Run.RUNNING, MILLION)
    assert scene.ground.log.index("clock n1") > scene.ground.log.index("pause n1")


def test_drifts_add_up_and_a_frozen_clock_is_frozen() -> None:
    assert (ClockBend(100) + ClockBend(-300)).rate_ppm == MILLION - 200
    assert (ClockBend(100) + ClockBend(frozen=True)).rate_ppm == 0
    assert (ClockBend(-900_000) + ClockBend(-900_000)).rate_ppm == 0


# -- disks ------------------------------------------------------------------------------------------------------------

TROUBLES: list[tuple[Fault, DiskTrouble]] = [
    (DiskSlow("n1", 10), DiskTrouble(times=10)),
    (DiskSlow("n1", 0), DiskTrouble(stalled=True)),
    (DiskEio("n1"), DiskTrouble(fails_next=True)),
    (DiskFull("n1"), DiskTrouble(full=True)),
]


@pytest.mark.parametrize(("fault", "trouble"), TROUBLES)
def test_disks_have_their_trouble_and_are_well_again(fault: Fault, trouble: DiskTrouble) -> None:
    scene = Scene(fault)
    scene.inject()
    assert scene.ground.disks == {"n1": trouble}
    scene.ground.disk_counts["n1"] = DiskCounters(slowed=1, failed=2, refused=3)
    assert scene.heal()
    assert scene.ground.disks == {"n1": DiskTrouble()}
    assert scene.status is INSTALLED
    assert "n1: 1 syncs slowed, 2 syncs failed, 3 writes refused" in scene.evidence


def test_a_disk_that_was_not_used_shows_nothing() -> None:
    scene = Scene(DiskFull("n1"))
    scene.inject()
    assert scene.heal()
    assert (scene.status, scene.evidence) == (INDETERMINATE, ["n1: its disk was not used meanwhile"])


def test_what_its_disk_has_ended_is_started_again_and_what_a_signal_has_is_not() -> None:
    scene = Scene(DiskEio("n1+n2"))
    scene.inject()
    scene.ground.put("n1", Run.GONE, 70)
    scene.ground.put("n2", Run.GONE, -9)
    assert scene.heal()
    assert scene.ground.states("n1", "n2") == [Run.RUNNING, Run.GONE]


def test_troubles_of_one_disk_add_up() -> None:
    first = Scene(DiskSlow("n1", 10))
    second = first.another(DiskSlow("n1", 5))
    first.inject()
    second.resolve("n1")
    run_virtually(second.inject())
    assert first.ground.disks == {"n1": DiskTrouble(times=50)}
    assert first.heal()
    assert first.ground.disks == {"n1": DiskTrouble(times=5)}


# -- as data ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinkFault(delay_min_us=9, delay_max_us=8), "a delay from 9 to 8"),
        (lambda: LinkFault(loss_ppm=MILLION + 1), "loss_ppm is 1000001"),
        (lambda: LinkFault(delay_max_us=0), "delays, loses and doubles nothing"),
        (lambda: PowerOff(mode="dorp"), "no mode 'dorp'; there are: drop, torn"),
        (lambda: ClockDrift(ppm=0), "or no drift"),
        (lambda: ClockDrift(ppm=-MILLION), "is not between"),
        (lambda: DiskSlow(times=1), "neither 0"),
        (lambda: DiskEio("n1 n2"), "is neither of leader"),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(FaultError, match=message):
        make()


@pytest.mark.parametrize("kind", STRENGTHS)
@pytest.mark.parametrize("intensity", Intensity)
def test_a_swarm_knows_each_kind_at_each_intensity_and_keeps_the_disks_budget(kind: str, intensity: Intensity) -> None:
    assert variants(kind, intensity)
    for fault in variants(kind, intensity):
        assert fault.__struct_config__.tag == kind
        if isinstance(fault, DiskEio | DiskFull):
            assert fault.target in SYMBOLS
            for count in (3, 4, 5, 7):
                assert len(resolve(fault.target, names(count), "n1")) < majority(count)
