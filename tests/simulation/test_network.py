"""The simulated network: what is cut, lost, doubled and late, and what counts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from harness.seeds import Stream
from harness.simulation import network
from harness.simulation.loop import VirtualLoop, virtual_loop
from harness.simulation.network import FAIR, SimulatedNetwork
from nemesis.delays import Delay
from nemesis.ground import MILLION, Link, LinkCounters, Loss, Rate, Reorder, Weather

THERE, BACK = Link("n1", "n2"), Link("n2", "n1")
BOTH = frozenset({"n1", "n2"})
MS = 1_000_000


class Scene:
    """Two nodes; ``arrived`` has the time and the frame of each arrival."""

    def __init__(self, seed: int = 1) -> None:
        self.loop: VirtualLoop = virtual_loop()
        self.network = SimulatedNetwork(self.loop, ("n1", "n2"), Stream(seed))
        self.arrived: list[tuple[int, bytes]] = []

    def send(self, count: int = 1, link: Link = THERE) -> None:
        for number in range(count):
            self.network.send(link, self._arrive, b"%d" % number)

    def reset(self, node: str) -> None:
        self.network.reset(frozenset({node}), BOTH)

    def _arrive(self, frame: bytes) -> None:
        self.arrived.append((self.loop.now_ns, frame))

    def run(self, *acts: tuple[int, Callable[[], None]]) -> LinkCounters:
        """Do things at their times (ns), wait for what comes of them, and return the counters of the link there."""

        async def main() -> None:
            for at, act in acts:
                self.loop.at(at, act)
            await asyncio.sleep(60)

        self.loop.run(main())
        return self.network.counters()[THERE]


def test_an_undisturbed_link_carries_everything_once_within_its_delay() -> None:
    scene = Scene()
    counters = scene.run((0, lambda: scene.send(100)))
    assert sorted(frame for _, frame in scene.arrived) == sorted(b"%d" % number for number in range(100))
    assert all(FAIR.low <= at <= FAIR.high for at, _ in scene.arrived)
    assert counters == LinkCounters(100, 0)


def test_a_cut_is_one_way_and_healing_brings_nothing_back() -> None:
    scene = Scene()
    counters = scene.run(
        (0, lambda: scene.network.cut(frozenset({THERE}))),
        (1, lambda: scene.send(3)),
        (2, lambda: scene.send(2, BACK)),
        (10**9, lambda: scene.network.cut(frozenset())),
        (10**9 + 1, lambda: scene.send(1)),
    )
    assert len(scene.arrived) == 3
    assert counters == LinkCounters(1, 3)


def test_what_is_under_way_when_a_link_is_cut_does_not_arrive() -> None:
    scene = Scene()
    counters = scene.run((0, lambda: scene.send(5)), (FAIR.low // 2, lambda: scene.network.cut({THERE})))  # type: ignore[arg-type]
    assert scene.arrived == []
    assert counters == LinkCounters(5, 5)


def test_weather_loses_doubles_and_delays_and_counts_each() -> None:
    scene = Scene()
    weather = Weather((Delay(10**6, 10**8),), (Loss(MILLION // 4),), MILLION // 2)
    scene.network.set_weather({THERE: weather})
    counters = scene.run((0, lambda: scene.send(1_000)))
    assert 200 < counters.lost < 300
    assert counters.forwarded == counters.delayed == 1_000 - counters.lost
    assert 300 < counters.duplicated < 450
    assert len(scene.arrived) == counters.forwarded + counters.duplicated
    assert all(at >= FAIR.low + 10**6 for at, _ in scene.arrived)
    order = [int(frame) for _, frame in scene.arrived]
    assert order != sorted(order)


def test_weather_taken_back_leaves_the_link_as_it_was() -> None:
    scene = Scene()
    scene.network.set_weather({THERE: Weather(losses=(Loss(MILLION),))})
    scene.network.set_weather({THERE: Weather()})
    assert scene.run((0, lambda: scene.send(10))) == LinkCounters(10, 0)


def test_the_same_stream_gives_the_same_arrivals() -> None:
    def arrivals(seed: int) -> list[tuple[int, bytes]]:
        scene = Scene(seed)
        scene.network.set_weather({THERE: Weather((Delay(0, 10**7),), (Loss(100_000),), 100_000)})
        scene.run((0, lambda: scene.send(200)))
        return scene.arrived

    assert arrivals(3) == arrivals(3)
    assert arrivals(3) != arrivals(4)


def test_total_loss_one_way_leaves_the_other_way_alone() -> None:
    scene = Scene()
    scene.network.set_weather({THERE: Weather(losses=(Loss(MILLION),))})
    counters = scene.run((0, lambda: scene.send(5)), (1, lambda: scene.send(5, BACK)))
    assert (counters.lost, len(scene.arrived)) == (5, 5)


def test_correlated_losses_come_in_bursts_and_take_the_share_they_say() -> None:
    def fates(correlation_ppm: int) -> list[bool]:
        scene = Scene(3)
        scene.network.set_weather({THERE: Weather(losses=(Loss(200_000, correlation_ppm),))})
        scene.run((0, lambda: scene.send(20_000)))
        arrived = {int(frame) for _, frame in scene.arrived}
        return [number not in arrived for number in range(20_000)]

    for correlation_ppm, burst in ((0, 1 / 0.8), (900_000, 1 / (0.1 * 0.8))):
        lost = fates(correlation_ppm)
        bursts = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
        assert 0.17 < sum(lost) / len(lost) < 0.23
        assert 0.85 < sum(lost) / bursts / burst < 1.15


def test_losses_of_two_faults_are_independent() -> None:
    scene = Scene(5)
    scene.network.set_weather({THERE: Weather(losses=(Loss(MILLION // 2),)) + Weather(losses=(Loss(MILLION // 2),))})
    counters = scene.run((0, lambda: scene.send(2_000)))
    assert 1_400 < counters.lost < 1_600


def test_delays_of_two_faults_add_up() -> None:
    scene = Scene()
    scene.network.set_weather({THERE: Weather((Delay(10**6, 10**6),)) + Weather((Delay(10**7, 2 * 10**7),))})
    scene.run((0, lambda: scene.send(100)))
    assert all(11 * 10**6 + FAIR.low <= at <= 21 * 10**6 + FAIR.high for at, _ in scene.arrived)


def test_frames_that_are_held_back_are_overtaken_and_counted() -> None:
    scene = Scene()
    scene.network.set_weather({THERE: Weather(reorders=(Reorder(MILLION // 10, 10**9),))})
    counters = scene.run((0, lambda: scene.send(1_000)))
    held = [at for at, _ in scene.arrived if at >= 10**9]
    assert 60 < len(held) == counters.reordered < 140
    assert all(at <= FAIR.high for at, _ in scene.arrived if at < 10**9)


def test_a_clogged_link_gives_everything_at_once_and_in_order_at_the_end() -> None:
    scene = Scene()
    clog, clear = Weather(duplicate_ppm=MILLION, clogged=True), Weather()
    counters = scene.run(
        (0, lambda: scene.send(1)),
        (10, lambda: scene.network.set_weather({THERE: clog})),
        (20, lambda: scene.send(3)),
        (10**9, lambda: scene.network.set_weather({THERE: Weather((Delay(0, 5),)) + clog})),
        (10**9 + 1, lambda: scene.send(1)),
        (2 * 10**9, lambda: scene.network.set_weather({THERE: clear})),
        (2 * 10**9, lambda: scene.send(1)),
    )
    before, *clogged, after = scene.arrived
    assert before[0] <= FAIR.high
    assert clogged == [(2 * 10**9, frame) for frame in (b"0", b"0", b"1", b"1", b"2", b"2", b"0", b"0")]
    assert after[0] > 2 * 10**9
    assert (counters.clogged, counters.duplicated, counters.forwarded) == (8, 4, 6)


def test_what_waited_on_a_clogged_link_that_is_then_cut_does_not_arrive() -> None:
    scene = Scene()
    scene.network.set_weather({THERE: Weather(clogged=True)})
    counters = scene.run(
        (0, lambda: scene.send(3)),
        (1, lambda: scene.network.cut(frozenset({THERE}))),
        (2, lambda: scene.network.set_weather({THERE: Weather()})),
    )
    assert (scene.arrived, counters.dropped) == ([], 3)


def test_a_clog_holds_so_many_frames_and_loses_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "CLOG_FRAMES_MAX", 2)
    scene = Scene()
    scene.network.set_weather({THERE: Weather(clogged=True)})
    counters = scene.run((0, lambda: scene.send(5)))
    assert (counters.clogged, counters.lost) == (2, 3)


def test_a_rate_lets_frames_out_one_after_the_other() -> None:
    scene = Scene()
    scene.network.set_weather({THERE: Weather(rate=Rate(8_000, 1_000))})  # a byte a millisecond
    counters = scene.run((0, lambda: scene.send(10)))
    assert [frame for _, frame in scene.arrived] == [b"%d" % number for number in range(10)]
    for number, (at, _) in enumerate(scene.arrived, start=1):
        assert number * MS + FAIR.low <= at <= number * MS + FAIR.high
    assert counters == LinkCounters(10, 0, throttled=10)


def test_what_does_not_fit_before_a_rate_is_lost_and_an_empty_queue_takes_all() -> None:
    scene = Scene()
    scene.network.set_weather({THERE: Weather(rate=Rate(8_000, 3))})
    counters = scene.run((0, lambda: scene.send(10)), (10**9, lambda: scene.send(1)))
    assert [frame for _, frame in scene.arrived] == [b"0", b"1", b"2", b"0"]
    assert counters == LinkCounters(4, 0, lost=7, throttled=4)


def test_a_reset_takes_what_is_under_way_and_what_comes_before_the_connection_is_back() -> None:
    scene = Scene()
    broken: list[int] = []
    scene.network.set_weather({THERE: Weather((Delay(10**9, 10**9),))})
    counters = scene.run(
        (0, lambda: scene.send(3)),
        (10**6, lambda: broken.append(scene.network.reset(frozenset({"n1"}), BOTH))),
        (2 * 10**6, lambda: scene.send(2)),
        (2 * 10**6, lambda: scene.send(1, BACK)),
        (network.RECONNECT_NS + 2 * 10**6, lambda: scene.send(4)),
        (5 * 10**9, lambda: scene.network.set_weather({THERE: Weather()})),
        (6 * 10**9, lambda: scene.send(1)),
    )
    assert broken == [2]
    assert len(scene.arrived) == 5
    assert counters == LinkCounters(8, 5, delayed=7)


def test_a_connection_is_broken_once_and_only_where_there_are_two_processes() -> None:
    scene = Scene()
    broken: list[int] = []

    def reset(serving: frozenset[str] = BOTH) -> None:
        broken.append(scene.network.reset(frozenset({"n1"}), serving))

    scene.run(
        (0, lambda: reset(frozenset({"n1"}))),
        (10**9, reset),
        (10**9 + 1, reset),
        (2 * 10**9, reset),
    )
    assert broken == [0, 2, 0, 2]


def test_resets_and_cuts_leave_each_other_alone() -> None:
    scene = Scene()
    scene.run(
        (0, lambda: scene.network.cut(frozenset({THERE}))),
        (1, lambda: scene.reset("n1")),
        (10**9, lambda: scene.send(1)),
        (2 * 10**9, lambda: scene.reset("n1")),
        (2 * 10**9, lambda: scene.reset("n2")),
        (2 * 10**9 + 1, lambda: scene.network.cut(frozenset())),
        (2 * 10**9 + 2, lambda: scene.send(1)),
        (3 * 10**9, lambda: scene.send(1)),
    )
    assert len(scene.arrived) == 1
    assert scene.network.counters()[THERE].dropped == 2


def test_what_waits_on_a_clogged_link_is_lost_in_a_reset() -> None:
    scene = Scene()
    scene.network.set_weather({THERE: Weather(clogged=True)})
    counters = scene.run(
        (0, lambda: scene.send(3)),
        (1, lambda: scene.reset("n2")),
        (10**9, lambda: scene.send(1)),
        (2 * 10**9, lambda: scene.network.set_weather({THERE: Weather()})),
    )
    assert len(scene.arrived) == 1
    assert (counters.dropped, counters.clogged) == (3, 4)
