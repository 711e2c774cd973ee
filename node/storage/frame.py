"""The bytes of a log segment: a header, then records.

    header  (72 bytes)  magic "APXWAL02" | generation u64 | first lsn u64 | node u64 | base 32 bytes | recycled u16 |
                        further u16 | crc32 u32, and ``further`` times 24 bytes, which belong to the base
    record  (32 bytes + payload)
            magic "APXR" | length u32 | crc32 u32 | zero u32 | lsn u64 | durable lsn u64 | payload

all little-endian. The record's checksum covers the generation of its segment, the length, both numbers and the payload,
so a record is valid only whole, in its own segment and at its own place in the order: a block left over from another
life of the file, or one that was written to the wrong place, does not pass. *Recycled* is 1 if the file had a life
before this one, so that behind the last record there may be records of that life; else there are zeros, or nothing.

The *base* is what all records of earlier segments add up to, as far as no snapshot holds it (``node.storage.journal``):
a log whose first segments are gone needs no more of them than that.

*Durable lsn* is how far the log was durable when the record was written. It tells two kinds of damage apart that look
alike: a bad record that a later record calls durable has rotted (its acknowledgement is out, so the node must not go on
without it), while one that nothing calls durable was still being written when the power went, and nobody was told.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

SEGMENT_MAGIC = b"APXWAL02"
RECORD_MAGIC = b"APXR"
BASE_BYTES = 32
NO_BASE = bytes(BASE_BYTES)
FURTHER_BYTES = 24
FURTHER_MAX = 255
_HEADER = struct.Struct("<8sQQQ32sHHI")
_RECORD = struct.Struct("<4sIIIQQ")
_SUMMED = struct.Struct("<QIQQ")
HEADER_BYTES = _HEADER.size
"""Of a header whose base has no further parts."""
HEADER_BYTES_MAX = HEADER_BYTES + FURTHER_MAX * FURTHER_BYTES
RECORD_BYTES = _RECORD.size
PAYLOAD_BYTES_MAX = 16 * 1024 * 1024


class SegmentHeader(NamedTuple):
    """Which segment this is: ``first_lsn`` is the number of its first record."""

    generation: int
    first_lsn: int
    node: int
    base: bytes = NO_BASE
    recycled: int = 0

    @property
    def size(self) -> int:
        """How many bytes it takes: the first record is behind them."""
        return HEADER_BYTES + len(self.base) - BASE_BYTES


class Framed(NamedTuple):
    """A valid record: its number, how far the log was durable then, its payload, and its size in the file."""

    lsn: int
    durable: int
    payload: bytes
    size: int


def encode_header(header: SegmentHeader) -> bytes:
    """Return a segment's first bytes."""
    base, more = header.base[:BASE_BYTES], header.base[BASE_BYTES:]
    further = len(more) // FURTHER_BYTES
    if len(base) != BASE_BYTES or len(more) != further * FURTHER_BYTES or further > FURTHER_MAX:
        raise ValueError(f"a base of {len(header.base)} bytes does not fit a segment's header")
    fields = (SEGMENT_MAGIC, header.generation, header.first_lsn, header.node, base, header.recycled, further)
    return _HEADER.pack(*fields, zlib.crc32(more, zlib.crc32(_HEADER.pack(*fields, 0)))) + more


def decode_header(data: bytes) -> SegmentHeader | None:
    """Return the header that ``data`` starts with, or None if it is not one."""
    if len(data) < HEADER_BYTES:
        return None
    magic, generation, first_lsn, node, base, recycled, further, _crc = _HEADER.unpack_from(data)
    size = HEADER_BYTES + further * FURTHER_BYTES
    if magic != SEGMENT_MAGIC or further > FURTHER_MAX or len(data) < size:
        return None
    header = SegmentHeader(generation, first_lsn, node, base + data[HEADER_BYTES:size], recycled)
    return header if encode_header(header) == data[:size] else None


def encode_record(generation: int, lsn: int, durable: int, payload: bytes) -> bytes:
    """Return a record's bytes. Raises ValueError for a payload over PAYLOAD_BYTES_MAX."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"a record of {len(payload)} bytes is over the limit of {PAYLOAD_BYTES_MAX}")
    crc = checksum(generation, lsn, durable, payload)
    return _RECORD.pack(RECORD_MAGIC, len(payload), crc, 0, lsn, durable) + payload


def claimed_end(data: bytes, offset: int, lsn: int) -> int:
    """Return where the last thing at ``offset`` or behind ends that claims to be record ``lsn`` or a later one.

    It need not be valid, or whole. Returns ``offset`` if nothing does: records of an earlier life have lower numbers.
    """
    end = offset
    found = data.find(RECORD_MAGIC, offset)
    while found >= 0 and found + RECORD_BYTES <= len(data):
        _, length, _, _, claimed, _ = _RECORD.unpack_from(data, found)
        if claimed >= lsn:
            end = max(end, min(len(data), found + RECORD_BYTES + length))
        found = data.find(RECORD_MAGIC, found + 1)
    return end


def decode_record(data: bytes, offset: int, generation: int) -> Framed | None:
    """Return the valid record at ``offset``, or None if there is none."""
    if offset + RECORD_BYTES > len(data):
        return None
    magic, length, crc, _zero, lsn, durable = _RECORD.unpack_from(data, offset)
    end = offset + RECORD_BYTES + length
    if magic != RECORD_MAGIC or length > PAYLOAD_BYTES_MAX or end > len(data):
        return None
    payload = data[offset + RECORD_BYTES : end]
    if checksum(generation, lsn, durable, payload) != crc:
        return None
    return Framed(lsn, durable, payload, RECORD_BYTES + length)


def checksum(generation: int, lsn: int, durable: int, payload: bytes) -> int:
    """Return the CRC over everything that makes the record this one."""
    return zlib.crc32(payload, zlib.crc32(_SUMMED.pack(generation, len(payload), lsn, durable)))
