"""The state of a simulated cluster at one moment, as data: what nodes know, hold and wait for, and what is under way.

It is taken while the world stands still between two events, and taking it changes nothing. To see what no node would
tell, ``look`` reaches into the parts: it is the one place that does, so the parts need no doors for it.

Only what decides something is told whole. Of the log it is the open end: the slots that are not known to be chosen, and
a few chosen ones before them.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec

from harness.simulation.disk import SimulatedDisk
from harness.simulation.network import SimulatedNetwork
from harness.simulation.node import SimulatedNode
from harness.simulation.observation import World
from harness.simulation.tape import in_words, message_in_words
from nemesis.ground import DiskTrouble, Weather
from node import wire
from node.paxos.core import Paxos
from node.replica import Replica

OPEN_SLOTS_MAX = 20
CHOSEN_SLOTS_MAX = 3
DEFERRED_MAX = 20
FRAMES_MAX = 40


class SlotState(msgspec.Struct, frozen=True, kw_only=True):
    """A slot of a node's log; ``acks`` are the nodes whose acknowledgement a leader has counted."""

    slot: int
    ballot: str
    chosen: bool
    value: tuple[str, ...]
    acks: tuple[str, ...] = ()


class DeferredState(msgspec.Struct, frozen=True, kw_only=True):
    """An acknowledgement that waits until a record is durable."""

    record: int
    to: str
    message: str


class ReplicaState(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's process has in memory.

    ``lease_ns`` is for how much longer, on its own clock, it holds the lease, ``grant_ns`` for how much longer it has
    granted it to ``granted_to`` (to nobody it knows, "", after a start); 0 if it is over. ``snapshot_slot`` is of its
    last durable snapshot (0 for none), ``truncated_upto`` the last slot that it has forgotten. ``ahead_upto`` is the
    last slot whose results are computed, chosen or not.
    """

    incarnation: int
    role: str
    promised: str
    leader_hint: str
    members: tuple[str, ...]
    members_version: int
    lease_ns: int
    granted_to: str
    grant_ns: int
    chosen_upto: int
    applied_upto: int
    ahead_upto: int
    last_slot: int
    snapshot_slot: int
    truncated_upto: int
    digest: str
    durable_records: int
    records: int
    promised_by: tuple[str, ...]
    queued_commands: int
    slots: tuple[SlotState, ...]
    slots_left_out: int
    deferred: tuple[DeferredState, ...]
    deferred_total: int
    commands_waiting: tuple[str, ...]
    sessions_opening: int
    reads_waiting: tuple[str, ...]


class FileState(msgspec.Struct, frozen=True, kw_only=True):
    """A file: its size, and how many bytes of it are not durable yet, those of a sync under way included."""

    name: str
    bytes: int
    unsynced_bytes: int
    syncing_bytes: int


class DiskState(msgspec.Struct, frozen=True, kw_only=True):
    """A node's disk; ``sync`` is none, under-way or stalled."""

    files: tuple[FileState, ...]
    sync: str
    trouble: dict[str, Any]


class NodeState(msgspec.Struct, frozen=True, kw_only=True):
    """One node. ``clock_ns`` and ``wall_ns`` is what its clocks read, ``backlog`` what a stopped process will find."""

    node: str
    process: str
    pid: int
    exit_code: int | None
    replica: ReplicaState | None
    clients: int
    backlog: int
    disk: DiskState
    clock_ns: int
    wall_ns: int
    clock_ppm: int
    last_words: str


class FrameState(msgspec.Struct, frozen=True, kw_only=True):
    """A frame under way, and when it will arrive (if its link is not cut by then)."""

    at: int
    source: str
    destination: str
    what: str
    body: Any


class LinkState(msgspec.Struct, frozen=True, kw_only=True):
    """A directed link that is not as it should be; ``waiting`` are the frames that it holds back."""

    source: str
    destination: str
    cut: bool
    weather: dict[str, Any]
    waiting: int = 0


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment: ``at`` is the world's time, ``time`` the history's (both ns)."""

    event: int
    at: int
    time: int
    nodes: tuple[NodeState, ...]
    links: tuple[LinkState, ...]
    frames: tuple[FrameState, ...]
    frames_left_out: int
    broken: str
    """The invariant that broke in this moment or before, "" if none did."""


def look(world: World, set_up_ns: int) -> ClusterState:
    """Return the state of the world now; ``set_up_ns`` is when the history's time began."""
    cluster, now = world.cluster, world.loop.now_ns
    frames = _frames(world)
    return ClusterState(
        event=cluster.trace.events,
        at=now,
        time=now - set_up_ns,
        nodes=tuple(_node(node, now) for node in cluster._nodes.values()),
        links=_links(cluster._network),
        frames=tuple(frames[:FRAMES_MAX]),
        frames_left_out=max(0, len(frames) - FRAMES_MAX),
        broken=str(cluster.invariants.broken or ""),
    )


def _node(node: SimulatedNode, now: int) -> NodeState:
    state = node.state
    return NodeState(
        node=node.name,
        process=str(state.run),
        pid=state.pid,
        exit_code=state.exit_code,
        replica=_replica(node.replica, node.clock.read(now)) if node.replica is not None else None,
        clients=len(node._clients),
        backlog=len(node._backlog),
        disk=_disk(node.disk, "stalled" if node.stalled else "under-way" if node._committing else "none"),
        clock_ns=node.clock.read(now),
        wall_ns=node.clock.wall(now),
        clock_ppm=node.clock._ppm,
        last_words=node.lines[-1] if node.lines else "",
    )


def _replica(replica: Replica, local: int) -> ReplicaState:
    paxos, machine = replica.paxos, replica.machine
    slots, left_out = _slots(paxos)
    deferred = tuple(
        DeferredState(record=one.after, to=f"n{one.to}", message=_told(one.message)) for one in replica._deferred
    )
    return ReplicaState(
        incarnation=replica.incarnation,
        role=str(paxos.role),
        promised=str(paxos.ballot),
        leader_hint=f"n{paxos.leader_hint}" if paxos.leader_hint is not None else "",
        members=tuple(f"n{node}" for node in paxos.membership.nodes),
        members_version=paxos.membership.version,
        lease_ns=max(0, paxos.leader.lease.until - local) if paxos.leader is not None else 0,
        granted_to=f"n{paxos.grant.to}" if paxos.grant.to is not None else "",
        grant_ns=max(0, paxos.grant.until - local),
        chosen_upto=paxos.log.chosen_upto,
        applied_upto=machine.applied_upto,
        ahead_upto=machine.applied_upto + (len(replica.speculation.ran) if replica.speculation is not None else 0),
        last_slot=paxos.log.last,
        snapshot_slot=paxos.snapshot.slot if paxos.snapshot is not None else 0,
        truncated_upto=paxos.log.truncated_upto,
        digest=machine.digest,
        durable_records=replica._durable,
        records=paxos.acceptor.records,
        promised_by=_names(paxos.candidate.promised_by) if paxos.candidate is not None else (),
        queued_commands=len(paxos.leader._queue) if paxos.leader is not None else 0,
        slots=slots,
        slots_left_out=left_out,
        deferred=deferred[:DEFERRED_MAX],
        deferred_total=len(deferred),
        commands_waiting=tuple(f"{session}/{sequence}" for session, sequence in replica._commands),
        sessions_opening=len(replica._opens),
        reads_waiting=tuple(_read(asked.operation) for asked in replica._reads.values()),
    )


def _slots(paxos: Paxos) -> tuple[tuple[SlotState, ...], int]:
    """Return the last few chosen slots and the first open ones, and how many open ones there are besides."""
    log, leader = paxos.log, paxos.leader
    first = max(1, log.chosen_upto - CHOSEN_SLOTS_MAX + 1)
    last = min(log.last, log.chosen_upto + OPEN_SLOTS_MAX)
    slots = []
    for slot in range(first, last + 1):
        entry = log.get(slot)
        if entry is None:
            continue
        flight = leader.flights.get(slot) if leader is not None else None
        slots.append(
            SlotState(
                slot=slot,
                ballot=str(entry.ballot),
                chosen=entry.chosen,
                value=tuple(in_words(entry.value)),
                acks=_names(flight.acks) if flight is not None else (),
            )
        )
    return tuple(slots), max(0, log.last - last)


def _disk(disk: SimulatedDisk, sync: str) -> DiskState:
    files = []
    for name in disk.names():
        inode = disk.open(name)._inode
        files.append(
            FileState(
                name=name,
                bytes=inode.content.size(),
                unsynced_bytes=inode.unsynced_bytes(),
                syncing_bytes=inode.unsynced_bytes(syncing=True),
            )
        )
    return DiskState(files=tuple(files), sync=sync, trouble=_departing(disk.trouble, DiskTrouble()))


def _links(network: SimulatedNetwork) -> tuple[LinkState, ...]:
    states = []
    for link, path in network._paths.items():
        weather = _departing(path.weather, Weather()) if path.weather is not None else {}
        if weather or path.cut or path.waiting:
            waiting = len(path.waiting)
            states.append(
                LinkState(
                    source=link.source, destination=link.destination, cut=path.cut, weather=weather, waiting=waiting
                )
            )
    return tuple(states)


def _frames(world: World) -> list[FrameState]:
    """Return the frames between nodes that are due, the earliest first."""
    arrive, links = world.cluster._network._arrive, {id(p): link for link, p in world.cluster._network._paths.items()}
    frames = []
    for at, _, callback, args in sorted(world.loop._due, key=lambda due: due[:2]):
        if args is None or callback != arrive:
            continue
        path, _, frame = args
        what, body = message_in_words(wire.decode_message(frame[4:]))
        if id(path) not in links:
            continue  # lost already: its connection was reset
        source, destination = links[id(path)]
        frames.append(FrameState(at=at, source=source, destination=destination, what=what, body=body))
    return frames


def _departing(thing: Any, usual: Any) -> dict[str, Any]:
    """Return the fields in which a thing is not as usual."""
    return {
        field.name: msgspec.to_builtins(getattr(thing, field.name))
        for field in fields(thing)
        if getattr(thing, field.name) != getattr(usual, field.name)
    }


def _told(message: Any) -> str:
    what, body = message_in_words(message)
    slot = body.get("slot")
    return f"{what} {body['ballot']}" + (f" slot {slot}" if slot is not None else "")


def _read(operation: Any) -> str:
    return msgspec.json.encode(operation).decode()


def _names(numbers: Any) -> tuple[str, ...]:
    return tuple(f"n{number}" for number in sorted(numbers))
