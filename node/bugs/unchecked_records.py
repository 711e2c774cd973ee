"""Records are read without a look at their checksum.

*Mechanism.* Magic and length are right, so it is a record. Damage in the payload is taken for what was written.

*In real life.* Ganesan et al., *Redundancy Does Not Imply Fault Tolerance* (FAST 2017): several replicated stores had
no checksums where it mattered, or did not look at them, and spread one node's damage to the others.

*Exposed by* bit rot.

*Caught by* the invariant that a node remembers what it had accepted, to the letter.
"""

from __future__ import annotations

from dataclasses import replace

from node.assembly import Assembly
from node.museum import Exhibit, misdeeds
from node.storage.frame import PAYLOAD_BYTES_MAX, RECORD_BYTES, RECORD_MAGIC, Framed, decode_record
from node.storage.journal import Journal
from node.storage.wal import Wal


class UncheckedWal(Wal):
    """A log that believes what it reads."""

    def decode(self, data: bytes, offset: int, generation: int) -> Framed | None:
        """Return what looks like a record."""
        checked = decode_record(data, offset, generation)
        if checked is not None or data[offset : offset + 4] != RECORD_MAGIC or offset + RECORD_BYTES > len(data):
            return checked
        length = int.from_bytes(data[offset + 4 : offset + 8], "little")
        if length > PAYLOAD_BYTES_MAX or offset + RECORD_BYTES + length > len(data):
            return None
        misdeeds.happened()
        lsn = int.from_bytes(data[offset + 16 : offset + 24], "little")
        durable = int.from_bytes(data[offset + 24 : offset + 32], "little")
        payload = data[offset + RECORD_BYTES : offset + RECORD_BYTES + length]
        return Framed(lsn, durable, payload, RECORD_BYTES + length)


class UncheckedRecords(Journal):
    """A journal on such a log."""

    wal_type = UncheckedWal


def plant(healthy: Assembly) -> Assembly:
    """Break the look at the checksum."""
    return replace(healthy, journal=UncheckedRecords)


EXHIBIT = Exhibit(
    scenario="""
nodes = 3
time = "7s"
faults = []
schedule = [
    { at = "2s", until = "2500ms", every = "1s", fault = { type = "disk-rot", target = "n1", where = "body" } },
]
""",
    caught_by=(
        "invariants: n# remembers another value for slot # in # than was accepted there*",
        "invariants: n# accepts another value for slot # in # than # had chosen*",
        "invariants: n# holds another value for chosen in slot # than # had chosen*",
        "invariants: n# makes another value chosen in slot #, in #, than # did*",
        "invariants: n# has another state than n# after slot #: #, not #*",
        "invariants: n# has forgotten what it had answered for: slot #, accepted in ballot #*",
        "invariants: n# remembers a promise of # after it had answered for #*",
    ),
)
