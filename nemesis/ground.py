"""What a fault needs to know and touch of the place where the nodes live.

The nemesis never imports the harness; the harness hands in an object of this shape. Everything here is either an
*action* on one node or link, or an *observation*: evidence is collected by the same faults that inject, so both have
to be within reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from nemesis.delays import Delay
from nemesis.undo import Arrival, Damage, Damaged


class Link(NamedTuple):
    """A directed link: what ``source`` sends to ``destination``."""

    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class LinkCounters:
    """Frames of a directed link since the cluster was set up.

    ``dropped`` are those that met a cut; ``lost``, ``duplicated``, ``delayed``, ``reordered`` (held back, for later
    ones to overtake), ``clogged`` (had to wait for a clog's end) and ``throttled`` (crossed a limit of the rate) is
    what weather did. ``unit`` is what is counted: a place that carries streams has no frames to count.
    """

    forwarded: int
    dropped: int
    lost: int = 0
    duplicated: int = 0
    delayed: int = 0
    reordered: int = 0
    clogged: int = 0
    throttled: int = 0
    unit: str = "packets"


MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Loss:
    """Frames are lost with a chance; with a correlation, in bursts (``nemesis.faults.LinkFault`` has the formula)."""

    ppm: int
    correlation_ppm: int = 0


@dataclass(frozen=True, slots=True)
class Reorder:
    """Frames are held back by ``held`` ns with a chance, so that later ones overtake them."""

    ppm: int
    held: int


@dataclass(frozen=True, slots=True)
class Rate:
    """How much passes: one frame after the other, and what does not fit into the queue before it is lost."""

    bits_per_s: int
    queue_bytes: int


@dataclass(frozen=True, slots=True)
class Weather:
    """What a link does to frames over its own nature. Weathers add up: each keeps its own dice.

    ``delays`` are drawn each and summed; a frame is lost if any of ``losses`` takes it; while ``clogged``, frames wait.
    The chance to be doubled is one number, certain at most. Of several rates the lowest counts, with its queue.
    """

    delays: tuple[Delay, ...] = ()
    losses: tuple[Loss, ...] = ()
    duplicate_ppm: int = 0
    reorders: tuple[Reorder, ...] = ()
    clogged: bool = False
    rate: Rate | None = None

    def __add__(self, other: Weather) -> Weather:
        return Weather(
            self.delays + other.delays,
            self.losses + other.losses,
            min(MILLION, self.duplicate_ppm + other.duplicate_ppm),
            self.reorders + other.reorders,
            self.clogged or other.clogged,
            _lower(self.rate, other.rate),
        )

    @property
    def shows_in(self) -> frozenset[str]:
        """The counters (of ``LinkCounters``) that grow because of it, whatever else there is on the link."""
        does: dict[str, object] = {
            "lost": self.losses,
            "duplicated": self.duplicate_ppm,
            "delayed": self.delays,
            "reordered": self.reorders,
            "clogged": self.clogged,
            "throttled": self.rate,
        }
        return frozenset(counter for counter, what in does.items() if what)

    @property
    def overtakes(self) -> bool:
        """Whether later frames may overtake earlier ones: a spread of the delays does that, too."""
        return bool(self.reorders) or any(delay.low != delay.high for delay in self.delays)


def _lower(one: Rate | None, other: Rate | None) -> Rate | None:
    """Return the rate that is the bottleneck of two in a row."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda rate: (rate.bits_per_s, rate.queue_bytes))


@dataclass(frozen=True, slots=True)
class ClockBend:
    """How a node's clocks depart from true time.

    Both run too fast by ``ppm`` parts per million, or stand still (``frozen``), for they share their oscillator; the
    wall clock is ``wall_ahead`` ns ahead of where it would be besides.
    """

    ppm: int = 0
    frozen: bool = False
    wall_ahead: int = 0

    def __add__(self, other: ClockBend) -> ClockBend:
        return ClockBend(self.ppm + other.ppm, self.frozen or other.frozen, self.wall_ahead + other.wall_ahead)

    @property
    def rate_ppm(self) -> int:
        """The clock's rate in parts per million of true time, 1 000 000 if it is right; it never runs backwards."""
        return 0 if self.frozen else max(0, MILLION + self.ppm)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A node's monotonic and wall clocks and true time, read at one moment (ns; where each begins means nothing).

    Where what nodes are told of their clocks and what they read are two things, ``change`` counts the changes that were
    made to them; ``seen`` is the latest one after which a process of the node has read them itself, None if none ever
    has; ``doubt`` says, in a sentence, where one has read something else since than what is read here.
    """

    local: int
    true: int
    wall: int
    change: int = 0
    seen: int | None = 0
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class DiskTrouble:
    """What is wrong with a node's disk.

    A sync takes ``times`` as long, or does not end at all while ``stalled``; the next sync fails with EIO
    (``fails_next``) and the pages it was for count as clean from then on; the next write fails with EIO
    (``fails_next_write``); every write is refused with ENOSPC (``full``); every sync says that it is done and makes
    nothing durable (``lies``); a read returns one wrong bit with the chance ``misread_ppm``, of what is right at rest.

    Of several troubles at once the slowest counts: were their factors multiplied, two ordinary ones could make one sync
    outlast both, and the run, by minutes.
    """

    times: int = 1
    stalled: bool = False
    fails_next: bool = False
    full: bool = False
    lies: bool = False
    fails_next_write: bool = False
    misread_ppm: int = 0

    @property
    def fails(self) -> bool:
        """Whether a node that uses it has to end."""
        return self.fails_next or self.fails_next_write or self.full

    @property
    def shows_in(self) -> frozenset[str]:
        """The counters (of ``DiskCounters``) that grow because of it, whatever else is wrong with the disk."""
        does = {
            "slowed": self.stalled or self.times > 1,
            "failed": self.fails_next or self.fails_next_write,
            "refused": self.full,
            "lied": self.lies,
            "betrayed_bytes": self.lies,
            "misread": self.misread_ppm > 0,
        }
        return frozenset(counter for counter, is_so in does.items() if is_so)

    def __add__(self, other: DiskTrouble) -> DiskTrouble:
        return DiskTrouble(
            max(self.times, other.times),
            self.stalled or other.stalled,
            self.fails_next or other.fails_next,
            self.full or other.full,
            self.lies or other.lies,
            self.fails_next_write or other.fails_next_write,
            max(self.misread_ppm, other.misread_ppm),
        )


@dataclass(frozen=True, slots=True)
class DiskCounters:
    """What troubles have done to a node's disk so far: syncs slowed and lied about, writes refused, wrong reads.

    ``failed`` counts syncs and writes that failed with EIO.

    Power cuts took back ``taken_back_bytes`` and ``names_lost`` names; of the bytes, the disk had called
    ``betrayed_bytes`` durable.
    """

    slowed: int = 0
    failed: int = 0
    refused: int = 0
    taken_back_bytes: int = 0
    lied: int = 0
    betrayed_bytes: int = 0
    names_lost: int = 0
    misread: int = 0


@dataclass(frozen=True, slots=True)
class Ration:
    """What a node is left with of its machine.

    It has a processor for one part in ``times`` of the time (1: whenever it wants one). Its process may grow by
    ``memory_room_bytes`` over the address space that it has when the ration comes, and open ``descriptor_room`` more
    descriptors than it has then (None: as many as ever). Of several rations the scantiest counts.
    """

    times: int = 1
    memory_room_bytes: int | None = None
    descriptor_room: int | None = None

    def __add__(self, other: Ration) -> Ration:
        return Ration(
            max(self.times, other.times),
            _scantier(self.memory_room_bytes, other.memory_room_bytes),
            _scantier(self.descriptor_room, other.descriptor_room),
        )


def _scantier(one: int | None, other: int | None) -> int | None:
    return min((room for room in (one, other) if room is not None), default=None)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a node's process has, as the kernel shows it; all 0 or None where there is no process.

    Since the process began its threads had a processor for ``ran_ns`` and were ready without one for ``waited_ns``.
    ``starved`` says in a few words by what means it is starved, "" if it is not. ``memory_max_bytes`` and
    ``descriptors_free`` are None where nothing is set that anybody would reach.
    """

    pid: int = 0
    ran_ns: int = 0
    waited_ns: int = 0
    starved: str = ""
    memory_bytes: int = 0
    memory_max_bytes: int | None = None
    descriptors: int = 0
    descriptors_free: int | None = None


class Run(StrEnum):
    """How a process is doing, as the kernel tells it."""

    RUNNING = "running"
    STOPPED = "stopped"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ProcessState:
    """A node's process as it was observed; ``pid`` is 0 when none was ever started.

    ``exit_code`` is the exit status once it is gone, negative for the signal that ended it (as in ``subprocess``).
    """

    node: str
    pid: int
    run: Run
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class NodeView:
    """What a node says of itself when asked, or None fields where it has nothing to say.

    ``members`` are those after as many changes as ``version`` says, for all that this node knows; none if the system
    has no members that change.
    """

    node: str
    leader: str | None
    is_leader: bool
    ballot: tuple[int, int]
    applied: int
    incarnation: int
    members: tuple[str, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True)
class Members:
    """Who the members of the cluster are after so many changes."""

    version: int
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"members {', '.join(self.nodes)} (change {self.version})"


def latest_members(views: Iterable[NodeView]) -> Members | None:
    """Return the members after the latest change that any of these nodes knows of; None if none knows any."""
    known = [view for view in views if view.members]
    if not known:
        return None
    latest = max(known, key=lambda view: view.version)
    return Members(latest.version, latest.members)


@dataclass(frozen=True, slots=True)
class ChangeAnswer:
    """How the cluster answered who had asked for a change of its members.

    Not ``done`` is either refused or unknown, in words: ask for the members before believing that it was not.
    """

    done: bool
    said: str = ""


class Ground(Protocol):
    """The nodes and links of a run, as faults see them."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of all nodes, in order."""

    async def view(self, node: str) -> NodeView | None:
        """Ask the node how it sees itself; None if it does not answer within a short time."""

    async def leader(self) -> str | None:
        """Return the node that leads in the highest ballot among those that answer; None if none does."""

    async def members(self) -> Members | None:
        """Return the members after the latest change that any node knows of; None if none answers."""

    async def change_members(self, node: str, *, member: bool, timeout_s: float) -> ChangeAnswer:
        """Ask the cluster to add a node to its members, or to remove it; what is so already is done at once."""

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these links be cut."""

    async def link_counters(self) -> Mapping[Link, LinkCounters]:
        """Return the counters of all directed links between nodes (empty where the place cannot count)."""

    async def set_weather(self, weather: Mapping[Link, Weather]) -> None:
        """Let these links have this weather; all others keep theirs."""

    async def reset_connections(self, nodes: frozenset[str]) -> int:
        """Break every connection that these nodes have, to other nodes and to clients; return how many there were."""

    async def set_clock(self, node: str, bend: ClockBend) -> None:
        """Let the node's clocks run so from now on."""

    async def jump_clock(self, node: str, by: int) -> None:
        """Let the node's monotonic clock jump forward by some ns, for good; its wall clock does not."""

    async def reset_clock(self, node: str) -> None:
        """Set the node's wall clock right, but for what is done to it now; its monotonic clock does not notice."""

    async def clock(self, node: str) -> ClockReading:
        """Read the node's clocks."""

    async def set_disk(self, node: str, trouble: DiskTrouble) -> None:
        """Let the node's disk have this trouble and no other from now on."""

    async def disk_counters(self, node: str) -> DiskCounters:
        """Return what troubles have done to the node's disk."""

    async def power_off(self, node: str, arrival: Arrival) -> ProcessState:
        """Cut the node's power: its process ends and its disk loses what was not synced, but for what arrives so."""

    async def damage_disk(self, node: str, damage: Damage) -> tuple[Damaged, ...]:
        """Damage what is durable on the node's disk, while no process uses it; return what was done, and where."""

    async def set_ration(self, node: str, ration: Ration) -> None:
        """Let the node have this ration and no other from now on; limits are of the process that runs now."""

    async def resources(self, node: str) -> Resources:
        """Look at what the node's process has."""

    async def kill(self, node: str) -> ProcessState:
        """SIGKILL the node and wait until it is gone."""

    async def stop(self, node: str) -> ProcessState:
        """SIGTERM the node and wait until it is gone (SIGKILL if that takes too long)."""

    async def start(self, node: str) -> ProcessState:
        """Start the node if its process is gone; harmless otherwise."""

    async def pause(self, node: str) -> ProcessState:
        """SIGSTOP the node."""

    async def resume(self, node: str) -> ProcessState:
        """SIGCONT the node."""

    async def process(self, node: str) -> ProcessState:
        """Look at the node's process."""

    def can(self, ability: str, node: str = "") -> str:
        """Return "" if the place has the ability, for this node if one is named, else one line saying why not.

        Abilities are ``links``, ``processes``, ``weather`` (links slowed), ``frames`` (single frames lost, doubled,
        overtaken), ``resets``, ``power``, ``clocks``, ``disk``, ``cpu``, ``limits``, and ``membership``, which is the
        system's.
        """
