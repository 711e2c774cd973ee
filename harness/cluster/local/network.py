"""The machines of a cluster: one network namespace each, wired to a hub namespace by veth pairs.

The process that builds this moves to the hub for good. The hub has no addresses and routes nothing; all that connects
two machines is the switch, which reads and writes the hub's ends of the pairs. A star instead of n(n-1) links, since
what is between two machines is decided per frame anyway, and a kernel bridge would offer no place to do that.

    n1 [eth0]----[v1] hub [v2]----[eth0] n2
                      hub [v254]--[eth0] clients

Neighbours are static: which MAC has an address can never be forgotten during a cut, and no ARP of the kernel's gets
mixed up with what was injected.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from harness.cluster.local import kernel, tuning
from harness.cluster.local.errors import LocalError
from harness.cluster.local.rtnetlink import Batch

CLIENTS = "clients"
NODE_PORT = 7000
SUBNET = IPv4Network("10.77.0.0/24")
CLIENTS_HOST = 254
LOOPBACK_INDEX = 1  # the kernel gives this number to "lo" in every namespace

# linux/if_packet.h
SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
ETH_P_ALL = 0x0003
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
# One burst of every peer's full window must fit while the switch is not scheduled.
RECEIVE_BUFFER_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Machine:
    """One namespace with one interface; ``network`` is the descriptor that keeps it alive."""

    name: str
    address: IPv4Address
    mac: bytes
    veth: str
    network: int


@dataclass(frozen=True, slots=True)
class Network:
    """All machines, the clients' one last, and the hub between them."""

    hub: int
    machines: tuple[Machine, ...]
    recovery: str

    def machine(self, name: str) -> Machine:
        """Return the machine of that name."""
        return next(machine for machine in self.machines if machine.name == name)


def build(nodes: Sequence[str], *, user_namespace: bool) -> Network:
    """Move this process to a new hub and wire one machine per node, and the clients' one, to it."""
    if user_namespace:
        kernel.new_user_namespace()
    hub = kernel.new_network_namespace()
    tuning.quieten()
    hosts = [*enumerate(nodes, start=1), (CLIENTS_HOST, CLIENTS)]
    machines = tuple(_machine(name, host) for host, name in hosts)
    kernel.enter_network(hub)
    _wire(machines)
    recovery = ""
    for machine in machines:
        with kernel.inside(machine.network, hub):
            recovery = _configure(machine, machines)
    return Network(hub, machines, recovery)


def open_port(machine: Machine) -> socket.socket:
    """Open the hub's end of a machine's wire for whole frames, offloads included."""
    try:
        port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except OSError as error:
        raise LocalError(f"cannot open an AF_PACKET socket in a network namespace: {error}") from error
    try:
        # With this header, checksums stay unfinished and segments uncut all the way, as on a real veth.
        port.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        _set_if_known(port, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        _enlarge_buffer(port)
        port.bind((machine.veth, ETH_P_ALL))
        port.setblocking(False)
    except OSError as error:
        port.close()
        raise LocalError(f"cannot prepare the AF_PACKET socket of {machine.veth}: {error}") from error
    return port


def _enlarge_buffer(port: socket.socket) -> None:
    """Make room for what arrives while the switch is not scheduled."""
    try:
        port.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except PermissionError:
        # Only the host's root may go over net.core.rmem_max; what overflows is counted (``Port.read_overruns``).
        port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)


def _set_if_known(port: socket.socket, level: int, option: int, value: int) -> None:
    try:
        port.setsockopt(level, option, value)
    except OSError as error:
        # Older than Linux 4.20: the switch then also reads what it wrote; it has to be refused.
        if error.errno != errno.ENOPROTOOPT:
            raise
        raise LocalError("AF_PACKET cannot ignore outgoing frames: Linux 4.20 or later is needed") from error


def _machine(name: str, host: int) -> Machine:
    """Create one namespace, leaving this process inside it."""
    network = kernel.new_network_namespace()
    tuning.quieten()  # before the interface is born, so that it never speaks IPv6
    mac = bytes((0x02, 0x4D, 0, 0, 0, host))
    return Machine(name, SUBNET.network_address + host, mac, f"v{host}", network)


def _wire(machines: Sequence[Machine]) -> None:
    with Batch() as batch:
        for machine in machines:
            hub_mac = bytes((0x02, 0x4D, 0, 0, 1, machine.mac[5]))
            batch.veth(machine.veth, hub_mac, "eth0", machine.mac, machine.network)
            batch.up(machine.veth)


def _configure(machine: Machine, machines: Sequence[Machine]) -> str:
    recovery = tuning.hasten_recovery()
    if machine.name == CLIENTS:
        tuning.widen_clients()
    index = socket.if_nametoindex("eth0")
    with Batch() as batch:
        batch.up("lo")
        batch.address(index, machine.address, SUBNET.prefixlen, SUBNET.broadcast_address)
        batch.up("eth0")
        for other in machines:
            if other is not machine:
                batch.neighbour(index, other.address, other.mac)
    return recovery
