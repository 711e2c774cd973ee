"""A node in virtual time: the real replica, codec, committer and journal, in a shell made of events.

It owes the replica what ``node.server`` does, and gets its parts from the same assembly, so a planted bug is planted
here too. What the operating system does for a real process is done here as well: a stopped process's messages wait in
its sockets, a killed one's are gone, and so is everything it had not written.
"""

from __future__ import annotations

import errno
from collections import Counter, deque
from typing import Protocol

import msgspec

from harness.seeds import Stream
from harness.simulation.clock import SimulatedClock
from harness.simulation.disk import SimulatedDisk
from harness.simulation.loop import VirtualLoop
from harness.simulation.trace import Given, Trace
from harness.simulation.want import Want
from nemesis.ground import DiskTrouble, ProcessState, Ration, Resources, Run
from nemesis.undo import Arrival, Below
from node import wire
from node.admission import Admission, Limits
from node.assembly import Assembly
from node.machine import StateError
from node.options import ServerConfig, election_stream
from node.paxos.counters import Counters
from node.paxos.effects import HandOver, Receive, Tick
from node.paxos.messages import Message
from node.paxos.records import Remembered
from node.replica import Apply, ClientRequest, Durable, Output, Replica, ReplicaEvent, RunAhead, SnapshotDurable
from node.server import EXIT_UNTRUSTWORTHY
from node.storage.wal import CorruptLogError, LogFailedError

START_NS = 20_000_000
"""How long a process takes from its start to its first word."""
SYNC_NS = (120_000, 400_000)
"""How long a sync takes, from and to."""
AHEAD_NS = 20_000
"""How long after a step a node has time to compute something ahead."""
APPLY_NS = 30_000
"""How long after a step that had something more urgent a node applies what is chosen."""
STARVED_STEP_NS = 50_000
"""How long a step of a starved node takes for each of the times that it is slower; else steps take no time."""
BACKLOG_MAX = 20_000
"""Events that a stopped process's sockets hold; what comes then is lost."""
_APPLY = Apply()
_FRAME, _REQUEST, _DURABLE = int(Given.FRAME), int(Given.REQUEST), int(Given.DURABLE)  # plain: they are used often
EXIT_CORRUPT = 65
EXIT_CANNOT_SERVE = 1
KILLED = -9


class Peers(Protocol):
    """What carries a node's messages."""

    def __call__(self, source: int, incarnation: int, destination: int, frame: bytes) -> None:
        """Carry a frame between nodes."""


class ClientEnd(Protocol):
    """The other end of a client's connection."""

    def reply(self, reply: wire.Reply) -> None:
        """Send a reply."""

    def hang_up(self) -> None:
        """The process is gone."""


class Observer(Protocol):
    """Whoever looks at every step of every node."""

    def booted(self, node: SimulatedNode, remembered: Remembered) -> None:
        """A process has read its log; what it remembers is its own from now on."""

    def stepped(self, node: SimulatedNode, event: ReplicaEvent, output: Output) -> None:
        """A node has taken an event."""


class SimulatedNode:
    """One node: its disk outlives its processes."""

    def __init__(
        self,
        number: int,
        loop: VirtualLoop,
        draws: Stream,
        clock: SimulatedClock,
        send: Peers,
        observer: Observer,
        trace: Trace,
    ) -> None:
        self.number = number
        self.name = f"n{number}"
        self.disk = SimulatedDisk(draws.below)
        self.clock = clock
        self.replica: Replica | None = None
        self.config: ServerConfig | None = None
        self.lines: list[str] = []
        self._loop = loop
        self._draws = draws
        self._send = send
        self._observer = observer
        self._trace = trace
        self._assembly = Assembly()
        self._pid = 0
        self._life = 0
        self._run = Run.GONE
        self._running = False  # the same in a bit: it is asked at every event
        self._prompt = False  # running, and not starved
        self._plodding = False
        self._want = Want()
        self._exit_code: int | None = None
        self._backlog: deque[ReplicaEvent] = deque()
        self._clients: dict[int, ClientEnd] = {}
        self._admission = Admission(Limits(), Counters())
        self._committing = False
        self._ahead_due = self._apply_due = False
        self._stopping = False
        self._leaving = False
        self._in_commit = False
        self._stalled: int | None = None
        self._wake_at = 0
        self._alarm_at: int | None = None
        self._encoded: tuple[Message | None, bytes] = (None, b"")
        self._met: Counter[str] = Counter()

    # -- the process --------------------------------------------------------------------------------------------------

    @property
    def state(self) -> ProcessState:
        """The process as a kernel would show it."""
        return ProcessState(self.name, self._pid, self._run, self._exit_code)

    @property
    def stalled(self) -> bool:
        """True while the process waits for a sync that does not end."""
        return self._stalled is not None

    @property
    def listening(self) -> bool:
        """True while connections are taken (a stopped process's kernel takes them for it)."""
        return self.replica is not None

    @property
    def met(self) -> Counter[str]:
        """How often each rare event has happened here, in all lives: a real node's count ends with its life."""
        met = Counter(self._met)
        if self.replica is not None:
            met.update(msgspec.structs.asdict(self.replica.counters))
        return met

    def start(self, pid: int, config: ServerConfig, assembly: Assembly) -> None:
        """Start a process; it begins to work a little later."""
        self._pid, self._exit_code = pid, None
        self._set_run(Run.RUNNING)
        self._life += 1
        self.config, self._assembly = config, assembly
        self._trace.give(Given.STARTS, self.number, 0, b"")
        self._loop.at(self._loop.now_ns + START_NS, self._boot, self._life)

    def kill(self) -> None:
        """SIGKILL: what was written stays, what was only in memory is gone."""
        if self._run is not Run.GONE:
            self._end(KILLED)

    def terminate(self) -> None:
        """SIGTERM: hand over, take nothing more, make durable what is known, then end."""
        if self._run is Run.GONE or self._stopping or self._leaving:
            return
        if self.replica is None:
            self._end(0)
            return
        if self._running and self.replica.paxos.leader is not None:
            self._leaving = True
            self._trace.give(Given.LEAVES, self.number, 0, b"")
            self._step(HandOver(None))
        else:
            self._stop()

    def _stop(self) -> None:
        """Write down what is known; the commit under way comes first."""
        assert self.replica is not None
        self._stopping = True
        self._running = self._prompt = False
        self._committer.give_up_saving()
        self._committer.submit(self.replica.stop())
        self._commit_next()

    def pause(self) -> None:
        """SIGSTOP."""
        if self._running:
            self._set_run(Run.STOPPED)
            self._trace.happens("process", self.name, "stopped")

    def resume(self) -> None:
        """SIGCONT: what had arrived meanwhile is handled now."""
        if self._run is not Run.STOPPED:
            return
        self._set_run(Run.RUNNING)
        self._trace.happens("process", self.name, "continued")
        self._catch_up()
        self._trace.give(Given.TICK, self.number, 0, b"")
        self._take(Tick())

    def _set_run(self, run: Run) -> None:
        self._run = run
        self._running = run is Run.RUNNING
        self._prompt = self._running and self._want.times == 1

    def _catch_up(self) -> None:
        """Handle what has gathered, now or one after the other."""
        if not self._prompt:
            self._plod()
            return
        backlog, self._backlog = self._backlog, deque()
        for event in backlog:
            self._handle(event)

    def set_ration(self, ration: Ration) -> None:
        """Leave the node this much of its machine; steps that it was behind with are caught up with once it is fed."""
        self._want.put_on(ration)
        if self._run is Run.GONE:
            self._want.forget_limits()
        self._limit_files()
        if self._running:
            self._set_run(Run.RUNNING)
            self._catch_up()

    @property
    def resources(self) -> Resources:
        """What a kernel would show of the process."""
        if self._run is Run.GONE:
            return Resources()
        return self._want.resources(self._pid, len(self._clients))

    def _limit_files(self) -> None:
        self.disk.out_of_descriptors = self._want.descriptors_left == 0

    def power_off(self, arrival: Arrival, below: Below) -> None:
        """Cut the power: the process ends and the disk keeps what was durable, and what has arrived besides."""
        self.kill()
        self.disk.lose_power(arrival, below)

    def set_clock_rate(self, ppm: int) -> None:
        """Let the machine's clock run at a rate from now on; what waits for it waits anew."""
        self.clock.set_rate(self._loop.now_ns, ppm)
        self._arm_anew()

    def jump_clock(self, by: int) -> None:
        """Let the machine's monotonic clock jump forward; what waits for it waits anew."""
        self.clock.jump(self._loop.now_ns, by)
        self._arm_anew()

    def _arm_anew(self) -> None:
        if self.replica is not None and self._wake_at:
            self._alarm_at = None
            self.arm(self._wake_at)

    def set_disk_trouble(self, trouble: DiskTrouble) -> None:
        """Let the disk have this trouble and no other; a sync that was stalled ends once it is not."""
        self.disk.trouble = trouble
        if self._stalled is not None and not trouble.stalled:
            finished, self._stalled = self._stalled, None
            self._await_sync(finished)

    def _end(self, exit_code: int) -> None:
        self._met = self.met
        self._exit_code, self.replica = exit_code, None
        self._set_run(Run.GONE)
        self._plodding = False
        self._want.forget_limits()
        self._limit_files()
        self._stopping = self._leaving = False
        self._life += 1
        self._alarm_at = None
        self._trace.give(Given.ENDS, self.number, 0, b"%d" % exit_code)
        self._backlog.clear()
        self.hang_up_on_clients()
        self._committing = self._ahead_due = self._apply_due = False
        self._stalled = None

    def _boot(self, life: int) -> None:
        if life != self._life:
            return
        if self._run is Run.STOPPED:
            self._loop.at(self._loop.now_ns + START_NS, self._boot, life)
            return
        assert self.config is not None
        core = self.config.core
        try:
            journal = self._assembly.journal(
                self.disk, core.me, self.config.log_segment_bytes, self.config.log_zero_ahead_bytes, core.founders
            )
            self.disk.settle()
            remembered = journal.remembered
            counters = Counters(torn_tails_cut=int(bool(journal.statistics.torn_bytes)))
            rng = election_stream(self.config.seed, core.me, remembered.incarnation)
            now = self.clock.read(self._loop.now_ns)
            self._admission = Admission(self.config.limits, counters)
            self.replica = self._assembly.replica(core, remembered, rng, now, counters, self._assembly.core)
        except (CorruptLogError, LogFailedError, StateError) as error:
            self._log(f"cannot start: {error}")
            self._end(EXIT_CORRUPT)
            return
        except OSError as error:
            self._log(f"cannot serve: {error}")
            self._end(EXIT_CANNOT_SERVE)
            return
        self._assembly.equip(self.replica, lambda: self.clock.wall(self._loop.now_ns))
        self._committer = self._assembly.committer(
            journal, lambda upto: self._durable(life, upto), self._die, lambda segments: self._saved(life, segments)
        )
        self._wake_at = 0
        self._observer.booted(self, remembered)
        self._step(Tick())

    # -- events -------------------------------------------------------------------------------------------------------

    def receive(self, sender: int, incarnation: int, frame: bytes) -> None:
        """A peer's frame has arrived at this machine."""
        if self.replica is not None:
            self._trace.give(_FRAME, self.number, sender, frame)
            if self._want.memory_left is not None and not self._has_memory(frame):
                return
            self._take(Receive(sender, incarnation, wire.decode_message(frame[4:])))

    def connect(self, end: ClientEnd) -> int:
        """A client connects; returns its number. Raises ConnectionRefusedError."""
        left = self._want.descriptors_left
        client = self._admission.enter() if self.listening and left != 0 else None
        if client is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{self.name} does not listen")
        self._clients[client] = end
        if left is not None:
            self._want.descriptors_left = left - 1
            self._limit_files()
        return client

    def disconnect(self, client: int) -> None:
        """A client is gone."""
        known = self._clients.pop(client, None)
        self._admission.leave(client)
        self._give_back_descriptors(int(known is not None))

    def hang_up_on_clients(self) -> int:
        """End all connections of clients; return how many there were."""
        clients, self._clients = self._clients, {}
        self._admission.leave_all()
        self._give_back_descriptors(len(clients))
        for end in clients.values():
            end.hang_up()
        return len(clients)

    def _give_back_descriptors(self, count: int) -> None:
        if self._want.descriptors_left is not None:
            self._want.descriptors_left += count
            self._limit_files()

    def request(self, client: int, frame: bytes) -> None:
        """A client's request has arrived at this machine."""
        if client in self._clients:
            self._trace.give(_REQUEST, self.number, client, frame)
            if self._want.memory_left is not None and not self._has_memory(frame):
                return
            self._take(ClientRequest(client, wire.decode_request(frame)))

    def _ask(self, event: ClientRequest) -> None:
        """Hand a request to the replica, unless the client has asked for too much at once."""
        end = self._clients.get(event.client)
        if end is None:
            return
        refusal = self._admission.ask(event.client)
        if refusal is None:
            self._step(event)
        else:
            end.reply(wire.Reply(event.request.number, refusal))

    def _take(self, event: ReplicaEvent) -> None:
        if self._prompt:
            self._handle(event)
        elif len(self._backlog) < BACKLOG_MAX:
            self._backlog.append(event)
            if self._running:
                self._plod()

    def _plod(self) -> None:
        """Starved: take the next step when a processor has been had for long enough."""
        if self._backlog and not self._plodding:
            self._plodding = True
            self._loop.at(self._loop.now_ns + STARVED_STEP_NS * self._want.times, self._plod_on, self._life)

    def _plod_on(self, life: int) -> None:
        if life != self._life:
            return
        self._plodding = False
        if not self._running or not self._backlog:
            return
        self._want.ran_ns += STARVED_STEP_NS
        self._want.waited_ns += STARVED_STEP_NS * (self._want.times - 1)
        self._handle(self._backlog.popleft())
        if self._running:
            self._plod()

    def _has_memory(self, frame: bytes) -> bool:
        """Say whether a running process may keep a frame; it ends if not. What waits in the kernel costs it nothing."""
        if not self._running or self._want.keep(len(frame)):
            return True
        self._die(MemoryError("no memory is left"))
        return False

    def _handle(self, event: ReplicaEvent) -> None:
        if isinstance(event, ClientRequest):
            self._ask(event)
        else:
            self._step(event)

    def _step(self, event: ReplicaEvent) -> None:
        replica = self.replica
        if replica is None:
            return
        try:
            output = replica.step(self.clock.read(self._loop.now_ns), event)
        except Exception as error:  # noqa: BLE001 - as in the server: half a step was taken
            self._die(error)
            return
        self._observer.stepped(self, event, output)
        self._carry_out(output, replica)
        if self._leaving and not self._stopping and not replica.paxos.hands_over:
            self._stop()
        trace = self._trace
        if trace.tape is not None:
            paxos = replica.paxos
            trace.tape.stands(trace.events, self._loop.now_ns, self.name, paxos.role, paxos.ballot, replica.incarnation)
        if trace.break_at and trace.events >= trace.break_at:
            trace.reach()

    def _carry_out(self, output: Output, replica: Replica) -> None:
        if output.persist:
            self._committer.submit(output.persist)
            if output.snapshot is not None:
                self._committer.save(output.snapshot)
            self._commit_next()
        elif output.snapshot is not None:
            self._committer.save(output.snapshot)
            self._commit_next()
        if output.sends:
            incarnation = replica.incarnation
            for send in output.sends:
                self._send(self.number, incarnation, send.to, self._frame(send.message))
        for client, reply in output.replies:
            end = self._clients.get(client)
            if end is not None:
                self._admission.answered(client)
                end.reply(reply)
        if output.wake_at:
            self.arm(output.wake_at)
        if output.ahead and not self._ahead_due:
            self._ahead_due = True
            self._loop.at(self._loop.now_ns + AHEAD_NS, self._run_ahead, self._life)
        if output.chosen and not self._apply_due:
            self._apply_due = True
            self._loop.at(self._loop.now_ns + APPLY_NS, self._apply, self._life)

    def _run_ahead(self, life: int) -> None:
        """There is time to compute something ahead, as the server has between two turns of its loop."""
        if life == self._life:
            self._ahead_due = False
            self._trace.happens("speculation", self.name, "run-ahead")
            self._take(RunAhead())

    def _apply(self, life: int) -> None:
        if life == self._life:
            self._apply_due = False
            self._take(_APPLY)

    def _frame(self, message: Message) -> bytes:
        """Return a message's bytes; one that goes to everybody is encoded once."""
        known, frame = self._encoded
        if message is not known:
            frame = wire.encode(message)
            self._encoded = (message, frame)
        return frame

    # -- disk and timer -----------------------------------------------------------------------------------------------

    def _commit_next(self) -> None:
        """Begin the next group commit, or step of a snapshot, unless one is under way: what comes meanwhile gathers."""
        if self._committing or self.replica is None:
            return
        if self._committer.saves_next and (self._save_on() or not self.listening):
            return
        batch = self._committer.take()
        if not batch:
            return
        self._committing = True
        self._finished = 0
        self._in_commit = True
        begun = self._committer.commit(batch)
        self._in_commit = False
        if begun:
            self._begin_sync(self._finished)

    def _save_on(self) -> bool:
        """Take the snapshot's next step; False if it began no sync: the disk is free, or the node has died of it."""
        if not self._committer.save_on():
            return False
        self._committing = True
        self._begin_sync(0)
        return True

    def _begin_sync(self, finished: int) -> None:
        """A sync has begun; records up to ``finished`` (0: no records) are durable when it ends."""
        times = self.disk.slowed()
        if self.disk.trouble.stalled:
            self._stalled = finished
        else:
            self._await_sync(finished, times)

    def _await_sync(self, finished: int, times: int = 1) -> None:
        latency = self._draws.between(*SYNC_NS) * times
        self._trace.happens("disk", self.name, "sync", {"upto": finished, "takes_ns": latency})
        self._loop.at(self._loop.now_ns + latency, self._synced, self._life, finished)

    def _durable(self, life: int, upto: int) -> None:
        """The committer calls this: in a commit, when the sync has begun; outside, when a bug makes it lie."""
        if self._in_commit:
            self._finished = upto
        else:
            self._loop.at(self._loop.now_ns, self._tell_durable, life, upto)

    def _synced(self, life: int, upto: int) -> None:
        if life != self._life:
            return
        self.disk.settle()
        self._committing = False
        self._commit_next()
        if upto:
            self._tell_durable(life, upto)
        if self._stopping and not self._committing:
            self._end(0)

    def _tell_durable(self, life: int, upto: int) -> None:
        if life == self._life:
            self._trace.give(_DURABLE, self.number, 0, b"%d" % upto)
            self._take(Durable(upto))

    def _saved(self, life: int, segments: int) -> None:
        """The committer calls this when a snapshot is durable."""
        self._loop.at(self._loop.now_ns, self._tell_saved, life, segments)

    def _tell_saved(self, life: int, segments: int) -> None:
        replica = self.replica
        if life == self._life and replica is not None:
            replica.counters.segments_removed += segments
            replica.counters.segments_recycled = self._committer.segments_recycled
            self._trace.give(Given.SAVED, self.number, 0, b"%d" % segments)
            self._take(SnapshotDurable())

    def arm(self, wake_at: int) -> None:
        """Wake the replica when its clock reads ``wake_at``, and at no time it was to be woken before.

        Most wake-ups are put off before they come, so an alarm that is set stays, and looks at the time when it rings.
        """
        later = wake_at >= self._wake_at
        self._wake_at = wake_at
        if later and self._alarm_at is not None:
            return
        when = self.clock.when(wake_at)
        if when is not None and (self._alarm_at is None or when < self._alarm_at):
            self._alarm_at = when
            self._loop.at(when, self._ring, self._life, when)

    def _ring(self, life: int, when: int) -> None:
        if life != self._life or when != self._alarm_at:
            return
        self._alarm_at = None
        if not self._running:
            return
        if self.clock.read(self._loop.now_ns) < self._wake_at:
            self.arm(self._wake_at)
            return
        self._trace.give(Given.TICK, self.number, 0, b"")
        self._take(Tick())

    def _die(self, error: BaseException) -> None:
        self._log(f"stopping at once, memory cannot be trusted: {type(error).__name__}: {error}")
        self._end(EXIT_UNTRUSTWORTHY)

    def _log(self, line: str) -> None:
        self.lines.append(f"{self._loop.now_ns / 1e9:.6f} {self.name} {line}")
