"""The undo journal against the same rules told the other way round: durable bytes, and what is to be added to them.

The oracle keeps a file's durable content apart and never undoes anything: at a power cut it applies, oldest first, what
has arrived. It draws when the model draws, so for each mode of arrival both must end at the same bytes and counts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemesis.undo import PAGE_BYTES, SECTOR_BYTES, Arrival, Folder

Act = tuple[str, int, int]
"""What is done, where (or to which size), and with how many bytes."""


@dataclass
class Pending:
    offset: int
    data: bytes | None
    cuts: bool
    after: int
    sync: int = 0
    lied: bool = False


@dataclass
class Oracle:
    """One file that is durably there."""

    content: bytes = b""
    durable: bytes = b""
    pending: list[Pending] = field(default_factory=list)
    begun: int = 0
    ended: int = 0

    def write(self, offset: int, data: bytes | None) -> None:
        cuts = data is None and offset < len(self.content)
        self.content = added(self.content, offset, data, cuts)
        self.pending.append(Pending(offset, data, cuts, self.begun))

    def sync(self) -> None:
        self.begun += 1
        for write in self.pending:
            write.sync = write.sync or self.begun

    def settle(self) -> None:
        for write in self.pending:
            if write.sync:
                self.durable = added(self.durable, write.offset, write.data, write.cuts)
        self.pending = [write for write in self.pending if not write.sync]
        self.ended = self.begun

    def fail(self) -> None:
        self.pending = []

    def lie(self) -> None:
        for write in self.pending:
            write.lied = write.lied or not write.sync

    def lose_power(self, arrival: Arrival, draw: random.Random) -> tuple[int, int]:
        reached, taken_back, betrayed = self.ended, 0, 0
        if arrival is not Arrival.DROP and self.begun > self.ended:
            reached += draw.randrange(self.begun - self.ended + 1)
        for write in self.pending:
            size = len(write.data or b"")
            if 0 < write.sync <= reached:
                missing = 0
                self.durable = added(self.durable, write.offset, write.data, write.cuts)
            elif write.after > reached:
                missing = size
            else:
                missing = size - self._arrive(write, arrival, draw)
            taken_back += missing
            betrayed += missing if write.lied else 0
        self.content, self.pending, self.ended = self.durable, [], self.begun
        return taken_back, betrayed

    def _arrive(self, write: Pending, arrival: Arrival, draw: random.Random) -> int:
        border = {Arrival.TORN: SECTOR_BYTES, Arrival.TORN_PAGES: PAGE_BYTES}.get(arrival)
        if arrival is Arrival.DROP:
            return 0
        if border is None or not write.data:
            if arrival is Arrival.NAMES or draw.randrange(2):
                self.durable = added(self.durable, write.offset, write.data, write.cuts)
                return len(write.data or b"")
            return 0
        arrived = 0
        ends = [end for end in range(0, write.offset + len(write.data), border) if end > write.offset]
        for begin, end in zip([write.offset, *ends], [*ends, write.offset + len(write.data)], strict=True):
            if draw.randrange(2):
                part = write.data[begin - write.offset : end - write.offset]
                self.durable = added(self.durable, begin, part, False)
                arrived += len(part)
        return arrived


def added(content: bytes, offset: int, data: bytes | None, cuts: bool) -> bytes:
    """Return content after a write; a size that was set below what it was then never makes it longer."""
    if data is not None:
        content = content.ljust(offset, b"\0")
        return content[:offset] + data + content[offset + len(data) :]
    return content[:offset] if cuts else content.ljust(offset, b"\0")


places = st.integers(0, 3 * PAGE_BYTES)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("write"), places, st.integers(1, 2 * PAGE_BYTES)),
        st.tuples(st.just("size"), places, st.just(0)),
        st.tuples(st.sampled_from(["sync", "settle", "fail", "lie"]), st.just(0), st.just(0)),
        st.tuples(st.sampled_from(tuple(Arrival)), st.integers(0, 2**32), st.just(0)),
    ),
    max_size=25,
)


@given(acts, st.sampled_from(Arrival), st.integers(0, 2**32))
def test_undoing_comes_to_the_same_as_never_having_done(acts: list[Act], last: Arrival, seed: int) -> None:
    folder, oracle = Folder(), Oracle()
    inode = folder.create("f")
    folder.write_back()
    folder._begun = folder._ended = 0
    for number, (act, where, size) in enumerate([*acts, (last, seed, 0)]):
        match act:
            case "write":
                data = bytes([number % 255 + 1]) * size
                folder.write(inode, where, data)
                oracle.write(where, data)
            case "size":
                folder.write(inode, where, None)
                oracle.write(where, None)
            case "sync":
                folder.sync(inode)
                for write in oracle.pending:
                    write.lied = False
                oracle.sync()
            case "settle":
                folder.settle()
                oracle.settle()
            case "fail":
                folder.fail(inode)
                oracle.fail()
            case "lie":
                folder.lie(inode)
                oracle.lie()
            case _:
                lost = folder.lose_power(Arrival(act), random.Random(where).randrange)
                assert (lost.taken_back_bytes, lost.betrayed_bytes) == oracle.lose_power(
                    Arrival(act), random.Random(where)
                )
        assert inode.content.read(0, inode.content.size()) == oracle.content
    assert folder.journal_bytes == 0


@given(acts)
def test_a_journal_over_its_limit_makes_everything_durable_and_nothing_else_changes(acts: list[Act]) -> None:
    limit = 20_000
    folder = Folder(limit)
    inode = folder.create("f")
    folder.write_back()
    content = b""
    for act, where, size in acts:
        if act == "write":
            folder.write(inode, where, b"x" * size)
            content = added(content, where, b"x" * size, False)
        elif act == "fail":
            folder.fail(inode)
        assert folder.journal_bytes <= limit
        assert inode.content.read(0, inode.content.size()) == content


@pytest.mark.parametrize("synced", ["source", "target", ""])
def test_a_rename_between_folders_is_durable_with_a_sync_of_either(synced: str) -> None:
    from nemesis.inode import Directory

    folder = Folder()
    folders = {"source": Directory(), "target": Directory()}
    for name, directory in folders.items():
        folder.link(name, directory)
    folder.create("f", folders["source"])
    folder.write_back()
    folder.rename("f", "g", folders["source"], folders["target"])
    if synced:
        folder.sync_names(folders[synced])
        folder.settle()
    folder.lose_power(Arrival.DROP, random.Random(0).randrange)
    assert [path for path, _ in folder.walk()] == (["target/g"] if synced else ["source/f"])


def test_a_folder_that_was_not_synced_is_gone_with_all_that_is_in_it() -> None:
    from nemesis.inode import Directory

    folder, inner = Folder(), Directory()
    folder.link("d", inner)
    folder.create("f", inner)
    folder.sync_names(inner)
    folder.settle()
    folder.lose_power(Arrival.DROP, random.Random(0).randrange)
    assert list(folder.walk()) == []
