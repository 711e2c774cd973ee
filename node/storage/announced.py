"""A disk that says when a sync begins: from then on the thread that waits for it leaves the processor to others.

In one Python process two threads do not compute at once. Between being handed records and beginning to sync them, the
log's thread needs the interpreter; a loop that begins to compute something long in that very moment holds it up by as
long as that takes, and with it the leader's own vote. Whoever has something to compute that nobody waits for yet
(``node.speculation``) does it when the disk is at work.
"""

from __future__ import annotations

from collections.abc import Callable

from node.storage.disk import Disk, File
from node.storage.shims import FileShim, ShimmedDisk


class SyncWatch:
    """Whether a sync is under way, and whom to tell when one begins: in the thread that syncs."""

    __slots__ = ("begins", "under_way")

    def __init__(self, begins: Callable[[], None]) -> None:
        self.begins = begins
        self.under_way = False


class AnnouncedFile(FileShim):
    """A file whose syncs are announced."""

    def __init__(self, file: File, watch: SyncWatch) -> None:
        super().__init__(file)
        self._watch = watch

    def sync(self) -> None:
        """Say so, and sync."""
        watch = self._watch
        watch.under_way = True
        watch.begins()
        try:
            super().sync()
        finally:
            watch.under_way = False


class AnnouncedDisk(ShimmedDisk):
    """A folder of such files."""

    def __init__(self, disk: Disk, watch: SyncWatch) -> None:
        super().__init__(disk)
        self._watch = watch

    def open(self, name: str, *, create: bool = False) -> FileShim:
        """Open a file whose syncs are announced."""
        return AnnouncedFile(self._disk.open(name, create=create), self._watch)
