"""What passes a link that is cut in one direction, frame by frame; and what a switch's path counts."""

from __future__ import annotations

import socket
import struct

import pytest

from harness.cluster.local.frames import (
    ACK,
    ETHERNET_BYTES,
    FIN,
    IP_START,
    PSH,
    RST,
    SYN,
    URG,
    VNET_BYTES,
    answer_only,
    checksum,
)
from harness.cluster.local.later import Later
from harness.cluster.local.paths import Crossing, Path, apply_cut

OPTIONS = b"\x01\x01\x08\x0a" + bytes(range(8))  # timestamps, as on every Linux connection


def segment(
    flags: int, data: bytes = b"", *, sequence: int = 7, options: bytes = OPTIONS, fragment: int = 0x4000
) -> bytes:
    """Build a frame as the kernel hands it over: with virtio header, checksums still to be finished."""
    tcp_bytes = 20 + len(options)
    tcp = struct.pack("!HHIIBBHHH", 7000, 40000, sequence, 99, tcp_bytes // 4 << 4, flags, 512, 0xABCD, 0) + options
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + tcp_bytes + len(data), 1, fragment, 64, 6, 0)
    ip += bytes((10, 77, 0, 1)) + bytes((10, 77, 0, 2))
    vnet = struct.pack("=BBHHHH", 1, 1, 66, 1448, 34, 16)
    return vnet + b"\x02\x4d\0\0\0\x02" + b"\x02\x4d\0\0\0\x01" + b"\x08\x00" + ip + tcp + data


@pytest.mark.parametrize("flags", [ACK, SYN | ACK, ACK | URG])
def test_answers_pass_as_they_are(flags: int) -> None:
    frame = segment(flags)
    assert answer_only(frame) == (frame, True)


def test_a_refusal_passes_and_a_reset_does_not() -> None:
    refusal = segment(RST | ACK, sequence=0, options=b"")
    assert answer_only(refusal) == (refusal, True)
    assert answer_only(segment(RST | ACK, sequence=1)) == (None, False)
    assert answer_only(segment(RST, sequence=0)) == (None, False)


@pytest.mark.parametrize("flags", [SYN, 0, FIN, PSH, SYN | FIN])
def test_what_acknowledges_nothing_is_dropped(flags: int) -> None:
    assert answer_only(segment(flags)) == (None, False)
    assert answer_only(segment(flags, b"data")) == (None, False)


def test_an_acceptance_with_data_is_dropped() -> None:
    assert answer_only(segment(SYN | ACK, b"fast open")) == (None, False)


@pytest.mark.parametrize("data", [b"", b"x", b"secret" * 10_000])
@pytest.mark.parametrize("extra", [FIN, PSH | FIN, URG | FIN])
def test_of_data_and_fin_only_the_acknowledgement_passes(data: bytes, extra: int) -> None:
    frame = segment(ACK | extra, data)
    passing, whole = answer_only(frame)
    assert isinstance(passing, bytes)
    assert not whole
    assert len(passing) == len(segment(ACK))
    assert passing[:VNET_BYTES] == bytes(VNET_BYTES)
    assert passing[VNET_BYTES:IP_START] == frame[VNET_BYTES:IP_START]
    ip, tcp = passing[IP_START : IP_START + 20], passing[IP_START + 20 :]
    assert checksum(ip) == 0
    assert checksum(ip[12:] + struct.pack("!BBH", 0, 6, len(tcp)) + tcp) == 0
    assert struct.unpack("!H", ip[2:4])[0] == 20 + len(tcp)
    assert tcp[13] == ACK
    assert tcp[:13] == frame[IP_START + 20 : IP_START + 33]
    assert tcp[20:] == OPTIONS
    assert answer_only(passing) == (passing, True)


def test_what_is_not_a_whole_tcp_segment_is_dropped() -> None:
    good = segment(ACK)
    udp = good[: IP_START + 9] + b"\x11" + good[IP_START + 10 :]
    ipv6 = good[: IP_START - 2] + b"\x86\xdd" + good[IP_START:]
    fragments = [segment(ACK, fragment=0x2000), segment(ACK, fragment=0x0001)]
    header_too_long = good[: IP_START + 32] + b"\xf0" + good[IP_START + 33 :]
    header_too_short = good[: IP_START + 32] + b"\x40" + good[IP_START + 33 :]
    options_beyond = good[:IP_START] + b"\x4f" + good[IP_START + 1 :]
    for frame in (udp, ipv6, *fragments, header_too_long, header_too_short, options_beyond):
        assert answer_only(frame) == (None, False)


def test_no_prefix_of_a_frame_is_more_than_dropped() -> None:
    for frame in (segment(ACK, b"some data"), segment(SYN | ACK), segment(FIN | ACK)):
        for length in range(len(frame)):
            assert answer_only(memoryview(frame)[:length]) == (None, False)


def test_the_checksum_of_rfc_1071() -> None:
    assert checksum(b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7") == 0x220D
    assert checksum(b"\x01") == checksum(b"\x01\x00")


@pytest.fixture
def wire() -> tuple[socket.socket, socket.socket]:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def test_a_path_counts_what_it_carries_and_what_not(wire: tuple[socket.socket, socket.socket]) -> None:
    entry, out = wire
    path = Path("n1", "n2", entry, Later())
    data, bare = segment(ACK, b"data"), segment(ACK)
    for crossing, arrived in ((Crossing.OPEN, 2), (Crossing.ANSWERS, 2), (Crossing.CLOSED, 0)):
        path.crossing = crossing
        path.carry(data)
        path.carry(bare)
        got = []
        for _ in range(arrived):
            got.append(out.recv(70_000))
        with pytest.raises(BlockingIOError):
            out.recv(1)
        if crossing is Crossing.ANSWERS:
            assert len(got[0]) == len(bare)
    assert (path.forwarded, path.dropped) == (3, 3)
    for end in wire:
        end.close()


def test_a_frame_that_the_far_side_does_not_take_is_a_dropped_one(wire: tuple[socket.socket, socket.socket]) -> None:
    entry, out = wire
    path = Path("n1", "n2", entry, Later())
    out.close()
    path.carry(segment(ACK))
    assert (path.forwarded, path.dropped) == (0, 1)
    entry.close()


def test_a_cut_names_all_that_is_cut(wire: tuple[socket.socket, socket.socket]) -> None:
    pairs = [(one, other) for one in ("n1", "n2", "n3") for other in ("n1", "n2", "n3") if one != other]
    paths = {pair: Path(*pair, wire[0], Later()) for pair in pairs}

    def state() -> dict[Crossing, set[str]]:
        found: dict[Crossing, set[str]] = {}
        for (source, destination), path in paths.items():
            found.setdefault(path.crossing, set()).add(source[1] + destination[1])
        return found

    apply_cut(paths, [("n1", "n2")])
    assert state() == {Crossing.ANSWERS: {"12"}, Crossing.OPEN: {"13", "21", "23", "31", "32"}}
    apply_cut(paths, [("n1", "n2"), ("n2", "n1"), ("n3", "n1")])
    assert state() == {
        Crossing.CLOSED: {"12", "21"},
        Crossing.ANSWERS: {"31"},
        Crossing.OPEN: {"13", "23", "32"},
    }
    apply_cut(paths, [])
    assert state() == {Crossing.OPEN: {"12", "13", "21", "23", "31", "32"}}
    for end in wire:
        end.close()


def test_the_frame_of_these_tests_is_laid_out_as_documented() -> None:
    frame = segment(ACK)
    assert IP_START == VNET_BYTES + ETHERNET_BYTES
    assert frame[IP_START] == 0x45
    assert frame[IP_START + 20 + 13] == ACK
