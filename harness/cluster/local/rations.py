"""Nodes on rations, from the warden's side: processor time, memory, descriptors.

Limits are set by prlimit(2) on the running process, the soft one only: so they can be taken back without privilege.
Processor time is a cgroup's quota where the warden may make a cgroup. Elsewhere the node is bound to one processor
together with competitors that do nothing but spin: an ordinary user may bind its processes and set them free again,
while a priority that was lowered (nice) could not be raised again without privilege. Each competitor leads a session,
as each node does, so that the share is the same whether the scheduler groups by session or not.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.cluster.local import cgroups, kernel, pids
from harness.cluster.local.cgroups import Hierarchy
from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import Accounted, SetRation
from harness.cluster.local.pids import Identity

COMPETITORS_MAX = 200
SPIN = ("/bin/sh", "-c", "while :; do :; done")
UNLIMITED_ENOUGH_BYTES = 1 << 46
"""Above this an address space is as good as unlimited."""


@dataclass(slots=True)
class Starving:
    """How one node starves: by a cgroup ``where`` there are some, else by competitors; how much, 0 if not yet.

    ``home`` is the cgroup its process came from, ``processors`` those it was free to run on.
    """

    where: Hierarchy | None
    home: str
    processors: frozenset[int]
    times: int = 0


class Rationing:
    """The rations of one cluster's nodes."""

    def __init__(self, owner: Identity, changed: Callable[[], None], where: Hierarchy | None) -> None:
        """``changed`` is called when competitors come or go; ``where`` may cgroups be made, if anywhere."""
        self._owner = owner
        self._changed = changed
        self._where = where
        self._starving: dict[str, Starving] = {}
        self._competitors: list[subprocess.Popen[bytes]] = []
        self._memory_room: dict[str, int | None] = {}
        self._descriptor_room: dict[str, int | None] = {}
        self._normal: dict[int, tuple[int, int]] = {}
        self._threads: dict[int, dict[int, tuple[int, int]]] = {}

    @property
    def competitors(self) -> dict[str, Identity]:
        """Return who spins, by name, for the ledger."""
        alive = [(popen, pids.identify(popen.pid)) for popen in self._competitors]
        return {f"competitor-{popen.pid}": identity for popen, identity in alive if identity is not None}

    def set(self, ration: SetRation, pid: int) -> None:
        """Put a node (its process, 0 if there is none) on a ration. Raises LocalError; it can be tried again then."""
        try:
            try:
                self._set(ration, pid)
            except (
                ProcessLookupError
            ):  # it has just ended: the machine is on this ration, and so will be its next process
                self._set(ration, 0)
        except OSError as error:
            raise LocalError(f"cannot put {ration.node} (process {pid}) on rations: {error}") from error

    def started(self, node: str, pid: int) -> None:
        """A node's process was started: it starves if its machine does, and has no limit."""
        before = self._starving.get(node)
        if before is not None:
            try:
                starving = self._untouched(pid)
                if before.times:
                    self._take(node, pid, starving, before.times)
            except ProcessLookupError:  # it has ended already
                return
            self._starving[node] = starving

    def account(self, node: str, pid: int) -> Accounted:
        """Look at what a node's process has."""
        if not pid:
            return Accounted()
        ran, waited = self._processor_time(pid)
        descriptors = _descriptors(pid)
        with contextlib.suppress(ProcessLookupError):
            memory_max = resource.prlimit(pid, resource.RLIMIT_AS)[0]
            descriptors_max = resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]
            limited = pid in self._normal and self._descriptor_room.get(node) is not None
            return Accounted(
                pid=pid,
                ran_ns=ran,
                waited_ns=waited,
                starved=self._how_starved(pid),
                memory_bytes=_address_space(pid),
                memory_max_bytes=memory_max if 0 <= memory_max < UNLIMITED_ENOUGH_BYTES else None,
                descriptors=len(descriptors),
                descriptors_free=max(0, descriptors_max - sum(fd < descriptors_max for fd in descriptors))
                if limited or descriptors_max <= max(descriptors, default=0) + 1
                else None,
            )
        return Accounted()

    def end(self) -> tuple[str, ...]:
        """End competitors and remove cgroups, as nodes are gone by now; return what could not be ended."""
        self._hire(0, None)
        self._starving.clear()
        return cgroups.remove(self._owner)

    def _set(self, ration: SetRation, pid: int) -> None:
        self._starve(ration.node, pid, ration.times)
        if self._memory_room.get(ration.node) != ration.memory_room_bytes:
            self._limit_memory(pid, ration.memory_room_bytes)
            self._memory_room[ration.node] = ration.memory_room_bytes
        if self._descriptor_room.get(ration.node) != ration.descriptor_room:
            self._limit_descriptors(pid, ration.descriptor_room)
            self._descriptor_room[ration.node] = ration.descriptor_room

    # --- processor time ---

    def _starve(self, node: str, pid: int, times: int) -> None:
        before = self._starving.get(node)
        if times == (before.times if before else 1):
            return
        if times == 1:
            assert before is not None
            self._feed(node, pid, before)
            return
        starving = before or self._untouched(pid)
        self._starving[node] = starving  # from here on there may be something to take back
        self._take(node, pid, starving, times)

    def _take(self, node: str, pid: int, starving: Starving, times: int) -> None:
        """Leave a node's process one part in ``times``."""
        if pid and starving.where is not None:
            try:
                cgroups.confine(starving.where, self._owner, node, [pid], times)
            except OSError as error:
                if starving.times or isinstance(error, ProcessLookupError):
                    raise  # it is in its cgroup, and stays there; or it has ended
                starving.where = None  # permission or not, it cannot be done here
        if pid and starving.where is None:
            self._compete(node, times)
            _bind(pid, frozenset({self._processor()}))
        starving.times = times

    def _feed(self, node: str, pid: int, starving: Starving) -> None:
        if starving.where is not None:
            cgroups.release(starving.where, self._owner, node, starving.home)
        else:
            if pid:
                _bind(pid, starving.processors)
            self._compete(node, 1)
        del self._starving[node]
        if not self._starving:
            cgroups.remove(self._owner)

    def _untouched(self, pid: int) -> Starving:
        home = cgroups.home_of(pid, self._where) if pid and self._where else "/"
        return Starving(self._where, home, frozenset(os.sched_getaffinity(pid)))

    def _processor(self) -> int:
        return max(os.sched_getaffinity(0))

    def _compete(self, node: str, times: int) -> None:
        """Let there be as many competitors as the hungriest node needs, if this one has one part in ``times``."""
        others = (other.times for name, other in self._starving.items() if name != node and other.where is None)
        self._hire(min(max((times, *others)) - 1, COMPETITORS_MAX), self._processor())

    def _hire(self, wanted: int, processor: int | None) -> None:
        if len(self._competitors) == wanted:
            return
        while len(self._competitors) > wanted:
            popen = self._competitors.pop()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()
        while processor is not None and len(self._competitors) < wanted:
            self._competitors.append(_spin(processor))
        self._changed()

    def _how_starved(self, pid: int) -> str:
        """Say what the kernel shows of it: the cgroup that the process is in, or the processor that it is bound to."""
        if self._where is not None:
            path = cgroups.home_of(pid, self._where)
            if f"/{cgroups.PREFIX}-{self._owner.pid}-" in path:
                return f"is in the {self._where} {path}, {_quota(self._where, path)}"
        with contextlib.suppress(ProcessLookupError):
            bound = os.sched_getaffinity(pid)
            if self._competitors and bound == {self._processor()}:
                return f"is bound to processor {self._processor()} with {len(self._competitors)} competitors"
        return ""

    def _processor_time(self, pid: int) -> tuple[int, int]:
        """Return for how long all threads together have run, and were ready and did not (ns).

        A thread that has ended is gone from /proc: it counts with what was seen of it last.
        """
        threads = self._threads.setdefault(pid, {})
        for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError, ValueError):
                ran, waited, _ = stat.read_text().split()
                threads[int(stat.parent.name)] = int(ran), int(waited)
        return sum(ran for ran, _ in threads.values()), sum(waited for _, waited in threads.values())

    # --- limits ---

    def _limit_memory(self, pid: int, room_bytes: int | None) -> None:
        most = None if room_bytes is None else _address_space(pid) + room_bytes
        self._limit(pid, resource.RLIMIT_AS, most, 0)

    def _limit_descriptors(self, pid: int, room: int | None) -> None:
        most = None if room is None else _end_of_room(set(_descriptors(pid)), room)
        self._limit(pid, resource.RLIMIT_NOFILE, most, 1)

    def _limit(self, pid: int, what: int, most: int | None, which: int) -> None:
        """Set a soft limit, or set it back to what it was before the first of ours (never over the hard one)."""
        if not pid:
            return
        with contextlib.suppress(ProcessLookupError):
            if pid not in self._normal:
                soft = (resource.prlimit(pid, limit)[0] for limit in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE))
                self._normal[pid] = (next(soft), next(soft))
            hard = resource.prlimit(pid, what)[1]
            soft_limit = self._normal[pid][which] if most is None else most
            if hard != resource.RLIM_INFINITY and not 0 <= soft_limit <= hard:
                soft_limit = hard
            resource.prlimit(pid, what, (soft_limit, hard))


def _spin(processor: int) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def prepare() -> None:
        kernel.die_with_parent(parent)
        os.sched_setaffinity(0, {processor})

    return subprocess.Popen(
        SPIN,
        cwd="/",
        env={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=prepare,  # noqa: PLW1509 - this process has one thread
    )


def _bind(pid: int, processors: frozenset[int]) -> None:
    """Bind all threads of a process; those that it begins later are bound as the one that begins them."""
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), processors)


def _address_space(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    return 0


def _descriptors(pid: int) -> list[int]:
    try:
        return [int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


def _end_of_room(used: set[int], room: int) -> int:
    """Return the limit under which exactly ``room`` numbers of descriptors are free."""
    number = 0
    while True:
        if number not in used:
            if not room:
                return number
            room -= 1
        number += 1


def _quota(where: Hierarchy, path: str) -> str:
    folder = where.path / path.lstrip("/")
    try:
        if where.version == 2:
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
    except (OSError, ValueError):
        return "which is gone"
    return f"{quota} of {period} µs"
