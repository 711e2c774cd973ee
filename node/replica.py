"""One whole node without I/O of its own: core, log, state machine, sessions, and the clients that wait.

The asyncio server and the simulator both drive this class and nothing below it. They owe it four things: to make the
records of each ``Output`` durable in order and say so with ``Durable``; to carry messages; to carry replies; and to
call with ``Tick`` by ``wake_at``. Beside that they write a snapshot now and then, and say so with ``SnapshotDurable``;
and what is chosen is applied in a step of its own, ``Apply``, when a step has given the others something to go on with:
a round must not wait until the one before it has been applied and answered.
What they cannot get wrong is the order of an fsync and its acknowledgement: deferred messages stay in here until the
record they are tied to is durable; and the log is not cut before its snapshot is.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import msgspec

from node import kv
from node.addresses import parse_address
from node.machine import Applied, Entry, Machine, OpenEntry, StateError, decode_state, encode_entry, members_answer
from node.paxos.config import Config, ConfigError
from node.paxos.core import Parts, Paxos
from node.paxos.core import Refusal as CoreRefusal
from node.paxos.counters import Counters
from node.paxos.effects import (
    Deferred,
    Effects,
    Event,
    HandOver,
    Propose,
    ReadReady,
    ReadRequest,
    Receive,
    Reconfigure,
    Saved,
    Send,
    Tick,
)
from node.paxos.election import RandomStream
from node.paxos.membership import Change, Member, Membership, MembershipError, founding
from node.paxos.messages import Accepted, Value
from node.paxos.records import Record, Remembered
from node.paxos.snapshot import SNAPSHOT_BYTES_MAX, Snapshot, snapshot_of
from node.sessions import Standing
from node.speculation import Speculation
from node.wire import (
    Answer,
    ChangeMembers,
    Command,
    Done,
    Load,
    OpenSession,
    Query,
    Reason,
    Refusal,
    Reply,
    Request,
    Status,
    Transfer,
    WalUse,
)

_READ_ID_BITS = 40
APPLY_COMMANDS = 128
"""About how many commands are applied in one step: what is urgent meanwhile has its turn after so many."""
WAITERS_MAX = 16
"""How many may wait for one and the same command: a client's retries, on whichever connections."""


class ClientRequest(msgspec.Struct, frozen=True, gc=False):
    """A request from a client's connection; the reply goes back to the same one."""

    client: int
    request: Request


class Durable(msgspec.Struct, frozen=True, gc=False):
    """Every record up to number ``upto`` is durable."""

    upto: int


class Burst(msgspec.Struct, frozen=True, gc=False):
    """Requests that arrived in one turn of the loop: their commands are proposed together, in their order."""

    requests: list[ClientRequest]


class SnapshotDurable(NamedTuple):
    """The snapshot that was handed out last is durable."""


class RunAhead(NamedTuple):
    """There is time to compute the results of one more slot before it is chosen."""


class Apply(NamedTuple):
    """What was urgent is on its way: there is time to apply what is chosen, or some of it."""


ReplicaEvent = Receive | Tick | HandOver | ClientRequest | Burst | Durable | SnapshotDurable | Apply | RunAhead


class Waiter(msgspec.Struct, frozen=True, gc=False):
    """Who waits for an answer: a connection, and its number for the request."""

    client: int
    number: int


class Asked(NamedTuple):
    """A read under way: who asked, and what."""

    waiter: Waiter
    operation: kv.Operation


class Output(msgspec.Struct, gc=False):
    """What the shell must do after a step; ``wake_at`` is ns on the clock of the steps, 0 if it has not changed.

    A ``snapshot`` is to be made durable behind the records, and nobody waits for it; there is one at a time. ``chosen``
    is True if slots are chosen and not applied yet: step with ``Apply`` as soon as all this has been carried out.
    ``ahead`` is True if there is something to be computed while others wait: step with ``RunAhead`` when all this has
    been carried out and nothing is more urgent; nothing is lost if that comes late, or never.
    """

    persist: list[Record] = []
    sends: list[Send | Deferred] = []
    replies: list[tuple[int, Reply]] = []
    snapshot: Snapshot | None = None
    membership: Membership | None = None
    """The members have changed: there are others to be connected with."""
    wake_at: int = 0
    chosen: bool = False
    ahead: bool = False


class Replica:
    """One node, driven by ``step``; the classes it is made of are named here, so that another kind can name others."""

    paxos_type: ClassVar[type[Paxos]] = Paxos
    machine_type: ClassVar[type[Machine]] = Machine
    speculation_type: ClassVar[type[Speculation]] = Speculation

    def __init__(
        self,
        config: Config,
        remembered: Remembered,
        rng: RandomStream,
        now: int,
        counters: Counters,
        parts: Parts | None = None,
    ) -> None:
        self.config = config
        self._me = config.me
        self.incarnation = remembered.incarnation
        self.counters = counters
        self.machine = self.machine_type(counters, founding(config, remembered.founders))
        if remembered.snapshot is not None:
            self.machine.restore(decode_state(remembered.snapshot.state))
        self.paxos = self.paxos_type(config, remembered, rng, now, counters, parts, self.machine.membership)
        self.wal = WalUse()
        """Whoever owns the log puts its own here."""
        self.clients: Callable[[], int] = lambda: 0
        """And whoever has the connections, how many clients there are."""
        self.speculation = (
            self.speculation_type(self.machine, counters, config.window_max) if config.speculative else None
        )
        self._saving: Snapshot | None = None
        self._to_install: Snapshot | None = None
        self._snapshot_at_slot = 0
        self._snapshot_at_bytes = 0
        self._plan_snapshot()
        self._durable = remembered.records
        self._deferred: deque[Deferred] = deque()
        self._looped: deque[Event] = deque()
        self._chosen: deque[tuple[int, Value]] = deque()
        self._commands: dict[tuple[int, int], list[Waiter]] = {}
        self._opens: dict[int, Waiter] = {}
        self._gathered: list[bytes] = []
        self._opened = 0
        self._transfer: Waiter | None = None
        self._change: tuple[Change, Waiter] | None = None
        self._reads: dict[int, Asked] = {}
        self._reads_begun = 0
        self._reads_ready: list[tuple[int, int]] = []

    # -- surface ------------------------------------------------------------------------------------------------------

    def step(self, now: int, event: ReplicaEvent) -> Output:
        """Take one event at time ``now`` (ns, monotonic). Raises SafetyError: the node must stop then."""
        output = Output()
        if isinstance(event, Receive):  # most are
            self._core(now, event, output)
        elif isinstance(event, Durable):
            self._durable = event.upto
            self.paxos.backlog.durable(event.upto)
            self._release(output)
            self._drain(now, output)
        elif isinstance(event, ClientRequest):
            self._request(now, event, output)
            self._propose_gathered(now, output)
        elif isinstance(event, Burst):
            for request in event.requests:
                self._request(now, request, output)
            self._propose_gathered(now, output)
        elif isinstance(event, SnapshotDurable):
            self._snapshot_durable(now, output)
        elif isinstance(event, Apply):
            self._apply(output, APPLY_COMMANDS)
        elif isinstance(event, RunAhead):
            self._run_ahead(output)
        else:
            self._core(now, event, output)
        if self._chosen:
            if not (output.persist or output.sends or isinstance(event, Apply | RunAhead)):
                self._apply(output, APPLY_COMMANDS)
            output.chosen = bool(self._chosen)
        if self.speculation is not None:
            output.ahead = self._can_run_ahead(self.speculation)
        return output

    def stop(self) -> list[Record]:
        """Return what to write at a clean stop."""
        return self.paxos.stop().persist

    def status(self) -> Status:
        """How the node sees itself."""
        paxos = self.paxos
        return Status(
            node=self.config.me,
            incarnation=self.incarnation,
            role=paxos.role,
            leader=paxos.leader_hint,
            ballot=(paxos.ballot.round, paxos.ballot.node),
            chosen_upto=paxos.log.chosen_upto,
            applied_upto=self.machine.applied_upto,
            digest=self.machine.digest,
            sessions=len(self.machine.sessions),
            counters=self.counters,
            wal=self.wal,
            load=Load(
                commands=len(self._commands),
                records=len(paxos.backlog),
                records_bytes=paxos.backlog.size,
                answers=len(self._deferred),
                reads=len(self._reads),
                clients=self.clients(),
            ),
            membership=paxos.membership,
        )

    # -- clients ------------------------------------------------------------------------------------------------------

    def _request(self, now: int, event: ClientRequest, output: Output) -> None:
        body = event.request.body
        waiter = Waiter(event.client, event.request.number)
        if isinstance(body, Command):
            self._command(waiter, body, output)
        elif isinstance(body, Query):
            self._query(now, waiter, body, output)
        elif isinstance(body, OpenSession):
            self._open(waiter, output)
        elif isinstance(body, Transfer):
            self._hand_over(now, waiter, body.to, output)
        elif isinstance(body, ChangeMembers):
            self._change_members(now, waiter, body, output)
        else:
            self._answer(waiter, self.status(), output)

    def _hand_over(self, now: int, waiter: Waiter, to: int, output: Output) -> None:
        """Hand the leadership over: whoever asked has the answer when somebody else leads, or this node stays."""
        if to not in self.paxos.voters:
            self._answer(waiter, Refusal(Reason.INVALID, detail=f"node {to} is no member"), output)
        elif self.paxos.refusal(0) is not None:
            self.counters.proposals_refused += 1
            self._answer(waiter, Refusal(Reason.NOT_LEADER, self.paxos.hint), output)
        elif to == self._me:
            self._answer(waiter, Done(kv.Result(True, to)), output)
        else:
            self._transfer = waiter
            self._core(now, HandOver(to), output)

    def _handed_over(self, done: bool, output: Output) -> None:
        waiter, self._transfer = self._transfer, None
        if waiter is None:
            return
        if done:
            self._answer(waiter, Done(kv.Result(True, self.paxos.leader_hint)), output)
        else:
            self._answer(waiter, Refusal(Reason.UNAVAILABLE, self.paxos.leader_hint, "not taken over"), output)

    def _change_members(self, now: int, waiter: Waiter, asked: ChangeMembers, output: Output) -> None:
        """Add a node or remove one; what is so already is done at once, so asking again does no harm."""
        paxos = self.paxos
        refusal = paxos.reconfigurable()
        if refusal is not None:
            self.counters.proposals_refused += 1
            if refusal is CoreRefusal.CHANGING:
                self._answer(waiter, Refusal(Reason.UNAVAILABLE, self._me, "the members are being changed"), output)
            else:
                self._answer(waiter, Refusal(Reason.NOT_LEADER, paxos.hint), output)
            return
        membership = paxos.membership
        if membership.has(asked.node, asked.address) if asked.add else asked.node not in paxos.voters:
            self._answer(waiter, members_answer(membership), output)
            return
        try:
            change = self._change_of(membership, asked)
        except (MembershipError, ConfigError) as error:
            self._answer(waiter, Refusal(Reason.INVALID, detail=str(error)), output)
            return
        self._change = (change, waiter)
        self._core(now, Reconfigure(change), output)

    def _change_of(self, membership: Membership, asked: ChangeMembers) -> Change:
        """Return the change that is asked for. Raises MembershipError, ConfigError."""
        if self.config.amnesia_safe:
            raise MembershipError("with amnesia_safe=1 the members cannot change")
        if not asked.add:
            return membership.without(asked.node)
        if asked.address:
            parse_address(asked.address, f"{asked.address!r} is not HOST:PORT")
        room = min(self.config.backlog_records_max, self.config.deferred_max) // 2
        if len(membership.members) >= room:
            raise MembershipError(f"the limits of this node's backlog are for {room} members")
        return membership.with_added(Member(asked.node, asked.address))

    def _open(self, waiter: Waiter, output: Output) -> None:
        if self._refused(waiter, output):
            return
        self._opened += 1
        self._opens[self._opened] = waiter
        self._propose(OpenEntry(self.config.me, self.incarnation, self._opened))

    def _command(self, waiter: Waiter, command: Command, output: Output) -> None:
        if not self._valid(waiter, command.operation, output):
            return
        key = (command.session, command.sequence)
        if self.machine.sessions.standing(*key) is Standing.REPEATED:
            self.counters.retries_deduplicated += 1
            self._answer(waiter, self.machine.repeated(command.session), output)
        elif key in self._commands:
            self._wait_too(waiter, self._commands[key], output)
        elif not self._refused(waiter, output):
            self._commands[key] = [waiter]
            self._propose(command)

    def _wait_too(self, waiter: Waiter, waiters: list[Waiter], output: Output) -> None:
        """Wait for a command that is under way already."""
        if len(waiters) < WAITERS_MAX:
            waiters.append(waiter)
            return
        self.counters.commands_overloaded += 1
        self._answer(waiter, Refusal(Reason.OVERLOADED, self.paxos.leader_hint, "asked for too often"), output)

    def _query(self, now: int, waiter: Waiter, query: Query, output: Output) -> None:
        if not self._valid(waiter, query.operation, output):
            return
        if not kv.reads_only(query.operation):
            self._answer(waiter, Refusal(Reason.INVALID, detail="a query may only read"), output)
            return
        if len(self._reads) >= self.config.reads_max:
            self.counters.reads_overloaded += 1
            self._answer(waiter, Refusal(Reason.OVERLOADED, detail="too many reads under way at this node"), output)
            return
        self._reads_begun += 1
        read_id = (self.incarnation << _READ_ID_BITS) + self._reads_begun
        self._reads[read_id] = Asked(waiter, query.operation)
        self.begin_read(now, read_id, output)

    def begin_read(self, now: int, read_id: int, output: Output) -> None:
        """Have a read confirmed by the core before it is answered."""
        self._core(now, ReadRequest(read_id), output)

    def _valid(self, waiter: Waiter, operation: kv.Operation, output: Output) -> bool:
        try:
            kv.check(operation)
        except kv.OperationError as error:
            self._answer(waiter, Refusal(Reason.INVALID, detail=str(error)), output)
            return False
        return True

    def _refused(self, waiter: Waiter, output: Output) -> bool:
        """Answer at once, and return True, if nothing can be proposed here now."""
        refusal = self.paxos.refusal(len(self._gathered) + 1)
        if refusal is None:
            return False
        self.counters.proposals_refused += 1
        if refusal is CoreRefusal.OVERLOADED:
            self.counters.commands_overloaded += 1
            answer = Refusal(Reason.OVERLOADED, self.paxos.hint, "too many commands wait for the log")
        else:
            answer = Refusal(Reason.NOT_LEADER, self.paxos.hint)
        self._answer(waiter, answer, output)
        return True

    def _propose(self, entry: Entry) -> None:
        """Gather a command: the requests of one step are proposed together."""
        self._gathered.append(encode_entry(entry))

    def _propose_gathered(self, now: int, output: Output) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._core(now, Propose(tuple(gathered)), output)

    def _answer(self, waiter: Waiter, answer: Answer, output: Output) -> None:
        output.replies.append((waiter.client, Reply(waiter.number, answer)))

    # -- core ---------------------------------------------------------------------------------------------------------

    def _core(self, now: int, event: Event, output: Output) -> None:
        """Step the core, and step it again for each message that it sends to itself."""
        effects = self.paxos.step(now, event)
        output.wake_at = effects.wake_at
        self._absorb(effects, output)
        if self._looped:
            self._drain(now, output)

    def _drain(self, now: int, output: Output) -> None:
        looped = self._looped
        while looped:
            effects = self.paxos.step(now, looped.popleft())
            output.wake_at = effects.wake_at
            self._absorb(effects, output)

    def _absorb(self, effects: Effects, output: Output) -> None:
        if effects.persist:
            output.persist += effects.persist
        if effects.membership is not None:
            output.membership = effects.membership
        if effects.incarnation:
            self.incarnation = effects.incarnation
        for send in effects.send_now:
            self._carry(send, output)
        if effects.apply:
            self._chosen += effects.apply
        if effects.install is not None:
            self._install(effects.install, output)
        if effects.reads or effects.reads_failed or self._reads_ready:
            self._finish_reads(effects, output)
        if effects.stepped_down:
            self._apply(output)  # of what is chosen, clients are to know what came
            self._abandon(output)
        if effects.handed_over is not None:
            self._handed_over(effects.handed_over, output)
        if effects.send_after_persist:
            self._defer(effects.send_after_persist)
            self._release(output)

    def _defer(self, messages: list[Deferred]) -> None:
        """Keep messages until their record is durable. Beyond the limit they are lost, as on a network.

        A vote for oneself is not: nobody would ask for it again, and there are no more of them than records that wait.
        """
        room = self.config.deferred_max - len(self._deferred)
        if len(messages) <= room:
            self._deferred += messages
            return
        for message in messages:
            if room > 0 or (message.to == self._me and isinstance(message.message, Accepted)):
                self._deferred.append(message)
                room -= 1
            else:
                self.counters.answers_shed += 1

    def _release(self, output: Output) -> None:
        """Let go of the messages whose record is durable."""
        deferred, durable = self._deferred, self._durable
        while deferred and deferred[0].after <= durable:
            self._carry(deferred.popleft(), output)

    def _carry(self, send: Send | Deferred, output: Output) -> None:
        if send.to == self._me:
            self._looped.append(Receive(send.to, self.incarnation, send.message))
        else:
            output.sends.append(send)

    def _apply(self, output: Output, commands_max: int | None = None) -> None:
        """Apply what is chosen, slot by slot: all of it, or until ``commands_max`` commands have been."""
        chosen, machine, speculation = self._chosen, self.machine, self.speculation
        apply = machine.apply if speculation is None else speculation.apply
        done = 0
        while chosen and (commands_max is None or done < commands_max):
            slot, value = chosen.popleft()
            done += len(value) + 1
            for applied in apply(slot, value):
                self._applied(applied, output)
        if machine.applied_upto >= self._snapshot_at_slot or machine.command_bytes >= self._snapshot_at_bytes:
            self._take_snapshot(output)
        if self._reads_ready:
            self.serve_reads(output)

    def _applied(self, applied: Applied, output: Output) -> None:
        entry, answer = applied.entry, applied.answer
        if isinstance(entry, OpenEntry):
            if (entry.node, entry.incarnation) == (self.config.me, self.incarnation):
                waiter = self._opens.pop(entry.number, None)
                if waiter is not None:
                    self._answer(waiter, answer, output)
            return
        if isinstance(entry, Change):
            if self._change is not None and self._change[0] == entry:
                self._answer(self._change[1], applied.answer, output)
                self._change = None
            return
        for waiter in self._commands.pop((entry.session, entry.sequence), ()):
            output.replies.append((waiter.client, Reply(waiter.number, answer)))

    def _abandon(self, output: Output) -> None:
        """No longer the leader: what clients wait for here may or may not be chosen; let them ask the next one."""
        refusal = Refusal(Reason.DEPOSED, self.paxos.leader_hint)
        for waiters in self._commands.values():
            for waiter in waiters:
                self._answer(waiter, refusal, output)
        for waiter in self._opens.values():
            self._answer(waiter, refusal, output)
        if self._change is not None:
            self._answer(self._change[1], refusal, output)
            self._change = None
        self._commands.clear()
        self._opens.clear()
        self._gathered.clear()
        if self.speculation is not None:
            self.speculation.roll_back()

    # -- speculation --------------------------------------------------------------------------------------------------

    def _can_run_ahead(self, speculation: Speculation) -> bool:
        """Say whether this node leads, and has proposed something that is neither chosen nor run ahead.

        A change of the members is not run ahead: it has no results that somebody waits for, and is alone in flight.
        """
        leader = self.paxos.leader
        if leader is None or leader.change is not None or self._chosen:
            return False
        return speculation.next < leader.next_slot and speculation.has_room

    def _run_ahead(self, output: Output) -> None:
        """Compute what will come of the next slot if it is chosen as proposed; nobody is told."""
        del output
        speculation = self.speculation
        if speculation is not None and self._can_run_ahead(speculation):
            entry = self.paxos.log.get(speculation.next)
            assert entry is not None, f"a leader has proposed nothing for slot {speculation.next}"
            speculation.run(entry.value)

    # -- snapshots ----------------------------------------------------------------------------------------------------

    def _plan_snapshot(self) -> None:
        """Say when the next snapshot is due, counted from the last one and from now."""
        last, config = self.paxos.snapshot, self.config
        since, size = (last.slot, len(last.state)) if last is not None else (0, 0)
        self._snapshot_at_slot = max(since, self.machine.applied_upto if self._saving else 0) + config.snapshot_slots
        self._snapshot_at_bytes = self.machine.command_bytes + max(config.snapshot_log_bytes, size)

    def _take_snapshot(self, output: Output) -> None:
        """Hand out the state as it is now, unless a snapshot is still being written: then that one comes first."""
        if self._saving is not None:
            return
        paxos, slot = self.paxos, self.machine.applied_upto
        state = self.machine.state()
        if len(state) > SNAPSHOT_BYTES_MAX:
            self.counters.snapshots_refused += 1
            self._plan_snapshot()
            return
        last = paxos.snapshot
        ballot = paxos.log.highest_ballot((last.slot if last is not None else 0) + 1, slot)
        if last is not None:
            ballot = max(ballot, last.ballot)
        self.counters.snapshots_taken += 1
        self._save(snapshot_of(slot, ballot, state), output)

    def _install(self, snapshot: Snapshot, output: Output) -> None:
        """Another node's snapshot has come over: it must be a state, and durable, before it counts."""
        try:
            if decode_state(snapshot.state).applied_upto != snapshot.slot:
                raise StateError(f"the state is not the one after slot {snapshot.slot}")
        except StateError:
            self.paxos.catchup.refuse_install()
            return
        if self._saving is None:
            self._save(snapshot, output)
        else:
            self._to_install = snapshot

    def _save(self, snapshot: Snapshot, output: Output) -> None:
        self._saving = output.snapshot = snapshot
        self._plan_snapshot()

    def _snapshot_durable(self, now: int, output: Output) -> None:
        """Let the snapshot stand for the log; if it holds more than this node has applied, it becomes the state."""
        self._apply(output)
        snapshot, self._saving = self._saving, None
        assert snapshot is not None, "no snapshot was handed out"
        if snapshot.slot > self.machine.applied_upto:
            if self.speculation is not None:
                self.speculation.roll_back()
            self.machine.restore(decode_state(snapshot.state))
        self._core(now, Saved(snapshot, self.machine.membership), output)
        waiting, self._to_install = self._to_install, None
        if waiting is not None and waiting.slot > self.machine.applied_upto and self._saving is None:
            self._save(waiting, output)
        self._plan_snapshot()

    # -- reads --------------------------------------------------------------------------------------------------------

    def _finish_reads(self, effects: Effects, output: Output) -> None:
        for read_id in effects.reads_failed:
            asked = self._reads.pop(read_id, None)
            if asked is not None:
                self._answer(asked.waiter, Refusal(Reason.UNAVAILABLE, self.paxos.leader_hint), output)
        for ready in effects.reads:
            self.read_when_applied(ready)
        if self._reads_ready:
            self.serve_reads(output)

    def serve_reads(self, output: Output) -> None:
        """Answer the confirmed reads whose slot is applied."""
        while self._reads_ready and self._reads_ready[0][0] <= self.machine.applied_upto:
            self._read(heapq.heappop(self._reads_ready)[1], output)

    def read_when_applied(self, ready: ReadReady) -> None:
        """Queue a confirmed read until its slot is applied."""
        heapq.heappush(self._reads_ready, (ready.upto, ready.read_id))

    def _read(self, read_id: int, output: Output) -> None:
        asked = self._reads.pop(read_id, None)
        if asked is not None:
            self._answer(asked.waiter, Done(asked.operation.apply(self.machine.store)), output)
