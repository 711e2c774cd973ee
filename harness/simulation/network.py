"""The simulated network: what becomes of each message on each directed link.

Between nodes, messages are datagrams: they may be late, lost, doubled or out of order, as the link's ``Weather``
says, and the node's core has to live with each. Between clients and nodes there are connections (``wire``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from harness.seeds import Stream
from harness.simulation.loop import VirtualLoop
from nemesis.delays import Delay
from nemesis.ground import Link, LinkCounters, Weather
from nemesis.passage import Passage

FAIR = Delay(60_000, 240_000)
"""How late frames are while nothing disturbs their link."""
CLOG_FRAMES_MAX = 100_000
"""Frames that wait on a clogged link; what comes then is lost."""
Deliver = Callable[[bytes], None]


RECONNECT_NS = 50_000_000
"""How long peers are without a connection after one was reset: the node's own wait before it dials again."""


class Path(Passage):
    """One directed link; ``closed`` while nothing passes it: it is ``cut``, or without a connection (``down``).

    When its connections are reset, what is under way belongs to a path of the past, whose frames count for its heir.
    """

    __slots__ = ("clogged", "closed", "cut", "down", "dropped", "forwarded", "heir", "waiting")

    def __init__(self, draws: Stream) -> None:
        super().__init__(draws.below)
        self.cut = False
        self.down = 0
        self.closed = False
        self.heir: Path = self
        self.waiting: deque[tuple[Deliver, bytes]] = deque()
        self.forwarded = 0
        self.dropped = 0
        self.clogged = 0

    def refresh(self) -> None:
        """Say again whether anything passes."""
        self.closed = self.cut or self.down > 0

    def bequeath(self, heir: Path) -> None:
        """Let another path be this link from now on; what waits on this one is lost."""
        for name in ("cut", "down", "forwarded", "clogged", "lost", "duplicated", "delayed", "reordered", "throttled"):
            setattr(heir, name, getattr(self, name))
        heir.dropped = self.dropped + len(self.waiting)
        if self.weather is not None:
            heir.change(self.weather)
        heir.refresh()
        self.waiting.clear()
        self.closed = True
        self.heir = heir


class SimulatedNetwork:
    """All links between nodes."""

    def __init__(self, loop: VirtualLoop, nodes: tuple[str, ...], draws: Stream) -> None:
        self._loop = loop
        self._draws = draws
        self._paths = {Link(a, b): Path(draws) for a in nodes for b in nodes if a != b}

    def send(self, link: Link, deliver: Deliver, frame: bytes) -> None:
        """Carry a message as the link's weather has it."""
        path = self._paths[link]
        if path.closed:
            path.dropped += 1
            return
        weather = path.weather
        if weather is None:
            path.forwarded += 1
            self._loop.at(self._loop.now_ns + self._fair(), self._arrive, path, deliver, frame)
            return
        if path.loses(weather):
            return
        queued = 0 if weather.clogged else path.queue(weather, self._loop.now_ns, len(frame))
        if queued is None:
            return
        path.forwarded += 1
        path.delayed += bool(weather.delays)
        self._carry(path, weather, queued, deliver, frame)
        if path.doubles(weather):
            self._carry(path, weather, queued, deliver, frame)

    def _fair(self) -> int:
        return self._draws.between(FAIR.low, FAIR.high)

    def _carry(self, path: Path, weather: Weather, queued: int, deliver: Deliver, frame: bytes) -> None:
        if weather.clogged:
            self._clog(path, deliver, frame)
            return
        late = queued + self._fair() + path.lateness(weather)
        self._loop.at(self._loop.now_ns + late, self._arrive, path, deliver, frame)

    def _clog(self, path: Path, deliver: Deliver, frame: bytes) -> None:
        if len(path.waiting) >= CLOG_FRAMES_MAX:
            path.lost += 1
            return
        path.clogged += 1
        path.waiting.append((deliver, frame))

    def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links be cut."""
        for link, path in self._paths.items():
            path.cut = link in links
            path.refresh()

    def reset(self, nodes: frozenset[str], serving: frozenset[str]) -> int:
        """Break the connections between these nodes and all others; return how many there were.

        There is one each way between two nodes that are ``serving``, unless it has been broken and not yet made again.
        What is under way, and what comes before there are connections again, is lost.
        """
        links = [link for link in self._paths if link.source in nodes or link.destination in nodes]
        broken = 0
        for link in links:
            path, heir = self._paths[link], Path(self._draws)
            broken += link.source in serving and link.destination in serving and not path.down
            path.bequeath(heir)
            self._paths[link] = heir
            heir.down += 1
            heir.refresh()
            self._loop.at(self._loop.now_ns + RECONNECT_NS, self._connect_again, link)
        return broken

    def _connect_again(self, link: Link) -> None:
        path = self._paths[link]
        path.down -= 1
        path.refresh()

    def set_weather(self, weather: Mapping[Link, Weather]) -> None:
        """Let these links have this weather; what is under way arrives as it was to, and bursts of losses begin anew.

        What has waited on a link that is no longer clogged arrives now, in the order in which it was sent.
        """
        for link, new in weather.items():
            path = self._paths[link]
            path.change(new)
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
                path.throttled,
            )
            for link, path in self._paths.items()
        }

    def _arrive(self, path: Path, deliver: Deliver, frame: bytes) -> None:
        """What was under way when the link was cut does not arrive either."""
        if path.closed:
            while path.heir is not path:
                path = path.heir
            path.dropped += 1
            return
        deliver(frame)
