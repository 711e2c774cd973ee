"""The warden: the one process that enters the namespaces, so that the controller never has to.

    python -P -m harness.cluster.local.warden <descriptor of the control socket>

It makes network and switch first, with nothing imported that this does not need, answers ``Opened``, and only then
loads asyncio and serves (``service``). It lives exactly as long as its controller: when the control socket closes,
for whatever reason, it ends all nodes and the switch and exits. When it dies itself, the kernel ends them
(PR_SET_PDEATHSIG), and with the last process the namespaces go.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.cluster.local import channel, epochs, kernel, ledger, network, pids, probe, resets
from harness.cluster.local.capture import Capture
from harness.cluster.local.errors import LocalError
from harness.cluster.local.estate import Estate
from harness.cluster.local.ledger import Ledger
from harness.cluster.local.loopback import fork_proxies, reserve
from harness.cluster.local.messages import MAX_NODES, Answer, Detour, Open, Opened, Place, Refused, UsedMode
from harness.cluster.local.network import NODE_PORT
from harness.cluster.local.switch import fork_switch

FIRST_REQUEST_LIMIT_S = 10.0


def main(argv: list[str]) -> int:
    """Open the cluster, serve its controller, end everything."""
    if len(argv) != 1 or not argv[0].isdecimal():
        sys.stderr.write("the warden is started by LocalCluster, with the number of its control socket\n")
        return 2
    control = socket.socket(fileno=int(argv[0]))
    # Nodes never inherit it: a copy in a node would hide the warden's death from the controller.
    os.set_inheritable(control.fileno(), False)
    parent = os.getppid()
    estate = _open(control)
    if estate is None:
        return 1
    from harness.cluster.local.service import serve  # noqa: PLC0415 - asyncio only once the network is up

    return serve(control, estate, parent)


def _open(control: socket.socket) -> Estate | None:
    """Carry out the first request; None if it was refused."""
    number = 0
    try:
        control.settimeout(FIRST_REQUEST_LIMIT_S)
        packet = channel.receive(control)
        if packet is None:
            return None
        number = channel.number_of(packet.data)
        request = channel.decode_ask(packet.data).request
        if not isinstance(request, Open):
            raise LocalError(f"the first request has to be Open, not {type(request).__name__}")
        estate = _establish(request, control)
    except (LocalError, OSError) as error:
        control.send(channel.encode(Answer(number, Refused(str(error)))))
        return None
    control.send(channel.encode(Answer(number, estate.opened)))
    return estate


def _establish(request: Open, control: socket.socket) -> Estate:
    if not 1 <= len(set(request.nodes)) == len(request.nodes) <= MAX_NODES:
        raise LocalError(f"a local cluster has 1 to {MAX_NODES} nodes of different names, not {request.nodes}")
    kernel.adopt_orphans()
    mode, lost = _choose(request)
    if mode == "loopback":
        return _with_disks(request, _establish_loopback(request, lost, control))
    capture = _begin_capture(request.capture)
    try:
        built = network.build(request.nodes, user_namespace=mode == "userns")
        switch, switch_control = fork_switch(built, control, request.seed, capture)
    except LocalError as error:
        raise LocalError(f"mode {mode} does not work here: {error}; {probe.advice(mode)}") from error
    places = tuple(Place(name, str(built.machine(name).address), NODE_PORT) for name in request.nodes)
    identity = pids.Identity(switch, pids.start_ticks(switch))
    opened = Opened(
        mode, places, built.recovery, "", identity, one_epoch=epochs.why_not(), no_resets=resets.why_not(built)
    )
    estate = Estate(opened, Path(request.directory), _begin(request, opened), built, switch_control, None)
    return _with_disks(request, estate)


def _begin_capture(folder: str) -> Capture | None:
    try:
        return Capture(Path(folder)) if folder else None
    except LocalError as error:
        raise LocalError(f"the frames cannot be captured: {error}") from error


def _establish_loopback(request: Open, lost: str, control: socket.socket) -> Estate:
    reservation = reserve(request.nodes)
    proxies, proxies_control = fork_proxies(reservation, control, request.seed)
    identity = pids.Identity(proxies, pids.start_ticks(proxies))
    detours = tuple(Detour(route.source, route.destination, route.host, route.port) for route in reservation.routes)
    opened = Opened("loopback", reservation.places, "", lost, identity, one_epoch=epochs.why_not(), detours=detours)
    return Estate(opened, Path(request.directory), _begin(request, opened), None, proxies_control, reservation)


def _with_disks(request: Open, estate: Estate) -> Estate:
    """Start the nodes' disks if they are asked for; where that does not work, the run has to do without."""
    if not request.disks:
        return estate
    from harness.cluster.local import disks  # noqa: PLC0415 - only for runs that need it

    try:
        started = disks.start(request.disks, request.disks_by, Path(request.directory))
    except LocalError as error:
        return replace(estate, opened=msgspec.structs.replace(estate.opened, no_disk=str(error)))
    identities = {disk.node: disk.identity for disk in started}
    opened = msgspec.structs.replace(estate.opened, disk=disks.mechanism(started), disks=identities)
    mounts = tuple(disk.helper_mount for disk in started if disk.helper_mount)
    book = msgspec.structs.replace(estate.ledger, disks=identities, mounts=mounts)
    ledger.write(estate.directory, book)
    return replace(estate, opened=opened, ledger=book, disks=started)


def _choose(request: Open) -> tuple[UsedMode, str]:
    if request.mode == "auto":
        return probe.best_mode()
    if request.mode == "loopback":
        return "loopback", "mode loopback was asked for; mode auto uses namespaces where they work"
    return request.mode, ""


def _begin(request: Open, opened: Opened) -> Ledger:
    """Write down who there is before anyone is told."""
    warden = pids.Identity(os.getpid(), pids.start_ticks(os.getpid()))
    book = Ledger(pids.boot_id(), request.controller, warden, opened.switch, {})
    ledger.write(Path(request.directory), book)
    return book


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
