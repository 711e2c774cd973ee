"""The runner, on a place and a system in memory and in virtual time: what it does, and what every failure leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from checkers.history import EventType
from harness.cluster.base import Ability, ClusterError
from harness.ground import RunGround
from harness.plan import make_plan
from harness.runner import FIRST_LEADER_S, Outcome, RunFailedError, Runner
from harness.scenario import Scenario
from harness.store import FAULTS, HISTORY, FaultLine, Store
from harness.systems.base import Completion
from nemesis.faults import Kill
from nemesis.ground import Run
from nemesis.record import FaultStatus
from tests.harness.memory_place import ABILITIES, MemoryCluster, MemorySystem, Watching
from tests.nemesis.ground import STEP_S
from tests.nemesis.virtual_time import now_ns, run_virtually
from workloads.base import Operation

SCENARIO = Scenario(nodes=3, time="8s", rate=20, concurrency=4, faults=("kill", "partition"), recovery="5s")
INFO = Completion(EventType.INFO, None, "timed out")
PHASES = ("setting up", "waiting for a leader", "breaking", "recovering", "final reads", "stopping")
LIMIT_S = 300.0
"""Of virtual time: a run that takes longer hangs."""


class Scene:
    """A run of one scenario."""

    def __init__(self, folder: Path, scenario: Scenario = SCENARIO) -> None:
        self.scenario = scenario
        self.plan = make_plan(scenario, 1)
        self.folder = Store(folder).create(scenario.name, 1, datetime.now(UTC))
        self.cluster = MemoryCluster(scenario.nodes)
        self.system = MemorySystem(self.cluster)
        self.watcher = Watching()
        self.runner = Runner(
            scenario, self.plan, self.folder, self.cluster, lambda _: self.system, self.watcher, now_ns
        )  # fmt: skip

    def run(self) -> Outcome:
        return run_virtually(asyncio.wait_for(self.runner.run(), LIMIT_S))

    def fail(self, why: str) -> Outcome:
        """Run, and expect a failure of the harness that says why, after which everything is torn down."""
        with pytest.raises(RunFailedError, match=why):
            self.run()
        assert self.torn_down
        assert self.cluster.running() == []
        return self.runner.outcome

    def cancel(self, when: float | str) -> Outcome:
        """Run, and cancel at a moment, or as soon as a phase has begun."""

        async def cancelled() -> None:
            task = asyncio.create_task(self.runner.run())
            if isinstance(when, float):
                await asyncio.sleep(when)
            while isinstance(when, str) and when not in self.watcher.phases:  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(STEP_S / 4)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        run_virtually(cancelled())
        assert self.torn_down
        return self.runner.outcome

    @property
    def torn_down(self) -> bool:
        return self.cluster.log.count("teardown") == 1 and self.cluster.log[-1] == "teardown"

    def journal(self) -> Sequence[FaultLine]:
        lines = (self.folder / FAULTS).read_bytes().splitlines()
        return [msgspec.json.decode(line, type=FaultLine) for line in lines]

    def operations(self) -> int:
        """Count what is in the history, which has to be well-formed (or empty)."""
        if not (self.folder / HISTORY).read_bytes():
            return 0
        return len(self.folder.history().operations())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_run_from_set_up_to_teardown(scene: Scene) -> None:
    outcome = scene.run()
    assert tuple(scene.watcher.phases) == PHASES
    assert scene.cluster.log[:4] == ["setup", "spawn n1", "spawn n2", "spawn n3"]
    assert scene.cluster.log[-4:] == ["terminate n1", "terminate n2", "terminate n3", "teardown"]
    assert scene.system.closed == 1
    assert scene.cluster.cut_now == frozenset()
    assert outcome.recovery.after_s is not None and outcome.recovery.after_s < 1
    assert outcome.final_reads_done
    assert outcome.notes == []
    assert [summary.node for summary in outcome.summaries] == ["n1", "n2", "n3"]
    assert {mechanism.name for mechanism in outcome.mechanisms} == {"links", "processes"}
    assert outcome.first_ok_at is not None and outcome.first_ok_at < 1e9


def test_every_planned_operation_and_final_read_is_in_the_history(scene: Scene) -> None:
    outcome = scene.run()
    reads = sum(map(len, scene.plan.final))
    probes = scene.operations() - outcome.left_out - scene.scenario.planned_operations - reads
    assert outcome.left_out == 0
    assert probes == 1
    assert all(operation.complete_index is not None for operation in scene.folder.history().operations())


def test_every_planned_fault_is_recorded_and_journalled(scene: Scene) -> None:
    outcome = scene.run()
    assert [record.number for record in outcome.faults] == [fault.number for fault in scene.plan.faults]
    assert {record.kind for record in outcome.faults} == {"kill", "partition"}
    assert all(record.status is FaultStatus.INSTALLED and record.healed for record in outcome.faults)
    phases = [(line.phase, line.record.number) for line in scene.journal()]
    assert sorted(phases) == sorted((p, r.number) for r in outcome.faults for p in ("intent", "injected", "healed"))


def test_active_faults_are_shown_and_time_starts_at_zero(scene: Scene) -> None:
    scene.run()
    shown = {fault for progress in scene.watcher.seen for fault in progress.faults}
    assert {fault.split()[0] for fault in shown} == {"kill", "partition"}
    breaking = [progress for progress in scene.watcher.seen if progress.phase == "breaking"]
    assert breaking[0].now == 0
    assert breaking[-1].until == 8_000_000_000


def test_every_client_has_its_connections_closed(scene: Scene) -> None:
    scene.run()
    assert scene.system.clients_closed == len(scene.system.clients) == 4


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("breaks", [set(), {"setup"}, {"kill"}, {"teardown"}])
def test_no_file_stays_open(breaks: set[str], scene: Scene) -> None:
    before = open_files()
    scene.cluster.breaks = breaks
    with contextlib.suppress(RunFailedError):
        scene.run()
    assert open_files() == before


# -- the place fails --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("setup", "^setting up: setup was to fail"),
        ("spawn n2", "^setting up: spawn n2 was to fail"),
        ("cut", "^breaking: cut was to fail"),
        ("kill", "^breaking: kill n. was to fail"),
        ("terminate n3", "^stopping: terminate n3 was to fail"),
    ],
)
def test_a_failure_of_the_place_is_a_failed_run_and_is_torn_down(call: str, why: str, scene: Scene) -> None:
    scene.cluster.breaks = {call}
    scene.fail(why)


def test_what_was_recorded_before_a_failure_is_kept(scene: Scene) -> None:
    scene.cluster.breaks = {"kill"}
    outcome = scene.fail("^breaking: kill")
    assert scene.operations() > 20
    assert len(outcome.faults) == len(scene.plan.faults)
    assert [line.phase for line in scene.journal() if line.record.kind == "kill"] == ["intent", "healed"]
    assert outcome.first_ok_at is not None


def test_a_node_that_dies_at_start_is_named_with_its_log(scene: Scene) -> None:
    scene.cluster.dies = {"n1", "n2", "n3"}
    log = scene.folder.node("n1") / "node.log"
    scene.fail(f"^n1 ended with status 3 before anything was broken; see {log}")
    assert scene.operations() == 0


def test_without_a_leader_nothing_is_broken(scene: Scene) -> None:
    scene.system.leaderless = True
    scene.fail(f"^no node leads {FIRST_LEADER_S:g} s after the start, with nothing broken yet")
    assert scene.journal() == []


def test_a_system_that_cannot_be_made_fails_the_run(scene: Scene) -> None:
    def broken(_: object) -> MemorySystem:
        raise ClusterError("no system")

    scene.runner._system_for = broken
    scene.fail("no system")


def test_a_client_that_raises_fails_the_run_and_everything_is_healed(scene: Scene) -> None:
    def answer(operation: Operation) -> None:
        if now_ns() > 5e9:
            raise RuntimeError("a bug of the client")

    scene.system.answer = answer
    outcome = scene.fail("^breaking: a bug of the client")
    assert scene.cluster.cut_now == frozenset()
    assert all(record.healed for record in outcome.faults)


def test_a_failed_teardown_is_a_note_and_costs_nothing(scene: Scene) -> None:
    scene.cluster.breaks = {"teardown"}
    outcome = scene.run()
    assert outcome.notes == ["teardown: teardown was to fail; `antipaxos clean` ends what is left"]
    assert outcome.recovery.after_s is not None and outcome.final_reads_done
    assert scene.operations() > scene.scenario.planned_operations


def test_a_failed_teardown_does_not_hide_why_the_run_failed(scene: Scene) -> None:
    scene.cluster.breaks = {"teardown", "kill"}
    with pytest.raises(RunFailedError, match=r"^breaking: kill"):
        scene.run()
    assert [note.split(":")[0] for note in scene.runner.outcome.notes] == ["teardown"]


def test_a_node_that_ends_badly_and_a_place_that_disturbed_are_notes(scene: Scene) -> None:
    scene.cluster.ends_with = 7
    scene.cluster.said = ("the switch was too slow",)
    outcome = scene.run()
    ends = [f"{node} ended with status 7 when it was asked to stop" for node in scene.cluster.nodes]
    assert outcome.notes == [*ends, "the switch was too slow"]


# -- the system fails -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["lags", "silent"])
def test_without_recovery_in_time_there_is_none(trouble: str, scene: Scene) -> None:
    setattr(scene.system, trouble, {"n3"})
    outcome = scene.run()
    assert outcome.recovery.after_s is None
    assert outcome.final_reads_done
    recovering = [progress.now / 1e9 for progress in scene.watcher.seen if progress.phase == "recovering"]
    assert 4.5 < recovering[-1] - recovering[0] < 6


def test_a_cluster_that_does_not_serve_has_not_recovered(scene: Scene) -> None:
    scene.system.answer = lambda operation: INFO if now_ns() > 7.9e9 else None
    outcome = scene.run()
    assert outcome.recovery.after_s is None
    assert not outcome.final_reads_done


def test_recovery_is_timed_from_the_last_heal(scene: Scene) -> None:
    scene.system.answer = lambda operation: INFO if 8e9 < now_ns() < 10e9 else None
    outcome = scene.run()
    assert outcome.recovery.after_s is not None
    assert 1.5 < outcome.recovery.after_s < 2.5
    assert outcome.final_reads_done


def test_operations_left_out_are_counted(scene: Scene) -> None:
    scene.system.takes_s = 3.0
    outcome = scene.run()
    done = sum(operation.invoke_time is not None and operation.invoke_time < 8e9
               for operation in scene.folder.history().operations())  # fmt: skip
    assert outcome.left_out > 50
    assert done + outcome.left_out <= scene.scenario.planned_operations


def test_faults_the_place_cannot_do_are_skipped_and_the_lack_is_recorded(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.cluster.abilities = (Ability("links", False, "none", "no link can be cut here"), ABILITIES[1])
    outcome = scene.run()
    partitions = [record for record in outcome.faults if record.kind == "partition"]
    assert partitions
    assert {(record.status, record.evidence) for record in partitions} == {
        (FaultStatus.SKIPPED, ("no link can be cut here",))
    }
    assert [mechanism.missing for mechanism in outcome.mechanisms] == ["no link can be cut here", ""]


# -- interruption -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", [*PHASES, 0.5, 3.0, 4.5, 6.0])
def test_whenever_it_is_interrupted_everything_is_ended_and_the_history_is_whole(
    when: float | str, scene: Scene
) -> None:
    scene.cancel(when)
    scene.operations()
    lines = scene.journal()
    begun = {line.record.number for line in lines if line.phase == "intent"}
    assert {line.record.number for line in lines if line.phase == "healed"} == begun
    assert scene.cluster.running() == []


def test_an_interrupted_run_tells_which_faults_never_began(scene: Scene) -> None:
    begins_s = scene.plan.faults[-1].at / 1e9
    outcome = scene.cancel(begins_s - 0.1)
    assert len(outcome.faults) == len(scene.plan.faults)
    assert outcome.faults[0].status is FaultStatus.INSTALLED
    assert outcome.faults[-1].status is FaultStatus.SKIPPED
    assert outcome.faults[-1].evidence == ("the run ended before its time",)


class DiesOfTheInterruption(MemoryCluster):
    """A place of which Ctrl-C ends a process before the controller has noticed that it is meant too."""

    async def setup(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        raise ClusterError("the warden is gone")

    async def teardown(self) -> None:
        self.log.append("teardown")


def test_an_interruption_that_the_place_notices_first_is_still_an_interruption(scene: Scene) -> None:
    scene.cluster = scene.runner._cluster = DiesOfTheInterruption()
    with pytest.raises(asyncio.CancelledError):
        run_virtually(scene.runner.run())
    assert scene.torn_down


def test_an_interrupted_run_that_cannot_be_healed_says_so(scene: Scene) -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(scene.runner.run())
        kill = next(fault for fault in scene.plan.faults if isinstance(fault.fault, Kill))
        await asyncio.sleep(kill.at / 1e9 + 0.1)
        scene.cluster.breaks = {"spawn"}
        task.cancel()
        with pytest.raises(RunFailedError, match=r"^breaking: spawn n. was to fail"):
            await task

    run_virtually(cancelled())
    assert scene.torn_down


# -- the ground -------------------------------------------------------------------------------------------------------


def test_two_faults_that_start_a_node_at_once_start_it_once(tmp_path: Path) -> None:
    async def both() -> None:
        cluster = MemoryCluster()
        system = MemorySystem(cluster)
        ground = RunGround(cluster, system, {node: system.launch(node, {}, tmp_path) for node in cluster.nodes})
        states = await asyncio.gather(ground.start("n1"), ground.start("n1"), ground.start("n2"))
        assert cluster.log.count("spawn n1") == 1
        assert {state.run for state in states} == {Run.RUNNING}
        assert states[0] == states[1]

    run_virtually(both())
