"""The attempts: each does the thing itself, as small as it gets, and says how it went.

They run in a child process (``trial``), so namespaces that are entered and limits that are set go with it. What a
kernel would keep (a cgroup) is removed in the attempt, and named so that the doctor can remove it after one that hung.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib.util
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from harness.cluster.local import cgroups, epochs, kernel, network, pids, probe
from harness.cluster.local.errors import LocalError
from harness.cluster.local.pids import Identity
from harness.doctor.trial import Attempt, TrialError
from nemesis.preload import library

MNT_DETACH = 2
PROGRAM_LIMIT_S = 12.0
EPOCH_SHIFT_S = 1_000
FROZEN_WITHIN_S = 2.0
FREEZER_V1 = Path("/sys/fs/cgroup/freezer")
_FUSE_LIBRARIES = ("libfuse3.so.4", "libfuse3.so.3", "libfuse.so.2")
_libc = ctypes.CDLL(None, use_errno=True)
_SHIM = (
    b"#include <time.h>\nint antipaxos_probe(void) { struct timespec t; return clock_gettime(CLOCK_REALTIME, &t); }\n"
)


def user_namespace(folder: Path) -> str:
    """Become root of a namespace in which nobody else is."""
    del folder
    with _remedy(probe.advice("userns")):
        kernel.new_user_namespace()
    return "unshare(CLONE_NEWUSER)"


def network_namespace(folder: Path) -> str:
    """Move to a network of one's own."""
    del folder
    with _remedy(probe.advice("userns")):
        how = _privileged()
        kernel.new_network_namespace()
    return f"unshare(CLONE_NEWNET){how}"


def veth(folder: Path) -> str:
    """Wire two networks."""
    del folder
    with _remedy("modprobe veth"):
        network.build(("n1",), user_namespace=os.geteuid() != 0)
    return "a pair between two network namespaces"


def af_packet(folder: Path) -> str:
    """Open the raw end of such a wire, as the switch does."""
    del folder
    with _remedy("modprobe af_packet"):
        built = network.build(("n1",), user_namespace=os.geteuid() != 0)
        network.open_port(built.machine("n1")).close()
    return "raw sockets with offloads on a veth pair"


def nftables(folder: Path) -> str:
    """Add a table in a network of one's own."""
    del folder
    program = _program("nft", "apt-get install nftables")
    with _remedy("modprobe nf_tables"):
        _privileged()
        kernel.new_network_namespace()
    _run([program, "add", "table", "inet", "antipaxos"], "modprobe nf_tables")
    return "nft add table, in a network namespace"


def netem(folder: Path) -> str:
    """Delay a device in a network of one's own."""
    del folder
    program = _program("tc", "apt-get install iproute2")
    with _remedy("modprobe sch_netem"):
        _privileged()
        kernel.new_network_namespace()
    command = [program, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    _run(command, "modprobe sch_netem (the switch does the same without it)")
    return "tc qdisc add … netem, in a network namespace"


def fuse(folder: Path) -> str:
    """Mount a file system of one's own, in a mount namespace where nobody sees it."""
    with _remedy("run as root, or let user namespaces be made"):
        _privileged()  # first: a device that was opened outside of a user namespace cannot be mounted within
        device = _open_fuse()
        kernel.new_mount_namespace()
        _mount_fuse(device, os.fsencode(folder))
        _libc.umount2(os.fsencode(folder), MNT_DETACH)
    return f"a mount by /dev/fuse; {_fuse_library()}"


def compiler(folder: Path) -> str:
    """Build a library and load it."""
    program = library.compiler()
    if program is None:
        raise TrialError("there is no C compiler", library.INSTALL)
    source, built = folder / "probe.c", folder / "probe.so"
    source.write_bytes(_SHIM)
    _run([program, *library.CLOCK.flags, "-o", str(built), str(source), *library.CLOCK.libraries], library.INSTALL)
    if ctypes.CDLL(str(built)).antipaxos_probe() != 0:
        raise TrialError("what it built does not run", library.INSTALL.replace("install", "install --reinstall"))
    return f"{program} built a library that runs"


def time_namespace(folder: Path) -> str:
    """Move to where the monotonic clock began at another time, as a node does."""
    del folder
    with _remedy("a kernel of 5.6 or later, with CONFIG_TIME_NS"):
        how = _privileged()
        before = time.monotonic()
        epochs.enter(EPOCH_SHIFT_S * epochs.NS_PER_S)
        shift = time.monotonic() - before
    if abs(shift - EPOCH_SHIFT_S) > PROGRAM_LIMIT_S:
        raise TrialError(f"the clock there is {shift:.1f} s off, not {EPOCH_SHIFT_S}", "")
    return f"a monotonic clock that is {EPOCH_SHIFT_S} s ahead{how}"


def cpu_cgroup(folder: Path) -> str:
    """Confine a child to a part of a processor."""
    del folder
    where = cgroups.hierarchy()
    if where is None:
        raise TrialError("no cpu cgroup may be made here; competitors on one processor serve instead", "run as root")
    me = _doctor()
    with _sleeper() as child, _remedy("run as root"):
        home = cgroups.home_of(child, where)
        try:
            group = cgroups.confine(where, me, "doctor", [child], 10)
            if group.name not in cgroups.home_of(child, where):
                raise TrialError(f"{group} was made and took no process", "run as root")
        finally:
            cgroups.release(where, me, "doctor", home)
            cgroups.remove(me)
    return f"quota of a {where}"


def freezer_cgroup(folder: Path) -> str:
    """Freeze a child, and see it frozen."""
    del folder
    me = _doctor()
    version_1 = FREEZER_V1.is_dir()
    root = FREEZER_V1 if version_1 else cgroups.ROOT
    group = root / f"{cgroups.PREFIX}-{me.pid}-{me.started_ticks}"
    with _sleeper() as child, _remedy("run as root (pausing by SIGSTOP needs none of this)"):
        try:
            group.mkdir()
            (group / "cgroup.procs").write_text(str(child))
            (group / ("freezer.state" if version_1 else "cgroup.freeze")).write_text("FROZEN" if version_1 else "1")
            _await_frozen(group, version_1)
            (group / ("freezer.state" if version_1 else "cgroup.freeze")).write_text("THAWED" if version_1 else "0")
        finally:
            if group.is_dir():
                with contextlib.suppress(OSError):
                    (root / "cgroup.procs").write_text(str(child))
                group.rmdir()
    return f"froze and thawed a process (version {1 if version_1 else 2})"


def prlimit(folder: Path) -> str:
    """Limit a child that runs, and take it back."""
    del folder
    with _sleeper() as child, _remedy("a seccomp profile that lets prlimit64(2) through"):
        before = resource.prlimit(child, resource.RLIMIT_NOFILE)
        resource.prlimit(child, resource.RLIMIT_NOFILE, (7, before[1]))
        shown = Path(f"/proc/{child}/limits").read_text()
        resource.prlimit(child, resource.RLIMIT_NOFILE, before)
    line = next(line for line in shown.splitlines() if line.startswith("Max open files"))
    if line.split()[3] != "7":
        raise TrialError(f"the kernel shows {line!r}", "")
    return "the soft limits of a running process"


def docker(folder: Path) -> str:
    """Ask the daemon."""
    del folder
    program = _program("docker", "apt-get install docker.io")
    remedy = "systemctl start docker, and be in the group docker"
    version = _run([program, "version", "--format", "{{.Server.Version}}"], remedy)
    return f"a daemon of version {version}"


def ssh_client(folder: Path) -> str:
    """Make a key."""
    _run([_program("ssh", "apt-get install openssh-client"), "-V"], "apt-get install openssh-client")
    _make_key(folder)
    return "ssh, and ssh-keygen made a key"


def ssh_server(folder: Path) -> str:
    """Let a server check a host key and its configuration."""
    remedy = "apt-get install openssh-server"
    program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
    if program is None:
        raise TrialError("there is no sshd", remedy)
    key = _make_key(folder)
    _run([program, "-t", "-f", "/dev/null", "-h", str(key)], "mkdir -p /run/sshd")
    return f"{program} takes a key"


def chromium(folder: Path) -> str:
    """Render a page."""
    remedy = "apt-get install chromium"
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise TrialError("there is no Chromium", remedy)
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
    shown = _run([*command, "--dump-dom", "data:text/html,<p>works</p>"], remedy)
    if "works" not in shown:
        raise TrialError("it rendered nothing", remedy)
    return f"{program} renders pages"


def etcd(folder: Path) -> str:
    """Ask for the version."""
    del folder
    remedy = "apt-get install etcd-server"
    return _run([_program("etcd", remedy), "--version"], remedy).partition("\n")[0]


def uvloop(folder: Path) -> str:
    """Run a loop of it."""
    del folder
    if importlib.util.find_spec("uvloop") is None:
        raise TrialError("uvloop is not installed", "pip install uvloop")
    import uvloop  # noqa: PLC0415 - in the child only

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))
    return f"uvloop {metadata.version('uvloop')}"


ATTEMPTS: dict[str, tuple[Attempt, str]] = {
    "user namespace": (user_namespace, "faults without root"),
    "network namespace": (network_namespace, "a machine for each node"),
    "veth": (veth, "links"),
    "AF_PACKET": (af_packet, "the switch: partitions and weather"),
    "nftables": (nftables, "places over SSH"),
    "netem": (netem, "places over SSH"),
    "FUSE": (fuse, "disks, power-off"),
    "compiler": (compiler, "the clocks' library"),
    "time namespace": (time_namespace, "monotonic epochs"),
    "cpu cgroup": (cpu_cgroup, "starve"),
    "freezer cgroup": (freezer_cgroup, "pause (SIGSTOP serves)"),
    "prlimit": (prlimit, "memory-limit, fd-limit"),
    "Docker": (docker, "places in containers"),
    "SSH client": (ssh_client, "places over SSH"),
    "SSH server": (ssh_server, "tests of places over SSH"),
    "Chromium": (chromium, "tests of the report"),
    "etcd": (etcd, "antipaxos bench"),
    "uvloop": (uvloop, "the controller"),
}
"""Each attempt, and what it is for."""


@contextmanager
def _remedy(remedy: str) -> Iterator[None]:
    """Turn what goes wrong into what to do about it."""
    try:
        yield
    except (LocalError, OSError) as error:
        raise TrialError(str(error), remedy) from error


def _doctor() -> Identity:
    """Return who runs the attempts: cgroups are named after it, and it removes what an attempt that hung has left."""
    me = pids.identify(os.getppid())
    if me is None:
        raise TrialError("the doctor is gone", "")
    return me


def _privileged() -> str:
    """Become able to make namespaces: root is, anybody else in a user namespace of its own."""
    if os.geteuid() == 0:
        return ""
    kernel.new_user_namespace()
    return ", in a user namespace"


def _program(name: str, remedy: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        raise TrialError(f"there is no program {name}", remedy)
    return found


def _run(command: list[str], remedy: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PROGRAM_LIMIT_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TrialError(str(error), remedy) from error
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise TrialError(f"{Path(command[0]).name}: {told[-1] if told else f'status {done.returncode}'}", remedy)
    return done.stdout.strip()


def _mount_fuse(device: int, target: bytes) -> None:
    options = f"fd={device},rootmode=40000,user_id={os.geteuid()},group_id={os.getegid()}".encode()
    if _libc.mount(b"antipaxos", target, b"fuse.antipaxos", ctypes.c_ulong(0), options) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot mount fuse.antipaxos: {os.strerror(number)}")


def _open_fuse() -> int:
    try:
        return os.open("/dev/fuse", os.O_RDWR)
    except FileNotFoundError as error:
        raise TrialError("there is no /dev/fuse", "modprobe fuse") from error
    except PermissionError as error:
        raise TrialError("/dev/fuse is closed to this user", "chmod 0666 /dev/fuse (as root)") from error


def _fuse_library() -> str:
    loaded = [name for name in _FUSE_LIBRARIES if _loads(name)]
    if not loaded:
        raise TrialError("there is no libfuse", "apt-get install libfuse3-3")
    if importlib.util.find_spec("mfusepy") is None:
        raise TrialError(f"{loaded[0]} is there, the Python package mfusepy is not", "pip install mfusepy")
    return f"mfusepy over {loaded[0]}"


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _make_key(folder: Path) -> Path:
    key = folder / "key"
    remedy = "apt-get install openssh-client"
    _run([_program("ssh-keygen", remedy), "-q", "-t", "ed25519", "-N", "", "-f", str(key)], remedy)
    return key


@contextmanager
def _sleeper() -> Iterator[int]:
    """Be the parent of a process that does nothing."""
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        try:
            yield child.pid
        finally:
            child.send_signal(signal.SIGKILL)


def _await_frozen(group: Path, version_1: bool) -> None:
    deadline = time.monotonic() + FROZEN_WITHIN_S
    while time.monotonic() < deadline:
        if version_1 and (group / "freezer.state").read_text().strip() == "FROZEN":
            return
        if not version_1 and "frozen 1" in (group / "cgroup.events").read_text():
            return
        time.sleep(0.005)
    raise TrialError(f"it was not frozen after {FROZEN_WITHIN_S:g} s", "")
