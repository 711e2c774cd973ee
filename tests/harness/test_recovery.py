"""Recovery: what is missing is named, patience has an end, and only a node that may refuse is excused."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.judgement import recovery as judged
from harness.recovery import Recoverer, Recovery, damaged_nodes
from harness.simulation.loop import virtual_loop
from nemesis.ground import ChangeAnswer, NodeView, ProcessState, Run
from nemesis.record import FaultRecord, FaultStatus

NODES = ("n1", "n2", "n3", "n4", "n5")
PATIENCE_NS = 2_000_000_000


@dataclass
class Patient:
    """A cluster on its way back: which nodes are gone and how, how far each is, who leads, whether it serves."""

    leads: str | None = "n1"
    serves: bool = True
    applied: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 7))
    gone: dict[str, int] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    well_at_s: float | None = None
    absent: set[str] = field(default_factory=set)
    addable: bool = True
    asked: list[str] = field(default_factory=list)
    nodes = NODES

    async def process(self, node: str) -> ProcessState:
        if node in self.gone:
            return ProcessState(node, 1, Run.GONE, self.gone[node])
        return ProcessState(node, 1, Run.STOPPED if node in self.stopped else Run.RUNNING)

    async def views(self) -> list[NodeView]:
        if self.well_at_s is not None and asyncio.get_running_loop().time() >= self.well_at_s:
            self.applied = dict.fromkeys(NODES, 9)
        answering = [node for node in NODES if node not in {*self.gone, *self.stopped, *self.silent}]
        members = tuple(node for node in NODES if node not in self.absent)
        return [NodeView(n, self.leads, n == self.leads, (1, 1), self.applied[n], 1, members, 1) for n in answering]

    async def change_members(self, node: str, *, member: bool, timeout_s: float) -> ChangeAnswer:
        assert member
        self.asked.append(node)
        await asyncio.sleep(timeout_s)
        if self.addable:
            self.absent.remove(node)
        return ChangeAnswer(self.addable)

    def recover(self, *faults: FaultRecord) -> Recovery:
        loop = virtual_loop()
        ground: Any = self

        async def probe() -> bool:
            return self.serves

        return loop.run(Recoverer(ground, loop.monotonic_ns, probe, faults).wait(PATIENCE_NS))


def hit(*nodes: str, beyond: str = "it broke a promise", status: FaultStatus = FaultStatus.INSTALLED) -> FaultRecord:
    return FaultRecord(
        number=0,
        kind="disk-rot",
        what="disk-rot",
        planned_at=0,
        planned_until=1,
        targets=nodes,
        status=status,
        beyond_model=beyond,
    )


def test_a_cluster_that_is_well_has_recovered_at_once() -> None:
    recovery = Patient().recover()
    assert (recovery.after_s, recovery.missing, recovery.excused, recovery.demanded) == (0.0, (), (), True)


def test_recovery_is_waited_for() -> None:
    recovery = Patient(applied={**dict.fromkeys(NODES, 9), "n2": 4}, well_at_s=1.2).recover()
    assert recovery.after_s is not None and 1.2 <= recovery.after_s < 1.3


@pytest.mark.parametrize(
    ("patient", "missing"),
    [
        (Patient(leads=None), ("no node leads",)),
        (Patient(leads="n9"), ("no node leads",)),
        (Patient(serves=False), ("no operation was served",)),
        (Patient(applied={**dict.fromkeys(NODES, 7), "n3": 4}), ("n3 lags by 3 slots",)),
        (Patient(applied={**dict.fromkeys(NODES, 7), "n3": 8}), tuple(f"n{n} lags by 1 slot" for n in (1, 2, 4, 5))),
        (Patient(gone={"n4": 70}), ("n4 is not running (exit status 70)",)),
        (Patient(gone={"n4": -9}, serves=False), ("no operation was served", "n4 is not running (exit status -9)")),
        (Patient(stopped={"n2"}), ("n2 is stopped",)),
        (Patient(silent={"n1"}), ("no node leads", "n1 does not answer")),
    ],
)
def test_what_is_missing_at_the_end_is_named(patient: Patient, missing: tuple[str, ...]) -> None:
    recovery = patient.recover()
    assert (recovery.after_s, recovery.missing) == (None, missing)
    assert 2.0 <= recovery.waited_s < 2.1
    result = judged(recovery)
    assert result.verdict == "invalid"
    assert result.sentence == f"{recovery.waited_s:.2f} s after everything was healed: {'; '.join(missing)}."


def test_a_damaged_node_that_ended_by_itself_is_excused_and_the_others_are_not() -> None:
    recovery = Patient(gone={"n3": 65}).recover(hit("n3"))
    assert (recovery.after_s, recovery.excused) == (0.0, ("n3",))
    assert judged(recovery).sentence.endswith("after the last heal without n3, damaged beyond the model.")
    recovery = Patient(gone={"n3": 65, "n4": 65}).recover(hit("n3"))
    assert recovery.missing == ("n4 is not running (exit status 65)",)


@pytest.mark.parametrize(
    "fault",
    [
        hit("n2"),
        hit("n3", beyond=""),
        hit("n3", status=FaultStatus.SKIPPED),
        hit("n3", status=FaultStatus.INDETERMINATE),
    ],
)
def test_a_node_that_no_fault_beyond_the_model_is_shown_to_have_hit_is_not_excused(fault: FaultRecord) -> None:
    assert Patient(gone={"n3": 65}).recover(fault).missing == ("n3 is not running (exit status 65)",)
    assert "n3" not in damaged_nodes([fault])


def test_a_damaged_node_that_a_signal_ended_or_that_runs_is_not_excused() -> None:
    assert Patient(gone={"n3": -9}).recover(hit("n3")).missing == ("n3 is not running (exit status -9)",)
    assert Patient(applied={**dict.fromkeys(NODES, 7), "n3": 0}).recover(hit("n3")).missing == ("n3 lags by 7 slots",)


def test_nothing_is_demanded_of_what_is_left_when_no_majority_is() -> None:
    recovery = Patient(gone={"n1": 65, "n2": 65, "n3": 65}, leads=None, serves=False).recover(hit("n1", "n2", "n3"))
    assert not recovery.demanded
    result = judged(recovery)
    assert result.verdict == "valid"
    assert result.sentence == (
        "Nothing was demanded: there is no majority without n1, n2, n3, damaged beyond the model."
    )


def test_a_node_that_is_no_member_yet_is_asked_for() -> None:
    patient = Patient(absent={"n2"})
    recovery = patient.recover()
    assert (recovery.missing, patient.asked) == ((), ["n2"])
    assert recovery.after_s is not None and recovery.after_s >= 1.0


def test_a_cluster_that_is_not_whole_at_the_end_says_so() -> None:
    recovery = Patient(absent={"n2", "n4"}, addable=False, silent={"n4"}).recover()
    assert recovery.missing == ("n2 is no member", "n4 does not answer")
    assert judged(recovery).verdict == "invalid"


def test_who_is_excused_need_not_be_a_member() -> None:
    patient = Patient(absent={"n3"}, gone={"n3": 65})
    assert patient.recover(hit("n3")).missing == ()
    assert patient.asked == []


def test_a_majority_is_one_of_the_members_that_are_left() -> None:
    patient = Patient(absent={"n4", "n5"}, gone={"n1": 65, "n2": 65}, leads=None, serves=False, addable=False)
    recovery = patient.recover(hit("n1", "n2"))
    assert (recovery.demanded, recovery.excused) == (False, ("n1", "n2"))
