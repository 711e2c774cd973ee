"""The undo model against a naive one: what a true sync covered stays, and the rest arrives only as its mode has it."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nemesis.inode import Inode
from nemesis.undo import SECTOR_BYTES, Arrival, Below, Damage, Damaged, Folder, Harm, Spot

NAMES = ("a", "b", "c")


def dice(seed: int) -> Below:
    """Return draws that are the same for a seed."""
    source = random.Random(seed)
    return source.randrange


def always(bound: int) -> int:
    return bound - 1


def never(bound: int) -> int:
    del bound
    return 0


def written(*data: bytes) -> tuple[Folder, Inode]:
    """Return a folder with one durable, empty file, and these writes on their way to it, one behind the other."""
    folder = Folder()
    inode = folder.create("f")
    folder.sync_names()
    folder.settle()
    for part in data:
        folder.write(inode, inode.content.size(), part)
    return folder, inode


def content(folder: Folder, name: str = "f") -> bytes:
    held = folder.files[name].content
    return held.read(0, held.size())


# -- granularity ------------------------------------------------------------------------------------------------------

sizes = st.lists(st.integers(1, 3 * SECTOR_BYTES), min_size=1, max_size=6)


@given(sizes, st.integers(0, 2**32))
def test_whole_writes_arrive_or_do_not(sizes: list[int], seed: int) -> None:
    folder, _ = written(*(bytes([number]) * size for number, size in enumerate(sizes, start=1)))
    lost = folder.lose_power(Arrival.REORDERED, dice(seed))
    now, offset, arrived = content(folder), 0, 0
    for number, size in enumerate(sizes, start=1):
        part = now[offset : offset + size]
        assert part in (bytes([number]) * size, bytes(len(part)))
        arrived += size if number in part else 0
        offset += size
    assert lost.taken_back_bytes == sum(sizes) - arrived


def test_a_later_write_may_be_there_without_an_earlier_one() -> None:
    folder, _ = written(b"first", b"second")
    luck = iter((0, 1))
    folder.lose_power(Arrival.REORDERED, lambda _: next(luck))
    assert content(folder) == bytes(5) + b"second"


@given(sizes, st.integers(0, 2**32))
def test_sectors_arrive_or_do_not(sizes: list[int], seed: int) -> None:
    data = [bytes([number]) * size for number, size in enumerate(sizes, start=1)]
    folder, _ = written(*data)
    folder.lose_power(Arrival.TORN, dice(seed))
    now, offset = content(folder), 0
    for part in data:
        for start in range(offset, offset + len(part)):
            if start == offset or start % SECTOR_BYTES == 0:
                end = min(offset + len(part), (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
                found = now[start:end]
                assert found in (part[: len(found)], bytes(len(found)))
        offset += len(part)


def test_a_truncation_arrives_or_does_not() -> None:
    for mode in (Arrival.TORN, Arrival.REORDERED):
        for below, left in ((never, b"whole"), (always, b"wh")):
            folder, inode = written(b"whole")
            folder.sync(inode)
            folder.settle()
            folder.write(inode, 2, None)
            folder.lose_power(mode, below)
            assert content(folder) == left


def test_names_are_lost_while_all_data_arrives() -> None:
    folder, _ = written(b"data")
    new = folder.create("new")
    folder.write(new, 0, b"synced")
    folder.sync(new)
    folder.settle()
    lost = folder.lose_power(Arrival.NAMES, always)
    assert {name: content(folder, name) for name in folder.files} == {"f": b"data"}
    assert (lost.taken_back_bytes, lost.names) == (0, 1)


def test_a_rename_happens_whole_or_not_at_all() -> None:
    for mode, below, left in (
        (Arrival.DROP, always, {"f": b"old", "g": b"new"}),
        (Arrival.TORN, always, {"f": b"new"}),
        (Arrival.TORN, never, {"f": b"old", "g": b"new"}),
    ):
        folder, inode = written(b"old")
        folder.write(folder.create("g"), 0, b"new")
        folder.write_back()
        folder.rename("g", "f")
        assert (content(folder), sorted(folder.files)) == (b"new", ["f"])
        folder.lose_power(mode, below)
        assert {name: content(folder, name) for name in folder.files} == left
        assert inode.content.read(0, 9) == b"old"


def test_a_name_that_comes_back_has_what_was_durable_in_it() -> None:
    folder, inode = written(b"kept")
    folder.sync(inode)
    folder.settle()
    folder.remove("f")
    assert folder.files == {}
    folder.lose_power(Arrival.DROP, never)
    assert content(folder) == b"kept"


# -- barriers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Arrival.TORN, Arrival.REORDERED, Arrival.NAMES])
@given(seed=st.integers(0, 2**32))
def test_what_comes_after_a_barrier_is_not_there_unless_all_before_it_is(mode: Arrival, seed: int) -> None:
    folder, inode = written(b"x" * 2_000)
    folder.sync(inode)
    folder.write(inode, 2_000, b"y" * 2_000)
    folder.sync(inode)
    folder.create("g")
    folder.lose_power(mode, dice(seed))
    now = content(folder)
    if b"y" in now:
        assert now.count(b"x") == 2_000
    if "g" in folder.files:
        assert now == b"x" * 2_000 + b"y" * 2_000


def test_a_program_that_waits_for_its_first_sync_has_written_nothing_after_it() -> None:
    folder, inode = written(b"x")
    folder.sync(inode)
    folder.write(inode, 1, b"y")
    luck = iter((0, 1))
    folder.lose_power(Arrival.REORDERED, lambda _: next(luck))
    assert content(folder) == b"x"


# -- lies and failures ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 100), min_size=1, max_size=5), st.integers(0, 5))
def test_what_was_lied_about_is_counted_apart(sizes: list[int], honest: int) -> None:
    folder, inode = written()
    for number, size in enumerate(sizes):
        folder.write(inode, inode.content.size(), bytes(size))
        if number >= honest:
            folder.lie(inode)
        else:
            folder.sync(inode)
            folder.settle()
    folder.write(inode, inode.content.size(), b"never synced")
    lost = folder.lose_power(Arrival.DROP, never)
    assert lost.betrayed_bytes == sum(sizes[honest:])
    assert lost.taken_back_bytes == lost.betrayed_bytes + 12
    assert len(content(folder)) == sum(sizes[:honest])


def test_a_failed_sync_leaves_its_pages_clean_and_nowhere() -> None:
    folder, inode = written(b"gone")
    folder.fail(inode)
    folder.sync(inode)
    folder.settle()
    assert content(folder) == b"gone"
    folder.write(inode, 4, b" but")
    folder.sync(inode)
    folder.settle()
    folder.lose_power(Arrival.DROP, never)
    assert content(folder) == bytes(4) + b" but"


# -- damage -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 5_000), st.sampled_from(Spot), st.integers(1, 20), st.integers(0, 2**32))
def test_rot_flips_bits_where_it_says(size: int, where: Spot, bits: int, seed: int) -> None:
    folder, _ = written(bytes(size))
    done = folder.damage(Damage(Harm.ROT, bits, where), dice(seed))
    now = content(folder)
    assert len(now) == size and len(done) == bits
    assert {offset for offset, byte in enumerate(now) if byte} <= {damaged.offset for damaged in done}
    for damaged in done:
        assert (damaged.file, damaged.size) == ("f", 1)
        if where is Spot.HEAD:
            assert damaged.offset < SECTOR_BYTES
        if where is Spot.TAIL:
            assert damaged.offset // SECTOR_BYTES == (size - 1) // SECTOR_BYTES
        if where is Spot.BODY and size > 2 * SECTOR_BYTES:
            assert SECTOR_BYTES <= damaged.offset < (size - 1) // SECTOR_BYTES * SECTOR_BYTES


def test_the_newest_file_is_cut_and_what_was_written_is_written_back_first() -> None:
    folder, _ = written(b"older")
    folder.write(folder.create("g"), 0, b"newest")
    (done,) = folder.damage(Damage(Harm.TRUNCATE, 4), never)
    assert (done.file, done.offset, done.size) == ("g", 2, 4)
    folder.lose_power(Arrival.DROP, never)
    assert (content(folder), content(folder, "g")) == (b"older", b"ne")
    assert folder.damage(Damage(Harm.TRUNCATE, 99), never)[0].size == 2


@given(st.integers(2, 9), st.integers(0, 2**32))
def test_a_misdirected_sector_is_another_ones(sectors: int, seed: int) -> None:
    folder, _ = written(b"".join(bytes([number]) * SECTOR_BYTES for number in range(sectors)))
    (done,) = folder.damage(Damage(Harm.MISDIRECT), dice(seed))
    now = content(folder)
    place = done.offset // SECTOR_BYTES
    for number in range(sectors):
        found = set(now[number * SECTOR_BYTES : (number + 1) * SECTOR_BYTES])
        assert len(found) == 1
        assert (found == {number}) is (number != place)


def test_a_wiped_disk_is_empty_and_stays_so_when_the_power_goes() -> None:
    folder, _ = written(b"older")
    folder.write(folder.create("g"), 0, b"newest")
    assert folder.damage(Damage(Harm.WIPE), never) == (Damaged("f", 0, 5, "gone"), Damaged("g", 0, 6, "gone"))
    assert folder.files == {}
    folder.lose_power(Arrival.DROP, never)
    assert folder.files == {}
    folder.write(folder.create("f"), 0, b"anew")
    assert content(folder) == b"anew"


@pytest.mark.parametrize("harm", Harm)
def test_nothing_is_done_to_what_is_not_there(harm: Harm) -> None:
    assert Folder().damage(Damage(harm), always) == ()
    folder, _ = written(b"one sector" if harm is Harm.MISDIRECT else b"")
    assert folder.damage(Damage(harm), always) == ()


# -- all of it together -----------------------------------------------------------------------------------------------


@dataclass
class Promise:
    """What a naive model knows of a file: its bytes, and how many of them were promised, truly and not."""

    inode: Inode
    data: bytes = b""
    promised: bytes = b""
    named: bool = False


class Promises(RuleBasedStateMachine):
    """Programs that wait for each sync, power cuts of all modes: what was promised truly is always there."""

    @initialize()
    def begin(self) -> None:
        self.folder = Folder()
        self.files: dict[str, Promise] = {}
        self.letters = 0

    @rule(name=st.sampled_from(NAMES))
    def create(self, name: str) -> None:
        if name not in self.folder.files:
            self.files[name] = Promise(self.folder.create(name))

    @rule(name=st.sampled_from(NAMES), size=st.integers(1, 3 * SECTOR_BYTES))
    def append(self, name: str, size: int) -> None:
        if name in self.files:
            self.letters = self.letters % 255 + 1
            file = self.files[name]
            self.folder.write(file.inode, len(file.data), bytes([self.letters]) * size)
            file.data += bytes([self.letters]) * size

    @rule(name=st.sampled_from(NAMES))
    def sync(self, name: str) -> None:
        if name in self.files:
            self.folder.sync(self.files[name].inode)
            self.folder.settle()
            self.files[name].promised = self.files[name].data

    @rule()
    def sync_names(self) -> None:
        self.folder.sync_names()
        self.folder.settle()
        for file in self.files.values():
            file.named = True

    @rule(name=st.sampled_from(NAMES))
    def lie(self, name: str) -> None:
        if name in self.files:
            self.folder.lie(self.files[name].inode)

    @rule(arrival=st.sampled_from(Arrival), seed=st.integers(0, 2**32))
    def lose_power(self, arrival: Arrival, seed: int) -> None:
        self.folder.lose_power(arrival, dice(seed))
        for name, file in list(self.files.items()):
            assert name in self.folder.files or not file.named
            if name not in self.folder.files:
                del self.files[name]
                continue
            now = content(self.folder, name)
            assert now[: len(file.promised)] == file.promised
            assert all(byte in (0, file.data[offset]) for offset, byte in enumerate(now))
            assert arrival is not Arrival.NAMES or now == file.data
            self.files[name] = Promise(self.folder.files[name], now, now, True)

    @invariant()
    def what_is_read_is_what_was_written(self) -> None:
        for name, file in getattr(self, "files", {}).items():
            assert content(self.folder, name) == file.data

    @precondition(lambda self: self.files)
    @rule()
    def write_back(self) -> None:
        self.folder.write_back()
        for file in self.files.values():
            file.promised, file.named = file.data, True


TestPromises = Promises.TestCase
