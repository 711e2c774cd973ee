"""The state of a simulated cluster, for people: on a page, and as a console to look further.

The page is text in columns rather than boxes, so that two of them can be compared with ``diff``.
"""

from __future__ import annotations

import code
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.simulation.observation import World
from harness.simulation.state import ClusterState, DiskState, NodeState, ReplicaState

VALUES_SHOWN_MAX = 2
COLUMNS = ("node", "process", "life", "role", "promised", "leader", "chosen", "applied", "last", "disk", "clock")
BANNER = """\
The world stands still; Ctrl-D goes on and ends the run.
  nodes['n1'].replica.paxos    the node's core: .log, .acceptor, .leader, .candidate
  nodes['n1'].disk             what is durable, and what is on its way
  cluster, loop, trace         the rest of the world; loop.now_ns is its time
  state                        what was printed, as data"""


def print_state(console: Console, state: ClusterState) -> None:
    """Print everything."""
    console.print()
    moment = f"at {_s(state.time)} (world's time {_s(state.at)}), after event {state.event}"
    _say(console, Text.assemble(("state", "bold"), f"  {moment}"))
    if state.broken:
        _say(console, Text(f"broken  {state.broken}", style="bold red"))
    console.print()
    for row, line in enumerate(_nodes(state)):
        _say(console, Text(line, style="" if row else "dim"))
    for node in state.nodes:
        console.print()
        _say(console, Text(node.node, style="bold"))
        for name, value in _details(node):
            _say(console, Text.assemble((f"  {name:<10}", "dim"), value))
    console.print()
    for name, value in _links(state):
        _say(console, Text.assemble((f"{name:<12}", "dim"), value))


def look_around(world: World, state: ClusterState) -> None:
    """Give a Python console over the world, until it is left."""
    cluster = world.cluster
    nodes = dict(cluster._nodes)
    bound = {"nodes": nodes, "cluster": cluster, "loop": world.loop, "trace": cluster.trace, "state": state}
    try:
        code.interact(banner=BANNER, local=bound, exitmsg="")
    except SystemExit:  # exit() means this console, not the command
        return


def _nodes(state: ClusterState) -> Iterator[str]:
    """Yield the nodes as aligned lines: a table that no narrow terminal shortens."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    for node in state.nodes:
        replica = node.replica
        rows.append(
            (
                node.node,
                _process(node),
                *(_standing(replica) if replica is not None else ("-",) * 7),
                _disk_in_short(node.disk),
                f"{node.clock_ppm / 1_000_000:g}×",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _standing(replica: ReplicaState) -> tuple[str, ...]:
    return (
        str(replica.incarnation),
        replica.role,
        replica.promised,
        replica.leader_hint or "-",
        str(replica.chosen_upto),
        str(replica.applied_upto),
        str(replica.last_slot),
    )


def _details(node: NodeState) -> Iterator[tuple[str, str]]:
    if node.replica is not None:
        yield from _memory(node, node.replica)
    for file in node.disk.files:
        unsynced = f", {file.unsynced_bytes} not durable" if file.unsynced_bytes else ""
        syncing = f" (of these {file.syncing_bytes} under sync)" if file.syncing_bytes else ""
        yield "file", f"{file.name}: {file.bytes} bytes{unsynced}{syncing}"
    if node.disk.trouble:
        yield "trouble", _fields(node.disk.trouble)
    yield "clock", f"reads {node.clock_ns} ns, wall clock {node.wall_ns} ns"
    if node.backlog:
        yield "backlog", f"{node.backlog} events in its sockets"
    if node.last_words:
        yield "last said", node.last_words


def _memory(node: NodeState, replica: ReplicaState) -> Iterator[tuple[str, str]]:
    """Tell what only a running process has."""
    if replica.snapshot_slot:
        yield "snapshot", f"of slot {replica.snapshot_slot}; the log is truncated up to {replica.truncated_upto}"
    for slot in replica.slots:
        acks = f", acknowledged by {', '.join(slot.acks)}" if slot.acks else ""
        yield (
            "log",
            f"{slot.slot} {'chosen' if slot.chosen else 'open'} in {slot.ballot}{acks}: {_value(slot.value)}",
        )
    if replica.slots_left_out:
        yield "log", f"… {replica.slots_left_out} more open slots"
    if replica.lease_ns:
        yield "lease", f"held for {replica.lease_ns / 1e6:.3f} ms more"
    if replica.grant_ns:
        yield "lease", f"granted to {replica.granted_to or 'somebody'} for {replica.grant_ns / 1e6:.3f} ms more"
    if replica.promised_by:
        yield "promises", f"of {', '.join(replica.promised_by)}"
    for one in replica.deferred:
        yield "deferred", f"{one.message} to {one.to}, until record {one.record} is durable"
    if replica.deferred_total > len(replica.deferred):
        yield "deferred", f"… {replica.deferred_total - len(replica.deferred)} more"
    if replica.members_version:
        yield "members", f"{', '.join(replica.members)} after change {replica.members_version}"
    yield "records", f"{replica.durable_records} of {replica.records} durable"
    yield "waiting", _waiting(node, replica)
    yield "digest", f"{replica.digest} after slot {replica.applied_upto}"
    if replica.ahead_upto > replica.applied_upto:
        yield "ahead", f"results are computed up to slot {replica.ahead_upto}"


def _waiting(node: NodeState, replica: ReplicaState) -> str:
    parts = [f"{node.clients} connections"]
    if replica.commands_waiting:
        parts.append(f"commands {', '.join(replica.commands_waiting)}")
    if replica.queued_commands:
        parts.append(f"{replica.queued_commands} of them queued")
    if replica.sessions_opening:
        parts.append(f"{replica.sessions_opening} sessions opening")
    if replica.reads_waiting:
        parts.append(f"reads {', '.join(replica.reads_waiting)}")
    return "; ".join(parts)


def _links(state: ClusterState) -> Iterator[tuple[str, str]]:
    cut = [f"{link.source}→{link.destination}" for link in state.links if link.cut]
    if cut:
        yield "links cut", ", ".join(cut)
    for link in state.links:
        if link.weather or link.waiting:
            held = f"; {link.waiting} frames held back" if link.waiting else ""
            yield "weather", f"{link.source}→{link.destination}: {_fields(link.weather)}{held}"
    for frame in state.frames:
        body = frame.body if isinstance(frame.body, dict) else {}
        what = " ".join([frame.what, *(f"{name}={_short(value)}" for name, value in body.items())])
        yield "under way", f"{frame.source}→{frame.destination} in {(frame.at - state.at) / 1e6:.3f} ms: {what}"
    if frames := state.frames_left_out:
        yield "under way", f"… {frames} more frames"


def _process(node: NodeState) -> str:
    if node.process == "gone":
        return "gone" if node.exit_code is None else f"gone ({node.exit_code})"
    return f"{node.process} {node.pid}" if node.replica is not None else f"starting {node.pid}"


def _disk_in_short(disk: DiskState) -> str:
    unsynced = sum(file.unsynced_bytes for file in disk.files)
    parts = [f"{unsynced} B unsynced"] if unsynced else []
    if disk.sync != "none":
        parts.append(f"sync {disk.sync}")
    return ", ".join([*parts, *disk.trouble]) or "all durable"


def _value(value: tuple[str, ...]) -> str:
    if not value:
        return "no-op"
    told = " | ".join(value[:VALUES_SHOWN_MAX])
    return told if len(value) <= VALUES_SHOWN_MAX else f"{told} | … {len(value) - VALUES_SHOWN_MAX} more"


def _fields(fields: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items())


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{len(value)}]"
    return str(value)


def _s(ns: int) -> str:
    return f"{ns / 1e9:.9f} s"


def _say(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True, highlight=False)
