"""A folder whose program has the shim: what it would lose is read from the shim's journal when it is dead.

The journal is told to the same model that a FUSE volume and a simulated disk have (``nemesis.undo``), record by record,
as if each were happening; but contents are what they are, and only what it takes to undo them is added. Then the power
goes there, and names are laid out as a volume does it. Files and folders are known by their inode numbers: nothing
gives a number back, as whatever loses its last name is kept among the graves.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nemesis.fuse.stored import Stored
from nemesis.fuse.volume import Symlink, Volume
from nemesis.ground import DiskCounters, DiskTrouble
from nemesis.inode import Directory, Inode, Write
from nemesis.shim.page import Page
from nemesis.troubled import TroubledDisk
from nemesis.undo import Arrival, Below, Damage, Damaged, Folder

JOURNAL_BYTES_MAX = 1 << 30
_RECORD = struct.Struct("<IHHHHI6Q")
WRITE, SIZE, SYNC, SYNC_NAMES, LIE, LIE_NAMES, FAIL, END, NAMED, REMOVED, RENAMED, CANCEL, SYNC_ALL = range(1, 14)


class Record(NamedTuple):
    """One record of the journal."""

    type: int
    inode: int
    offset: int
    size: int
    size_before: int
    folder: int
    to_folder: int
    first: str
    second: str
    before: bytes


class Names(NamedTuple):
    """A folder as it was when all of it was durable: each name's inode number."""

    entries: dict[str, int]
    symlinks: dict[int, str]


class Shimmed:
    """One node's folder; what a ``Volume`` is to its control, without a file system."""

    def __init__(self, folder: Path, state: Path) -> None:
        """Take what is in the folder for durable. ``state`` is made, on the same file system as the folder."""
        self.disk = TroubledDisk()
        self.failure = ""
        self._folder = folder
        self._state = state
        state.mkdir(parents=True)
        self._graves.mkdir()
        self._page = Page(state / "control")
        self._page.write(log_limit=JOURNAL_BYTES_MAX)
        self._durable = self._look()

    @property
    def environment(self) -> dict[str, str]:
        """What the program is started with, besides the library."""
        return {"ANTIPAXOS_DISK_FOLDER": str(self._folder), "ANTIPAXOS_DISK_STATE": str(self._state)}

    @property
    def overflows(self) -> int:
        """How often something could not be journalled."""
        return self._page.read("overflows") + self._page.read("unseen")

    def set_trouble(self, trouble: DiskTrouble, below: Below) -> None:
        """Let the disk have this trouble and no other."""
        before, self.disk.trouble = self.disk.trouble, trouble
        if trouble.fails_next != before.fails_next:
            self._page.write(fails_next=trouble.fails_next)
        if trouble.fails_next_write != before.fails_next_write:
            self._page.write(fails_next_write=trouble.fails_next_write)
        self._page.write(
            draws=below(2**53),
            misread_ppm=trouble.misread_ppm,
            lies=trouble.lies,
            full=trouble.full,
            times=trouble.times,
            stalled=trouble.stalled,
        )

    def counters(self) -> DiskCounters:
        """Return what troubles have done."""
        lost, page = self.disk.counters, self._page
        return DiskCounters(
            page.read("slowed"),
            page.read("failed"),
            page.read("refused"),
            lost.taken_back_bytes,
            page.read("lied"),
            lost.betrayed_bytes,
            lost.names_lost,
            page.read("misread"),
        )

    def abandon(self) -> None:
        """The program is being killed: no sync ends well any more."""
        self._page.write(abandoned=1)

    def attach(self) -> None:
        """A program is about to be started.

        The one before may have been killed between a change of names and its record, in whichever order these come.
        What is there is what the next one finds and builds on, so the journal is made to say that.
        """
        self._page.write(abandoned=0)
        journalled = {number: dict(names.entries) for number, names in self._durable.items()}
        for record in _without_cancelled(_records(self._journal)):
            names = journalled.setdefault(record.folder, {})
            match record.type:
                case 9:  # NAMED
                    names[record.first] = record.inode
                case 10:  # REMOVED
                    names.pop(record.first, None)
                case 11:  # RENAMED
                    names.pop(record.first, None)
                    journalled.setdefault(record.to_folder, {})[record.second] = record.inode
        with self._journal.open("ab") as file:
            for number, there in self._look().items():
                said = journalled.get(number, {})
                for name in sorted(there.entries.keys() | said.keys()):
                    if there.entries.get(name) != said.get(name):
                        file.write(_change_of_name(number, name, there.entries.get(name)))

    def lose_power(self, arrival: Arrival, below: Below) -> None:
        """Go back to what is durable and to what has arrived. To be called when the program is gone."""
        volume = self._tell()
        try:
            volume.lose_power(arrival, below)
        finally:
            volume.close()
        self._begin_anew()

    def damage(self, damage: Damage, below: Below) -> tuple[Damaged, ...]:
        """Damage what is durable. To be called when the program is gone."""
        volume = self._tell()
        try:
            done = volume.damage(damage, below)
        finally:
            volume.close()
        self._begin_anew()
        return done

    def fail(self, what: str) -> None:
        """Note that something went wrong that no fault has asked for."""
        self.failure = self.failure or what

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _graves(self) -> Path:
        return self._state / "graves"

    @property
    def _journal(self) -> Path:
        return self._state / "journal"

    def _begin_anew(self) -> None:
        """What is there is durable."""
        if self._journal.exists():
            os.truncate(self._journal, 0)
        for grave in self._graves.iterdir():
            if grave.is_dir() and not grave.is_symlink():
                grave.rmdir()
            else:
                grave.unlink()
        self._durable = self._look()

    def _look(self) -> dict[int, Names]:
        """Return every folder's names, by its inode number."""
        found = {}
        for path in (self._folder, *(path for path in self._folder.rglob("*") if path.is_dir())):
            inside = {entry.name: entry for entry in path.iterdir()}
            numbers = {name: entry.lstat().st_ino for name, entry in inside.items()}
            symlinks = {numbers[n]: str(entry.readlink()) for n, entry in inside.items() if entry.is_symlink()}
            found[path.lstat().st_ino] = Names(numbers, symlinks)
        return found

    def _tell(self) -> Volume:
        """Return the folder as a volume whose model knows what the journal says."""
        self.disk.folder = Folder()
        volume = Volume(self._folder, self.disk)
        told = _Told(self.disk.folder, volume.numbers, self._durable, self._graves)
        for record in _records(self._journal):
            told.hear(record)
        return volume


class _Told:
    """A model that is being told what has happened."""

    def __init__(self, folder: Folder, numbers: dict[int, Inode], durable: dict[int, Names], graves: Path) -> None:
        self._folder = folder
        self._numbers = numbers
        self._graves = graves
        self._symlinks = {number: target for names in durable.values() for number, target in names.symlinks.items()}
        self._folders = set(durable)
        for inode in numbers.values():
            if isinstance(inode, Directory):
                inode.durable = {}
        for number, names in durable.items():
            directory = self._find(number)
            assert isinstance(directory, Directory)
            directory.durable = {name: self._find(entry) for name, entry in names.entries.items()}

    def hear(self, record: Record) -> None:
        """Take down one record."""
        folder = self._folder
        match record.type:
            case 1 | 2:  # WRITE, SIZE
                write = Write(
                    record.offset, record.size, record.before, record.size_before, 0, sets_size=record.type == SIZE
                )
                folder.note_write(self._find(record.inode), write)
            case 3:  # SYNC
                folder.sync(self._find(record.inode))
            case 4:  # SYNC_NAMES
                folder.sync_names(self._directory(record.folder))
            case 5:  # LIE
                folder.lie(self._find(record.inode))
            case 6:  # LIE_NAMES
                folder.lie_about_names(self._directory(record.folder))
            case 7:  # FAIL
                folder.fail(self._find(record.inode))
            case 8:  # END
                folder.settle()
            case 9:  # NAMED
                folder.note_change((self._directory(record.folder), record.first, self._find(record.inode)))
            case 10:  # REMOVED
                folder.note_change((self._directory(record.folder), record.first, None))
            case 11:  # RENAMED
                folder.note_change(
                    (self._directory(record.to_folder), record.second, self._find(record.inode)),
                    (self._directory(record.folder), record.first, None),
                )
            case 12:  # CANCEL
                folder.forget_change()
            case 13:  # SYNC_ALL
                folder.write_back()

    def _directory(self, number: int) -> Directory:
        self._folders.add(number)
        found = self._find(number)
        assert isinstance(found, Directory), f"inode {number} is no folder"
        return found

    def _find(self, number: int) -> Inode:
        """Return what has an inode number; if it has no name any more, from the graves."""
        if number not in self._numbers:
            self._numbers[number] = self._from_the_graves(number)
        return self._numbers[number]

    def _from_the_graves(self, number: int) -> Inode:
        if number in self._folders:
            return Directory()
        if number in self._symlinks:
            return Symlink(self._symlinks[number])
        grave = self._graves / str(number)
        if grave.is_file() and not grave.is_symlink():
            return Inode(Stored(os.open(grave, os.O_RDWR | os.O_CLOEXEC)))
        return Inode()  # it came and went unseen, or the program was killed before it was there


def _records(journal: Path) -> Iterator[Record]:
    """Yield what is in a journal, up to a record that was cut off."""
    if not journal.exists():
        return
    with journal.open("rb") as file:
        while len(head := file.read(_RECORD.size)) == _RECORD.size:
            size, kind, first, second, _, _, inode, offset, length, before, folder, to_folder = _RECORD.unpack(head)
            rest = file.read(size - _RECORD.size)
            if len(rest) < size - _RECORD.size:
                return
            names = os.fsdecode(rest[:first]), os.fsdecode(rest[first : first + second])
            yield Record(kind, inode, offset, length, before, folder, to_folder, *names, rest[first + second :])


def _without_cancelled(records: Iterator[Record]) -> Iterator[Record]:
    """Leave out what was not done after all."""
    last: Record | None = None
    for record in records:
        if record.type == CANCEL:
            last = None
            continue
        if last is not None:
            yield last
        last = record
    if last is not None:
        yield last


def _change_of_name(folder: int, name: str, inode: int | None) -> bytes:
    """Return the record of a name that is another file's, or nobody's."""
    said = os.fsencode(name)
    kind = REMOVED if inode is None else NAMED
    return _RECORD.pack(_RECORD.size + len(said), kind, len(said), 0, 0, 0, inode or 0, 0, 0, 0, folder, 0) + said
