"""The journal: typed records on the log, the node's incarnation, and what recovery says of a log that cannot be."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.paxos.ballot import ZERO, Ballot
from node.paxos.records import AcceptedRecord, ChosenUpto, Learned, Promised, Record, Remembered, Started, replay
from node.storage.journal import Inspected, Journal, inspect
from node.storage.wal import CorruptLogError, LogFailedError, Wal, WalStatistics, segment_name
from tests.node.memory_disk import MemoryDisk

values = st.lists(st.binary(max_size=8), max_size=3).map(tuple)


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Draw records as an acceptor could write them: promises rise, chosen slots keep their value."""
    records: list[Record] = []
    remembered = Remembered()
    chosen: dict[int, tuple[bytes, ...]] = {}
    for _ in range(draw(st.integers(0, 12))):
        ballot = max(remembered.promised, Ballot(draw(st.integers(0, 5)), draw(st.integers(1, 3))))
        slot = draw(st.integers(1, 4))
        value = chosen.get(slot, draw(values))
        record: Record
        match draw(st.sampled_from(["promised", "accepted", "learned", "chosen"])):
            case "promised":
                record = Promised(ballot)
            case "accepted":
                record = AcceptedRecord(slot, ballot, value, remembered.log.chosen_upto)
            case "learned":
                record = Learned(slot, ballot, value)
                chosen[slot] = value
            case _:
                record = ChosenUpto(remembered.log.chosen_upto)
        records.append(record)
        remembered.replay(record)
    return records


def picture(remembered: Remembered) -> tuple[object, ...]:
    """Return all that records add up to, to be compared."""
    log = remembered.log
    entries = [(slot, entry.ballot, entry.value, entry.chosen) for slot in range(9) if (entry := log.get(slot))]
    return remembered.promised, remembered.records, remembered.incarnation, log.chosen_upto, log.last, entries


def written(records: list[bytes]) -> MemoryDisk:
    """Return a disk with a log of these payloads."""
    disk = MemoryDisk()
    wal = Wal(disk, 1)
    for payload in records:
        wal.append(payload)
    wal.commit()
    return disk


@given(histories(), st.integers(1, 400))
def test_round_trip(records: list[Record], segment_bytes: int) -> None:
    disk = MemoryDisk()
    journal = Journal(disk, 1, segment_bytes)
    for record in records:
        journal.commit([record])
    journal.close()
    assert inspect(disk).records == [Started(1), *records]
    again = Journal(disk, 1, segment_bytes)
    assert picture(again.remembered) == picture(replay([Started(1), *records, Started(2)]))


def test_each_start_is_a_new_incarnation_even_without_a_clean_stop() -> None:
    disk = MemoryDisk()
    for incarnation in (1, 2, 3):
        journal = Journal(disk, 1)
        assert journal.remembered.incarnation == incarnation
        disk.lose_power()
    assert inspect(disk).records == [Started(1), Started(2), Started(3)]


def test_record_numbers_go_on_over_restarts() -> None:
    """An acknowledgement is tied to a record's number, so the core's count and the log's must be one."""
    disk = MemoryDisk()
    journal = Journal(disk, 1)
    assert journal.remembered.records == 1
    assert journal.commit([Promised(Ballot(1, 1)), Promised(Ballot(2, 1))]) == 3
    again = Journal(disk, 1)
    assert again.remembered.records == 4
    assert again.commit([Promised(Ballot(3, 1))]) == 5
    assert again.statistics.records == 3


def test_what_is_learnt_implies_the_promise_of_its_ballot() -> None:
    remembered = replay([Promised(Ballot(1, 1)), Learned(1, Ballot(3, 2), (b"x",))])
    assert remembered.promised == Ballot(3, 2)
    assert replay([Promised(Ballot(5, 1)), Learned(1, Ballot(3, 2), ())]).promised == Ballot(5, 1)


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        ([Promised(Ballot(2, 1)), Promised(Ballot(1, 1))], "promise of 1.1 after a promise of 2.1"),
        ([Promised(Ballot(2, 1)), AcceptedRecord(1, Ballot(1, 1), (), 0)], "promise of 1.1 after a promise of 2.1"),
        ([ChosenUpto(1)], "slot 1 is chosen but not in the log"),
        ([AcceptedRecord(2, Ballot(1, 1), (), 1)], "slot 1 is chosen but not in the log"),
        ([Learned(1, ZERO, (b"x",)), Learned(1, ZERO, (b"y",))], "another value was chosen"),
        ([Learned(1, ZERO, (b"x",)), AcceptedRecord(1, Ballot(1, 1), (b"y",), 0)], "asked to accept another value"),
    ],
)
def test_records_that_contradict_each_other_are_a_corrupt_log(records: list[Record], complaint: str) -> None:
    disk = written([msgspec.msgpack.encode(record) for record in records])
    with pytest.raises(CorruptLogError, match=f"contradict each other: .*{complaint}"):
        Journal(disk, 1)
    assert inspect(disk).records == records, "looking into it must work all the same"


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x92\xa7unknown\x01", b"\x92\xa8promised\x01", b"\x92\xa2\xff\xff\x01"]
)
def test_a_valid_record_that_is_none_of_ours_is_a_corrupt_log(payload: bytes) -> None:
    disk = written([msgspec.msgpack.encode(Started(1)), payload])
    for opening in (lambda: Journal(disk, 1), lambda: inspect(disk)):
        with pytest.raises(CorruptLogError, match="record 2 passes its checksum but is no record"):
            opening()


def test_a_journal_that_failed_stays_failed() -> None:
    disk = MemoryDisk()
    journal = Journal(disk, 1)
    disk.fail("sync")
    for _ in range(2):
        with pytest.raises(LogFailedError):
            journal.commit([Promised(Ballot(1, 1))])


def test_inspection_tells_whose_log_it_is_and_writes_nothing() -> None:
    disk = MemoryDisk()
    assert inspect(disk) == Inspected(None, [], WalStatistics(0, 0, 0))
    Journal(disk, 7).close()
    disk.put(segment_name(1), disk.content(segment_name(1)) + b"torn")
    disk.calls.clear()
    found = inspect(disk)
    assert (found.node, found.records, found.statistics.torn_bytes) == (7, [Started(1)], 4)
    assert disk.calls == []
