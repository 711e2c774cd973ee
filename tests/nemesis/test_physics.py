"""Faults of weather, power, clocks and disks: what they ask of the ground, what they make of what they see."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import pytest

from harness.systems.multipaxos import bound_of
from nemesis.clock_bound import DRIFT_BOUND_PPM, ClockBound
from nemesis.delays import Delay, Distribution
from nemesis.disks import ENDS_WITHIN_S
from nemesis.faults import (
    ANYWHERE,
    IN_MODEL,
    KINDS,
    OF_THE_SYSTEM,
    QUEUE_BYTES,
    SINCE_SWARMS,
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
    FaultError,
    LinkClog,
    LinkFault,
    Partition,
    PowerOff,
    Reset,
)
from nemesis.ground import MILLION, ClockBend, DiskCounters, DiskTrouble, Link, Loss, Rate, Reorder, Run, Weather
from nemesis.in_force import Stack
from nemesis.record import FaultStatus
from nemesis.swarm import KINDS_OF_SWARMS, STRENGTHS, Intensity, variants
from nemesis.targets import SYMBOLS, TargetError, majority, resolve
from nemesis.undo import Arrival, Damage, Harm, Spot
from node.paxos.config import Config
from tests.nemesis.ground import STEP_S, BrokenGroundError, FakeGround, names
from tests.nemesis.test_actions import Scene
from tests.nemesis.virtual_time import run_virtually

PHYSICS_OF_NODES = ("power", "clocks", "disk")
INSTALLED, INDETERMINATE = FaultStatus.INSTALLED, FaultStatus.INDETERMINATE


# -- links ------------------------------------------------------------------------------------------------------------


def test_weather_comes_to_all_links_and_goes_again() -> None:
    scene = Scene(LinkFault(delay_min_us=5, delay_max_us=7, loss_ppm=10_000))
    scene.inject()
    assert scene.ground.weather[Link("n1", "n5")] == Weather((Delay(5_000, 7_000),), (Loss(10_000),))
    assert len(scene.ground.weather) == 20
    assert scene.action.what == "link: 0.005 to 0.007 ms late, 1 % lost on all links"
    assert scene.heal()
    assert set(scene.ground.weather.values()) == {Weather()}
    assert scene.status is INSTALLED
    assert scene.evidence[-1] == "frames on the disturbed links: 20 delayed, 20 lost"


def test_a_place_that_carries_streams_counts_what_it_has() -> None:
    scene = Scene(LinkFault("n1"))
    scene.ground.unit = "chunks"
    scene.inject()
    assert scene.heal()
    assert scene.evidence[-1].startswith("chunks on the disturbed links: 8 delayed")
    cut = Scene(Partition("one"))
    cut.ground.unit = "chunks"
    cut.inject()
    assert cut.heal()
    assert cut.evidence[-1] == "8 chunks held back on the cut links"


def test_weather_that_met_no_frame_is_indeterminate() -> None:
    scene = Scene(LinkFault("leader"))
    scene.ground.traffic = False
    scene.inject()
    assert len(scene.ground.weather) == 8
    assert scene.heal()
    assert (scene.status, scene.evidence[-1]) == (INDETERMINATE, "no frame was disturbed by it")


def test_a_clog_is_not_shown_by_what_another_faults_delay_does_to_the_same_links() -> None:
    clog = Scene(LinkClog("n1"))
    late = clog.another(LinkFault("n1", delay_max_us=5))
    late.resolve("n1")
    run_virtually(late.inject())
    clog.inject()
    clog.ground.weather.update(dict.fromkeys(clog.ground.weather, Weather((Delay(0, 5_000),))))  # the clog is not there
    assert clog.heal()
    assert (clog.status, clog.evidence[1:]) == (
        INDETERMINATE,
        ["no frame was disturbed by it", "on the same links besides: 8 delayed"],
    )
    assert run_virtually(late.heal())
    assert late.observed.status is INSTALLED


@pytest.mark.parametrize(
    ("weather", "counters"),
    [
        (Weather(), set()),
        (Weather((Delay(0, 1),)), {"delayed"}),
        (Weather(losses=(Loss(1),), duplicate_ppm=1), {"lost", "duplicated"}),
        (Weather(reorders=(Reorder(1, 1),), clogged=True), {"reordered", "clogged"}),
        (Weather(rate=Rate(1, 1)), {"throttled"}),
    ],
)
def test_weather_shows_in_the_counters_of_what_it_does(weather: Weather, counters: set[str]) -> None:
    assert weather.shows_in == counters


def test_weathers_add_up_and_healing_one_leaves_the_other() -> None:
    first = Scene(LinkFault("n1", delay_max_us=10, loss_ppm=600_000, duplicate_ppm=600_000))
    second = first.another(LinkFault("all", delay_min_us=1, delay_max_us=1, loss_ppm=500_000, duplicate_ppm=600_000))
    first.inject()
    second.resolve("n1")
    run_virtually(second.inject())
    one, other = Delay(0, 10_000), Delay(1_000, 1_000)
    both = Weather((one, other), (Loss(600_000), Loss(500_000)), MILLION)
    alone = Weather((other,), (Loss(500_000),), 600_000)
    assert first.ground.weather[Link("n1", "n2")] == both
    assert first.ground.weather[Link("n2", "n3")] == alone
    assert first.heal()
    assert first.ground.weather[Link("n1", "n2")] == alone
    assert run_virtually(second.heal())
    assert set(first.ground.weather.values()) == {Weather()}


def test_frames_that_pass_undisturbed_bear_a_heal_out() -> None:
    scene = Scene(LinkFault("n1"))
    scene.inject()
    assert scene.heal() and scene.look_again()
    assert scene.healing == ["frames pass undisturbed on 8 of the 8 links"]


def test_weather_that_goes_on_is_not_healed_whatever_the_place_was_told() -> None:
    scene = Scene(LinkFault("n1"))
    scene.inject()
    scene.ground.stuck = {"weather"}
    assert scene.heal() and not scene.look_again()
    assert scene.healing == ["frames pass undisturbed on 0 of the 8 links"]


def test_links_that_another_fault_disturbs_say_nothing_of_a_heal() -> None:
    first = Scene(LinkFault("n1"))
    other = first.another(LinkFault("all"))
    first.inject()
    other.resolve("n1")
    run_virtually(other.inject())
    assert first.heal() and first.look_again()
    assert first.healing == []


def test_weather_says_how_delays_lie_what_is_held_back_and_how_losses_come() -> None:
    fault = LinkFault(
        "n1",
        delay_max_us=2_000,
        distribution=Distribution.PARETO,
        loss_ppm=100_000,
        loss_correlation_ppm=500_000,
        reorder_ppm=10_000,
        held_us=9,
        direction="from",
    )
    scene = Scene(fault)
    scene.inject()
    assert scene.action.what == ("link: 0 to 2 ms late (pareto), 10 % lost in bursts, 1 % held back on links from n1")
    assert scene.ground.weather == dict.fromkeys(
        (Link("n1", f"n{n}") for n in range(2, 6)),
        Weather((Delay(0, 2_000_000, Distribution.PARETO),), (Loss(100_000, 500_000),), 0, (Reorder(10_000, 9_000),)),
    )


@pytest.mark.parametrize(
    ("direction", "count", "sample"),
    [("both", 8, ("n1", "n2")), ("from", 4, ("n1", "n2")), ("to", 4, ("n2", "n1"))],
)
def test_a_clog_is_of_links_from_or_to_its_nodes(direction: str, count: int, sample: tuple[str, str]) -> None:
    scene = Scene(LinkClog("leader", direction))
    scene.inject()
    assert scene.ground.weather == dict.fromkeys(scene.ground.weather, Weather(clogged=True))
    assert (len(scene.ground.weather), Link(*sample) in scene.ground.weather) == (count, True)
    assert scene.heal()
    assert set(scene.ground.weather.values()) == {Weather()}
    assert scene.evidence[-1].endswith(f"{count} clogged")


def test_one_node_has_no_links_to_disturb() -> None:
    scene = Scene(LinkFault("n1"), FakeGround(1))
    with pytest.raises(TargetError, match="has no links"):
        scene.resolve()


# -- power ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Arrival)
def test_power_goes_everywhere_at_once_and_comes_back(mode: str) -> None:
    scene = Scene(PowerOff("n1+n2", mode=mode))
    scene.inject()
    assert scene.ground.states("n1", "n2", "n3") == [Run.GONE, Run.GONE, Run.RUNNING]
    assert scene.ground.arrivals == dict.fromkeys(("n1", "n2"), Arrival(mode))
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


@pytest.mark.parametrize(
    "fault", [ClockDrift("n1", 500_000), ClockFreeze("n1"), ClockStrobe("n1", "monotonic"), ClockBump("n1")]
)
def test_clocks_are_watched_after_their_fault(fault: Fault) -> None:
    scene = Scene(fault)
    scene.inject()
    assert scene.heal() and scene.look_again()
    assert scene.healing == ["n1: its clock went 0.050000 s in 0.050000 s after it"]


def test_a_clock_that_stays_bent_is_not_healed() -> None:
    scene = Scene(ClockDrift("n1", 500_000))
    scene.inject()
    scene.ground.stuck = {"clock"}
    assert scene.heal() and not scene.look_again()
    assert scene.healing == ["n1: its clock went 0.075000 s in 0.050000 s after it"]


def test_a_clock_that_another_fault_bends_says_nothing_of_a_heal() -> None:
    first = Scene(ClockDrift("n1"))
    other = first.another(ClockDrift("all", 300))
    first.inject()
    other.resolve("n1")
    run_virtually(other.inject())
    assert first.heal() and first.look_again()
    assert first.healing == []


def test_faults_that_make_up_for_each_other_bend_a_clock_all_the_same() -> None:
    first = Scene(ClockDrift("n1"))
    first.inject()
    for ppm in (300, -300):
        other = first.another(ClockDrift("all", ppm))
        other.resolve("n1")
        run_virtually(other.inject())
    assert first.heal() and first.look_again()
    assert first.healing == []


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


def test_a_wall_clock_jumps_and_jumps_back() -> None:
    scene = Scene(ClockBump("minority", "wall", -2_000))
    scene.inject()
    assert scene.ground.clocks == dict.fromkeys(("n1", "n3"), ClockBend(wall_ahead=-2_000_000_000))
    assert scene.heal()
    assert set(scene.ground.clocks.values()) == {ClockBend()}
    assert scene.status is INSTALLED
    assert scene.evidence == [
        f"n{n}: its wall clock jumped {how} s" for n in (1, 3) for how in ("by -2.000", "back by +2.000")
    ]


def test_a_monotonic_clock_jumps_forward_for_good() -> None:
    scene = Scene(ClockBump("leader", "monotonic", 500))
    scene.inject()
    assert scene.heal() and scene.look_again()
    assert scene.ground.jumps == {"n1": 500_000_000}
    assert (scene.status, scene.evidence) == (INSTALLED, ["n1: its monotonic clock jumped by +0.500 s"])


def test_a_wall_clock_is_set_right_once() -> None:
    scene = Scene(ClockReset("n1+n2"))
    scene.ground.wall_off = {"n1": 1_500_000}
    scene.inject()
    assert scene.ground.wall_off == {}
    assert scene.heal() and scene.look_again()
    assert scene.status is INSTALLED
    assert scene.evidence == [
        "n2: its wall clock was right",
        "n1: its wall clock was set right, by -0.001500 s",
    ]


def test_a_wall_clock_that_was_right_shows_no_effect() -> None:
    scene = Scene(ClockReset("n1"))
    scene.inject()
    assert scene.heal()
    assert scene.status is INDETERMINATE


@pytest.mark.parametrize(
    "fault",
    [
        ClockDrift("n1+n2", 500),
        ClockFreeze("n1+n2"),
        ClockBump("n1+n2"),
        ClockBump("n1+n2", "monotonic", 5),
        ClockStrobe("n1+n2"),
        ClockReset("n1+n2"),
    ],
)
def test_clocks_out_of_reach_are_left_alone_with_the_reason(fault: Fault) -> None:
    scene = Scene(fault)
    scene.ground.lacking = {"clocks n1": "statically linked"}
    scene.inject()
    assert scene.heal()
    assert scene.action.targets == ("n2",)
    assert scene.evidence[0] == "n1: skipped: statically linked"
    assert not [call for call in scene.ground.log if call.endswith(" n1")]
    scene = Scene(fault)
    scene.ground.lacking = {"clocks n1": "statically linked", "clocks n2": "built with Go"}
    with pytest.raises(TargetError, match="n1: skipped: statically linked; n2: skipped: built with Go"):
        scene.resolve()


BENDS: list[Fault] = [
    ClockDrift("n1", 500),
    ClockFreeze("n1"),
    ClockBump("n1"),
    ClockBump("n1", "monotonic", 5),
    ClockStrobe("n1", "wall", period_ms=100),
    ClockStrobe("n1", "monotonic", period_ms=100),
    ClockReset("n1"),
]


def whole_fault(fault: Fault, ground: FakeGround) -> tuple[Scene, bool]:
    """Carry a fault of clocks out for a second, and say whether it was healed."""
    scene = Scene(fault, ground)
    ground.wall_off = {"n1": 1_500_000}
    scene.resolve()

    async def whole() -> bool:
        await scene.action.inject()
        await asyncio.sleep(1)
        return bool(await scene.action.heal() & await scene.action.look_again())

    return scene, run_virtually(whole())


@pytest.mark.parametrize("fault", BENDS)
def test_a_clock_counts_as_bent_once_a_process_has_read_it(fault: Fault) -> None:
    scene, healed = whole_fault(fault, FakeGround())
    assert (scene.status, healed) == (INSTALLED, True)
    assert not [sentence for sentence in scene.healing if "but" in sentence]


@pytest.mark.parametrize("fault", BENDS)
def test_a_clock_that_no_process_reads_shows_no_effect(fault: Fault) -> None:
    ground = FakeGround()
    ground.idle = {"n1"}
    scene, healed = whole_fault(fault, ground)
    assert (scene.status, healed) == (INDETERMINATE, True), "nobody was seen to read anything wrong"
    assert [told for told in scene.evidence if told.endswith(", but no process of it has read its clocks since")]
    assert scene.healing[-1].endswith("after it, but no process of it has read it yet")


@pytest.mark.parametrize("fault", BENDS)
def test_a_clock_of_a_node_without_a_process_shows_no_effect(fault: Fault) -> None:
    ground = FakeGround()
    ground.put("n1", Run.GONE, -9)
    scene, healed = whole_fault(fault, ground)
    assert (scene.status, healed) == (INDETERMINATE, True)
    assert [told for told in scene.evidence if told.endswith(", but it was not running")]


@pytest.mark.parametrize("fault", BENDS)
def test_what_a_process_has_read_is_believed_before_what_it_was_told(fault: Fault) -> None:
    ground = FakeGround()
    ground.doubts = {"n1": "process 7 has read 1 ns at 2 ns, where its page had said 3"}
    scene, healed = whole_fault(fault, ground)
    assert (scene.status, healed) == (INDETERMINATE, False)
    assert scene.healing == ["n1: its clock went 0.050000 s in 0.050000 s after it, but " + ground.doubts["n1"]]


@pytest.mark.parametrize(
    "fault", [ClockBump("n1", "wall", -2_000), ClockStrobe("n1", "wall", period_ms=400, delta_ms=-2_000)]
)
def test_a_wall_clock_that_does_not_go_back_is_not_healed(fault: Fault) -> None:
    scene = Scene(fault)
    scene.resolve()

    async def stuck() -> bool:
        await scene.action.inject()
        scene.ground.stuck = {"wall"}
        return await scene.action.heal()

    assert not run_virtually(stuck())
    assert not scene.look_again()
    assert scene.healing[-1] == "n1: its wall clock is still -2.000 s off"


def test_a_wall_clock_that_another_fault_sets_meanwhile_is_not_held_against_the_heal() -> None:
    scene = Scene(ClockBump("n1"))
    scene.inject()

    async def heal() -> bool:
        scene.ground.wall_off = {"n1": 10**9}
        resetting = asyncio.create_task(scene.ground.reset_clock("n1"))
        await asyncio.sleep(STEP_S / 2)
        healed = await scene.action.heal()
        await resetting
        return healed

    assert run_virtually(heal())
    assert scene.evidence[-1] == "n1: its wall clock jumped back by -2.000 s", "by 1 s of its own"
    assert scene.look_again()


async def _each(tell: Callable[[str, ClockBend], Awaitable[None]], bends: Mapping[str, ClockBend]) -> None:
    for node, bend in bends.items():
        await tell(node, bend)


def strobed(fault: ClockStrobe) -> tuple[Scene, list[ClockBend]]:
    """Carry a strobe out for a second, and return each bend that the first node's clock had, in order."""
    scene = Scene(fault)
    seen: list[ClockBend] = []
    told = scene.ground.set_clock

    async def set_clock(node: str, bend: ClockBend) -> None:
        await told(node, bend)
        seen.append(bend)

    scene.in_force.clocks = Stack[str, ClockBend](ClockBend(), lambda bends: _each(set_clock, bends))
    scene.action = scene.another(fault)
    scene.resolve()

    async def whole() -> None:
        await scene.action.inject()
        await asyncio.sleep(1)
        assert await scene.action.heal()

    run_virtually(whole())
    return scene, seen


def test_a_wall_clock_flips_to_and_fro_and_is_right_at_the_end() -> None:
    scene, seen = strobed(ClockStrobe("n1", "wall", period_ms=100, delta_ms=300))
    off, right = ClockBend(wall_ahead=300_000_000), ClockBend()
    assert 8 <= len(seen) <= 12
    assert all(bend == (right if number % 2 else off) for number, bend in enumerate(seen[:-1]))
    assert seen[-1] == right
    assert scene.status is INSTALLED
    assert scene.evidence[-1].endswith("by up to 300.000 ms at once")


def test_a_monotonic_clock_is_fast_and_slow_in_turn_and_right_at_the_end() -> None:
    scene, seen = strobed(ClockStrobe("n1", "monotonic", period_ms=200, ppm=250_000))
    assert {bend.rate_ppm for bend in seen[:-1]} == {750_000, 1_250_000}
    assert seen[-1] == ClockBend()
    assert scene.status is INSTALLED


def test_a_strobe_that_came_to_an_error_says_so_and_leaves_no_bend() -> None:
    scene = Scene(ClockStrobe("n1", "monotonic", period_ms=100, ppm=250_000))
    scene.resolve()

    async def whole() -> None:
        await scene.action.inject()
        scene.ground.breaks = {"clock n1"}
        await asyncio.sleep(0.2)
        scene.ground.breaks = set()
        with pytest.raises(BrokenGroundError):
            await scene.action.heal()

    run_virtually(whole())
    assert scene.ground.clocks == {"n1": ClockBend()}


# -- disks ------------------------------------------------------------------------------------------------------------

TROUBLES: list[tuple[Fault, DiskTrouble, str]] = [
    (DiskSlow("n1", 10), DiskTrouble(times=10), "1 syncs slowed"),
    (DiskSlow("n1", 0), DiskTrouble(stalled=True), "1 syncs slowed"),
    (DiskEio("n1"), DiskTrouble(fails_next=True), "2 syncs failed"),
    (DiskEio("n1", "sync"), DiskTrouble(fails_next=True), "2 syncs failed"),
    (DiskMisread("n1", 7), DiskTrouble(misread_ppm=7), "5 reads returned what is not there"),
    (DiskFull("n1"), DiskTrouble(full=True), "3 writes refused"),
    (DiskLie("n1"), DiskTrouble(lies=True), "4 syncs lied about"),
]
ALL_TROUBLES = DiskCounters(slowed=1, failed=2, refused=3, lied=4, misread=5)


@pytest.mark.parametrize(("fault", "trouble", "done"), TROUBLES)
def test_disks_have_their_trouble_and_are_well_again(fault: Fault, trouble: DiskTrouble, done: str) -> None:
    scene = Scene(fault)
    scene.inject()
    assert scene.ground.disks == {"n1": trouble}
    scene.ground.disk_counts["n1"] = ALL_TROUBLES
    assert scene.heal()
    assert scene.ground.disks == {"n1": DiskTrouble()}
    assert scene.status is INSTALLED
    assert f"n1: {done}" in scene.evidence
    assert sum("on the same disk besides" in sentence for sentence in scene.evidence) == 1


@pytest.mark.parametrize(
    ("fault", "counter"),
    [
        (fault, counter)
        for fault, trouble, _ in TROUBLES
        for counter in ("slowed", "failed", "refused", "lied", "misread")
        if counter not in trouble.shows_in
    ],
)
def test_what_another_fault_does_to_the_same_disk_shows_nothing_of_this_one(fault: Fault, counter: str) -> None:
    scene = Scene(fault)
    scene.inject()
    scene.ground.disk_counts["n1"] = DiskCounters(**{counter: 7})
    assert scene.heal()
    assert scene.status is INDETERMINATE
    assert scene.evidence[-2] == "n1: its disk showed nothing of it"
    assert scene.evidence[-1].startswith("n1: on the same disk besides: 7 ")


def test_a_write_that_failed_is_told_from_a_sync_that_did() -> None:
    scene = Scene(DiskEio("n1", "write"))
    scene.inject()
    assert scene.ground.disks == {"n1": DiskTrouble(fails_next_write=True)}
    scene.ground.disk_counts["n1"] = DiskCounters(failed=1)
    assert scene.heal()
    assert scene.evidence == ["n1: 1 writes failed"]
    assert scene.action.what == "disk-eio (write) n1 (leader: n1)"


def test_what_reads_wrong_is_read_anew() -> None:
    scene = Scene(DiskMisread("n1"))
    scene.inject()
    assert scene.ground.log[-2:] == ["kill n1", "start n1"], scene.ground.log
    assert scene.action.what == "disk-misread 50 % n1 (leader: n1)"


def test_a_disk_is_watched_after_its_fault() -> None:
    scene = Scene(DiskSlow("n1"))
    scene.inject()
    assert scene.heal() and scene.look_again()
    assert scene.healing == ["n1: nothing went wrong in the 0.1 s after it"]


def test_who_takes_a_while_to_end_of_its_disk_is_started_all_the_same() -> None:
    scene = Scene(DiskFull("n1"))
    scene.inject()
    scene.ground.disk_counts["n1"] = DiskCounters(refused=1)
    assert scene.heal()

    async def ends_late() -> bool:
        looking = asyncio.create_task(scene.action.look_again())
        await asyncio.sleep(ENDS_WITHIN_S / 2)
        scene.ground.put("n1", Run.GONE, 1)
        return await looking

    assert run_virtually(ends_late())
    assert scene.ground.state("n1") is Run.RUNNING


def test_a_disk_that_another_fault_lets_fail_is_no_disk_to_start_on() -> None:
    slow = Scene(DiskSlow("n1"))
    full = slow.another(DiskFull("n1"))
    slow.inject()
    full.resolve("n1")
    run_virtually(full.inject())
    slow.ground.put("n1", Run.GONE, 70)
    assert slow.heal()
    assert slow.ground.state("n1") is Run.GONE
    assert run_virtually(full.heal())
    assert slow.ground.state("n1") is Run.RUNNING


def test_a_disk_that_stays_slow_is_not_healed() -> None:
    scene = Scene(DiskSlow("n1"))
    scene.inject()
    scene.ground.stuck = {"disk"}
    assert scene.heal() and not scene.look_again()
    assert scene.healing == ["n1: it went on in the 0.1 s after it"]


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


def test_of_two_slow_disks_in_one_the_slower_counts_until_it_is_healed() -> None:
    first = Scene(DiskSlow("n1", 10))
    second = first.another(DiskSlow("n1", 5))
    first.inject()
    second.resolve("n1")
    run_virtually(second.inject())
    assert first.ground.disks == {"n1": DiskTrouble(times=10)}
    assert first.heal()
    assert first.ground.disks == {"n1": DiskTrouble(times=5)}


def test_different_troubles_of_one_disk_are_there_together() -> None:
    both = DiskTrouble(times=7, full=True) + DiskTrouble(times=3, lies=True)
    assert both == DiskTrouble(times=7, full=True, lies=True)


def test_a_disk_that_lied_says_how_often_and_what_it_cost() -> None:
    scene = Scene(DiskLie("n1"))
    scene.inject()
    scene.ground.disk_counts["n1"] = DiskCounters(lied=3, betrayed_bytes=40)
    assert scene.heal()
    assert scene.evidence == ["n1: 3 syncs lied about, 40 bytes lost that it had called durable"]


DAMAGES: list[tuple[Fault, Damage, str]] = [
    (DiskRot("n1", Spot.TAIL, 3), Damage(Harm.ROT, 3, Spot.TAIL), "disk-rot tail n1 (leader: n1)"),
    (DiskTruncate("n1", 9), Damage(Harm.TRUNCATE, 9), "disk-truncate 9 bytes n1 (leader: n1)"),
    (DiskMisdirect("n1"), Damage(Harm.MISDIRECT), "disk-misdirect n1 (leader: n1)"),
    (DiskWipe("n1"), Damage(Harm.WIPE), "disk-wipe n1 (leader: n1)"),
]


@pytest.mark.parametrize(("fault", "damage", "what"), DAMAGES)
def test_damage_is_done_while_the_node_is_down_and_it_is_started_on_what_is_left(
    fault: Fault, damage: Damage, what: str
) -> None:
    scene = Scene(fault)
    scene.inject()
    assert scene.action.what == what
    assert scene.ground.damages == {"n1": damage}
    assert scene.ground.log[-2:] == ["kill n1", "damage n1"]
    assert scene.ground.state("n1") is Run.GONE
    assert (scene.status, scene.evidence) == (INSTALLED, ["n1: f, offset 7, 1 bytes: bit 3 flipped"])
    assert scene.heal()
    assert scene.ground.state("n1") is Run.RUNNING


def test_a_node_that_does_not_start_on_a_damaged_disk_is_said_to() -> None:
    scene = Scene(DiskRot("n1"))
    scene.ground.start_in_vain = {"n1"}
    scene.inject()
    assert not scene.heal()
    assert scene.evidence[-1].endswith("ended with status 1")


def test_a_disk_with_nothing_on_it_cannot_be_damaged() -> None:
    scene = Scene(DiskTruncate("n1"))
    scene.ground.damaged = ()
    scene.inject()
    assert (scene.status, scene.evidence) == (INDETERMINATE, ["n1: there was nothing to damage"])


def test_what_is_still_there_is_left_alone() -> None:
    scene = Scene(DiskRot("n1"))
    scene.ground.unstoppable = {"n1"}
    scene.inject()
    assert (scene.status, scene.ground.damages) == (INDETERMINATE, {})


# -- as data ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinkFault(delay_min_us=9, delay_max_us=8), "a delay from 9 to 8"),
        (lambda: LinkFault(loss_ppm=MILLION + 1), "loss_ppm is 1000001"),
        (lambda: LinkFault(delay_max_us=0), "delays, loses, doubles, reorders and limits nothing"),
        (lambda: LinkFault(rate_kbit_per_s=0), "rate_kbit_per_s is 0"),
        (lambda: LinkFault(rate_kbit_per_s=1, queue_bytes=0), "queue_bytes is 0"),
        (lambda: LinkFault(queue_bytes=1), "needs a rate_kbit_per_s"),
        (lambda: LinkFault(direction="form"), "no direction 'form'; there are: both, from, to"),
        (lambda: LinkFault(reorder_ppm=-1), "reorder_ppm is -1"),
        (lambda: LinkFault(reorder_ppm=1, held_us=0), "held_us is 0"),
        (lambda: LinkFault(loss_correlation_ppm=1), "needs a loss_ppm"),
        (lambda: LinkClog(direction=""), "link-clog: no direction"),
        (lambda: ClockBump(clock="stop"), "no clock 'stop'; there are: wall, monotonic"),
        (lambda: ClockBump(delta_ms=0), "or no jump"),
        (lambda: ClockBump(clock="monotonic", delta_ms=-1), "a monotonic clock never goes back"),
        (lambda: ClockStrobe(period_ms=0), "period_ms is 0"),
        (lambda: ClockStrobe(delta_ms=0), "or no flip"),
        (lambda: ClockStrobe(ppm=MILLION), "ppm is 1000000"),
        (lambda: DiskRot(bits=0), "bits is 0"),
        (lambda: DiskTruncate(cut_bytes=0), "cut_bytes is 0"),
        (lambda: PowerOff(mode="dorp"), "no mode 'dorp'; there are: drop, torn, reordered, names"),
        (lambda: ClockDrift(ppm=0), "or no drift"),
        (lambda: ClockDrift(ppm=-MILLION), "is not between"),
        (lambda: DiskSlow(times=1), "neither 0"),
        (lambda: DiskEio("n1 n2"), "is neither of leader"),
        (lambda: DiskEio("n1", "read"), "disk-eio: no call 'read'; there are: sync, write"),
        (lambda: DiskMisread("n1", 0), "disk-misread: chance_ppm is 0, not 1 to 1000000"),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(FaultError, match=message):
        make()


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ANYWHERE])
def test_what_not_every_place_can_do_is_skipped_where_it_cannot(name: str) -> None:
    assert Scene(KINDS[name]()).action.needs in PHYSICS_OF_NODES


@pytest.mark.parametrize(
    ("fault", "needs"),
    [
        (LinkFault(), "weather"),
        (LinkFault(delay_max_us=0, rate_kbit_per_s=1), "weather"),
        (LinkFault(loss_ppm=1), "frames"),
        (LinkFault(duplicate_ppm=1), "frames"),
        (LinkFault(reorder_ppm=1), "frames"),
        (LinkClog(), "weather"),
        (Reset(), "resets"),
    ],
)
def test_what_decides_over_frames_needs_a_place_that_has_frames(fault: Fault, needs: str) -> None:
    assert Scene(fault).action.needs == needs


def test_of_two_rates_the_lower_one_counts_with_its_queue() -> None:
    slow, fast = Rate(1_000, 7), Rate(2_000, 5)
    assert (Weather(rate=slow) + Weather(rate=fast)).rate == (Weather(rate=fast) + Weather(rate=slow)).rate == slow
    assert (Weather(rate=fast) + Weather()).rate == (Weather() + Weather(rate=fast)).rate == fast
    assert (Weather(rate=Rate(1_000, 9)) + Weather(rate=slow)).rate == slow


def test_a_rate_comes_and_goes_with_its_fault() -> None:
    scene = Scene(LinkFault("n1", delay_max_us=0, rate_kbit_per_s=1_500, direction="from"))
    scene.inject()
    assert scene.action.what == "link: 1,500 kbit/s on links from n1"
    assert set(scene.ground.weather.values()) == {Weather(rate=Rate(1_500_000, QUEUE_BYTES))}
    assert scene.heal()
    assert set(scene.ground.weather.values()) == {Weather()}
    assert LinkFault(rate_kbit_per_s=8, queue_bytes=9).rate == Rate(8_000, 9)


def test_a_rate_that_is_not_asked_for_is_no_part_of_a_plan() -> None:
    assert b"rate" not in msgspec.json.encode(LinkFault())
    assert b"queue" not in msgspec.json.encode(LinkFault())
    assert msgspec.json.decode(msgspec.json.encode(LinkFault(rate_kbit_per_s=3)), type=LinkFault).rate_kbit_per_s == 3


def test_a_reset_says_how_many_connections_broke() -> None:
    scene = Scene(Reset("minority"))
    scene.inject()
    assert f"reset {','.join(scene.action.targets)}" in scene.ground.log
    assert scene.heal()
    assert (scene.status, scene.evidence[0]) == (INSTALLED, "6 connections broken")


def test_a_reset_that_met_no_connection_is_indeterminate() -> None:
    scene = Scene(Reset("n3"))
    scene.ground.traffic = False
    scene.inject()
    assert scene.heal()
    assert (scene.status, scene.evidence) == (INDETERMINATE, ["there was no connection to break"])


def test_a_swarm_has_every_kind_in_the_model_and_none_beyond_it() -> None:
    assert {*STRENGTHS, *OF_THE_SYSTEM} == set(IN_MODEL)
    assert (*KINDS_OF_SWARMS, *SINCE_SWARMS) == tuple(STRENGTHS)
    assert not any(fault.beyond_model() for levels in STRENGTHS.values() for level in levels for fault in level)
    assert [name for name in KINDS if name not in IN_MODEL] == [
        "clock-freeze",
        "disk-lie",
        "disk-rot",
        "disk-truncate",
        "disk-misdirect",
        "disk-wipe",
        "disk-misread",
    ]


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


@pytest.mark.parametrize(
    ("fault", "beyond"),
    [
        (ClockDrift(ppm=1_000), False),
        (ClockDrift(ppm=-1_001), True),
        (ClockBump(clock="wall"), False),
        (ClockBump(clock="monotonic"), True),
        (ClockStrobe(clock="wall"), False),
        (ClockStrobe(clock="monotonic", ppm=1_000), False),
        (ClockStrobe(clock="monotonic", ppm=1_001), True),
    ],
)
def test_a_clock_is_in_the_model_up_to_the_bound_that_leases_rest_on(fault: Fault, beyond: bool) -> None:
    assert bool(fault.beyond_model()) is beyond


def test_the_bound_is_the_nodes_own() -> None:
    assert Config(me=1, members=(1,)).drift_ppm == DRIFT_BOUND_PPM
    assert bound_of({}) == ClockBound(DRIFT_BOUND_PPM)
    assert bound_of({"drift_ppm": 250_000}) == ClockBound(250_000)
    assert bound_of({"drift_ppm": 250_000, "lease_ms": 0}) == ClockBound(None)


@pytest.mark.parametrize("fault", [ClockDrift(ppm=-200_000), ClockStrobe(clock="monotonic", ppm=200_000)])
def test_clocks_that_are_very_wrong_are_in_the_model_of_who_expects_that(fault: Fault) -> None:
    assert fault.beyond_model(ClockBound(199_999))
    assert not fault.beyond_model(ClockBound(200_000))
    assert not fault.beyond_model(ClockBound(None))


@pytest.mark.parametrize("fault", [ClockFreeze(), ClockBump(clock="monotonic")])
def test_clocks_without_any_bound_are_in_the_model_only_where_nothing_rests_on_them(fault: Fault) -> None:
    assert fault.beyond_model(ClockBound(1_000_000))
    assert not fault.beyond_model(ClockBound(None))
