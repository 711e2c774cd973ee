"""Just enough rtnetlink to make veth pairs, addresses and neighbours.

Measured when this was written: importing pyroute2 takes 90 ms, three times a whole start of Python, and half of what
a set-up of five nodes may take; calling ip(8) takes 2 ms for each of some sixty changes and demands that it is
installed. The five kinds of message needed here are a page of struct packing, sent in one batch per namespace.

Layout (linux/netlink.h, rtnetlink.h, if_link.h, neighbour.h): a header of 16 bytes, a fixed part per family, then
attributes of (length, type, value), all padded to 4 bytes.
"""

from __future__ import annotations

import os
import socket
import struct
from ipaddress import IPv4Address
from types import TracebackType

from harness.cluster.local.errors import LocalError

NETLINK_ROUTE = 0
NLMSG_ERROR = 2
RTM_NEWLINK, RTM_NEWADDR, RTM_NEWNEIGH = 16, 20, 28
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x4, 0x200, 0x400
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 18, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST = 1, 2, 4
NDA_DST, NDA_LLADDR = 1, 2
NUD_PERMANENT = 0x80
IFF_UP = 1

REPLY_LIMIT_S = 5.0
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LINK = struct.Struct("=BBHiII")
_ADDRESS = struct.Struct("=BBBBI")
_NEIGHBOUR = struct.Struct("=BBHiHBB")


class Batch:
    """Changes to one network namespace, sent together: the namespace is the one where the batch was created."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
        self._socket.settimeout(REPLY_LIMIT_S)
        self._messages: list[bytes] = []
        self._purposes: list[str] = []

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._commit()
        finally:
            self._socket.close()

    def veth(self, name: str, mac: bytes, peer_name: str, peer_mac: bytes, peer_network: int) -> None:
        """Create a veth pair: one end here, the other one born in the namespace ``peer_network``."""
        peer = (
            _LINK.pack(0, 0, 0, 0, 0, 0)
            + _attribute(IFLA_IFNAME, _name(peer_name))
            + _attribute(IFLA_ADDRESS, peer_mac)
            + _attribute(IFLA_NET_NS_FD, struct.pack("=i", peer_network))
        )
        info = _attribute(IFLA_INFO_KIND, b"veth") + _attribute(IFLA_INFO_DATA, _attribute(VETH_INFO_PEER, peer))
        body = (
            _LINK.pack(0, 0, 0, 0, 0, 0)
            + _attribute(IFLA_IFNAME, _name(name))
            + _attribute(IFLA_ADDRESS, mac)
            + _attribute(IFLA_LINKINFO, info)
        )
        self._add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"create the veth pair {name}")

    def up(self, name: str) -> None:
        """Bring an interface up."""
        body = _LINK.pack(0, 0, 0, 0, IFF_UP, IFF_UP) + _attribute(IFLA_IFNAME, _name(name))
        self._add(RTM_NEWLINK, 0, body, f"bring {name} up")

    def address(self, index: int, address: IPv4Address, prefix: int, broadcast: IPv4Address) -> None:
        """Give an interface an address."""
        body = (
            _ADDRESS.pack(socket.AF_INET, prefix, 0, 0, index)
            + _attribute(IFA_LOCAL, address.packed)
            + _attribute(IFA_ADDRESS, address.packed)
            + _attribute(IFA_BROADCAST, broadcast.packed)
        )
        self._add(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body, f"add the address {address}")

    def neighbour(self, index: int, address: IPv4Address, mac: bytes) -> None:
        """Make known for good which MAC has an address, so that no ARP is ever needed."""
        body = (
            _NEIGHBOUR.pack(socket.AF_INET, 0, 0, index, NUD_PERMANENT, 0, 0)
            + _attribute(NDA_DST, address.packed)
            + _attribute(NDA_LLADDR, mac)
        )
        self._add(RTM_NEWNEIGH, NLM_F_CREATE, body, f"add the neighbour {address}")

    def _add(self, kind: int, flags: int, body: bytes, purpose: str) -> None:
        self._purposes.append(purpose)
        flags |= NLM_F_REQUEST | NLM_F_ACK
        self._messages.append(_HEADER.pack(16 + len(body), kind, flags, len(self._purposes), 0) + body)

    def _commit(self) -> None:
        """Send each message and take its acknowledgement; the first refusal ends the batch."""
        # One by one: a refused message does not stop those behind it in the same datagram.
        for number, message in enumerate(self._messages, start=1):
            self._socket.send(message)
            code = self._acknowledgement(number)
            if code:
                raise LocalError(f"cannot {self._purposes[number - 1]}: {os.strerror(code)}")

    def _acknowledgement(self, number: int) -> int:
        try:
            data = self._socket.recv(65536)
        except TimeoutError as error:
            raise LocalError(f"the kernel did not answer: {self._purposes[number - 1]}") from error
        _, kind, _, sequence, _ = _HEADER.unpack_from(data)
        if kind != NLMSG_ERROR or sequence != number:
            raise LocalError(f"unexpected rtnetlink answer of type {kind} for message {number}")
        (code,) = struct.unpack_from("=i", data, _HEADER.size)
        return -int(code)


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def _name(name: str) -> bytes:
    return name.encode() + b"\0"
