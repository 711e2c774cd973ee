"""Snapshot files: the state after a slot, in a file of its own beside the log.

    header  (64 bytes)  magic "APXSNAP1" | format u32 | zero u32 | node u64 | slot u64 | ballot's round u64 |
                        ballot's node u64 | length u64 | crc32 of the state u32 | crc32 of the header u32
    state   ``length`` bytes (``node.machine.State`` as MessagePack)

all little-endian. A snapshot is written under a temporary name, piece by piece, each piece synced; then it is renamed
and the folder synced. So under its own name a snapshot is whole, or the disk has lied or rotted: that is told, and the
node does not start, because the log may lack what the snapshot was to stand for. What the power or a kill left
unfinished has the temporary name and goes at the next start.

One snapshot is kept. An older one would be of use only together with the log since then, which would double what is on
the disk; and a node whose snapshot has rotted is to be replaced or restored, not to be moved back in time.

Writing is a generator that stops after each sync was begun: whoever drives it (the log's thread between two commits, a
simulated disk in virtual time) lets the log go on in between, and must not go on before that sync has ended.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from node.paxos.ballot import Ballot
from node.paxos.snapshot import SNAPSHOT_BYTES_MAX, Snapshot
from node.storage.disk import Disk
from node.storage.wal import CorruptLogError

MAGIC = b"APXSNAP1"
FORMAT = 1
TEMPORARY = "snapshot.tmp"
PIECE_BYTES = 512 * 1024
"""How much is written before a sync: it bounds how long a commit of the log may have to wait."""
_PREFIX, _SUFFIX = "snapshot-", ".snap"
_HEADER = struct.Struct("<8sIIQQQQQII")
SNAPSHOT_HEADER_BYTES = _HEADER.size


class CorruptSnapshotError(CorruptLogError):
    """The snapshot is damaged, or there is none where the log needs one; the message names the file and the place."""


class SnapshotFiles:
    """The snapshots of one node on one disk; used by one thread at a time."""

    def __init__(self, disk: Disk, node: int | None, *, read_only: bool = False) -> None:
        """Read the newest snapshot, and clear away what is left of others. Raises CorruptSnapshotError, OSError."""
        self._disk = disk
        self.node = node
        names = disk.names()
        whole = [name for name in names if name.startswith(_PREFIX) and name.endswith(_SUFFIX)]
        self.latest: Snapshot | None = self._read(whole[-1]) if whole else None
        self._name = whole[-1] if whole else None
        unfinished = [name for name in names if name == TEMPORARY]
        if read_only:
            return
        if whole:
            disk.sync_names()  # a killed process may have left the rename in the cache alone
        for name in (*whole[:-1], *unfinished):
            disk.remove(name)
        self.unfinished = len(unfinished)

    def write(self, snapshot: Snapshot) -> Iterator[None]:
        """Write a snapshot; stops after each sync that was begun, and is durable when it ends. Raises OSError."""
        assert self.node is not None
        file = self._disk.open(TEMPORARY, create=True)
        try:
            data = encode(snapshot, self.node)
            for offset in range(0, len(data), PIECE_BYTES):
                file.write(offset, data[offset : offset + PIECE_BYTES])
                file.sync()
                yield
        finally:
            file.close()
        name = snapshot_name(snapshot.slot)
        self._disk.rename(TEMPORARY, name)
        self._disk.sync_names()
        yield
        former, self._name = self._name, name
        self.latest = snapshot
        if former is not None and former != name:
            self._disk.remove(former)

    def _read(self, name: str) -> Snapshot:
        file = self._disk.open(name)
        try:
            size = file.size()
            data = file.read(0, size) if size <= SNAPSHOT_BYTES_MAX + SNAPSHOT_HEADER_BYTES else b""
        finally:
            file.close()
        node, snapshot = decode(name, data)
        if self.node is None:
            self.node = node
        if node != self.node:
            raise CorruptSnapshotError(
                f"{name}, offset 0: this snapshot belongs to node {node}, not to node {self.node}"
            )
        if snapshot_name(snapshot.slot) != name:
            raise CorruptSnapshotError(f"{name}, offset 0: the snapshot is of slot {snapshot.slot}")
        return snapshot


def snapshot_name(slot: int) -> str:
    """Return the file name of a slot's snapshot."""
    return f"{_PREFIX}{slot:020d}{_SUFFIX}"


def encode(snapshot: Snapshot, node: int) -> bytes:
    """Return a snapshot file's bytes."""
    return _header(snapshot, node, len(snapshot.state)) + snapshot.state


def decode(name: str, data: bytes) -> tuple[int, Snapshot]:
    """Return whose snapshot a file holds, and the snapshot. Raises CorruptSnapshotError."""
    if len(data) < SNAPSHOT_HEADER_BYTES:
        raise CorruptSnapshotError(f"{name}, offset 0: no snapshot has {len(data)} bytes. {_ADVICE}")
    magic, version, _, node, slot, round_, by, length, crc, _ = _HEADER.unpack_from(data)
    state = data[SNAPSHOT_HEADER_BYTES:]
    snapshot = Snapshot(slot, Ballot(round_, by), state, crc)
    if (
        magic == MAGIC
        and version != FORMAT
        and _header(snapshot, node, length, version) == data[:SNAPSHOT_HEADER_BYTES]
    ):
        raise CorruptSnapshotError(f"{name}, offset 8: written in format {version}; this node reads format {FORMAT}")
    if magic != MAGIC or _header(snapshot, node, length) != data[:SNAPSHOT_HEADER_BYTES]:
        raise CorruptSnapshotError(f"{name}, offset 0: the snapshot's header is damaged. {_ADVICE}")
    if length != len(state):
        raise CorruptSnapshotError(
            f"{name}, offset {len(data)}: the state has {len(state)} bytes and should have {length}. {_ADVICE}"
        )
    if zlib.crc32(state) != crc:
        raise CorruptSnapshotError(
            f"{name}, offset {SNAPSHOT_HEADER_BYTES}: the state's checksum does not hold: bit rot. {_ADVICE}"
        )
    return node, snapshot


_ADVICE = "Restore this node's data or replace it; the log alone does not hold what the snapshot did."


def _header(snapshot: Snapshot, node: int, length: int, version: int = FORMAT) -> bytes:
    ballot = snapshot.ballot
    fields = (MAGIC, version, 0, node, snapshot.slot, ballot.round, ballot.node, length, snapshot.crc)
    return _HEADER.pack(*fields, zlib.crc32(_HEADER.pack(*fields, 0)))
