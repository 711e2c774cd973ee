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
from harness.cluster.local import channel, ledger, pids
from harness.cluster.local.caller import Caller
from harness.cluster.local.clocks import LocalClocks
from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import (
    MAX_NODES,
    Close,
    Count,
    Counted,
    Cut,
    Dial,
    Dialled,
    Done,
    Kill,
    Look,
    Mode,
    Open,
    Opened,
    Pause,
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
from harness.cluster.local.processes import MINIMAL_ENVIRONMENT
from harness.cluster.local.wire import LocalWire
from harness.seeds import SeedTree
from nemesis.ground import ClockBend, ClockReading, Link, LinkCounters, ProcessState, Run

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
    "power": "what was not synced cannot be taken back here yet; use place simulated",
    "disk": "disks cannot be slowed, failed or filled here yet; use place simulated",
}


class LocalCluster:
    """Nodes on this machine; implements ``harness.cluster.base.Cluster`` and ``Timekeeping``."""

    def __init__(
        self, nodes: int, mode: Mode, directory: Path, tree: SeedTree | None = None, *, bends_clocks: bool = False
    ) -> None:
        """Describe a cluster of ``nodes`` nodes; ``directory`` takes the warden's log and ledger.

        ``tree`` has the run's seed. With ``bends_clocks`` nodes are started with the clock library, where there is one.
        """
        if not 1 <= nodes <= MAX_NODES:
            raise ClusterError(f"a local cluster has 1 to {MAX_NODES} nodes, not {nodes}")
        self._names = tuple(f"n{number}" for number in range(1, nodes + 1))
        self._clocks = LocalClocks(self._names, directory.resolve(), tree or SeedTree(0), bent=bends_clocks)
        self._mode: Mode = mode
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
        not_yet = tuple(Ability(name, False, "none", missing) for name, missing in _NOT_YET.items())
        if self._opened.mode == "loopback":
            lost = self._opened.lost
            return (
                Ability("namespaces", False, machines, f"nodes share the host's network: {lost}"),
                Ability("links", False, links, f"no link can be cut: {lost}"),
                processes,
                *self._clocks.abilities,
                *not_yet,
            )
        return (
            Ability("namespaces", True, machines),
            Ability("links", True, f"{links}; {self._opened.recovery}"),
            processes,
            *self._clocks.abilities,
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
            request = Open(self._mode, self._names, str(self._directory), controller)
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

    async def overruns(self) -> int:
        """Return the frames lost because the switch was too slow: losses that no fault has asked for."""
        if self._opened is not None and self._opened.mode == "loopback":
            return 0
        return _expect(Counted, await self._ask(Count())).overruns

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
        slow = (f"the switch was too slow for {lost} frames, which were lost",) if lost else ()
        return (*slow, *self._clocks.doubts())

    async def teardown(self) -> None:
        """End nodes, switch and warden; the namespaces go with them."""
        for wire in list(self._wires):
            wire.close()
        self._clocks.close()
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
