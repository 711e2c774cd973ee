"""A disk that says when a sync begins."""

from __future__ import annotations

import pytest

from node.paxos.records import Started
from node.storage.announced import AnnouncedDisk, SyncWatch
from node.storage.journal import Journal
from node.storage.shims import FileShim
from tests.node.memory_disk import MemoryDisk


def test_each_sync_is_announced_before_it_begins() -> None:
    watch = SyncWatch(lambda: seen.append((watch.under_way, len(synced))))
    seen: list[tuple[bool, int]] = []
    synced: list[str] = []

    class Counted(FileShim):
        def sync(self) -> None:
            assert watch.under_way
            synced.append("synced")
            super().sync()

    class Below(MemoryDisk):
        def open(self, name: str, *, create: bool = False) -> FileShim:  # type: ignore[override]
            return Counted(super().open(name, create=create))

    below = Below()
    journal = Journal(AnnouncedDisk(below, watch), 1)
    before = len(synced)
    assert journal.commit([Started(2)]) == journal.remembered.records + 1
    assert len(synced) == before + 1
    assert seen == [(True, number) for number in range(len(synced))]
    assert not watch.under_way


def test_a_sync_that_fails_is_over() -> None:
    watch = SyncWatch(lambda: None)
    below = MemoryDisk()
    file = AnnouncedDisk(below, watch).open("a", create=True)
    file.write(0, b"a")
    below.fail("sync")
    with pytest.raises(OSError):
        file.sync()
    assert not watch.under_way
