"""The simulated network: what becomes of each message on each directed link.

Between nodes, messages are datagrams: they may be late, lost, doubled or out of order, as the link's ``Weather``
says, and the node's core has to live with each. Between clients and nodes there are connections (``wire``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from harness.seeds import Stream
from harness.simulation.loop import VirtualLoop
from nemesis.delays import Delay, draw
from nemesis.ground import MILLION, Link, LinkCounters, Weather

FAIR = Delay(60_000, 240_000)
"""How late frames are while nothing disturbs their link."""
CLOG_FRAMES_MAX = 100_000
"""Frames that wait on a clogged link; what comes then is lost."""
Deliver = Callable[[bytes], None]


class Path:
    """One directed link; ``lost_before`` says of each of its weather's losses whether it took the last frame."""

    __slots__ = (
        "clogged",
        "cut",
        "delayed",
        "dropped",
        "duplicated",
        "forwarded",
        "lost",
        "lost_before",
        "reordered",
        "waiting",
        "weather",
    )

    def __init__(self) -> None:
        self.weather: Weather | None = None
        self.cut = False
        self.lost_before: list[bool] = []
        self.waiting: deque[tuple[Deliver, bytes]] = deque()
        self.forwarded = 0
        self.dropped = 0
        self.lost = 0
        self.duplicated = 0
        self.delayed = 0
        self.reordered = 0
        self.clogged = 0


class SimulatedNetwork:
    """All links between nodes."""

    def __init__(self, loop: VirtualLoop, nodes: tuple[str, ...], draws: Stream) -> None:
        self._loop = loop
        self._draws = draws
        self._paths = {Link(a, b): Path() for a in nodes for b in nodes if a != b}

    def send(self, link: Link, deliver: Deliver, frame: bytes) -> None:
        """Carry a message as the link's weather has it."""
        path = self._paths[link]
        if path.cut:
            path.dropped += 1
            return
        weather = path.weather
        if weather is None:
            path.forwarded += 1
            self._loop.at(self._loop.now_ns + self._fair(), self._arrive, path, deliver, frame)
            return
        if self._loses(path, weather):
            path.lost += 1
            return
        path.forwarded += 1
        path.delayed += bool(weather.delays)
        self._carry(path, weather, deliver, frame)
        if weather.duplicate_ppm and self._draws.below(MILLION) < weather.duplicate_ppm:
            path.duplicated += 1
            self._carry(path, weather, deliver, frame)

    def _fair(self) -> int:
        return self._draws.between(FAIR.low, FAIR.high)

    def _carry(self, path: Path, weather: Weather, deliver: Deliver, frame: bytes) -> None:
        if weather.clogged:
            self._clog(path, deliver, frame)
            return
        late = self._fair() + sum(draw(delay, self._draws.below) for delay in weather.delays)
        for reorder in weather.reorders:
            if self._draws.below(MILLION) < reorder.ppm:
                path.reordered += 1
                late += reorder.held
        self._loop.at(self._loop.now_ns + late, self._arrive, path, deliver, frame)

    def _clog(self, path: Path, deliver: Deliver, frame: bytes) -> None:
        if len(path.waiting) >= CLOG_FRAMES_MAX:
            path.lost += 1
            return
        path.clogged += 1
        path.waiting.append((deliver, frame))

    def _loses(self, path: Path, weather: Weather) -> bool:
        """Let each loss go on to its next state, as each has its own bursts; the frame is lost if any takes it."""
        for number, loss in enumerate(weather.losses):
            if loss.correlation_ppm and self._draws.below(MILLION) < loss.correlation_ppm:
                continue
            path.lost_before[number] = self._draws.below(MILLION) < loss.ppm
        return any(path.lost_before)

    def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links be cut."""
        for link, path in self._paths.items():
            path.cut = link in links

    def set_weather(self, weather: Mapping[Link, Weather]) -> None:
        """Let these links have this weather; what is under way arrives as it was to, and bursts of losses begin anew.

        What has waited on a link that is no longer clogged arrives now, in the order in which it was sent.
        """
        for link, new in weather.items():
            path = self._paths[link]
            path.weather = new if new != Weather() else None
            path.lost_before = [False] * len(new.losses)
            while path.waiting and not new.clogged:
                self._loop.at(self._loop.now_ns, self._arrive, path, *path.waiting.popleft())

    def counters(self) -> dict[Link, LinkCounters]:
        """Return what became of the frames on each link."""
        return {
            link: LinkCounters(
                path.forwarded,
                path.dropped,
                path.lost,
                path.duplicated,
                path.delayed,
                path.reordered,
                path.clogged,
            )
            for link, path in self._paths.items()
        }

    def _arrive(self, path: Path, deliver: Deliver, frame: bytes) -> None:
        """What was under way when the link was cut does not arrive either."""
        if path.cut:
            path.dropped += 1
            return
        deliver(frame)
