"""Writing past the page cache: the same log as through it, and a file system that refuses is said to, once."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.storage.disk import BLOCK_BYTES, PROBE, DirectFile, PosixDisk
from node.storage.wal import Wal, segment_name


def test_the_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    disk = PosixDisk(tmp_path, direct=True)
    assert disk.names() == []
    assert not (tmp_path / PROBE).exists()


@given(st.lists(st.integers(1, 3 * BLOCK_BYTES), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_what_is_written_in_order_can_be_read(tmp_path: Path, sizes: list[int]) -> None:
    disk = PosixDisk(tmp_path, direct=True)
    (tmp_path / "a.log").unlink(missing_ok=True)
    file = disk.open("a.log", create=True)
    assert isinstance(file, DirectFile) == (disk.refusal is None)
    expected = b""
    for number, size in enumerate(sizes):
        data = bytes([number + 1]) * size
        file.write(len(expected), data)
        expected += data
        file.sync()
        assert file.read(0, len(expected)) == expected
    if isinstance(file, DirectFile):
        assert file.size() == -(-len(expected) // BLOCK_BYTES) * BLOCK_BYTES
        assert not file.read(len(expected), file.size()).strip(b"\0")
    file.close()
    again = disk.open("a.log")
    again.write(len(expected), b"more")
    assert again.read(0, len(expected) + 4) == expected + b"more"
    again.close()


@pytest.mark.parametrize("ahead", [0, 10_000])
def test_a_log_is_the_same_past_the_page_cache_and_through_it(tmp_path: Path, ahead: int) -> None:
    written: list[bytes] = []
    for round_ in range(6):
        wal = Wal(PosixDisk(tmp_path, direct=round_ % 2 == 0), 3, 30_000, ahead)
        assert wal.payloads == written
        assert wal.statistics.torn_bytes == 0
        for number in range(20):
            payload = bytes([round_ + 1, number]) * (number * 37)
            wal.append(payload)
            written.append(payload)
            if number % 3 == 0:
                wal.commit()
        wal.commit()
        wal.close()
    assert segment_name(2) in PosixDisk(tmp_path).names()


def test_other_files_are_written_as_ever(tmp_path: Path) -> None:
    file = PosixDisk(tmp_path, direct=True).open("snapshot.tmp", create=True)
    file.write(0, b"five.")
    assert file.size() == 5
    file.close()


def test_a_file_system_that_refuses_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = os.open

    def refuse(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "not here")
        return really_open(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refuse)
    disk = PosixDisk(tmp_path, direct=True)
    assert disk.refusal is not None
    assert disk.refusal.errno == errno.EINVAL
    assert disk.names() == []
    file = disk.open("a.log", create=True)
    assert not isinstance(file, DirectFile)
    file.close()


def test_a_short_write_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    file = DirectFile(fd, os.dup(fd))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: 512)
    with pytest.raises(OSError, match="only 512 of 4096 bytes"):
        file.write(0, b"x")
    file.close()
