"""Run after run, many of them killed at a seeded moment: nothing may be left of any.

    python -m tests.integration.soak 100 [SEED]

It goes on in namespaces of its own (processes, mounts, network, IPC, with a /tmp and a /dev/shm of its own), so
whatever is there after a run and was not before it is the run's, however busy the machine is otherwise. Looked at are
processes, the namespaces and mounts of all of them, /dev/shm, /tmp, System V memory, sockets with a name, and cgroups.
A controller that was killed is cleaned up after by ``antipaxos clean``, as a user would do; one that was not has to
leave nothing by itself.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

from harness.cluster.local import cgroups
from harness.cluster.local.rtnetlink import Batch

REPOSITORY = Path(__file__).resolve().parents[2]
INSIDE = "--inside"
STORE = Path("/tmp/soak-store")
SETTLED_WITHIN_S = 10.0
ENDS_WITHIN_S = 90.0
TIME_S = 9
FAULTS = (
    "partition,kill,pause",
    "kill,starve,fd-limit",
    "starve,restart,memory-limit",
    "pause,starve,partition",
    "rolling-restart,starve",
    "clock,kill",
    "power,disk",
    "link,reset,partition",
    "power,clock,link",
)
NO_RUN = (2, 5)
"""Exit statuses of what was no run: a wrong command, a failure of the harness."""
MODES = ("auto", "auto", "userns", "loopback")


@dataclass(frozen=True)
class Scene:
    """What there is in the soak's own namespaces at a moment."""

    processes: frozenset[str]
    namespaces: frozenset[str]
    mounts: frozenset[str]
    shared_memory: frozenset[str]
    temporary: frozenset[str]
    sockets: frozenset[str]
    cgroups: frozenset[str]

    def beyond(self, before: Scene) -> list[str]:
        """Return what is here and was not before."""
        return [
            f"{field.name}: {name}"
            for field in fields(self)
            for name in sorted(getattr(self, field.name) - getattr(before, field.name))
        ]


def look() -> Scene:
    """Look at everything."""
    reap()
    found = [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return Scene(
        processes=frozenset(f"{entry.name} {command(entry)}" for entry in found if entry.name != str(os.getpid())),
        namespaces=frozenset(name for entry in found for name in namespaces_of(entry)),
        mounts=frozenset(line.split(" ", 4)[4] for entry in found for line in lines_of(entry / "mountinfo")),
        shared_memory=names_in("/dev/shm") | frozenset(lines_of(Path("/proc/sysvipc/shm"))[1:]),
        temporary=names_in("/tmp") - {STORE.name},
        sockets=frozenset(words[7] for line in lines_of(Path("/proc/net/unix"))[1:] if len(words := line.split()) > 7),
        cgroups=frozenset(map(str, own_cgroups())),
    )


def names_in(folder: str) -> frozenset[str]:
    return frozenset(entry.name for entry in Path(folder).iterdir())


def own_cgroups() -> list[Path]:
    """Return the cgroups whose maker lived in this namespace of processes: not those of others on this machine."""
    found = []
    for root in (cgroups.ROOT, *(entry for entry in cgroups.ROOT.glob("*") if entry.is_dir())):
        for group in root.glob(f"{cgroups.PREFIX}-*-*"):
            pid, _, ticks = group.name.removeprefix(f"{cgroups.PREFIX}-").partition("-")
            if int(pid) <= last_pid() and int(ticks) >= STARTED_TICKS:
                found.append(group)
    return found


STARTED_TICKS = int(float(Path("/proc/uptime").read_text().split()[0]) * os.sysconf("SC_CLK_TCK"))


def last_pid() -> int:
    return int(Path("/proc/loadavg").read_text().split()[4])


def namespaces_of(process: Path) -> list[str]:
    """Return the namespaces that a process is in or holds open."""
    found = []
    with contextlib.suppress(OSError):
        for entry in (*(process / "ns").iterdir(), *(process / "fd").iterdir()):
            with contextlib.suppress(OSError):
                target = str(entry.readlink())
                found += [target] if ":[" in target and target.split(":", maxsplit=1)[0] in NAMESPACES else []
    return found


NAMESPACES = {"net", "user", "mnt", "pid", "ipc", "time", "uts", "cgroup"}


def command(process: Path) -> str:
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
    return ""


def lines_of(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def reap() -> None:
    """Reap orphans: this is the first process here, and theirs to end up with."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def one_run(number: int, seed: int) -> str:
    """Carry one run out, or kill it on the way; return what was done, in a few words."""
    draws = random.Random(seed * 1_000_003 + number)
    faults, mode = draws.choice(FAULTS), draws.choice(MODES)
    explores = draws.randrange(8) == 0
    words: tuple[str, ...] = (
        ("explore", "--seeds", "0..200", "--faults", "swarm", "--time", "6s", "--jobs", "2")
        if explores
        else ("run", "--seed", str(number), "--time", f"{TIME_S}s", "--faults", faults, "--mode", mode, "--nodes", "3")
    )
    words += () if explores else ("--intensity", "high")
    killed_after_s = draws.uniform(0.1, TIME_S + 2.0) if explores or draws.randrange(3) else None
    with subprocess.Popen(
        (sys.executable, "-m", "harness.cli", *words, "--store", str(STORE)),
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            process.wait(ENDS_WITHIN_S if killed_after_s is None else killed_after_s)
        except subprocess.TimeoutExpired:
            if killed_after_s is None:
                raise
        process.kill()
    told = " ".join(words[:1] if explores else (words[0], faults, mode))
    if killed_after_s is None:
        assert process.returncode not in NO_RUN, f"{told}: status {process.returncode}: that was no run"
        return f"{told}: ended with status {process.returncode}"
    clean()
    return f"{told}: killed after {killed_after_s:.2f} s"


def clean() -> None:
    subprocess.run(
        (sys.executable, "-m", "harness.cli", "clean", "--store", str(STORE)),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )


def soak(runs: int, seed: int) -> int:
    """Do it all; return how many runs left something."""
    make_a_place()
    clean()
    before, failed = look(), 0
    for number in range(runs):
        told = one_run(number, seed)
        left = look().beyond(before)
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while left and time.monotonic() < deadline:
            time.sleep(0.05)
            left = look().beyond(before)
        failed += bool(left)
        say(f"{number + 1}/{runs}  {told}", *(f"    LEFT {what}" for what in left))
        shutil.rmtree(STORE)
        STORE.mkdir()
    say(f"{failed} of {runs} runs left something" if failed else f"{runs} runs left nothing")
    return failed


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def make_a_place() -> None:
    """Have a /tmp and a /dev/shm of one's own, with the repository still where it was."""
    tmp, aside = Path("/tmp"), Path("/mnt")
    if REPOSITORY.is_relative_to(tmp):
        mount("--bind", str(REPOSITORY), str(aside))
    mount("-t", "tmpfs", "-o", "size=1g", "tmpfs", str(tmp))
    mount("-t", "tmpfs", "-o", "size=1g", "tmpfs", "/dev/shm")
    if REPOSITORY.is_relative_to(tmp):
        REPOSITORY.mkdir(parents=True)
        mount("--move", str(aside), str(REPOSITORY))
    STORE.mkdir()
    with Batch() as batch:
        batch.up("lo")


def mount(*words: str) -> None:
    subprocess.run(("mount", *words), check=True)


def command_for(runs: int, seed: int) -> tuple[str, ...]:
    """Return what soaks in namespaces of its own."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return (
        *("unshare", *user, "--mount", "--pid", "--net", "--ipc", "--fork", "--mount-proc", "--kill-child"),
        *(sys.executable, "-m", "tests.integration.soak", INSIDE, str(runs), str(seed)),
    )


def main(words: list[str]) -> int:
    """Soak, in namespaces of its own."""
    if words[:1] == [INSIDE]:
        return 1 if soak(int(words[1]), int(words[2])) else 0
    runs, seed = int(words[0]) if words else 100, int(words[1]) if len(words) > 1 else 1
    return subprocess.run(command_for(runs, seed), cwd=REPOSITORY, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
