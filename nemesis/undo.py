"""What a disk forgets: files that know what is durable and what is only on its way.

A pure model, without I/O, time or randomness of its own, so that a simulated disk and a real folder under a file system
of ours (``nemesis.fuse``) forget by the same rules:

- What is written can be read at once. It is durable when a sync that began after it has ended (``settle``).
- Names are the same: a file is durably there (or gone, or renamed) once its folder was synced. POSIX promises no more,
  and no file system's habit of doing more is relied on here. (A rename from one folder to another happens whole or not
  at all, so it is durable with a sync of either.)
- A sync is a barrier for the program that waits for it: what was written after it began was written after it ended. So
  a power cut finds a program somewhere on its way through its barriers: what they passed is durable, what comes after
  the one it waits at was never written, and only what lies between may have arrived in part (``Arrival``).
- A sync that fails does what ext4's does: its pages count as clean, can be read, and are on their way to nowhere.
- A sync that lies leaves everything as it is, but calls it durable: it waits in the disk's own cache. The next true
  sync of anything in the folder empties that cache.
- What it takes to go back is bounded: over ``limit_bytes`` everything is written back, as a system does whose memory is
  full of pages to be written. That is a loss which does not happen, never one that should not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from nemesis.inode import WRITE_BYTES, Content, Directory, Inode, Write

SECTOR_BYTES = 512
PAGE_BYTES = 4_096
JOURNAL_BYTES_MAX = 64 << 20
Below = Callable[[int], int]
"""Draws an integer in [0, n)."""


class Arrival(StrEnum):
    """What a power cut leaves of what was on its way.

    Nothing (``drop``); any sectors (``torn``); any pages (``torn-pages``); any whole writes (``reordered``); all data
    but no names (``names``).
    """

    DROP = "drop"
    TORN = "torn"
    REORDERED = "reordered"
    NAMES = "names"
    TORN_PAGES = "torn-pages"


_TORN_AT = {Arrival.TORN: SECTOR_BYTES, Arrival.TORN_PAGES: PAGE_BYTES}
_LUCKY = (Arrival.TORN, Arrival.TORN_PAGES, Arrival.REORDERED)
"""Where what was not synced may have arrived, each write and each name for itself."""


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
class NameChange:
    """Names that change together (a rename is two), each to a file or to none; else as a ``Write``."""

    names: tuple[tuple[Directory, str, Inode | None], ...]
    after: int
    sync: int = 0
    lied: bool = False


class Folder:
    """One folder of files, and what a power cut would leave of it.

    Files lie in ``root`` or in folders within it; where a folder is not named, ``root`` is meant.
    """

    def __init__(self, limit_bytes: int = JOURNAL_BYTES_MAX) -> None:
        self.root = Directory()
        self.overflows = 0
        """How often the journal was over its limit."""
        self._limit_bytes = limit_bytes
        self._journal_bytes = 0
        self._changes: list[NameChange] = []
        self._dirty: list[Inode] = []
        self._in_disks_cache = False
        self._begun = 0
        self._ended = 0

    @property
    def files(self) -> dict[str, Inode]:
        """What is in the root, by name."""
        return self.root.entries

    @property
    def journal_bytes(self) -> int:
        """How much is kept to be able to go back."""
        return self._journal_bytes

    # -- what programs do ---------------------------------------------------------------------------------------------

    def adopt(self, name: str, inode: Inode, folder: Directory | None = None) -> None:
        """Let a file be there that was there before all this, durably."""
        folder = folder or self.root
        folder.entries[name] = folder.durable[name] = inode

    def create(self, name: str, folder: Directory | None = None, content: Content | None = None) -> Inode:
        """Make a new, empty file of a name that is free."""
        return self.link(name, Inode(content), folder)

    def link(self, name: str, inode: Inode, folder: Directory | None = None) -> Inode:
        """Give a file, or a new folder, a name that is free."""
        self._change((folder or self.root, name, inode))
        return inode

    def remove(self, name: str, folder: Directory | None = None) -> None:
        """Remove a name."""
        self._change((folder or self.root, name, None))

    def rename(self, old: str, new: str, source: Directory | None = None, target: Directory | None = None) -> None:
        """Give a file another name, which it takes from any that has it; both happen or none does."""
        source, target = source or self.root, target or self.root
        self._change((target, new, source.entries[old]), (source, old, None))

    def write(self, inode: Inode, offset: int, data: bytes | None) -> None:
        """Write at ``offset``, or with None let the file end there."""
        if not inode.journal:
            self._dirty.append(inode)
        write = inode.write(offset, data, self._begun)
        self._journal_bytes += WRITE_BYTES + len(write.before)
        if self._journal_bytes > self._limit_bytes:
            self._overflow()

    def sync(self, inode: Inode) -> None:
        """Begin a sync of a file, and of what the disk has lied about."""
        self._barrier(inode.journal)

    def sync_names(self, folder: Directory | None = None) -> None:
        """Begin a sync of the names in a folder, and of what the disk has lied about."""
        self._barrier(self._changes_in(folder or self.root))

    def settle(self) -> None:
        """End every sync that was begun: what they cover is durable."""
        for inode in self._dirty:
            self._journal_bytes -= inode.settle()
        self._dirty = [inode for inode in self._dirty if inode.journal]
        for change in self._changes:
            if change.sync:
                _make_durable(change)
        self._changes = [change for change in self._changes if not change.sync]
        self._ended = self._begun

    # -- what disks do ------------------------------------------------------------------------------------------------

    def fail(self, inode: Inode) -> None:
        """A sync of a file fails: what it was for counts as clean, and is on its way to nowhere."""
        inode.fail()

    def lie(self, inode: Inode) -> None:
        """A sync of a file succeeds and makes nothing durable."""
        self._in_disks_cache |= _lie(write for write in inode.journal if write.on_its_way)

    def lie_about_names(self, folder: Directory | None = None) -> None:
        """A sync of the names in a folder succeeds and makes nothing durable."""
        self._in_disks_cache |= _lie(self._changes_in(folder or self.root))

    def write_back(self) -> None:
        """Make everything durable, as a system does that is left alone for a while."""
        for inode in self._dirty:
            self.sync(inode)
        self._barrier(self._changes)
        self.settle()

    def lose_power(self, arrival: Arrival, below: Below) -> Lost:
        """Go back to what is durable and to what has arrived; return what was lost."""
        reached = self._ended
        if arrival is not Arrival.DROP and self._begun > self._ended:
            reached += below(self._begun - self._ended + 1)
        names = self._names_after(arrival, below, reached)
        _go_back(self.root)
        lost = [_cut(inode, arrival, below, reached) for _, inode in self.walk()]
        self._dirty = []
        self._journal_bytes = 0
        self._in_disks_cache = False
        self._ended = self._begun
        return Lost(sum(taken for taken, _ in lost), sum(betrayed for _, betrayed in lost), names)

    def damage(self, damage: Damage, below: Below) -> tuple[Damaged, ...]:
        """Damage what is durable, after everything was written back; files that are empty cannot be."""
        self.write_back()
        durable = list(self.walk())
        for _, inode in durable:
            _cut(inode, Arrival.DROP, below, self._ended)
        self._dirty, self._journal_bytes = [], 0
        full = [(name, inode) for name, inode in durable if inode.content.size()]
        if not full:
            return ()
        if damage.harm is Harm.WIPE:
            return self._wipe()
        name, inode = full[-1] if damage.harm is Harm.TRUNCATE else full[below(len(full))]
        return _HARMS[damage.harm](name, inode.content, damage, below)

    # -- what was done while nobody was told ------------------------------------------------------------------------

    def note_write(self, inode: Inode, write: Write) -> None:
        """A write, or a setting of the size, was done that this is told of now."""
        if not inode.journal:
            self._dirty.append(inode)
        write.after = self._begun
        inode.journal.append(write)
        self._journal_bytes += WRITE_BYTES + len(write.before)

    def note_change(self, *names: tuple[Directory, str, Inode | None]) -> None:
        """Names were changed together that are as they are by now."""
        self._changes.append(NameChange(names, self._begun))

    def forget_change(self) -> None:
        """The last change of names was not done after all."""
        self._changes.pop()

    def walk(self) -> Iterator[tuple[str, Inode]]:
        """Yield all files, folders left out, by their paths, sorted."""
        found: dict[str, Inode] = {}
        ahead = [("", self.root)]
        while ahead:
            path, folder = ahead.pop()
            for name, inode in folder.entries.items():
                if isinstance(inode, Directory):
                    ahead.append((f"{path}{name}/", inode))
                else:
                    found[path + name] = inode
        return iter(sorted(found.items()))

    def remembered(self) -> set[int]:
        """Return the ``id`` of every file and folder that is there, durably there, or about to be either."""
        seen: set[int] = set()
        ahead: list[Inode] = [self.root]
        ahead += [inode for change in self._changes for _, _, inode in change.names if inode is not None]
        while ahead:
            inode = ahead.pop()
            if id(inode) in seen:
                continue
            seen.add(id(inode))
            if isinstance(inode, Directory):
                ahead += [*inode.entries.values(), *inode.durable.values()]
        return seen

    def _wipe(self) -> tuple[Damaged, ...]:
        gone = tuple(Damaged(name, 0, inode.content.size(), "gone") for name, inode in self.walk())
        self.root.entries, self.root.durable = {}, {}
        return gone

    # -- inside -------------------------------------------------------------------------------------------------------

    def _change(self, *names: tuple[Directory, str, Inode | None]) -> None:
        change = NameChange(names, self._begun)
        for folder, name, inode in names:
            _name(folder.entries, name, inode)
        self._changes.append(change)

    def _changes_in(self, folder: Directory) -> list[NameChange]:
        return [change for change in self._changes if any(where is folder for where, _, _ in change.names)]

    def _barrier(self, covered: Iterable[Write | NameChange]) -> None:
        self._begun += 1
        for one in covered:
            one.sync = one.sync or self._begun
        if self._in_disks_cache:
            self._empty_the_disks_cache()

    def _empty_the_disks_cache(self) -> None:
        self._in_disks_cache = False
        cached: list[Write | NameChange] = [write for inode in self._dirty for write in inode.journal]
        for one in (*cached, *self._changes):
            if one.lied:
                one.sync, one.lied = one.sync or self._begun, False

    def _overflow(self) -> None:
        """Write everything back; where failed syncs keep a journal long, their data are durable after all."""
        self.overflows += 1
        self.write_back()
        if self._journal_bytes > self._limit_bytes:
            for inode in self._dirty:
                inode.journal = []
            self._dirty, self._journal_bytes = [], 0

    def _names_after(self, arrival: Arrival, below: Below, reached: int) -> int:
        lost = 0
        for change in self._changes:
            durable = 0 < change.sync <= reached
            luck = arrival in _LUCKY and change.after <= reached
            if durable or (luck and below(2)):
                _make_durable(change)
            else:
                lost += 1
        self._changes = []
        return lost


def _name(names: dict[str, Inode], name: str, inode: Inode | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


def _make_durable(change: NameChange) -> None:
    for folder, name, inode in change.names:
        _name(folder.durable, name, inode)


def _go_back(folder: Directory) -> None:
    """Let a folder and those within it have the names that are durable."""
    folder.entries = dict(folder.durable)
    for inode in folder.entries.values():
        if isinstance(inode, Directory):
            _go_back(inode)


def _lie(about: Iterable[Write | NameChange]) -> bool:
    lied = False
    for one in about:
        one.lied = one.lied or not one.sync
        lied = lied or one.lied
    return lied


def _cut(inode: Inode, arrival: Arrival, below: Below, reached: int) -> tuple[int, int]:
    """Let a file's writes arrive or not; return how many bytes did not, and how many of these were called durable."""
    taken_back = betrayed = 0
    for write, data in inode.take_back():
        if write.nowhere:
            continue
        if write.durable or 0 < write.sync <= reached:
            inode.do_again(write, data)
            continue
        arrived = 0 if write.after > reached else _arrive(inode, write, data, arrival, below)
        missing = len(data) - arrived
        taken_back += missing
        betrayed += missing if write.lied else 0
    return taken_back, betrayed


def _arrive(inode: Inode, write: Write, data: bytes, arrival: Arrival, below: Below) -> int:
    """Let a write arrive as it may; return how many bytes did. A truncation has no sectors: it arrives or not."""
    if arrival is Arrival.DROP:
        return 0
    if data and arrival in _TORN_AT:
        return _arrive_in_parts(inode, write.offset, data, _TORN_AT[arrival], below)
    if arrival in _LUCKY and not below(2):
        return 0
    inode.do_again(write, data)
    return len(data)


def _arrive_in_parts(inode: Inode, offset: int, data: bytes, part_bytes: int, below: Below) -> int:
    arrived = 0
    start, end = offset, offset + len(data)
    while start < end:
        until = min(end, (start // part_bytes + 1) * part_bytes)
        if below(2):
            inode.content.write(start, data[start - offset : until - offset])
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


def _rot(name: str, durable: Content, damage: Damage, below: Below) -> tuple[Damaged, ...]:
    begin, end = _spot(durable.size(), damage.where)
    done = []
    for _ in range(damage.amount):
        offset, bit = begin + below(end - begin), below(8)
        durable.write(offset, bytes((durable.read(offset, 1)[0] ^ 1 << bit,)))
        done.append(Damaged(name, offset, 1, f"bit {bit} flipped"))
    return tuple(done)


def _truncate(name: str, durable: Content, damage: Damage, below: Below) -> tuple[Damaged, ...]:
    del below
    size = min(damage.amount, durable.size())
    offset = durable.size() - size
    durable.set_size(offset)
    return (Damaged(name, offset, size, "cut off"),)


def _misdirect(name: str, durable: Content, damage: Damage, below: Below) -> tuple[Damaged, ...]:
    sectors = (durable.size() + SECTOR_BYTES - 1) // SECTOR_BYTES
    if sectors < 2:
        return ()
    done = []
    for _ in range(damage.amount):
        to = below(sectors)
        source = (to + 1 + below(sectors - 1)) % sectors
        offset = to * SECTOR_BYTES
        data = durable.read(source * SECTOR_BYTES, min(SECTOR_BYTES, durable.size() - offset))
        durable.write(offset, data)
        done.append(Damaged(name, offset, len(data), f"holds what belongs at {source * SECTOR_BYTES}"))
    return tuple(done)


_HARMS: dict[Harm, Callable[[str, Content, Damage, Below], tuple[Damaged, ...]]] = {
    Harm.ROT: _rot,
    Harm.TRUNCATE: _truncate,
    Harm.MISDIRECT: _misdirect,
}
