"""A data folder, read without a node: for people, and for the audit of logs after a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from node.machine import Machine, OpenEntry, State, decode_entry, decode_state
from node.paxos.ballot import Ballot
from node.paxos.counters import Counters
from node.paxos.log import Log
from node.paxos.membership import Change
from node.paxos.messages import Value
from node.paxos.records import AcceptedRecord, ChosenUpto, Learned, Noted, Promised, Record, Started
from node.paxos.snapshot import Snapshot
from node.storage.disk import PosixDisk
from node.storage.journal import Inspected, inspect
from node.wire import Command


class AuditRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One durable record in plain words; ``refs`` name clients' operations as ``session/sequence``.

    ``kind`` is started, promised, accepted, learned, chosen-upto or noted. ``digest`` stands for the slot's value. A
    truncated log begins with its ``snapshot`` (``digest`` stands for the state after ``slot``), and with its ``base``:
    the last incarnation and promise, and the last slot, of the records that are gone.
    """

    kind: str
    incarnation: int | None = None
    node: int | None = None
    slot: int | None = None
    ballot: tuple[int, int] | None = None
    digest: str | None = None
    refs: tuple[str, ...] = ()
    chosen_upto: int | None = None


def records(folder: Path) -> tuple[Inspected, list[AuditRecord]]:
    """Read all records of a data folder. Raises CorruptLogError."""
    inspected = inspect(PosixDisk(folder))
    return inspected, [*_beginning(inspected), *(audit_record(record) for record in inspected.records)]


def _beginning(inspected: Inspected) -> Iterator[AuditRecord]:
    snapshot, base = inspected.snapshot, inspected.base
    if snapshot is not None:
        digest = decode_state(snapshot.state).digest.hex()
        yield AuditRecord("snapshot", slot=snapshot.slot, ballot=_pair(snapshot.ballot), digest=digest)
    if inspected.first > 1:
        yield AuditRecord("base", incarnation=base.incarnation, slot=base.last_slot, ballot=_pair(base.promised))


def _pair(ballot: Ballot) -> tuple[int, int]:
    return ballot.round, ballot.node


def chosen_values(log: Log) -> list[Value]:
    """Return the values of the chosen slots of a log that are not truncated, in order."""
    entries = (log.get(slot) for slot in range(log.truncated_upto + 1, log.chosen_upto + 1))
    return [entry.value for entry in entries if entry is not None]


class Digester:
    """The state's digest after each slot of a log; what two logs have in common is applied once."""

    def __init__(self) -> None:
        self._values: list[Value] = []
        self._digests: list[str] = []
        self._machine = Machine(Counters())

    def digests(self, values: Sequence[Value]) -> list[str]:
        """Return the digest after slot 1, 2, ... of a log that has these values chosen."""
        common = min(len(values), len(self._values))
        if values[:common] != self._values[:common]:
            self._values, self._digests, self._machine = [], [], Machine(Counters())  # a state goes only forward
        for value in values[len(self._values) :]:
            for _ in self._machine.apply(len(self._values) + 1, value):
                pass
            self._values.append(value)
            self._digests.append(self._machine.digest)
        return self._digests[: len(values)]

    def digests_after(self, state: State, values: Sequence[Value]) -> dict[int, str]:
        """Return the digest after each slot from a snapshot's on, which these values follow."""
        machine = Machine(Counters())
        machine.restore(state)
        digests = {machine.applied_upto: machine.digest}
        for value in values:
            for _ in machine.apply(machine.applied_upto + 1, value):
                pass
            digests[machine.applied_upto] = machine.digest
        return digests


def audit_record(record: Record) -> AuditRecord:
    """Return a record in plain words."""
    match record:
        case Started():
            return AuditRecord("started", incarnation=record.incarnation)
        case Promised():
            return AuditRecord("promised", ballot=(record.ballot.round, record.ballot.node))
        case AcceptedRecord() | Learned():
            return AuditRecord(
                "accepted" if isinstance(record, AcceptedRecord) else "learned",
                slot=record.slot,
                ballot=(record.ballot.round, record.ballot.node),
                digest=value_digest(record.value),
                refs=value_refs(record.value),
                chosen_upto=record.chosen_upto if isinstance(record, AcceptedRecord) else None,
            )
        case ChosenUpto():
            return AuditRecord("chosen-upto", chosen_upto=record.slot)
        case Noted():
            return AuditRecord("noted", node=record.node, incarnation=record.incarnation)


def value_digest(value: Value) -> str:
    """Return a short digest of a slot's value."""
    summed = hashlib.blake2b(digest_size=16)
    for command in value:
        summed.update(len(command).to_bytes(4, "little"))
        summed.update(command)
    return summed.hexdigest()


def value_refs(value: Value) -> tuple[str, ...]:
    """Return the clients' names of the operations in a slot."""
    entries = (decode_entry(command) for command in value)
    return tuple(f"{entry.session}/{entry.sequence}" for entry in entries if isinstance(entry, Command))


def dump_json(folder: Path) -> Iterator[str]:
    """Yield every record as a line of JSON."""
    _, lines = records(folder)
    for line in lines:
        yield msgspec.json.encode(line).decode()


def describe(folder: Path) -> Iterator[str]:
    """Yield a text that a person can read."""
    inspected, _ = records(folder)
    remembered = inspected.replay()
    log = remembered.log
    found = inspected.statistics
    yield f"node         {inspected.node if inspected.node is not None else 'unknown (the log is empty)'}"
    yield f"log          {found.records} records in {found.segments} segments, torn tail of {found.torn_bytes} bytes"
    if inspected.first > 1:
        base = inspected.base
        yield (
            f"             begins with record {inspected.first}, after incarnation {base.incarnation}, a promise of "
            f"{base.promised}, and slot {base.last_slot}"
        )
    yield f"snapshot     {_snapshot(inspected.snapshot)}"
    yield f"incarnation  {remembered.incarnation}"
    yield f"promised     {remembered.promised}"
    yield f"chosen       up to slot {log.chosen_upto}, last slot {log.last}"
    yield ""
    yield "   slot  ballot  state     commands"
    if log.truncated_upto:
        yield f"{'1 -':>7} {log.truncated_upto}: in the snapshot"
    for slot in range(log.truncated_upto + 1, log.last + 1):
        entry = log.get(slot)
        if entry is None:
            yield f"{slot:7d}  -       empty"
            continue
        state = "chosen" if entry.chosen else "accepted"
        yield f"{slot:7d}  {entry.ballot!s:<6}  {state:<8}  {_commands(entry.value)}"


def _snapshot(snapshot: Snapshot | None) -> str:
    if snapshot is None:
        return "none"
    state = decode_state(snapshot.state)
    return (
        f"of slot {snapshot.slot}, ballot {snapshot.ballot}, {len(snapshot.state)} bytes: {len(state.data)} keys, "
        f"{len(state.sessions)} sessions, digest {state.digest.hex()}"
    )


def _commands(value: Value) -> str:
    if not value:
        return "(no-op)"
    return "; ".join(_command(decode_entry(command)) for command in value)


def _command(entry: Any) -> str:
    if isinstance(entry, OpenEntry):
        return f"open session for n{entry.node}"
    if isinstance(entry, Change):
        return str(entry)
    return f"{entry.session}/{entry.sequence} {msgspec.json.encode(entry.operation).decode()}"
