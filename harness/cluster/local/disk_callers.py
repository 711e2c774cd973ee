"""The nodes' disks as the warden talks to them while it serves.

A node must not be started while something is done to its disk that needs it to be idle, and its power does not come
back before the disk has forgotten: both are one lock a node (``idle``), which a start takes too (``attach``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from harness.cluster.local import disk_messages
from harness.cluster.local.caller import Caller
from harness.cluster.local.disk_messages import Abandon, Attach
from harness.cluster.local.disks import DiskProcess
from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import Disk, Reply

DISK_LIMIT_S = 15.0
PRELOAD = "LD_PRELOAD"


class Disks:
    """All disks of a cluster."""

    def __init__(self, disks: Sequence[DiskProcess]) -> None:
        self._processes = {disk.node: disk for disk in disks}
        self._callers = {disk.node: Caller(disk.control, f"the disk of {disk.node}") for disk in disks}
        self._idle = {disk.node: asyncio.Lock() for disk in disks}
        self._letting_go: set[asyncio.Task[None]] = set()

    def idle(self, node: str) -> asyncio.Lock:
        """Return what is held while a node must not be started."""
        return self._idle[node]

    def environment(self, node: str, environment: Mapping[str, str]) -> dict[str, str]:
        """Return a node's environment with what its disk adds to it."""
        added = self._processes[node].environment
        preloaded = [words[PRELOAD] for words in (environment, added) if PRELOAD in words]
        return {**environment, **added, **({PRELOAD: ":".join(preloaded)} if preloaded else {})}

    async def ask(self, request: Disk) -> Reply:
        """Ask a node's disk. Raises LocalError."""
        return await self._callers[request.node].ask(request, DISK_LIMIT_S)

    async def attach(self, node: str) -> None:
        """The node is about to be started: wait until its disk may be used. Raises LocalError."""
        async with self._idle[node]:
            await self.ask(Disk(node, disk_messages.seal(Attach())))

    def let_go(self, node: str) -> None:
        """Abandon a node that was sent a SIGKILL, without waiting for it."""
        task = asyncio.create_task(self.abandon(node))
        self._letting_go.add(task)
        task.add_done_callback(self._letting_go.discard)

    async def abandon(self, node: str) -> None:
        """The node will not see how its calls end: let go of what waits for a sync, and let none succeed any more."""
        try:
            await self.ask(Disk(node, disk_messages.seal(Abandon())))
        except LocalError:
            return  # it is gone, and the kernel has let go of the node; whoever asks it next is told

    def end(self) -> None:
        """End all of them, when the nodes are gone. Doing it twice is harmless."""
        for caller in self._callers.values():
            caller.close()
        for process in self._processes.values():
            process.end()
        self._processes = {}
