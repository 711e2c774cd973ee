"""Several replicas in memory, driven by hand: virtual time, letters instead of sockets, disks that forget.

A ``Cluster`` does nothing by itself: messages lie in ``letters`` until somebody delivers or drops them, records wait
until somebody calls ``fsync``, and time stands still until somebody moves ``now``. The text scenarios
(``tests/node/scenario.py``) drive it line by line, the random schedules (``tests/node/schedule.py``) by seed.

Everything below the replica is the real thing: the journal and the write-ahead log on a ``MemoryDisk``, and every
message goes through the wire codec, so no two nodes ever share an object.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from node import wire
from node.assembly import Assembly
from node.paxos.config import MS, Config
from node.paxos.counters import Counters
from node.paxos.effects import Receive, Tick
from node.paxos.messages import Message
from node.paxos.records import Record
from node.replica import Apply, ClientRequest, Durable, Replica, ReplicaEvent, RunAhead, SnapshotDurable
from node.storage.journal import Journal, inspect
from node.storage.wal import LogFailedError
from node.wire import Reply, Request
from tests.node.memory_disk import MemoryDisk
from tests.node.witness import Witness

__all__ = ["MS", "Cluster", "Letter", "Node"]


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way."""

    sender: int
    incarnation: int
    to: int
    message: Message


@dataclass(slots=True)
class Node:
    """One node: its disk, and while it runs its replica and journal."""

    config: Config
    disk: MemoryDisk = field(default_factory=MemoryDisk)
    replica: Replica | None = None
    journal: Journal | None = None
    waiting: list[Record] = field(default_factory=list)
    saving: Generator[None, None, int] | None = None
    wake_at: int = 0
    chosen: bool = False
    ahead: bool = False
    starts: int = 0
    counters: Counters = field(default_factory=Counters)

    @property
    def running(self) -> Replica:
        """The replica of a node that must be up."""
        assert self.replica is not None, f"n{self.config.me} is down"
        return self.replica


class Cluster:
    """The nodes, the letters between them, and a witness of all they do."""

    def __init__(
        self,
        size: int = 3,
        seed: int = 0,
        *,
        segment_bytes: int = 64 * 1024,
        zero_ahead_bytes: int = 0,
        assembly: Assembly | None = None,
        settings: Mapping[str, Any] | None = None,
        joiners: int = 0,
    ) -> None:
        founders = tuple(range(1, size + 1))
        self.members = tuple(range(1, size + joiners + 1))
        """All nodes; who is a member of the cluster is for its log to say."""
        self.seed = seed
        self.now = 0
        self.letters: list[Letter] = []
        self.carry: Callable[[Letter], None] = self.letters.append
        self.replied: Callable[[int, int, Reply], None] = lambda node, client, reply: None
        self.witness = Witness(self.members, founders)
        self.cut: set[tuple[int, int]] = set()
        self.apply_later = False
        """True if whoever plays sees to it that what is chosen is applied."""
        self._segment_bytes = segment_bytes
        self._zero_ahead_bytes = zero_ahead_bytes
        self._assembly = assembly or Assembly()
        given = settings or {}
        self.nodes = {node: Node(Config(me=node, members=founders, **given)) for node in founders}
        for node in self.members[size:]:
            self.nodes[node] = Node(Config(me=node, members=(*founders, node), joins=1, **given))

    # -- a node's life ------------------------------------------------------------------------------------------------

    def start(self, node: int) -> None:
        """Start or restart a node from its disk."""
        it = self.nodes[node]
        assert it.replica is None, f"n{node} is up"
        it.starts += 1
        it.waiting.clear()
        found = inspect(it.disk)
        journal = it.journal = Journal(it.disk, node, self._segment_bytes, self._zero_ahead_bytes, it.config.founders)
        it.counters.torn_tails_cut += bool(journal.statistics.torn_bytes)
        rng = random.Random(f"{self.seed}/{node}/{it.starts}")
        it.replica = self._assembly.replica(
            it.config, journal.remembered, rng, self.now, it.counters, self._assembly.core
        )
        self.witness.restarted(node, found, it.replica)
        self.step(node, Tick())

    def crash(self, node: int) -> None:
        """Kill a node: what it has written stays in the cache, what only waited to be written is gone."""
        it = self.nodes[node]
        it.replica = it.journal = None
        self.witness.crashed(node)
        it.waiting.clear()
        it.saving = None
        it.wake_at = 0
        it.ahead = False

    def lose_power(self, node: int, rng: random.Random | None = None) -> None:
        """Crash a node and forget what its disk had not made durable; ``rng`` tears what was on its way."""
        self.crash(node)
        self.nodes[node].disk.lose_power(rng)

    def stop(self, node: int) -> None:
        """Stop a node cleanly."""
        it = self.nodes[node]
        assert it.journal is not None, f"n{node} is down"
        it.journal.commit([*it.waiting, *it.running.stop()])
        self.crash(node)

    def wipe(self, node: int) -> None:
        """Crash a node and give it a new disk."""
        self.crash(node)
        self.nodes[node].disk = MemoryDisk()

    def crash_in_commit(self, node: int, at: str, *, clean: bool = False) -> None:
        """Kill a node in the middle of a commit: right before its next ``at`` (create, write, sync, sync_names).

        With ``clean``, a sync fails instead, and the node dies of it while the kernel takes its pages for clean.
        """
        it = self.nodes[node]
        if it.journal is not None and it.waiting:
            it.disk.fail(at, clean=clean)
            with contextlib.suppress(LogFailedError):
                it.journal.commit(it.waiting)
            it.disk.fail(at, 0)
        self.crash(node)

    def save(self, node: int) -> bool:
        """Take the next step of writing a node's snapshot; True while there is one to be written."""
        it = self.nodes[node]
        if it.saving is None:
            return False
        try:
            next(it.saving)
        except StopIteration as done:
            it.saving = None
            it.counters.segments_removed += done.value
            assert it.journal is not None
            it.counters.segments_recycled = it.journal.segments_recycled
            self.witness.saved(node)
            self.step(node, SnapshotDurable())
        return it.saving is not None

    def crash_in_save(self, node: int, at: str, *, clean: bool = False) -> None:
        """Kill a node while it writes its snapshot: right before its next ``at``, or as it is if none comes."""
        it = self.nodes[node]
        if it.saving is not None:
            it.disk.fail(at, clean=clean)
            with contextlib.suppress(LogFailedError):
                for _ in it.saving:
                    pass
            it.disk.fail(at, 0)
        self.crash(node)

    # -- events -------------------------------------------------------------------------------------------------------

    def step(self, node: int, event: ReplicaEvent) -> None:
        """Give a running node an event and carry out what it says."""
        it = self.nodes[node]
        replica = it.running
        output = replica.step(self.now, event)
        it.waiting.extend(output.persist)
        if output.snapshot is not None:
            assert it.journal is not None
            it.saving = it.journal.save(output.snapshot)
            self.witness.saves(node, output.snapshot)
        self.witness.stepped(node, replica, self.now)
        for send in output.sends:
            self.witness.sent(node, replica.incarnation, send.message)
            self.carry(Letter(node, replica.incarnation, send.to, send.message))
        if output.wake_at:
            it.wake_at = output.wake_at
        it.ahead = output.ahead
        for client, reply in output.replies:
            self.replied(node, client, through_codec_reply(reply))
        it.chosen = output.chosen
        if it.chosen and not self.apply_later:
            self.apply(node)

    def apply(self, node: int) -> None:
        """Let a node apply what is chosen, or some of it."""
        self.step(node, Apply())

    def tick(self, node: int) -> None:
        """Wake a node."""
        self.step(node, Tick())

    def run_ahead(self, node: int) -> bool:
        """Let a node compute a slot's results ahead; False if there is none."""
        if not self.nodes[node].ahead:
            return False
        self.step(node, RunAhead())
        return True

    def fsync(self, node: int, count: int | None = None) -> int:
        """Make a node's waiting records durable, or the first ``count`` of them; return how many."""
        it = self.nodes[node]
        assert it.journal is not None, f"n{node} is down"
        batch, it.waiting = it.waiting[:count], it.waiting[len(it.waiting[:count]) :]
        if not batch:
            return 0
        upto = it.journal.commit(batch)
        for record in batch:
            self.witness.durable(node, record)
        self.step(node, Durable(upto))
        return len(batch)

    def deliver(self, letter: Letter) -> bool:
        """Hand a letter over; False if its link is cut or its receiver is down."""
        if (letter.sender, letter.to) in self.cut or self.nodes[letter.to].replica is None:
            return False
        self.step(letter.to, Receive(letter.sender, letter.incarnation, through_codec(letter.message)))
        return True

    def request(self, node: int, client: int, request: Request) -> None:
        """Hand a client's request to a node."""
        self.step(node, ClientRequest(client, through_codec_request(request)))

    # -- links --------------------------------------------------------------------------------------------------------

    def partition(self, *groups: set[int]) -> None:
        """Cut all links between groups; a node in no group is alone."""
        side = {node: index for index, group in enumerate(groups) for node in group}
        self.cut = {
            (one, other)
            for one in self.members
            for other in self.members
            if one != other and (one not in side or side[one] != side.get(other))
        }

    def heal(self) -> None:
        """Mend all links."""
        self.cut.clear()

    # -- questions ----------------------------------------------------------------------------------------------------

    def leaders(self) -> list[int]:
        """Return the nodes that lead, or think so."""
        return [node for node, it in self.nodes.items() if it.replica is not None and it.replica.paxos.leader]

    def close(self) -> None:
        """Stop everything."""
        for node in self.members:
            self.crash(node)


def through_codec(message: Message) -> Message:
    """Return a message as it arrives."""
    return wire.decode_message(wire.encode(message)[4:])


def through_codec_request(request: Request) -> Request:
    """Return a request as it arrives."""
    return wire.decode_request(wire.encode(request)[4:])


def through_codec_reply(reply: Reply) -> Reply:
    """Return a reply as it arrives."""
    return wire.decode_reply(wire.encode(reply)[4:])
