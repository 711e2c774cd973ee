"""A disk in trouble: what may be taken back (``nemesis.undo``), what is wrong now, and what came of it.

The one fault model of disks: a simulated disk and a real folder under a file system of ours ask it the same questions
at the same moments, and differ only in where bytes lie and in how time passes.
"""

from __future__ import annotations

import errno

from nemesis.ground import MILLION, DiskCounters, DiskTrouble
from nemesis.inode import Directory, Inode
from nemesis.undo import JOURNAL_BYTES_MAX, Arrival, Below, Damage, Damaged, Folder, Harm


def never(bound: int) -> int:
    """Draw nothing: the lowest there is."""
    del bound
    return 0


class TroubledDisk:
    """One disk. ``below`` draws which reads are rotten."""

    def __init__(self, below: Below = never, limit_bytes: int = JOURNAL_BYTES_MAX) -> None:
        self.folder = Folder(limit_bytes)
        self.below = below
        self._trouble = DiskTrouble()
        self._fails_next = False
        self._fails_next_write = False
        self._slowed = 0
        self._failed = 0
        self._refused = 0
        self._lied = 0
        self._misread = 0
        self._taken_back_bytes = 0
        self._betrayed_bytes = 0
        self._names_lost = 0
        self.betrayed = False
        """The last power cut took what a sync had called durable, or the disk was wiped."""

    @property
    def trouble(self) -> DiskTrouble:
        """What is wrong with the disk."""
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: DiskTrouble) -> None:
        # One that has failed already does not fail again because another fault came or went.
        if trouble.fails_next != self._trouble.fails_next:
            self._fails_next = trouble.fails_next
        if trouble.fails_next_write != self._trouble.fails_next_write:
            self._fails_next_write = trouble.fails_next_write
        self._trouble = trouble

    @property
    def counters(self) -> DiskCounters:
        """What troubles have done."""
        return DiskCounters(
            self._slowed,
            self._failed,
            self._refused,
            self._taken_back_bytes,
            self._lied,
            self._betrayed_bytes,
            self._names_lost,
            self._misread,
        )

    def take_write(self) -> None:
        """A write begins, or a file is made. Raises OSError if the disk is full or the write fails."""
        if self._fails_next_write:
            self._fails_next_write = False
            self._failed += 1
            raise OSError(errno.EIO, "input/output error")
        if self._trouble.full:
            self._refused += 1
            raise OSError(errno.ENOSPC, "no space left on device")

    def misread(self, data: bytes) -> bytes:
        """Return what a read of ``data`` returns: itself, or with one bit flipped."""
        if not self._trouble.misread_ppm or not data or self.below(MILLION) >= self._trouble.misread_ppm:
            return data
        self._misread += 1
        rotten = bytearray(data)
        rotten[self.below(len(data))] ^= 1 << self.below(8)
        return bytes(rotten)

    def slowed(self) -> int:
        """A sync is waited for: count it if it is slowed, and return how many times as long it takes."""
        if self._trouble.stalled or self._trouble.times > 1:
            self._slowed += 1
        return self._trouble.times

    def begin_sync(self, inode: Inode) -> None:
        """A sync of a file begins. Raises OSError if it fails; what it was for then counts as clean."""
        if self._fails_next:
            self._fails_next = False
            self._failed += 1
            self.folder.fail(inode)
            raise OSError(errno.EIO, "input/output error")
        if self._trouble.lies:
            self._lied += 1
            self.folder.lie(inode)
        else:
            self.folder.sync(inode)

    def begin_sync_names(self, folder: Directory | None = None) -> None:
        """A sync of the names in a folder begins."""
        if self._trouble.lies:
            self._lied += 1
            self.folder.lie_about_names(folder)
        else:
            self.folder.sync_names(folder)

    def settle(self) -> None:
        """End every sync that was begun: what they cover is durable."""
        self.folder.settle()

    def lose_power(self, arrival: Arrival = Arrival.DROP, below: Below = never) -> None:
        """Go back to what is durable, and to what has arrived."""
        lost = self.folder.lose_power(arrival, below)
        self._taken_back_bytes += lost.taken_back_bytes
        self._betrayed_bytes += lost.betrayed_bytes
        self.betrayed = bool(lost.betrayed_bytes or (lost.names and self._lied))
        self._names_lost += lost.names

    def damage(self, damage: Damage, below: Below) -> tuple[Damaged, ...]:
        """Damage what is durable, while no process uses it."""
        self.betrayed = self.betrayed or damage.harm is Harm.WIPE
        return self.folder.damage(damage, below)
