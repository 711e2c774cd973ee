"""A ground in memory: nodes are only states, links only counters, and everything done to them is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace

from nemesis.ground import (
    ChangeAnswer,
    ClockBend,
    ClockReading,
    DiskCounters,
    DiskTrouble,
    Link,
    LinkCounters,
    Members,
    NodeView,
    ProcessState,
    Ration,
    Resources,
    Run,
    Weather,
)
from nemesis.record import FaultRecord
from nemesis.undo import Arrival, Damage, Damaged

STEP_S = 0.001
"""How long anything takes here."""
FIRST_PID = 1_000


class BrokenGroundError(Exception):
    """What a test has planted."""


def names(count: int) -> tuple[str, ...]:
    """Return the names of nodes: n1, n2…"""
    return tuple(f"n{number}" for number in range(1, count + 1))


class FakeGround:
    """A ground on which a test decides what goes wrong.

    ``leads``: who leads now. ``traffic``: whether cut links have anything to drop, and ``unit`` what they count.
    ``lacking``: abilities that are missing, with the reason (of one node: ``clocks n1``). ``breaks``: calls
    (``kill n1``, ``start``…) that raise. ``start_in_vain``: nodes that end as soon as they are started.
    ``stuck``: what never gets well again, whatever it is told (``cut``, ``weather``, ``clock``, ``disk``,
    or ``wall``: how far wall clocks are ahead). ``idle``: nodes that read no clock; ``doubts``: what they have read.
    ``unstoppable``: nodes that signals do not reach. ``killed_with``: the exit status of what is killed; another one if
    it ended by itself just before. ``unanswered``: changes of the members (``remove n1``…) that time out, and whether
    they happen all the same. ``silent``: nobody says who the members are.
    """

    def __init__(self, count: int = 5) -> None:
        self.nodes = names(count)
        self.leads: str | None = "n1"
        self.traffic = True
        self.unit = "packets"
        self.lacking: dict[str, str] = {}
        self.breaks: set[str] = set()
        self.start_in_vain: set[str] = set()
        self.unstoppable: set[str] = set()
        self.stuck: set[str] = set()
        self.killed_with = -9
        self.unanswered: dict[str, bool] = {}
        self.silent = False
        self.members_now = Members(0, self.nodes)
        self.log: list[str] = []
        self.cut_now: frozenset[Link] = frozenset()
        self.weather: dict[Link, Weather] = {}
        self.clocks: dict[str, ClockBend] = {}
        self.disks: dict[str, DiskTrouble] = {}
        self.rations: dict[str, Ration] = {}
        self.seen: dict[str, list[Resources]] = {}
        self.jumps: dict[str, int] = {}
        self.idle: set[str] = set()
        self.doubts: dict[str, str] = {}
        self._clock_changes = dict.fromkeys(self.nodes, 1)
        self._clocks_seen: dict[str, int | None] = dict.fromkeys(self.nodes)
        self.wall_off: dict[str, int] = {}
        self.arrivals: dict[str, Arrival] = {}
        self.damages: dict[str, Damage] = {}
        self.damaged: tuple[Damaged, ...] = (Damaged("f", 7, 1, "bit 3 flipped"),)
        self.disk_counts = dict.fromkeys(self.nodes, DiskCounters())
        self._pids = FIRST_PID
        self._states = {node: self._running(node) for node in self.nodes}
        between = (Link(a, b) for a in self.nodes for b in self.nodes if a != b)
        self._counts = dict.fromkeys(between, LinkCounters(0, 0))

    def state(self, node: str) -> Run:
        """Look at a process without touching anything."""
        return self._states[node].run

    def states(self, *nodes: str) -> list[Run]:
        """Look at several."""
        return [self.state(node) for node in nodes]

    def put(self, node: str, run: Run, exit_code: int | None = None) -> None:
        """Set a process's state."""
        self._states[node] = ProcessState(node, self._states[node].pid, run, exit_code)

    async def view(self, node: str) -> NodeView | None:
        if self.state(node) is not Run.RUNNING:
            return None
        return NodeView(node, self.leads, node == self.leads, (1, 1), 0, 1)

    async def leader(self) -> str | None:
        await asyncio.sleep(STEP_S)
        return self.leads

    async def members(self) -> Members | None:
        await asyncio.sleep(STEP_S)
        return None if self.silent else self.members_now

    async def change_members(self, node: str, *, member: bool, timeout_s: float) -> ChangeAnswer:
        call = f"{'add' if member else 'remove'} {node}"
        await self._did(call)
        happens = self.unanswered.get(call)
        if happens is not False:
            self.set_member(node, member)
        if happens is None:
            return ChangeAnswer(True)
        await asyncio.sleep(timeout_s)
        return ChangeAnswer(False, "no answer in time")

    def set_member(self, node: str, member: bool) -> None:
        """Let a node be a member, or none, as if by a change that was chosen."""
        now = self.members_now
        if (node in now.nodes) != member:
            nodes = tuple(n for n in self.nodes if (member if n == node else n in now.nodes))
            self.members_now = Members(now.version + 1, nodes)

    async def cut(self, links: frozenset[Link]) -> None:
        await self._did("cut", ",".join(f"{link.source}>{link.destination}" for link in sorted(links)))
        if "cut" not in self.stuck:
            self.cut_now = links

    async def link_counters(self) -> Mapping[Link, LinkCounters]:
        await self._did("count")
        if self.traffic:
            self._counts = {link: self._one_more_frame(link, counts) for link, counts in self._counts.items()}
        return {link: replace(counts, unit=self.unit) for link, counts in self._counts.items()}

    def _one_more_frame(self, link: Link, counts: LinkCounters) -> LinkCounters:
        """Send a frame: a cut drops it, and else weather does to it all that it does to any."""
        if link in self.cut_now:
            return replace(counts, dropped=counts.dropped + 1)
        done = self.weather.get(link, Weather()).shows_in
        more = {counter: getattr(counts, counter) + 1 for counter in done}
        return replace(counts, forwarded=counts.forwarded + 1, **more)

    async def set_weather(self, weather: Mapping[Link, Weather]) -> None:
        await self._did("weather")
        if "weather" not in self.stuck:
            self.weather.update(weather)

    async def reset_connections(self, nodes: frozenset[str]) -> int:
        await self._did("reset", ",".join(sorted(nodes)))
        return 3 * len(nodes) if self.traffic else 0

    async def set_clock(self, node: str, bend: ClockBend) -> None:
        await self._did("clock", node)
        self._clock_changes[node] += 1
        if "wall" in self.stuck:
            bend = replace(bend, wall_ahead=self.clocks.get(node, bend).wall_ahead)
        if bend != ClockBend() or "clock" not in self.stuck:
            self.clocks[node] = bend

    async def clock(self, node: str) -> ClockReading:
        true = round(asyncio.get_running_loop().time() * 1e9)
        bend = self.clocks.get(node, ClockBend())
        local = true * bend.rate_ppm // 1_000_000
        wall = local + bend.wall_ahead + self.wall_off.get(node, 0)
        if self.state(node) is Run.RUNNING and node not in self.idle:
            self._clocks_seen[node] = self._clock_changes[node]
        change, seen, doubt = self._clock_changes[node], self._clocks_seen[node], self.doubts.get(node, "")
        return ClockReading(local + self.jumps.get(node, 0), true, wall, change, seen, doubt)

    async def reset_clock(self, node: str) -> None:
        await self._did("reset", node)
        self._clock_changes[node] += 1
        self.wall_off.pop(node, None)

    async def jump_clock(self, node: str, by: int) -> None:
        await self._did("jump", node)
        self._clock_changes[node] += 1
        self.jumps[node] = self.jumps.get(node, 0) + by

    async def damage_disk(self, node: str, damage: Damage) -> tuple[Damaged, ...]:
        await self._did("damage", node)
        self.damages[node] = damage
        return self.damaged

    async def set_disk(self, node: str, trouble: DiskTrouble) -> None:
        await self._did("disk", node)
        if trouble != DiskTrouble() or "disk" not in self.stuck:
            self.disks[node] = trouble

    async def disk_counters(self, node: str) -> DiskCounters:
        counts = self.disk_counts[node]
        if "disk" in self.stuck and self.disks.get(node, DiskTrouble()) != DiskTrouble():
            self.disk_counts[node] = replace(counts, slowed=counts.slowed + 1)
        return counts

    async def power_off(self, node: str, arrival: Arrival) -> ProcessState:
        await self._did("power-off", node)
        self.arrivals[node] = arrival
        self.disk_counts[node] = DiskCounters(taken_back_bytes=100)
        if node not in self.unstoppable and self.state(node) is not Run.GONE:
            self.put(node, Run.GONE, self.killed_with)
        return self._states[node]

    async def set_ration(self, node: str, ration: Ration) -> None:
        await self._did("ration", node)
        self.rations[node] = ration

    async def resources(self, node: str) -> Resources:
        """Show the next of what a test has put up for the node, the last one for ever."""
        await asyncio.sleep(STEP_S)
        seen = self.seen.get(node, [Resources()])
        return seen.pop(0) if len(seen) > 1 else seen[0]

    async def kill(self, node: str) -> ProcessState:
        await self._did("kill", node)
        if node not in self.unstoppable and self.state(node) is not Run.GONE:
            self.put(node, Run.GONE, self.killed_with)
        return self._states[node]

    async def stop(self, node: str) -> ProcessState:
        await self._did("stop", node)
        if node not in self.unstoppable and self.state(node) is not Run.GONE:
            self.put(node, Run.GONE, 0)
        return self._states[node]

    async def start(self, node: str) -> ProcessState:
        await self._did("start", node)
        if self.state(node) is Run.GONE:
            self._states[node] = self._running(node)
            if node in self.start_in_vain:
                self.put(node, Run.GONE, 1)
        return self._states[node]

    async def pause(self, node: str) -> ProcessState:
        await self._did("pause", node)
        if node not in self.unstoppable and self.state(node) is Run.RUNNING:
            self.put(node, Run.STOPPED)
        return self._states[node]

    async def resume(self, node: str) -> ProcessState:
        await self._did("resume", node)
        if node not in self.unstoppable and self.state(node) is Run.STOPPED:
            self.put(node, Run.RUNNING)
        return self._states[node]

    async def process(self, node: str) -> ProcessState:
        await asyncio.sleep(STEP_S)
        return self._states[node]

    def can(self, ability: str, node: str = "") -> str:
        return self.lacking.get(ability, "") or self.lacking.get(f"{ability} {node}", "")

    def _running(self, node: str) -> ProcessState:
        self._pids += 1
        return ProcessState(node, self._pids, Run.RUNNING)

    async def _did(self, what: str, whom: str = "") -> None:
        call = f"{what} {whom}".rstrip()
        self.log.append(call)
        await asyncio.sleep(STEP_S)
        if {what, call} & self.breaks:
            raise BrokenGroundError(call)


class FakeJournal:
    """A journal in memory; its lines stand in the ground's log too, between what was done before and after."""

    def __init__(self, log: list[str]) -> None:
        self._log = log
        self.lines: list[tuple[str, FaultRecord]] = []

    def write(self, phase: str, record: FaultRecord) -> None:
        self.lines.append((phase, record))
        self._log.append(f"{phase} {record.number}")

    def phases(self, number: int) -> list[str]:
        """Return the phases that were journalled of one fault."""
        return [phase for phase, record in self.lines if record.number == number]


def links(pairs: Iterable[tuple[str, str]]) -> frozenset[Link]:
    """Return directed links from pairs of names."""
    return frozenset(Link(*pair) for pair in pairs)
