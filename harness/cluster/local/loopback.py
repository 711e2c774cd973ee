"""Where namespaces are forbidden: each node has an address of its own within 127.0.0.0/8 of the host.

Linux answers for the whole of 127.0.0.0/8 on ``lo`` without anything being configured, so a cluster takes one
127.77.x.0/24. Which x is free is settled by an abstract Unix socket of that name: binding it is atomic, works across
users, is scoped to the same network namespace as the addresses themselves, and the kernel releases it when the
warden dies, however that happens.

Nodes do not dial each other there but proxies (``proxies``), one per directed pair, in the same subnet.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from harness.cluster.local import channel, forking
from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import Place
from harness.cluster.local.network import NODE_PORT

PROXIES_FROM = 128  # the proxies of the first node's links listen at 127.77.x.129
SUBNETS = 256
PORTS = 100


@dataclass(frozen=True, slots=True)
class Route:
    """Where one node reaches another one: the address of a proxy, which listens on ``listener``."""

    source: str
    destination: str
    host: str
    port: int
    listener: socket.socket


@dataclass(frozen=True, slots=True)
class Reservation:
    """A subnet that belongs to this cluster for as long as ``lock`` is open."""

    lock: socket.socket
    places: tuple[Place, ...]
    routes: tuple[Route, ...]


def reserve(nodes: Sequence[str]) -> Reservation:
    """Take a free subnet, and a port on which all of its nodes can listen."""
    for third in range(SUBNETS):
        lock = _lock(third)
        if lock is None:
            continue
        hosts = [str(IPv4Address(f"127.77.{third}.{host}")) for host in range(1, len(nodes) + 1)]
        for port in range(NODE_PORT, NODE_PORT + PORTS):
            if all(_can_bind(host, port) for host in hosts):
                return Reservation(lock, tuple(map(Place, nodes, hosts, [port] * len(hosts))), _routes(nodes, third))
        lock.close()
    raise LocalError(f"no free subnet 127.77.0.0/24 to 127.77.{SUBNETS - 1}.0/24: too many clusters at once")


def fork_proxies(reservation: Reservation, inherited: socket.socket, seed: int) -> tuple[int, socket.socket]:
    """Start the proxies; return their process's pid and the warden's end of its control socket."""
    ours, theirs = channel.pair()

    def work() -> None:
        from harness.cluster.local import proxies  # noqa: PLC0415 - asyncio, which the warden loads later

        proxies.carry(reservation, theirs, seed)

    pid = forking.fork("the proxies", work, (inherited, ours))
    theirs.close()
    for route in reservation.routes:
        route.listener.close()
    return pid, ours


def _routes(nodes: Sequence[str], third: int) -> tuple[Route, ...]:
    """Open a proxy's listening socket, on any port, for each directed pair."""
    routes = []
    for number, source in enumerate(nodes, start=1):
        host = f"127.77.{third}.{PROXIES_FROM + number}"
        for destination in nodes:
            if source != destination:
                listener = _listen(host)
                routes.append(Route(source, destination, host, listener.getsockname()[1], listener))
    return tuple(routes)


def _listen(host: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind((host, 0))
        listener.listen()
    except OSError as error:
        listener.close()
        raise LocalError(f"cannot listen on {host}: {error}") from error
    listener.setblocking(False)
    return listener


def _lock(third: int) -> socket.socket | None:
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        lock.bind(f"\0antipaxos/127.77.{third}.0/24")
    except OSError as error:
        lock.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise LocalError(f"cannot reserve a loopback subnet: {error}") from error
    return lock


def _can_bind(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does: TIME_WAIT is no obstacle
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True
