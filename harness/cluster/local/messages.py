"""What controller, warden and switch say to each other.

Requests and replies are typed and tagged, so a message that does not fit is refused with a sentence before anything
has been done. Each request carries a number and its reply repeats it: several may be under way at once, and a slow
dial holds up nobody. The switch speaks a subset (``Cut``, ``SetWeather``, ``Count``) of the
same language; so do the proxies of plain loopback.

Nothing of ``nemesis`` is imported here, so some of its terms are said again: the warden and the switch begin sooner.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.cluster.local.pids import Identity

Mode = Literal["auto", "root", "userns", "loopback"]
UsedMode = Literal["root", "userns", "loopback"]
DisksBy = Literal["auto", "fuse", "preload"]
RunName = Literal["running", "stopped", "gone"]

MAX_NODES = 64


class Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of all requests and replies."""


class Open(Message, frozen=True):
    """Make machines and links; the first request, and only the first.

    ``seed`` is the run's, for what links do by chance. ``capture`` is the folder for the capture of all frames, "" for
    none.
    """

    mode: Mode
    nodes: tuple[str, ...]
    directory: str
    controller: Identity
    disks: dict[str, str] = {}
    """Data folders that are to be disks that forget, by node: all or none."""
    disks_by: DisksBy = "auto"
    seed: int = 0
    capture: str = ""


class Spawn(Message, frozen=True):
    """Start a node's process."""

    node: str
    argv: tuple[str, ...]
    directory: str
    log: str
    environment: dict[str, str]
    epoch_ns: int = 0  # how far its monotonic clock is ahead of the machine's, by a time namespace


class Kill(Message, frozen=True):
    """SIGKILL a node's process group and wait until it is reaped."""

    node: str


class Terminate(Message, frozen=True):
    """SIGTERM a node; SIGKILL its group if it is still there after ``grace_s``."""

    node: str
    grace_s: float


class Pause(Message, frozen=True):
    """SIGSTOP a node's process group and wait until the kernel shows it."""

    node: str


class Resume(Message, frozen=True):
    """SIGCONT a node's process group."""

    node: str


class Look(Message, frozen=True):
    """Report how a node's process is doing."""

    node: str


class SetRation(Message, frozen=True):
    """Leave a node this much of its machine from now on (``nemesis.ground.Ration``)."""

    node: str
    times: int = 1
    memory_room_bytes: int | None = None
    descriptor_room: int | None = None


class Account(Message, frozen=True):
    """Report what a node's process has."""

    node: str


class Dial(Message, frozen=True):
    """Connect to a node from the clients' side; the reply carries the connected socket."""

    node: str
    timeout_s: float


class Cut(Message, frozen=True):
    """Let exactly these directed links (source, destination) be cut."""

    links: tuple[tuple[str, str], ...]


class WeatherOn(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A weather (a ``nemesis.ground.Weather`` as MessagePack: the warden only passes it on) and its links."""

    weather: bytes
    links: tuple[tuple[str, str], ...]


class SetWeather(Message, frozen=True):
    """Let these directed links have this weather from now on; all others keep theirs."""

    weathers: tuple[WeatherOn, ...]


class ResetConnections(Message, frozen=True):
    """Break every connection of these nodes."""

    nodes: tuple[str, ...]


class Count(Message, frozen=True):
    """Report the counters of every link."""


class Disk(Message, frozen=True):
    """Ask a node's disk; what, is between the controller and the disk (``disk_messages``).

    With ``idle``, only if the node's process is gone, and none is started before it is done.
    """

    node: str
    request: bytes
    idle: bool = False


class PowerOff(Message, frozen=True):
    """Freeze a node's process group, SIGKILL it, wait until it is gone, then pass the request on to its disk."""

    node: str
    request: bytes


class Close(Message, frozen=True):
    """End all nodes and the switch, then exit."""


Request = (
    Open
    | Spawn
    | Kill
    | Terminate
    | Pause
    | Resume
    | Look
    | SetRation
    | Account
    | Dial
    | Cut
    | SetWeather
    | ResetConnections
    | Count
    | Disk
    | PowerOff
    | Close
)


class Place(msgspec.Struct, frozen=True):
    """Where one node listens."""

    node: str
    host: str
    port: int


class Detour(msgspec.Struct, frozen=True, array_like=True):
    """Where one node reaches another one, if that is not the other one's own place."""

    source: str
    destination: str
    host: str
    port: int


class Opened(Message, frozen=True):
    """The network is up. ``lost`` says why namespaces are not used and how to get them ("" where they are).

    ``disk`` says by what means disks forget ("": they do not), and ``no_disk`` why they do not although they should.
    ``one_epoch`` says why nodes cannot have time namespaces ("" where they can).
    ``switch`` is whoever carries what nodes say to each other: on plain loopback the proxies, at their ``detours``.
    ``no_resets`` says why connections cannot be broken ("" if they can).
    """

    mode: UsedMode
    places: tuple[Place, ...]
    recovery: str
    lost: str
    switch: Identity | None
    disk: str = ""
    no_disk: str = ""
    disks: dict[str, Identity] = {}
    one_epoch: str = ""
    detours: tuple[Detour, ...] = ()
    no_resets: str = ""


class Spawned(Message, frozen=True):
    """The node's process was executed."""

    process: Identity


class Seen(Message, frozen=True):
    """A node's process as it was observed."""

    pid: int
    run: RunName
    exit_code: int | None


class Accounted(Message, frozen=True):
    """What a node's process has (``nemesis.ground.Resources``)."""

    pid: int = 0
    ran_ns: int = 0
    waited_ns: int = 0
    starved: str = ""
    memory_bytes: int = 0
    memory_max_bytes: int | None = None
    descriptors: int = 0
    descriptors_free: int | None = None


class Dialled(Message, frozen=True):
    """The connected socket comes with this message."""


class Unreachable(Message, frozen=True):
    """The node did not take the connection: a finding about the node, not a failure of the place."""

    errno: int
    reason: str


class Done(Message, frozen=True):
    """It is in effect."""


class ResetDone(Message, frozen=True):
    """So many connections were broken."""

    connections: int


class Row(msgspec.Struct, frozen=True, array_like=True):
    """What one directed link has carried, dropped, and done otherwise to frames (``nemesis.ground.LinkCounters``)."""

    source: str
    destination: str
    forwarded: int
    dropped: int
    lost: int = 0
    duplicated: int = 0
    delayed: int = 0
    reordered: int = 0
    clogged: int = 0
    throttled: int = 0


class Counted(Message, frozen=True):
    """All links between nodes; ``overruns`` are frames that the kernel dropped because the switch was too slow.

    ``captured`` are the frames in a capture: delivered, lost, and left out because it was full; ``capture_failed`` says
    why it ended before its time.
    """

    rows: tuple[Row, ...]
    overruns: int
    strays: int
    captured: tuple[int, int, int] = (0, 0, 0)
    capture_failed: str = ""


class Refused(Message, frozen=True):
    """The request was not, or not fully, carried out."""

    reason: str


class DiskSaid(Message, frozen=True):
    """What a node's disk has answered."""

    reply: bytes


Reply = Opened | Spawned | Seen | Accounted | Dialled | Unreachable | Done | Counted | ResetDone | DiskSaid | Refused


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A numbered request; numbers start at 1."""

    number: int
    request: Request


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reply to the request of that number; 0 where the number could not be read."""

    number: int
    reply: Reply
