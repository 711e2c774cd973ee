"""Offsets of clocks: what is written of them, what is made of them, and that a simulated run has them too."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from harness import clock_samples
from harness.clock_samples import ClockSample, ClockSampler, read_samples
from harness.execution import carry_out, prepare
from harness.exploration.worker import Unwatched
from harness.report.offsets import OffsetRow, offset_rows, offsets_of
from harness.scenario import Scenario, from_data
from harness.store import CLOCKS, Lines, Store
from nemesis.ground import ClockReading

MS = 10**6


class Clocks:
    """Clocks that are what a test says."""

    def __init__(self, path: Path) -> None:
        self.now = 0
        self.wall = 0
        self.local = 0
        self.sampler = ClockSampler(Lines(path), ("n1",), self.read, lambda: self.now)

    async def read(self, node: str) -> ClockReading:
        return ClockReading(7_000 + self.now + self.local, 50 + self.now, 10**18 + self.now + self.wall)

    def look(self, at: int, wall: int, local: int) -> None:
        self.now, self.wall, self.local = at, wall, local
        asyncio.run(self.sampler.look("n1"))


def test_of_what_stays_the_same_the_first_and_the_last_are_written(tmp_path: Path) -> None:
    clocks = Clocks(tmp_path / CLOCKS)
    for at in range(5):
        clocks.look(at, 0, 0)
    clocks.look(5, -30, 0)
    clocks.look(6, -30, 2)
    for at in range(7, 10):
        clocks.look(at, -30, 3)
    clocks.sampler.close()
    assert read_samples(tmp_path / CLOCKS) == (
        ClockSample(0, "n1", 0, 0),
        ClockSample(4, "n1", 0, 0),
        ClockSample(5, "n1", -30, 0),
        ClockSample(6, "n1", -30, 2),
        ClockSample(7, "n1", -30, 3),
        ClockSample(9, "n1", -30, 3),
    )


def test_what_does_not_fit_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_samples, "SAMPLES_MAX", 3)
    clocks = Clocks(tmp_path / CLOCKS)
    for at in range(5):
        clocks.look(at, at, 0)
    clocks.sampler.close()
    assert len(read_samples(tmp_path / CLOCKS)) == 3
    assert clocks.sampler.left_out == 2


def test_a_line_that_was_cut_off_is_left_out_and_nonsense_is_told(tmp_path: Path) -> None:
    assert read_samples(tmp_path / CLOCKS) == ()
    line = msgspec.json.encode(ClockSample(1, "n1", 2, 3))
    (tmp_path / CLOCKS).write_bytes(line + b"\n" + line[:-4])
    assert read_samples(tmp_path / CLOCKS) == (ClockSample(1, "n1", 2, 3),)
    (tmp_path / CLOCKS).write_bytes(b"{}\n")
    with pytest.raises(msgspec.DecodeError):
        read_samples(tmp_path / CLOCKS)


def test_only_clocks_that_were_wrong_have_a_picture() -> None:
    samples = [ClockSample(at * MS, node, 0, 0) for at in range(3) for node in ("n10", "n2")]
    assert offsets_of(samples) == ()
    (wall,) = offsets_of([*samples, ClockSample(3 * MS, "n2", -1_500 * MS, 0)])
    assert (wall.clock, [line.node for line in wall.lines]) == ("wall", ["n2", "n10"])
    assert wall.lines[0].at_s == (0.0, 0.001, 0.002, 0.003)
    assert offset_rows([wall]) == (OffsetRow("n2", "wall", "-1.500 s", "0", "-1.500 s"),)


def test_a_long_line_is_thinned_and_keeps_its_end() -> None:
    samples = [ClockSample(at, "n1", at, 0) for at in range(10_001)]
    (wall,) = offsets_of(samples)
    assert len(wall.lines[0].at_s) <= 4_001
    assert wall.lines[0].at_s[-1] == 10_000 / 10**9


def test_a_simulated_run_has_them_if_a_fault_bends_clocks(tmp_path: Path) -> None:
    bump = {"type": "clock-bump", "target": "n2", "clock": "wall", "delta_ms": -60_000}
    data = {
        "place": "simulated",
        "nodes": 3,
        "time": "4s",
        "faults": [],
        "schedule": [{"at": "1s", "until": "2s", "fault": bump}],
    }
    run = prepare(from_data(data), 7, Store(tmp_path), datetime(2000, 1, 1, tzinfo=UTC))
    carry_out(run, Unwatched())
    samples = [sample for sample in read_samples(run.folder / CLOCKS) if sample.node == "n2"]
    off = [(round(sample.time / 10**9), sample.wall // MS) for sample in samples if sample.wall]
    assert off[0] == (1, -60_000)
    assert off[-1] == (2, -60_000)
    assert {sample.monotonic for sample in samples} == {0}
    calm = prepare(from_data({**data, "schedule": []}), 7, Store(tmp_path), datetime(2000, 1, 2, tzinfo=UTC))
    carry_out(calm, Unwatched())
    assert not (calm.folder / CLOCKS).exists()


@pytest.mark.parametrize(
    ("data", "bends"),
    [
        ({}, False),
        ({"clocks": True}, True),
        ({"faults": ["clock-drift"]}, True),
        ({"faults": ["kill"], "schedule": [{"at": "1s", "until": "2s", "fault": {"type": "clock-reset"}}]}, True),
        ({"faults": ["swarm"], "place": "simulated"}, True),
        ({"faults": ["swarm"]}, True),
        ({"faults": ["kill", "disk"]}, False),
    ],
)
def test_who_needs_clocks_that_can_be_bent(data: dict[str, object], bends: bool) -> None:
    assert from_data(data).bends_clocks is bends
    assert isinstance(from_data(data), Scenario)
