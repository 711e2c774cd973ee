"""Who sees everything: the invariants of Multi-Paxos, checked from outside after each step of each node.

The witness believes no node. That a value is chosen it concludes from what is on the disks: the same slot, ballot and
value in a majority of them. Whatever a node says, applies, or comes back with after a crash is held against that:

- one value for each slot and ballot, and one chosen value for each slot, for ever (agreement);
- nothing is applied that is not chosen;
- who proposes in a ballot has the promises of a majority, and proposes nothing else where something is chosen;
- a promise or an acceptance that was *sent* is on the sender's disk, then and after every restart;
- what a node has promised never goes back, and no ballot is used twice;
- one node at a time holds the lease;
- nodes that have applied the same slots have the same digest, and so has every snapshot;
- what a node has forgotten is in a snapshot that is on its disk, then and after every restart.
"""

from __future__ import annotations

from collections import defaultdict

from node.machine import decode_state
from node.paxos.ballot import ZERO, Ballot
from node.paxos.lease import Lease
from node.paxos.messages import Accept, Accepted, Message, Prepare, Promise, Value
from node.paxos.records import AcceptedRecord, Learned, Promised, Record
from node.paxos.snapshot import Snapshot
from node.replica import Replica
from node.storage.journal import Inspected


class ViolationError(AssertionError):
    """An invariant is broken."""


class OnDisk:
    """What is durable on one node, as far as its promises go."""

    def __init__(self) -> None:
        self.promised = ZERO
        self.slots: dict[int, Ballot] = {}
        self.learned: set[int] = set()
        self.snapshot = 0

    def add(self, record: Record) -> None:
        """Fold a durable record in."""
        match record:
            case Promised():
                self.promised = max(self.promised, record.ballot)
            case AcceptedRecord():
                self.promised = max(self.promised, record.ballot)
                self.slots[record.slot] = max(record.ballot, self.slots.get(record.slot, ZERO))
            case Learned():
                self.promised = max(self.promised, record.ballot)
                self.learned.add(record.slot)

    def holds(self, slot: int, ballot: Ballot) -> bool:
        """Say whether an acceptance is kept: in that ballot, a later one, or as known to be chosen."""
        return slot <= self.snapshot or slot in self.learned or self.slots.get(slot, ZERO) >= ballot


class Witness:
    """The invariants of one cluster."""

    def __init__(self, members: tuple[int, ...]) -> None:
        self.majority = len(members) // 2 + 1
        self.chosen: dict[int, Value] = {}
        self._chosen_in: dict[int, Ballot] = {}
        self._promises: defaultdict[Ballot, set[int]] = defaultdict(set)
        self._proposed: dict[tuple[int, Ballot], Value] = {}
        self._votes: defaultdict[tuple[int, Ballot], set[int]] = defaultdict(set)
        self._disks = {node: OnDisk() for node in members}
        self._said = dict.fromkeys(members, ZERO)
        self._acked: dict[int, dict[int, Ballot]] = {node: {} for node in members}
        self._prepared: dict[Ballot, tuple[int, int]] = {}
        self._digests: dict[int, str] = {}
        self._applied = dict.fromkeys(members, 0)
        self._saving: dict[int, Snapshot] = {}
        self._promised = dict.fromkeys(members, ZERO)
        self._leases: dict[int, Lease] = {}

    # -- what nodes write ---------------------------------------------------------------------------------------------

    def durable(self, node: int, record: Record) -> None:
        """A record is on a node's disk now."""
        self._disks[node].add(record)
        if isinstance(record, AcceptedRecord):
            key = (record.slot, record.ballot)
            self._propose(key, record.value)
            self._votes[key].add(node)
            if len(self._votes[key]) >= self.majority:
                self._choose(record.slot, record.ballot, record.value)
        elif isinstance(record, Promised) and record.ballot.node == node:
            self._promises[record.ballot].add(node)

    def saves(self, node: int, snapshot: Snapshot) -> None:
        """A node writes a snapshot: of a state that others have, too, and of chosen slots."""
        if snapshot.slot not in self.chosen:
            raise ViolationError(f"n{node} writes a snapshot of slot {snapshot.slot}, which is not chosen")
        self._state(node, snapshot.slot, decode_state(snapshot.state).digest.hex())
        self._saving[node] = snapshot

    def saved(self, node: int) -> None:
        """The snapshot is on the node's disk."""
        snapshot, disk = self._saving[node], self._disks[node]
        disk.snapshot = snapshot.slot
        disk.promised = max(disk.promised, snapshot.ballot)

    def restarted(self, node: int, found: Inspected, replica: Replica) -> None:
        """A node has come back with this on its disk."""
        disk = self._disks[node] = OnDisk()
        disk.promised = found.base.promised
        disk.snapshot = found.snapshot.slot if found.snapshot is not None else 0
        for record in found.records:
            self.durable(node, record)
        self._applied[node] = disk.snapshot
        if found.snapshot is not None:
            self._state(node, disk.snapshot, decode_state(found.snapshot.state).digest.hex())
            disk.promised = max(disk.promised, found.snapshot.ballot)
        self._promised[node] = replica.paxos.acceptor.promised
        if replica.paxos.recovers:  # it may have forgotten, and votes only when that does no harm
            self._said[node] = ZERO
            self._acked[node].clear()
            return
        if self._promised[node] < self._said[node]:
            raise ViolationError(f"n{node} has said {self._said[node]}, but came back with {self._promised[node]}")
        for slot, ballot in self._acked[node].items():
            if not disk.holds(slot, ballot):
                raise ViolationError(f"n{node} has acknowledged slot {slot} in {ballot}, but came back without it")

    def crashed(self, node: int) -> None:
        """A node is no more: nor is what it believed."""
        self._leases.pop(node, None)

    # -- what nodes say -----------------------------------------------------------------------------------------------

    def sent(self, node: int, incarnation: int, message: Message) -> None:
        """A message leaves a node."""
        match message:
            case Accept():
                self._propose((message.slot, message.ballot), message.value)
                self._check_proposal(node, message)
            case Accepted():
                self._say(node, message.ballot)
                if not self._disks[node].holds(message.slot, message.ballot):
                    raise ViolationError(
                        f"n{node} acknowledges slot {message.slot} in {message.ballot} before its fsync"
                    )
                self._acked[node][message.slot] = message.ballot
            case Promise():
                self._say(node, message.ballot)
                if self._disks[node].promised < message.ballot:
                    raise ViolationError(f"n{node} promises {message.ballot} before its fsync")
                if self._disks[node].snapshot < message.truncated_upto:
                    raise ViolationError(f"n{node} calls slot {message.truncated_upto} truncated without a snapshot")
                self._promises[message.ballot].add(node)
            case Prepare():
                if self._disks[node].promised < message.ballot:
                    raise ViolationError(f"n{node} uses {message.ballot} before its fsync")
                attempt = (node, incarnation)
                if self._prepared.setdefault(message.ballot, attempt) != attempt:
                    raise ViolationError(f"n{node} uses {message.ballot} again, first used by {self._prepared}")

    def _say(self, node: int, ballot: Ballot) -> None:
        if ballot < self._said[node]:
            raise ViolationError(f"n{node} answers in {ballot} after it has promised {self._said[node]}")
        self._said[node] = ballot

    def _check_proposal(self, node: int, message: Accept) -> None:
        if len(self._promises[message.ballot]) < self.majority:
            raise ViolationError(
                f"n{node} leads in {message.ballot} with promises of {self._promises[message.ballot]} only"
            )
        chosen_in = self._chosen_in.get(message.slot)
        if chosen_in is None or chosen_in > message.ballot or self.chosen[message.slot] == message.value:
            return
        raise ViolationError(
            f"n{node} proposes another value for slot {message.slot} in {message.ballot} than the chosen one"
        )

    # -- what nodes believe -------------------------------------------------------------------------------------------

    def stepped(self, node: int, replica: Replica, now: int) -> None:
        """A node has taken a step; clocks here are all one."""
        self._check_lease(node, replica, now)
        promised = replica.paxos.acceptor.promised
        if promised < self._promised[node]:
            raise ViolationError(f"n{node} had promised {self._promised[node]}, and now only {promised}")
        self._promised[node] = promised
        log = replica.paxos.log
        if log.truncated_upto > self._disks[node].snapshot:
            raise ViolationError(f"n{node} has forgotten slot {log.truncated_upto}, which no snapshot of its holds")
        applied = replica.machine.applied_upto
        if applied == self._applied[node]:
            return
        for slot in range(max(self._applied[node], log.truncated_upto) + 1, applied + 1):
            entry = log.get(slot)
            if entry is None or not entry.chosen:
                raise ViolationError(f"n{node} has applied slot {slot}, which it does not hold as chosen")
            if slot not in self.chosen:
                raise ViolationError(f"n{node} has applied slot {slot}, which no majority has on its disks")
            if self.chosen[slot] != entry.value:
                raise ViolationError(f"n{node} has applied another value in slot {slot} than the chosen one")
        self._applied[node] = applied
        self._state(node, applied, replica.machine.digest)

    def _state(self, node: int, slot: int, digest: str) -> None:
        if self._digests.setdefault(slot, digest) != digest:
            raise ViolationError(f"n{node} has another digest than the others at slot {slot}")

    def _check_lease(self, node: int, replica: Replica, now: int) -> None:
        """One node at a time takes itself for the holder of the lease."""
        leader = replica.paxos.leader
        if leader is None:
            self._leases.pop(node, None)
            return
        self._leases[node] = leader.lease
        for other, lease in self._leases.items():
            if other != node and lease.holds(now) and leader.lease.holds(now):
                raise ViolationError(f"n{node} holds the lease in {leader.ballot} while n{other} holds it")

    def _propose(self, key: tuple[int, Ballot], value: Value) -> None:
        if self._proposed.setdefault(key, value) != value:
            raise ViolationError(f"slot {key[0]} has two values in ballot {key[1]}")

    def _choose(self, slot: int, ballot: Ballot, value: Value) -> None:
        if self.chosen.setdefault(slot, value) != value:
            raise ViolationError(f"slot {slot} is chosen again in {ballot}, with another value than before")
        self._chosen_in[slot] = min(ballot, self._chosen_in.get(slot, ballot))
