"""Weather on one of the switch's links, frame by frame, without namespaces: what comes out, when, and what counts."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path as File

import msgspec
import pytest

from harness.cluster.local import sky
from harness.cluster.local.capture import HEADER, PcapFile
from harness.cluster.local.errors import LocalError
from harness.cluster.local.frames import ACK, VNET_BYTES
from harness.cluster.local.later import FRAME_OVERHEAD_BYTES, Later
from harness.cluster.local.links import abilities
from harness.cluster.local.messages import Opened, SetWeather, UsedMode, WeatherOn
from harness.cluster.local.paths import Crossing, Path, apply_cut
from harness.seeds import SeedTree
from nemesis.delays import Delay
from nemesis.ground import MILLION, Link, Loss, Rate, Reorder, Weather
from nemesis.passage import Passage
from tests.harness.test_switch_frames import segment

MS = 1_000_000
DATA = segment(ACK, b"data")
BARE = segment(ACK)


class Wire:
    """One link between two sockets, and the clock of the real world."""

    def __init__(self, bytes_max: int = 1 << 20, *, with_dice: bool = True) -> None:
        self._entry, self._out = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._out.setblocking(False)
        self.later = Later(bytes_max)
        self.path = Path("n1", "n2", self._entry, self.later)
        self.path.passage = Passage(SeedTree(1).stream("x").below) if with_dice else None

    def close(self) -> None:
        self._entry.close()
        self._out.close()

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.path.carry(segment(ACK, b"%d" % number))

    def arrived(self) -> list[int]:
        """Return the numbers that have come out."""
        return [int(frame[len(BARE) :]) for frame in self.frames()]

    def frames(self) -> list[bytes]:
        got = []
        while True:
            try:
                got.append(self._out.recv(70_000))
            except BlockingIOError:
                return got

    def run(self, seconds: float) -> None:
        """Do for a while what the switch's loop does."""
        until = time.monotonic() + seconds
        self.later.release()
        while (rest := until - time.monotonic()) > 0:
            if select.select([self.later.timer], [], [], rest)[0]:
                self.later.wake()
                self.later.release()

    @property
    def balance(self) -> int:
        """What was put in, by the counters: came out, was dropped, was lost, or waits."""
        passage = self.path.passage
        assert passage is not None
        return self.path.forwarded + self.path.dropped + passage.lost + self.path.overflowed + self.path.waiting


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


def test_frames_come_out_when_they_are_due_and_not_before(wire: Wire) -> None:
    wire.path.change(Weather((Delay(50 * MS, 50 * MS),)))
    wire.send(*range(10))
    wire.later.release()
    assert (wire.arrived(), wire.path.waiting, wire.path.forwarded) == ([], 10, 0)
    wire.run(0.1)
    assert (wire.arrived(), wire.path.waiting, wire.path.forwarded) == (list(range(10)), 0, 10)


def test_what_comes_after_a_heal_does_not_overtake_what_is_under_way(wire: Wire) -> None:
    wire.path.change(Weather((Delay(50 * MS, 50 * MS),)))
    wire.send(1, 2)
    wire.path.change(Weather())
    wire.send(3)
    assert wire.arrived() == []
    wire.run(0.1)
    assert wire.arrived() == [1, 2, 3]
    wire.send(4)
    assert wire.arrived() == [4]


def test_a_delay_that_is_changed_keeps_the_order_too(wire: Wire) -> None:
    wire.path.change(Weather((Delay(60 * MS, 60 * MS),)))
    wire.send(1)
    wire.path.change(Weather((Delay(10 * MS, 10 * MS),)))
    wire.send(2)
    wire.run(0.1)
    assert wire.arrived() == [1, 2]


def test_after_a_weather_that_lets_frames_overtake_new_ones_need_not_wait(wire: Wire) -> None:
    wire.path.change(Weather(reorders=(Reorder(MILLION, 50 * MS),)))
    wire.send(1)
    wire.path.change(Weather())
    wire.send(2)
    assert wire.arrived() == [2]
    wire.run(0.1)
    assert wire.arrived() == [1]
    assert wire.path.passage is not None
    assert wire.path.passage.reordered == 1


def test_a_clog_ends_in_order_behind_what_was_under_way(wire: Wire) -> None:
    wire.path.change(Weather((Delay(40 * MS, 40 * MS),)))
    wire.send(1)
    wire.path.change(Weather(clogged=True))
    wire.send(2, 3)
    wire.path.change(Weather())
    wire.send(4)
    wire.later.release()
    assert wire.arrived() == []
    wire.run(0.1)
    assert (wire.arrived(), wire.path.clogged) == ([1, 2, 3, 4], 2)


def test_a_cut_takes_what_is_under_way_and_one_way_leaves_its_acknowledgements(wire: Wire) -> None:
    links = {("n1", "n2"): wire.path}
    wire.path.change(Weather((Delay(20 * MS, 20 * MS),)))
    wire.send(1, 2)
    apply_cut(links, [("n1", "n2")])
    wire.run(0.05)
    assert [len(frame) for frame in wire.frames()] == [len(BARE)] * 2
    assert (wire.path.forwarded, wire.path.dropped) == (0, 2)
    wire.path.carry(BARE)
    wire.path.crossing = Crossing.CLOSED
    wire.run(0.05)
    assert wire.frames() == []
    assert (wire.path.forwarded, wire.path.dropped) == (0, 3)


def test_frames_are_lost_and_doubled_and_everything_is_accounted_for(wire: Wire) -> None:
    weather = Weather((Delay(0, 5 * MS),), (Loss(300_000),), 200_000, (Reorder(100_000, MS),))
    wire.path.change(weather)
    for number in range(0, 400, 40):
        wire.send(*range(number, number + 40))
        assert wire.balance == number + 40 + _copies_waiting(wire)
        wire.run(0.02)
        wire.frames()
    passage = wire.path.passage
    assert passage is not None
    assert passage.lost > 50 < passage.duplicated
    assert wire.path.forwarded == 400 - passage.lost
    assert wire.balance == 400


def _copies_waiting(wire: Wire) -> int:
    return sum(not counted for *_, counted in wire.later._due)


def test_what_finds_no_memory_to_wait_in_is_lost_and_memory_comes_back() -> None:
    wire = Wire(bytes_max=3 * (len(DATA) + FRAME_OVERHEAD_BYTES))
    for weather in (Weather((Delay(20 * MS, 20 * MS),)), Weather(clogged=True)):
        wire.path.change(weather)
        before = wire.path.overflowed
        for _ in range(5):
            wire.path.carry(DATA)
        assert (wire.path.waiting, wire.path.overflowed - before) == (3, 2)
        wire.path.change(Weather())
        wire.run(0.05)
        assert len(wire.frames()) == 3
    assert wire.balance == 10
    wire.close()


def test_a_rate_counts_the_frame_without_the_kernels_own_header(wire: Wire) -> None:
    size = len(DATA) - VNET_BYTES
    wire.path.change(Weather(rate=Rate(size * 8 * 100, 10 * size)))  # 10 ms a frame
    began = time.monotonic()
    for _ in range(5):
        wire.path.carry(DATA)
    wire.run(0.03)
    assert len(wire.frames()) <= 4
    wire.run(0.1)
    assert time.monotonic() - began >= 0.05
    assert wire.path.forwarded == 5


@pytest.mark.parametrize("data", [b"", b"\x81", b"\x81\xa7clogged\x07"])
def test_malformed_weather_is_refused_before_anything_has_changed(wire: Wire, data: bytes) -> None:
    links = {("n1", "n2"): wire.path}
    good = WeatherOn(msgspec.msgpack.encode(Weather(losses=(Loss(MILLION),))), (("n1", "n2"),))
    with pytest.raises(LocalError, match="malformed weather"):
        sky.apply(SetWeather((good, WeatherOn(data, (("n1", "n2"),)))), links, 1)
    wire.send(1)
    assert wire.arrived() == [1]


def test_links_that_share_a_weather_are_told_of_it_once() -> None:
    one, other = Weather(clogged=True), Weather(rate=Rate(1, 2))
    names = [f"n{number}" for number in range(1, 26)]
    weather = {Link(a, b): one if a == "n1" else other for a in names for b in names if a != b}
    request = sky.told(weather)
    assert len(request.weathers) == 2
    assert len(msgspec.msgpack.encode(request)) < 16_000


def test_each_link_draws_from_its_own_stream_of_the_seed() -> None:
    def fates(seed: int, source: str) -> list[bool]:
        wire = Wire(with_dice=False)
        weather = Weather(losses=(Loss(500_000),))
        sky.apply(sky.told({Link(source, "n2"): weather}), {(source, "n2"): wire.path}, seed)
        passage = wire.path.passage
        assert passage is not None
        wire.close()
        return [passage.loses(weather) for _ in range(64)]

    assert fates(1, "n1") == fates(1, "n1")
    assert len({tuple(fates(seed, source)) for seed in (1, 2) for source in ("n1", "n3")}) == 4


def test_a_capture_stops_at_its_size_and_says_what_it_left_out(tmp_path: File) -> None:
    path = tmp_path / "x.pcap"
    record = 16 + len(DATA) - VNET_BYTES
    capture = PcapFile(path, len(HEADER) + 3 * record)
    for _ in range(5):
        capture.add(DATA)
    capture.flush()
    assert (capture.frames, capture.left_out, capture.failed) == (3, 2, "")
    assert path.stat().st_size == len(HEADER) + 3 * record


def test_a_capture_that_cannot_be_written_says_so(tmp_path: File) -> None:
    with pytest.raises(LocalError, match="cannot write"):
        PcapFile(tmp_path / "none" / "x.pcap")
    full = PcapFile(File("/dev/full"))
    full.add(DATA)
    full.flush()
    assert "No space left" in full.failed


@pytest.mark.parametrize("mode", ["root", "userns", "loopback"])
def test_what_links_cannot_do_says_why_and_what_to_do(mode: UsedMode) -> None:
    opened = Opened(mode, (), "fast", "use auto" if mode == "loopback" else "", None, no_resets="not built in")
    lacking = {ability.name: ability.missing for ability in abilities(opened) if not ability.works}
    if mode == "loopback":
        assert lacking == {"frames": "nothing can be lost, doubled or overtaken by proxies: use auto"}
    else:
        why = "connections cannot be broken: not built in; it takes a kernel with CONFIG_INET_DIAG_DESTROY"
        assert lacking == {"resets": why}
    assert {ability.name for ability in abilities(opened)} == {"links", "weather", "frames", "resets"}
