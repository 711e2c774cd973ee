"""Our own Multi-Paxos node as the system under test."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from checkers.audit import Accepted, AuditEvent, AuditValue, ChosenLearned, Incarnation, NodeLog, PromiseMade
from checkers.history import EventType
from harness.cluster.base import Address, Cluster, Launch
from harness.plan import node_settings
from harness.results import NodeSummary
from harness.scenario import Scenario
from harness.systems.base import DATA, Completion, LogUnreadableError
from nemesis.clock_bound import ClockBound
from nemesis.ground import ChangeAnswer, NodeView
from node import kv
from node.client import Client, NotDoneError, Stream, UnknownError
from node.inspection import Digester, chosen_values, value_digest, value_refs
from node.machine import StateError, decode_state
from node.paxos.config import Config
from node.paxos.log import Log, SafetyError
from node.paxos.messages import Value
from node.paxos.records import (
    AcceptedRecord,
    ChosenUpto,
    Learned,
    Noted,
    Promised,
    Record,
    RecoveryError,
    Remembered,
    Started,
)
from node.sessions import Sessions
from node.storage.disk import PosixDisk
from node.storage.journal import Inspected, inspect
from node.storage.wal import CorruptLogError
from node.wire import Status
from workloads.base import Operation

CLUSTER_NAME = "antipaxos"
SIMULATED_SETTINGS = {"log_zero_ahead_bytes": 0}
"""Zeros ahead make real syncs faster. In simulation they are only more to look after, and a damaged zero is no damage:
a swarm draws them now and then."""
VIEW_TIMEOUT_S = 0.4
REPOSITORY = Path(__file__).resolve().parents[2]


def node_id(node: str) -> int:
    """Return the id of a node's name: 3 for ``n3``."""
    return int(node.removeprefix("n"))


def bound_of(settings: Mapping[str, int | float | str]) -> ClockBound:
    """Return how wrong the nodes let clocks run: as they are told, and any way they like if there are no leases."""
    default = Config(me=1, members=(1,))
    if not int(settings.get("lease_ms", default.lease_ms)):
        return ClockBound(None)
    return ClockBound(int(settings.get("drift_ppm", default.drift_ppm)))


class MultiPaxos:
    """Nodes of ``python -m node serve``."""

    def __init__(self, scenario: Scenario, cluster: Cluster, seed: int) -> None:
        self._scenario = scenario
        self._cluster = cluster
        self._seed = seed
        self._members = tuple(node_id(node) for node in cluster.nodes)
        self._asker = self._new_client(self._members[0])

    def launch(self, node: str, addresses: Mapping[str, Address], folder: Path) -> Launch:
        """Run this interpreter's own node package."""
        peers = ",".join(f"{node_id(name)}={address.host}:{address.port}" for name, address in addresses.items())
        argv = [sys.executable, "-m", "node", "serve", "--id", str(node_id(node)), "--peers", peers]
        argv += ["--data", str(folder / DATA), "--cluster", CLUSTER_NAME, "--seed", str(self._seed)]
        settings = node_settings(self._scenario, self._seed)
        if self._cluster.place == "simulated":
            settings = {**SIMULATED_SETTINGS, **settings}
        for key, value in sorted(settings.items()):
            argv += ["--set", f"{key}={value}"]
        if self._scenario.bug is not None:
            argv += ["--bug", self._scenario.bug]
        return Launch(
            tuple(argv), folder, folder / "node.log", {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
        )

    def client(self, number: int) -> PaxosClient:
        """Return a client whose home is one of the nodes, in turn."""
        return PaxosClient(self._new_client(self._members[number % len(self._members)]))

    async def view(self, node: str) -> NodeView | None:
        """Ask for the status."""
        status = await self._status(node)
        if status is None:
            return None
        membership = status.membership
        return NodeView(
            node=node,
            leader=f"n{status.leader}" if status.leader is not None else None,
            is_leader=status.role == "leader",
            ballot=status.ballot,
            applied=status.applied_upto,
            incarnation=status.incarnation,
            members=tuple(f"n{number}" for number in membership.nodes) if membership is not None else (),
            version=membership.version if membership is not None else 0,
        )

    @property
    def fixed_members(self) -> str:
        """They are fixed where nodes may forget: see ``node.paxos.rejoining``."""
        amnesia_safe = node_settings(self._scenario, self._seed).get("amnesia_safe")
        return "with amnesia_safe=1 the members of our node cannot change" if amnesia_safe else ""

    async def change_members(self, node: str, *, member: bool, timeout_s: float) -> ChangeAnswer:
        """Ask the leader, over the client library."""
        change = self._asker.add_node if member else self._asker.remove_node
        try:
            await change(node_id(node), timeout_s=timeout_s)
        except (NotDoneError, UnknownError) as error:
            return ChangeAnswer(False, str(error))
        return ChangeAnswer(True)

    async def summary(self, node: str) -> NodeSummary:
        """Ask for the status, with the counters."""
        status = await self._status(node)
        if status is None:
            return NodeSummary(node=node)
        return NodeSummary(
            node=node,
            role=status.role,
            incarnation=status.incarnation,
            applied_upto=status.applied_upto,
            digest=status.digest,
            counters=msgspec.to_builtins(status.counters),
        )

    def close(self) -> None:
        """Close the connections that statuses and changes of the members are asked over."""
        self._asker.close()

    async def _status(self, node: str) -> Status | None:
        try:
            return await self._asker.status(node_id(node), VIEW_TIMEOUT_S)
        except OSError:
            return None

    def _new_client(self, home: int) -> Client:
        return Client(self._members, self._dial, CLUSTER_NAME, home)

    async def _dial(self, node: int) -> Stream:
        return await self._cluster.dial(f"n{node}")


class PaxosClient:
    """One process of the history on our node's client library."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def apply(self, operation: Operation, timeout_s: float) -> Completion:
        """Carry out an operation and say how it ended."""
        try:
            done = await self._client.execute(store_operation(operation), timeout_s)
        except NotDoneError as error:
            return Completion(EventType.FAIL, operation.value, str(error))
        except UnknownError as error:
            return Completion(EventType.INFO, operation.value, str(error), self._client.ref or None)
        ref = done.ref or None
        if not done.result.ok:
            return Completion(EventType.FAIL, operation.value, f"it was {done.result.value!r}", ref)
        return Completion(EventType.OK, _returned(operation, done.result.value), None, ref)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def store_operation(operation: Operation) -> kv.Operation:
    """Return the store's operation for a workload's. Raises ValueError for one it does not have."""
    key, value = operation.key, operation.value
    match operation.f:
        case "read":
            return kv.Read(key)
        case "write":
            return kv.Write(key, value)
        case "cas":
            return kv.Cas(key, value[0], value[1])
        case "append":
            return kv.Append(key, value)
        case "add":
            return kv.Add(key, value)
        case "txn":
            return kv.Txn(tuple(_step(*step) for step in value))
    raise ValueError(f"the store has no operation {operation.f!r}")


def _step(f: str, key: str, value: Any) -> kv.Single:
    """Return the store's operation for a transaction's step. Raises ValueError for one it does not have."""
    match f:
        case "r":
            return kv.Read(key)
        case "w":
            return kv.Write(key, value)
        case "append":
            return kv.Append(key, value)
    raise ValueError(f"the store has no step {f!r} of a transaction")


def _returned(operation: Operation, value: Any) -> Any:
    """Return the value of an operation that ended ok: what reads saw, and otherwise what was asked for.

    A transaction is answered with a value for each step. If the answer has none, its reads saw nothing.
    """
    if operation.f == "read":
        return value
    if operation.f != "txn":
        return operation.value
    values = value if isinstance(value, list) else [None] * len(operation.value)
    return [
        [f, key, seen if f == "r" else asked] for (f, key, asked), seen in zip(operation.value, values, strict=True)
    ]


def _base_events(inspected: Inspected) -> Iterator[AuditEvent]:
    """Yield what the records that are gone came to."""
    if inspected.first > 1:
        base = inspected.base
        yield Incarnation(base.incarnation)
        yield PromiseMade((base.promised.round, base.promised.node))


class LogReader:
    """Reads the logs of one run's stopped nodes for the audit. They are much alike: what is the same is told once."""

    def __init__(self) -> None:
        self._digester = Digester()
        self._told: dict[Value, AuditValue] = {}

    def __call__(self, node: str, folder: Path) -> NodeLog:
        """Read a node's write-ahead log. Raises LogUnreadableError."""
        try:
            inspected = inspect(PosixDisk(folder / DATA))
            log = _as_far_as_it_goes(inspected)
            state = decode_state(inspected.snapshot.state) if inspected.snapshot is not None else None
            values, first = chosen_values(log), log.truncated_upto + 1
            events: list[AuditEvent] = list(_base_events(inspected))
            events += [event for record in inspected.records if (event := self._event(record)) is not None]
            events += [ChosenLearned(slot, self._value(value)) for slot, value in enumerate(values, start=first)]
            if state is None:
                digests = dict(enumerate(self._digester.digests(values), start=1))
                return NodeLog(node=node, events=tuple(events), applied_upto=log.chosen_upto, digests=digests)
            digests = self._digester.digests_after(state, values)
        except (CorruptLogError, StateError, RecoveryError, msgspec.DecodeError, OSError) as error:
            raise LogUnreadableError(f"{node}: {error}") from error
        sessions = Sessions()
        sessions.restore(state.sessions)
        return NodeLog(
            node=node,
            events=tuple(events),
            applied_upto=log.chosen_upto,
            digests=digests,
            snapshot_slot=state.applied_upto,
            snapshot_refs=frozenset(f"{session}/{sequence}" for session, sequence in sessions.applied()),
        )

    def _event(self, record: Record) -> AuditEvent | None:
        """Return what a durable record says for the audit."""
        match record:
            case AcceptedRecord():
                return Accepted(record.slot, record.ballot, self._value(record.value))
            case Learned():
                return ChosenLearned(record.slot, self._value(record.value))
            case Promised():
                return PromiseMade(record.ballot)
            case Started():
                return Incarnation(record.incarnation)
            case ChosenUpto() | Noted():
                return None

    def _value(self, value: Value) -> AuditValue:
        told = self._told.get(value)
        if told is None:
            told = self._told[value] = AuditValue(value_digest(value), value_refs(value))
        return told


def _as_far_as_it_goes(inspected: Inspected) -> Log:
    """Fold a log's records, up to the first that contradicts the others: what is wrong with them is for the audit."""
    remembered = Remembered(inspected.snapshot, inspected.base, inspected.first)
    try:
        for record in inspected.records:
            remembered.replay(record)
    except (RecoveryError, SafetyError):
        return remembered.log
    return remembered.log
