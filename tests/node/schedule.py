"""Random schedules: a cluster under loss, delay, duplication, crashes and cuts, with clients that keep score.

One seed decides everything. A run has two halves: *chaos*, in which messages and nodes suffer what the seed's
``Weather`` says, and *calm*, in which all links and nodes are well and everything that was begun must come to an end
within ``CALM_S`` of virtual time. The witness checks each step; the clients check what they were told:

- a counter is incremented, so every acknowledged operation has a place in one order, and an operation or read that
  began after another one ended may not show an earlier state (for a counter that only grows this is linearizability);
- at the end the chosen log is applied to a plain model: each command counts once, every answer that a client got is
  the model's answer, and no acknowledged command is missing.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from node import kv, wire
from node.assembly import Assembly
from node.machine import decode_entry
from node.paxos.config import DETECTORS, MS
from node.paxos.counters import Counters
from node.paxos.effects import HandOver
from node.paxos.messages import Value
from node.wire import Command
from tests.node.cluster import Cluster, Letter, Node
from tests.node.witness import ViolationError

S = 1_000 * MS
CALM_S = 60
OPERATIONS_AFTER_CALM = 3
CLIENTS = 6
OPERATOR = 99
"""Who asks for changes of the members, and does not care for answers."""
CHANGE_EVERY_MS = 300
APPLY_MS_MAX = 4.0
"""How long, at most, a node that has more urgent things to do leaves what is chosen to be applied."""
BLOWS = (
    *("crash", "crash", "crash", "crash", "crash", "all", "start", "start", "cut", "alone"),
    *("oneway", "slow", "slow", "slow", "heal", "heal", "heal", "freeze", "transfer", "transfer", "leave"),
    *("swap", "swap", "swap", "swap"),
)


class Weather(msgspec.Struct, frozen=True):
    """What a run is exposed to; times in ms, rates as probabilities for each message or each blow."""

    chaos_ms: int
    loss: float
    duplication: float
    delay_ms: tuple[float, float]
    straggling: float
    straggle_ms: float
    sync_ms: tuple[float, float]
    stalled_sync: float
    blow_every_ms: float
    power_loss: float
    think_ms: float
    segment_bytes: int
    zero_ahead_bytes: int
    settings: dict[str, Any]


def forecast(rng: random.Random) -> Weather:
    """Draw a run's weather: often calm in some respect, so that each kind of trouble is also met alone."""
    settings: dict[str, Any] = {
        "promise_part_bytes": rng.choice((40, 100, 300, 1 << 20)),
        "fetch_bytes_max": rng.choice((40, 300, 1 << 20)),
        "batch_commands_max": rng.choice((1, 1, 2, 128)),
        "window_max": rng.choice((1, 2, 4, 8)),
        "queue_commands_max": rng.choice((2, 64)),
        "retry_ms": rng.choice((20, 150, 400)),
        "heartbeat_ms": rng.choice((20, 50)),
        "election_timeout_ms": rng.choice((100, 150, 400)),
        "election_spread_ms": rng.choice((5, 50, 400)),
        "election_lag_slots_max": rng.choice((0, 256)),
        "detector": rng.choice(DETECTORS),
        "detector_window": rng.choice((10, 200)),
        "phi_threshold": rng.choice((1.0, 8.0)),
        "phi_deviation_min_ms": rng.choice((1, 10)),
        "phi_pause_ms": rng.choice((0, 100)),
        "nfd_alpha_ms": rng.choice((20, 150)),
        "transfer_timeout_ms": rng.choice((50, 500)),
    }
    settings["snapshot_slots"] = rng.choice((1, 3, 10, 40, 1_000))
    settings["snapshot_tail_slots"] = rng.choice((0, 0, 2, 20))
    settings["snapshot_part_bytes"] = rng.choice((30, 200, 1 << 16))
    settings["lease_ms"] = rng.choice((0, settings["election_timeout_ms"] // 2, settings["election_timeout_ms"]))
    return Weather(
        chaos_ms=rng.choice((3_000, 6_000)),
        loss=rng.choice((0.0, 0.02, 0.1, 0.3)),
        duplication=rng.choice((0.0, 0.05, 0.2)),
        delay_ms=rng.choice(((0.1, 1.0), (1.0, 10.0), (0.1, 60.0))),
        straggling=rng.choice((0.0, 0.02, 0.1, 0.4)),
        straggle_ms=rng.choice((200.0, 800.0, 3_000.0)),
        sync_ms=rng.choice(((0.1, 0.5), (1.0, 10.0), (5.0, 100.0))),
        stalled_sync=rng.choice((0.0, 0.02)),
        blow_every_ms=rng.choice((200.0, 600.0, 2_000.0)),
        power_loss=rng.choice((0.0, 0.5, 1.0)),
        think_ms=rng.choice((15.0, 60.0)),
        segment_bytes=rng.choice((200, 2_000, 1 << 20)),
        zero_ahead_bytes=rng.choice((0, 64, 1_000)),
        settings=settings,
    )


@dataclass(slots=True)
class Operation:
    """One operation of a client; ``floor`` is the highest state that anybody had seen when it began."""

    client: int
    ref: tuple[int, int] | None
    operation: kv.Operation
    floor: int
    result: kv.Result | None = None


class Score:
    """What the clients have seen of the counter, all together."""

    def __init__(self) -> None:
        self.seen = 0
        self.begun = 0
        self.operations: list[Operation] = []

    def begin(self, client: int, ref: tuple[int, int] | None, operation: kv.Operation) -> Operation:
        """An operation begins."""
        self.begun += ref is not None
        begun = Operation(client, ref, operation, self.seen)
        self.operations.append(begun)
        return begun

    def end(self, operation: Operation, result: kv.Result) -> None:
        """An operation has its answer."""
        operation.result = result
        count = (result.value[1] if isinstance(result.value, list) else result.value) or 0
        least = operation.floor + (operation.ref is not None)
        if not least <= count <= self.begun:
            raise ViolationError(f"{operation} got {result}, but {least} to {self.begun} are possible: a stale answer")
        self.seen = max(self.seen, count)


class Customer:
    """A client: one operation at a time, retried with the same number until answered, or given up as unknown."""

    def __init__(self, run: Run, number: int) -> None:
        self.run = run
        self.number = number
        self.session: int | None = None
        self.sequence = 0
        self.requests = 0
        self.node = run.rng.choice(run.cluster.members)
        self.body: wire.Body | None = None
        self.operation: Operation | None = None
        self.attempts = 0
        self.done = 0

    def next(self) -> None:
        """Begin the next operation."""
        if self.run.quiet(self):
            return
        self.attempts = 0
        if self.session is None:
            self.body, self.operation = wire.OpenSession(), None
        elif self.run.rng.random() < 0.4:
            read: kv.Operation = kv.Read("n")
            self.body = wire.Query(read)
            self.operation = self.run.score.begin(self.number, None, read)
        else:
            self.sequence += 1
            ref = (self.session, self.sequence)
            write = kv.Txn((kv.Append("l", f"{ref[0]}/{ref[1]}"), kv.Increment("n", 1)))
            self.body = wire.Command(*ref, write)
            self.operation = self.run.score.begin(self.number, ref, write)
        self.send()

    def send(self) -> None:
        """Send the request to the node that seems best, and wait for a while."""
        assert self.body is not None
        self.requests += 1
        self.attempts += 1
        self.run.to_node(self.node, self.number, wire.Request(self.requests, self.body))
        self.run.later(self.run.rng.uniform(100, 600), self.give_up_on, self.requests)

    def give_up_on(self, request: int) -> None:
        """No answer: ask another node; now and then go on to the next operation instead."""
        if request != self.requests or self.body is None:
            return
        self.node = self.run.rng.choice(self.run.cluster.members)
        if isinstance(self.body, wire.Command) and (self.run.calm or self.run.rng.random() < 0.8):
            self.send()
        else:
            self.body = None
            self.next()

    def on_reply(self, reply: wire.Reply) -> None:
        """Take the answer to the latest request; whatever answers an earlier one came too late."""
        if reply.number != self.requests or self.body is None:
            return
        if isinstance(reply.answer, wire.Refusal):
            if reply.answer.reason is wire.Reason.INVALID:
                raise ViolationError(f"client {self.number}: {self.body} is refused as {reply.answer}")
            if reply.answer.reason in (wire.Reason.OVERLOADED, wire.Reason.UNAVAILABLE) or reply.answer.leader is None:
                self.node = self.run.rng.choice(self.run.cluster.members)
            else:
                self.node = reply.answer.leader
            self.requests += 1  # whatever else comes for that request is too late
            self.run.later(self.run.rng.uniform(1, 50), self.give_up_on_refused, self.requests)
            return
        assert isinstance(reply.answer, wire.Done)
        result = reply.answer.result
        if self.operation is None:
            self.session, self.sequence = result.value, 0
        else:
            self.run.score.end(self.operation, result)
            self.done += 1
        self.body = None
        self.run.later(self.run.rng.expovariate(1 / self.run.weather.think_ms), self.next)

    def give_up_on_refused(self, request: int) -> None:
        """Try again after a refusal."""
        if request == self.requests and self.body is not None:
            self.send()


class Run:
    """One seed's run."""

    def __init__(
        self,
        seed: int,
        size: int = 3,
        assembly: Assembly | None = None,
        settings: dict[str, int] | None = None,
        joiners: int = 0,
    ) -> None:
        """With ``joiners``, nodes that are no members at first, the members change all the time."""
        self.seed = seed
        self.rng = random.Random(f"schedule/{seed}/{size}")
        self.weather = forecast(self.rng)
        self._pace = random.Random(f"speculation/{seed}/{size}")
        self.weather.settings["speculative"] = self._pace.choice((0, 1))
        self.weather.settings.update(settings or {})
        self.cluster = Cluster(
            size,
            seed,
            segment_bytes=self.weather.segment_bytes,
            zero_ahead_bytes=self.weather.zero_ahead_bytes,
            assembly=assembly,
            settings=self.weather.settings,
            joiners=joiners,
        )
        self.change_rng = random.Random(f"members/{seed}/{size}")
        self.changes = joiners > 0
        self.cluster.apply_later = True
        self.cluster.carry = self.on_letter
        self.cluster.replied = self.on_reply
        self.score = Score()
        self.customers = [Customer(self, number) for number in range(CLIENTS)]
        self.calm = False
        self.steps = 0
        self._heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._count = 0
        self._frozen: dict[int, int] = {}
        self._doomed: set[int] = set()
        self._slow: dict[tuple[int, int], float] = {}
        self._syncing: dict[int, int] = {}
        self._saving: dict[int, int] = {}
        self._alarm: dict[int, int] = {}
        self._ahead: dict[int, int] = {}
        self._applying: dict[int, int] = {}
        self._laziness = random.Random(f"laziness/{seed}/{size}")
        self._goal: dict[int, int] = {}
        self.requests = 0

    # -- the run ------------------------------------------------------------------------------------------------------

    def play(self) -> Counters:
        """Play chaos, then calm, then settle the accounts. Raises AssertionError, naming the seed."""
        try:
            for node in self.cluster.members:
                self.start(node)
            for customer in self.customers:
                self.later(self.rng.uniform(0, 500), customer.next)
            self.later(self.rng.expovariate(1 / self.weather.blow_every_ms), self.blow)
            if self.changes:
                self.later(self.change_rng.uniform(0, 500), self.change_members)
            self.play_until(self.weather.chaos_ms * MS)
            self.clear_up()
            end = self.cluster.now + CALM_S * S
            while not self.settled() and self.cluster.now < end and self._heap:
                self.play_until(min(end, self.cluster.now + 100 * MS))
            self.check_liveness()
            self.check_accounts()
        except Exception as error:
            message = f"seed {self.seed}, {len(self.cluster.members)} nodes, at {self.cluster.now / MS:.3f} ms: {error}"
            raise AssertionError(f"{message}\n{self.weather}") from error
        return self.counters()

    def play_until(self, end: int) -> None:
        """Carry out what is due until ``end``."""
        while self._heap and self._heap[0][0] <= end:
            due, _, action, arguments = heapq.heappop(self._heap)
            self.cluster.now = max(self.cluster.now, due)
            self.steps += 1
            action(*arguments)
        self.cluster.now = end

    def later(self, in_ms: float, action: Callable[..., None], *arguments: object) -> None:
        """Do something after a while."""
        self.at(self.cluster.now + int(in_ms * MS), action, *arguments)

    def at(self, due: int, action: Callable[..., None], *arguments: object) -> None:
        """Do something at a time."""
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, action, arguments))

    # -- nodes --------------------------------------------------------------------------------------------------------

    def start(self, node: int) -> None:
        """Start a node if it is down."""
        if self.cluster.nodes[node].replica is None:
            self._doomed.discard(node)
            self._frozen.pop(node, None)
            self._syncing.pop(node, None)
            self._saving.pop(node, None)
            self._alarm.pop(node, None)
            self._ahead.pop(node, None)
            self._applying.pop(node, None)
            self.cluster.start(node)
            self.stepped(node)

    def stepped(self, node: int) -> None:
        """See to what a step left behind: records to sync, a time to wake at."""
        it = self.cluster.nodes[node]
        if it.waiting and node not in self._syncing:
            self._syncing[node] = it.starts
            stalled = not self.calm and self.rng.random() < self.weather.stalled_sync
            self.later(500 if stalled else self.rng.uniform(*self.weather.sync_ms), self.synced, node, it.starts)
        if it.saving is not None and node not in self._saving:
            self._saving[node] = it.starts
            self.later(self.rng.uniform(*self.weather.sync_ms), self.saved, node, it.starts)
        if it.chosen and self._applying.get(node) != it.starts:
            self._applying[node] = it.starts
            self.later(self._laziness.uniform(0, APPLY_MS_MAX), self.applied, node, it.starts)
        if it.wake_at and self._alarm.get(node) != it.wake_at:
            self._alarm[node] = it.wake_at
            self.at(max(it.wake_at, self.cluster.now), self.wake, node, it.starts, it.wake_at)
        if it.ahead and node not in self._ahead:
            self._ahead[node] = it.starts
            self.later(self._pace.choice((0.0, 0.1, 3.0)), self.run_ahead, node, it.starts)

    def postponed(self, node: int, action: Callable[..., None], *arguments: object) -> bool:
        """Put an event off if the node is frozen."""
        until = self._frozen.get(node, 0)
        if until <= self.cluster.now:
            return False
        self.at(until, action, *arguments)
        return True

    def synced(self, node: int, starts: int) -> None:
        """A sync has ended; what has gathered since waits for the next one."""
        it = self.cluster.nodes[node]
        if it.starts != starts or it.replica is None or self.postponed(node, self.synced, node, starts):
            return
        del self._syncing[node]
        if node in self._doomed:
            at = self.rng.choice(("create", "write", "sync", "sync", "sync", "sync_names"))
            self.cluster.crash_in_commit(node, at, clean=self.rng.random() < 0.3)
            self.fall(node)
            return
        self.cluster.fsync(node, self.rng.randint(1, len(it.waiting)))
        self.stepped(node)

    def saved(self, node: int, starts: int) -> None:
        """A step of writing a snapshot has ended; it waits its turn behind a sync of the log."""
        it = self.cluster.nodes[node]
        if it.starts != starts or it.replica is None or self.postponed(node, self.saved, node, starts):
            return
        del self._saving[node]
        if node in self._doomed and self.rng.random() < 0.5:
            at = self.rng.choice(("write", "sync", "rename", "sync_names", "remove"))
            self.cluster.crash_in_save(node, at, clean=self.rng.random() < 0.3)
            self.fall(node)
            return
        self.cluster.save(node)
        self.stepped(node)

    def applied(self, node: int, starts: int) -> None:
        """A node finds the time to apply what is chosen."""
        it = self.cluster.nodes[node]
        if it.starts != starts or it.replica is None or self.postponed(node, self.applied, node, starts):
            return
        del self._applying[node]
        if it.chosen:
            self.cluster.apply(node)
        self.stepped(node)

    def wake(self, node: int, starts: int, at: int) -> None:
        """A node's timer rings."""
        it = self.cluster.nodes[node]
        if it.starts != starts or it.wake_at != at or it.replica is None:
            return
        if not self.postponed(node, self.wake, node, starts, at):
            self._alarm.pop(node, None)
            self.cluster.tick(node)
            self.stepped(node)

    def run_ahead(self, node: int, starts: int) -> None:
        """A node has time to compute something ahead."""
        it = self.cluster.nodes[node]
        if it.starts != starts or it.replica is None or self.postponed(node, self.run_ahead, node, starts):
            return
        del self._ahead[node]
        self.cluster.run_ahead(node)
        self.stepped(node)

    # -- messages -----------------------------------------------------------------------------------------------------

    def on_letter(self, letter: Letter) -> None:
        """Send a letter on its way: lost, once, or twice."""
        if (letter.sender, letter.to) in self.cluster.cut or self.lost():
            return
        copies = 1 + (not self.calm and self.rng.random() < self.weather.duplication)
        for _ in range(copies):
            self.later(self.delay() + self._slow.get((letter.sender, letter.to), 0.0), self.arrive, letter)

    def arrive(self, letter: Letter) -> None:
        """A letter reaches its receiver."""
        if not self.postponed(letter.to, self.arrive, letter) and self.cluster.deliver(letter):
            self.stepped(letter.to)

    def lost(self) -> bool:
        """Say whether the next message is lost."""
        return not self.calm and self.rng.random() < self.weather.loss

    def delay(self) -> float:
        """Draw how long the next message takes, in ms."""
        if self.calm:
            return self.rng.uniform(0.1, 2)
        if self.rng.random() < self.weather.straggling:
            return self.rng.uniform(0, self.weather.straggle_ms)
        return self.rng.uniform(*self.weather.delay_ms)

    def to_node(self, node: int, client: int, request: wire.Request) -> None:
        """Send a client's request."""
        if not self.lost():
            self.later(self.delay(), self.requested, node, client, request)

    def requested(self, node: int, client: int, request: wire.Request) -> None:
        """A client's request reaches a node."""
        if self.cluster.nodes[node].replica is None or self.postponed(node, self.requested, node, client, request):
            return
        self.cluster.request(node, client, request)
        self.stepped(node)

    def on_reply(self, node: int, client: int, reply: wire.Reply) -> None:
        """Send a reply back."""
        del node
        if client != OPERATOR and not self.lost():
            self.later(self.delay(), self.customers[client].on_reply, reply)

    # -- blows --------------------------------------------------------------------------------------------------------

    def blow(self) -> None:
        """Do one bad thing, or mend one."""
        if self.calm:
            return
        self.later(self.rng.expovariate(1 / self.weather.blow_every_ms), self.blow)
        node = self.rng.choice([*self.cluster.members, *self.cluster.leaders()])
        match self.rng.choice(BLOWS):
            case "crash":
                self.crash(node)
            case "all":
                for member in self.cluster.members if self.rng.random() < 0.3 else ():
                    self.crash(member)
            case "start":
                for member in self.cluster.members:
                    self.start(member)
            case "cut":
                side = {member for member in self.cluster.members if self.rng.random() < 0.5}
                self.cluster.partition(side, set(self.cluster.members) - side)
            case "alone":
                self.cluster.partition(set(self.cluster.members) - {node})
            case "swap":
                self.swap()
            case "oneway":
                self.cluster.cut.add((node, self.rng.choice(self.cluster.members)))
            case "slow":
                self.slow_down(node)
            case "heal":
                self.cluster.heal()
                self._slow.clear()
            case "transfer" | "leave" as why:
                self.hand_over(self.rng.choice(self.cluster.members) if why == "transfer" else None)
            case "freeze":
                self._frozen[node] = self.cluster.now + int(self.rng.uniform(10, 2_000) * MS)

    def swap(self) -> None:
        """Cut off whoever leads now, and let back in whoever was cut off: with what it has that nobody else knew."""
        leaders = self.cluster.leaders()
        newest = max(leaders, key=lambda node: self.cluster.nodes[node].running.paxos.ballot, default=1)
        self.cluster.partition(set(self.cluster.members) - {newest})

    def slow_down(self, node: int) -> None:
        """Make a node's links slow, each in one direction."""
        for member in self.cluster.members:
            link = (node, member) if self.rng.random() < 0.5 else (member, node)
            self._slow[link] = self.rng.choice((50.0, 300.0, 1_000.0))

    def hand_over(self, to: int | None) -> None:
        """Ask leaders to hand over: to one that may be down, cut off or itself; or to anybody, and stop them then."""
        for leader in self.cluster.leaders():
            if self._frozen.get(leader, 0) > self.cluster.now:
                continue
            self.cluster.step(leader, HandOver(to))
            self.stepped(leader)
            if to is None:
                self.later(self.rng.uniform(0, 100), self.leave, leader)

    def change_members(self) -> None:
        """Ask whoever leads, or thinks so, to add somebody or to remove somebody, again and again."""
        if self.calm:
            return
        rng = self.change_rng
        self.later(rng.expovariate(1 / CHANGE_EVERY_MS), self.change_members)
        for leader in self.cluster.leaders():
            if self._frozen.get(leader, 0) > self.cluster.now:
                continue
            node = rng.choice(self.cluster.members)
            add = not self.cluster.nodes[leader].running.paxos.membership.has(node)
            self.requests += 1
            self.cluster.request(leader, OPERATOR, wire.Request(self.requests, wire.ChangeMembers(add, node)))
            self.stepped(leader)

    def leave(self, node: int) -> None:
        """A node that was asked to stop is gone."""
        if not self.calm:
            self.crash(node)

    def crash(self, node: int) -> None:
        """Crash a node: now, or in the middle of its next commit."""
        if self.cluster.nodes[node].replica is None:
            return
        if self.rng.random() < 0.7:
            self._doomed.add(node)
        else:
            self.fall(node)

    def fall(self, node: int) -> None:
        """A node is killed, or loses its power."""
        if self.rng.random() < self.weather.power_loss:
            self.cluster.lose_power(node, self.rng if self.rng.random() < 0.7 else None)
        else:
            self.cluster.crash(node)
        self.later(self.rng.uniform(0, 2_000), self.start, node)

    def clear_up(self) -> None:
        """Begin the calm: everything runs, every link is whole."""
        self.calm = True
        self.cluster.heal()
        self._slow.clear()
        self._frozen.clear()
        self._doomed.clear()
        for node in self.cluster.members:
            self.start(node)
        self._goal = {customer.number: customer.done + OPERATIONS_AFTER_CALM for customer in self.customers}
        for customer in self.customers:
            customer.node = self.rng.choice(self.cluster.members)

    # -- the end ------------------------------------------------------------------------------------------------------

    def quiet(self, customer: Customer) -> bool:
        """Say whether a client has done enough."""
        return self.calm and customer.done >= self._goal[customer.number]

    def settled(self) -> bool:
        """Say whether all clients are done and all nodes know the same."""
        members = max((it.running.paxos.membership for it in self.nodes()), key=lambda one: one.version)
        replicas = [it.running for node, it in self.cluster.nodes.items() if members.has(node)]
        return (
            all(customer.body is None and self.quiet(customer) for customer in self.customers)
            and len(self.cluster.leaders()) == 1
            and len({replica.machine.applied_upto for replica in replicas}) == 1
            and replicas[0].machine.applied_upto == max(replica.paxos.log.last for replica in replicas)
        )

    def check_liveness(self) -> None:
        """After the calm there is one leader, and everything that was begun has ended."""
        if not self.settled():
            states = [msgspec.structs.replace(it.running.status(), counters=Counters()) for it in self.nodes()]
            stuck = [(customer.number, customer.done, customer.body) for customer in self.customers]
            raise ViolationError(f"not settled within {CALM_S} s of calm: {states}, clients {stuck}")

    def nodes(self) -> list[Node]:
        """Return all nodes."""
        return list(self.cluster.nodes.values())

    def check_accounts(self) -> None:
        """Hold every answer against a plain model of the chosen log."""
        self.cluster.close()
        answers, total, order = replay(self.cluster.witness.chosen)
        for operation in self.score.operations:
            if operation.ref is None or operation.result is None:
                continue
            if operation.ref not in answers:
                raise ViolationError(f"{operation} was acknowledged and is lost")
            if answers[operation.ref] != operation.result:
                raise ViolationError(f"{operation}, but the log says {answers[operation.ref]}")
        if len(order) != total or len(set(order)) != total:
            raise ViolationError(
                f"{total} increments, but the list has {len(order)}, {len(set(order))} of them different"
            )

    def counters(self) -> Counters:
        """Return the sum of all nodes' counters."""
        total = Counters()
        for it in self.nodes():
            add(total, it.counters)
        return total


def add(total: Counters, more: Counters) -> None:
    """Add counters up."""
    for name in Counters.__struct_fields__:
        setattr(total, name, getattr(total, name) + getattr(more, name))


def replay(chosen: dict[int, Value]) -> tuple[dict[tuple[int, int], kv.Result], int, list[str]]:
    """Apply a chosen log to a counter and a list: each command's first result, the count, and the list."""
    answers: dict[tuple[int, int], kv.Result] = {}
    newest: dict[int, int] = {}
    order: list[str] = []
    for slot in range(1, len(chosen) + 1):
        for command in chosen[slot]:
            entry = decode_entry(command)
            if not isinstance(entry, Command) or entry.sequence <= newest.get(entry.session, 0):
                continue
            newest[entry.session] = entry.sequence
            order.append(f"{entry.session}/{entry.sequence}")
            answers[entry.session, entry.sequence] = kv.Result(True, [len(order), len(order)])
    return answers, len(order), order
