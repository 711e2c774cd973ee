"""The faults themselves, as data.

Each is a frozen, tagged struct: the tag is its name in scenarios, plans and reports, the fields its parameters. How it
is carried out is next to it in ``nemesis.actions``; when, and for how long, is the plan's business.

Each is *in the model*, and then a correct node stays safe under it however many nodes it hits, or *beyond the model*,
and then ``beyond_model`` says in a few words which promise the world has broken. A fault beyond the model is there to
show that the checkers see what breaks; a violation under it is not yet a bug of the node.
"""

from __future__ import annotations

import math

import msgspec
from msgspec import UNSET, UnsetType

from nemesis import grudges, targets
from nemesis.clock_bound import UNTOLD, ClockBound
from nemesis.delays import Distribution
from nemesis.ground import MILLION, Rate
from nemesis.undo import SECTOR_BYTES, Arrival, Spot

DELAY_MAX_US = 10_000_000
SLOWER_TIMES_MAX = 100_000
DELTA_MAX_MS = 86_400_000
PERIOD_MAX_MS = 60_000
ROTTEN_BITS_MAX = 1_000_000
STARVED_TIMES_MAX = 1_000
ROOM_BYTES_MAX = 2**40
DESCRIPTORS_MAX = 1_000_000
CUT_BYTES_MAX = 2**40
RATE_MAX_KBIT_PER_S = 100_000_000
QUEUE_BYTES = 256 * 1024
QUEUE_BYTES_MAX = 2**30
DIRECTIONS = ("both", "from", "to")
CLOCKS = ("wall", "monotonic")
DISK_CALLS = ("sync", "write")
MEMBERSHIP_MODES = ("remove", "replace")
WITHOUT_BOUND_PPM = math.inf


class FaultError(ValueError):
    """A fault that makes no sense as written; the message names the field."""


class _Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    def beyond_model(self, bound: ClockBound = UNTOLD) -> str:
        """Which promise of the model this fault breaks, in a few words; "" if none. ``bound`` is the system's."""
        return ""


class Partition(_Fault, frozen=True, tag="partition"):
    """Cut links between nodes; clients still reach every node.

    Either a named ``shape`` (see ``nemesis.grudges``) or an explicit ``grudge``: for each node, those it does not hear.
    In the model: messages may be lost for as long as it lasts.
    """

    shape: str = "random-halves"
    grudge: dict[str, tuple[str, ...]] = {}

    def __post_init__(self) -> None:
        if not self.grudge and self.shape not in grudges.SHAPES:
            raise FaultError(f"partition: no shape {self.shape!r}; there are: {', '.join(grudges.SHAPES)}")


class _OnNodes(_Fault, frozen=True):
    target: str = "one"

    def __post_init__(self) -> None:
        if self.target not in targets.SYMBOLS and not self.target.replace("+", "").replace("-", "").isalnum():
            raise FaultError(f"target: {self.target!r} is neither of {', '.join(targets.SYMBOLS)} nor names of nodes")


class Kill(_OnNodes, frozen=True, tag="kill"):
    """SIGKILL the nodes; start them again at the end. What they had written is still there: the kernel has it.

    In the model: a crash and a recovery.
    """


class Pause(_OnNodes, frozen=True, tag="pause"):
    """SIGSTOP the nodes; SIGCONT at the end. Their clocks run on, like a long garbage collection.

    In the model: an asynchronous system has no bound on how slow a process may be.
    """


class Restart(_OnNodes, frozen=True, tag="restart"):
    """Stop the nodes in order (SIGTERM), and start each again at once. In the model."""


class RollingRestart(_OnNodes, frozen=True, tag="rolling-restart"):
    """Stop the nodes in order (SIGTERM) and start each again; the next one only once the one before answers again.

    So a new version is rolled out. A node that does not answer within ten seconds of its start is left to itself and
    the next one is stopped. It lasts as long as it takes, and at least as long as planned. In the model.
    """

    target: str = "all"


class Starve(_OnNodes, frozen=True, tag="starve"):
    """The nodes have a processor for one part in ``times`` of the time: an overbooked machine.

    On real processes: a quota of a cpu cgroup where one may be made, and else ``times - 1`` competitors that spin
    on one processor, to which the node is bound; the scheduler gives each an equal share, and two nodes that starve
    there share theirs. In simulation each step of a node takes ``times`` times 50 µs, and what comes meanwhile waits
    its turn. It is the machine that is overbooked: a node that is started meanwhile starves as well.

    In the model: an asynchronous system has no bound on how slow a process may be.
    """

    times: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.times <= STARVED_TIMES_MAX:
            raise FaultError(f"starve: times is {self.times}, not 2 to {STARVED_TIMES_MAX}")


class MemoryLimit(_OnNodes, frozen=True, tag="memory-limit"):
    """The nodes' processes may grow by ``room_bytes`` of address space, and not a byte more (RLIMIT_AS).

    A node that is refused memory may have done half of something and has to end; what has ended by itself is started
    again at the end. The limit is the process's: one that is started meanwhile has none. In simulation a node keeps
    every byte that it is sent while the fault lasts, and is refused when these fill the room. In the model: a crash.
    """

    room_bytes: int = 1_048_576

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.room_bytes <= ROOM_BYTES_MAX:
            raise FaultError(f"memory-limit: room_bytes is {self.room_bytes}, not 0 to {ROOM_BYTES_MAX}")


class FdLimit(_OnNodes, frozen=True, tag="fd-limit"):
    """The nodes' processes may open ``room`` descriptors more than they have, and then get EMFILE (RLIMIT_NOFILE).

    They can take no connection, dial nobody and open no file, and keep what they have. A node that has to have a file
    ends; what has ended by itself is started again at the end. The limit is the process's: one that is started
    meanwhile has none. In simulation a client that connects to a node without descriptors is refused. In the model.
    """

    room: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.room <= DESCRIPTORS_MAX:
            raise FaultError(f"fd-limit: room is {self.room}, not 0 to {DESCRIPTORS_MAX}")


class LinkFault(_OnNodes, frozen=True, tag="link"):
    """Bad weather on links of the nodes: frames are late, lost, doubled or overtaken, or only so many pass.

    ``direction``: all links from and ``to`` the nodes (``both``), or one of the two alone: with ``loss_ppm`` at a
    million, a link that is dead one way. ``distribution`` of the delays: see ``nemesis.delays``; a spread reorders.
    ``reorder_ppm``: the chance that a frame is held back by ``held_us`` more, so that later ones overtake it.
    ``loss_correlation_ppm`` makes losses come in bursts, as in Gilbert's model (1960): with that chance a frame meets
    the fate of the one before it on its link, else it is lost with the chance ``loss_ppm``. The share that is lost
    stays ``loss_ppm``, and a burst is 1 / ((1 - correlation)(1 - loss)) frames long on average.
    ``rate_kbit_per_s`` (1 kbit is 1,000 bits) limits what passes each of the links, each way for itself: a frame goes
    out when all before it are out. What does not fit into the ``queue_bytes`` that may wait is lost.

    It comes on top of what each link is like anyway, and of other link faults: delays add up, chances are
    independent, the lowest rate counts. In the model: an asynchronous network.
    """

    target: str = "all"
    delay_min_us: int = 0
    delay_max_us: int = 20_000
    loss_ppm: int = 0
    duplicate_ppm: int = 0
    distribution: Distribution = Distribution.UNIFORM
    reorder_ppm: int = 0
    held_us: int = 20_000
    loss_correlation_ppm: int = 0
    direction: str = "both"
    # Unset, and not 0: plans made before there were rates keep their hashes.
    rate_kbit_per_s: int | UnsetType = UNSET
    queue_bytes: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        _direction("link", self.direction)
        if not 0 <= self.delay_min_us <= self.delay_max_us <= DELAY_MAX_US:
            raise FaultError(
                f"link: a delay from {self.delay_min_us} to {self.delay_max_us} µs is not within 0 to {DELAY_MAX_US}"
            )
        for name in ("loss_ppm", "duplicate_ppm", "reorder_ppm", "loss_correlation_ppm"):
            if not 0 <= getattr(self, name) <= MILLION:
                raise FaultError(f"link: {name} is {getattr(self, name)}, not 0 to {MILLION}")
        if not 0 < self.held_us <= DELAY_MAX_US:
            raise FaultError(f"link: held_us is {self.held_us}, not 1 to {DELAY_MAX_US}")
        if self.loss_correlation_ppm and (not self.loss_ppm or self.loss_correlation_ppm == MILLION):
            raise FaultError(
                "link: loss_correlation_ppm needs a loss_ppm, and to be below a million, to have an effect"
            )
        if self.rate_kbit_per_s is not UNSET and not 1 <= self.rate_kbit_per_s <= RATE_MAX_KBIT_PER_S:
            raise FaultError(f"link: rate_kbit_per_s is {self.rate_kbit_per_s}, not 1 to {RATE_MAX_KBIT_PER_S}")
        if self.queue_bytes is not UNSET and not 1 <= self.queue_bytes <= QUEUE_BYTES_MAX:
            raise FaultError(f"link: queue_bytes is {self.queue_bytes}, not 1 to {QUEUE_BYTES_MAX}")
        if self.queue_bytes is not UNSET and self.rate_kbit_per_s is UNSET:
            raise FaultError("link: queue_bytes needs a rate_kbit_per_s to have an effect")
        if not (self.delay_max_us or self.loss_ppm or self.duplicate_ppm or self.reorder_ppm or self.rate):
            raise FaultError("link: delays, loses, doubles, reorders and limits nothing")

    @property
    def rate(self) -> Rate | None:
        """What the limit means, if there is one."""
        if self.rate_kbit_per_s is UNSET:
            return None
        return Rate(self.rate_kbit_per_s * 1_000, QUEUE_BYTES if self.queue_bytes is UNSET else self.queue_bytes)

    @property
    def needs_frames(self) -> bool:
        """Whether it decides over single frames, which a place that carries streams cannot."""
        return bool(self.loss_ppm or self.duplicate_ppm or self.reorder_ppm)


class LinkClog(_OnNodes, frozen=True, tag="link-clog"):
    """Links of the nodes are clogged: what is sent waits, and arrives at the end, in its order and all at once.

    What was under way at the beginning arrives as it was to. ``direction`` is as in ``link``. In the model: an
    asynchronous network. (FoundationDB's clogging.)
    """

    target: str = "one"
    direction: str = "both"

    def __post_init__(self) -> None:
        super().__post_init__()
        _direction("link-clog", self.direction)


class Reset(_OnNodes, frozen=True, tag="reset"):
    """Every connection of the nodes breaks, once: to other nodes and to clients, at both ends, as by a TCP reset.

    What was under way on them is lost. Nothing keeps the ends from connecting again at once. In the model: messages
    are lost.
    """


def _direction(fault: str, direction: str) -> None:
    if direction not in DIRECTIONS:
        raise FaultError(f"{fault}: no direction {direction!r}; there are: {', '.join(DIRECTIONS)}")


class PowerOff(_OnNodes, frozen=True, tag="power-off"):
    """Cut the nodes' power, all at once; start them again at the end.

    The process ends and the disk keeps what was synced. Of what was not synced, as ``mode`` says: nothing is there
    (``drop``); any of its sectors (``torn``) or of its pages (``torn-pages``); any whole writes, so a later one may be
    there without an earlier one (``reordered``); all data, but no file that was created, renamed or removed since its
    folder was synced (``names``). Where any may have arrived, names that were not synced may have as well, each for
    itself. A program that waits for a sync has done nothing after it: what could only have come later is not there.

    In the model for any number of nodes: what was acknowledged was synced.
    """

    mode: str = "drop"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in tuple(Arrival):
            raise FaultError(f"power-off: no mode {self.mode!r}; there are: {', '.join(Arrival)}")


class ClockDrift(_OnNodes, frozen=True, tag="clock-drift"):
    """The nodes' monotonic clocks run fast (or slow, below 0) by parts per million of true time.

    In the model up to the drift bound that leases rest on (the node's ``drift_ppm``), and without leases always.
    """

    ppm: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -MILLION < self.ppm <= 10 * MILLION or not self.ppm:
            raise FaultError(f"clock-drift: {self.ppm} ppm is not between -{MILLION} and {10 * MILLION}, or no drift")

    def beyond_model(self, bound: ClockBound = UNTOLD) -> str:
        """Over the bound."""
        return bound.broken_by(self.ppm)


class ClockFreeze(_OnNodes, frozen=True, tag="clock-freeze"):
    """The nodes stop and their monotonic clocks with them, like a suspended virtual machine; both go on at the end.

    It is a drift without bound: beyond the model as long as leases are on.
    """

    def beyond_model(self, bound: ClockBound = UNTOLD) -> str:
        """If anything rests on clocks."""
        return bound.broken_by(WITHOUT_BOUND_PPM)


class ClockBump(_OnNodes, frozen=True, tag="clock-bump"):
    """The nodes' clocks jump once, by ``delta_ms``.

    The ``wall`` clock may jump either way, and jumps back at the end, by as much. A ``monotonic`` clock only ever jumps
    forward (a machine that was suspended, seen from its own clock), and the jump stays: going back would break the one
    promise that the clock makes to its programs. A jump of one clock leaves the other alone.

    In the model for wall clocks, which promise nothing. A jump of the monotonic clock is a drift without bound: beyond
    the model as long as leases are on.
    """

    clock: str = "wall"
    delta_ms: int = 1_000

    def __post_init__(self) -> None:
        super().__post_init__()
        _clock("clock-bump", self.clock)
        if not 0 < abs(self.delta_ms) <= DELTA_MAX_MS:
            raise FaultError(f"clock-bump: delta_ms is {self.delta_ms}, not within ±{DELTA_MAX_MS}, or no jump")
        if self.clock == "monotonic" and self.delta_ms < 0:
            raise FaultError(f"clock-bump: delta_ms is {self.delta_ms}, but a monotonic clock never goes back")

    def beyond_model(self, bound: ClockBound = UNTOLD) -> str:
        """If it is the monotonic clock."""
        return bound.broken_by(WITHOUT_BOUND_PPM if self.clock == "monotonic" else 0)


class ClockStrobe(_OnNodes, frozen=True, tag="clock-strobe"):
    """The nodes' clocks flip to and fro, every ``period_ms``.

    The ``wall`` clock flips between right and ``delta_ms`` off; the ``monotonic`` one, which cannot jump back, between
    ``ppm`` too fast and ``ppm`` too slow. At the end the wall clock is right again and the rate is. In the
    model for wall clocks, and for monotonic ones up to the bound of ``clock-drift``.
    """

    clock: str = "wall"
    period_ms: int = 50
    delta_ms: int = 200
    ppm: int = 500_000

    def __post_init__(self) -> None:
        super().__post_init__()
        _clock("clock-strobe", self.clock)
        if not 1 <= self.period_ms <= PERIOD_MAX_MS:
            raise FaultError(f"clock-strobe: period_ms is {self.period_ms}, not 1 to {PERIOD_MAX_MS}")
        if not 0 < abs(self.delta_ms) <= DELTA_MAX_MS:
            raise FaultError(f"clock-strobe: delta_ms is {self.delta_ms}, not within ±{DELTA_MAX_MS}, or no flip")
        if not 0 < self.ppm < MILLION:
            raise FaultError(f"clock-strobe: ppm is {self.ppm}, not 1 to {MILLION - 1}")

    def beyond_model(self, bound: ClockBound = UNTOLD) -> str:
        """If it is the monotonic clock, over the bound."""
        return bound.broken_by(self.ppm if self.clock == "monotonic" else 0)


class ClockReset(_OnNodes, frozen=True, tag="clock-reset"):
    """The nodes' wall clocks are set right once, as a time daemon does: what drifts and freezes have left is gone.

    What other faults do to them goes on: a bump that lasts is on top of the right time, and a clock that is fast runs
    on. Monotonic clocks keep what they have gained; nothing sets those. In the model: wall clocks promise nothing.
    """

    target: str = "all"


def _clock(fault: str, clock: str) -> None:
    if clock not in CLOCKS:
        raise FaultError(f"{fault}: no clock {clock!r}; there are: {', '.join(CLOCKS)}")


class DiskSlow(_OnNodes, frozen=True, tag="disk-slow"):
    """The nodes' disks take ``times`` as long for each sync; with 0, no sync that begins ends before the fault does.

    In the model: no bound on how slow a disk may be.
    """

    times: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.times != 0 and not 2 <= self.times <= SLOWER_TIMES_MAX:
            raise FaultError(f"disk-slow: times is {self.times}, neither 0 (stalled) nor 2 to {SLOWER_TIMES_MAX}")


class DiskEio(_OnNodes, frozen=True, tag="disk-eio"):
    """The nodes' next sync fails with EIO, and the kernel holds the pages for clean: a second one would succeed.

    With ``call`` ``write`` (it is ``sync`` by default) it is the next write, or file that is made, that fails, and
    nothing of it is done. The node must end and recover from its disk; what has ended is started again at the end. In
    the model: a crash.
    """

    call: str | UnsetType = UNSET  # unset, and not its default: plans made before there was a choice keep their hashes

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.call is not UNSET and self.call not in DISK_CALLS:
            raise FaultError(f"disk-eio: no call {self.call!r}; there are: {', '.join(DISK_CALLS)}")


class DiskFull(_OnNodes, frozen=True, tag="disk-full"):
    """The nodes' disks are full: every write is refused with ENOSPC. What has ended is started again at the end.

    In the model: a crash.
    """


class DiskLie(_OnNodes, frozen=True, tag="disk-lie"):
    """The nodes' disks say of each sync that it is done, and make nothing durable.

    What they lied about is in the disk's own cache: it can be read, it survives the process, and a power cut may take
    it. It is durable after the next true sync of anything on that disk, for a true sync empties the whole cache. So
    the fault bites at a power cut while it lasts, or after it and before the next true sync.

    Beyond the model, on any node: what was acknowledged was not synced.
    """

    def beyond_model(self, bound: ClockBound = UNTOLD) -> str:
        """Always."""
        return "a sync that succeeded made nothing durable"


class _Damage(_OnNodes, frozen=True):
    """Each node is killed, what it had written is written back, the damage is done; it is started again at the end."""

    def beyond_model(self, bound: ClockBound = UNTOLD) -> str:
        """Always."""
        return "durable data was damaged"


class DiskRot(_Damage, frozen=True, tag="disk-rot"):
    """``bits`` bits of one of the node's files flip while its process is down (killed, and started again at the end).

    ``where``: in the first sector of the file (``head``), in the last (``tail``), in what is between them (``body``),
    or ``anywhere``. The file is drawn from all that are not empty.

    Our node checks a CRC on each record. Rot before a record that says that it had been durable is told from a torn
    tail: the node refuses to start (status 65) and stays down. Rot in the last commit is not: it looks as a torn write
    does and is cut off, and the node has forgotten what it had acknowledged. So it is beyond the model.
    """

    where: Spot = Spot.ANYWHERE
    bits: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.bits <= ROTTEN_BITS_MAX:
            raise FaultError(f"disk-rot: bits is {self.bits}, not 1 to {ROTTEN_BITS_MAX}")


class DiskTruncate(_Damage, frozen=True, tag="disk-truncate"):
    """The last ``cut_bytes`` of the node's newest file are gone (down meanwhile, as with ``disk-rot``).

    A log that lost whole records at its end looks like one that never had them. Beyond the model.
    """

    cut_bytes: int = SECTOR_BYTES

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.cut_bytes <= CUT_BYTES_MAX:
            raise FaultError(f"disk-truncate: cut_bytes is {self.cut_bytes}, not 1 to {CUT_BYTES_MAX}")


class DiskMisdirect(_Damage, frozen=True, tag="disk-misdirect"):
    """One sector of one of the node's files holds what another one should (down meanwhile, as with ``disk-rot``).

    A write went to the wrong place of the disk. Beyond the model.
    """


class DiskMisread(_OnNodes, frozen=True, tag="disk-misread"):
    """What the nodes read from their disks is wrong now and then, and right at rest: a bad cable, a bad cache.

    While it lasts a read returns one flipped bit with the chance ``chance_ppm``. A process has read its files long ago,
    so it is killed and started again when the fault has begun; what has ended is started again at the end. As with
    ``disk-rot``, a wrong bit in the last commit looks like a torn tail, which a node cuts off. Beyond the model.
    """

    chance_ppm: int = 500_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.chance_ppm <= MILLION:
            raise FaultError(f"disk-misread: chance_ppm is {self.chance_ppm}, not 1 to {MILLION}")

    def beyond_model(self, bound: ClockBound = UNTOLD) -> str:
        """Always."""
        return "what was read is not what is there"


class DiskWipe(_Damage, frozen=True, tag="disk-wipe"):
    """Every file of the node's is gone (down meanwhile, as with ``disk-rot``): a new disk in an old machine.

    The node starts as one that was never there, under its old name, and has forgotten what it had promised and
    accepted. Beyond the model; with the node's ``amnesia_safe`` a minority may lose theirs and no commit is lost.
    """


class Membership(_OnNodes, frozen=True, tag="membership"):
    """The nodes are removed from the cluster's members through its log, one after the other; added again at the end.

    Their processes go on: a removed node keeps its disk, and nobody talks to it. With the ``mode`` ``replace`` (it is
    ``remove`` by default) each node's place is taken by one that another membership fault keeps out in that moment:
    that one is added first, then the node is removed; at the end the node is added again, and its stand-in removed
    again, unless nothing keeps it out any more.

    Symbolic targets are counted among the nodes that no fault keeps out. The last one of these always stays. A node
    that several faults keep out comes back when the last of them ends. Each change has to be chosen by a majority of
    the members of its moment, so it may be impossible for as long as other faults last: whether one that timed out has
    happened is looked up before healing, and healing tries until it is so or its patience is over. What is missing
    then is asked for again while recovery is waited for, and who is no member at its end is named there.

    In the model for any number of nodes: every two majorities that follow each other overlap. A removed node that has
    lost its disk (``disk-wipe``) would have to come back under another name.
    """

    mode: str = "remove"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in MEMBERSHIP_MODES:
            raise FaultError(f"membership: no mode {self.mode!r}; there are: {', '.join(MEMBERSHIP_MODES)}")


Fault = (
    Partition
    | Kill
    | Pause
    | Restart
    | LinkFault
    | LinkClog
    | PowerOff
    | ClockDrift
    | ClockFreeze
    | ClockBump
    | ClockStrobe
    | ClockReset
    | DiskSlow
    | DiskEio
    | DiskFull
    | DiskLie
    | DiskRot
    | DiskTruncate
    | DiskMisdirect
    | DiskWipe
    | DiskMisread
    | Membership
    | RollingRestart
    | Starve
    | MemoryLimit
    | FdLimit
    | Reset
)

KINDS: dict[str, type[Fault]] = {
    "partition": Partition,
    "kill": Kill,
    "pause": Pause,
    "restart": Restart,
    "link": LinkFault,
    "link-clog": LinkClog,
    "power-off": PowerOff,
    "clock-drift": ClockDrift,
    "clock-freeze": ClockFreeze,
    "clock-bump": ClockBump,
    "clock-strobe": ClockStrobe,
    "clock-reset": ClockReset,
    "disk-slow": DiskSlow,
    "disk-eio": DiskEio,
    "disk-full": DiskFull,
    "disk-lie": DiskLie,
    "disk-rot": DiskRot,
    "disk-truncate": DiskTruncate,
    "disk-misdirect": DiskMisdirect,
    "disk-wipe": DiskWipe,
    "disk-misread": DiskMisread,
    "membership": Membership,
    "rolling-restart": RollingRestart,
    "starve": Starve,
    "memory-limit": MemoryLimit,
    "fd-limit": FdLimit,
    "reset": Reset,
}
"""The faults by their names in scenarios."""

OF_CLOCKS = ("clock-drift", "clock-freeze", "clock-bump", "clock-strobe", "clock-reset")
"""The kinds that bend clocks."""

EVERYWHERE = ("partition", "kill", "pause", "restart")
"""The kinds that every place is meant to be able to do."""

OF_DISKS = (
    "power-off",
    "disk-slow",
    "disk-eio",
    "disk-full",
    "disk-lie",
    "disk-rot",
    "disk-truncate",
    "disk-misdirect",
    "disk-wipe",
    "disk-misread",
)
"""The kinds that need disks which can fail and forget."""

OF_THE_SYSTEM = ("membership",)
"""The kinds that ask the system under test for something, and the place for nothing."""

OF_LINKS = ("link", "link-clog", "reset")
"""The kinds for which a place has to carry what nodes say to each other: the simulation and ``local`` do."""

SINCE_SWARMS = ("rolling-restart", "starve", "memory-limit", "fd-limit", "reset", "clock-reset")
"""The kinds that are younger than swarms, which leave them out: every seed would have another plan."""

ANYWHERE = tuple(dict.fromkeys((*EVERYWHERE, *OF_LINKS, *OF_CLOCKS, *OF_THE_SYSTEM, *SINCE_SWARMS)))
"""What can be asked for by name wherever a run is."""

IN_MODEL = tuple(name for name, fault in KINDS.items() if not fault().beyond_model())
"""The kinds that are in the model as they are by default: parameters may take a clock's beyond it."""


def kind(fault: Fault) -> str:
    """Return a fault's name in scenarios."""
    return str(fault.__struct_config__.tag)
