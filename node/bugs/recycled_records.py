"""What an earlier life of a log file has left in it passes for new records.

*Mechanism.* Log files are recycled, for a file that was written once takes writes faster. So behind the last record of
a log there may be whole records of the file's earlier life. If a record's checksum covers the record alone, and neither
the generation of its segment nor its number in the log, nothing tells them from new ones. Recovery looks for the next
whole record behind a torn one, finds them, and takes them for what the node did last: a promise of long ago comes after
the latest one, and is believed.

The other half of the bug is a recovery that believes the last record whatever came before it. A healthy one takes a
promise below an earlier one for what it is, a contradiction, and refuses to start.

*In real life.* RocksDB got a record format of its own with the log's number in it when it began to recycle log files
(pull request 746, 2015). Pebble recycled files that RocksDB had written in the old format, and replayed what was left
in their tails (issue 567 and pull request 580, 2020: deleted records reappearing, written ones being deleted).

*Exposed by* power cuts, with small segments and snapshots often enough that segments are recycled, and a new leader in
between.

*Caught by* the invariant that a node remembers what it had promised. (The slots of what comes back are in the snapshot,
or the file would not have been recycled: the promises are what does harm.) Now and then the log contradicts itself so
much that the node refuses to start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.paxos.ballot import Ballot
from node.paxos.records import Remembered
from node.storage.frame import RECORD_MAGIC, Framed, SegmentHeader, decode_record
from node.storage.journal import Journal
from node.storage.wal import Wal


class UnmarkedWal(Wal):
    """A log whose records are whole if their own bytes are."""

    def decode(self, data: bytes, offset: int, generation: int) -> Framed | None:
        """Return the record at an offset, in whichever life of the file it was written."""
        lives = range(generation, 0, -1) if data[offset : offset + len(RECORD_MAGIC)] == RECORD_MAGIC else ()
        return next((record for life in lives if (record := decode_record(data, offset, life)) is not None), None)

    def rotten(self, data: bytes, end: int, generation: int, expected: int) -> Framed | None:
        """Find nothing behind the end: whatever is whole was taken."""
        del data, end, generation, expected
        return None

    def _records(self, data: bytes, header: SegmentHeader) -> Iterator[Framed]:
        """Yield every whole record as the next one, with what is skipped before it."""
        lsn, end = self.last_lsn, header.size
        offset = data.find(RECORD_MAGIC, end)
        while offset >= 0:
            record = self.decode(data, offset, header.generation)
            if record is None:
                offset = data.find(RECORD_MAGIC, offset + 1)
                continue
            if decode_record(data, offset, header.generation) is None:
                misdeeds.happened()
            lsn += 1
            offset += record.size
            yield Framed(lsn, lsn - 1, record.payload, offset - end)
            end = offset
            offset = data.find(RECORD_MAGIC, end)


class Believing(Remembered):
    """A memory in which the last word holds."""

    def _promise(self, ballot: Ballot) -> None:
        self.promised = ballot


class RecycledRecords(Journal):
    """A journal on such a log, with such a memory."""

    wal_type = UnmarkedWal
    memory_type = Believing


def plant(healthy: Assembly) -> Assembly:
    """Break what tells a file's lives apart."""
    return replace(healthy, journal=RecycledRecords)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "8s"
rate = 150
concurrency = 6
faults = []
schedule = [
    { at = "1000ms", until = "1010ms", fault = { type = "power-off", target = "all" } },
    { at = "1260ms", until = "1270ms", fault = { type = "power-off", target = "all" } },
    { at = "2000ms", until = "2010ms", fault = { type = "power-off", target = "all" } },
    { at = "2280ms", until = "2290ms", fault = { type = "power-off", target = "all" } },
    { at = "3000ms", until = "3010ms", fault = { type = "power-off", target = "all" } },
    { at = "3300ms", until = "3310ms", fault = { type = "power-off", target = "all" } },
    { at = "4000ms", until = "4010ms", fault = { type = "power-off", target = "all" } },
    { at = "4240ms", until = "4250ms", fault = { type = "power-off", target = "all" } },
    { at = "5000ms", until = "5010ms", fault = { type = "power-off", target = "all" } },
    { at = "5320ms", until = "5330ms", fault = { type = "power-off", target = "all" } },
    { at = "6000ms", until = "6010ms", fault = { type = "power-off", target = "all" } },
    { at = "6220ms", until = "6230ms", fault = { type = "power-off", target = "all" } },
]

[node]
log_segment_bytes = 2048
log_zero_ahead_bytes = 2048
snapshot_slots = 50
snapshot_tail_slots = 1
election_timeout_ms = 100
election_spread_ms = 100
lease_ms = 100
""",
    caught_by=(
        "invariants: n# remembers a promise of # after it had answered for #",
        "recovery: *n# is not running (exit status #)*",
    ),
)
