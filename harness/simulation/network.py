"""The simulated network: what becomes of each message on each directed link.

Between nodes, messages are datagrams: they may be late, lost, doubled or out of order, as the link's ``Weather``
says, and the node's core has to live with each. Between clients and nodes there are connections (``wire``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.seeds import Stream
from harness.simulation.loop import VirtualLoop
from nemesis.ground import MILLION, Link, LinkCounters, Weather

FAIR = Weather(delay_min=60_000, delay_max=240_000)
"""What links are like while nothing disturbs them."""


class Path:
    """One directed link."""

    __slots__ = ("cut", "delayed", "disturbed", "dropped", "duplicated", "forwarded", "lost", "weather")

    def __init__(self) -> None:
        self.weather = FAIR
        self.disturbed = False
        self.cut = False
        self.forwarded = 0
        self.dropped = 0
        self.lost = 0
        self.duplicated = 0
        self.delayed = 0


class SimulatedNetwork:
    """All links between nodes."""

    def __init__(self, loop: VirtualLoop, nodes: tuple[str, ...], draws: Stream) -> None:
        self._loop = loop
        self._draws = draws
        self._paths = {Link(a, b): Path() for a in nodes for b in nodes if a != b}

    def send(self, link: Link, deliver: Callable[[bytes], None], frame: bytes) -> None:
        """Carry a message as the link's weather has it."""
        path = self._paths[link]
        weather = path.weather
        if path.cut:
            path.dropped += 1
            return
        if weather.loss_ppm and self._draws.below(MILLION) < weather.loss_ppm:
            path.lost += 1
            return
        path.forwarded += 1
        path.delayed += path.disturbed
        self._loop.at(self._loop.now_ns + self.delay(weather), self._arrive, path, deliver, frame)
        if weather.duplicate_ppm and self._draws.below(MILLION) < weather.duplicate_ppm:
            path.duplicated += 1
            self._loop.at(self._loop.now_ns + self.delay(weather), self._arrive, path, deliver, frame)

    def delay(self, weather: Weather) -> int:
        """Draw a delay in ns."""
        return weather.delay_min + self._draws.below(weather.delay_max - weather.delay_min + 1)

    def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links be cut."""
        for link, path in self._paths.items():
            path.cut = link in links

    def set_weather(self, weather: Mapping[Link, Weather]) -> None:
        """Let these links have this weather over their own; what is under way arrives as it was to."""
        for link, more in weather.items():
            path = self._paths[link]
            path.weather = FAIR + more
            path.disturbed = more.delay_max > 0

    def counters(self) -> dict[Link, LinkCounters]:
        """Return what became of the frames on each link."""
        return {
            link: LinkCounters(path.forwarded, path.dropped, path.lost, path.duplicated, path.delayed)
            for link, path in self._paths.items()
        }

    def _arrive(self, path: Path, deliver: Callable[[bytes], None], frame: bytes) -> None:
        """What was under way when the link was cut does not arrive either."""
        if path.cut:
            path.dropped += 1
            return
        deliver(frame)
