"""Clients: processes are retired, late operations left out, final reads tried again; all of it in the history."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from checkers.formats import load_history
from checkers.history import Event, EventType, History
from harness.clients import FINAL_ATTEMPTS, HOPELESS_ATTEMPTS, LATE_NS, ClientThread
from harness.clock import RunClock
from harness.plan import PlannedOperation
from harness.recorder import Recorder
from harness.store import Lines
from harness.systems.base import Completion
from tests.harness.memory_place import MemoryCluster, MemorySystem
from tests.nemesis.virtual_time import now_ns, run_virtually
from workloads.append import AppendWorkload
from workloads.base import Operation, Workload
from workloads.register import RegisterWorkload

SECOND = 1_000_000_000
THREADS = 10
NUMBER = 3
END = 100 * SECOND
INFO = Completion(EventType.INFO, None, "timed out")
FAIL = Completion(EventType.FAIL, None, "refused")


class Scene:
    """One client thread, number 3 of 10, on a store in memory; what it did is read back from its file."""

    def __init__(self, folder: Path, workload: Workload | None = None) -> None:
        self.path = folder / "history.jsonl"
        self.workload = workload or RegisterWorkload()
        self.cluster = MemoryCluster()
        self.system = MemorySystem(self.cluster)

    def play(self, act: Callable[[ClientThread], Coroutine[Any, Any, Any]]) -> Any:
        async def scene() -> Any:
            for node in self.cluster.nodes:
                await self.cluster.spawn(node, self.system.launch(node, {}, self.path.parent))
            clock = RunClock(now_ns)
            with Lines(self.path) as lines:
                self.recorder = Recorder(lines, clock)
                self.thread = ClientThread(
                    NUMBER, THREADS, self.system, self.workload, self.workload.memory(), self.recorder, clock, 2.0
                )
                return await act(self.thread)

        return run_virtually(scene())

    def run(self, *planned: tuple[float, Operation], until: int = END) -> None:
        operations = [PlannedOperation(int(at * SECOND), operation) for at, operation in planned]
        self.play(lambda thread: thread.run(operations, until))

    @property
    def history(self) -> History:
        return load_history(self.path).history

    @property
    def events(self) -> tuple[Event, ...]:
        return self.history.events

    def told(self) -> list[tuple[int, str, str, Any]]:
        return [(event.process, event.type.value, event.f, event.value) for event in self.events]  # type: ignore[misc]


def write(value: int, key: str = "r0") -> Operation:
    return Operation("write", key, value)


def cas(value: int) -> Operation:
    return Operation("cas", "r0", value)


READ = Operation("read", "r0")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_operations_are_invoked_at_their_times_and_recorded(scene: Scene) -> None:
    scene.run((1, write(5)), (2.5, READ))
    assert scene.told() == [
        (3, "invoke", "write", 5),
        (3, "ok", "write", 5),
        (3, "invoke", "read", None),
        (3, "ok", "read", 5),
    ]
    times = [event.time or 0 for event in scene.events]
    assert abs(times[0] - SECOND) < SECOND // 100
    assert abs(times[2] - 2.5 * SECOND) < SECOND // 100
    assert times == sorted(times)
    assert [event.index for event in scene.events] == [0, 1, 2, 3]
    assert {event.key for event in scene.events} == {"r0"}
    assert scene.events[1].ref == "1/1"


def test_the_recorder_counts_by_outcome_and_knows_when_it_first_went_well(scene: Scene) -> None:
    scene.system.answer = lambda operation: {1: INFO, 2: FAIL}.get(operation.value)
    scene.run((1, write(1)), (2, write(2)), (3, write(3)), (4, READ))
    recorder = scene.recorder
    assert (recorder.ok, recorder.fail, recorder.info) == (2, 1, 1)
    assert 3 * SECOND <= (recorder.first_ok_at or 0) < 3.1 * SECOND
    assert 4 * SECOND <= (recorder.last_ok_at or 0) < 4.1 * SECOND


def test_info_retires_the_process_by_the_number_of_threads_and_fail_does_not(scene: Scene) -> None:
    scene.system.answer = lambda operation: {1: INFO, 2: FAIL, 3: INFO}.get(operation.value)
    scene.run(*((number, write(number)) for number in range(1, 5)))
    assert [event.process for event in scene.events if event.type is EventType.INVOKE] == [3, 13, 13, 23]
    assert [event.error for event in scene.events if event.error] == ["timed out", "refused", "timed out"]


def test_a_retired_process_leaves_its_session_behind(scene: Scene) -> None:
    scene.system.answer = lambda operation: INFO if operation.value == 1 else None
    scene.run((1, write(1)), (2, write(2)))
    assert scene.system.clients == [NUMBER, NUMBER]
    assert scene.system.clients_closed == 1


def test_a_compare_and_set_is_recorded_as_it_was_invoked(scene: Scene) -> None:
    scene.run((1, cas(7)), (2, cas(8)), (3, write(9)), (4, cas(10)))
    invoked = [event.value for event in scene.events if event.type is EventType.INVOKE]
    assert invoked == [[None, 7], [7, 8], 9, [9, 10]]
    assert all(event.type is EventType.OK for event in scene.events[1::2])


def test_what_ended_info_or_fail_is_not_taken_for_seen(scene: Scene) -> None:
    scene.system.answer = lambda operation: {"1": INFO, "2": FAIL}.get(str(operation.value))
    scene.run((1, write(1)), (2, write(2)), (3, cas(7)))
    assert scene.events[4].value == [None, 7]


def test_a_read_is_shown_as_the_workload_shows_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path, AppendWorkload())
    scene.run((1, Operation("read", "l0")), (2, Operation("append", "l0", 4)), (3, Operation("read", "l0")))
    assert [event.value for event in scene.events] == [None, [], 4, 4, None, [4]]


def test_operations_that_are_hopelessly_late_are_left_out_and_counted(scene: Scene) -> None:
    scene.system.takes_s = 3.0
    scene.run((1, write(1)), (2, write(2)), (2.9, write(3)), (3.1, write(4)), (9, write(5)))
    assert [event.value for event in scene.events if event.type is EventType.INVOKE] == [1, 4, 5]
    assert scene.thread.left_out == 2


def test_an_operation_exactly_as_late_as_may_be_is_carried_out(scene: Scene) -> None:
    scene.system.takes_s = 2.0
    scene.run((1, write(1)), (3 - LATE_NS / SECOND + 0.002, write(2)))
    assert scene.thread.left_out == 0


def test_nothing_is_begun_after_the_end_nor_counted_as_late(scene: Scene) -> None:
    scene.system.takes_s = 3.0
    scene.run((1, write(1)), (1.5, write(2)), (3.5, write(3)), until=4 * SECOND)
    assert [event.value for event in scene.events if event.type is EventType.INVOKE] == [1]
    assert scene.thread.left_out == 0


def test_final_reads_are_tried_again_until_they_return(scene: Scene) -> None:
    answers = iter([FAIL, INFO, None, INFO, None])
    scene.system.answer = lambda _: next(answers)
    assert scene.play(lambda thread: thread.read_finally([READ, Operation("read", "r1")])) is True
    assert [event.type.value for event in scene.events[1::2]] == ["fail", "info", "ok", "info", "ok"]
    assert [event.process for event in scene.events[::2]] == [3, 3, 13, 13, 23]


def test_final_reads_are_given_up_after_some_attempts_each(scene: Scene) -> None:
    scene.system.answer = lambda operation: FAIL if operation.key == "r0" else None
    assert scene.play(lambda thread: thread.read_finally([READ, Operation("read", "r1")])) is False
    keys = [event.key for event in scene.events if event.type is EventType.INVOKE]
    assert keys == ["r0"] * FINAL_ATTEMPTS + ["r1"]


def test_a_cluster_that_has_not_recovered_is_soon_given_up(scene: Scene) -> None:
    scene.system.answer = lambda operation: FAIL if operation.key == "r1" else None
    reads = [Operation("read", key) for key in ("r0", "r1", "r2")]
    assert scene.play(lambda thread: thread.read_finally(reads, recovered=False)) is False
    keys = [event.key for event in scene.events if event.type is EventType.INVOKE]
    assert keys == ["r0"] + ["r1"] * HOPELESS_ATTEMPTS


def test_no_final_reads_are_done_at_once(scene: Scene) -> None:
    assert scene.play(lambda thread: thread.read_finally([])) is True


@pytest.mark.parametrize(("answer", "served"), [(None, True), (FAIL, False), (INFO, False)])
def test_a_probe_has_served_only_if_it_returned_ok(answer: Completion | None, served: bool, scene: Scene) -> None:
    scene.system.answer = lambda _: answer
    assert scene.play(lambda thread: thread.probe(READ)) is served


def test_what_is_recorded_is_a_history_at_every_moment(scene: Scene) -> None:
    """Each prefix of the file is one that a killed controller could have left."""
    scene.system.answer = lambda operation: {2: INFO, 4: FAIL}.get(operation.value)
    scene.run(*((number, write(number)) for number in range(1, 6)))
    lines = scene.path.read_bytes().splitlines(keepends=True)
    for count in range(1, len(lines) + 1):
        scene.path.write_bytes(b"".join(lines[:count]))
        assert len(scene.history.operations()) == (count + 1) // 2


def test_an_invocation_is_on_disk_before_it_is_sent(scene: Scene) -> None:
    on_disk = []

    def answer(operation: Operation) -> None:
        on_disk.append(scene.told()[-1])

    scene.system.answer = answer
    scene.run((1, write(1)), (2, READ))
    assert on_disk == [(3, "invoke", "write", 1), (3, "invoke", "read", None)]
