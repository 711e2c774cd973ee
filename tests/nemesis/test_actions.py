"""Each fault being carried out: what it does, what it observes; only an observed effect counts as installed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from nemesis.action import Action
from nemesis.actions import action_for
from nemesis.faults import (
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
from nemesis.ground import Run
from nemesis.in_force import InForce
from nemesis.record import FaultStatus
from nemesis.targets import TargetError
from nemesis.watching import LOOK_EVERY_S
from tests.nemesis.ground import BrokenGroundError, FakeGround, links, names
from tests.nemesis.virtual_time import run_virtually

INSTALLED, INDETERMINATE = FaultStatus.INSTALLED, FaultStatus.INDETERMINATE
ON_PROCESSES = (Kill, Pause, Restart)


@dataclass
class Scene:
    """One fault on one ground. Nodes are drawn in the order n3, n1, n2, n4, n5; n1 leads."""

    fault: Fault
    ground: FakeGround = field(default_factory=FakeGround)

    def __post_init__(self) -> None:
        self.in_force = InForce(self.ground)
        self.action = self.another(self.fault)

    def another(self, fault: Fault) -> Action:
        """Return another fault's action on the same ground."""
        return action_for(fault, self.ground, ("n3", "n1", "n2", "n4", "n5"), self.in_force)

    def resolve(self) -> None:
        self.action.resolve(self.ground.leads)

    def inject(self) -> None:
        self.resolve()
        run_virtually(self.action.inject())

    def heal(self) -> bool:
        return run_virtually(self.action.heal())

    def look_again(self) -> bool:
        return run_virtually(self.action.look_again())

    @property
    def healing(self) -> list[str]:
        return self.action.observed.healing

    @property
    def status(self) -> FaultStatus:
        return self.action.observed.status

    @property
    def evidence(self) -> list[str]:
        return self.action.observed.evidence


# -- partitions -------------------------------------------------------------------------------------------------------


def test_a_partition_cuts_and_is_installed_once_packets_were_dropped() -> None:
    scene = Scene(Partition("leader"))
    scene.inject()
    assert scene.ground.cut_now == links(
        [("n1", f"n{n}") for n in range(2, 6)] + [(f"n{n}", "n1") for n in range(2, 6)]
    )
    assert scene.status is INDETERMINATE
    assert scene.heal()
    assert scene.ground.cut_now == frozenset()
    assert scene.status is INSTALLED
    assert scene.evidence == ["8 directed links cut", "8 packets dropped on the cut links"]


def test_a_partition_that_dropped_nothing_is_indeterminate() -> None:
    scene = Scene(Partition("halves"))
    scene.ground.traffic = False
    scene.inject()
    assert scene.heal()
    assert scene.status is INDETERMINATE
    assert scene.evidence == ["12 directed links cut", "nothing was sent over the cut links"]


def test_packets_that_were_dropped_before_are_no_evidence() -> None:
    first = Scene(Partition("halves"))
    first.inject()
    first.heal()
    second = Scene(Partition("halves"), first.ground)
    first.ground.traffic = False
    second.inject()
    second.heal()
    assert second.status is INDETERMINATE


def test_only_drops_on_its_own_links_count() -> None:
    scene = Scene(Partition("mine", {"n2": ("n1",)}))
    other = scene.another(Partition("leader-deaf"))
    other.resolve("n5")
    run_virtually(other.inject())
    scene.inject()
    scene.heal()
    assert scene.evidence == ["1 directed links cut", "1 packets dropped on the cut links"]
    assert scene.ground.cut_now == links((f"n{n}", "n5") for n in range(1, 5))


def test_a_grudge_names_for_each_node_those_it_does_not_hear() -> None:
    scene = Scene(Partition("mine", {"n1": ("n2", "n3"), "n4": ("n1",)}))
    scene.inject()
    assert scene.ground.cut_now == links([("n2", "n1"), ("n3", "n1"), ("n1", "n4")])
    assert scene.action.targets == ("n1", "n2", "n3", "n4")
    assert scene.action.what == "partition grudge: n1 ⇸ n4; n2 ⇸ n1; n3 ⇸ n1"
    assert scene.action.hit_leader


@pytest.mark.parametrize("grudge", [{"n1": ("n9",)}, {"n9": ("n1",)}])
def test_a_grudge_with_strangers_cannot_be_resolved(grudge: dict[str, tuple[str, ...]]) -> None:
    scene = Scene(Partition("mine", grudge))
    with pytest.raises(TargetError, match="'n9', which is no node here"):
        scene.resolve()


def test_a_partition_says_what_it_is_and_whether_it_hits_the_leader() -> None:
    scene = Scene(Partition("one"))
    scene.resolve()
    assert scene.action.what == "partition one: {n1, n2, n4, n5} | {n3}"
    assert scene.action.hit_leader
    scene.ground.leads = None
    scene.resolve()
    assert not scene.action.hit_leader


def test_frames_that_pass_again_bear_the_heal_of_a_partition_out() -> None:
    scene = Scene(Partition("one"))
    scene.inject()
    assert scene.heal() and scene.look_again()
    assert scene.healing == ["frames pass again on 8 of the 8 links"]


def test_a_partition_that_still_drops_what_is_sent_is_not_healed() -> None:
    scene = Scene(Partition("mine", {"n2": ("n1",), "n3": ("n1",)}))
    scene.inject()
    scene.ground.stuck = {"cut"}
    assert scene.heal() and not scene.look_again()
    assert scene.healing == [
        "frames pass again on 0 of the 2 links",
        "what is sent is still dropped: n1 → n2, n1 → n3",
    ]


def test_links_over_which_nothing_is_sent_do_not_linger() -> None:
    scene = Scene(Partition("one"))
    scene.inject()
    scene.ground.stuck, scene.ground.traffic = {"cut"}, False
    assert scene.heal() and scene.look_again()
    assert scene.healing == ["frames pass again on 0 of the 8 links"]


def test_links_that_another_fault_cuts_when_they_are_looked_at_do_not_linger() -> None:
    scene = Scene(Partition("mine", {"n2": ("n1",)}))
    scene.inject()
    assert scene.heal()
    other = scene.another(Partition("one"))
    other.resolve("n1")

    async def cut_while_it_looks() -> bool:
        looking = asyncio.create_task(scene.action.look_again())
        await asyncio.sleep(LOOK_EVERY_S / 2)
        scene.ground.cut_now = links([("n1", "n2")])
        await scene.in_force.cuts.add(other, links([("n1", "n2")]))
        return await looking

    assert run_virtually(cut_while_it_looks())


def test_a_partition_heals_after_a_cut_that_failed_half_way() -> None:
    scene = Scene(Partition("halves"))
    scene.ground.breaks = {"cut"}
    with pytest.raises(BrokenGroundError):
        scene.inject()
    scene.ground.breaks = set()
    scene.heal()
    assert scene.ground.log[-1] == "cut"
    assert scene.ground.cut_now == frozenset()


def test_healing_a_partition_twice_counts_once() -> None:
    scene = Scene(Partition("halves"))
    scene.inject()
    assert scene.heal() and scene.heal()
    assert len(scene.evidence) == 2


# -- processes --------------------------------------------------------------------------------------------------------


def test_a_kill_is_installed_when_the_process_is_gone_by_the_signal() -> None:
    scene = Scene(Kill("minority"))
    scene.inject()
    assert scene.action.targets == ("n1", "n3")
    assert scene.action.what == "kill n1, n3 (leader: n1)"
    assert scene.ground.states(*names(5)) == [Run.GONE, Run.RUNNING, Run.GONE, Run.RUNNING, Run.RUNNING]
    assert scene.status is INSTALLED
    assert scene.evidence == ["n1: process 1001 is gone (SIGKILL)", "n3: process 1003 is gone (SIGKILL)"]


def test_a_kill_is_healed_by_starting_and_says_who_leads_now() -> None:
    scene = Scene(Kill("leader"))
    scene.inject()
    scene.ground.leads = "n4"
    assert scene.heal()
    scene.look_again()
    assert scene.ground.state("n1") is Run.RUNNING
    assert scene.evidence[1:] == ["n1: started again as process 1006", "the leader changed: n1 → n4"]


@pytest.mark.parametrize("leads", ["n1", None])
def test_a_leader_that_stays_or_is_missing_is_no_change(leads: str | None) -> None:
    scene = Scene(Pause("leader"))
    scene.inject()
    scene.ground.leads = leads
    scene.heal()
    assert not [line for line in scene.evidence if "changed" in line]


def test_a_change_of_leader_is_not_credited_to_a_fault_that_missed_the_leader() -> None:
    scene = Scene(Kill("one"))
    scene.inject()
    scene.ground.leads = "n4"
    scene.heal()
    assert not scene.action.hit_leader
    assert scene.action.what == "kill n3"
    assert not [line for line in scene.evidence if "changed" in line]


def test_a_kill_of_what_is_gone_already_is_indeterminate() -> None:
    scene = Scene(Kill("one"))
    scene.ground.put("n3", Run.GONE, 1)
    scene.inject()
    assert scene.status is INDETERMINATE
    assert scene.evidence == ["n3 was not running"]
    assert "kill n3" not in scene.ground.log


def test_a_process_that_ended_by_itself_just_before_is_no_evidence() -> None:
    scene = Scene(Kill("one"))
    scene.ground.killed_with = 1
    scene.inject()
    assert scene.status is INDETERMINATE
    assert scene.evidence == ["n3: process 1003 is gone, exit status 1"]


def test_a_process_that_survives_sigkill_is_no_evidence() -> None:
    scene = Scene(Kill("one"))
    scene.ground.unstoppable = {"n3"}
    scene.inject()
    assert scene.status is INDETERMINATE
    assert scene.evidence == ["n3: process 1003 is running, exit status None"]


def test_a_node_that_does_not_start_again_is_not_healed_and_is_the_one_that_is_named() -> None:
    scene = Scene(Kill("n1+n2+n3"))
    scene.ground.start_in_vain = {"n2"}
    scene.inject()
    assert not scene.heal()
    assert scene.status is INSTALLED
    assert scene.evidence[3:] == [
        "n1: started again as process 1006",
        "n2: did not start",
        "n3: started again as process 1008",
    ]


def test_a_pause_is_installed_when_the_process_is_stopped_and_goes_on_when_healed() -> None:
    scene = Scene(Pause("follower"))
    scene.inject()
    assert scene.ground.state("n3") is Run.STOPPED
    assert scene.status is INSTALLED
    assert scene.heal()
    assert scene.ground.state("n3") is Run.RUNNING
    assert scene.evidence == [
        "n3: process 1003 is stopped (SIGSTOP)",
        "n3: process 1003 is running after SIGCONT",
    ]


def test_a_pause_that_stopped_nothing_is_indeterminate() -> None:
    scene = Scene(Pause("one"))
    scene.ground.put("n3", Run.GONE, -9)
    scene.inject()
    assert scene.status is INDETERMINATE
    assert scene.evidence == ["n3: process 1003 is gone"]
    assert scene.heal()
    assert scene.ground.state("n3") is Run.GONE


def test_a_process_that_stays_stopped_is_not_healed() -> None:
    scene = Scene(Pause("n1+n3"))
    scene.inject()
    scene.ground.unstoppable = {"n1"}
    assert not scene.heal()
    assert scene.ground.states("n1", "n3") == [Run.STOPPED, Run.RUNNING]


def test_a_restart_is_installed_when_another_process_has_taken_over() -> None:
    scene = Scene(Restart("one"))
    scene.inject()
    assert scene.ground.log == ["stop n3", "start n3"]
    assert scene.status is INSTALLED
    assert scene.evidence == ["n3: process 1003 stopped with status 0, process 1006 started"]
    assert scene.heal()
    assert scene.ground.state("n3") is Run.RUNNING


def test_a_restart_goes_node_by_node() -> None:
    scene = Scene(Restart("all"))
    scene.inject()
    assert scene.ground.log == [f"{act} {node}" for node in names(5) for act in ("stop", "start")]


def test_a_restart_of_what_did_not_run_or_did_not_stop_is_indeterminate() -> None:
    scene = Scene(Restart("n1+n3"))
    scene.ground.put("n3", Run.GONE, -9)
    scene.ground.unstoppable = {"n1"}
    scene.inject()
    assert scene.status is INDETERMINATE
    assert scene.evidence == [
        "n1: process 1001 was running, process 1001 is running",
        "n3: process 1003 was gone, process 1006 is running",
    ]


def test_a_restart_without_a_process_afterwards_is_not_healed() -> None:
    scene = Scene(Restart("one"))
    scene.ground.start_in_vain = {"n3"}
    scene.inject()
    assert not scene.heal()


@pytest.mark.parametrize("fault", ON_PROCESSES)
def test_healing_twice_is_healing_once(fault: type[Kill | Pause | Restart]) -> None:
    scene = Scene(fault("minority"))
    scene.inject()
    assert scene.heal()
    state = scene.ground.states("n1", "n3")
    assert scene.heal()
    assert scene.ground.states("n1", "n3") == state == [Run.RUNNING, Run.RUNNING]


@pytest.mark.parametrize("fault", ON_PROCESSES)
def test_a_fault_that_was_never_injected_heals_harmlessly(fault: type[Kill | Pause | Restart]) -> None:
    scene = Scene(fault("all"))
    scene.resolve()
    assert scene.heal()
    assert scene.status is INDETERMINATE
    assert scene.ground.states(*names(5)) == [Run.RUNNING] * 5


@pytest.mark.parametrize("fault", ON_PROCESSES)
def test_no_leader_no_fault_of_the_leader(fault: type[Kill | Pause | Restart]) -> None:
    scene = Scene(fault("leader"))
    scene.ground.leads = None
    with pytest.raises(TargetError, match="no node leads"):
        scene.resolve()


@pytest.mark.parametrize(
    ("fault", "ability"),
    [
        (Partition(), "links"),
        *((f(), "processes") for f in ON_PROCESSES),
        (LinkFault(), "weather"),
        (PowerOff(), "power"),
        (ClockDrift(), "clocks"),
        (ClockFreeze(), "clocks"),
        (DiskSlow(), "disk"),
        (DiskEio(), "disk"),
        (DiskFull(), "disk"),
    ],
)
def test_what_each_fault_needs_of_the_place(fault: Fault, ability: str) -> None:
    assert Scene(fault).action.needs == ability
