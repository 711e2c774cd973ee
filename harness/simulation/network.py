"""The simulated network: what becomes of each message on each directed link.

Between nodes, messages are datagrams: they may be late, lost, doubled or out of order, as the link's ``Weather``
says, and the node's core has to live with each. Between clients and nodes there are connections (``wire``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.seeds import Stream
from harness.simulation.loop import VirtualLoop
from nemesis.ground import Link, LinkCounters

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Weather:
    """How a link behaves: a delay between two bounds (ns), and chances in parts per million."""

    delay_min: int = 60_000
    delay_max: int = 240_000
    loss_ppm: int = 0
    duplicate_ppm: int = 0


class Path:
    """One directed link."""

    __slots__ = ("cut", "dropped", "forwarded", "weather")

    def __init__(self) -> None:
        self.weather = Weather()
        self.cut = False
        self.forwarded = 0
        self.dropped = 0


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
        if path.cut or (weather.loss_ppm and self._draws.below(MILLION) < weather.loss_ppm):
            path.dropped += 1
            return
        path.forwarded += 1
        self._loop.at(self._loop.now_ns + self.delay(weather), self._arrive, path, deliver, frame)
        if weather.duplicate_ppm and self._draws.below(MILLION) < weather.duplicate_ppm:
            self._loop.at(self._loop.now_ns + self.delay(weather), self._arrive, path, deliver, frame)

    def delay(self, weather: Weather) -> int:
        """Draw a delay in ns."""
        return weather.delay_min + self._draws.below(weather.delay_max - weather.delay_min + 1)

    def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links be cut."""
        for link, path in self._paths.items():
            path.cut = link in links

    def counters(self) -> dict[Link, LinkCounters]:
        """Return what each link has carried and dropped."""
        return {link: LinkCounters(path.forwarded, path.dropped) for link, path in self._paths.items()}

    def _arrive(self, path: Path, deliver: Callable[[bytes], None], frame: bytes) -> None:
        """What was under way when the link was cut does not arrive either."""
        if path.cut:
            path.dropped += 1
            return
        deliver(frame)
