"""What a disk forgets: files that know what is durable and what is only on its way.

A pure model, without I/O, time or randomness of its own, so that a simulated disk and a real folder under a file system
of ours can forget by the same rules:

- What is written can be read at once. It is durable when a sync that began after it has ended (``settle``).
- Names are the same: a file is durably there (or gone, or renamed) once its folder was synced. POSIX promises no more,
  and no file system's habit of doing more is relied on here.
- A sync is a barrier for the program that waits for it: what was written after it began was written after it ended. So
  a power cut finds a program somewhere on its way through its barriers: what they passed is durable, what comes after
  the one it waits at was never written, and only what lies between may have arrived in part (``Arrival``).
- A sync that fails does what ext4's does: its pages count as clean, can be read, and are on their way to nowhere.
- A sync that lies leaves everything as it is, but calls it durable: it waits in the disk's own cache. The next true
  sync of anything in the folder empties that cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

SECTOR_BYTES = 512
Below = Callable[[int], int]
"""Draws an integer in [0, n)."""


class Arrival(StrEnum):
    """What a power cut leaves of what was on its way.

    Nothing (``drop``); any sectors (``torn``); any whole writes (``reordered``); all data but no names (``names``).
    """

    DROP = "drop"
    TORN = "torn"
    REORDERED = "reordered"
    NAMES = "names"


class Spot(StrEnum):
    """A part of a file: its first sector, its last, what is between, or any."""

    HEAD = "head"
    BODY = "body"
    TAIL = "tail"
    ANYWHERE = "anywhere"


class Harm(StrEnum):
    """What is done to durable content: bits flip, the end or all is missing, a sector lies where another belongs."""

    ROT = "rot"
    TRUNCATE = "truncate"
    MISDIRECT = "misdirect"
    WIPE = "wipe"


@dataclass(frozen=True, slots=True)
class Damage:
    """Harm to be done: ``amount`` bits to flip at a spot, bytes to cut off, or sectors to misplace."""

    harm: Harm
    amount: int = 1
    where: Spot = Spot.ANYWHERE


@dataclass(frozen=True, slots=True)
class Damaged:
    """Harm that was done to one place of one file: ``size`` bytes at ``offset``, and how, in a few words."""

    file: str
    offset: int
    size: int
    how: str


@dataclass(frozen=True, slots=True)
class Lost:
    """What a power cut took: bytes, how many of them a sync had called durable, and changes of names."""

    taken_back_bytes: int = 0
    betrayed_bytes: int = 0
    names: int = 0


@dataclass(slots=True)
class Write:
    """One write on its way: at ``offset``; ``data`` None is a truncation there.

    ``after`` is the last barrier that was begun before it, ``sync`` the one that it waits for (0: none yet).
    """

    offset: int
    data: bytes | None
    after: int
    sync: int = 0
    lied: bool = False


@dataclass(slots=True)
class Inode:
    """A file: what is read, what is durable, and the writes in between, oldest first."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    on_its_way: list[Write] = field(default_factory=list)


@dataclass(slots=True)
class NameChange:
    """Names that change together (a rename is two), each to a file or to none; else as a ``Write``."""

    names: tuple[tuple[str, Inode | None], ...]
    after: int
    sync: int = 0
    lied: bool = False


class Folder:
    """One folder of files, and what a power cut would leave of it."""

    def __init__(self) -> None:
        self.files: dict[str, Inode] = {}
        self._durable_names: dict[str, Inode] = {}
        self._changes: list[NameChange] = []
        self._dirty: list[Inode] = []
        self._in_disks_cache = False
        self._begun = 0
        self._ended = 0

    # -- what programs do ---------------------------------------------------------------------------------------------

    def create(self, name: str) -> Inode:
        """Make a new, empty file of a name that is free."""
        inode = Inode()
        self._change((name, inode))
        return inode

    def remove(self, name: str) -> None:
        """Remove a name."""
        self._change((name, None))

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, which it takes from any that has it; both happen or none does."""
        self._change((new, self.files[old]), (old, None))

    def write(self, inode: Inode, offset: int, data: bytes | None) -> None:
        """Write, or with None truncate, at ``offset``."""
        _apply(inode.content, offset, data)
        if not inode.on_its_way:
            self._dirty.append(inode)
        inode.on_its_way.append(Write(offset, data, self._begun))

    def sync(self, inode: Inode) -> None:
        """Begin a sync of a file, and of what the disk has lied about."""
        self._barrier(inode.on_its_way)

    def sync_names(self) -> None:
        """Begin a sync of the folder's names, and of what the disk has lied about."""
        self._barrier(self._changes)

    def settle(self) -> None:
        """End every sync that was begun: what they cover is durable."""
        for inode in self._dirty:
            for write in inode.on_its_way:
                if write.sync:
                    _apply(inode.durable, write.offset, write.data)
            inode.on_its_way = [write for write in inode.on_its_way if not write.sync]
        self._dirty = [inode for inode in self._dirty if inode.on_its_way]
        for change in self._changes:
            if change.sync:
                _rename(self._durable_names, change)
        self._changes = [change for change in self._changes if not change.sync]
        self._ended = self._begun

    # -- what disks do ------------------------------------------------------------------------------------------------

    def fail(self, inode: Inode) -> None:
        """A sync of a file fails: what it was for counts as clean, and is on its way to nowhere."""
        inode.on_its_way = []
        self._dirty = [dirty for dirty in self._dirty if dirty is not inode]

    def lie(self, inode: Inode) -> None:
        """A sync of a file succeeds and makes nothing durable."""
        self._in_disks_cache |= _lie(inode.on_its_way)

    def lie_about_names(self) -> None:
        """A sync of the folder's names succeeds and makes nothing durable."""
        self._in_disks_cache |= _lie(self._changes)

    def write_back(self) -> None:
        """Make everything durable, as a system does that is left alone for a while."""
        for inode in self._dirty:
            self.sync(inode)
        self.sync_names()
        self.settle()

    def lose_power(self, arrival: Arrival, below: Below) -> Lost:
        """Go back to what is durable and to what has arrived; return what was lost."""
        reached = self._ended
        if arrival is not Arrival.DROP and self._begun > self._ended:
            reached += below(self._begun - self._ended + 1)
        names = self._names_after(arrival, below, reached)
        self.files = dict(self._durable_names)
        lost = [_cut(inode, arrival, below, reached) for _, inode in sorted(self.files.items())]
        self._dirty = []
        self._in_disks_cache = False
        self._ended = self._begun
        return Lost(sum(taken for taken, _ in lost), sum(betrayed for _, betrayed in lost), names)

    def damage(self, damage: Damage, below: Below) -> tuple[Damaged, ...]:
        """Damage what is durable, after everything was written back; files that are empty cannot be."""
        self.write_back()
        names = [name for name, inode in sorted(self.files.items()) if inode.durable]
        if not names:
            return ()
        if damage.harm is Harm.WIPE:
            return self._wipe()
        name = names[-1] if damage.harm is Harm.TRUNCATE else names[below(len(names))]
        inode = self.files[name]
        done = _HARMS[damage.harm](name, inode.durable, damage, below)
        inode.content = bytearray(inode.durable)
        return done

    def _wipe(self) -> tuple[Damaged, ...]:
        gone = tuple(Damaged(name, 0, len(inode.durable), "gone") for name, inode in sorted(self.files.items()))
        self.files, self._durable_names = {}, {}
        return gone

    # -- inside -------------------------------------------------------------------------------------------------------

    def _change(self, *names: tuple[str, Inode | None]) -> None:
        change = NameChange(names, self._begun)
        _rename(self.files, change)
        self._changes.append(change)

    def _barrier(self, covered: Iterable[Write | NameChange]) -> None:
        self._begun += 1
        for one in covered:
            one.sync = one.sync or self._begun
        if self._in_disks_cache:
            self._empty_the_disks_cache()

    def _empty_the_disks_cache(self) -> None:
        self._in_disks_cache = False
        cached: list[Write | NameChange] = [write for inode in self._dirty for write in inode.on_its_way]
        for one in (*cached, *self._changes):
            if one.lied:
                one.sync, one.lied = one.sync or self._begun, False

    def _names_after(self, arrival: Arrival, below: Below, reached: int) -> int:
        lost = 0
        for change in self._changes:
            durable = 0 < change.sync <= reached
            luck = arrival in (Arrival.TORN, Arrival.REORDERED) and change.after <= reached
            if durable or (luck and below(2)):
                _rename(self._durable_names, change)
            else:
                lost += 1
        self._changes = []
        return lost


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _rename(names: dict[str, Inode], change: NameChange) -> None:
    for name, inode in change.names:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _lie(about: Iterable[Write | NameChange]) -> bool:
    lied = False
    for one in about:
        one.lied = one.lied or not one.sync
        lied = lied or one.lied
    return lied


def _cut(inode: Inode, arrival: Arrival, below: Below, reached: int) -> tuple[int, int]:
    """Let a file's writes arrive or not; return how many bytes did not, and how many of these were called durable."""
    taken_back = betrayed = 0
    for write in inode.on_its_way:
        if 0 < write.sync <= reached:
            _apply(inode.durable, write.offset, write.data)
            continue
        arrived = 0 if write.after > reached else _arrive(inode, write, arrival, below)
        missing = len(write.data or b"") - arrived
        taken_back += missing
        betrayed += missing if write.lied else 0
    inode.on_its_way = []
    inode.content = bytearray(inode.durable)
    return taken_back, betrayed


def _arrive(inode: Inode, write: Write, arrival: Arrival, below: Below) -> int:
    """Let a write arrive as it may; return how many bytes did. A truncation has no sectors: it arrives or not."""
    data = write.data or b""
    match arrival:
        case Arrival.DROP:
            return 0
        case Arrival.TORN if data:
            return _arrive_in_sectors(inode, write.offset, data, below)
        case Arrival.TORN | Arrival.REORDERED if not below(2):
            return 0
    _apply(inode.durable, write.offset, write.data)
    return len(data)


def _arrive_in_sectors(inode: Inode, offset: int, data: bytes, below: Below) -> int:
    arrived = 0
    start, end = offset, offset + len(data)
    while start < end:
        until = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        if below(2):
            _apply(inode.durable, start, data[start - offset : until - offset])
            arrived += until - start
        start = until
    return arrived


# -- damage -----------------------------------------------------------------------------------------------------------


def _spot(size: int, where: Spot) -> tuple[int, int]:
    """Return where a part of a file begins and ends; all of the file if it has no such part."""
    last = (size - 1) // SECTOR_BYTES * SECTOR_BYTES
    begin, end = {
        Spot.HEAD: (0, min(size, SECTOR_BYTES)),
        Spot.BODY: (SECTOR_BYTES, last),
        Spot.TAIL: (last, size),
        Spot.ANYWHERE: (0, size),
    }[where]
    return (begin, end) if begin < end else (0, size)


def _rot(name: str, durable: bytearray, damage: Damage, below: Below) -> tuple[Damaged, ...]:
    begin, end = _spot(len(durable), damage.where)
    done = []
    for _ in range(damage.amount):
        offset, bit = begin + below(end - begin), below(8)
        durable[offset] ^= 1 << bit
        done.append(Damaged(name, offset, 1, f"bit {bit} flipped"))
    return tuple(done)


def _truncate(name: str, durable: bytearray, damage: Damage, below: Below) -> tuple[Damaged, ...]:
    del below
    size = min(damage.amount, len(durable))
    offset = len(durable) - size
    del durable[offset:]
    return (Damaged(name, offset, size, "cut off"),)


def _misdirect(name: str, durable: bytearray, damage: Damage, below: Below) -> tuple[Damaged, ...]:
    sectors = (len(durable) + SECTOR_BYTES - 1) // SECTOR_BYTES
    if sectors < 2:
        return ()
    done = []
    for _ in range(damage.amount):
        to = below(sectors)
        source = (to + 1 + below(sectors - 1)) % sectors
        offset = to * SECTOR_BYTES
        data = durable[source * SECTOR_BYTES : (source + 1) * SECTOR_BYTES][: len(durable) - offset]
        durable[offset : offset + len(data)] = data
        done.append(Damaged(name, offset, len(data), f"holds what belongs at {source * SECTOR_BYTES}"))
    return tuple(done)


_HARMS: dict[Harm, Callable[[str, bytearray, Damage, Below], tuple[Damaged, ...]]] = {
    Harm.ROT: _rot,
    Harm.TRUNCATE: _truncate,
    Harm.MISDIRECT: _misdirect,
}
