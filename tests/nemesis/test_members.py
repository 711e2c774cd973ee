"""Changes of the members: what is asked for, what counts as having happened, and that all is as it was in the end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemesis.absences import Absences
from nemesis.actions import action_for
from nemesis.faults import FaultError, Membership
from nemesis.ground import Members, NodeView, latest_members
from nemesis.in_force import InForce
from nemesis.members import CHANGE_S, HEAL_S, ChangeMembers
from nemesis.record import FaultStatus
from nemesis.targets import TargetError
from tests.nemesis.ground import FakeGround, names
from tests.nemesis.virtual_time import run_virtually

INSTALLED, INDETERMINATE = FaultStatus.INSTALLED, FaultStatus.INDETERMINATE
ALL = names(5)


@dataclass
class Scene:
    """Faults on one ground of five. Nodes are drawn in the order n3, n1, n2, n4, n5; n1 leads."""

    ground: FakeGround = field(default_factory=FakeGround)

    def __post_init__(self) -> None:
        self.in_force = InForce(self.ground)

    def fault(self, target: str, mode: str = "remove") -> ChangeMembers:
        """Return a fault with its targets resolved."""
        order = tuple(node for node in ("n3", "n1", "n2", "n4", "n5") if node in self.ground.nodes)
        action = action_for(Membership(target, mode), self.ground, order, self.in_force)
        assert isinstance(action, ChangeMembers)
        action.resolve(self.ground.leads)
        return action

    def injected(self, target: str, mode: str = "remove") -> ChangeMembers:
        """Return a fault that is in force."""
        action = self.fault(target, mode)
        run_virtually(action.inject())
        return action

    def heal(self, action: ChangeMembers) -> bool:
        healed = run_virtually(action.heal())
        run_virtually(action.look_again())
        return healed

    def now(self, *members: str) -> bool:
        """Say whether these are the members."""
        return self.ground.members_now.nodes == members

    @property
    def as_wanted(self) -> bool:
        """Say whether the members are those that all faults together want; if they want none, one has to stay."""
        wanted, members = self.in_force.absences.present, self.ground.members_now.nodes
        return members == wanted if wanted else len(members) == 1

    @property
    def asked(self) -> list[str]:
        return self.ground.log


# -- removing ---------------------------------------------------------------------------------------------------------


def test_nodes_are_removed_one_after_the_other_and_added_again() -> None:
    scene = Scene()
    action = scene.injected("minority")
    assert action.targets == ("n1", "n3") and scene.now("n2", "n4", "n5")
    assert action.what == "membership: without n1, n3 (leader: n1)"
    assert action.observed.status is INSTALLED
    scene.ground.leads = "n4"
    assert scene.heal(action)
    assert scene.now(*ALL)
    assert scene.asked == ["remove n1", "remove n3", "add n1", "add n3"]
    assert action.observed.evidence == [
        "n1: removed; members n2, n3, n4, n5 (change 1)",
        "n3: removed; members n2, n4, n5 (change 2)",
        "n1: a member again; members n1, n2, n4, n5 (change 3)",
        "n3: a member again; members n1, n2, n3, n4, n5 (change 4)",
        "the leader changed: n1 → n4",
    ]


@pytest.mark.parametrize(
    ("target", "nodes"),
    [
        ("leader", ("n1",)),
        ("follower", ("n3",)),
        ("one", ("n3",)),
        ("majority", ("n1", "n2", "n3")),
        ("n2+n5", ("n2", "n5")),
        ("all", ("n1", "n2", "n3", "n4")),
    ],
)
def test_targets_are_those_of_other_faults_but_one_node_stays(target: str, nodes: tuple[str, ...]) -> None:
    scene = Scene()
    assert scene.injected(target).targets == nodes
    assert scene.now(*(node for node in ALL if node not in nodes))


def test_who_stays_as_the_last_one_is_said() -> None:
    assert Scene().injected("all").observed.evidence[0] == "n5 stays, as the last member"


def test_the_only_member_cannot_be_removed() -> None:
    scene = Scene(FakeGround(1))
    with pytest.raises(TargetError, match="n1 is the last member"):
        scene.fault("one")
    scene = Scene()
    scene.injected("n1+n2+n3+n4")
    with pytest.raises(TargetError, match="n5 is the last member"):
        scene.fault("n5")


def test_who_stays_is_a_member() -> None:
    scene = Scene()
    scene.injected("n1+n2+n3+n4")
    scene.injected("n5", "replace")
    assert scene.now("n3")
    assert scene.fault("n2+n3").targets == ("n2",)


def test_a_stand_in_stays_as_long_as_it_is_the_last_member() -> None:
    scene = Scene(FakeGround(2))
    spare, replaced, out = scene.injected("n2"), scene.injected("n1", "replace"), scene.injected("n1")
    assert scene.now("n2")
    assert scene.heal(replaced)
    assert scene.now("n2")
    assert replaced.observed.evidence[-1] == "n2 stays in, as the last member"
    with pytest.raises(TargetError, match="keep every node out"):
        scene.fault("one")
    assert scene.heal(out)
    assert scene.heal(spare)
    assert scene.now("n1", "n2")


def test_symbolic_targets_are_counted_among_those_that_no_fault_keeps_out() -> None:
    scene = Scene()
    scene.injected("n1+n3")
    assert scene.fault("one").targets == ("n2",)
    assert scene.fault("minority").targets == ("n2",)
    assert scene.fault("majority").targets == ("n2", "n4")
    assert scene.fault("all").targets == ("n2", "n4")


def test_without_a_leader_its_removal_is_skipped() -> None:
    scene = Scene()
    scene.ground.leads = None
    with pytest.raises(TargetError, match="no node leads"):
        scene.fault("leader")


def test_names_that_are_no_nodes_are_refused() -> None:
    with pytest.raises(TargetError, match="'n9', which is no node here"):
        Scene().fault("n9")


# -- what is not known ------------------------------------------------------------------------------------------------


def test_a_change_that_timed_out_and_has_happened_is_installed() -> None:
    scene = Scene()
    scene.ground.unanswered = {"remove n2": True}
    action = scene.injected("n2")
    assert action.observed.status is INSTALLED
    assert action.observed.evidence == ["n2: removed (no answer in time); members n1, n3, n4, n5 (change 1)"]


def test_a_change_that_timed_out_and_has_not_happened_is_indeterminate_and_the_next_is_tried() -> None:
    scene = Scene()
    scene.ground.unanswered = {"remove n2": False}
    action = scene.injected("n2+n4")
    assert action.observed.evidence == [
        "n2: not removed (no answer in time); members n1, n2, n3, n4, n5 (change 0)",
        "n4: removed; members n1, n2, n3, n5 (change 1)",
    ]
    alone = Scene()
    alone.ground.unanswered = {"remove n2": False}
    action = alone.injected("n2")
    assert alone.heal(action)
    assert action.observed.status is INDETERMINATE
    assert action.observed.evidence[1:] == [
        "n2: still not removed; members n1, n2, n3, n4, n5 (change 0)",
        "n2: a member again; members n1, n2, n3, n4, n5 (change 0)",
    ]


def test_a_change_that_happens_later_is_found_before_healing() -> None:
    scene = Scene()
    scene.ground.unanswered = {"remove n2": False}
    action = scene.injected("n2")
    scene.ground.set_member("n2", False)
    assert scene.heal(action)
    assert action.observed.status is INSTALLED
    assert action.observed.evidence[1] == "n2: removed after all; members n1, n3, n4, n5 (change 1)"
    assert scene.now(*ALL)


def test_an_answer_that_no_node_bears_out_counts_for_nothing() -> None:
    scene = Scene()
    scene.ground.silent = True
    action = scene.injected("n2")
    assert action.observed.status is INDETERMINATE
    assert action.observed.evidence == ["n2: not removed; no node says who the members are"]


def test_a_node_that_is_no_member_is_no_evidence() -> None:
    scene = Scene()
    scene.ground.set_member("n2", False)
    action = scene.injected("n2")
    assert (action.observed.status, scene.asked) == (INDETERMINATE, [])
    assert action.observed.evidence == ["n2 was no member already"]


# -- healing ----------------------------------------------------------------------------------------------------------


def test_healing_twice_changes_nothing() -> None:
    scene = Scene()
    action = scene.injected("n2")
    assert scene.heal(action)
    version = scene.ground.members_now.version
    assert scene.heal(action)
    assert scene.ground.members_now == Members(version, ALL)


def test_healing_without_injecting_changes_nothing() -> None:
    scene = Scene()
    assert scene.heal(scene.fault("n2"))
    assert scene.ground.members_now == Members(0, ALL)


def test_healing_tries_until_it_is_so() -> None:
    scene = Scene()
    action = scene.injected("n2")
    scene.ground.unanswered = {"add n2": False}

    async def healed() -> bool:
        task = asyncio.create_task(action.heal())
        await asyncio.sleep(2.5 * CHANGE_S)
        scene.ground.unanswered = {}
        return await task

    assert run_virtually(healed())
    assert scene.now(*ALL) and scene.asked.count("add n2") == 4


def test_healing_believes_no_answer_that_the_nodes_do_not_bear_out() -> None:
    scene = Scene()
    action = scene.injected("n2")

    async def healed() -> bool:
        task = asyncio.create_task(action.heal())
        await asyncio.sleep(0.0015)  # the answer has come, and an older change comes after it
        scene.ground.set_member("n2", False)
        return await task

    assert run_virtually(healed())
    assert scene.now(*ALL) and scene.asked.count("add n2") == 2


def test_healing_has_an_end_and_says_what_is_missing() -> None:
    scene = Scene()
    action = scene.injected("n2+n4")
    scene.ground.unanswered = {"add n2": False, "add n4": False}

    async def timed() -> tuple[bool, float]:
        return await action.heal(), asyncio.get_running_loop().time()

    healed, took_s = run_virtually(timed())
    assert not healed
    assert HEAL_S <= took_s < HEAL_S + 3 * CHANGE_S  # both together
    assert action.observed.evidence[-1] == "n4: not yet a member again (no answer in time)"


def test_a_node_that_two_faults_keep_out_comes_back_with_the_last() -> None:
    scene = Scene()
    first, second = scene.injected("n2+n4"), scene.injected("n2+n5")
    assert second.observed.evidence[0] == "n2 was no member already"
    assert scene.heal(first)
    assert scene.now("n1", "n3", "n4")
    assert "n2 stays out, as another fault wants it" in first.observed.evidence
    assert scene.heal(second)
    assert scene.now(*ALL)


# -- replacing --------------------------------------------------------------------------------------------------------


def test_a_node_is_replaced_by_one_that_another_fault_keeps_out() -> None:
    scene = Scene()
    spares = scene.injected("n4+n5")
    replaced = scene.injected("leader", "replace")
    assert replaced.what == "membership: n4 in place of n1 (leader: n1)"
    assert scene.asked[2:] == ["add n4", "remove n1"]
    assert replaced.observed.evidence == [
        "n4: added; members n1, n2, n3, n4 (change 3)",
        "n1: removed; members n2, n3, n4 (change 4)",
    ]
    assert scene.heal(replaced)
    assert scene.now("n1", "n2", "n3")
    assert scene.heal(spares)
    assert scene.now(*ALL)


def test_a_stand_in_stays_when_nothing_keeps_it_out_any_more() -> None:
    scene = Scene()
    spares = scene.injected("n4+n5")
    replaced = scene.injected("n1", "replace")
    assert scene.heal(spares)
    assert scene.now("n2", "n3", "n4", "n5")
    assert scene.heal(replaced)
    assert scene.now(*ALL)
    assert "remove n4" not in scene.asked[3:]


def test_no_more_nodes_are_replaced_than_can_stand_in() -> None:
    scene = Scene()
    scene.injected("n5")
    assert scene.injected("majority", "replace").targets == ("n1",)
    assert scene.now("n2", "n3", "n4", "n5")


def test_without_a_stand_in_nothing_is_replaced() -> None:
    with pytest.raises(TargetError, match="no other membership fault keeps a node out"):
        Scene().fault("one", "replace")


def test_a_node_stays_if_its_stand_in_could_not_be_added() -> None:
    scene = Scene()
    scene.injected("n5")
    scene.ground.unanswered = {"add n5": False}
    replaced = scene.injected("n1", "replace")
    assert scene.now("n1", "n2", "n3", "n4")
    assert replaced.observed.evidence[-1] == "n1 stays, as nobody has taken its place"
    assert replaced.observed.status is INDETERMINATE


def test_a_stand_in_can_be_removed_in_its_turn() -> None:
    scene = Scene()
    scene.injected("n4+n5")
    replaced = scene.injected("n1", "replace")
    removed = scene.injected("n4")
    assert scene.now("n2", "n3")
    assert scene.heal(replaced)
    assert scene.now("n1", "n2", "n3")
    assert scene.heal(removed)
    assert scene.now("n1", "n2", "n3")


def test_the_last_member_goes_after_all_when_there_is_another() -> None:
    scene = Scene()
    without = scene.injected("all")
    stand_ins = [scene.injected(target, "replace") for target in ("one", "one", "n1+n2")]
    scene.injected("n1+n2")
    assert scene.heal(stand_ins[-1]) and scene.now("n3")
    assert stand_ins[-1].observed.evidence[-1] == "n3 stays in, as the last member"
    assert scene.heal(without) and scene.now("n4")
    assert without.observed.evidence[-1] == "n3: no member again; members n4 (change 12)"


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["one", "minority", "n1+n2", "all"]), st.booleans(), st.integers(0, 9))))
def test_whatever_overlaps_somebody_stays_and_all_are_members_in_the_end(steps: list[tuple[str, bool, int]]) -> None:
    scene, active = Scene(), list[ChangeMembers]()
    for target, replace, heals in steps:
        with contextlib.suppress(TargetError):
            active.append(scene.injected(target, "replace" if replace else "remove"))
        assert scene.as_wanted
        if heals < len(active):
            assert scene.heal(active.pop(heals))
            assert scene.as_wanted
    for action in active:
        assert scene.heal(action)
    assert scene.now(*ALL)


# -- words ------------------------------------------------------------------------------------------------------------


def test_a_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(FaultError, match="no mode 'replcae'; there are: remove, replace"):
        Membership(mode="replcae")


def test_who_the_members_are_is_said_by_whoever_knows_the_latest_change() -> None:
    def view(node: str, version: int, *members: str) -> NodeView:
        return NodeView(node, None, False, (1, 1), 0, 1, members, version)

    views = [view("n1", 2, "n1", "n2"), view("n2", 3, "n1"), view("n3", 0)]
    assert latest_members(views) == Members(3, ("n1",))
    assert latest_members(views[2:]) is latest_members([]) is None


def test_the_last_fault_that_wants_anything_of_a_node_decides() -> None:
    absences = Absences(names(3))

    def present() -> str:
        return " ".join(absences.present)

    absences.add("a", ["n1"], [])
    absences.add("b", ["n2"], ["n1"])
    assert present() == "n1 n3"
    absences.add("c", ["n1"], [])
    assert present() == "n3"
    absences.remove("a")
    absences.remove("a")
    assert present() == "n3"
    absences.remove("c")
    assert present() == "n1 n3"
    absences.remove("b")
    assert present() == "n1 n2 n3"
