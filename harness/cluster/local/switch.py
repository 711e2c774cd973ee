"""The switch: reads every machine's frames, and carries them along the directed links between machines.

It is a process of its own, forked by the warden before that starts its event loop. A process, since forwarding must
not stand still while the warden forks a node or waits for one to die, and since nothing else may run between two
frames. No thread, no asyncio: one epoll, and at most ``BURST`` frames from one port before the others, the control
socket and frames that have become due get a turn.

A request is answered after it is in effect: frames that were waiting in a port at that time come under the new state.
The clients' links are paths like all others, except that nobody can name them in a cut or a weather.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Sequence

from harness.cluster.local import channel, forking
from harness.cluster.local.capture import Capture
from harness.cluster.local.errors import LocalError
from harness.cluster.local.frames import ETHERNET_BYTES, VNET_BYTES
from harness.cluster.local.later import Later
from harness.cluster.local.messages import Count, Counted, Cut, Done, Reply, Request, Row, SetWeather
from harness.cluster.local.network import CLIENTS, SOL_PACKET, Machine, Network, open_port
from harness.cluster.local.paths import Path, apply_cut

BURST = 64
FRAME_LIMIT_BYTES = 1 << 17  # the largest segment before it is cut is 64 KiB and its headers
PACKET_STATISTICS = 6
GROUP_BIT = 0x01  # in the first byte of a MAC: broadcast or multicast


class Port:
    """A machine's socket in the hub, and the links that begin at this machine by destination MAC."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.socket = open_port(machine)
        self.paths: dict[bytes, Path] = {}
        self.overruns = 0

    def read_overruns(self) -> int:
        """Return the frames that the kernel dropped because the switch was too slow (reading resets its count)."""
        seen = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self.overruns += struct.unpack("=II", seen)[1]
        return self.overruns


class Switch:
    """The forwarding loop and the state of all links."""

    def __init__(self, ports: Sequence[Port], control: socket.socket, seed: int, capture: Capture | None) -> None:
        self._ports = {port.socket.fileno(): port for port in ports}
        self._control = control
        self._buffer = bytearray(FRAME_LIMIT_BYTES)
        self._view = memoryview(self._buffer)
        self._strays = 0
        self._seed = seed
        self._capture = capture
        self._later = Later()
        for port in ports:
            for other in ports:
                if other is not port:
                    path = Path(port.machine.name, other.machine.name, other.socket, self._later, capture)
                    port.paths[other.machine.mac] = path
        self._links = {
            (path.source, path.destination): path
            for port in ports
            for path in port.paths.values()
            if CLIENTS not in (path.source, path.destination)
        }

    def run(self) -> None:
        """Forward until the warden is gone."""
        poll = select.epoll()
        timer = self._later.timer
        for descriptor in (*self._ports, self._control.fileno(), timer):
            poll.register(descriptor, select.EPOLLIN)
        release, ports = self._later.release, self._ports
        while True:
            for descriptor, _ in poll.poll():
                port = ports.get(descriptor)
                if port is not None:
                    self._drain(port)
                elif descriptor == timer:
                    self._later.wake()
                elif not channel.serve(self._control, self._reply):
                    return
            release()

    def _drain(self, port: Port) -> None:
        receive, view, paths = port.socket.recv_into, self._view, port.paths
        for _ in range(BURST):
            try:
                size = receive(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                # The interface went down, or the frame's offload has no virtio form: that frame is lost, and seen.
                self._strays += 1
                continue
            path = paths.get(bytes(view[VNET_BYTES : VNET_BYTES + 6]))
            if path is not None:
                path.carry(view[:size])
            else:
                self._flood(port, view[:size])

    def _flood(self, port: Port, frame: memoryview) -> None:
        """Give broadcasts to everyone over the links as they are; anything else has no destination here."""
        if len(frame) >= VNET_BYTES + ETHERNET_BYTES and frame[VNET_BYTES] & GROUP_BIT:
            for path in port.paths.values():
                path.carry(frame)
        else:
            self._strays += 1

    def _reply(self, request: Request) -> Reply:
        from harness.cluster.local import sky  # noqa: PLC0415 - loaded by now; see there

        match request:
            case Cut(links):
                sky.check(self._links, links)
                apply_cut(self._links, links)
                return Done()
            case SetWeather():
                sky.apply(request, self._links, self._seed)
                return Done()
            case Count():
                return self._counted()
            case other:
                raise LocalError(f"the switch does not do {type(other).__name__}")

    def _counted(self) -> Counted:
        rows = tuple(map(_row, self._links.values()))
        overruns = sum(port.read_overruns() for port in self._ports.values())
        if self._capture is None:
            return Counted(rows, overruns, self._strays)
        self._capture.flush()
        return Counted(rows, overruns, self._strays, self._capture.counts, self._capture.failed)

    def close(self) -> None:
        """Write what has not been written yet."""
        if self._capture is not None:
            self._capture.flush()


def _row(path: Path) -> Row:
    """Return what a link has done; what found no room to wait in was lost like what a rate had no room for."""
    passage = path.passage
    if passage is None:
        return Row(path.source, path.destination, path.forwarded, path.dropped)
    return Row(
        path.source,
        path.destination,
        path.forwarded,
        path.dropped,
        passage.lost + path.overflowed,
        passage.duplicated,
        passage.delayed,
        passage.reordered,
        path.clogged,
        passage.throttled,
    )


def fork_switch(
    network: Network, inherited: socket.socket, seed: int, capture: Capture | None
) -> tuple[int, socket.socket]:
    """Start the switch; return its pid and the warden's end of its control socket.

    ``inherited`` is the warden's own control socket: were a copy of it to stay open in the switch, the controller
    could not see the death of the warden.
    """
    ports = [Port(machine) for machine in network.machines]
    ours, theirs = channel.pair()
    switch = Switch(ports, theirs, seed, capture)
    pid = forking.fork("the switch", lambda: _work(switch), (inherited, ours))
    theirs.close()
    for port in ports:
        port.socket.close()
    return pid, ours


def _work(switch: Switch) -> None:
    from harness.cluster.local import sky  # noqa: F401, PLC0415 - now, and not while frames wait for it

    try:
        switch.run()
    finally:
        switch.close()
