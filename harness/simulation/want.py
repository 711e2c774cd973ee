"""What a simulated process is short of: processor time, memory, descriptors; and what it came to.

The limits are the process's and go with it; that its machine is overbooked stays. Memory is the crudest model that can
be told in a sentence: a process keeps every byte that it is sent for as long as it is limited. What counts is that it
is refused at some moment between two others, and that the moment is the same for the same seed.
"""

from __future__ import annotations

from nemesis.ground import Ration, Resources


class Want:
    """One node's."""

    __slots__ = ("_kept_bytes", "_ration", "_room_bytes", "descriptors_left", "memory_left", "ran_ns", "waited_ns")

    def __init__(self) -> None:
        self._ration = Ration()
        self._kept_bytes = 0
        self._room_bytes = 0
        self.memory_left: int | None = None
        """How many bytes more it may keep; None for as many as ever."""
        self.descriptors_left: int | None = None
        """How many descriptors more it may open; None for as many as ever."""
        self.ran_ns = 0
        self.waited_ns = 0

    @property
    def times(self) -> int:
        """How many times as long a step takes."""
        return self._ration.times

    def put_on(self, ration: Ration) -> None:
        """Leave it this much from now on; a limit that stays as it was goes on where it was."""
        before, self._ration = self._ration, ration
        if ration.memory_room_bytes != before.memory_room_bytes:
            self.memory_left = ration.memory_room_bytes
            self._room_bytes = self._kept_bytes + (ration.memory_room_bytes or 0)
        if ration.descriptor_room != before.descriptor_room:
            self.descriptors_left = ration.descriptor_room

    def forget_limits(self) -> None:
        """The process has ended; the next one has no limit, and has not run yet."""
        self.memory_left = self.descriptors_left = None
        self._kept_bytes = self.ran_ns = self.waited_ns = 0

    def keep(self, size: int) -> bool:
        """Keep so many bytes more; False if they are refused."""
        assert self.memory_left is not None
        if size > self.memory_left:
            return False
        self.memory_left -= size
        self._kept_bytes += size
        return True

    def resources(self, pid: int, connections: int) -> Resources:
        """Return what a kernel would show of the process, with so many connections."""
        return Resources(
            pid=pid,
            ran_ns=self.ran_ns,
            waited_ns=self.waited_ns,
            starved=f"has one part in {self.times} of a processor" if self.times > 1 else "",
            memory_bytes=self._kept_bytes,
            memory_max_bytes=self._room_bytes if self.memory_left is not None else None,
            descriptors=connections,
            descriptors_free=self.descriptors_left,
        )
