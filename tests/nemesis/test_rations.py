"""Nodes on rations, and restarts that roll: what they ask of the ground, what they make of what they see."""

from __future__ import annotations

from typing import Any

import pytest

from nemesis.faults import KINDS, DiskFull, Fault, FaultError, FdLimit, MemoryLimit, RollingRestart, Starve
from nemesis.ground import Ration, Resources, Run
from nemesis.needs import NEEDS
from nemesis.packages import PACKAGES, ROUNDS, expand
from nemesis.record import FaultStatus
from nemesis.swarm import PACES, Intensity
from tests.nemesis.ground import FIRST_PID, FakeGround
from tests.nemesis.test_actions import Scene
from tests.nemesis.virtual_time import run_virtually

INSTALLED, INDETERMINATE = FaultStatus.INSTALLED, FaultStatus.INDETERMINATE
SECOND = 10**9


def seen(**of_n1: list[Resources]) -> FakeGround:
    ground = FakeGround()
    ground.seen = dict(of_n1)
    return ground


def test_rations_add_up_to_the_scantiest() -> None:
    assert Ration(5) + Ration(20, 7) + Ration(1, None, 3) + Ration(2, 9, 0) == Ration(20, 7, 0)
    assert Ration() + Ration() == Ration()


def test_starving_shows_in_how_long_a_node_was_ready_and_had_no_processor() -> None:
    before, starved = Resources(7, SECOND, SECOND), Resources(7, SECOND, SECOND, "is in a cgroup")
    after = Resources(7, SECOND + SECOND // 10, 3 * SECOND, "is in a cgroup")
    scene = Scene(Starve("leader", 20), seen(n1=[before, starved, after, Resources(7)]))
    scene.inject()
    assert scene.ground.rations == {"n1": Ration(times=20)}
    assert scene.status is INDETERMINATE
    assert scene.heal()
    assert scene.ground.rations == {"n1": Ration()}
    assert scene.status is INSTALLED
    assert scene.evidence == [
        "n1: process 7 is in a cgroup",
        "n1: had a processor for 0.100 s, was ready and had none for 2.000 s",
    ]
    assert scene.action.observed.healing == ["n1: has all the processor it wants"]


def test_a_node_that_hardly_waited_did_not_starve() -> None:
    before = Resources(7, SECOND, SECOND)
    after = Resources(7, 2 * SECOND, SECOND + 5, "is bound")
    scene = Scene(Starve("n1"), seen(n1=[before, after, after, Resources(7)]))
    scene.inject()
    assert scene.heal()
    assert scene.status is INDETERMINATE


def test_a_node_that_waited_because_the_machine_is_busy_was_not_starved() -> None:
    scene = Scene(Starve("n1"), seen(n1=[Resources(7), Resources(7), Resources(7, 0, SECOND), Resources(7)]))
    scene.inject()
    assert scene.heal()
    assert scene.status is INDETERMINATE
    assert scene.evidence[-1] == "n1: is not starved; was ready and had no processor for 1.000 s all the same"


def test_a_node_that_starves_after_the_heal_is_not_healed_unless_another_fault_starves_it() -> None:
    hungry = Resources(7, 0, SECOND, "is bound")
    scene = Scene(Starve("n1"), seen(n1=[hungry]))
    scene.inject()
    assert not scene.heal()
    assert scene.action.observed.healing == ["n1: still is bound"]
    both = Scene(Starve("n1"), seen(n1=[hungry]))
    other = both.another(Starve("n1", 50))
    both.inject()
    other.resolve("n1")
    run_virtually(other.inject())
    assert both.ground.rations == {"n1": Ration(times=50)}
    assert run_virtually(other.heal())
    assert both.ground.rations == {"n1": Ration(times=20)}


def test_memory_counts_when_the_node_has_ended_for_want_of_it() -> None:
    full = Resources(FIRST_PID + 1, memory_bytes=500, memory_max_bytes=600)
    before = Resources(FIRST_PID + 1, memory_bytes=500)
    scene = Scene(MemoryLimit("n1", 100), seen(n1=[before, full, full, Resources()]))
    scene.inject()
    assert scene.ground.rations == {"n1": Ration(memory_room_bytes=100)}
    scene.ground.put("n1", Run.GONE, 70)
    assert scene.heal()
    assert scene.status is INSTALLED
    assert "n1: ended by itself under the limit" in scene.evidence
    assert scene.ground.state("n1") is Run.RUNNING


def test_memory_that_nobody_asked_for_was_refused_to_nobody() -> None:
    limited = Resources(7, memory_bytes=500, memory_max_bytes=600)
    scene = Scene(MemoryLimit("n1", 100), seen(n1=[Resources(7, memory_bytes=500), limited, limited, Resources(7)]))
    scene.inject()
    assert scene.heal()
    assert (scene.status, scene.evidence[-1]) == (INDETERMINATE, "n1: grew by 0 bytes, 100 were left")


def test_a_node_whose_disk_was_full_besides_may_have_ended_of_that() -> None:
    scene = Scene(MemoryLimit("n1"), seen(n1=[Resources(FIRST_PID + 1)]))
    disk = scene.another(DiskFull("n1"))
    scene.inject()
    disk.resolve("n1")
    run_virtually(disk.inject())
    scene.ground.put("n1", Run.GONE, 70)
    assert scene.heal()
    assert scene.status is INDETERMINATE
    assert "n1: ended by itself under the limit, and its disk was in trouble besides" in scene.evidence


@pytest.mark.parametrize("before", [Resources(), Resources(FIRST_PID - 1)])
def test_a_process_that_the_limit_was_not_set_on_has_not_ended_of_it(before: Resources) -> None:
    scene = Scene(MemoryLimit("n1"), seen(n1=[before]))
    scene.ground.put("n1", Run.GONE, 70)
    scene.inject()
    assert scene.heal()
    assert scene.status is INDETERMINATE
    assert f"n1: process {FIRST_PID + 1} was not under the limit" in scene.evidence
    assert scene.ground.state("n1") is Run.RUNNING


@pytest.mark.parametrize("other", [FdLimit("n1"), Starve("n1")])
def test_a_node_that_was_on_another_ration_besides_may_have_ended_of_that(other: Fault) -> None:
    scene = Scene(MemoryLimit("n1"), seen(n1=[Resources(FIRST_PID + 1)]))
    another = scene.another(other)
    scene.inject()
    another.resolve("n1")
    run_virtually(another.inject())
    scene.ground.put("n1", Run.GONE, 70)
    assert scene.heal()
    assert scene.status is INDETERMINATE
    assert "n1: ended by itself under the limit, and was on another ration besides" in scene.evidence


def test_who_ends_only_after_the_limit_is_gone_is_started_and_counts_for_nothing() -> None:
    scene = Scene(MemoryLimit("n1"), seen(n1=[Resources(FIRST_PID + 1)]))
    scene.inject()
    assert scene.heal()
    scene.ground.put("n1", Run.GONE, 70)
    assert scene.look_again()
    assert scene.status is INDETERMINATE
    assert scene.ground.state("n1") is Run.RUNNING


@pytest.mark.parametrize("fault", [MemoryLimit("n1"), FdLimit("n1"), Starve("n1")])
def test_a_node_whose_disk_is_full_is_not_started_before_there_is_space_again(fault: Fault) -> None:
    scene = Scene(fault)
    disk = scene.another(DiskFull("n1"))
    scene.inject()
    disk.resolve("n1")
    run_virtually(disk.inject())
    scene.ground.put("n1", Run.GONE, 70)
    assert scene.heal() and scene.look_again()
    assert scene.ground.state("n1") is Run.GONE
    assert run_virtually(disk.heal())
    assert scene.ground.state("n1") is Run.RUNNING


def test_a_node_that_a_signal_has_ended_is_another_faults_to_start() -> None:
    scene = Scene(MemoryLimit("n1"), seen(n1=[Resources()]))
    scene.inject()
    scene.ground.put("n1", Run.GONE, -9)
    assert scene.heal()
    assert scene.status is INDETERMINATE
    assert scene.ground.state("n1") is Run.GONE


def test_a_node_without_a_free_descriptor_shows_it_at_once() -> None:
    none_left = Resources(7, descriptors=30, descriptors_free=0)
    scene = Scene(FdLimit("n1"), seen(n1=[Resources(7), none_left, none_left, Resources(7)]))
    scene.inject()
    assert scene.status is INSTALLED
    assert scene.evidence == ["n1: process 7 has 30 descriptors and can open no more"]
    assert scene.heal()
    assert scene.action.observed.healing == ["n1: may open descriptors as ever"]


def test_a_node_with_descriptors_to_spare_has_met_no_limit() -> None:
    some = Resources(7, descriptors=30, descriptors_free=2)
    scene = Scene(FdLimit("n1", 2), seen(n1=[Resources(7), some, some, some]))
    scene.inject()
    assert not scene.heal(), "it is limited still"
    assert scene.status is INDETERMINATE


def test_a_restart_that_rolls_waits_for_each_node_before_it_stops_the_next() -> None:
    scene = Scene(RollingRestart())
    scene.inject()
    stops = [call for call in scene.ground.log if call.startswith(("stop", "start"))]
    assert stops == [f"{what} n{n}" for n in range(1, 6) for what in ("stop", "start")]
    assert scene.status is INSTALLED
    assert sum("answered" in sentence for sentence in scene.evidence) == 5
    assert scene.heal()


def test_a_restart_that_rolls_goes_on_without_a_node_that_does_not_answer() -> None:
    scene = Scene(RollingRestart("minority"))
    scene.ground.start_in_vain = {"n1"}
    scene.inject()
    assert "n1: did not answer within 10 s of its start" in scene.evidence
    assert any(sentence.startswith("n3: answered") for sentence in scene.evidence)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Starve, {"times": 1}),
        (Starve, {"times": 1_001}),
        (MemoryLimit, {"room_bytes": -1}),
        (FdLimit, {"room": -1}),
        (FdLimit, {"target": "!"}),
    ],
)
def test_what_makes_no_sense_is_refused(kind: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(FaultError, match=next(iter(wrong))):
        kind(**wrong)


# -- needs and packages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_what_a_kind_needs_is_what_its_action_needs(name: str) -> None:
    assert NEEDS[name] == Scene(KINDS[name]()).action.needs


def test_packages_hold_kinds_that_are_in_the_model_and_are_no_kinds_themselves() -> None:
    assert not PACKAGES.keys() & KINDS.keys()
    assert not any(KINDS[kind]().beyond_model() for kinds in PACKAGES.values() for kind in kinds)


def test_a_kind_that_is_named_twice_is_meant_once() -> None:
    assert expand(("kill", "process", "clock", "swarm")) == (*PACKAGES["process"], *PACKAGES["clock"], "swarm")


@pytest.mark.parametrize("intensity", Intensity)
def test_what_is_moved_lies_in_a_storm_and_what_lies_there_stays(intensity: Intensity) -> None:
    rounds = ROUNDS[intensity]
    assert rounds.storm_ms > PACES[intensity].lasts_ms[1]
    for at_ms in range(0, 40_000, 170):
        for lasts_ms in PACES[intensity].lasts_ms:
            moved = rounds.placed(at_ms, lasts_ms)
            within = moved % (rounds.storm_ms + rounds.quiet_ms)
            assert moved >= at_ms
            assert within + lasts_ms <= rounds.storm_ms
            assert moved == at_ms or at_ms % (rounds.storm_ms + rounds.quiet_ms) + lasts_ms >= rounds.storm_ms
