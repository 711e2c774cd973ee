"""A node's process, from the side of its parent: the warden.

Each node leads a session and process group of its own, so that a fault hits its children too. A pidfd tells when it
has ended; the pid is not reaped, and so not reused, before the rest of its group has been killed. Being a child
subreaper, the warden becomes the parent of that rest, and a node counts as gone only when its whole group is: what
drops a node's unsynced data after a kill can rely on nobody writing any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from harness.cluster.local import epochs, kernel, pids
from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import RunName, Seen, Spawn
from harness.cluster.local.pids import Identity

GONE_LIMIT_S = 10.0  # a process may be in uninterruptible sleep on a slow disk
STATE_LIMIT_S = 5.0
LOOK_INTERVAL_S = 0.0005
OVERDUE_INTERVAL_S = 0.1

MINIMAL_ENVIRONMENT: Mapping[str, str] = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
}


class NodeProcess:
    """One started process and its group."""

    def __init__(
        self, popen: subprocess.Popen[bytes], on_gone: Callable[[], None], on_kill: Callable[[], None]
    ) -> None:
        self._popen: Final = popen
        self._on_kill = on_kill
        self._pidfd = os.pidfd_open(popen.pid)
        self._gone = asyncio.Event()
        self._on_gone = on_gone
        self._sweeping: asyncio.Task[None] | None = None
        # Not reaped yet: even if it has ended within this millisecond, a zombie still shows when it started.
        self.identity: Final = Identity(popen.pid, pids.start_ticks(popen.pid))
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_exit)

    @property
    def is_gone(self) -> bool:
        """Whether the whole group has ended and been reaped."""
        return self._gone.is_set()

    def see(self) -> Seen:
        """Look at the process now."""
        pid = self._popen.pid
        if self.is_gone:
            return Seen(pid, "gone", self._popen.returncode)
        run: RunName = "stopped" if pids.is_stopped(pid) else "running"
        return Seen(pid, run, None)

    def signal_group(self, number: signal.Signals) -> None:
        """Signal every process of the group; harmless once the node is gone."""
        if self._popen.returncode is None:  # until it is reaped, the group's number cannot be anyone else's
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)

    async def kill(self) -> None:
        """SIGKILL the group and wait until all of it is gone."""
        if not self.is_gone:
            self.signal_group(signal.SIGKILL)
            self._on_kill()
        await self._wait_gone(GONE_LIMIT_S)

    async def terminate(self, grace_s: float) -> None:
        """SIGTERM the node itself; SIGKILL the group if it is still there after the grace."""
        if self._popen.returncode is None:
            self._popen.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._gone.wait()
        await self.kill()

    async def pause(self) -> None:
        """SIGSTOP the group; return when every thread of the node is stopped, or the node is gone."""
        self.signal_group(signal.SIGSTOP)
        await self._until("stopped")

    async def resume(self) -> None:
        """SIGCONT the group; return when the node is no longer stopped."""
        self.signal_group(signal.SIGCONT)
        await self._until("running")

    async def _until(self, run: RunName) -> None:
        deadline = time.monotonic() + STATE_LIMIT_S
        while self.see().run not in (run, "gone"):
            if time.monotonic() > deadline:
                raise LocalError(f"process {self._popen.pid} was not {run} after {STATE_LIMIT_S:g} s")
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def _wait_gone(self, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await self._gone.wait()
        except TimeoutError as error:
            raise LocalError(f"process group {self._popen.pid} is still there {limit_s:g} s after SIGKILL") from error

    def _on_exit(self) -> None:
        """The node's own process has ended: end the rest of its group while its number is still taken."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._sweeping = asyncio.create_task(self._sweep())

    async def _sweep(self) -> None:
        """Reap what is left of the group, as its members become children of this process."""
        patient_after = time.monotonic() + GONE_LIMIT_S
        while _reap_group(self._popen.pid):
            overdue = time.monotonic() > patient_after
            await asyncio.sleep(OVERDUE_INTERVAL_S if overdue else LOOK_INTERVAL_S)
        self._gone.set()
        self._on_gone()


def start(
    launch: Spawn, network: int | None, on_gone: Callable[[], None], on_kill: Callable[[], None] = lambda: None
) -> NodeProcess:
    """Execute a node's process in its network namespace; LocalError says why it could not be.

    ``on_kill`` is called after each SIGKILL: what keeps a process in the kernel has to let go of it.
    """
    parent = os.getpid()

    def prepare() -> None:
        # Between fork and exec. Namespace first: whatever the node does happens on its own machine.
        if network is not None:
            kernel.enter_network(network)
        if launch.epoch_ns:
            epochs.enter(launch.epoch_ns)
        kernel.die_with_parent(parent)

    try:
        Path(launch.log).parent.mkdir(parents=True, exist_ok=True)
        with Path(launch.log).open("ab") as log:
            popen = subprocess.Popen(
                launch.argv,
                cwd=launch.directory,
                env={**MINIMAL_ENVIRONMENT, **launch.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=prepare,  # noqa: PLW1509 - this process has one thread
            )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise LocalError(f"cannot start {launch.node} ({' '.join(launch.argv)}): {error}") from error
    return NodeProcess(popen, on_gone, on_kill)


def _reap_group(group: int) -> bool:
    """Reap the dead of a group; False when nobody is left in it."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # the number is someone else's by now: the group had ended
    return True
