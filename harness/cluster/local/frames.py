"""What a cut in one direction does to a frame.

Dropping *everything* from i to j would not be a cut in one direction for TCP: j's data would reach i, but i's
acknowledgements would not reach j, and j's stream would stop too. So while only i -> j is cut, i may still *answer*
j, with nothing of its own in the answer:

| segment from i to j                             | what happens                                                |
|-------------------------------------------------|-------------------------------------------------------------|
| opens a connection (SYN without ACK)            | dropped: i cannot connect to j                              |
| accepts one of j's (SYN and ACK, no data)       | passes: j can connect to i                                  |
| refuses one of j's (RST and ACK, sequence 0)    | passes: j sees at once that nobody listens                  |
| acknowledgement or window update without data   | passes: j's stream to i keeps flowing                       |
| carries data or FIN                             | dropped, and only its acknowledgement passes in its place   |
| any other RST                                   | dropped: that i gave up is news of i                        |
| not TCP, not IPv4, a fragment                   | dropped                                                     |

Why the acknowledgement is kept when data is dropped: Linux puts acknowledgements into the data it is sending anyway
and then sends no separate one, so without this j would wait 200 ms and more just because i has something to say.
Such a frame is counted as dropped: the link did not carry what it was given. i keeps retransmitting, and a heal
delivers the stream without a gap. Note what TCP makes of this: j learns nothing of i, while i learns from j's
acknowledgements that i's own data is missing, and that j lives. TCP keepalives from i to j are acknowledgements
without data, and pass.

A frame here begins with the kernel's virtio_net_hdr (linux/virtio_net.h), 10 bytes, as PACKET_VNET_HDR delivers it.
"""

from __future__ import annotations

import struct

VNET_BYTES = 10
ETHERNET_BYTES = 14
IP_START = VNET_BYTES + ETHERNET_BYTES
IP_MIN_BYTES = 20
TCP_MIN_BYTES = 20

ETHERTYPE_IPV4 = b"\x08\x00"
PROTOCOL_TCP = 6
FRAGMENT_MASK = 0x3FFF  # more-fragments flag and offset, without don't-fragment
FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20

Frame = bytes | bytearray | memoryview


def answer_only(frame: Frame) -> tuple[Frame | None, bool]:
    """Return what of ``frame`` passes a link that is cut in this direction only, and whether that is all of it."""
    tcp = _tcp_start(frame)
    if tcp is None:
        return None, False
    flags, ip_end = frame[tcp + 13], IP_START + _u16(frame, IP_START + 2)
    header_end = tcp + (frame[tcp + 12] >> 4) * 4
    if header_end < tcp + TCP_MIN_BYTES or header_end > ip_end or ip_end > len(frame):
        return None, False
    has_data = ip_end > header_end
    if flags & RST:
        refusal = flags & ACK and frame[tcp + 4 : tcp + 8] == b"\0\0\0\0" and not has_data
        return (frame, True) if refusal else (None, False)
    if flags & SYN:
        return (frame, True) if flags & ACK and not has_data else (None, False)
    if not flags & ACK:
        return None, False
    if has_data or flags & FIN:
        return bare_acknowledgement(frame, tcp, header_end), False
    return frame, True


def bare_acknowledgement(frame: Frame, tcp: int, header_end: int) -> bytes:
    """Return the same segment without its data, FIN, PSH and URG, its checksums finished."""
    ip = bytearray(frame[IP_START:tcp])
    segment = bytearray(frame[tcp:header_end])
    segment[13] &= ~(FIN | PSH | URG) & 0xFF
    segment[16:20] = b"\0\0\0\0"  # checksum, urgent pointer
    pseudo = bytes(ip[12:20]) + struct.pack("!BBH", 0, PROTOCOL_TCP, len(segment))
    struct.pack_into("!H", segment, 16, checksum(pseudo + segment))
    struct.pack_into("!H", ip, 2, len(ip) + len(segment))
    ip[10:12] = b"\0\0"
    struct.pack_into("!H", ip, 10, checksum(bytes(ip)))
    return bytes(VNET_BYTES) + bytes(frame[VNET_BYTES:IP_START]) + bytes(ip) + bytes(segment)


def checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _tcp_start(frame: Frame) -> int | None:
    """Return where the TCP header begins; None if this is no whole TCP segment over IPv4."""
    if len(frame) < IP_START + IP_MIN_BYTES + TCP_MIN_BYTES:
        return None
    if frame[IP_START - 2 : IP_START] != ETHERTYPE_IPV4 or frame[IP_START] >> 4 != 4:
        return None
    if frame[IP_START + 9] != PROTOCOL_TCP or _u16(frame, IP_START + 6) & FRAGMENT_MASK:
        return None
    ip_bytes = (frame[IP_START] & 0xF) * 4
    tcp = IP_START + ip_bytes
    return tcp if ip_bytes >= IP_MIN_BYTES and len(frame) >= tcp + TCP_MIN_BYTES else None


def _u16(frame: Frame, offset: int) -> int:
    return int(frame[offset]) << 8 | int(frame[offset + 1])
