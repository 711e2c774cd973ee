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

import msgspec

from harness.cluster.base import Ability, Address, ClusterError, Launch, Wire
from harness.cluster.local import cgroups, channel, disk_messages, ledger, leftovers, links, pids, sky
from harness.cluster.local.caller import Caller
from harness.cluster.local.capture import DELIVERED, FILE_BYTES_MAX, LOST
from harness.cluster.local.clocks import LocalClocks
from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import (
    MAX_NODES,
    Account,
    Accounted,
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
    ResetConnections,
    ResetDone,
    Resume,
    Seen,
    SetRation,
    Spawn,
    Spawned,
    Terminate,
    Unreachable,
)
from harness.cluster.local.pids import Identity
from harness.cluster.local.processes import MINIMAL_ENVIRONMENT
from harness.cluster.local.wire import LocalWire
from harness.seeds import SeedTree
from nemesis.ground import (
    ClockBend,
    ClockReading,
    DiskCounters,
    DiskTrouble,
    Link,
    LinkCounters,
    ProcessState,
    Ration,
    Resources,
    Run,
    Weather,
)
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

_MACHINES = {
    "root": "network namespaces, as root",
    "userns": "user namespace + network namespaces",
    "loopback": "none: plain loopback",
}


class LocalCluster:
    """Nodes on this machine; implements all protocols of ``harness.cluster.base``."""

    def __init__(
        self,
        nodes: int,
        mode: Mode,
        directory: Path,
        tree: SeedTree | None = None,
        *,
        disks: Mapping[str, Path] | None = None,
        disks_by: DisksBy = "auto",
        bends_clocks: bool = False,
        capture: Path | None = None,
    ) -> None:
        """Describe a cluster of ``nodes`` nodes; ``directory`` takes the warden's log and ledger.

        ``tree`` has the run's seed: what links do by chance hangs on it. ``disks``: each node's data folder, if these
        are to be disks that can fail and forget, ``disks_by`` by what means. With ``bends_clocks`` nodes are started
        with the clock library, where there is one. ``capture`` is the folder for a capture of all frames (``capture``);
        where there are no frames, there is no capture.
        """
        if not 1 <= nodes <= MAX_NODES:
            raise ClusterError(f"a local cluster has 1 to {MAX_NODES} nodes, not {nodes}")
        self._names = tuple(f"n{number}" for number in range(1, nodes + 1))
        self._clocks = LocalClocks(self._names, directory.resolve(), tree or SeedTree(0), bent=bends_clocks)
        self._mode: Mode = mode
        self._disks = disks or {}
        self._disks_by: DisksBy = disks_by
        self._tree = tree or SeedTree(0)
        self._disk_draws = {node: self._tree.stream(f"local/disk/{node}") for node in self._names}
        self._directory = directory.resolve()
        self._seed = tree.seed if tree is not None else 0
        self._capture = capture.resolve() if capture is not None else None
        self._counted: Counted | None = None  # as of the last look
        self._warden: subprocess.Popen[bytes] | None = None
        self._caller: Caller | None = None
        self._opened: Opened | None = None
        self._started: set[Identity] = set()
        self._dialling = {node: asyncio.Semaphore(DIALS_PER_NODE) for node in self._names}
        self._wires: weakref.WeakKeyDictionary[LocalWire, str] = weakref.WeakKeyDictionary()

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

    def addresses_for(self, node: str) -> Mapping[str, Address]:
        """Return the addresses as this node has to know them: its own, and where it reaches the others."""
        detours = self._opened.detours if self._opened else ()
        own = {detour.destination: Address(detour.host, detour.port) for detour in detours if detour.source == node}
        return {**self.addresses, **own}

    @property
    def abilities(self) -> tuple[Ability, ...]:
        """Return what works here and how; empty before ``setup``."""
        if self._opened is None:
            return ()
        opened = self._opened
        machines = _MACHINES[opened.mode]
        lost = f"nodes share the host's network: {opened.lost}" if opened.mode == "loopback" else ""
        return (
            Ability("namespaces", not lost, machines, lost),
            *links.abilities(opened),
            Ability("processes", True, "process groups + pidfd"),
            Ability("cpu", True, _how_to_starve()),
            Ability("limits", True, "prlimit on the running process"),
            *_disk_abilities(opened, asked=bool(self._disks)),
            *self._clocks.abilities,
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
            capture = str(self._capture) if self._capture is not None else ""
            directory = str(self._directory)
            request = Open(self._mode, self._names, directory, controller, disks, self._disks_by, self._seed, capture)
            opened = _expect(Opened, await self._ask(request, SETUP_LIMIT_S))
            if self._clocks.bent:
                await asyncio.to_thread(self._clocks.prepare)
            self._clocks.open(opened.one_epoch)
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
        environment = {**launch.environment, **self._clocks.environment(node, launch.environment)}
        epoch_ns = self._clocks.namespace_ns(node)
        request = Spawn(node, launch.argv, str(launch.directory), str(launch.log), environment, epoch_ns)
        process = _expect(Spawned, await self._ask(request)).process
        self._clocks.started(node, process.pid, launch, MINIMAL_ENVIRONMENT["PATH"])
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

    async def set_ration(self, node: str, ration: Ration) -> None:
        """Leave the node this much of its machine."""
        request = SetRation(node, ration.times, ration.memory_room_bytes, ration.descriptor_room)
        _expect(Done, await self._ask(request))

    async def resources(self, node: str) -> Resources:
        """Look at what the node's process has."""
        return Resources(*msgspec.structs.astuple(_expect(Accounted, await self._ask(Account(node)))))

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
        self._wires[wire] = node
        return wire

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links be cut; ``frames`` and ``proxies`` say what a cut in one direction lets through."""
        _expect(Done, await self._ask(Cut(tuple(sorted((link.source, link.destination) for link in links)))))

    async def set_weather(self, weather: Mapping[Link, Weather]) -> None:
        """Let these links have this weather; all others keep theirs."""
        _expect(Done, await self._ask(sky.told(weather)))

    async def reset_connections(self, nodes: frozenset[str]) -> int:
        """Break every connection of these nodes, at both ends; return how many there were."""
        broken = _expect(ResetDone, await self._ask(ResetConnections(tuple(sorted(nodes))))).connections
        if self._opened is not None and self._opened.mode == "loopback":
            broken += sum(wire.reset() for wire, node in [*self._wires.items()] if node in nodes)
        return broken

    def told(self) -> tuple[str, ...]:
        """Say where the capture is, and how much of the run it holds."""
        if self._capture is None:
            return ()
        if self._opened is None or self._opened.mode == "loopback" or self._counted is None:
            return ("no frames were captured: that takes the switch, and so namespaces",)
        delivered, lost, left_out = self._counted.captured
        full = f"; {left_out} more did not fit into its {FILE_BYTES_MAX >> 20} MiB" if left_out else ""
        failed = f"; ended before its time: {self._counted.capture_failed}" if self._counted.capture_failed else ""
        files = (
            f"{self._capture / DELIVERED} ({delivered} frames as delivered), {LOST} beside it ({lost} not delivered)"
        )
        return (f"capture: {files}{full}{failed}",)

    async def link_counters(self) -> Mapping[Link, LinkCounters]:
        """Return what each link between nodes has carried, and what became of the rest."""
        counted = await self._count()
        assert self._opened is not None
        return links.counters(counted, self._opened)

    async def _count(self) -> Counted:
        self._counted = _expect(Counted, await self._ask(Count()))
        return self._counted

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
        return (await self._count()).overruns

    async def set_clock(self, node: str, bend: ClockBend) -> None:
        """Let the node's clocks run so from now on."""
        self._clocks.bend(node, bend)

    async def jump_clock(self, node: str, by: int) -> None:
        """Let the node's monotonic clock jump forward by some ns."""
        self._clocks.jump(node, by)

    async def reset_clock(self, node: str) -> None:
        """Set the node's wall clock right, but for what is done to it now."""
        self._clocks.reset(node)

    async def clock(self, node: str) -> ClockReading:
        """Read the node's clocks as its process sees them."""
        return await self._clocks.read(node)

    def unbendable(self, node: str) -> str:
        """Return why the node's clocks cannot be bent, "" if they can."""
        return self._clocks.lacking(node)

    async def disturbances(self) -> tuple[str, ...]:
        """Say so if the switch was too slow for the traffic, or a process's clock was not what its page said."""
        lost = await self.overruns()
        told = [f"the switch was too slow for {lost} frames, which were lost"] if lost else []
        for node in self._opened.disks if self._opened is not None else ():
            if overflows := (await self._disk_report(node)).overflows:
                told.append(f"the disk of {node} cannot take back all it might have lost ({overflows} times)")
        return (*told, *self._clocks.doubts())

    async def teardown(self) -> None:
        """End nodes, switch and warden; the namespaces go with them."""
        for wire in list(self._wires):
            wire.close()
        self._clocks.close()
        if self._capture is not None and self._opened is not None and self._caller is not None:
            with contextlib.suppress(ClusterError):
                await self._count()
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
        """Remove what a killed warden could not; a ledger that cannot be removed names only the dead."""
        with contextlib.suppress(LocalError, OSError):
            book = ledger.read(self._directory)
            if book is not None and book.warden.pid == warden:
                leftovers.clear(book, self._directory)

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


def _how_to_starve() -> str:
    where = cgroups.hierarchy()
    return f"quota of a {where}" if where is not None else "competitors on one processor"


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
