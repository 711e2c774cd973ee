"""Members that change while all else goes on: they do change, nothing is lost, and all are members in the end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.plan import make_plan
from harness.results import RunVerdict
from harness.scenario import changed, load
from nemesis.faults import Kill, Membership, Partition, Pause
from nemesis.record import FaultRecord, FaultStatus
from tests.simulation.runs import Ran, run, scenario, timed

INSTALLED = FaultStatus.INSTALLED
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CHANGING = ("membership", "kill", "partition")
WHOLE = re.compile(r"members n1, n2, n3(, n4, n5)? \(change \d+\)")


def changes(ran: Ran) -> list[FaultRecord]:
    return [record for record in ran.faults if record.kind == "membership"]


@pytest.mark.parametrize("nodes", [3, 5])
@pytest.mark.parametrize("seed", range(15))
def test_nothing_is_lost_while_members_change_and_nodes_are_killed_and_cut_off(
    seed: int, nodes: int, tmp_path: Path
) -> None:
    ran = run(scenario(nodes=nodes, faults=CHANGING, time="10s", rate=80, require=()), seed, tmp_path)
    assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
    assert any(record.status is INSTALLED for record in changes(ran))
    assert all(record.healed for record in changes(ran))
    assert ran.total("members_changed") > 0
    assert any(WHOLE.search(said) for record in changes(ran) for said in record.evidence)


@pytest.mark.parametrize("target", ["leader", "follower", "minority", "majority", "all", "n2+n4"])
def test_each_target_is_removed_and_added_again(target: str, tmp_path: Path) -> None:
    ran = run(scenario(timed("1s", "3s", Membership(target)), time="5s"), 7, tmp_path)
    assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
    (record,) = ran.faults
    assert (record.status, record.healed) == (INSTALLED, True)
    assert sum(": removed; members" in said for said in record.evidence) == len(record.targets)
    assert record.evidence[-1].endswith(f"members n1, n2, n3, n4, n5 (change {2 * len(record.targets)})")


def test_members_are_replaced_one_after_the_other(tmp_path: Path) -> None:
    example = changed(load(EXAMPLES / "membership.toml"), place="simulated")
    ran = run(example, 1, tmp_path)
    assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
    assert [record.status for record in ran.faults] == [INSTALLED] * len(example.schedule)
    assert sum(" in place of " in record.what for record in ran.faults) == 3


@pytest.mark.parametrize("away", [Pause("n1+n2+n3"), Kill("n1+n2+n3")])
def test_without_a_majority_a_change_is_not_called_installed_and_is_taken_back(
    away: Pause | Kill, tmp_path: Path
) -> None:
    """A stopped node may take the request when it goes on; who is a member is looked up, and in the end all are."""
    schedule = (timed("1s", "12s", away), timed("2s", "4s", Membership("n4")))
    ran = run(scenario(*schedule, time="14s", require=()), 3, tmp_path)
    assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
    outage, membership = ran.faults
    assert membership.status is FaultStatus.INDETERMINATE
    assert "n4: not removed (" in membership.evidence[0]
    assert "n4: still not removed; " in membership.evidence[1]
    assert membership.healed and outage.healed_at is not None
    assert membership.healed_at is not None and membership.healed_at > outage.healed_at


def test_what_healing_could_not_do_recovery_asks_for_again(tmp_path: Path) -> None:
    """The last member but one is down for longer than healing has patience."""
    schedule = (timed("1s", "3s", Membership("n1+n2+n3")), timed("2s", "29s", Kill("n4+n5")))
    ran = run(scenario(*schedule, time="30s", rate=20), 5, tmp_path)
    assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
    membership = ran.faults[0]
    assert (membership.status, membership.healed) == (INSTALLED, False)
    assert "not yet a member again" in membership.evidence[-1]
    assert {summary.applied_upto for summary in ran.summaries} == {ran.summaries[0].applied_upto}


def test_where_nodes_may_forget_members_do_not_change(tmp_path: Path) -> None:
    ran = run(scenario(timed("1s", "3s", Membership("one")), node={"amnesia_safe": 1}), 1, tmp_path)
    assert ran.verdict is RunVerdict.FAULTS_NOT_MET
    assert ran.faults[0].status is FaultStatus.SKIPPED
    assert "with amnesia_safe=1 the members of our node cannot change" in ran.sentence


def test_the_same_seed_is_the_same_run(tmp_path: Path) -> None:
    changing = scenario(faults=("swarm", "membership"), time="8s", require=())
    assert run(changing, 2, tmp_path / "1") == run(changing, 2, tmp_path / "2")


def test_changes_of_the_members_leave_the_rest_of_a_plan_alone() -> None:
    alone = make_plan(scenario(faults=("swarm",), time="20s"), 4)
    among = make_plan(scenario(faults=("swarm", "membership"), time="20s"), 4)
    assert alone.clients == among.clients
    rest = [fault.fault for fault in among.faults if not isinstance(fault.fault, Membership)]
    assert rest == [fault.fault for fault in alone.faults]


def test_clients_reach_the_only_member_when_all_that_were_removed_name_each_other(tmp_path: Path) -> None:
    """n3 goes last, and n1 goes on naming it. Seed 1025 of an exploration asked n1 and n3 in turn, and n2 never."""
    schedule = (timed("1s", "5s", Membership("n1+n3")), timed("1s", "2s", Partition("one")))
    for seed in range(3):
        ran = run(scenario(*schedule, nodes=3, rate=40, require=()), seed, tmp_path)
        assert (ran.broken, ran.verdict) == ("", RunVerdict.VALID), ran.sentence
