"""Snapshot files and the log behind them: whole or told, never half; nothing goes before what stands for it."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import kv
from node.kv import Increment, Result, Write
from node.machine import Machine, OpenEntry, StateError, decode_state, encode_entry
from node.paxos.ballot import ZERO, Ballot
from node.paxos.counters import Counters
from node.paxos.messages import SnapshotPart
from node.paxos.records import (
    AcceptedRecord,
    Base,
    ChosenUpto,
    Life,
    Noted,
    Promised,
    Record,
    RecoveryError,
    Started,
    replay,
)
from node.paxos.snapshot import SNAPSHOT_BYTES_MAX, Download, Snapshot, snapshot_of
from node.sessions import SKIPPED_MAX, Sessions
from node.storage.frame import SegmentHeader, decode_header, encode_header
from node.storage.journal import Journal, decode_base, encode_base, inspect
from node.storage.snapshots import (
    PIECE_BYTES,
    SNAPSHOT_HEADER_BYTES,
    TEMPORARY,
    CorruptSnapshotError,
    SnapshotFiles,
    encode,
    snapshot_name,
)
from node.storage.wal import CorruptLogError, LogFailedError, segment_name
from node.wire import Command
from tests.node.cluster import Cluster, Letter
from tests.node.memory_disk import MemoryDisk

NODE = 3
B = Ballot(2, 1)
SNAPSHOT = snapshot_of(40, B, b"the state after forty slots")
NAME = snapshot_name(40)


def save(disk: MemoryDisk, snapshot: Snapshot = SNAPSHOT, steps: int = 1_000) -> None:
    """Write a snapshot, or its first steps."""
    writing = SnapshotFiles(disk, NODE).write(snapshot)
    for _ in range(steps):
        if next(writing, "end") == "end":
            break


# -- the file ---------------------------------------------------------------------------------------------------------


@given(st.integers(1, 2**60), st.binary(min_size=1, max_size=200), st.integers(0, 2**40), st.integers(0, 9))
def test_round_trip(slot: int, state: bytes, round_: int, node: int) -> None:
    disk = MemoryDisk()
    snapshot = snapshot_of(slot, Ballot(round_, node), state)
    save(disk, snapshot)
    disk.lose_power()
    assert SnapshotFiles(disk, NODE).latest == snapshot
    assert disk.names() == [snapshot_name(slot)]


def test_a_newer_snapshot_takes_the_place_of_the_older_one_once_it_is_durable() -> None:
    disk = MemoryDisk()
    save(disk)
    newer = snapshot_of(50, B, b"more")
    save(disk, newer, steps=2)
    assert disk.names() == [NAME, snapshot_name(50)]
    disk.lose_power()
    assert SnapshotFiles(disk, NODE).latest == newer
    assert disk.names() == [snapshot_name(50)], "opening clears the older one away"


def test_a_large_snapshot_is_written_and_synced_in_pieces() -> None:
    disk = MemoryDisk()
    save(disk, snapshot_of(1, B, bytes(2 * PIECE_BYTES)))
    assert disk.calls == ["create", *["write", "sync"] * 3, "rename", "sync_names"]


def test_before_its_name_is_synced_the_power_takes_a_snapshot_and_leaves_the_older_one() -> None:
    disk = MemoryDisk()
    save(disk)
    disk.fail("sync_names")
    with pytest.raises(OSError, match="planted"):
        for _ in SnapshotFiles(disk.copy(), NODE).write(SNAPSHOT):
            pass
        save(disk, snapshot_of(50, B, b"more"))
    disk.lose_power()
    assert SnapshotFiles(disk, NODE).latest == SNAPSHOT


@pytest.mark.parametrize("at", ["create", "write", "sync", "rename", "sync_names", "remove"])
@pytest.mark.parametrize("power", [False, True])
def test_a_crash_at_any_step_leaves_the_old_or_the_new_snapshot_whole(at: str, power: bool) -> None:
    for seed in range(20):
        disk = MemoryDisk()
        save(disk)
        newer = snapshot_of(50, B, b"more")
        writing = SnapshotFiles(disk, NODE).write(newer)
        disk.fail(at)
        with pytest.raises(OSError, match="planted"):
            for _ in writing:
                pass
        disk.fail(at, 0)
        if power:
            disk.lose_power(random.Random(seed))
        shown = SnapshotFiles(disk, NODE).latest
        assert shown in (SNAPSHOT, newer)
        assert TEMPORARY not in disk.names()
        disk.lose_power(random.Random(seed))
        assert SnapshotFiles(disk, NODE).latest == shown, "what recovery has shown once must stay"


def test_damage_is_told_at_every_byte() -> None:
    disk = MemoryDisk()
    save(disk)
    content = disk.content(NAME)
    for offset in range(len(content)):
        rotten = bytearray(content)
        rotten[offset] ^= 0x10
        disk.put(NAME, bytes(rotten))
        with pytest.raises(CorruptSnapshotError, match=f"{NAME}, offset "):
            SnapshotFiles(disk, NODE)


def test_a_cut_snapshot_is_told_at_every_byte() -> None:
    disk = MemoryDisk()
    save(disk)
    content = disk.content(NAME)
    for size in range(len(content)):
        disk.put(NAME, content[:size])
        with pytest.raises(CorruptSnapshotError, match=f"{NAME}, offset "):
            SnapshotFiles(disk, NODE)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        (NAME, encode(SNAPSHOT, 4), "belongs to node 4, not to node 3"),
        (snapshot_name(41), encode(SNAPSHOT, NODE), "the snapshot is of slot 40"),
        (NAME, encode(SNAPSHOT, NODE)[:-1], "has 26 bytes and should have 27"),
        (NAME, encode(SNAPSHOT, NODE)[:-1] + b"?", rf"offset {SNAPSHOT_HEADER_BYTES}: .* bit rot"),
    ],
)
def test_what_is_wrong_with_a_snapshot_is_said(name: str, content: bytes, complaint: str) -> None:
    disk = MemoryDisk()
    disk.put(name, content)
    with pytest.raises(CorruptSnapshotError, match=complaint):
        SnapshotFiles(disk, NODE)


# -- the log behind it ------------------------------------------------------------------------------------------------


def slots(first: int, last: int, ballot: Ballot = B) -> list[Record]:
    """Return records of slots, each of which tells that those before it are chosen."""
    return [AcceptedRecord(slot, ballot, (b"%d" % slot,), slot - 1) for slot in range(first, last + 1)]


def filled(upto: int, segment_bytes: int = 300) -> tuple[MemoryDisk, Journal]:
    """Return a journal of a few small segments, with a promise in the first of them."""
    disk = MemoryDisk()
    journal = Journal(disk, NODE, segment_bytes)
    journal.commit([Promised(B)])
    for record in slots(1, upto):
        journal.commit([record])
    return disk, journal


def saved(journal: Journal, snapshot: Snapshot) -> int:
    """Save a snapshot and return how many segments went."""
    saving = journal.save(snapshot)
    while True:
        try:
            next(saving)
        except StopIteration as done:
            return int(done.value)


def test_segments_go_when_a_durable_snapshot_covers_all_of_their_slots_and_not_before() -> None:
    disk, journal = filled(30)
    segments = [name for name in disk.names() if name.startswith("wal-")]
    saving = journal.save(snapshot_of(20, B, b"s"))
    next(saving)
    assert [name for name in disk.names() if name.startswith("wal-")] == segments
    next(saving)
    assert [name for name in disk.names() if name.startswith("wal-")] == segments, "the name is just being synced"
    with pytest.raises(StopIteration):
        next(saving)
    left = [name for name in disk.names() if name.startswith("wal-")]
    assert 0 < len(left) < len(segments)
    remembered = Journal(disk, NODE).remembered
    assert [slot for slot in range(1, 31) if remembered.log.get(slot)] == list(range(21, 31))
    assert (remembered.log.truncated_upto, remembered.log.chosen_upto, remembered.promised) == (20, 29, B)


def test_the_promise_and_the_incarnation_outlive_the_segments_that_told_of_them() -> None:
    disk, journal = filled(30)
    assert saved(journal, snapshot_of(30, B, b"s")) > 3
    assert not any(isinstance(record, Promised | Started) for record in inspect(disk).records)
    disk.lose_power()
    again = Journal(disk, NODE)
    assert (again.remembered.promised, again.remembered.incarnation) == (B, 2)
    assert again.remembered.log.chosen_upto == 30
    assert again.commit(slots(31, 31)) == again.remembered.records + 1


def test_the_lives_that_were_noted_outlive_the_segments_that_told_of_them() -> None:
    disk, journal = filled(3)
    journal.commit([Noted(2, 5, 77), Noted(1, 1, 8), Noted(2, 6, 78)])
    for record in slots(4, 40):
        journal.commit([record])
    assert saved(journal, snapshot_of(40, B, b"s")) > 3
    found = inspect(disk)
    assert not any(isinstance(record, Noted) for record in found.records)
    assert Journal(disk, NODE).remembered.lives == {1: Life(1, 8), 2: Life(6, 78)}
    disk.lose_power()
    assert inspect(disk).replay().lives == {1: Life(1, 8), 2: Life(6, 78)}


def test_a_snapshot_from_another_node_raises_the_promise() -> None:
    disk, journal = filled(5)
    saved(journal, snapshot_of(90, Ballot(7, 2), b"s"))
    assert Journal(disk, NODE).remembered.promised == Ballot(7, 2)
    assert inspect(disk).replay().log.chosen_upto == 90


def test_accepted_values_above_a_snapshot_are_kept_wherever_they_are() -> None:
    """Slot 50 was accepted early, in the first segment: no snapshot below it lets that segment go."""
    disk = MemoryDisk()
    journal = Journal(disk, NODE, 300)
    journal.commit([AcceptedRecord(50, B, (b"early",), 0)])
    for record in slots(1, 30):
        journal.commit([record])
    assert saved(journal, snapshot_of(30, B, b"s")) == 0
    entry = Journal(disk, NODE).remembered.log.get(50)
    assert entry is not None
    assert entry.value == (b"early",)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(80, 600), st.randoms(use_true_random=False))
def test_power_cuts_at_any_time_lose_nothing(steps: list[int], segment_bytes: int, rng: random.Random) -> None:
    """Slots are accepted, snapshots written, and the power goes in the middle; the node has all that it said."""
    disk = MemoryDisk()
    accepted = snapshotted = 0
    promised = ZERO
    for starts, step in enumerate(steps, start=1):
        journal = Journal(disk, NODE, segment_bytes)
        remembered = journal.remembered
        assert remembered.incarnation == starts
        assert remembered.promised == promised
        assert remembered.log.truncated_upto >= snapshotted
        assert remembered.log.last == accepted
        assert all(remembered.log.get(slot) for slot in range(remembered.log.truncated_upto + 1, accepted + 1))
        snapshotted = remembered.log.truncated_upto
        promised = Ballot(starts, NODE)
        journal.commit([Promised(promised)])
        for record in slots(accepted + 1, accepted + 3 * step, promised):
            journal.commit([record])
        accepted += 3 * step
        journal.commit([ChosenUpto(accepted)])
        saving = journal.save(snapshot_of(rng.randint(snapshotted + 1, accepted), promised, b"s" * step))
        for _ in range(rng.randint(0, 3)):
            next(saving, None)
        disk.lose_power(rng)


def test_segments_that_a_power_cut_brings_back_do_not_matter() -> None:
    disk, journal = filled(30)
    before = {name: disk.content(name) for name in disk.names()}
    gone = saved(journal, snapshot_of(25, B, b"s"))
    back = [name for name in sorted(before) if name not in disk.names()]
    assert len(back) == gone
    for name in back[::2]:  # not all of them, so that they do not fit together
        disk.put(name, before[name])
    assert inspect(disk).replay().log.last == 30
    assert Journal(disk, NODE).remembered.log.last == 30
    assert not set(back) & set(disk.names()), "opening clears them away"


def gone(disk: MemoryDisk) -> None:
    """The snapshot is gone, as with a disk that lied about its name."""
    for name in disk.names():
        if name.startswith("snapshot-"):
            disk.remove(name)


def older(disk: MemoryDisk) -> None:
    """An older snapshot came back in its place."""
    gone(disk)
    disk.put(snapshot_name(2), encode(snapshot_of(2, B, b"s"), NODE))


def without_log(disk: MemoryDisk) -> None:
    """The log is gone."""
    for name in disk.names():
        if name.startswith("wal-"):
            disk.remove(name)


def without_middle(disk: MemoryDisk) -> None:
    """A segment that is needed is gone."""
    disk.remove([name for name in disk.names() if name.startswith("wal-")][1])


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (gone, "the log begins with record .*, and no snapshot covers what was before"),
        (older, "the log begins with record .*, and no snapshot covers what was before"),
        (without_log, "there is a snapshot of slot 20, but no log"),
        (without_middle, "a segment is missing or cut short"),
    ],
)
def test_a_log_that_lacks_what_no_snapshot_holds_is_told(harm: Callable[[MemoryDisk], None], complaint: str) -> None:
    disk, journal = filled(40)
    saved(journal, snapshot_of(20, B, b"s"))
    harm(disk)
    with pytest.raises(CorruptLogError, match=complaint):
        Journal(disk, NODE)


def test_a_rotten_snapshot_keeps_the_node_from_starting() -> None:
    disk, journal = filled(30)
    saved(journal, snapshot_of(20, B, b"state"))
    content = bytearray(disk.content(snapshot_name(20)))
    content[-1] ^= 1
    disk.put(snapshot_name(20), bytes(content))
    with pytest.raises(CorruptSnapshotError, match="bit rot"):
        Journal(disk, NODE)


@pytest.mark.parametrize("at", ["create", "write", "sync", "rename", "sync_names", "remove"])
def test_an_error_while_saving_is_fatal(at: str) -> None:
    disk, journal = filled(30)
    disk.fail(at)
    with pytest.raises(LogFailedError, match="planted failure"):
        saved(journal, snapshot_of(20, B, b"s"))


def test_records_that_need_slots_which_no_snapshot_holds_contradict_it() -> None:
    with pytest.raises(RecoveryError, match="slot 21 is chosen but not in the log"):
        replay(slots(23, 24), snapshot_of(20, B, b"s"))


number = st.integers(0, 2**60)
lives = st.dictionaries(st.integers(1, 9), st.tuples(st.integers(1, 2**60), number)).map(
    lambda noted: tuple((node, *life) for node, life in sorted(noted.items()))
)


founders = st.sets(st.integers(1, 9)).map(lambda nodes: tuple(sorted(nodes)))


@given(number, number, st.integers(0, 99), number, lives, founders)
def test_a_base_round_trips(
    incarnation: int,
    round_: int,
    node: int,
    last_slot: int,
    noted: tuple[tuple[int, int, int], ...],
    began_with: tuple[int, ...],
) -> None:
    base = Base(incarnation, Ballot(round_, node), last_slot, noted, began_with)
    header = SegmentHeader(7, 8, 9, encode_base(base), 1)
    assert decode_header(encode_header(header) + b"record") == header
    assert decode_base(encode_base(base)) == base


def test_damage_to_the_base_of_a_kept_segment_is_told() -> None:
    disk, journal = filled(30)
    saved(journal, snapshot_of(30, B, b"s"))
    name = next(name for name in disk.names() if name.startswith("wal-"))
    assert name != segment_name(1)
    content = bytearray(disk.content(name))
    content[40] ^= 1  # its base
    disk.put(name, bytes(content))
    with pytest.raises(CorruptLogError, match="header is damaged"):
        Journal(disk, NODE)


# -- the state in it --------------------------------------------------------------------------------------------------

S = 1 << 20
entries = st.one_of(
    st.builds(OpenEntry, st.integers(1, 3), st.integers(1, 2), st.integers(1, 3)),
    st.builds(
        Command,
        st.sampled_from([S, S + 1, 2 * S, 3 * S]),
        st.integers(1, 6),
        st.one_of(
            st.builds(Increment, st.just("n"), st.integers(1, 3)),
            st.builds(kv.Append, st.just("l"), st.integers(0, 9)),
            st.builds(
                Write, st.sampled_from("ab"), st.one_of(st.none(), st.text(max_size=3), st.lists(st.integers(-9, 9)))
            ),
        ),
    ),
)


@given(st.lists(st.lists(entries, max_size=3), min_size=1, max_size=8), st.integers(0, 8))
def test_a_state_restored_goes_on_as_the_one_it_was_taken_of(slots_: list[list[OpenEntry | Command]], at: int) -> None:
    machine, other = Machine(Counters()), Machine(Counters())
    for slot, slot_entries in enumerate(slots_, start=1):
        value = tuple(encode_entry(entry) for entry in slot_entries)
        if slot == at + 1:
            other.restore(decode_state(machine.state()))
        if slot > at:
            assert list(machine.apply(slot, value)) == list(other.apply(slot, value))
        else:
            list(machine.apply(slot, value))
    if at < len(slots_):
        assert machine.digest == other.digest
        assert machine.state() == other.state(), "equal states have equal bytes"


@pytest.mark.parametrize("state", [b"", b"\xc1", b"\x90", b"not a state"])
def test_what_is_no_state_is_refused(state: bytes) -> None:
    with pytest.raises(StateError, match="it is no state"):
        decode_state(state)


@given(st.lists(st.integers(1, 100), max_size=30))
def test_the_table_knows_what_was_applied(numbers: list[int]) -> None:
    sessions = Sessions()
    sessions.open(7)
    done = [number for i, number in enumerate(numbers) if number > max(numbers[:i], default=0)]
    for number in done:
        sessions.record(7, number, Result(True))
    known = {number for _, number in sessions.applied()}
    assert known <= set(done)
    certain = next(row.certain_after for row in sessions.rows())
    assert {number for number in done if number > certain} <= known
    if sum(range(max(done, default=0) + 1)) and max(done, default=0) - len(done) <= SKIPPED_MAX:
        assert known == set(done)


# -- a snapshot that comes over ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "crc"),
    [
        (8, zlib.crc32(b"no state")),  # it checks out, and is nothing that a state could be
        (8, 1),  # it does not check out
        (SNAPSHOT_BYTES_MAX + 1, 1),  # it is too large to begin with
    ],
)
def test_a_snapshot_that_is_none_is_refused_and_counted(size: int, crc: int) -> None:
    cluster = Cluster(3)
    cluster.start(1)
    before = cluster.nodes[1].running.machine.state()
    cluster.deliver(Letter(2, 1, 1, SnapshotPart(40, B, size, crc, 0, b"no state")))
    it = cluster.nodes[1]
    assert (it.counters.snapshots_refused, it.counters.snapshots_installed) == (1, 0)
    assert it.saving is None
    assert it.running.machine.state() == before
    cluster.close()


@given(st.binary(min_size=1, max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=60))
def test_only_the_next_part_is_taken(state: bytes, parts: list[tuple[int, int]]) -> None:
    snapshot = snapshot_of(9, B, state)
    download = Download(9, B, len(state), snapshot.crc)
    for offset, size in parts:
        before = download.offset
        data = state[offset : offset + size]
        assert download.add(offset, data) == (offset == before and bool(data))
    while not download.whole:
        assert download.add(download.offset, state[download.offset : download.offset + 7])
    assert download.snapshot() == snapshot


def test_a_download_that_does_not_check_out_is_no_snapshot() -> None:
    snapshot = snapshot_of(9, B, b"state")
    download = Download(9, B, 5, snapshot.crc)
    assert not download.add(0, b"stateX"), "longer than it was to be"
    assert download.add(0, b"stale")
    assert download.snapshot() is None
