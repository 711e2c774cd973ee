"""The place ``local``, as the runner holds it: asks the warden, and turns its replies into the harness's terms.

This side never changes its own namespaces and needs no privilege, so it may be a command line, a pytest process or a
thread's event loop. Whatever fails here is a ``ClusterError``: a failure of the harness, never one of the nodes. The
one exception is a node that does not take a connection, which is a finding.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from harness.cluster.base import Ability, Address, ClusterError, Launch, Wire
from harness.cluster.local import channel, disk_messages, ledger, leftovers, pids
from harness.cluster.local.caller import Caller
from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import (
    MAX_NODES,
    Close,
    Count,
    Counted,
    Cut,
    Dial,
    Dialled,
    Disk,
    DiskSaid,
    DisksBy,
    Done,
    Kill,
    Look,
    Mode,
    Open,
    Opened,
    Pause,
    PowerOff,
    Reply,
    Request,
    Resume,
    Seen,
    Spawn,
    Spawned,
    Terminate,
    Unreachable,
)
from harness.cluster.local.pids import Identity
from harness.cluster.local.wire import LocalWire
from harness.seeds import SeedTree
from nemesis.ground import DiskCounters, DiskTrouble, Link, LinkCounters, ProcessState, Run
from nemesis.undo import Arrival, Damage, Damaged

SETUP_LIMIT_S = 20.0
REQUEST_LIMIT_S = 20.0
DIAL_LIMIT_S = 2.0
DIALS_PER_NODE = 64  # a node that takes no connection must not use up all requests that may be under way
CLOSE_LIMIT_S = 15.0
EXIT_LIMIT_S = 15.0
EXIT_INTERVAL_S = 0.002
LOG_TAIL_CHARACTERS = 2000
SOURCE_ROOT = Path(__file__).resolve().parents[3]

_R = TypeVar("_R", bound=Reply)

_MECHANISMS = {
    "root": ("network namespaces, as root", "AF_PACKET switch"),
    "userns": ("user namespace + network namespaces", "user namespace + AF_PACKET switch"),
    "loopback": ("none: plain loopback", "none: plain loopback"),
}
_NOT_YET = {
    "weather": "links cannot be slowed or made lossy here yet: the switch only forwards and cuts; use place simulated",
    "clocks": "clocks cannot be bent here yet; use place simulated",
}


class LocalCluster:
    """Nodes on this machine; implements ``harness.cluster.base.Cluster`` and ``Storage``."""

    def __init__(
        self,
        nodes: int,
        mode: Mode,
        directory: Path,
        tree: SeedTree | None = None,
        *,
        disks: Mapping[str, Path] | None = None,
        disks_by: DisksBy = "auto",
    ) -> None:
        """Describe a cluster of ``nodes`` nodes; ``directory`` takes the warden's log and ledger.

        ``tree`` has the run's seed. ``disks``: each node's data folder, if these are to be disks that can fail and
        forget, ``disks_by`` by what means.
        """
        if not 1 <= nodes <= MAX_NODES:
            raise ClusterError(f"a local cluster has 1 to {MAX_NODES} nodes, not {nodes}")
        self._names = tuple(f"n{number}" for number in range(1, nodes + 1))
        self._mode: Mode = mode
        self._disks = disks or {}
        self._disks_by: DisksBy = disks_by
        self._tree = tree or SeedTree(0)
        self._disk_draws = {node: self._tree.stream(f"local/disk/{node}") for node in self._names}
        self._directory = directory.resolve()
        self._warden: subprocess.Popen[bytes] | None = None
        self._caller: Caller | None = None
        self._opened: Opened | None = None
        self._started: set[Identity] = set()
        self._dialling = {node: asyncio.Semaphore(DIALS_PER_NODE) for node in self._names}
        self._wires: weakref.WeakSet[LocalWire] = weakref.WeakSet()

    @property
    def place(self) -> str:
        """Return the name of this place in scenarios."""
        return "local"

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return the names of the nodes, in order."""
        return self._names

    @property
    def addresses(self) -> Mapping[str, Address]:
        """Return each node's address; empty before ``setup``."""
        places = self._opened.places if self._opened else ()
        return {place.node: Address(place.host, place.port) for place in places}

    @property
    def abilities(self) -> tuple[Ability, ...]:
        """Return what works here and how; empty before ``setup``."""
        if self._opened is None:
            return ()
        machines, links = _MECHANISMS[self._opened.mode]
        processes = Ability("processes", True, "process groups + pidfd")
        disks = _disk_abilities(self._opened, asked=bool(self._disks))
        not_yet = tuple(Ability(name, False, "none", missing) for name, missing in _NOT_YET.items())
        if self._opened.mode == "loopback":
            lost = self._opened.lost
            return (
                Ability("namespaces", False, machines, f"nodes share the host's network: {lost}"),
                Ability("links", False, links, f"no link can be cut: {lost}"),
                processes,
                *disks,
                *not_yet,
            )
        return (
            Ability("namespaces", True, machines),
            Ability("links", True, f"{links}; {self._opened.recovery}"),
            processes,
            *disks,
            *not_yet,
        )

    async def setup(self) -> None:
        """Start the warden and have it make machines and links. Leaves nothing behind if that fails."""
        if self._warden is not None:
            raise ClusterError("this cluster is set up already")
        controller = pids.identify(os.getpid())
        if controller is None:
            raise ClusterError("/proc does not show this very process: is /proc mounted?")
        self._refuse_occupied_directory()
        try:
            self._caller = self._start_warden()
            disks = {node: str(folder.resolve()) for node, folder in self._disks.items()}
            request = Open(self._mode, self._names, str(self._directory), controller, disks, self._disks_by)
            opened = _expect(Opened, await self._ask(request, SETUP_LIMIT_S))
        except BaseException as error:
            tail = self._log_tail()
            await self.teardown()
            if isinstance(error, ClusterError | OSError):
                raise ClusterError(f"cannot set up the local cluster: {error}{tail}") from error
            raise
        self._opened = opened
        if opened.switch is not None:
            self._started.add(opened.switch)
        self._started.update(opened.disks.values())

    async def spawn(self, node: str, launch: Launch) -> int:
        """Start the node's process on its machine and return its pid."""
        request = Spawn(node, launch.argv, str(launch.directory), str(launch.log), dict(launch.environment))
        process = _expect(Spawned, await self._ask(request)).process
        self._started.add(process)
        return process.pid

    async def kill(self, node: str) -> ProcessState:
        """SIGKILL the node's process group and wait until all of it is reaped."""
        return await self._command(node, Kill(node))

    async def terminate(self, node: str, grace_s: float) -> ProcessState:
        """SIGTERM the node, SIGKILL its group after the grace."""
        return await self._command(node, Terminate(node, grace_s), REQUEST_LIMIT_S + grace_s)

    async def pause(self, node: str) -> ProcessState:
        """SIGSTOP the node's process group; return when every thread of the node is stopped."""
        return await self._command(node, Pause(node))

    async def resume(self, node: str) -> ProcessState:
        """SIGCONT the node's process group."""
        return await self._command(node, Resume(node))

    async def process(self, node: str) -> ProcessState:
        """Look at the node's process now."""
        return await self._command(node, Look(node))

    async def dial(self, node: str) -> Wire:
        """Connect to the node from the clients' machine, whose links are never cut."""
        request = Dial(node, DIAL_LIMIT_S)
        async with self._dialling.get(node) or asyncio.Semaphore():
            try:
                reply, descriptor = await self._connected().ask_for_descriptor(request, REQUEST_LIMIT_S + DIAL_LIMIT_S)
            except LocalError as error:
                raise ClusterError(str(error)) from error
        if isinstance(reply, Unreachable):
            _raise_unreachable(node, reply)
        _expect(Dialled, reply)
        if descriptor is None:
            raise ClusterError(f"the warden sent no socket with the connection to {node}")
        wire = await LocalWire.adopt(descriptor)
        self._wires.add(wire)
        return wire

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links be cut; ``frames`` defines what a cut in one direction lets through."""
        if self._opened is not None and self._opened.mode == "loopback":
            if links:
                raise ClusterError(f"links cannot be cut here: {self._opened.lost}")
            return
        _expect(Done, await self._ask(Cut(tuple(sorted((link.source, link.destination) for link in links)))))

    async def link_counters(self) -> Mapping[Link, LinkCounters]:
        """Return what each link between nodes has carried and dropped; empty on plain loopback."""
        if self._opened is not None and self._opened.mode == "loopback":
            return {}
        rows = _expect(Counted, await self._ask(Count())).rows
        return {Link(row.source, row.destination): LinkCounters(row.forwarded, row.dropped) for row in rows}

    async def set_disk(self, node: str, trouble: DiskTrouble) -> None:
        """Let the node's disk have this trouble and no other from now on."""
        await self._ask_disk(node, disk_messages.Trouble(trouble, self._draw(node)))

    async def disk_counters(self, node: str) -> DiskCounters:
        """Return what troubles have done to the node's disk."""
        return (await self._disk_report(node)).counters

    async def power_off(self, node: str, arrival: Arrival) -> ProcessState:
        """Freeze and SIGKILL the node's process group, then take back what was not synced, but for what arrives so."""
        request = disk_messages.seal(disk_messages.LosePower(arrival, self._draw(node)))
        return await self._command(node, PowerOff(node, request))

    async def damage_disk(self, node: str, damage: Damage) -> tuple[Damaged, ...]:
        """Damage what is durable on the node's disk, while no process uses it."""
        reply = await self._ask_disk(node, disk_messages.DoDamage(damage, self._draw(node)), idle=True)
        if not isinstance(reply, disk_messages.Places):
            raise ClusterError(f"the disk of {node} answered with {type(reply).__name__} instead of Places")
        more = (Damaged("more", 0, 0, f"{reply.more} more places"),) if reply.more else ()
        return reply.places + more

    async def _disk_report(self, node: str) -> disk_messages.Report:
        reply = await self._ask_disk(node, disk_messages.Count())
        if not isinstance(reply, disk_messages.Report):
            raise ClusterError(f"the disk of {node} answered with {type(reply).__name__} instead of Report")
        if reply.failure:
            raise ClusterError(f"the disk of {node} failed, and not by a fault: {reply.failure}")
        return reply

    async def _ask_disk(
        self, node: str, request: disk_messages.DiskRequest, *, idle: bool = False
    ) -> disk_messages.DiskReply:
        said = _expect(DiskSaid, await self._ask(Disk(node, disk_messages.seal(request), idle)))
        try:
            return disk_messages.open_reply(said.reply)
        except LocalError as error:
            raise ClusterError(str(error)) from error

    def _draw(self, node: str) -> int:
        """Draw the seed of what chance decides in one act of a node's disk."""
        return self._disk_draws[node].below(2**53)

    async def overruns(self) -> int:
        """Return the frames lost because the switch was too slow: losses that no fault has asked for."""
        if self._opened is not None and self._opened.mode == "loopback":
            return 0
        return _expect(Counted, await self._ask(Count())).overruns

    async def disturbances(self) -> tuple[str, ...]:
        """Say so if the switch was too slow for the traffic."""
        lost = await self.overruns()
        told = [f"the switch was too slow for {lost} frames, which were lost"] if lost else []
        for node in self._opened.disks if self._opened is not None else ():
            if overflows := (await self._disk_report(node)).overflows:
                told.append(f"the disk of {node} cannot take back all it might have lost ({overflows} times)")
        return tuple(told)

    async def teardown(self) -> None:
        """End nodes, switch and warden; the namespaces go with them."""
        for wire in list(self._wires):
            wire.close()
        warden, caller = self._warden, self._caller
        self._warden = self._caller = None
        if warden is None:
            return
        reasons = []
        if caller is not None:
            if self._opened is not None:
                try:
                    await caller.ask(Close(), CLOSE_LIMIT_S)
                except LocalError as error:
                    reasons.append(str(error))
            caller.close()
        await _await_exit(warden)
        left = await self._await_end_of_started()
        if left:
            raise ClusterError(f"still running after teardown: pids {left} ({'; '.join(reasons)})")
        self._forget(warden.pid)

    def _refuse_occupied_directory(self) -> None:
        """Never overwrite the only record of processes that may have to be cleaned up."""
        try:
            book = ledger.read(self._directory)
        except LocalError as error:
            raise ClusterError(str(error)) from error
        alive = ledger.living(book) if book is not None else {}
        if alive:
            raise ClusterError(
                f"{self._directory} belongs to another cluster, of which {', '.join(alive)} still run: "
                "use another directory, or clean up first"
            )

    def _forget(self, warden: int) -> None:
        """Remove the ledger that a killed warden could not; one that cannot be removed names only the dead."""
        with contextlib.suppress(LocalError, OSError):
            book = ledger.read(self._directory)
            if book is not None and book.warden.pid == warden:
                leftovers.clear_disks(book, self._directory)
                ledger.remove(self._directory, book.warden)

    def _start_warden(self) -> Caller:
        """Start the warden with one end of a channel as its only inherited descriptor."""
        self._directory.mkdir(parents=True, exist_ok=True)
        ours, theirs = channel.pair()
        path = os.pathsep.join(filter(None, (str(SOURCE_ROOT), os.environ.get("PYTHONPATH", ""))))
        with theirs, self._log_path.open("ab") as log:
            try:
                self._warden = subprocess.Popen(
                    (sys.executable, "-P", "-m", "harness.cluster.local.warden", str(theirs.fileno())),
                    env={**os.environ, "PYTHONPATH": path},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # Ctrl-C is for the controller, which then ends the warden in order
                )
            except OSError:
                ours.close()
                raise
        return Caller(ours, f"the warden (pid {self._warden.pid}, log {self._log_path})")

    @property
    def _log_path(self) -> Path:
        return self._directory / "warden.log"

    def _log_tail(self) -> str:
        """Return the end of the warden's log, to be put behind an error."""
        try:
            text = self._log_path.read_text(errors="replace").strip()
        except OSError:
            return ""
        return f"\n{text[-LOG_TAIL_CHARACTERS:]}" if text else ""

    def _connected(self) -> Caller:
        if self._caller is None:
            raise ClusterError("the local cluster is not set up (or torn down already)")
        return self._caller

    async def _ask(self, request: Request, limit_s: float = REQUEST_LIMIT_S) -> Reply:
        try:
            return await self._connected().ask(request, limit_s)
        except LocalError as error:
            raise ClusterError(str(error)) from error

    async def _command(self, node: str, request: Request, limit_s: float = REQUEST_LIMIT_S) -> ProcessState:
        seen = _expect(Seen, await self._ask(request, limit_s))
        return ProcessState(node, seen.pid, Run(seen.run), seen.exit_code)

    async def _await_end_of_started(self) -> list[int]:
        """Wait until all processes ever started are gone; return the pids of those that are not."""
        deadline = time.monotonic() + EXIT_LIMIT_S
        while True:
            left = sorted(process.pid for process in self._started if pids.is_alive(process))
            if not left or time.monotonic() > deadline:
                return left
            await asyncio.sleep(EXIT_INTERVAL_S)


def _disk_abilities(opened: Opened, *, asked: bool) -> tuple[Ability, ...]:
    missing = ""
    if not asked:
        missing = "no fault of this run's needs it, so it was not tried"
    elif opened.no_disk:
        missing = f"disks cannot fail or forget here: {opened.no_disk}"
    power = f"SIGSTOP, SIGKILL, then {opened.disk}" if opened.disk else "none"
    return (
        Ability("power", not missing, power, missing),
        Ability("disk", not missing, opened.disk or "none", missing),
    )


async def _await_exit(warden: subprocess.Popen[bytes]) -> None:
    """Reap the warden; SIGKILL it, and thereby everything below it, if it does not end by itself."""
    deadline = time.monotonic() + EXIT_LIMIT_S
    while warden.poll() is None:
        if time.monotonic() > deadline:
            warden.send_signal(signal.SIGKILL)
            deadline += EXIT_LIMIT_S
        await asyncio.sleep(EXIT_INTERVAL_S)


def _expect(kind: type[_R], reply: Reply) -> _R:
    if not isinstance(reply, kind):
        raise ClusterError(f"the warden answered with {type(reply).__name__} instead of {kind.__name__}")
    return reply


def _raise_unreachable(node: str, reply: Unreachable) -> None:
    """Raise what the caller of ``dial`` may expect: ConnectionError or TimeoutError."""
    error = OSError(reply.errno, f"cannot connect to {node}: {reply.reason}")
    if isinstance(error, ConnectionError | TimeoutError):
        raise error
    raise ConnectionError(reply.errno, str(error))
