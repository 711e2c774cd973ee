"""What does a disk that forgets cost? Plain folders, and the same below FUSE and under the preload library.

    .venv/bin/python benchmarks/disks.py [FOLDER ...]

In each FOLDER (by default the one for temporary files, and /dev/shm, where a sync costs nothing and all that is left is
what the file system takes) a program appends 200 bytes and syncs, overwrites 4 KiB and syncs, and writes 4 KiB without,
in turns; µs for one, the median and what one in a hundred exceeds. Then: how long a cluster of five
nodes takes to be up, with and without disks.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from harness.cluster.base import Launch
from harness.cluster.local.cluster import LocalCluster
from harness.cluster.local.messages import DisksBy
from nemesis.ground import Run

TURNS = 5
SETUPS = 9
PROGRAM = """
import json, os, time
f = os.open("f", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
def timed(act, times):
    took = []
    for number in range(times):
        began = time.perf_counter_ns(); act(number); took.append((time.perf_counter_ns() - began) / 1000)
    return took
def append(number): os.pwrite(f, b"x" * 200, number * 200); os.fdatasync(f)
def overwrite(number): os.pwrite(f, b"x" * 4096, number % 8 * 4096); os.fdatasync(f)
def write(number): os.pwrite(f, b"x" * 4096, number * 4096)
print(json.dumps({"append 200 B, sync": timed(append, 300), "overwrite 4 KiB, sync": timed(overwrite, 300),
                  "write 4 KiB": timed(write, 2000)}))
"""


async def turn(cluster: LocalCluster, folder: Path) -> dict[str, list[float]]:
    """Run the program once."""
    log = folder.parent / f"{folder.name}.log"
    log.unlink(missing_ok=True)
    await cluster.spawn("n1", Launch((sys.executable, "-S", "-c", PROGRAM), folder, log, {}))
    while (await cluster.process("n1")).run is not Run.GONE:  # noqa: ASYNC110 - its end has no event
        await asyncio.sleep(0.01)
    found: dict[str, list[float]] = json.loads(log.read_text())
    return found


async def compare(place: Path) -> None:
    """Measure in one folder, in turns."""
    with tempfile.TemporaryDirectory(dir=place, prefix="antipaxos-bench-") as name:
        root = Path(name)
        (root / "plain").mkdir()
        kinds: dict[str, DisksBy | None] = {"plain": None, "fuse": "fuse", "preload": "preload"}
        clusters = {
            kind: LocalCluster(
                1,
                "loopback",
                root / f"cluster-{kind}",
                disks={"n1": root / kind} if by else None,
                disks_by=by or "auto",
            )
            for kind, by in kinds.items()
        }
        took: dict[tuple[str, str], list[float]] = {}
        try:
            for kind, cluster in clusters.items():
                await cluster.setup()
                missing = [ability.missing for ability in cluster.abilities if ability.name == "disk"]
                if kinds[kind] and missing[0]:
                    sys.exit(missing[0])
            for _ in range(TURNS):
                for kind, cluster in clusters.items():
                    for what, samples in (await turn(cluster, root / kind)).items():
                        took.setdefault((what, kind), []).extend(samples)
        finally:
            for cluster in clusters.values():
                await cluster.teardown()
        for what in dict.fromkeys(what for what, _ in took):
            row = "   ".join(f"{kind} {told(took[what, kind])}" for kind in kinds)
            print(f"{place!s:<10} {what:<22} {row}")


def told(samples: Iterable[float]) -> str:
    """Return the median and the 99th percentile."""
    ordered = sorted(samples)
    return f"{statistics.median(ordered):7.1f} {ordered[len(ordered) * 99 // 100]:8.1f}"


async def set_up(with_disks: bool) -> float:
    """Return how many ms a cluster of five takes to be up."""
    with tempfile.TemporaryDirectory(prefix="antipaxos-bench-") as name:
        root = Path(name)
        folders = {f"n{number}": root / f"n{number}" for number in range(1, 6)}
        cluster = LocalCluster(5, "auto", root / "cluster", disks=folders if with_disks else None)
        began = time.monotonic()
        await cluster.setup()
        took = time.monotonic() - began
        await cluster.teardown()
        return took * 1e3


def main() -> None:
    """Measure and print."""
    for place in [Path(word) for word in sys.argv[1:]] or [Path(tempfile.gettempdir()), Path("/dev/shm")]:
        asyncio.run(compare(place))
    took: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(SETUPS):
        for with_disks, samples in took.items():
            samples.append(asyncio.run(set_up(with_disks)))
    for with_disks, samples in took.items():
        print(f"five nodes up {'with' if with_disks else 'without'} disks: {min(samples):.0f} ms at best, ", end="")
        print(f"median {statistics.median(samples):.0f}")


if __name__ == "__main__":
    main()
