"""The write-ahead log: what was committed is there again, what is damaged is said, and never silently something else.

The rule that these tests pin down, for a bad record in the last segment: if any later valid record says that it had
been durable, the log is corrupt. Records say how far the log was durable when their commit *began*, so damage is told
apart everywhere but in the last commit; there it looks like a write that the power cut short, and is cut off. In every
earlier segment all damage is told, because the next segment says with which record it begins.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.storage.disk import PosixDisk
from node.storage.frame import HEADER_BYTES, NO_BASE, PAYLOAD_BYTES_MAX, RECORD_BYTES, encode_record
from node.storage.wal import CorruptLogError, LogFailedError, Wal, segment_name
from tests.node.memory_disk import MemoryDisk

NODE = 3
ONE, TWO, THREE = segment_name(1), segment_name(2), segment_name(3)
RESERVED = range(12, 16)
"""Bytes of a record's head that are zero and mean nothing yet: in no checksum, so damage there is harmless."""

batches = st.lists(st.lists(st.binary(max_size=60), min_size=1, max_size=4), max_size=8)


def write(disk: MemoryDisk, commits: Sequence[Sequence[bytes]], segment_bytes: int = 1 << 20) -> None:
    """Append to a disk's log, commit by commit."""
    wal = Wal(disk, NODE, segment_bytes)
    for commit in commits:
        for payload in commit:
            wal.append(payload)
        wal.commit()
    wal.close()


def fail(
    disk: MemoryDisk, commit: Sequence[bytes], at: str, segment_bytes: int = 1 << 20, *, clean: bool = False
) -> None:
    """Let a commit fail at one of its calls to the disk."""
    wal = Wal(disk, NODE, segment_bytes)
    disk.fail(at, clean=clean)
    for payload in commit:
        wal.append(payload)
    with pytest.raises(LogFailedError):
        wal.commit()


def read(disk: MemoryDisk, segment_bytes: int = 1 << 20) -> list[bytes]:
    """Open a disk's log as a node does, and return its records."""
    wal = Wal(disk, NODE, segment_bytes)
    wal.close()
    return wal.payloads


def flat(commits: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Return all records of some commits."""
    return [payload for commit in commits for payload in commit]


def ends(commits: Sequence[Sequence[bytes]]) -> list[int]:
    """Return where in the first segment each commit ends."""
    sizes = [sum(RECORD_BYTES + len(payload) for payload in commit) for commit in commits]
    return list(accumulate(sizes, initial=HEADER_BYTES))[1:]


def flip(disk: MemoryDisk, name: str, offset: int, mask: int = 0x01) -> MemoryDisk:
    """Return a copy of a disk with one byte changed."""
    twin = disk.copy()
    content = bytearray(disk.content(name))
    content[offset] ^= mask
    twin.put(name, bytes(content))
    return twin


def cut(disk: MemoryDisk, name: str, size: int) -> MemoryDisk:
    """Return a copy of a disk with one file cut short."""
    twin = disk.copy()
    twin.put(name, disk.content(name)[:size])
    return twin


COMMITS = [[b"one"], [b"two", b""], [b"three" * 9, b"four"], [b"five", b"six" * 5, b"seven"]]


# -- what was committed is there --------------------------------------------------------------------------------------


@given(batches, st.integers(1, 400))
def test_round_trip(commits: list[list[bytes]], segment_bytes: int) -> None:
    disk = MemoryDisk()
    write(disk, commits, segment_bytes)
    assert read(disk, segment_bytes) == flat(commits)


@given(batches, batches, st.integers(1, 400))
def test_going_on_after_a_restart(before: list[list[bytes]], after: list[list[bytes]], segment_bytes: int) -> None:
    disk = MemoryDisk()
    write(disk, before, segment_bytes)
    write(disk, after, segment_bytes)
    assert read(disk) == flat(before) + flat(after)


@given(batches, batches, st.integers(1, 400), st.randoms(use_true_random=False))
def test_power_loss_keeps_what_was_committed_and_nothing_out_of_order(
    commits: list[list[bytes]], lost: list[list[bytes]], segment_bytes: int, rng: random.Random
) -> None:
    disk = MemoryDisk()
    write(disk, commits, segment_bytes)
    for batch in lost[:1]:
        fail(disk, batch, "sync", segment_bytes)
    disk.lose_power(rng)
    recovered = read(disk, segment_bytes)
    everything = flat(commits) + flat(lost[:1])
    assert recovered[: len(flat(commits))] == flat(commits)
    assert recovered == everything[: len(recovered)]
    disk.lose_power()
    assert read(disk, segment_bytes) == recovered, "what recovery has shown once must stay"


def test_unsynced_records_are_lost_with_the_power() -> None:
    disk = MemoryDisk()
    write(disk, COMMITS[:2])
    fail(disk, COMMITS[2], "sync")
    disk.lose_power()
    assert read(disk) == flat(COMMITS[:2])


def test_records_are_numbered_and_counted() -> None:
    disk = MemoryDisk()
    wal = Wal(disk, NODE)
    assert [wal.append(b"a"), wal.append(b"b")] == [1, 2]
    assert wal.durable_lsn == 0
    assert wal.commit() == 2
    assert wal.commit() == 2, "nothing gathered, nothing written"
    wal.append(b"c")
    wal.close()
    again = Wal(disk, NODE)
    assert again.payloads == [b"a", b"b"], "what was gathered and not committed is not kept"
    assert again.statistics == (2, 1, 0)
    assert again.append(b"d") == 3


def test_one_write_and_one_sync_a_commit() -> None:
    disk = MemoryDisk()
    wal = Wal(disk, NODE)
    wal.append(b"first")
    wal.commit()
    disk.calls.clear()
    for number in range(5):
        wal.append(bytes(number))
    wal.commit()
    assert disk.calls == ["write", "sync"]


def test_a_record_over_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="over the limit"):
        encode_record(1, 1, 0, bytes(PAYLOAD_BYTES_MAX + 1))


# -- segments ---------------------------------------------------------------------------------------------------------


def test_segments_roll_over() -> None:
    disk = MemoryDisk()
    write(disk, [[b"x" * 50]] * 5, segment_bytes=182)
    assert disk.names() == [ONE, TWO, THREE]
    wal = Wal(disk, NODE, 182)
    assert wal.payloads == [b"x" * 50] * 5
    assert wal.statistics == (5, 3, 0)


def test_a_segment_is_there_by_name_before_a_record_of_it_counts() -> None:
    disk = MemoryDisk()
    write(disk, [[b"x"]])
    assert disk.calls == ["create", "write", "sync", "sync_names", "write", "sync"]


@pytest.mark.parametrize("at", ["create", "write", "sync", "sync_names"])
@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("clean", [False, True])
def test_a_crash_while_rolling_over(at: str, power: bool, clean: bool) -> None:
    """Killed or powered off at any step of a roll, then restarted: later commits survive the next power loss."""
    disk = MemoryDisk()
    write(disk, [[b"before" * 20]], segment_bytes=100)
    fail(disk, [b"lost"], at, 100, clean=clean)
    if power:
        disk.lose_power()
    shown = read(disk)
    assert shown in ([b"before" * 20], [b"before" * 20, b"lost"])
    write(disk, [[b"after"]])
    disk.lose_power()
    assert read(disk) == [*shown, b"after"]


@pytest.mark.parametrize("clean", [False, True])
def test_what_a_killed_process_left_in_the_cache_is_made_durable_before_it_counts(clean: bool) -> None:
    """Else a node that answers for what it has read loses it with the power; with ``clean`` a plain sync is not enough.

    (Rebello et al., ATC 2020: after a failed fsync the pages are marked clean, and a later fsync writes nothing.)
    """
    disk = MemoryDisk()
    write(disk, COMMITS[:2])
    fail(disk, COMMITS[2], "sync", clean=clean)
    assert read(disk) == flat(COMMITS[:3])
    disk.lose_power()
    assert read(disk) == flat(COMMITS[:3])


def test_a_new_segment_whose_name_was_not_synced_vanishes_and_recovery_works() -> None:
    disk = MemoryDisk()
    write(disk, [[b"x" * 100]], segment_bytes=100)
    fail(disk, [b"lost"], "sync_names", segment_bytes=100)
    assert disk.names() == [ONE, TWO]
    disk.lose_power()
    assert disk.names() == [ONE]
    assert read(disk) == [b"x" * 100]


def test_a_missing_segment_is_reported() -> None:
    disk = MemoryDisk()
    write(disk, [[b"x" * 50]] * 5, segment_bytes=182)
    disk.remove(TWO)
    with pytest.raises(CorruptLogError, match=r"begins with record 5, but record 3 is next: a segment is missing"):
        read(disk)


def test_a_segment_under_a_wrong_name_is_reported() -> None:
    disk = MemoryDisk()
    write(disk, [[b"x" * 50]] * 5, segment_bytes=182)
    disk.put(segment_name(4), disk.content(THREE))
    disk.remove(THREE)
    with pytest.raises(CorruptLogError, match="generation 3 does not belong here"):
        read(disk)


def test_files_of_other_names_are_left_alone() -> None:
    disk = MemoryDisk()
    write(disk, COMMITS)
    disk.put("notes.txt", b"mine")
    assert read(disk) == flat(COMMITS)


def test_the_log_of_another_node_is_refused() -> None:
    disk = MemoryDisk()
    write(disk, COMMITS)
    with pytest.raises(CorruptLogError, match=f"belongs to node {NODE}, not to node 4"):
        Wal(disk, 4)


@pytest.mark.parametrize("offset", range(HEADER_BYTES))
def test_header_damage_is_reported(offset: int) -> None:
    disk = MemoryDisk()
    write(disk, [[b"x" * 50]] * 3, segment_bytes=182)
    for name in (ONE, TWO):
        with pytest.raises(CorruptLogError, match=rf"{name}, offset 0: the segment's header is damaged"):
            read(flip(disk, name, offset))


@pytest.mark.parametrize("size", range(HEADER_BYTES))
def test_a_last_segment_that_never_got_a_whole_header_is_dropped(size: int) -> None:
    disk = MemoryDisk()
    write(disk, [[b"x" * 50]] * 2, segment_bytes=182)
    header = disk.content(ONE)[:size]
    disk.put(TWO, header)
    assert read(disk) == [b"x" * 50] * 2
    assert disk.names() == [ONE]
    disk.put(TWO, bytes(HEADER_BYTES))
    write(disk, [[b"y"]], segment_bytes=182)
    assert read(disk) == [b"x" * 50] * 2 + [b"y"]


# -- torn tails and bit rot -------------------------------------------------------------------------------------------


def test_a_torn_tail_is_cut_at_every_byte_and_nothing_durable_is_lost() -> None:
    disk = MemoryDisk()
    write(disk, COMMITS)
    *_, durable, end = ends(COMMITS)
    whole = [*accumulate((RECORD_BYTES + len(payload) for payload in COMMITS[-1]), initial=durable)]
    for size in range(durable, end):
        torn = cut(disk, ONE, size)
        torn_content = torn.content(ONE)
        kept = sum(1 for boundary in whole[1:] if boundary <= size)
        wal = Wal(torn, NODE)
        assert wal.payloads == flat(COMMITS[:-1]) + COMMITS[-1][:kept], size
        tail = torn_content[max(boundary for boundary in whole if boundary <= size) :]
        assert wal.statistics.torn_bytes == len(tail.rstrip(b"\0")), "zeros are no part of a record for certain"
        wal.append(b"next")
        wal.commit()
        assert read(torn) == [*wal.payloads, b"next"], "the tail is gone for good, and the log goes on there"


def test_records_behind_the_cut_do_not_come_back() -> None:
    """The power took the first record of a commit and left the others: what is written in its place ends the log."""
    disk = MemoryDisk()
    write(disk, [[b"one"], [b"two", b"six", b"ten"]])
    torn = flip(disk, ONE, ends([[b"one"]])[0] + RECORD_BYTES)
    assert read(torn) == [b"one"]
    write(torn, [[b"new"]])
    assert read(torn) == [b"one", b"new"]


@pytest.mark.parametrize("garbage", [b"\x00" * 100, b"\xff" * 33, b"APXR" * 20, b"APXWAL01" + bytes(60)])
def test_garbage_behind_the_end_is_cut(garbage: bytes) -> None:
    disk = MemoryDisk()
    write(disk, COMMITS)
    disk.put(ONE, disk.content(ONE) + garbage)
    wal = Wal(disk, NODE)
    assert wal.payloads == flat(COMMITS)
    assert wal.statistics.torn_bytes == (len(garbage.rstrip(b"\0")))


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_bit_rot_before_the_last_commit_is_reported_at_every_byte(mask: int) -> None:
    disk = MemoryDisk()
    write(disk, COMMITS)
    heads = [HEADER_BYTES, *list(accumulate((RECORD_BYTES + len(p) for p in flat(COMMITS)), initial=HEADER_BYTES))]
    harmless = {head + byte for head in heads for byte in RESERVED}
    for offset in range(HEADER_BYTES, ends(COMMITS)[-2]):
        rotten = flip(disk, ONE, offset, mask)
        if offset in harmless:
            assert read(rotten) == flat(COMMITS)
            continue
        with pytest.raises(CorruptLogError, match="bit rot, not a torn tail"):
            read(rotten)


def test_bit_rot_in_the_last_commit_cuts_it_and_alters_nothing() -> None:
    """The one place where rot cannot be told from a torn write: nothing that was written later vouches for it."""
    disk = MemoryDisk()
    write(disk, COMMITS)
    *_, durable, end = ends(COMMITS)
    for offset in range(durable, end):
        shown = read(flip(disk, ONE, offset))
        assert shown[: len(flat(COMMITS[:-1]))] == flat(COMMITS[:-1])
        assert shown == flat(COMMITS)[: len(shown)]


def test_every_restart_leaves_a_commit_that_vouches_for_all_before_it() -> None:
    """One more commit (a node's start writes one) and the rule covers what had been the last commit."""
    disk = MemoryDisk()
    write(disk, COMMITS)
    write(disk, [[b"started"]])
    with pytest.raises(CorruptLogError, match="bit rot"):
        read(flip(disk, ONE, ends(COMMITS)[-1] - 1))


def test_rot_in_an_earlier_segment_is_reported_even_in_its_last_commit() -> None:
    disk = MemoryDisk()
    write(disk, [[b"x" * 50]] * 4, segment_bytes=182)
    assert disk.names() == [ONE, TWO]
    for offset in range(HEADER_BYTES, len(disk.content(ONE))):
        if (offset - HEADER_BYTES) % (RECORD_BYTES + 50) in RESERVED:
            continue
        with pytest.raises(CorruptLogError):
            read(flip(disk, ONE, offset))


def test_an_earlier_segment_cut_short_is_reported() -> None:
    disk = MemoryDisk()
    write(disk, [[b"x" * 50]] * 4, segment_bytes=182)
    for size in range(len(disk.content(ONE))):
        with pytest.raises(CorruptLogError):
            read(cut(disk, ONE, size))


def test_a_record_of_another_place_or_another_life_does_not_pass() -> None:
    disk = MemoryDisk()
    write(disk, [[b"a"], [b"b"], [b"c"]])
    record = RECORD_BYTES + 1
    content = disk.content(ONE)
    first, last = content[HEADER_BYTES : HEADER_BYTES + record], content[-record:]
    repeated = disk.copy()
    repeated.put(ONE, content[:HEADER_BYTES] + first + first + last)
    with pytest.raises(CorruptLogError, match="record 2 is damaged, but record 3 says that it was durable"):
        read(repeated)
    skipped = disk.copy()
    skipped.put(ONE, content[:HEADER_BYTES] + first + last)
    with pytest.raises(CorruptLogError, match="record 2 is damaged, but record 3 says that it was durable"):
        read(skipped)
    recycled = disk.copy()
    recycled.put(ONE, content + encode_record(7, 4, 3, b"of generation 7"))
    assert read(recycled) == [b"a", b"b", b"c"]


# -- zeros ahead and recycled files -----------------------------------------------------------------------------------

SPARE = "spare-0000000000000001.log"
LIFE = [[b"old %d" % number * 3] for number in range(6)]
NEXT = [[b"one"], [b"two"], [b"three", b"four"]]


class Covered:
    """Says that a snapshot holds everything before the segments that begin with record ``first`` or before."""

    def __init__(self) -> None:
        self.base = NO_BASE

    def __call__(self, base: bytes) -> bool:
        return base != NO_BASE and base <= self.base


def recycled(commits: Sequence[Sequence[bytes]] = NEXT) -> tuple[MemoryDisk, Covered]:
    """Return a disk whose log goes on, after a life of its file, in that file under a new name."""
    disk, covered = MemoryDisk(), Covered()
    wal = Wal(disk, NODE, 300, 64, covered=covered)
    for commit in LIFE:
        for payload in commit:
            wal.append(payload)
        wal.commit()
        wal.base = lambda: wal.last_lsn.to_bytes(32, "big")
    assert wal.last_lsn == len(LIFE)
    covered.base = wal._segments[-1].base
    assert wal.release() > 0
    assert SPARE in disk.names()
    while not wal.recycled:
        wal.append(b"filling")
        wal.commit()
    covered.base = wal._segments[-1].base
    wal.release()
    for batch in commits:
        for payload in batch:
            wal.append(payload)
        wal.commit()
    wal.close()
    return disk, covered


def last_segment(disk: MemoryDisk) -> str:
    return max(name for name in disk.names() if name.startswith("wal-"))


def test_zeros_ahead_are_written_with_the_record_that_needs_them() -> None:
    disk = MemoryDisk()
    wal = Wal(disk, NODE, 1_000, 400)
    wal.append(b"first")
    wal.commit()
    size = len(disk.content(ONE))
    assert size == HEADER_BYTES + RECORD_BYTES + 5 + 400
    disk.calls.clear()
    for _ in range(5):
        wal.append(b"more")
        wal.commit()
    assert disk.calls == ["write", "sync"] * 5
    assert len(disk.content(ONE)) == size, "the file has not grown: there was no metadata to sync"
    for _ in range(30):
        wal.append(b"more")
        wal.commit()
    assert len(disk.content(ONE)) < 1_000 + RECORD_BYTES + 4, "no zeros behind the end of the segment"


@given(batches, batches, st.integers(1, 400), st.integers(1, 300), st.randoms(use_true_random=False))
def test_power_loss_with_zeros_ahead(
    commits: list[list[bytes]], lost: list[list[bytes]], segment_bytes: int, ahead: int, rng: random.Random
) -> None:
    disk = MemoryDisk()
    wal = Wal(disk, NODE, segment_bytes, ahead)
    for commit in commits:
        for payload in commit:
            wal.append(payload)
        wal.commit()
    for batch in lost[:1]:
        disk.fail("sync")
        for payload in batch:
            wal.append(payload)
        with pytest.raises(LogFailedError):
            wal.commit()
    disk.lose_power(rng)
    again = Wal(disk, NODE, segment_bytes, ahead)
    everything = flat(commits) + flat(lost[:1])
    shown = again.payloads
    assert shown[: len(flat(commits))] == flat(commits)
    assert shown == everything[: len(shown)]
    again.append(b"new")
    again.commit()
    disk.lose_power(rng)
    assert read(disk, segment_bytes) == [*shown, b"new"], "nothing that was behind the cut comes back"


def test_a_recycled_file_shows_nothing_of_its_former_life() -> None:
    disk, covered = recycled()
    content = disk.content(last_segment(disk))
    assert b"old" in content, "the file was to have a past"
    wal = Wal(disk, NODE, 300, 64, covered=covered)
    assert wal.payloads[-len(flat(NEXT)) :] == flat(NEXT)
    assert not any(payload.startswith(b"old") for payload in wal.payloads)
    assert wal.statistics.torn_bytes == 0
    assert b"old" not in disk.content(last_segment(disk)), "opening fills what is behind the end with zeros"


@given(st.randoms(use_true_random=False), st.sampled_from(["rename", "sync_names", "write", "sync"]))
def test_a_crash_while_a_file_is_recycled(rng: random.Random, at: str) -> None:
    disk, covered = MemoryDisk(), Covered()
    wal = Wal(disk, NODE, 300, 64, covered=covered)
    done: list[bytes] = []
    failed = False
    for number in range(40):
        payload = b"%d" % number * 20
        if wal._spares and wal._offset >= 300 and not failed:
            disk.fail(at)
            failed = True
        wal.append(payload)
        try:
            wal.commit()
        except LogFailedError:
            disk.fail(at, 0)
            disk.lose_power(rng)
            wal = Wal(disk, NODE, 300, 64, covered=covered)
            shown = wal.payloads
            assert shown == [*done, payload][-len(shown) :] or shown == done[-len(shown) :]
            assert wal.last_lsn in (len(done), len(done) + 1)
            done = [*done, payload][: wal.last_lsn]
        else:
            done.append(payload)
        base = wal.last_lsn.to_bytes(32, "big")
        wal.base = lambda base=base: base  # type: ignore[misc]
        covered.base = wal._segments[-1].base
        wal.release()
    assert failed
    wal.close()
    again = Wal(disk, NODE, 300, 64, covered=covered)
    assert again.payloads == done[-len(again.payloads) :]
    assert again.last_lsn == len(done)


def test_rot_in_a_recycled_file_is_told_from_its_past() -> None:
    disk, covered = recycled()
    name = last_segment(disk)
    content = disk.content(name)
    start = content.index(b"one") - RECORD_BYTES
    for offset in range(start, content.index(b"three") - RECORD_BYTES):
        if offset in {begin + byte for begin in (start, start + RECORD_BYTES + 3) for byte in RESERVED}:
            continue
        with pytest.raises(CorruptLogError, match="bit rot, not a torn tail"):
            Wal(flip(disk, name, offset), NODE, 300, 64, covered=covered)


def test_a_torn_tail_in_a_recycled_file_is_cut_at_every_byte() -> None:
    """The last commit has not arrived from some byte on: there the file has what its former life had."""
    disk, covered = recycled()
    before, _ = recycled(NEXT[:-1])
    name = last_segment(disk)
    content, past = disk.content(name), before.content(last_segment(before))
    begin, end = content.index(b"three") - RECORD_BYTES, content.index(b"four") + 4
    for size in range(begin, end):
        torn = disk.copy()
        torn.put(name, content[:size] + past[size:])
        wal = Wal(torn, NODE, 300, 64, covered=covered)
        kept = flat(NEXT[:-1]) + [b"three"] * (size >= content.index(b"four") - RECORD_BYTES)
        assert wal.payloads[-len(kept) :] == kept, size
        wal.append(b"next")
        wal.commit()
        again = Wal(torn, NODE, 300, 64, covered=covered)
        assert again.payloads[-len(kept) - 1 :] == [*kept, b"next"]


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["create", "write", "sync", "sync_names"])
def test_the_first_error_poisons_the_log(at: str) -> None:
    disk = MemoryDisk()
    wal = Wal(disk, NODE)
    disk.fail(at)
    wal.append(b"x")
    with pytest.raises(LogFailedError, match=f"planted failure of {at}"):
        wal.commit()
    for again in range(2):
        with pytest.raises(LogFailedError, match="has failed before"):
            wal.commit()
        with pytest.raises(LogFailedError, match="has failed before"):
            wal.append(b"y" * again)
    assert wal.durable_lsn == 0


# -- reading only -----------------------------------------------------------------------------------------------------


def disks_to_inspect() -> list[Callable[[MemoryDisk], MemoryDisk]]:
    """Return what may be the matter with a disk that somebody looks into."""
    return [
        lambda disk: disk,
        lambda disk: cut(disk, ONE, ends(COMMITS)[-1] - 1),
        lambda disk: disk.copy() if disk.put(TWO, b"no header") is None else disk,
        lambda disk: MemoryDisk(),
    ]


@pytest.mark.parametrize("prepare", disks_to_inspect(), ids=["whole", "torn", "half-a-segment", "empty"])
def test_reading_only_changes_nothing(prepare: Callable[[MemoryDisk], MemoryDisk]) -> None:
    disk = MemoryDisk()
    write(disk, COMMITS)
    disk = prepare(disk)
    before = {name: disk.content(name) for name in disk.names()}
    disk.calls.clear()
    wal = Wal(disk, None, read_only=True)
    assert disk.calls == []
    assert {name: disk.content(name) for name in disk.names()} == before
    assert wal.payloads == flat(COMMITS)[: len(wal.payloads)]
    assert wal.node == (NODE if before else None)
    with pytest.raises(LogFailedError, match="read only"):
        wal.append(b"x")
    with pytest.raises(LogFailedError, match="read only"):
        wal.commit()


def test_reading_only_sees_the_same_as_opening() -> None:
    disk = MemoryDisk()
    write(disk, COMMITS)
    torn = cut(disk, ONE, ends(COMMITS)[-1] - 1)
    looked = Wal(torn, None, read_only=True)
    opened = Wal(torn, NODE)
    assert (looked.payloads, looked.statistics) == (opened.payloads, opened.statistics)


# -- a real folder ----------------------------------------------------------------------------------------------------


def test_on_a_real_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    disk = PosixDisk(folder, create=True)
    for round_ in range(3):
        wal = Wal(disk, NODE, segment_bytes=200)
        assert wal.payloads == [bytes([number]) * 70 for number in range(round_ * 2)]
        for number in range(round_ * 2, round_ * 2 + 2):
            wal.append(bytes([number]) * 70)
            wal.commit()
        wal.close()
    assert len(disk.names()) == 3
    (folder / "subfolder").mkdir()
    assert len(disk.names()) == 3
    with pytest.raises(FileExistsError):
        disk.open(ONE, create=True)
    disk.remove(TWO)
    with pytest.raises(CorruptLogError, match="a segment is missing"):
        Wal(disk, NODE)


def test_a_new_folder_is_durable_with_its_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the power takes the folder, and with it a log of which every record was synced."""
    synced: list[Path] = []
    monkeypatch.setattr("node.storage.disk.sync_folder", synced.append)
    PosixDisk(tmp_path / "a" / "b", create=True)
    assert set(synced) == {tmp_path, tmp_path / "a"}
    synced.clear()
    PosixDisk(tmp_path / "a" / "b", create=True)
    assert synced == []
