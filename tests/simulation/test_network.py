"""The simulated network: what is cut, lost, doubled and late, and what counts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.seeds import Stream
from harness.simulation.loop import VirtualLoop, virtual_loop
from harness.simulation.network import FAIR, SimulatedNetwork
from nemesis.ground import MILLION, Link, LinkCounters, Weather

THERE, BACK = Link("n1", "n2"), Link("n2", "n1")


class Scene:
    """Two nodes; ``arrived`` has the time and the frame of each arrival."""

    def __init__(self, seed: int = 1) -> None:
        self.loop: VirtualLoop = virtual_loop()
        self.network = SimulatedNetwork(self.loop, ("n1", "n2"), Stream(seed))
        self.arrived: list[tuple[int, bytes]] = []

    def send(self, count: int = 1, link: Link = THERE) -> None:
        for number in range(count):
            self.network.send(link, self._arrive, b"%d" % number)

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
    assert all(FAIR.delay_min <= at <= FAIR.delay_max for at, _ in scene.arrived)
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
    counters = scene.run((0, lambda: scene.send(5)), (FAIR.delay_min // 2, lambda: scene.network.cut({THERE})))  # type: ignore[arg-type]
    assert scene.arrived == []
    assert counters == LinkCounters(5, 5)


def test_weather_loses_doubles_and_delays_and_counts_each() -> None:
    scene = Scene()
    weather = Weather(delay_min=10**6, delay_max=10**8, loss_ppm=MILLION // 4, duplicate_ppm=MILLION // 2)
    scene.network.set_weather({THERE: weather})
    counters = scene.run((0, lambda: scene.send(1_000)))
    assert 200 < counters.lost < 300
    assert counters.forwarded == counters.delayed == 1_000 - counters.lost
    assert 300 < counters.duplicated < 450
    assert len(scene.arrived) == counters.forwarded + counters.duplicated
    assert all(at >= FAIR.delay_min + 10**6 for at, _ in scene.arrived)
    order = [int(frame) for _, frame in scene.arrived]
    assert order != sorted(order)


def test_weather_taken_back_leaves_the_link_as_it_was() -> None:
    scene = Scene()
    scene.network.set_weather({THERE: Weather(loss_ppm=MILLION)})
    scene.network.set_weather({THERE: Weather()})
    assert scene.run((0, lambda: scene.send(10))) == LinkCounters(10, 0)


def test_the_same_stream_gives_the_same_arrivals() -> None:
    def arrivals(seed: int) -> list[tuple[int, bytes]]:
        scene = Scene(seed)
        scene.network.set_weather({THERE: Weather(0, 10**7, 100_000, 100_000)})
        scene.run((0, lambda: scene.send(200)))
        return scene.arrived

    assert arrivals(3) == arrivals(3)
    assert arrivals(3) != arrivals(4)
