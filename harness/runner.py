"""The runner: carries a plan out on a cluster.

    set up -> start nodes -> wait for a leader -> clients and faults -> heal -> wait for recovery -> final reads -> stop

It decides nothing by chance and knows nothing of the place: the plan says what happens when, the cluster how. What it
hands back is evidence only; judging it is ``harness.judgement``'s work. Whatever fails on the way, the cluster is torn
down; a failure to tear down is noted and never costs the history that was recorded.

The run's clock starts at zero when the load begins: the plan's times and the history's are the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from checkers.streaming import Alarm
from harness.clients import ClientThread
from harness.clock import RunClock
from harness.clock_samples import ClockSampler
from harness.cluster.base import Ability, Cluster, ClusterError, Launch
from harness.ground import STOP_GRACE_S, RunGround
from harness.mechanisms import served
from harness.plan import MS, Plan
from harness.recorder import Recorder
from harness.recovery import Recoverer, Recovery
from harness.results import NodeSummary, Served
from harness.scenario import Scenario
from harness.store import CLOCKS, FAULTS, HISTORY, FaultJournal, Lines, RunFolder
from harness.systems.base import System
from nemesis.clock_bound import UNTOLD, ClockBound
from nemesis.faults import OF_CLOCKS, kind
from nemesis.ground import Run
from nemesis.nemesis import Nemesis
from nemesis.record import FaultRecord
from workloads.catalogue import WORKLOADS

FIRST_LEADER_S = 15.0
"""How long a healthy cluster may take to have a leader before anything is broken."""
SHOW_EVERY_S = 0.5
SHOWN_BEFORE_ASKED = 4
"""Progress is shown so many times before the nodes are asked again who leads: that is load, too."""


class RunFailedError(Exception):
    """The harness could not carry the run out: no verdict on the system can come of it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is, for the live line. Times are ns since the run's start."""

    phase: str
    now: int
    until: int
    ok: int
    fail: int
    info: int
    leader: str | None
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen to be wrong while a run went on, ``at`` ns; ``ends`` if the run ends by it."""

    at: int
    sentence: str
    ends: bool

    @property
    def told(self) -> str:
        """The same in words."""
        ending = "the load ended" if self.ends else "seen while the run went on"
        return f"{ending} at {self.at / 1e9:.3f} s: {self.sentence}"


class Watcher(Protocol):
    """Whoever wants to see a run while it goes on."""

    def progress(self, progress: Progress) -> None:
        """Called a few times a second."""

    def begun(self, served: Sequence[Served]) -> None:
        """The place is set up: this is what carries each kind of fault of the plan out."""

    def alarmed(self, seen: Seen) -> None:
        """The history shows something wrong, while the run goes on or as its end."""

    def judging(self) -> None:
        """The run is over; checkers begin."""


@dataclass(slots=True)
class Outcome:
    """What a run left behind for judgement, besides the files in its folder."""

    faults: tuple[FaultRecord, ...] = ()
    recovery: Recovery = field(default_factory=Recovery)
    final_reads_done: bool = False
    set_up_s: float = 0.0
    first_ok_at: int | None = None
    summaries: tuple[NodeSummary, ...] = ()
    rare_events: dict[str, int] = field(default_factory=dict)
    mechanisms: tuple[Ability, ...] = ()
    served: tuple[Served, ...] = ()
    left_out: int = 0
    alarm: Seen | None = None
    ended_at: int | None = None
    """When clients and faults ended, in ns, if that was before their time."""
    notes: list[str] = field(default_factory=list)


SystemFactory = Callable[[Cluster], System]


class ClockSampling(NamedTuple):
    """The sampling of the nodes' clocks, under way."""

    sampler: ClockSampler
    task: asyncio.Task[None]


class Runner:
    """Carries out one run."""

    def __init__(
        self,
        scenario: Scenario,
        plan: Plan,
        folder: RunFolder,
        cluster: Cluster,
        system_for: SystemFactory,
        watcher: Watcher,
        read_clock: Callable[[], int],
        gather_bytes: int = 0,
        *,
        count_lives: bool = False,
        watched: bool = True,
        clock_bound: ClockBound = UNTOLD,
    ) -> None:
        """``read_clock`` gives ns since any fixed moment; the event loop's time must run with it.

        ``gather_bytes`` of the history may wait to be written together. With ``count_lives`` nodes are asked again and
        again for their rare events, since each forgets its own when it ends. ``watched`` is whether the history is
        looked at while it is being made. ``clock_bound`` is the system's.
        """
        self._watched = watched
        self._end_load: Callable[[], None] | None = None
        self._count_lives = count_lives
        self._clock_bound = clock_bound
        self._lives: dict[tuple[str, int], Mapping[str, int]] = {}
        self._gather_bytes = gather_bytes
        self._scenario = scenario
        self._plan = plan
        self._folder = folder
        self._cluster = cluster
        self._system_for = system_for
        self._watcher = watcher
        self._read_clock = read_clock
        self.outcome = Outcome()
        self._phase = "setting up"
        self._leader: str | None = None

    async def run(self) -> Outcome:
        """Carry the run out. Raises RunFailedError if that is not possible; the folder keeps what was recorded."""
        self._clock = RunClock(self._read_clock)
        self._history = Lines(self._folder / HISTORY, self._gather_bytes)
        self._journal = FaultJournal(self._folder / FAULTS)
        self._recorder = Recorder(self._history, self._clock)
        try:
            await self._on_cluster()
        except ClusterError as error:
            if _interrupted():  # Ctrl-C may reach a process of the place too, and its end be noticed first
                raise asyncio.CancelledError from error
            raise RunFailedError(f"{self._phase}: {error}") from error
        except ExceptionGroup as group:
            raise RunFailedError(f"{self._phase}: {_first(group)}") from group
        finally:
            await self._tear_down()
            self._history.close()
            self._journal.close()
        return self.outcome

    async def _on_cluster(self) -> None:
        self._show_phase("setting up")
        await self._cluster.setup()
        self.outcome.mechanisms = self._cluster.abilities
        system = self._system_for(self._cluster)
        launches = self._launches(system)
        ground = RunGround(self._cluster, system, launches)
        faults = [planned.fault for planned in self._plan.faults]
        self.outcome.served = served(faults, self._cluster.abilities, ground.can, self._clock_bound)
        self._watcher.begun(self.outcome.served)
        try:
            await asyncio.gather(*(self._cluster.spawn(node, launch) for node, launch in launches.items()))
            await self._wait_for_leader(ground)
            await self._break_and_heal(ground, system)
            await self._stop_nodes(ground)
            self.outcome.notes.extend(await self._cluster.disturbances())
        finally:
            system.close()

    def _launches(self, system: System) -> Mapping[str, Launch]:
        tell, folder = self._cluster.addresses_for, self._folder
        return {node: system.launch(node, tell(node), folder.node(node)) for node in self._cluster.nodes}

    async def _wait_for_leader(self, ground: RunGround) -> None:
        self._show_phase("waiting for a leader")
        deadline = self._clock.now() + int(FIRST_LEADER_S * 1e9)
        while (leader := await ground.leader()) is None:
            for node in ground.nodes:
                state = await ground.process(node)
                if state.run is Run.GONE:
                    log = self._folder.node(node) / "node.log"
                    raise RunFailedError(
                        f"{node} ended with status {state.exit_code} before anything was broken; see {log}"
                    )
            if self._clock.now() > deadline:
                raise RunFailedError(f"no node leads {FIRST_LEADER_S:g} s after the start, with nothing broken yet")
            await asyncio.sleep(0.02)
        self._leader = leader

    # -- the run itself -----------------------------------------------------------------------------------------------

    async def _break_and_heal(self, ground: RunGround, system: System) -> None:
        self.outcome.set_up_s = self._clock.restart()
        workload = WORKLOADS[self._scenario.workload]()
        memory = workload.memory()
        threads = [
            ClientThread(
                number,
                self._scenario.concurrency,
                system,
                workload,
                memory,
                self._recorder,
                self._clock,
                self._scenario.operation_timeout_ms / 1_000,
            )
            for number in range(self._scenario.concurrency)
        ]
        if self._watched and (watch := workload.watch()) is not None:
            self._recorder.watched_by(watch, self._alarmed)
        nemesis = Nemesis(ground, self._journal, self._clock.now, self._clock_bound)
        sampler = asyncio.create_task(self._sample(ground, nemesis, system))
        clocks = self._sample_clocks(ground)
        try:
            await self._clients_and_faults(threads, nemesis)
            self.outcome.recovery = await self._recover(threads[0], ground, nemesis)
            await self._read_finally(threads)
            self.outcome.summaries = tuple(
                await asyncio.gather(*(system.summary(node) for node in self._cluster.nodes))
            )
        finally:
            sampler.cancel()
            await asyncio.gather(sampler, return_exceptions=True)
            if clocks is not None:
                await self._end_of_clocks(clocks)
            self._note_lives(self.outcome.summaries)
            self.outcome.rare_events = dict(sum((Counter(met) for met in self._lives.values()), Counter[str]()))
            self.outcome.faults = nemesis.finished(self._plan.faults)
            self.outcome.first_ok_at = self._recorder.first_ok_at
            self.outcome.left_out = sum(thread.left_out for thread in threads)
            for thread in threads:
                thread.close()

    async def _clients_and_faults(self, threads: list[ClientThread], nemesis: Nemesis) -> None:
        self._show_phase("breaking" if self._plan.faults else "running")
        async with asyncio.TaskGroup() as group:
            clients = [
                group.create_task(thread.run(planned, self._plan.time))
                for thread, planned in zip(threads, self._plan.clients, strict=True)
            ]
            faults = group.create_task(nemesis.run(self._plan.faults))
            self._end_load = lambda: _end_early(threads, clients, faults)
        self._end_load = None
        if self.outcome.alarm is not None and self.outcome.alarm.ends:
            self.outcome.ended_at = self._clock.now()

    def _alarmed(self, at: int, alarm: Alarm) -> None:
        ends = self._scenario.stop_on_violation and self._end_load is not None
        self.outcome.alarm = Seen(at, alarm.sentence, ends)
        self._watcher.alarmed(self.outcome.alarm)
        if ends and self._end_load is not None:
            asyncio.get_running_loop().call_soon(self._end_load)  # not within the client that has just seen it

    async def _recover(self, thread: ClientThread, ground: RunGround, nemesis: Nemesis) -> Recovery:
        """Wait until the healed cluster serves and all nodes have caught up."""
        self._show_phase("recovering")
        operation = next((operation for reads in self._plan.final for operation in reads), None)

        async def probe() -> bool:
            return operation is None or await thread.probe(operation)

        faults = nemesis.finished(self._plan.faults)
        return await Recoverer(ground, self._clock.now, probe, faults).wait(self._scenario.recovery_ms * MS)

    async def _read_finally(self, threads: list[ClientThread]) -> None:
        self._show_phase("final reads")
        recovered = self.outcome.recovery.after_s is not None
        done = await asyncio.gather(
            *(
                thread.read_finally(reads, recovered=recovered)
                for thread, reads in zip(threads, self._plan.final, strict=True)
            )
        )
        self.outcome.final_reads_done = all(done)

    async def _stop_nodes(self, ground: RunGround) -> None:
        self._show_phase("stopping")
        states = await asyncio.gather(*(self._cluster.terminate(node, STOP_GRACE_S) for node in ground.nodes))
        for state in states:
            if state.exit_code != 0 and state.node not in self.outcome.recovery.excused:
                self.outcome.notes.append(f"{state.node} ended with status {state.exit_code} when it was asked to stop")

    async def _tear_down(self) -> None:
        try:
            await self._cluster.teardown()
        except ClusterError as error:
            self.outcome.notes.append(f"teardown: {error}; `antipaxos clean` ends what is left")

    # -- watching -----------------------------------------------------------------------------------------------------

    async def _sample(self, ground: RunGround, nemesis: Nemesis, system: System) -> None:
        while True:
            self._leader = await ground.leader()
            if self._count_lives:
                self._note_lives(await asyncio.gather(*(system.summary(node) for node in self._cluster.nodes)))
            for _ in range(SHOWN_BEFORE_ASKED):
                self._show(tuple(nemesis.active.values()))
                await asyncio.sleep(SHOW_EVERY_S)

    def _note_lives(self, summaries: Sequence[NodeSummary]) -> None:
        """Note what each life of each node has counted so far."""
        for summary in summaries:
            if summary.counters is not None:
                self._lives[summary.node, summary.incarnation] = summary.counters

    def _sample_clocks(self, ground: RunGround) -> ClockSampling | None:
        """Begin to write down how far the nodes' clocks are off, if anything in this run is to bend them."""
        asked = self._scenario.clocks or any(kind(planned.fault) in OF_CLOCKS for planned in self._plan.faults)
        if not asked or ground.can("clocks"):
            return None
        sampler = ClockSampler(Lines(self._folder / CLOCKS), ground.nodes, ground.clock, self._clock.now)
        ground.on_clock = sampler.look
        return ClockSampling(sampler, asyncio.create_task(sampler.run()))

    async def _end_of_clocks(self, clocks: ClockSampling) -> None:
        clocks.task.cancel()
        (ended,) = await asyncio.gather(clocks.task, return_exceptions=True)
        clocks.sampler.close()
        if not isinstance(ended, asyncio.CancelledError):
            self.outcome.notes.append(f"the nodes' clocks were not looked at to the end: {ended}")
        if clocks.sampler.left_out:
            self.outcome.notes.append(f"{CLOCKS} is full: {clocks.sampler.left_out} samples were left out")

    def _show_phase(self, phase: str) -> None:
        self._phase = phase
        self._show(())

    def _show(self, faults: tuple[str, ...]) -> None:
        recorder = self._recorder
        self._watcher.progress(
            Progress(
                self._phase,
                self._clock.now(),
                self._plan.time,
                recorder.ok,
                recorder.fail,
                recorder.info,
                self._leader,
                faults,
            )
        )


def _end_early(
    threads: Sequence[ClientThread], clients: Sequence[asyncio.Task[None]], faults: asyncio.Task[None]
) -> None:
    """Let clients finish what they have begun and begin no more, and heal what is broken."""
    for thread, client in zip(threads, clients, strict=True):
        thread.end()
        if thread.waiting:
            client.cancel()
    faults.cancel()


def _interrupted() -> bool:
    """Say whether this task was asked to end (not to be asked after a task group has failed: that leaves its mark)."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first plain error in a group of groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
