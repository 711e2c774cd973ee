"""A long life: memory and disk stay within bounds, however many slots there were."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from harness.cluster.simulated import SimulatedCluster
from harness.plan import make_plan
from harness.runner import Runner
from harness.seeds import SeedTree
from harness.simulation.loop import virtual_loop
from harness.store import Store
from harness.systems.catalogue import SYSTEMS
from tests.simulation.runs import STARTED, Nobody, scenario

SNAPSHOT_SLOTS = 100
TAIL_SLOTS = 20
SEGMENT_BYTES = 8_192
S = 1_000_000_000


class Sample(NamedTuple):
    """What a node has at one moment."""

    slot: int
    kept: int
    disk_bytes: int
    segments: int


def test_memory_and_disk_stay_flat_over_many_slots(tmp_path: Path) -> None:
    settings = {
        "snapshot_slots": SNAPSHOT_SLOTS,
        "snapshot_tail_slots": TAIL_SLOTS,
        "log_segment_bytes": SEGMENT_BYTES,
        "batch_commands_max": 1,
    }
    played = scenario(time="25s", rate=500, nodes=3, concurrency=20, node=settings)
    loop = virtual_loop()
    cluster = SimulatedCluster(3, SeedTree(1), loop)
    samples: list[Sample] = []

    def look() -> None:
        for node in cluster._nodes.values():
            if node.replica is not None:
                files = node.disk.contents()
                log = node.replica.paxos.log
                segments = sum(name.startswith("wal-") for name in files)
                samples.append(Sample(log.chosen_upto, len(log), sum(map(len, files.values())), segments))

    for tenths in range(250):
        loop.at(tenths * S // 10, look)
    runner = Runner(
        played,
        make_plan(played, 1),
        Store(tmp_path).create("long", 1, STARTED),
        cluster,
        lambda place: SYSTEMS["multipaxos"].make(played, place, 1),
        Nobody(),
        loop.monotonic_ns,
    )
    loop.run(runner.run())
    assert cluster.invariants.broken is None
    last = max(sample.slot for sample in samples)
    assert last > 30 * SNAPSHOT_SLOTS, "too short a life to show anything"
    assert max(sample.kept for sample in samples) < 2 * (SNAPSHOT_SLOTS + TAIL_SLOTS)
    assert max(sample.segments for sample in samples) <= 5
    early = [sample.disk_bytes for sample in samples if sample.slot < last // 2]
    late = [sample.disk_bytes for sample in samples if sample.slot >= last // 2]
    assert max(late) < 1.5 * max(early), "the state itself grows with the keys, the log does not"
