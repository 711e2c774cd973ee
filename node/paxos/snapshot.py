"""Snapshots: the state after a slot, in place of the log up to it; and how one comes over from another node in parts.

A log that only grows fills memory and disk, so from time to time a node writes down the state that its log has come to
and forgets the log behind it. Three rules keep that safe; each has been broken in a real system:

1. *Nothing is forgotten before the snapshot that covers it is durable*: neither in memory nor on the disk.
2. *A truncated slot is chosen, and whoever asks about it is told so.* A promise names the slots up to which its sender
   has truncated (``Promise.truncated_upto``), because it can report no value there. A candidate that hears of more than
   it knows to be chosen may not lead yet: it would take these slots for empty and propose its own values in them
   (paxi's promises left executed slots out, and its acceptors acknowledged what was then proposed there). It catches up
   first and goes on with the same promises, which stay true as long as its ballot stands.
3. *A truncated slot is never accepted in again*, nor acknowledged: the acceptor cannot compare the value with the one
   that was chosen. It answers ``Truncated``, and the leader that lags fetches what was chosen there.

A snapshot carries a ballot: the highest one in which a value that it covers was taken for chosen. To install it is as
good as a promise of that ballot, as with a single learnt value (``Acceptor.learn``).

It comes over in parts, each asked for by the one that needs it: one part is under way at a time, and a fetch names the
snapshot and how many bytes of it are there. So the receiver sets the pace, a lost part is asked for again, and since
all nodes have the same bytes for the state after the same slot, what one sender began another can go on with. Only the
whole counts: its checksum is compared, it is made durable, and then it takes the log's place in one step. (Raft's
InstallSnapshot is the same idea, pushed by the leader: Ongaro and Ousterhout, extended version, 2014, section 7.)
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from node.paxos.ballot import Ballot

SNAPSHOT_BYTES_MAX = 1 << 30
"""A state larger than this is not taken as a snapshot, nor from another node."""


class Snapshot(NamedTuple):
    """The state after ``slot``; ``crc`` is over its bytes."""

    slot: int
    ballot: Ballot
    state: bytes
    crc: int


def snapshot_of(slot: int, ballot: Ballot, state: bytes) -> Snapshot:
    """Return a snapshot with its checksum."""
    return Snapshot(slot, ballot, state, zlib.crc32(state))


class Download:
    """A snapshot that comes over: which one, and what is there of it."""

    __slots__ = ("_asked", "_data", "ballot", "crc", "size", "slot", "stalled")

    def __init__(self, slot: int, ballot: Ballot, size: int, crc: int) -> None:
        self.slot = slot
        self.ballot = ballot
        self.size = size
        self.crc = crc
        self._data = bytearray()
        self._asked = -1
        self.stalled = False
        """True while a part was asked for more than once: who has this snapshot may be gone, an older one will do."""

    @property
    def offset(self) -> int:
        """How many bytes are there."""
        return len(self._data)

    @property
    def whole(self) -> bool:
        """True once all bytes are there."""
        return len(self._data) >= self.size

    def is_of(self, slot: int, size: int, crc: int) -> bool:
        """Say whether it is this snapshot that comes over."""
        return (slot, size, crc) == (self.slot, self.size, self.crc)

    def ask(self) -> bool:
        """The next part is being asked for; True if it was before."""
        self.stalled = self._asked == self.offset
        self._asked = self.offset
        return self.stalled

    def add(self, offset: int, data: bytes) -> bool:
        """Take a part in; False if it is not the next one, or too long."""
        if offset != len(self._data) or not data or offset + len(data) > self.size:
            return False
        self._data += data
        self.stalled = False
        return True

    def snapshot(self) -> Snapshot | None:
        """Return what has come over, or None if it does not check out."""
        state = bytes(self._data)
        if len(state) != self.size or zlib.crc32(state) != self.crc:
            return None
        return Snapshot(self.slot, self.ballot, state, self.crc)
