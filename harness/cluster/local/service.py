"""The warden at work: serves its controller's requests, each in a task of its own, until the controller is gone.

Tasks, since a dial or a graceful stop takes seconds while others must go on. There is no lock per node: whatever
changes a node's process happens between two awaits, and waiting for its end is shared by all who wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import signal
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from harness.cluster.local import cgroups, channel, kernel, ledger, resets
from harness.cluster.local.caller import Caller
from harness.cluster.local.errors import LocalError
from harness.cluster.local.estate import Estate
from harness.cluster.local.messages import (
    Account,
    Answer,
    Close,
    Count,
    Cut,
    Dial,
    Dialled,
    Disk,
    Done,
    Kill,
    Look,
    Open,
    Pause,
    PowerOff,
    Refused,
    Reply,
    Request,
    ResetConnections,
    ResetDone,
    Resume,
    Seen,
    SetRation,
    SetWeather,
    Spawn,
    Spawned,
    Terminate,
    Unreachable,
)
from harness.cluster.local.network import CLIENTS
from harness.cluster.local.processes import NodeProcess, start
from harness.cluster.local.rations import Rationing

if TYPE_CHECKING:
    from harness.cluster.local.disk_callers import Disks

SWITCH_LIMIT_S = 5.0
SWITCH_END_S = 1.0
REPLY_LIMIT_S = 10.0
REPLY_RETRY_S = 0.001
PARENT_INTERVAL_S = 1.0


def serve(control: socket.socket, estate: Estate, parent: int) -> int:
    """Serve until the controller is gone; return the exit status."""
    return asyncio.run(Service(control, estate, parent).run())


class Service:
    """One cluster's nodes, and the connection to the one who commands them."""

    def __init__(self, control: socket.socket, estate: Estate, parent: int) -> None:
        self._control = control
        self._estate = estate
        self._parent = parent
        self._places = {place.node: place for place in estate.opened.places}
        self._processes: dict[str, NodeProcess] = {}
        self._rationing = Rationing(estate.ledger.warden, self._on_gone, cgroups.hierarchy())
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._switch: Caller | None = None
        self._disks: Disks | None = None
        self._switch_pidfd: int | None = None
        self._reading = False
        self._carrier = "the switch" if estate.network is not None else "the proxies' process"

    async def run(self) -> int:
        """Serve; at the end leave nothing behind. Returns 1 if something could not be ended."""
        loop = asyncio.get_running_loop()
        self._control.setblocking(False)
        if self._estate.switch_control is not None and self._estate.opened.switch is not None:
            self._switch = Caller(self._estate.switch_control, self._carrier)
            self._switch_pidfd = os.pidfd_open(self._estate.opened.switch.pid)
        if self._estate.disks:
            from harness.cluster.local.disk_callers import Disks  # noqa: PLC0415 - only for runs that need it

            self._disks = Disks(self._estate.disks)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._over.set)
        self._resume_reading()
        watch = asyncio.create_task(self._watch_parent())
        await self._over.wait()
        watch.cancel()
        reason = await self._end_everything()
        if reason:
            _log(reason)
        return 1 if reason else 0

    # --- the connection ---

    def _resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            asyncio.get_running_loop().add_reader(self._control.fileno(), self._on_request)

    def _pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            asyncio.get_running_loop().remove_reader(self._control.fileno())

    def _on_request(self) -> None:
        try:
            packet = channel.receive(self._control)
        except BlockingIOError:
            return
        except OSError as error:
            _log(f"the control socket cannot be read: {error}")
            packet = None
        if packet is None:
            self._pause_reading()
            self._over.set()
            return
        if packet.descriptor is not None:
            os.close(packet.descriptor)  # no request carries one
        task = asyncio.create_task(self._answer(packet.data))
        self._tasks.add(task)
        task.add_done_callback(self._on_answered)
        if len(self._tasks) >= channel.IN_FLIGHT_LIMIT:
            self._pause_reading()  # the socket's buffer is the queue

    def _on_answered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._over.is_set():
            self._resume_reading()

    async def _answer(self, data: bytes) -> None:
        """Carry out one request and send its reply, whatever happens in between."""
        number, carried = channel.number_of(data), None
        try:
            reply, carried = await self._carry_out(channel.decode_ask(data).request)
        except LocalError as error:
            reply = Refused(str(error))
        except Exception as error:  # noqa: BLE001 - a defect here must reach the controller, not hang it
            reply = Refused(f"defect in the warden: {type(error).__name__}: {error}")
        try:
            await self._reply(Answer(number, reply), carried)
        finally:
            if carried is not None:
                carried.close()

    async def _reply(self, answer: Answer, carried: socket.socket | None) -> None:
        data = channel.encode(answer)
        descriptors = () if carried is None else (carried.fileno(),)
        try:
            async with asyncio.timeout(REPLY_LIMIT_S):
                while True:
                    try:
                        channel.send(self._control, data, descriptors)
                        return
                    except BlockingIOError:
                        await asyncio.sleep(REPLY_RETRY_S)
        except (TimeoutError, OSError) as error:
            _log(f"the controller takes no replies any more: {error!r}")
            self._over.set()

    async def _watch_parent(self) -> None:
        """End also when a forgotten copy of the control socket outlives the controller."""
        while os.getppid() == self._parent:  # noqa: ASYNC110 - nobody signals a change of parents
            await asyncio.sleep(PARENT_INTERVAL_S)
        self._over.set()

    # --- requests ---

    async def _carry_out(self, request: Request) -> tuple[Reply, socket.socket | None]:
        if not isinstance(request, Close):
            self._check_switch()
        match request:
            case Dial():
                return await self._dial(request)
            case Cut() | SetWeather() | Count():
                return await self._ask_switch(request), None
            case ResetConnections():
                return await self._reset_connections(request), None
            case Spawn():
                return await self._spawn(request), None
            case SetRation():
                self._rationing.set(request, self._pid(request.node))
                return Done(), None
            case Account():
                return self._rationing.account(request.node, self._pid(request.node)), None
            case Disk():
                return await self._ask_disk(request), None
            case PowerOff():
                return await self._power_off(request), None
            case Close():
                return await self._close(), None
            case Open():
                raise LocalError("the cluster is open already")
            case _:
                return await self._command(request), None

    async def _ask_disk(self, request: Disk) -> Reply:
        if self._disks is None:
            raise LocalError(f"{request.node} has no disk of ours: {self._estate.opened.no_disk}")
        process = self._process(request.node)
        if not request.idle:
            return await self._disks.ask(request)
        async with self._disks.idle(request.node):
            if process is not None and not process.is_gone:
                raise LocalError(f"{request.node} still uses its disk as process {process.identity.pid}")
            return await self._disks.ask(request)

    async def _power_off(self, request: PowerOff) -> Reply:
        """In this order: one that is not frozen may write between the end of one of its processes and of the next.

        A sync that is under way when the power goes has not ended: the disk is told before it can.
        """
        if self._disks is None:
            raise LocalError(f"{request.node} has no disk of ours: {self._estate.opened.no_disk}")
        process = self._process(request.node)
        async with self._disks.idle(request.node):
            if process is not None and not process.is_gone:
                process.signal_group(signal.SIGSTOP)  # from here on it will not see how a call of its own ends
                await self._disks.abandon(request.node)
                await process.pause()
                await process.kill()
            await self._disks.ask(Disk(request.node, request.request))
        return process.see() if process is not None else Seen(0, "gone", None)

    async def _command(self, request: Kill | Terminate | Pause | Resume | Look) -> Seen:
        process = self._process(request.node)
        if process is None:
            return Seen(0, "gone", None)
        match request:
            case Kill():
                await process.kill()
            case Terminate(_, grace_s):
                await process.terminate(grace_s)
            case Pause():
                await process.pause()
            case Resume():
                await process.resume()
            case Look():
                pass
        return process.see()

    async def _spawn(self, request: Spawn) -> Spawned:
        present = self._process(request.node)
        if present is not None and not present.is_gone:
            raise LocalError(f"{request.node} still runs as process {present.identity.pid}: kill it first")
        machine = self._estate.network.machine(request.node) if self._estate.network else None
        if self._disks is not None:
            await self._disks.attach(request.node)
            environment = self._disks.environment(request.node, request.environment)
            request = msgspec.structs.replace(request, environment=environment)
        process = start(
            request, machine.network if machine else None, self._on_gone, partial(self._let_go, request.node)
        )
        self._processes[request.node] = process
        try:
            self._rationing.started(request.node, process.identity.pid)
            self._write_ledger()
        except (LocalError, OSError):
            await process.kill()
            raise
        return Spawned(process.identity)

    async def _dial(self, request: Dial) -> tuple[Reply, socket.socket | None]:
        self._process(request.node)  # refuses an unknown name
        place = self._places[request.node]
        connection = self._client_socket()
        try:
            async with asyncio.timeout(request.timeout_s):
                await asyncio.get_running_loop().sock_connect(connection, (place.host, place.port))
        except TimeoutError:
            connection.close()
            return Unreachable(errno.ETIMEDOUT, f"no answer within {request.timeout_s:g} s"), None
        except OSError as error:
            connection.close()
            return Unreachable(error.errno or errno.EIO, error.strerror or str(error)), None
        except BaseException:
            connection.close()
            raise
        return Dialled(), connection

    def _client_socket(self) -> socket.socket:
        """Create a socket on the clients' machine; it stays there although this process does not."""
        built = self._estate.network
        with contextlib.ExitStack() as stack:
            if built is not None:
                stack.enter_context(kernel.inside(built.machine(CLIENTS).network, built.hub))
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    async def _reset_connections(self, request: ResetConnections) -> Reply:
        """Break connections where they end; on plain loopback, the proxies break those between nodes."""
        for node in request.nodes:
            self._process(node)  # refuses an unknown name
        built = self._estate.network
        if built is None:
            return await self._ask_switch(request)
        return ResetDone(resets.reset(built, request.nodes))

    async def _ask_switch(self, request: Cut | SetWeather | ResetConnections | Count) -> Reply:
        if self._switch is None:
            raise LocalError("nobody carries what the nodes say to each other: the cluster is closed")
        return await self._switch.ask(request, SWITCH_LIMIT_S)

    def _check_switch(self) -> None:
        """Refuse to go on without the switch: what looks like a partition then is no fault that anyone planned."""
        if self._switch_pidfd is None or not select.select([self._switch_pidfd], [], [], 0)[0]:
            return
        raise LocalError(
            f"{self._carrier} has died, so nothing passes any more: this run cannot be judged; tear it down"
        )

    def _process(self, node: str) -> NodeProcess | None:
        if node not in self._places:
            raise LocalError(f"no node {node!r} here; there are {', '.join(self._places)}")
        return self._processes.get(node)

    def _pid(self, node: str) -> int:
        process = self._process(node)
        return 0 if process is None or process.is_gone else process.identity.pid

    def _let_go(self, node: str) -> None:
        """A node's process was sent a SIGKILL: its disk must not keep it waiting."""
        if self._disks is not None:
            self._disks.let_go(node)

    # --- bookkeeping and the end ---

    def _on_gone(self) -> None:
        try:
            self._write_ledger()
        except LocalError as error:
            _log(str(error))  # an entry of a dead process harms nobody

    def _write_ledger(self) -> None:
        if self._over.is_set():
            return
        alive = {name: process.identity for name, process in self._processes.items() if not process.is_gone}
        alive |= self._rationing.competitors
        ledger.write(self._estate.directory, msgspec.structs.replace(self._estate.ledger, nodes=alive))

    async def _close(self) -> Reply:
        reason = await self._end_everything()
        asyncio.get_running_loop().call_soon(self._over.set)
        return Refused(reason) if reason else Done()

    async def _end_everything(self) -> str:
        """End nodes, switch and ledger; return what could not be ended. Doing it twice is harmless."""
        outcomes = await asyncio.gather(
            *(process.kill() for process in self._processes.values()), return_exceptions=True
        )
        reasons = [str(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]
        self._end_switch()
        if self._disks is not None:
            self._disks.end()  # whoever waited for one in the kernel is free now
            if reasons:
                again = (process.kill() for process in self._processes.values())
                outcomes = await asyncio.gather(*again, return_exceptions=True)
                reasons = [str(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]
        reasons += self._rationing.end()
        if not reasons:
            try:
                ledger.remove(self._estate.directory, self._estate.ledger.warden)
            except (LocalError, OSError) as error:
                reasons.append(f"cannot remove the ledger: {error}")
        return "; ".join(reasons)

    def _end_switch(self) -> None:
        if self._switch is None or self._switch_pidfd is None or self._estate.opened.switch is None:
            return
        self._switch.close()
        select.select([self._switch_pidfd], [], [], SWITCH_END_S)  # it ends by itself, and writes its capture before
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._switch_pidfd, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._estate.opened.switch.pid, 0)
        os.close(self._switch_pidfd)
        self._switch_pidfd = None


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
