"""Breaking TCP connections on the machines where they end, with the kernel's own means (SOCK_DESTROY, as ``ss -K``).

The socket's owner sees the connection end with an error, and the kernel sends a reset to the other end. Both ends are
ended so, since a reset does not get across a cut link. Needs a kernel with CONFIG_INET_DIAG_DESTROY, and root's rights
over the machine's namespace, which the warden has; ``why_not`` finds out by listing what there is and trying to end a
socket that is not there. Listing as well, since "no such file" is what the kernel says of a socket that is not there,
and of a protocol that it has no diagnosis for. linux/inet_diag.h and linux/sock_diag.h have the formats.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.cluster.local import kernel
from harness.cluster.local.errors import LocalError
from harness.cluster.local.network import Machine, Network

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY, SOCK_DESTROY = 20, 21
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
HEADER_BYTES = 16
ID_AT, ID_BYTES = 4, 48  # within struct inet_diag_msg
LISTEN, TIME_WAIT, CLOSE = 10, 6, 7
CONNECTED = 0xFFF & ~(1 << LISTEN | 1 << TIME_WAIT | 1 << CLOSE | 1)
RECEIVE_BYTES = 1 << 16
LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Connection:
    """A TCP socket: its kernel identity, and its two ends in an order that both of them agree on."""

    identity: bytes
    ends: frozenset[tuple[bytes, bytes]]
    addresses: tuple[bytes, bytes]


def reset(network: Network, nodes: Sequence[str]) -> int:
    """End every connection that one of these nodes has; return how many there were. Raises LocalError.

    Of a connection that ends here one end at least is there to be ended: one without any has ended by itself.
    """
    hosts = {network.machine(node).address.packed for node in nodes}
    broken = set()
    for machine in network.machines:
        with _open(machine, network.hub) as link:
            for connection in _connections(link):
                if hosts.intersection(connection.addresses) and _destroy(link, connection.identity) == 0:
                    broken.add(connection.ends)
    return len(broken)


def why_not(network: Network) -> str:
    """Return "" if connections can be ended here, else why not."""
    try:
        with _open(network.machines[0], network.hub) as link:
            _connections(link)
            code = _destroy(link, bytes(ID_BYTES))
    except LocalError as error:
        return str(error)
    return "" if code in (0, errno.ENOENT) else f"the kernel ends no connections for others ({os.strerror(code)})"


def _open(machine: Machine, hub: int) -> socket.socket:
    """Open the machine's own view of its sockets; it stays there although this process does not."""
    with kernel.inside(machine.network, hub):
        try:
            link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
        except OSError as error:
            raise LocalError(f"the kernel shows nobody's connections: {error}") from error
    link.settimeout(LIMIT_S)
    return link


def _connections(link: socket.socket) -> list[Connection]:
    """Return the TCP connections over IPv4 that the machine has now."""
    _send(link, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, CONNECTED, bytes(ID_BYTES))
    found: list[Connection] = []
    while True:
        for kind, body in _messages(link):
            if kind in (NLMSG_DONE, NLMSG_ERROR):  # a list may end with an error, too
                if code := _code(body):
                    raise LocalError(f"the kernel does not list connections: {os.strerror(code)}")
                return found
            identity = body[ID_AT : ID_AT + ID_BYTES]
            source, destination = identity[4:8], identity[20:24]
            ends = frozenset({(source, identity[0:2]), (destination, identity[2:4])})
            found.append(Connection(identity, ends, (source, destination)))


def _destroy(link: socket.socket, identity: bytes) -> int:
    """End one socket; return the kernel's error code, 0 if it is done."""
    _send(link, SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, CONNECTED, identity)
    for kind, body in _messages(link):
        if kind == NLMSG_ERROR:
            return _code(body)
    raise LocalError("the kernel did not answer when a connection was to be ended")


def _send(link: socket.socket, kind: int, flags: int, states: int, identity: bytes) -> None:
    request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, states) + identity
    try:
        link.send(struct.pack("=IHHII", HEADER_BYTES + len(request), kind, flags, 1, 0) + request)
    except OSError as error:
        raise LocalError(f"the kernel takes no questions about connections: {error}") from error


def _messages(link: socket.socket) -> Iterator[tuple[int, bytes]]:
    try:
        data = link.recv(RECEIVE_BYTES)
    except OSError as error:
        raise LocalError(f"the kernel's list of connections cannot be read: {error}") from error
    while len(data) >= HEADER_BYTES:
        length, kind = struct.unpack_from("=IH", data)
        if length < HEADER_BYTES:
            return
        yield kind, data[HEADER_BYTES:length]
        data = data[(length + 3) & ~3 :]


def _code(body: bytes) -> int:
    (negative,) = struct.unpack_from("=i", body)
    return int(-negative)
