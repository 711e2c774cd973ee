"""Clocks on the real local place: each node its own epoch, bends that outlive a process, and who is out of reach."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.clock_samples import read_samples
from harness.cluster.base import Ability, ClusterError, Launch, Timekeeping
from harness.cluster.local import epochs
from harness.cluster.local.cluster import LocalCluster
from harness.cluster.local.messages import UsedMode
from harness.store import CLOCKS
from nemesis.ground import ClockBend, ClockReading
from tests.harness.controller import antipaxos
from tests.integration.local_support import (
    ask_once,
    cluster_of,
    eventually,
    launch_of,
    require_namespaces,
    start_alone,
)
from tests.integration.ordinary_user import ordinary_folder, run_as_ordinary
from tests.preload.support import compiled, the_library

pytestmark = pytest.mark.integration

SECOND_NS = 10**9
NEAR_NS = 5 * SECOND_NS
"""How far apart two readings may be that were meant to be one: a machine may be slow to answer."""


def ability(cluster: LocalCluster, name: str) -> Ability:
    return next(ability for ability in cluster.abilities if ability.name == name)


async def ahead(cluster: LocalCluster, node: str) -> tuple[int, int]:
    """Return by how many ns a node's monotonic and wall clocks are ahead of this process's, as the node says itself."""
    monotonic, wall = map(int, (await ask_once(cluster, node, "clocks")).split())
    return monotonic - time.monotonic_ns(), wall - time.time_ns()


def require_time_namespaces() -> None:
    require_namespaces("userns")
    done = subprocess.run(("unshare", "-Ur", "-T", "--monotonic", "5", "true"), check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"no time namespaces on this machine: {done.stderr.decode().strip()}")


def test_each_node_has_its_own_monotonic_epoch_and_keeps_it(tmp_path: Path) -> None:
    """By a time namespace, so with no library; the wall clock is everybody's."""
    require_time_namespaces()

    async def check() -> None:
        async with cluster_of(3, "userns", tmp_path) as cluster:
            assert ability(cluster, "epochs") == Ability("epochs", True, "time namespaces")
            assert "not loaded" in ability(cluster, "clocks").mechanism or not ability(cluster, "clocks").works
            await start_alone(cluster, tmp_path)
            before = {node: await ahead(cluster, node) for node in cluster.nodes}
            apart = [monotonic for monotonic, _ in before.values()]
            assert len({monotonic // NEAR_NS for monotonic in (0, *apart)}) == 4
            assert all(abs(wall) < NEAR_NS for _, wall in before.values())
            for node in cluster.nodes:
                reading = await cluster.clock(node)
                assert abs(reading.local - reading.true - before[node][0]) < NEAR_NS
            await cluster.kill("n2")
            await cluster.spawn("n2", launch_of(cluster, "n2", tmp_path))
            again, _ = await ahead(cluster, "n2")
            assert abs(again - before["n2"][0]) < NEAR_NS
            environment = await ask_once(cluster, "n1", "environment")
            assert "LD_PRELOAD" not in environment
            with pytest.raises(ClusterError, match="without the library"):
                await cluster.set_clock("n1", ClockBend(ppm=1))

    asyncio.run(check())


@pytest.mark.parametrize("mode", ["loopback", "userns"])
def test_bends_are_what_the_node_sees_and_outlive_its_process(tmp_path: Path, mode: UsedMode) -> None:
    the_library()
    require_namespaces(mode)

    async def check() -> None:
        async with cluster_of(2, mode, tmp_path, bends_clocks=True) as cluster:
            assert isinstance(cluster, Timekeeping)
            assert ability(cluster, "clocks").works
            assert ability(cluster, "epochs").works
            await start_alone(cluster, tmp_path)
            monotonic, wall = await ahead(cluster, "n1")
            await agree(cluster, "n1")
            await cluster.set_clock("n1", ClockBend(wall_ahead=-3_600 * SECOND_NS))
            await cluster.jump_clock("n1", 600 * SECOND_NS)
            for restarted in (False, True):
                if restarted:
                    await cluster.kill("n1")
                    await cluster.spawn("n1", launch_of(cluster, "n1", tmp_path))
                bent = await ahead(cluster, "n1")
                assert abs(bent[0] - monotonic - 600 * SECOND_NS) < NEAR_NS
                assert abs(bent[1] - wall + 3_600 * SECOND_NS) < NEAR_NS
                await agree(cluster, "n1")
            await cluster.set_clock("n1", ClockBend(ppm=9_000_000))
            await asyncio.sleep(1.5)
            fast = await ahead(cluster, "n1")
            assert fast[0] - bent[0] > 12 * SECOND_NS
            await cluster.set_clock("n1", ClockBend())
            await cluster.reset_clock("n1")
            right = await ahead(cluster, "n1")
            assert right[0] >= fast[0] - NEAR_NS
            assert abs(right[1]) < NEAR_NS
            assert max(map(abs, await ahead(cluster, "n2"))) - abs((await ahead(cluster, "n2"))[0]) < NEAR_NS
            assert await cluster.disturbances() == ()

    asyncio.run(check())


async def agree(cluster: LocalCluster, node: str) -> None:
    """Expect what the cluster says of a node's clocks to be what the node says."""
    reading, (monotonic, wall) = await cluster.clock(node), await ahead(cluster, node)
    assert abs(reading.local - reading.true - monotonic) < NEAR_NS
    assert abs(reading.wall - time.time_ns() - wall) < NEAR_NS


def program_of(pid: int) -> str:
    return str(Path(f"/proc/{pid}/exe").readlink())


PAUSE = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"


def test_a_node_out_of_reach_is_told_with_the_reason_and_reads_true(tmp_path: Path) -> None:
    the_library()
    source = tmp_path / "stay.c"
    source.write_text(PAUSE)
    static = compiled(tmp_path, "-static", source=source)

    async def check() -> None:
        async with cluster_of(2, "loopback", tmp_path, bends_clocks=True) as cluster:
            await cluster.spawn("n1", Launch((str(static),), tmp_path, tmp_path / "n1.log", {}))
            assert "statically linked" in cluster.unbendable("n1")
            assert cluster.unbendable("n2") == ""
            # This one could be reached, but hands nothing on to the program that it becomes.
            forgetful = ("/usr/bin/env", "-i", sys.executable, "-S", "-c", "import time; time.sleep(600)")
            pid = await cluster.spawn("n2", Launch(forgetful, tmp_path, tmp_path / "n2.log", {}))
            assert cluster.unbendable("n2") == ""
            await cluster.clock("n2")  # perhaps of what it is at first

            async def has_become_another() -> bool:
                return "python" in program_of(pid)

            await eventually(has_become_another, 20)
            for node in cluster.nodes:
                before = await cluster.clock(node)
                await cluster.set_clock(node, ClockBend(wall_ahead=60 * SECOND_NS))
                assert _jump(before, await cluster.clock(node)) == 0
            assert "without the clock library" in cluster.unbendable("n2")

    asyncio.run(check())


def _jump(before: ClockReading, now: ClockReading) -> int:
    return (now.wall - before.wall) - (now.true - before.true)


def test_without_a_library_clocks_are_missing_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nemesis.preload import library

    def none(own_folder: Path) -> library.Library:
        raise library.NoLibraryError(f"no compiler here: {library.REMEDY}")

    monkeypatch.setattr(library, "find", none)

    async def check() -> None:
        async with cluster_of(1, "loopback", tmp_path, bends_clocks=True) as cluster:
            clocks = ability(cluster, "clocks")
            assert not clocks.works
            assert "apt-get install gcc" in clocks.missing
            await start_alone(cluster, tmp_path)
            with pytest.raises(ClusterError, match="no compiler here"):
                await cluster.set_clock("n1", ClockBend(ppm=1))

    asyncio.run(check())


def test_a_probe_changes_nothing_of_whoever_probes() -> None:
    before = Path("/proc/self/ns/time_for_children").stat().st_ino, time.monotonic()
    epochs.why_not()
    assert Path("/proc/self/ns/time_for_children").stat().st_ino == before[0]
    assert 0 <= time.monotonic() - before[1] < 100


SCENARIO = """
name = "clocks"
nodes = 3
time = "9s"
rate = 100
faults = []
schedule = [
{ at = "1s", until = "3s", fault = { type = "clock-drift", target = "leader", ppm = 500 } },
{ at = "1s", until = "4s", fault = { type = "clock-bump", target = "all", clock = "wall", delta_ms = -30000 } },
{ at = "3s", until = "5s", fault = { type = "clock-strobe", target = "follower", clock = "wall" } },
{ at = "5s", until = "6s", fault = { type = "clock-freeze", target = "follower" } },
{ at = "6s", until = "7s", fault = { type = "clock-bump", target = "follower", clock = "monotonic", delta_ms = 5000 } },
{ at = "6500ms", until = "6800ms", fault = { type = "clock-reset" } },
{ at = "7s", until = "8s", fault = { type = "clock-strobe", target = "leader", clock = "monotonic", ppm = 900 } },
]
"""


def test_faults_of_clocks_run_from_a_scenario_with_their_evidence_and_their_picture(tmp_path: Path) -> None:
    """The same file as in simulation, the healthy node, and nothing wrong with it."""
    the_library()
    (tmp_path / "clocks.toml").write_text(SCENARIO)
    done = antipaxos(tmp_path, "run", str(tmp_path / "clocks.toml"), "--seed", "5", "--json")
    assert done.status == 0, done.err
    assert [fault["status"] for fault in done.json["faults"]] == ["installed"] * 7
    assert all(fault["healed"] for fault in done.json["faults"])
    told = " ".join(sentence for fault in done.json["faults"] for sentence in fault["evidence"])
    assert "its wall clock jumped by -30.000 s" in told
    assert "its monotonic clock jumped by +5.000 s" in told
    assert "its wall clock was set right, by -0.00" in told
    assert not [note for note in done.json["notes"] if "clock" in note]
    samples = read_samples(Path(done.json["store"]) / CLOCKS)
    assert min(sample.wall for sample in samples) <= -30 * SECOND_NS
    assert max(sample.monotonic for sample in samples) >= 4 * SECOND_NS
    assert {sample.node for sample in samples} == {"n1", "n2", "n3"}
    page = (Path(done.json["store"]) / "report.html").read_text()
    assert '<h2 id="clocks">Clocks</h2>' in page
    assert "-30.000 s" in page


def test_a_run_without_faults_of_clocks_loads_nothing(tmp_path: Path) -> None:
    done = antipaxos(tmp_path, "run", "--seed", "5", "--nodes", "3", "--time", "3s", "--faults", "none", "--json")
    assert done.status == 0, done.err
    assert not (Path(done.json["store"]) / CLOCKS).exists()
    assert not (Path(done.json["store"]) / "cluster" / "clocks").exists()


ORDINARY = """
import asyncio, json, os, sys
from pathlib import Path
from nemesis.ground import ClockBend
from tests.integration.local_support import ask_once, cluster_of, start_alone
from tests.integration.test_local_clocks import ahead

async def main(directory):
    assert os.geteuid() != 0
    async with cluster_of(2, sys.argv[2], directory, bends_clocks=True) as cluster:
        await start_alone(cluster, directory)
        before = await ahead(cluster, "n1")
        await cluster.set_clock("n1", ClockBend(wall_ahead=10**12))
        await cluster.jump_clock("n1", 10**12)
        after, other = await ahead(cluster, "n1"), await ahead(cluster, "n2")
        reading = await cluster.clock("n1")
        found = {
            "jump": after[0] - before[0], "bump": after[1] - before[1], "other": other[1],
            "apart": abs(before[0] - other[0]), "read": reading.local - reading.true - after[0],
            "missing": [ability.missing for ability in cluster.abilities if ability.name in ("clocks", "epochs")],
            "doubts": await cluster.disturbances(),
        }
    print(json.dumps(found))

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("mode", ["userns", "loopback"])
def test_an_ordinary_user_bends_clocks_too(mode: UsedMode) -> None:
    the_library()
    require_namespaces(mode)
    with ordinary_folder(f"clocks-{mode}") as folder:
        found = run_as_ordinary(ORDINARY, folder, mode)
    assert abs(found["jump"] - 10**12) < NEAR_NS
    assert abs(found["bump"] - 10**12) < NEAR_NS
    assert abs(found["other"]) < NEAR_NS
    assert abs(found["read"]) < NEAR_NS
    assert found["apart"] > NEAR_NS
    assert found["missing"] == ["", ""]
    assert found["doubts"] == []
