"""The nemesis: when it acts, in which order it writes down what, and that it heals whatever happens.

All scenes play in virtual time, on a ground on which every act takes a millisecond.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from nemesis.faults import DiskSlow, Fault, Kill, Partition, Pause, Restart
from nemesis.ground import Run
from nemesis.nemesis import LEADER_PATIENCE_S, Nemesis, ScheduledFault
from nemesis.record import FaultRecord, FaultStatus
from tests.nemesis.ground import BrokenGroundError, FakeGround, FakeJournal, links, names
from tests.nemesis.virtual_time import now_ns, run_virtually

SECOND = 1_000_000_000
SLACK = SECOND // 100
"""What the ground's own milliseconds may add up to."""


def at(number: int, begin_s: float, end_s: float, fault: Fault) -> ScheduledFault:
    """Schedule a fault; nodes are drawn in order."""
    return ScheduledFault(
        number=number, at=int(begin_s * SECOND), until=int(end_s * SECOND), fault=fault, order=names(5)
    )


class Scene:
    """A ground, a journal and the nemesis between them."""

    def __init__(self, *schedule: ScheduledFault) -> None:
        self.schedule = schedule
        self.ground = FakeGround()
        self.journal = FakeJournal(self.ground.log)
        self.nemesis = Nemesis(self.ground, self.journal, now_ns)

    def play(self) -> Sequence[FaultRecord]:
        """Carry all faults out."""
        run_virtually(self.nemesis.run(self.schedule))
        return self.records

    def play_until(self, stop_s: float, times: int = 1) -> Sequence[FaultRecord]:
        """Carry faults out, and cancel at a moment, once or several times."""

        async def cancelled() -> None:
            task = asyncio.create_task(self.nemesis.run(self.schedule))
            await asyncio.sleep(stop_s)
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task

        run_virtually(cancelled())
        return self.records

    def play_and_break(self, *calls: str) -> Sequence[FaultRecord]:
        """Carry faults out on a ground that breaks."""
        self.ground.breaks = set(calls)
        with pytest.raises(ExceptionGroup) as caught:
            run_virtually(self.nemesis.run(self.schedule))
        assert caught.group_contains(BrokenGroundError)
        return self.records

    @property
    def records(self) -> Sequence[FaultRecord]:
        return self.nemesis.finished(self.schedule)


def test_a_fault_is_injected_and_healed_at_its_times() -> None:
    (record,) = Scene(at(0, 2, 5, Pause("one"))).play()
    assert record.injected_at is not None and record.healed_at is not None
    assert 2 * SECOND <= record.injected_at < 2 * SECOND + SLACK
    assert 5 * SECOND <= record.healed_at < 5 * SECOND + SLACK
    assert (record.planned_at, record.planned_until) == (2 * SECOND, 5 * SECOND)
    assert (record.number, record.kind, record.what, record.targets) == (0, "pause", "pause n1 (leader: n1)", ("n1",))
    assert record.status is FaultStatus.INSTALLED
    assert record.hit_leader and record.healed


def test_a_fault_that_goes_on_after_it_was_healed_is_said_to_linger() -> None:
    scene = Scene(at(0, 1, 2, DiskSlow("n2")), at(1, 1, 2, Pause("n3")))
    scene.ground.stuck = {"disk"}
    slow, pause = scene.play()
    assert (slow.healed, slow.lingers, slow.healing) == (False, True, ("n2: it went on in the 0.1 s after it",))
    assert (pause.healed, pause.lingers) == (True, False)


def test_the_intent_is_journalled_before_anything_is_touched_and_the_rest_after() -> None:
    scene = Scene(at(0, 1, 2, Kill("n2")))
    scene.play()
    assert scene.ground.log == ["intent 0", "kill n2", "injected 0", "start n2", "healed 0"]


def test_the_journal_tells_what_was_known_at_each_moment() -> None:
    scene = Scene(at(0, 1, 2, Partition("halves")))
    (final,) = scene.play()
    intent, injected, healed = [record for _, record in scene.journal.lines]
    assert (intent.injected_at, intent.healed_at, intent.healed, intent.evidence) == (None, None, False, ())
    assert intent.what == final.what == "partition halves: {n1, n2} | {n3, n4, n5}"
    assert (injected.healed_at, injected.healed, injected.status) == (None, False, FaultStatus.INDETERMINATE)
    assert injected.injected_at == final.injected_at is not None
    assert healed == final
    assert final.status is FaultStatus.INSTALLED


def test_what_is_active_is_shown_while_it_lasts() -> None:
    scene = Scene(at(0, 1, 3, Pause("n2")), at(1, 2, 4, Kill("n3")))

    async def watched() -> list[dict[int, str]]:
        task = asyncio.create_task(scene.nemesis.run(scene.schedule))
        seen = []
        for _ in range(5):
            await asyncio.sleep(0.9)
            seen.append(dict(scene.nemesis.active))
        await task
        return seen

    pause, kill = {0: "pause n2"}, {1: "kill n3"}
    assert run_virtually(watched()) == [{}, pause, {**pause, **kill}, kill, {}]


def test_a_fault_that_the_place_cannot_do_is_skipped_with_the_reason() -> None:
    scene = Scene(at(0, 1, 2, Partition("halves")), at(1, 1, 2, Kill("n2")))
    scene.ground.lacking = {"links": "no link can be cut: no namespaces"}
    partition, kill = scene.play()
    assert partition.status is FaultStatus.SKIPPED
    assert partition.evidence == ("no link can be cut: no namespaces",)
    assert partition.injected_at is None and partition.healed_at is None
    assert kill.status is FaultStatus.INSTALLED
    assert scene.journal.phases(0) == ["skipped"]
    assert not [line for line in scene.ground.log if line.startswith("cut")]


@pytest.mark.parametrize("fault", [Kill("leader"), Pause("leader"), Restart("leader"), Partition("leader-deaf")])
def test_without_a_leader_a_fault_of_the_leader_is_skipped_after_some_patience(fault: Fault) -> None:
    scene = Scene(at(0, 1, 10, fault))
    scene.ground.leads = None

    async def timed() -> float:
        await scene.nemesis.run(scene.schedule)
        return asyncio.get_running_loop().time()

    assert 1 + LEADER_PATIENCE_S <= run_virtually(timed()) < 1.2 + LEADER_PATIENCE_S
    assert scene.records[0].status is FaultStatus.SKIPPED
    assert scene.records[0].evidence == ("no node leads",)
    assert scene.ground.log == ["skipped 0"]


def test_an_election_is_given_time_to_end() -> None:
    scene = Scene(at(0, 1, 4, Kill("leader")))
    scene.ground.leads = None

    async def elected() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(scene.nemesis.run(scene.schedule))
            await asyncio.sleep(2.0)
            scene.ground.leads = "n3"

    run_virtually(elected())
    assert scene.records[0].targets == ("n3",)
    assert scene.records[0].status is FaultStatus.INSTALLED


def test_a_fault_that_needs_no_leader_goes_on_without_one() -> None:
    scene = Scene(at(0, 1, 4, Kill("n2")))
    scene.ground.leads = None
    (record,) = scene.play()
    assert record.status is FaultStatus.INSTALLED
    assert not record.hit_leader


def test_a_target_that_is_no_node_is_skipped() -> None:
    (record,) = Scene(at(0, 1, 2, Kill("n9"))).play()
    assert record.status is FaultStatus.SKIPPED
    assert record.evidence == ("'n9' names 'n9', which is no node here",)


def test_overlapping_partitions_add_up_and_end_one_by_one() -> None:
    scene = Scene(at(0, 1, 3, Partition("leader-deaf")), at(1, 2, 4, Partition("leader-mute")))
    deaf, mute = links((f"n{n}", "n1") for n in range(2, 6)), links(("n1", f"n{n}") for n in range(2, 6))

    async def watched() -> list[frozenset[object]]:
        task = asyncio.create_task(scene.nemesis.run(scene.schedule))
        seen: list[frozenset[object]] = []
        for _ in range(5):
            await asyncio.sleep(0.9)
            seen.append(frozenset(scene.ground.cut_now))
        await task
        return seen

    assert run_virtually(watched()) == [frozenset(), deaf, deaf | mute, mute, frozenset()]
    assert [record.status for record in scene.records] == [FaultStatus.INSTALLED] * 2


ALL: tuple[Fault, ...] = (Partition("halves"), Kill("n2"), Pause("n3"), Restart("n4"))


def is_healthy(ground: FakeGround) -> bool:
    return ground.cut_now == frozenset() and ground.states(*names(5)) == [Run.RUNNING] * 5


def test_when_cancelled_everything_active_is_healed_and_recorded() -> None:
    scene = Scene(*(at(number, 1, 60, fault) for number, fault in enumerate(ALL)))
    records = scene.play_until(3.0)
    assert is_healthy(scene.ground)
    assert scene.nemesis.active == {}
    assert [record.status for record in records] == [FaultStatus.INSTALLED] * 4
    assert all(record.healed and record.healed_at is not None for record in records)
    assert all(3 * SECOND <= (record.healed_at or 0) < 3 * SECOND + SLACK for record in records)
    assert all(scene.journal.phases(number) == ["intent", "injected", "healed"] for number in range(4))


@pytest.mark.parametrize("later_ms", [0.5, 1.5, 30])
@pytest.mark.parametrize("times", [1, 3])
def test_cancelled_in_the_middle_of_healing_it_heals_to_the_end(later_ms: float, times: int) -> None:
    scene = Scene(at(0, 1, 2, Partition("one")))
    (record,) = scene.play_until(2.0 + later_ms / 1_000, times)
    assert is_healthy(scene.ground)
    assert record.healed
    assert scene.journal.phases(0) == ["intent", "injected", "healed"]


def test_cancelled_while_a_heal_fails_it_says_so() -> None:
    scene = Scene(at(0, 1, 2, Kill("n2")))
    scene.ground.breaks = {"start"}

    async def cancelled() -> None:
        task = asyncio.create_task(scene.nemesis.run(scene.schedule))
        await asyncio.sleep(2.0015)
        task.cancel()
        await task

    with pytest.raises(ExceptionGroup) as caught:
        run_virtually(cancelled())
    assert caught.group_contains(BrokenGroundError)


@pytest.mark.parametrize("fault", ALL)
@pytest.mark.parametrize("later_ms", [0.5, 1.5, 2.5])
def test_cancelled_in_the_middle_of_injecting_it_still_heals(fault: Fault, later_ms: float) -> None:
    scene = Scene(at(0, 1, 60, fault))
    (record,) = scene.play_until(1.0 + later_ms / 1_000)
    assert is_healthy(scene.ground)
    phases = scene.journal.phases(0)
    assert phases in ([], ["intent", "healed"], ["intent", "injected", "healed"])
    assert bool(phases) == (record.status is not FaultStatus.SKIPPED)


def test_a_fault_that_never_began_is_recorded_as_skipped() -> None:
    scene = Scene(at(0, 1, 2, Kill("n2")), at(1, 30, 40, Partition("halves")))
    records = scene.play_until(5.0)
    assert [record.status for record in records] == [FaultStatus.INSTALLED, FaultStatus.SKIPPED]
    assert records[1].evidence == ("the run ended before its time",)
    assert records[1].kind == "partition"
    assert (records[1].planned_at, records[1].injected_at) == (30 * SECOND, None)
    assert scene.journal.phases(1) == []


def test_an_error_while_injecting_heals_this_fault_and_all_others() -> None:
    scene = Scene(at(0, 1, 60, Partition("halves")), at(1, 1, 60, Pause("n3")), at(2, 2, 3, Kill("n1+n2")))
    partition, pause, kill = scene.play_and_break("kill n2")
    assert is_healthy(scene.ground)
    assert (partition.status, pause.status) == (FaultStatus.INSTALLED, FaultStatus.INSTALLED)
    assert kill.evidence[0] == "n1: process 1001 is gone (SIGKILL)"
    assert kill.injected_at is None and kill.healed
    assert scene.journal.phases(2) == ["intent", "healed"]


def test_a_fault_that_could_be_neither_injected_nor_healed_is_not_called_skipped() -> None:
    scene = Scene(at(0, 1, 2, Kill("n1+n2")))
    (record,) = scene.play_and_break("kill n2", "start")
    assert scene.ground.state("n1") is Run.GONE
    assert record.status is FaultStatus.INDETERMINATE
    assert not record.healed
    assert scene.journal.phases(0) == ["intent"]


def test_a_fault_that_cannot_be_healed_keeps_what_was_seen() -> None:
    scene = Scene(at(0, 1, 2, Kill("n2")))
    (record,) = scene.play_and_break("start")
    assert record.status is FaultStatus.INSTALLED
    assert not record.healed
    assert record.healed_at is None
    assert scene.journal.phases(0) == ["intent", "injected"]


def test_an_error_while_healing_one_fault_does_not_keep_the_others_from_healing() -> None:
    scene = Scene(at(0, 1, 2, Kill("n2")), at(1, 1, 60, Pause("n3")))
    scene.play_and_break("start n2")
    assert scene.ground.state("n3") is Run.RUNNING
    assert scene.journal.phases(1) == ["intent", "injected", "healed"]


def test_a_node_that_does_not_come_back_is_recorded_as_not_healed() -> None:
    scene = Scene(at(0, 1, 2, Kill("n2")))
    scene.ground.start_in_vain = {"n2"}
    (record,) = scene.play()
    assert not record.healed
    assert scene.journal.lines[-1] == ("healed", record)


def test_a_kill_during_a_pause_leaves_the_node_running_in_the_end() -> None:
    scene = Scene(at(0, 1, 5, Pause("n2")), at(1, 2, 3, Kill("n2")), at(2, 4, 4.5, Restart("n2")))
    records = scene.play()
    assert is_healthy(scene.ground)
    assert [record.status for record in records] == [FaultStatus.INSTALLED] * 3
    assert all(record.healed for record in records)


def test_an_empty_schedule_ends_at_once() -> None:
    assert Scene().play() == ()


def test_a_record_has_the_fault_as_it_was_asked_for_and_who_led() -> None:
    scene = Scene(at(0, 1, 2, Kill("one")), at(1, 3, 4, Pause("n7")))
    kill, pause = scene.play()
    assert (kill.requested, kill.leader, kill.targets) == (Kill("one"), "n1", ("n1",))
    assert (pause.requested, pause.leader, pause.status) == (Pause("n7"), None, FaultStatus.SKIPPED)


def test_a_healed_partition_is_watched_until_frames_pass_and_was_healed_before_that() -> None:
    scene = Scene(at(0, 1, 2, Partition("one")))
    (record,) = scene.play()
    assert record.healing == ("frames pass again on 8 of the 8 links",)
    assert record.healed_at is not None
    assert abs(record.healed_at - 2 * SECOND) < SLACK


def test_links_on_which_nothing_passes_are_told_and_those_that_another_fault_cuts_are_left_out() -> None:
    scene = Scene(at(0, 1, 2, Partition("one")), at(1, 1, 9, Partition("", {"n2": ("n1",)})))
    scene.ground.traffic = False
    first, _ = scene.play()
    assert first.healing == ("frames pass again on 0 of the 7 links",)
    assert first.healed
