"""The clients: each a thread of operations, each thread a sequence of processes.

A process whose operation ended as info is retired, because nobody knows whether that operation is still under way; the
thread goes on as a new process with a new session (Jepsen's rule, and what keeps a history well-formed).

Operations have a planned time. A thread that is late, because an operation took long, goes on with the next one that
is not hopelessly late: after an outage the load comes back as planned, not as a flood of everything missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from checkers.history import EventType
from harness.clock import RunClock
from harness.plan import PlannedOperation
from harness.recorder import Recorder
from harness.systems.base import System
from workloads.base import Memory, Operation, Workload

LATE_NS = 1_000_000_000
"""An operation due longer ago than this is left out, and counted."""
FINAL_ATTEMPTS = 20
HOPELESS_ATTEMPTS = 3


class ClientThread:
    """One client thread of a run."""

    def __init__(
        self,
        number: int,
        threads: int,
        system: System,
        workload: Workload,
        memory: Memory,
        recorder: Recorder,
        clock: RunClock,
        timeout_s: float,
    ) -> None:
        self._number = number
        self._threads = threads
        self._system = system
        self._workload = workload
        self._recorder = recorder
        self._clock = clock
        self._timeout_s = timeout_s
        self._process = number
        self._memory = memory.of_client(number)
        self._client = system.client(number)
        self._changes = 0
        self._ended = False
        self.waiting = False
        """Whether the next operation's time has not come: nothing is under way."""
        self.left_out = 0

    async def run(self, planned: Sequence[PlannedOperation], until: int) -> None:
        """Carry out the planned operations; nothing is begun after ``until`` ns."""
        for one in planned:
            self.waiting = True
            await self._clock.until(one.at)
            self.waiting = False
            now = self._clock.now()
            if now >= until or self._ended:
                return
            if now - one.at > LATE_NS:
                self.left_out += 1
                continue
            await self._apply(one.operation)

    def end(self) -> None:
        """Begin no more of the planned operations."""
        self._ended = True

    async def read_finally(self, operations: Sequence[Operation], *, recovered: bool = True) -> bool:
        """Read until each read has returned ok, or was tried often enough; True if all returned ok.

        Of a cluster that has not ``recovered`` nothing much is to be expected: who gets no answer soon asks no more.
        """
        done = True
        for operation in operations:
            for _ in range(FINAL_ATTEMPTS if recovered else HOPELESS_ATTEMPTS):
                if await self._apply(operation) is EventType.OK:
                    break
            else:
                done = False
                if not recovered:
                    break
        return done

    async def probe(self, operation: Operation) -> bool:
        """Carry out one operation, and a change that is in no history; True if both returned ok."""
        if await self._apply(operation) is not EventType.OK:
            return False
        self._changes += 1
        completion = await self._client.apply(self._workload.change(self._changes), self._timeout_s)
        if completion.type is EventType.INFO:
            self._retire()
        return completion.type is EventType.OK

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    async def _apply(self, operation: Operation) -> EventType:
        invoked = self._memory.invocation(operation)
        self._recorder.invoke(self._process, invoked)
        request = self._memory.request(invoked)
        completion = await self._client.apply(request, self._timeout_s)
        told = invoked.value
        if completion.type is EventType.OK:
            told = self._memory.told(invoked, request, completion.value)
            if invoked.f == "read":
                told = self._workload.shown(told)
        completion = replace(completion, value=told)
        self._recorder.complete(self._process, invoked, completion)
        if completion.type is EventType.OK:
            self._memory.saw(invoked, completion.value)
        elif completion.type is EventType.INFO:
            self._retire()
        return completion.type

    def _retire(self) -> None:
        self._process += self._threads
        self._client.close()
        self._client = self._system.client(self._number)
