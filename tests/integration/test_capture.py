"""The capture of a run: what was delivered, what was not, as tcpdump and a reader of our own see it."""

from __future__ import annotations

import asyncio
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from harness.cluster.base import ClusterError
from harness.cluster.local.capture import DELIVERED, LOST
from harness.cluster.local.cluster import LocalCluster
from nemesis.ground import Link, Weather
from tests.integration.local_support import require_namespaces, start_all

pytestmark = pytest.mark.integration


def datagrams(path: Path) -> list[bytes]:
    """Return the payload of all datagrams in a capture, in order."""
    data = path.read_bytes()
    assert struct.unpack_from("=IHH", data) == (0xA1B23C4D, 2, 4)
    found, at = [], 24
    while at < len(data):
        size, length = struct.unpack_from("=II", data, at + 8)
        assert size == length
        frame = data[at + 16 : at + 16 + size]
        at += 16 + size
        if frame[12:14] == b"\x08\x00" and frame[23] == 17:
            found.append(frame[42:])
    assert at == len(data)
    return found


def test_a_capture_tells_what_arrived_from_what_did_not(tmp_path: Path) -> None:
    require_namespaces("userns")
    folder = tmp_path / "run"
    folder.mkdir()

    async def scene() -> tuple[str, ...]:
        cluster = LocalCluster(2, "userns", tmp_path / "cluster", capture=folder)
        await cluster.setup()
        try:
            nodes = await start_all(cluster, tmp_path)
            address = cluster.addresses["n2"]
            await nodes["n1"](f"fire {address.host} {address.port} 5 0.001")
            await cluster.cut(frozenset({Link("n1", "n2")}))
            await nodes["n1"](f"fire {address.host} {address.port} 3 0.001")
            await cluster.cut(frozenset())
            await cluster.set_weather({Link("n1", "n2"): Weather(duplicate_ppm=1_000_000)})
            await nodes["n1"](f"fire {address.host} {address.port} 1 0.001")
            await asyncio.sleep(0.1)
            for talker in nodes.values():
                talker.close()
        finally:
            await cluster.teardown()
        return cluster.told()

    (line,) = asyncio.run(scene())
    assert datagrams(folder / DELIVERED) == [b"0", b"1", b"2", b"3", b"4", b"0", b"0"]
    assert datagrams(folder / LOST) == [b"0", b"1", b"2"]
    assert line.startswith(f"capture: {folder / DELIVERED} (")
    assert line.endswith("(3 not delivered)")
    if shutil.which("tcpdump") is not None:
        said = subprocess.run(
            ("tcpdump", "-Kntr", folder / LOST), capture_output=True, text=True, check=True, timeout=30
        ).stdout
        assert said.count("10.77.0.1.7000 > 10.77.0.2.7000: ") == 3


def test_a_capture_that_cannot_be_written_is_not_blamed_on_the_mode(tmp_path: Path) -> None:
    require_namespaces("userns")
    missing = tmp_path / "missing"
    with pytest.raises(ClusterError) as caught:
        asyncio.run(LocalCluster(1, "userns", tmp_path / "cluster", capture=missing).setup())
    said = f"cannot set up the local cluster: the frames cannot be captured: cannot write {missing / DELIVERED}: "
    assert str(caught.value) == f"{said}No such file or directory"
