"""Rations of real processes: what the kernel shows, what the process comes to, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.cluster.base import ClusterError, Launch
from harness.cluster.local import cgroups, ledger, leftovers, pids, rations
from harness.cluster.local.cgroups import Hierarchy
from harness.cluster.local.cluster import LocalCluster
from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import SetRation, UsedMode
from harness.cluster.local.rations import Rationing
from nemesis.ground import Ration, Resources, Run
from tests.integration.local_support import cluster_of, eventually, require_namespaces

pytestmark = pytest.mark.integration
modes = pytest.mark.parametrize("mode", ["root", "userns", "loopback"])
SPIN = "while :; do :; done"
GREEDY = """
import sys, time
held = []
print("ready", flush=True)
while True:
    time.sleep(0.01)
    held.append(bytearray(1 << 20))
"""
OPENS = """
import os, time
print("ready", flush=True)
while True:
    time.sleep(0.01)
    try:
        os.close(os.open("/dev/null", os.O_RDONLY))
        word = "opened"
    except OSError as error:
        word = os.strerror(error.errno)
    with open(1, "w", closefd=False) as out:
        print(word, file=out, flush=True)
"""


def program(directory: Path, source: str) -> Launch:
    log = directory / "n1.log"
    return Launch((sys.executable, "-S", "-E", "-c", source), directory, log, {})


def spinner(directory: Path) -> Launch:
    return Launch(("/bin/sh", "-c", SPIN), directory, directory / "n1.log", {})


@modes
def test_a_starved_node_has_its_part_and_then_all_it_wants(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(1, mode, tmp_path) as cluster:
            assert await cluster.resources("n1") == Resources()
            pid = await cluster.spawn("n1", spinner(tmp_path))
            await cluster.set_ration("n1", Ration(times=10))
            before = await cluster.resources("n1")
            assert before.pid == pid
            assert before.starved
            await asyncio.sleep(2)
            after = await cluster.resources("n1")
            ran, waited = after.ran_ns - before.ran_ns, after.waited_ns - before.waited_ns
            assert waited > 2 * ran > 0
            await cluster.kill("n1")
            again = await cluster.spawn("n1", spinner(tmp_path))
            assert (await cluster.resources("n1")).starved, "it is the machine that is overbooked"
            await cluster.set_ration("n1", Ration())
            assert not (await cluster.resources("n1")).starved
            assert os.sched_getaffinity(again) == os.sched_getaffinity(0)
            book = ledger.read(tmp_path)
            assert book is not None
            assert not [name for name in book.nodes if name.startswith("competitor")]
            await cluster.set_ration("n1", Ration(times=5))
        assert not cgroups_of(book.warden)

    asyncio.run(scene())


ESCAPES = """
import subprocess, time
from pathlib import Path
print("ready", flush=True)
while not Path("go").exists():
    time.sleep(0.01)
print("escaped", subprocess.Popen(("sleep", "600"), start_new_session=True).pid, "", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["asked", "killed"])
def test_a_cgroup_that_is_still_used_is_told_of_and_not_forgotten(how: str, tmp_path: Path) -> None:
    if cgroups.hierarchy() is None:
        pytest.skip("no cpu cgroup may be made here")

    async def scene() -> None:
        cluster = LocalCluster(1, "loopback", tmp_path)
        await cluster.setup()
        await cluster.spawn("n1", program(tmp_path, ESCAPES))
        await logged(tmp_path, "ready")
        await cluster.set_ration("n1", Ration(times=5))
        (tmp_path / "go").touch()
        await logged(tmp_path, "escaped ")
        escaped = int((tmp_path / "n1.log").read_text().split()[2])
        book = ledger.read(tmp_path)
        assert book is not None
        try:
            if how == "killed":
                os.kill(book.warden.pid, signal.SIGKILL)
            with pytest.raises(ClusterError, match=f"cannot remove the cgroup .*/n1: used by process {escaped}"):
                await cluster.teardown()
            assert len(cgroups_of(book.warden)) == 1
            with pytest.raises(ClusterError, match=f"used by process {escaped}"):
                leftovers.find(tmp_path)
        finally:
            os.kill(escaped, signal.SIGKILL)

        async def removed() -> bool:
            with contextlib.suppress(ClusterError):
                leftovers.find(tmp_path)
            return ledger.read(tmp_path) is None

        await eventually(removed, 5)
        assert not cgroups_of(book.warden)

    asyncio.run(scene())


def cgroups_of(owner: pids.Identity) -> list[Path]:
    return list(cgroups.ROOT.glob(f"*/{cgroups.PREFIX}-{owner.pid}-{owner.started_ticks}"))


@modes
def test_a_node_without_memory_ends_and_one_that_is_given_it_back_goes_on(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(1, mode, tmp_path) as cluster:
            await cluster.spawn("n1", program(tmp_path, GREEDY))
            await logged(tmp_path, "ready")
            await cluster.set_ration("n1", Ration(memory_room_bytes=1 << 30))
            limited = await cluster.resources("n1")
            assert limited.memory_max_bytes is not None
            assert limited.memory_max_bytes - limited.memory_bytes <= 1 << 30
            await cluster.set_ration("n1", Ration())
            assert (await cluster.resources("n1")).memory_max_bytes is None
            await cluster.set_ration("n1", Ration(memory_room_bytes=4 << 20))

            async def gone() -> bool:
                return (await cluster.process("n1")).run is Run.GONE

            await eventually(gone, 10)
            assert (await cluster.process("n1")).exit_code == 1
            assert "MemoryError" in (tmp_path / "n1.log").read_text()
            assert await cluster.resources("n1") == Resources()
            await cluster.set_ration("n1", Ration())

    asyncio.run(scene())


@modes
def test_a_node_without_descriptors_can_open_nothing_until_the_heal(mode: UsedMode, tmp_path: Path) -> None:
    require_namespaces(mode)

    async def scene() -> None:
        async with cluster_of(1, mode, tmp_path) as cluster:
            await cluster.spawn("n1", program(tmp_path, OPENS))
            await logged(tmp_path, "opened")
            assert (await cluster.resources("n1")).descriptors_free is None
            await cluster.set_ration("n1", Ration(descriptor_room=0))
            assert (await cluster.resources("n1")).descriptors_free == 0
            await logged(tmp_path, "Too many open files")
            await cluster.set_ration("n1", Ration())
            (tmp_path / "n1.log").write_text("")
            await logged(tmp_path, "opened")
            assert (await cluster.resources("n1")).descriptors_free is None

    asyncio.run(scene())


async def logged(directory: Path, text: str) -> None:
    async def there() -> bool:
        return text in await asyncio.to_thread((directory / "n1.log").read_text)

    await eventually(there, 10)


# -- by both means, whatever this machine allows ----------------------------------------------------------------------


@contextmanager
def spinning() -> Iterator[int]:
    with subprocess.Popen(("/bin/sh", "-c", SPIN), start_new_session=True) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.fixture
def child() -> Iterator[int]:
    with spinning() as pid:
        yield pid


def me() -> pids.Identity:
    identity = pids.identify(os.getpid())
    assert identity is not None
    return identity


def test_competitors_share_one_processor_with_the_node(child: int) -> None:
    changes: list[int] = []
    rationing = Rationing(me(), lambda: changes.append(1), None)
    rationing.set(SetRation("n1", times=6), child)
    assert len(os.sched_getaffinity(child)) == 1
    assert len(rationing.competitors) == 5
    before = rationing.account("n1", child)
    assert "with 5 competitors" in before.starved
    time.sleep(2)
    after = rationing.account("n1", child)
    assert after.waited_ns - before.waited_ns > 2 * (after.ran_ns - before.ran_ns) > 0
    rationing.set(SetRation("n2", times=3), 0)
    assert len(rationing.competitors) == 5, "as many as the hungriest wants"
    rationing.set(SetRation("n1", times=1), child)
    assert os.sched_getaffinity(child) == os.sched_getaffinity(0)
    assert rationing.account("n1", child).starved == ""
    left = list(rationing.competitors.values())
    assert len(left) == 2
    rationing.end()
    assert rationing.competitors == {}
    assert not any(pids.is_alive(one) for one in left)
    assert len(changes) == 3


def test_a_node_is_fed_by_the_means_by_which_it_starves(child: int, monkeypatch: pytest.MonkeyPatch) -> None:
    where = cgroups.hierarchy()
    if where is None:
        pytest.skip("no cpu cgroup may be made here")
    home, confine = cgroups.home_of(child, where), cgroups.confine

    def only_n1(where: Hierarchy, owner: pids.Identity, node: str, members: Sequence[int], times: int) -> Path:
        if node != "n1":
            raise OSError(errno.ENOSPC, "no room for another one")
        return confine(where, owner, node, members, times)

    monkeypatch.setattr(cgroups, "confine", only_n1)
    rationing = Rationing(me(), lambda: None, where)
    with spinning() as other:
        try:
            rationing.set(SetRation("n1", times=10), child)
            rationing.set(SetRation("n2", times=4), other)
            assert "cpu cgroup" in rationing.account("n1", child).starved
            assert "with 3 competitors" in rationing.account("n2", other).starved, "n1 needs none of them"
            rationing.set(SetRation("n1", times=1), child)
            assert cgroups.home_of(child, where) == home
            assert rationing.account("n1", child).starved == ""
            assert rationing.account("n2", other).starved
            rationing.set(SetRation("n2", times=1), other)
            assert rationing.account("n2", other).starved == ""
        finally:
            rationing.set(SetRation("n1", times=1), child)
            rationing.end()
    assert not cgroups_of(me())


def test_what_failed_can_be_tried_again_and_taken_back(child: int, monkeypatch: pytest.MonkeyPatch) -> None:
    free, limit = os.sched_getaffinity(child), resource.prlimit(child, resource.RLIMIT_NOFILE)
    rationing = Rationing(me(), lambda: None, None)

    def failing(act: Callable[..., Any]) -> Callable[..., Any]:
        """Do it, and then fail; the second time do it."""
        fails = [True]

        def acting(*arguments: Any) -> Any:
            done = act(*arguments)
            if fails:
                raise PermissionError(fails.pop())
            return done

        return acting

    try:
        for starve in (SetRation("n1", times=4), SetRation("n1", times=6)):
            with monkeypatch.context() as patch:
                patch.setattr(rations, "_bind", failing(rations._bind))
                with pytest.raises(LocalError, match="cannot put n1"):
                    rationing.set(starve, child)
                rationing.set(starve, child)
            assert f"with {starve.times - 1} competitors" in rationing.account("n1", child).starved
        with spinning() as next_life, monkeypatch.context() as patch:
            patch.setattr(rations, "_bind", failing(rations._bind))
            with pytest.raises(PermissionError):
                rationing.started("n1", next_life)
            os.sched_setaffinity(next_life, free)  # whose start failed is killed: the next one is another process
            rationing.started("n1", next_life)
            assert rationing.account("n1", next_life).starved
            rationing.set(SetRation("n1"), next_life)
            assert os.sched_getaffinity(next_life) == free
        with monkeypatch.context() as patch:
            patch.setattr(rations, "_end_of_room", failing(rations._end_of_room))
            hungry = SetRation("n1", descriptor_room=0)
            with pytest.raises(LocalError, match="cannot put n1"):
                rationing.set(hungry, child)
            rationing.set(hungry, child)
        assert rationing.account("n1", child).descriptors_free == 0
        rationing.set(SetRation("n1"), child)
        assert resource.prlimit(child, resource.RLIMIT_NOFILE) == limit
    finally:
        rationing.end()


@pytest.mark.parametrize("by_cgroup", [True, False])
def test_a_process_that_has_just_ended_leaves_its_ration_to_the_next(by_cgroup: bool) -> None:
    where = cgroups.hierarchy() if by_cgroup else None
    if by_cgroup and where is None:
        pytest.skip("no cpu cgroup may be made here")
    with spinning() as gone:
        pass
    rationing = Rationing(me(), lambda: None, where)
    try:
        rationing.set(SetRation("n1", times=4, memory_room_bytes=1 << 20, descriptor_room=0), gone)
        rationing.started("n1", gone)
        with spinning() as next_life:
            rationing.started("n1", next_life)
            assert rationing.account("n1", next_life).starved
            os.kill(next_life, signal.SIGKILL)
            os.waitpid(next_life, 0)
            rationing.set(SetRation("n1"), next_life)
        with spinning() as last:
            rationing.started("n1", last)
            assert rationing.account("n1", last).starved == ""
    finally:
        rationing.end()


def test_a_quota_of_version_2_is_written_as_the_kernel_wants_it(tmp_path: Path, child: int) -> None:
    where, owner = Hierarchy(tmp_path, 2), pids.Identity(7, 8)
    (tmp_path / "cgroup.subtree_control").write_text("cpu io\n")
    assert cgroups.hierarchy(tmp_path) == where
    group = cgroups.confine(where, owner, "n1", [child], 50)
    assert group == tmp_path / "antipaxos-7-8" / "n1"
    assert (group / "cpu.max").read_text() == "1000 50000"
    assert (group / "cgroup.procs").read_text() == str(child)
    assert (group.parent / "cgroup.subtree_control").read_text() == "+cpu"


def test_a_quota_of_version_1_is_written_as_the_kernel_wants_it(tmp_path: Path, child: int) -> None:
    folder = tmp_path / "cpu,cpuacct"
    folder.mkdir()
    (folder / "cpu.cfs_quota_us").write_text("-1")
    where = cgroups.hierarchy(tmp_path)
    assert where == Hierarchy(folder, 1)
    group = cgroups.confine(where, pids.Identity(7, 8), "n1", [child], 5)
    assert ((group / "cpu.cfs_period_us").read_text(), (group / "cpu.cfs_quota_us").read_text()) == ("20000", "4000")
    assert cgroups.hierarchy(tmp_path / "nowhere") is None
