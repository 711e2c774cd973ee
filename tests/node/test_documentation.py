"""docs/node.md against the code: what it names is there, and its tables of bytes are the bytes."""

from __future__ import annotations

import importlib
import re
import struct
import typing
import zlib
from pathlib import Path

import msgspec
import pytest

from node.paxos import messages
from node.paxos.ballot import Ballot
from node.paxos.records import AcceptedRecord, Promised, Record
from node.paxos.snapshot import snapshot_of
from node.storage import frame, snapshots
from node.storage.journal import Journal
from node.storage.wal import segment_name
from tests.node.memory_disk import MemoryDisk

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "node.md").read_text()


def section(title: str) -> str:
    """Return the text under a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}.*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/node.md has no section {title!r}"
    return found[1]


def rows(text: str, head: str) -> list[list[str]]:
    """Return the rows of the table with that head, as cells."""
    found = re.search(rf"^\| {re.escape(head)}[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", text, re.MULTILINE)
    assert found is not None, f"docs/node.md has no table {head!r}"
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[1].splitlines()]


# -- what is named is there -------------------------------------------------------------------------------------------

LINES = section("Paxos, line by line")
NAMED = sorted(set(re.findall(r"`([a-z_]+(?:\.\w+)+)`", LINES)))


def resolved(name: str) -> object:
    """Return what a name of the page means. Raises AttributeError, ModuleNotFoundError."""
    words = name.split(".")
    if words[0] != "node":
        words = ["node", "paxos", *words]
    modules = next(n for n, word in enumerate(words) if word != word.lower() or n == len(words) - 1)
    found: object = importlib.import_module(".".join(words[:modules]))
    for word in words[modules:]:
        found = getattr(found, word)
    return found


def test_there_are_many_names() -> None:
    assert len(NAMED) > 80


@pytest.mark.parametrize("name", NAMED)
def test_a_name_in_the_map_of_the_papers_is_one_of_the_code(name: str) -> None:
    assert resolved(name) is not None


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.(?:py|toml|md))`|\]\((\w+[\w/-]*\.md)\)", PAGE))))
def test_a_file_that_is_named_is_there(path: tuple[str, str]) -> None:
    code, page = path
    places = [REPOSITORY / "docs" / page] if page else [REPOSITORY / code, *(REPOSITORY / "node").rglob(code)]
    assert any(place.is_file() for place in places), f"docs/node.md names {code or page}"


def test_every_message_is_in_the_table_with_its_fields() -> None:
    told = {name.strip("`"): fields for name, fields, *_ in rows(section("Messages"), "message")}
    known = {one.__name__: ", ".join(one.__struct_fields__) for one in typing.get_args(messages.Message)}
    assert told == known


# -- the log, byte by byte --------------------------------------------------------------------------------------------

LOG = section("Log")


def layout(what: str) -> list[tuple[int, str]]:
    """Return the offsets and sizes of one kind of thing."""
    return [(int(offset), size) for offset, size, _ in rows(LOG, f"offset | bytes | {what}")]


@pytest.mark.parametrize(
    ("what", "fixed_bytes"),
    [
        ("header of a segment", frame.HEADER_BYTES),
        ("record", frame.RECORD_BYTES),
        ("snapshot", snapshots.SNAPSHOT_HEADER_BYTES),
    ],
)
def test_a_table_of_bytes_leaves_none_out(what: str, fixed_bytes: int) -> None:
    *fixed, (behind, _) = layout(what)
    ends = [offset + int(size) for offset, size in fixed]
    assert [offset for offset, _ in fixed] == [0, *ends[:-1]]
    assert ends[-1] == behind == fixed_bytes


def put(what: str, *values: int | bytes) -> bytearray:
    """Write values to the places that the page says, little-endian."""
    written = bytearray()
    for (offset, size), value in zip(layout(what), values, strict=True):
        assert offset == len(written)
        written += value if isinstance(value, bytes) else value.to_bytes(int(size), "little")
    return written


def test_a_segment_s_header_is_what_the_page_says() -> None:
    base = struct.pack("<QQQQ", 7, 3, 2, 90)
    lives = struct.pack("<QQQQQQ", 1, 5, 11, 3, 6, 12)
    written = put("header of a segment", b"APXWAL02", 4, 100, 2, base, 1, 2, 0, lives)
    written[68:72] = zlib.crc32(written).to_bytes(4, "little")
    header = frame.SegmentHeader(4, 100, 2, base + lives, 1)
    assert frame.encode_header(header) == written
    assert frame.decode_header(bytes(written)) == header


def test_a_record_is_what_the_page_says() -> None:
    payload = b"some bytes"
    crc = zlib.crc32(struct.pack("<QIQQ", 4, len(payload), 100, 98) + payload)
    written = put("record", b"APXR", len(payload), crc, 0, 100, 98, payload)
    assert frame.encode_record(4, 100, 98, payload) == written
    assert frame.decode_record(bytes(written), 0, 4) == frame.Framed(100, 98, payload, len(written))
    assert "at most 16 MiB" in LOG and frame.PAYLOAD_BYTES_MAX == 16 << 20
    assert "at most 255" in LOG and frame.FURTHER_MAX == 255


def test_a_snapshot_is_what_the_page_says() -> None:
    state = b"a state"
    written = put(
        "snapshot", b"APXSNAP1", 1, 0, 2, 40, struct.pack("<QQ", 3, 1), len(state), zlib.crc32(state), 0, state
    )
    written[60:64] = zlib.crc32(written[:64]).to_bytes(4, "little")
    assert snapshots.encode(snapshot_of(40, Ballot(3, 1), state), 2) == written


def test_each_kind_of_record_is_told_with_its_fields() -> None:
    told = {}
    for kind, *fields in (re.findall(r"[\w-]+", text) for text in re.findall(r"`\[(\"[^`]*)\]`", LOG)):
        told[kind] = fields
    known = {one.__struct_config__.tag: list(one.__struct_fields__) for one in typing.get_args(Record)}
    assert {kind: fields for kind, fields in told.items() if kind in known} == known


def test_the_files_are_named_as_the_page_says() -> None:
    assert (segment_name(12), snapshots.snapshot_name(7)) == (f"wal-{12:016d}.log", f"snapshot-{7:020d}.snap")
    for name in ("wal-<generation>.log", "snapshot-<slot>.snap", snapshots.TEMPORARY, "spare-<generation>.log"):
        assert f"`{name}`" in LOG


def test_the_dump_is_that_of_a_log() -> None:
    disk = MemoryDisk()
    journal = Journal(disk, 1, founders=(1, 2, 3))
    journal.commit([Promised(Ballot(1, 1))])
    journal.commit([AcceptedRecord(1, Ballot(1, 1), messages.NOOP, 0)])
    file = disk.open(segment_name(1))
    data = file.read(0, file.size())
    lines = re.findall(r"^    ([0-9a-f]{8})  ((?:[0-9a-f]{2} ){1,16})", LOG, re.MULTILINE)
    assert b"".join(bytes.fromhex(row) for _, row in lines) == data
    assert [int(offset, 16) for offset, _ in lines] == list(range(0, len(data), 16))


def test_a_message_travels_as_the_page_says() -> None:
    told = '["prepare", [4, 2], 118, []]'
    assert told in PAGE
    prepare = messages.Prepare(Ballot(4, 2), 118)
    assert msgspec.json.decode(told) == msgspec.json.decode(msgspec.json.encode(prepare))
