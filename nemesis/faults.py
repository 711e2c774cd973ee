"""The faults themselves, as data.

Each is a frozen, tagged struct: the tag is its name in scenarios, plans and reports, the fields its parameters. How it
is carried out is next to it in ``nemesis.actions``; when, and for how long, is the plan's business.
"""

from __future__ import annotations

import msgspec

from nemesis import grudges, targets
from nemesis.ground import MILLION

DELAY_MAX_US = 10_000_000
SLOWER_TIMES_MAX = 100_000
POWER_MODES = ("drop", "torn")


class FaultError(ValueError):
    """A fault that makes no sense as written; the message names the field."""


class Partition(msgspec.Struct, frozen=True, tag="partition", forbid_unknown_fields=True):
    """Cut links between nodes; clients still reach every node.

    Either a named ``shape`` (see ``nemesis.grudges``) or an explicit ``grudge``: for each node, those it does not hear.
    In the model: messages may be lost for as long as it lasts.
    """

    shape: str = "random-halves"
    grudge: dict[str, tuple[str, ...]] = {}

    def __post_init__(self) -> None:
        if not self.grudge and self.shape not in grudges.SHAPES:
            raise FaultError(f"partition: no shape {self.shape!r}; there are: {', '.join(grudges.SHAPES)}")


class _OnNodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


class LinkFault(_OnNodes, frozen=True, tag="link"):
    """Bad weather on the links from and to the nodes: frames are late, lost or doubled; spread delays reorder them.

    It adds to what each link is like anyway, and to other link faults. In the model: an asynchronous network.
    """

    target: str = "all"
    delay_min_us: int = 0
    delay_max_us: int = 20_000
    loss_ppm: int = 0
    duplicate_ppm: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.delay_min_us <= self.delay_max_us <= DELAY_MAX_US:
            raise FaultError(
                f"link: a delay from {self.delay_min_us} to {self.delay_max_us} µs is not within 0 to {DELAY_MAX_US}"
            )
        for name in ("loss_ppm", "duplicate_ppm"):
            if not 0 <= getattr(self, name) <= MILLION:
                raise FaultError(f"link: {name} is {getattr(self, name)}, not 0 to {MILLION}")
        if not (self.delay_max_us or self.loss_ppm or self.duplicate_ppm):
            raise FaultError("link: delays, loses and doubles nothing")


class PowerOff(_OnNodes, frozen=True, tag="power-off"):
    """Cut the nodes' power, all at once; start them again at the end.

    The process ends and the disk keeps what was synced. Of the rest nothing is there (``drop``), or any of its sectors
    may be (``torn``). In the model for any number of nodes: what was acknowledged was synced.
    """

    mode: str = "drop"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in POWER_MODES:
            raise FaultError(f"power-off: no mode {self.mode!r}; there are: {', '.join(POWER_MODES)}")


class ClockDrift(_OnNodes, frozen=True, tag="clock-drift"):
    """The nodes' monotonic clocks run fast (or slow, below 0) by parts per million of true time.

    In the model up to the drift bound that leases rest on (the node's ``drift_ppm``), and without leases always.
    """

    ppm: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -MILLION < self.ppm <= 10 * MILLION or not self.ppm:
            raise FaultError(f"clock-drift: {self.ppm} ppm is not between -{MILLION} and {10 * MILLION}, or no drift")


class ClockFreeze(_OnNodes, frozen=True, tag="clock-freeze"):
    """The nodes stop and their monotonic clocks with them, like a suspended virtual machine; both go on at the end.

    It is a drift without bound: beyond the model as long as leases are on.
    """


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

    The node must end and recover from its disk; what has ended is started again at the end. In the model: a crash.
    """


class DiskFull(_OnNodes, frozen=True, tag="disk-full"):
    """The nodes' disks are full: every write is refused with ENOSPC. What has ended is started again at the end.

    In the model: a crash.
    """


Fault = (
    Partition | Kill | Pause | Restart | LinkFault | PowerOff | ClockDrift | ClockFreeze | DiskSlow | DiskEio | DiskFull
)

KINDS: dict[str, type[Fault]] = {
    "partition": Partition,
    "kill": Kill,
    "pause": Pause,
    "restart": Restart,
    "link": LinkFault,
    "power-off": PowerOff,
    "clock-drift": ClockDrift,
    "clock-freeze": ClockFreeze,
    "disk-slow": DiskSlow,
    "disk-eio": DiskEio,
    "disk-full": DiskFull,
}
"""The faults by their names in scenarios."""

EVERYWHERE = ("partition", "kill", "pause", "restart")
"""The kinds that every place is meant to be able to do."""


def kind(fault: Fault) -> str:
    """Return a fault's name in scenarios."""
    return str(fault.__struct_config__.tag)
