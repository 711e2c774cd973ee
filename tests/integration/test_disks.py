"""Disks that fail and forget, below real processes: what plain programs see through the file system."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.cluster.base import Launch
from harness.cluster.local.cluster import LocalCluster
from harness.cluster.local.messages import DisksBy, UsedMode
from harness.seeds import SeedTree
from nemesis.ground import DiskTrouble, Run
from nemesis.preload.library import REMEDY
from nemesis.undo import Arrival, Damage, Harm
from tests.integration import disk_program
from tests.integration.disk_program import Act, acts
from tests.integration.local_support import eventually, require_namespaces

pytestmark = pytest.mark.integration
modes = pytest.mark.parametrize("mode", ["root", "userns", "loopback"])
means = pytest.mark.parametrize("by", ["fuse", "preload"])
PROGRAM_LIMIT_S = 60.0


@asynccontextmanager
async def disks_of(
    nodes: int, directory: Path, mode: UsedMode = "loopback", by: DisksBy = "fuse"
) -> AsyncIterator[LocalCluster]:
    """Be a cluster whose nodes' folders are disks that fail and forget; skip the test where that cannot be had."""
    require_namespaces(mode)
    folders = {f"n{number}": directory / f"n{number}" for number in range(1, nodes + 1)}
    cluster = LocalCluster(nodes, mode, directory / "cluster", SeedTree(7), disks=folders, disks_by=by)
    await cluster.setup()
    try:
        disk = {ability.name: ability for ability in cluster.abilities}["disk"]
        if not disk.works:
            pytest.skip(disk.missing)
        yield cluster
    finally:
        await cluster.teardown()


def launch(directory: Path, node: str, *argv: str) -> Launch:
    """Return what runs a program in a node's folder."""
    return Launch((sys.executable, "-S", "-E", *argv), directory / node, directory / f"{node}.log", {})


async def run(cluster: LocalCluster, directory: Path, program: str, node: str = "n1") -> str:
    """Run a piece of Python in the node's folder to its end and return what it said."""
    log = directory / f"{node}.log"
    log.unlink(missing_ok=True)
    await cluster.spawn(node, launch(directory, node, "-c", f"import errno, mmap, os, time\n{program}"))
    async with asyncio.timeout(PROGRAM_LIMIT_S):
        while (state := await cluster.process(node)).run is not Run.GONE:  # noqa: ASYNC110 - its end has no event
            await asyncio.sleep(0.005)
    said = log.read_text()
    assert state.exit_code == 0, said
    return said.strip()


async def told_of_what_is_not_seen(cluster: LocalCluster, by: DisksBy) -> None:
    """Expect the run's notes to say that there were writable mappings, which a preload library cannot see into."""
    notes = await cluster.disturbances()
    assert len(notes) == (1 if by == "preload" else 0), notes
    assert all("the disk of n1 cannot take back all it might have lost" in note for note in notes)


async def says(log: Path, word: str) -> bool:
    return word in written_to(log)


def written_to(log: Path) -> str:
    return log.read_text() if log.exists() else ""


def contents(directory: Path, node: str = "n1") -> dict[str, bytes]:
    """Return a node's files as they lie below the file system, where only its processes are above it."""
    return {
        str(path.relative_to(directory / node)): path.read_bytes()
        for path in (directory / node).rglob("*")
        if path.is_file()
    }


# -- a file system as any other ---------------------------------------------------------------------------------------

ORDINARY = {
    "append": """
f = os.open("f", os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.write(f, b"one "); os.write(f, b"two"); g = os.open("f", os.O_WRONLY | os.O_APPEND); os.write(g, b" three")
print(os.pread(f, 99, 0).decode(), os.fstat(f).st_size)
""",
    "truncate": """
f = os.open("f", os.O_RDWR | os.O_CREAT); os.write(f, b"0123456789")
os.ftruncate(f, 4); os.ftruncate(f, 6); print(os.pread(f, 99, 0)); os.truncate("f", 2)
print(os.fstat(f).st_size, open("f", "rb").read()); os.open("f", os.O_WRONLY | os.O_TRUNC); print(os.fstat(f).st_size)
""",
    "mmap": """
f = os.open("f", os.O_RDWR | os.O_CREAT); os.write(f, b"x" * 8192)
shared, private = mmap.mmap(f, 8192), mmap.mmap(f, 8192, mmap.MAP_PRIVATE)
print(shared[:3], private[8000:8003]); shared[4096:4100] = b"page"; shared.flush(); print(os.pread(f, 4, 4096))
os.pwrite(f, b"seen", 0); print(shared[:4])
""",
    "direct": """
f = os.open("f", os.O_RDWR | os.O_CREAT | os.O_DIRECT); block = mmap.mmap(-1, 4096); block[:5] = b"block"
print(os.pwrite(f, block, 4096), os.fstat(f).st_size, os.preadv(f, [block], 4096), block[:5])
""",
    "fallocate": """
f = os.open("f", os.O_RDWR | os.O_CREAT); os.write(f, b"abc"); os.posix_fallocate(f, 0, 5000)
import ctypes; c = ctypes.CDLL(None, use_errno=True); off = ctypes.c_int64
print(os.fstat(f).st_size, c.fallocate(f, 1, off(0), off(9000)), c.fallocate(f, 3, off(1), off(1)))
print(os.fstat(f).st_size, os.pread(f, 4, 0), c.fallocate(f, 8, off(0), off(4096)), end=" ")
print(ctypes.get_errno() == errno.EOPNOTSUPP)
""",
    "names": """
os.mkdir("d"); open("d/f", "w").write("in d"); os.rename("d/f", "g"); os.link("g", "d/h"); os.symlink("g", "s")
print(sorted(os.listdir(".")), os.listdir("d"), open("s").read(), os.stat("g").st_nlink, os.readlink("s"))
os.rename("d", "e"); os.unlink("g"); print(open("e/h").read(), os.stat("e/h").st_nlink)
for act in (lambda: os.rmdir("e"), lambda: os.mkdir("e"), lambda: os.rename("no", "x"), lambda: os.open("no", 0)):
    try: act()
    except OSError as error: print(errno.errorcode[error.errno], end=" ")
""",
    "removed while open": """
f = os.open("f", os.O_RDWR | os.O_CREAT); os.write(f, b"still"); os.unlink("f"); print(os.listdir("."))
os.ftruncate(f, 4); os.fsync(f); os.fchmod(f, 0o600); print(os.pread(f, 9, 0), os.fstat(f).st_size)
g = os.open("g", os.O_RDWR | os.O_CREAT); os.write(g, b"old"); open("new", "w").write("new"); os.rename("new", "g")
print(os.pread(g, 9, 0), open("g").read(), os.listdir("."))
""",
    "copies": """
f = os.open("f", os.O_RDWR | os.O_CREAT); os.write(f, b"copied"); g = os.open("g", os.O_RDWR | os.O_CREAT)
print(os.copy_file_range(f, g, 3, 0, 0), os.lseek(g, 3, 0), os.sendfile(g, f, 3, 3), open("g").read())
""",
    "attributes": """
f = os.open("f", os.O_RDWR | os.O_CREAT, 0o640); os.utime("f", ns=(10**18, 10**18 + 7)); os.chmod("f", 0o400)
s = os.stat("f"); print(oct(s.st_mode), s.st_mtime_ns, s.st_ino == os.fstat(f).st_ino, os.statvfs(".").f_bsize > 0)
""",
}
SAID = {
    "append": "one two three 13",
    "truncate": "b'0123\\x00\\x00'\n2 b'01'\n0",
    "mmap": "b'xxx' b'xxx'\nb'page'\nb'seen'",
    "direct": "4096 8192 4096 b'block'",
    "fallocate": "5000 0 0\n5000 b'a\\x00c\\x00' -1 True",
    "names": "['d', 'g', 's'] ['h'] in d 2 g\nin d 1\nENOTEMPTY EEXIST ENOENT ENOENT",
    "removed while open": "[]\nb'stil' 4\nb'old' new ['g']",
    "copies": "3 3 3 copied",
    "attributes": "0o100400 1000000000000000007 True True",
}


@means
def test_it_is_a_file_system_as_any_other(by: DisksBy, tmp_path: Path) -> None:
    async def scene() -> None:
        async with disks_of(1, tmp_path, by=by) as cluster:
            for name, program in ORDINARY.items():
                said = SAID[name].replace("in d 1", "in d 2") if by == "preload" else SAID[name]  # one more is a grave
                assert await run(cluster, tmp_path, program) == said, name
                await cluster.damage_disk("n1", Damage(Harm.WIPE))
            await told_of_what_is_not_seen(cluster, by)

    asyncio.run(scene())


# -- what is durable --------------------------------------------------------------------------------------------------

NAMED = "f = os.open('f', os.O_RDWR | os.O_CREAT); d = os.open('.', os.O_RDONLY); os.fsync(d)\n"
DURABLE = {
    "nothing that was not synced": ("os.write(f, b'lost')", {"f": b""}),
    "fsync": ("os.write(f, b'kept'); os.fsync(f); os.write(f, b'lost')", {"f": b"kept"}),
    "fdatasync": ("os.write(f, b'kept'); os.fdatasync(f)", {"f": b"kept"}),
    "O_DSYNC": (
        "g = os.open('f', os.O_WRONLY | os.O_DSYNC); os.write(g, b'kept'); os.pwrite(f, b'lost', 4)",
        {"f": b"kept"},
    ),
    "O_SYNC": ("g = os.open('f', os.O_WRONLY | os.O_SYNC); os.write(g, b'kept')", {"f": b"kept"}),
    "RWF_DSYNC": ("os.pwritev(f, [b'kept'], 0, os.RWF_DSYNC)", {"f": b"kept"}),
    "O_DIRECT is not": (
        "g = os.open('f', os.O_WRONLY | os.O_DIRECT); os.pwrite(g, mmap.mmap(-1, 4096), 0)",
        {"f": b""},
    ),
    "msync": (
        "os.ftruncate(f, 4096); m = mmap.mmap(f, 4096); m[:4] = b'kept'; m.flush()",
        {"f": b"kept" + bytes(4092)},
    ),
    "a duplicated descriptor": (
        "g = os.dup(f); os.write(g, b'kept'); os.fsync(g); os.write(f, b'lost')",
        {"f": b"kept"},
    ),
    "a program that closes all it can": (
        "n = os.open('/dev/null', os.O_RDWR); os.closerange(n + 1, 2000); os.write(f, b'kept'); os.fsync(f)\n"
        "for _ in range(1000): os.dup(n)\n"
        "os.write(f, b'lost')",
        {"f": b"kept"},
    ),
    "a child": (
        "c = os.fork() or (os.write(f, b'kept'), os.fsync(f), os.pwrite(f, b'lost', 4), os._exit(0)); os.waitpid(c, 0)",
        {"f": b"kept"},
    ),
    "a program that was executed": (
        "import subprocess\n"
        "subprocess.run(('sh', '-c', 'echo kept > f; echo gone > g; rm g; echo lost > h'), check=True); os.fsync(f)",
        {"f": b"kept\n"},
    ),
    "overwritten": ("os.write(f, b'kept'); os.fsync(f); os.pwrite(f, b'LOST', 0)", {"f": b"kept"}),
    "cut": ("os.write(f, b'kept'); os.fsync(f); os.ftruncate(f, 1)", {"f": b"kept"}),
    "a name without its folder": (
        "g = os.open('g', os.O_RDWR | os.O_CREAT); os.write(g, b'x'); os.fsync(g)",
        {"f": b""},
    ),
    "a rename without its folder": (
        "os.write(f, b'old'); os.fsync(f); g = os.open('g', os.O_RDWR | os.O_CREAT); os.write(g, b'new'); os.fsync(g)\n"
        "os.rename('g', 'f')",
        {"f": b"old"},
    ),
    "a rename with its folder": (
        "os.write(f, b'old'); os.fsync(f); g = os.open('g', os.O_RDWR | os.O_CREAT); os.write(g, b'new'); os.fsync(g)\n"
        "os.rename('g', 'f'); os.fsync(d)",
        {"f": b"new"},
    ),
    "a removal without its folder": ("os.write(f, b'kept'); os.fsync(f); os.close(f); os.unlink('f')", {"f": b"kept"}),
    "a removal while open": ("os.write(f, b'kept'); os.fsync(f); os.unlink('f')", {"f": b"kept"}),
    "a removal with its folder": ("os.unlink('f'); os.fsync(d)", {}),
    "a folder and what is in it": (
        "os.mkdir('e'); g = os.open('e/g', os.O_RDWR | os.O_CREAT); os.write(g, b'kept'); os.fsync(g)\n"
        "os.fsync(os.open('e', os.O_RDONLY)); os.fsync(d); os.mkdir('e/h'); os.rename('f', 'e/h/f')",
        {"f": b"", "e/g": b"kept"},
    ),
}


@means
def test_what_was_synced_is_there_after_a_power_cut_and_nothing_else(by: DisksBy, tmp_path: Path) -> None:
    async def scene() -> None:
        async with disks_of(1, tmp_path, by=by) as cluster:
            for name, (program, left) in DURABLE.items():
                await run(cluster, tmp_path, NAMED + program)
                await cluster.power_off("n1", Arrival.DROP)
                assert contents(tmp_path) == left, name
                found = await run(cluster, tmp_path, "print(sum(len(files) for _, _, files in os.walk('.')))")
                assert found == str(len(left)), f"{name}: who mounts sees what who does not"
                for path, data in left.items():
                    assert await run(cluster, tmp_path, f"print(open({path!r}, 'rb').read())") == str(data), name
                await cluster.damage_disk("n1", Damage(Harm.WIPE))
            await told_of_what_is_not_seen(cluster, by)

    asyncio.run(scene())


@means
def test_what_one_process_left_unsynced_another_one_can_sync(by: DisksBy, tmp_path: Path) -> None:
    async def scene() -> None:
        async with disks_of(1, tmp_path, by=by) as cluster:
            await run(cluster, tmp_path, "os.write(os.open('f', os.O_RDWR | os.O_CREAT), b'kept')")
            await cluster.kill("n1")
            synced = "f = os.open('f', os.O_RDWR); os.fsync(f); os.fsync(os.open('.', os.O_RDONLY))\n"
            await run(cluster, tmp_path, f"{synced}os.rename('f', 'g'); os.pwrite(f, b'lost', 4)")
            await cluster.power_off("n1", Arrival.DROP)
            assert contents(tmp_path) == {"f": b"kept"}

    asyncio.run(scene())


def test_a_preload_library_makes_good_what_a_death_left_between_a_change_and_its_record(tmp_path: Path) -> None:
    async def scene() -> None:
        async with disks_of(1, tmp_path, by="preload") as cluster:
            await run(cluster, tmp_path, f"{NAMED}open('old', 'w')\nos.fsync(d)")
            await cluster.kill("n1")
            (tmp_path / "n1" / "unrecorded").write_bytes(b"there")
            (tmp_path / "n1" / "old").unlink()
            await run(cluster, tmp_path, "os.fsync(os.open('.', os.O_RDONLY))")
            await cluster.power_off("n1", Arrival.DROP)
            assert contents(tmp_path) == {"f": b"", "unrecorded": b"there"}

    asyncio.run(scene())


@means
def test_a_process_that_is_killed_loses_nothing(by: DisksBy, tmp_path: Path) -> None:
    async def scene() -> None:
        async with disks_of(1, tmp_path, by=by) as cluster:
            await run(cluster, tmp_path, "os.write(os.open('f', os.O_RDWR | os.O_CREAT), b'never synced')")
            await cluster.kill("n1")
            assert contents(tmp_path) == {"f": b"never synced"}

    asyncio.run(scene())


# -- programs killed at random ----------------------------------------------------------------------------------------


@dataclass
class Held:
    """What a file may hold at each moment since its last sync, that one first."""

    states: list[bytes] = field(default_factory=lambda: [b""])


class Promised:
    """What a program was promised, worked out from its acts and nothing else."""

    def __init__(self) -> None:
        self.names: dict[str, Held] = {}
        self.durable: dict[str, Held] = {}
        self.touched: set[str] = set()

    def after(self, act: Act) -> None:
        """An act has ended."""
        held = self.names.get(act.name)
        if act.kind == "names":
            self.durable, self.touched = dict(self.names), set()
        elif act.kind == "write":
            if held is None:
                held = self.names[act.name] = Held()
                self.touched.add(act.name)
            now = held.states[-1]
            offset = len(now) if act.offset < 0 else act.offset
            now = now.ljust(offset, b"\0")
            held.states.append(now[:offset] + act.data + now[offset + len(act.data) :])
        elif held is None:
            return
        elif act.kind == "cut":
            held.states.append(held.states[-1][: len(act.data)].ljust(len(act.data), b"\0"))
        elif act.kind == "sync":
            held.states = held.states[-1:]
        else:
            del self.names[act.name]
            self.touched.add(act.name)
            if act.kind == "rename":
                self.names[act.other] = held
                self.touched.add(act.other)

    def dropped(self) -> dict[str, bytes]:
        """Return what a power cut leaves if nothing arrives."""
        return {name: held.states[0] for name, held in self.durable.items()}

    def contradiction(self, found: dict[str, bytes]) -> str:
        """Say what was promised and is not there, or is there and was never written; "" if nothing."""
        for name, held in self.durable.items():
            if name in self.touched:
                continue
            if name not in found:
                return f"{name} is lost"
            for offset in range(min(map(len, held.states))):
                if found[name][offset : offset + 1] not in {state[offset : offset + 1] for state in held.states} | {
                    b"\0"
                }:
                    return f"{name} has at {offset} what was never written there"
            first = held.states[0]
            same = [all(state[at : at + 1] == first[at : at + 1] for state in held.states) for at in range(len(first))]
            for offset, unchanged in enumerate(same):
                if unchanged and found[name][offset : offset + 1] != first[offset : offset + 1]:
                    return f"{name} has lost what was synced at {offset}"
        return ""


def possible(seed: int, word: bytes) -> Iterator[Promised]:
    """Yield what a program may count on that got so far: its last act may have ended without its knowing."""
    begun, ended = word.count(b"b"), word.count(b"e")
    for done in range(ended, begun + 1):
        promised = Promised()
        for _, act in zip(range(done), acts(seed), strict=False):
            promised.after(act)
        yield promised


@pytest.mark.parametrize("arrival", Arrival)
@means
def test_programs_killed_at_random_moments_lose_what_was_not_synced_and_nothing_else(
    arrival: Arrival, by: DisksBy, tmp_path: Path
) -> None:
    async def scene() -> None:
        lost, draw = 0, random.Random(f"kill {arrival}")
        async with disks_of(3, tmp_path, by=by) as cluster:
            for trial in range(6):
                seeds = {node: draw.randrange(10**9) for node in cluster.nodes}
                for node, seed in seeds.items():
                    word = tmp_path / f"{node}.word"
                    word.write_bytes(b"")
                    argv = (disk_program.__file__, str(seed), str(word))
                    await cluster.spawn(node, launch(tmp_path, node, *argv))
                deadline = asyncio.get_running_loop().time() + 10
                while not all((tmp_path / f"{node}.word").stat().st_size > 60 for node in cluster.nodes):
                    assert asyncio.get_running_loop().time() < deadline, (tmp_path / "n1.log").read_text()
                    await asyncio.sleep(0.005)
                await asyncio.sleep(draw.random() * 0.2)
                await asyncio.gather(*(cluster.power_off(node, arrival) for node in cluster.nodes))
                for node, seed in seeds.items():
                    word_said, found = (tmp_path / f"{node}.word").read_bytes(), contents(tmp_path, node)
                    ways = list(possible(seed, word_said))
                    told = f"trial {trial}, {node}, seed {seed}, {len(word_said)} steps"
                    if arrival is Arrival.DROP:
                        assert found in [way.dropped() for way in ways], told
                        lost += found != {name: held.states[-1] for name, held in ways[0].names.items()}
                    else:
                        assert "" in [way.contradiction(found) for way in ways], told
                        lost += (await cluster.disk_counters(node)).taken_back_bytes > 0
                    await cluster.damage_disk(node, Damage(Harm.WIPE))
            assert await cluster.disturbances() == ()
        assert lost > 6 or arrival is Arrival.NAMES, "hardly anything was ever lost: this tests nothing"

    asyncio.run(scene())


# -- troubles ---------------------------------------------------------------------------------------------------------

TRY = """
def attempt(act):
    try: act()
    except OSError as error: return errno.errorcode[error.errno]
    return 'ok'
"""


@means
def test_each_trouble_is_seen_by_a_plain_program_and_counted(by: DisksBy, tmp_path: Path) -> None:
    async def scene() -> None:
        async with disks_of(1, tmp_path, by=by) as cluster:
            await run(cluster, tmp_path, NAMED)
            opened = TRY + "f = os.open('f', os.O_RDWR); d = os.open('.', os.O_RDONLY)\n"

            await cluster.set_disk("n1", DiskTrouble(full=True))
            made = "attempt(lambda: os.open('g', os.O_RDWR | os.O_CREAT))"
            said = await run(cluster, tmp_path, opened + f"print(attempt(lambda: os.write(f, b'x')), {made})")
            assert said == "ENOSPC ENOSPC"
            assert (await cluster.disk_counters("n1")).refused == 2

            await cluster.set_disk("n1", DiskTrouble(fails_next=True))
            twice = "print(attempt(lambda: os.fsync(f)), attempt(lambda: os.fsync(f)), os.pread(f, 9, 0))"
            assert await run(cluster, tmp_path, opened + "os.write(f, b'gone')\n" + twice) == "EIO ok b'gone'"
            await cluster.power_off("n1", Arrival.DROP)
            assert contents(tmp_path) == {"f": b""}, "the second sync had nothing to do: the pages were clean"

            await cluster.set_disk("n1", DiskTrouble(fails_next_write=True))
            twice = "print(attempt(lambda: os.write(f, b'x')), attempt(lambda: os.write(f, b'y')))"
            assert await run(cluster, tmp_path, opened + twice) == "EIO ok"
            assert (await cluster.disk_counters("n1")).failed == 2

            await cluster.set_disk("n1", DiskTrouble(lies=True))
            await run(cluster, tmp_path, opened + "os.write(f, b'promised'); os.fsync(f); os.fsync(d)")
            await cluster.power_off("n1", Arrival.DROP)
            counters = await cluster.disk_counters("n1")
            assert (counters.lied, counters.betrayed_bytes, contents(tmp_path)) == (2, 9, {"f": b""})

            await cluster.set_disk("n1", DiskTrouble(misread_ppm=1_000_000))
            said = await run(
                cluster,
                tmp_path,
                opened + "os.write(f, bytes(99)); print(sum(map(int.bit_count, open('f', 'rb').read())))",
            )
            assert said == "1"
            await cluster.set_disk("n1", DiskTrouble())
            assert contents(tmp_path) == {"f": bytes(99)}
            assert (await cluster.disk_counters("n1")).misread == 1

    asyncio.run(scene())


@means
def test_a_slow_disk_is_slow_and_a_stalled_one_stalls_until_it_is_healed(by: DisksBy, tmp_path: Path) -> None:
    timed = f"b = time.monotonic()\n{NAMED}os.write(f, b'x'); os.fsync(f); print(time.monotonic() - b)"

    async def scene() -> None:
        async with disks_of(1, tmp_path, by=by) as cluster:
            await cluster.set_disk("n1", DiskTrouble(times=100))
            assert float(await run(cluster, tmp_path, timed)) > 0.05
            await cluster.set_disk("n1", DiskTrouble(stalled=True))
            stalled = asyncio.create_task(run(cluster, tmp_path, timed))
            await asyncio.sleep(1)
            assert not stalled.done()
            await cluster.set_disk("n1", DiskTrouble())
            assert float(await stalled) > 0.5
            assert (await cluster.disk_counters("n1")).slowed >= 3

    asyncio.run(scene())


@modes
@means
def test_a_process_that_waits_for_a_stalled_disk_can_be_paused_killed_and_started_again(
    mode: UsedMode, by: DisksBy, tmp_path: Path
) -> None:
    async def scene() -> None:
        async with disks_of(1, tmp_path, mode, by) as cluster:
            stuck = "import os, threading\nf = os.open('f', os.O_RDWR | os.O_CREAT); os.write(f, b'x')\n"
            stuck += "print('up', flush=True)\n"
            for threads, ended in ((False, "kill"), (True, "kill"), (False, "power-off"), (True, "terminate")):
                await cluster.set_disk("n1", DiskTrouble(stalled=True))
                program = stuck + ("threading.Thread(target=os.fsync, args=(f,)).start()" if threads else "os.fsync(f)")
                (tmp_path / "n1.log").unlink(missing_ok=True)
                await cluster.spawn("n1", launch(tmp_path, "n1", "-c", program))
                await eventually(lambda: says(tmp_path / "n1.log", "up"), 10)
                await asyncio.sleep(0.1)
                assert (await cluster.pause("n1")).run is Run.STOPPED
                assert (await cluster.resume("n1")).run is Run.RUNNING
                async with asyncio.timeout(8):
                    match ended:
                        case "kill":
                            state = await cluster.kill("n1")
                        case "terminate":
                            state = await cluster.terminate("n1", 0.2)
                        case _:
                            state = await cluster.power_off("n1", Arrival.DROP)
                assert (state.run, state.exit_code) in ((Run.GONE, -9), (Run.GONE, -15))
                await cluster.set_disk("n1", DiskTrouble())
                assert await run(cluster, tmp_path, NAMED + "os.fsync(f); print('synced')") == "synced"

    asyncio.run(scene())


@means
def test_damage_is_done_to_a_disk_that_nobody_uses(by: DisksBy, tmp_path: Path) -> None:
    async def scene() -> None:
        async with disks_of(1, tmp_path, by=by) as cluster:
            await run(cluster, tmp_path, "open('f', 'wb').write(bytes(5000)); open('g', 'wb').write(b'newest')")
            (cut,) = await cluster.damage_disk("n1", Damage(Harm.TRUNCATE, 2))
            assert (cut.file, cut.offset, contents(tmp_path)["g"]) == ("g", 4, b"newe")
            done = await cluster.damage_disk("n1", Damage(Harm.ROT, 1_000))
            assert len(done) == 301 and "700 more" in done[-1].how
            assert contents(tmp_path) != {"f": bytes(5000), "g": b"newe"}
            said = await run(cluster, tmp_path, "print(open('f', 'rb').read() + open('g', 'rb').read())")
            assert said == str(contents(tmp_path)["f"] + contents(tmp_path)["g"])

    asyncio.run(scene())


# -- endings ----------------------------------------------------------------------------------------------------------


def mounts() -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if " antipaxos " in line]


@modes
def test_nobody_else_sees_the_file_system_and_nothing_is_left_of_it(mode: UsedMode, tmp_path: Path) -> None:
    if os.geteuid() != 0 and mode == "loopback":
        pytest.skip("without namespaces fusermount3 mounts for everybody to see")

    async def scene() -> None:
        async with disks_of(2, tmp_path, mode) as cluster:
            assert await run(cluster, tmp_path, "print(' antipaxos ' in open('/proc/self/mountinfo').read())") == "True"
            assert mounts() == []
        assert mounts() == []

    asyncio.run(scene())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cluster", "n1", "n1.log", "n2"]


def test_where_fuse_is_closed_a_preload_library_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUSE_LIBRARY_PATH", "/nowhere/libfuse.so")

    async def scene(directory: Path, works: bool) -> str:
        folders = {"n1": directory / "n1"}
        cluster = LocalCluster(1, "loopback", directory / "cluster", SeedTree(7), disks=folders)
        await cluster.setup()
        try:
            disk = {ability.name: ability for ability in cluster.abilities}["disk"]
            assert disk.works is works
            if works:
                await run(cluster, directory, f"{NAMED}os.write(f, b'lost')")
                await cluster.power_off("n1", Arrival.DROP)
                assert contents(directory) == {"f": b""}
        finally:
            await cluster.teardown()
        assert {path.name for path in (directory / "cluster").iterdir()} == {"warden.log"}
        return disk.missing or disk.mechanism

    assert asyncio.run(scene(tmp_path / "with", True)) == "preload library with an undo journal"
    for name in ("XDG_CACHE_HOME", "TMPDIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    monkeypatch.setenv("PATH", "/nowhere")
    missing = asyncio.run(scene(tmp_path / "without", False))
    assert "mfusepy cannot use /nowhere/libfuse.so" in missing
    assert f"the disk library is not built, and there is no C compiler: {REMEDY}" in missing


def test_a_disk_that_died_is_no_verdict_on_the_node(tmp_path: Path) -> None:
    async def scene() -> None:
        async with disks_of(2, tmp_path) as cluster:
            assert cluster._opened is not None
            os.kill(cluster._opened.disks["n2"].pid, 9)
            with pytest.raises(Exception, match="the disk of n2 is gone"):
                await cluster.disturbances()

    asyncio.run(scene())
