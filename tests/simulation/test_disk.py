"""The simulated disk against a model: what was synced is never lost, what was not is lost or torn."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.seeds import Stream
from harness.simulation.disk import SimulatedDisk
from nemesis.ground import DiskTrouble
from nemesis.troubled import never
from nemesis.undo import SECTOR_BYTES, Arrival

ARRIVALS = {arrival.value: arrival for arrival in Arrival}
appends = st.tuples(st.just("append"), st.integers(1, 3 * SECTOR_BYTES))
acts = st.lists(st.one_of(appends, st.tuples(st.sampled_from(["sync", "settle", *ARRIVALS]), st.just(0))), max_size=40)


@given(acts, st.integers(0, 1_000))
def test_what_was_synced_is_never_lost_and_the_rest_is_lost_or_torn(acts: list[tuple[str, int]], seed: int) -> None:
    disk, draws = SimulatedDisk(), Stream(seed)
    file = disk.open("f", create=True)
    disk.sync_names()
    disk.settle()
    written, begun, durable, letter = b"", b"", b"", 0
    for act, size in acts:
        match act:
            case "append":
                letter = letter % 255 + 1
                file.write(len(written), bytes([letter]) * size)
                written += bytes([letter]) * size
            case "sync":
                file.sync()
                begun = written
            case "settle":
                disk.settle()
                durable = begun
            case _:
                disk.lose_power(ARRIVALS[act], draws.below)
                file = disk.open("f")
                now = disk.contents()["f"]
                assert now[: len(durable)] == durable
                assert all(byte in (0, written[offset]) for offset, byte in enumerate(now))
                assert act != "drop" or now == durable
                written = begun = durable = now
        assert file.read(0, file.size()) == written


def test_what_is_taken_back_is_counted_and_what_arrived_is_not() -> None:
    for below, taken_back in ((None, 1_300), (lambda bound: bound - 1, 0), (lambda _: 0, 1_300)):
        disk = SimulatedDisk()
        disk.open("f", create=True).write(100, bytes(1_300))
        disk.sync_names()
        disk.settle()
        disk.lose_power(Arrival.TORN if below else Arrival.DROP, below or never)
        assert disk.counters.taken_back_bytes == taken_back


def test_a_torn_write_is_torn_at_sectors() -> None:
    disk, draws = SimulatedDisk(), iter([1, 0, 1])
    disk.open("f", create=True).write(500, b"x" * 600)
    disk.sync_names()
    disk.settle()
    disk.lose_power(Arrival.TORN, lambda _: next(draws))
    assert disk.contents()["f"] == bytes(500) + b"x" * 12 + bytes(512) + b"x" * 76


def test_a_name_is_durable_once_names_were_synced() -> None:
    disk = SimulatedDisk()
    disk.open("old", create=True)
    disk.sync_names()
    disk.settle()
    disk.open("new", create=True).sync()
    disk.remove("old")
    disk.settle()
    assert disk.names() == ["new"]
    disk.lose_power()
    assert disk.names() == ["old"]


def test_torn_names_may_have_arrived() -> None:
    disk = SimulatedDisk()
    disk.open("a", create=True)
    disk.sync_names()
    disk.settle()
    disk.remove("a")
    disk.open("b", create=True)
    draws = iter([0, 1])
    disk.lose_power(Arrival.TORN, lambda _: next(draws))
    assert disk.names() == ["a", "b"]


def test_the_next_sync_fails_once_and_its_pages_count_as_clean() -> None:
    disk = SimulatedDisk()
    file = disk.open("f", create=True)
    disk.sync_names()
    disk.settle()
    file.write(0, b"lost")
    disk.trouble = DiskTrouble(fails_next=True)
    with pytest.raises(OSError, match="error") as failed:
        file.sync()
    assert failed.value.errno == errno.EIO
    disk.trouble = DiskTrouble(fails_next=True, times=3)  # another fault comes; the first one is not armed anew
    file.sync()
    disk.settle()
    assert file.read(0, 9) == b"lost"
    disk.lose_power()
    assert disk.contents()["f"] == b""
    assert disk.counters.failed == 1


def test_a_full_disk_refuses_writes_and_new_files_and_nothing_else() -> None:
    disk = SimulatedDisk()
    file = disk.open("f", create=True)
    file.write(0, b"there")
    disk.trouble = DiskTrouble(full=True)
    for refused in (lambda: file.write(5, b"!"), lambda: disk.open("g", create=True)):
        with pytest.raises(OSError, match="no space") as failed:
            refused()
        assert failed.value.errno == errno.ENOSPC
    file.truncate(2)
    file.sync()
    disk.trouble = DiskTrouble()
    file.write(2, b"en")
    assert file.read(0, 9) == b"then"
    assert disk.counters.refused == 2


def test_a_lying_disk_calls_everything_durable_and_keeps_nothing() -> None:
    disk = SimulatedDisk()
    disk.open("f", create=True)
    disk.sync_names()
    disk.settle()
    disk.trouble = DiskTrouble(lies=True)
    file = disk.open("f")
    file.write(0, b"promised")
    file.sync()
    disk.open("g", create=True)
    disk.sync_names()
    disk.settle()
    assert (disk.names(), file.read(0, 9)) == (["f", "g"], b"promised")
    disk.lose_power()
    assert disk.contents() == {"f": b""}
    counters = disk.counters
    assert (counters.lied, counters.taken_back_bytes, counters.betrayed_bytes, counters.names_lost) == (2, 8, 8, 1)


def test_a_rename_is_lost_until_names_were_synced_and_then_takes_the_old_files_place() -> None:
    disk = SimulatedDisk()
    for name in ("old", "new"):
        file = disk.open(name, create=True)
        file.write(0, name.encode())
        file.sync()
    disk.sync_names()
    disk.settle()
    disk.rename("new", "old")
    assert disk.names() == ["old"]
    disk.sync_names()  # begun, and never ended
    disk.lose_power()
    assert disk.names() == ["new", "old"], "both are back: a rename happens whole or not at all"
    assert disk.open("old").read(0, 3) == b"old"
    disk.rename("new", "old")
    disk.sync_names()
    disk.settle()
    disk.lose_power()
    assert disk.contents() == {"old": b"new"}
    with pytest.raises(FileNotFoundError):
        disk.rename("new", "old")


@pytest.mark.parametrize("names", [False, True])
def test_the_next_true_sync_makes_good_what_a_disk_lied_about(names: bool) -> None:
    disk = SimulatedDisk()
    disk.open("f", create=True)
    other = disk.open("other", create=True)
    disk.sync_names()
    disk.settle()
    disk.trouble = DiskTrouble(lies=True)
    file = disk.open("f")
    file.write(0, b"promised")
    file.sync()
    disk.trouble = DiskTrouble()
    file.write(8, b", and not")
    if names:
        disk.sync_names()
    else:
        other.sync()
    disk.settle()
    disk.lose_power()
    assert disk.contents()["f"] == b"promised"
    assert disk.counters.betrayed_bytes == 0
