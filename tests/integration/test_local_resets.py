"""Breaking connections with the kernel's means: how many were broken, and what is said where the kernel has none."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from harness.cluster.local import kernel, network, resets
from harness.cluster.local.network import Machine, Network
from harness.cluster.local.resets import Connection
from harness.doctor.trial import Found, try_all
from tests.integration.local_support import require_namespaces

pytestmark = pytest.mark.integration

NO_PROTOCOL = 253  # for experiments: no kernel has a diagnosis for it
NO_FAMILY = 31
AT_ONCE = struct.pack("ii", 1, 0)


def of_a_machine(count: Callable[[Network], int], folder: Path) -> Found:
    """Have a child count something on a machine of its own; return what came of it."""

    def attempt(_: Path) -> str:
        built = network.build(("n1",), user_namespace=True)
        return str(count(built))

    return try_all({"child": attempt}, folder, 20)["child"]


def pairs_on(built: Network, number: int) -> list[tuple[socket.socket, socket.socket]]:
    """Return both ends of some connections of a machine with itself."""
    machine = built.machine("n1")
    with kernel.inside(machine.network, built.hub):
        listener = socket.create_server((str(machine.address), 7000))
        dialled = [socket.create_connection((str(machine.address), 7000)) for _ in range(number)]
    return [(end, listener.accept()[0]) for end in dialled]


def test_a_connection_is_counted_once_and_one_that_has_ended_by_itself_is_not(tmp_path: Path) -> None:
    """Which the kernel ends first of two ends it says it has ended; the other one may be gone by then."""
    require_namespaces("userns")

    def count(built: Network) -> int:
        ends = pairs_on(built, 3)
        listed = resets._connections

        def then_one_ends(link: socket.socket) -> list[Connection]:
            found = listed(link)
            if not found:  # the clients' machine
                return found
            assert len(found) == 6
            ends[0][0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            ends[0][0].close()
            return found

        resets._connections = then_one_ends
        return resets.reset(built, ["n1"])

    assert of_a_machine(count, tmp_path) == Found(name="child", works=True, how="2")


def here() -> Network:
    """Return this process's own machine as if it were a cluster's."""
    machine = Machine("n1", IPv4Address("127.0.0.1"), bytes(6), "", -1)
    return Network(-1, (machine,), "")


@pytest.fixture
def staying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "inside", lambda network, home: contextlib.nullcontext())


@pytest.mark.usefixtures("staying")
def test_a_kernel_without_a_diagnosis_of_tcp_ends_no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "IPPROTO_TCP", NO_PROTOCOL)
    assert resets.why_not(here()) == "the kernel does not list connections: No such file or directory"


@pytest.mark.usefixtures("staying")
def test_a_kernel_without_a_diagnosis_of_sockets_is_no_obstacle_to_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resets, "NETLINK_SOCK_DIAG", NO_FAMILY)
    assert resets.why_not(here()).startswith("the kernel shows nobody's connections: ")
