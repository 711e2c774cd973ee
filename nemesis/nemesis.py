"""The nemesis: carries out a schedule of faults, and keeps the record of each.

Order matters more than anything here. A fault's intent is journalled before a finger is lifted, so that whoever finds
the journal of a killed controller knows what may be broken; it is healed whatever happened in between; and what cannot
be done at all is skipped with its reason, because a run whose faults silently did nothing is worse than none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from nemesis.action import Action
from nemesis.actions import action_for
from nemesis.clock_bound import UNTOLD, ClockBound
from nemesis.faults import Fault, kind
from nemesis.ground import Ground
from nemesis.in_force import InForce
from nemesis.record import FaultRecord, FaultStatus
from nemesis.targets import TargetError

LEADER_PATIENCE_S = 2.0
"""How long a fault waits for somebody to lead before it goes on without."""


class ScheduledFault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault and when it is active, in ns since the run's start; ``order`` is a permutation of the nodes."""

    number: int
    at: int
    until: int
    fault: Fault
    order: tuple[str, ...]


class Journal(Protocol):
    """Where intents and outcomes go before and after each act; every line must be on its way to disk on return."""

    def write(self, phase: str, record: FaultRecord) -> None:
        """Append a line: ``phase`` is intent, injected, healed or skipped."""


class Nemesis:
    """Carries out the faults of one run."""

    def __init__(self, ground: Ground, journal: Journal, now: Callable[[], int], bound: ClockBound = UNTOLD) -> None:
        """``now`` gives ns since the run's start; ``bound`` is how wrong the system lets clocks run."""
        self._bound = bound
        self._ground = ground
        self._journal = journal
        self._now = now
        self._in_force = InForce(ground)
        self.active: dict[int, str] = {}
        self.records: dict[int, FaultRecord] = {}

    async def run(self, schedule: Sequence[ScheduledFault]) -> None:
        """Carry out all faults, each at its time; when cancelled, heal what is active first."""
        async with asyncio.TaskGroup() as group:
            for scheduled in schedule:
                group.create_task(self._carry_out(scheduled))

    def finished(self, schedule: Sequence[ScheduledFault]) -> tuple[FaultRecord, ...]:
        """Return the record of each fault of the schedule, those that never began included."""
        return tuple(
            self.records.get(scheduled.number) or _unresolved(scheduled, "the run ended before its time", self._bound)
            for scheduled in schedule
        )

    async def _carry_out(self, scheduled: ScheduledFault) -> None:
        await self._until(scheduled.at)
        action = action_for(scheduled.fault, self._ground, scheduled.order, self._in_force)
        lacking = self._ground.can(action.needs)
        if lacking:
            self._skip(scheduled, lacking)
            return
        try:
            leader = await self._leader()
            action.resolve(leader)
        except TargetError as error:
            self._skip(scheduled, str(error))
            return
        record = msgspec.structs.replace(_record(scheduled, action, self._bound), healed=False, leader=leader)
        self._journal.write("intent", record)
        self.records[scheduled.number] = record
        self.active[scheduled.number] = action.what
        try:
            record = await self._inject_and_wait(scheduled, action)
        finally:
            await _to_its_end(asyncio.create_task(self._heal(scheduled, action, record)))

    async def _inject_and_wait(self, scheduled: ScheduledFault, action: Action) -> FaultRecord:
        injected_at = self._now()
        await action.inject()
        leader = self.records[scheduled.number].leader
        record = msgspec.structs.replace(
            _record(scheduled, action, self._bound), injected_at=injected_at, healed=False, leader=leader
        )
        self.records[scheduled.number] = record
        self._journal.write("injected", record)
        await self._until(injected_at + scheduled.until - scheduled.at)  # one that waited for a leader still lasts
        return record

    async def _heal(self, scheduled: ScheduledFault, action: Action, record: FaultRecord) -> None:
        known = self.records.get(scheduled.number, record)
        healed = await action.heal()
        healed_at = self._now()
        self.active.pop(scheduled.number, None)
        gone = await action.look_again()
        final = msgspec.structs.replace(
            _record(scheduled, action, self._bound),
            injected_at=known.injected_at,
            healed_at=healed_at,
            healed=healed and gone,
            lingers=not gone,
            leader=known.leader,
        )
        self.records[scheduled.number] = final
        self._journal.write("healed", final)

    def _skip(self, scheduled: ScheduledFault, reason: str) -> None:
        record = _unresolved(scheduled, reason, self._bound)
        self.records[scheduled.number] = record
        self._journal.write("skipped", record)

    async def _leader(self) -> str | None:
        """Return who leads, giving an election a little time to end."""
        deadline = self._now() + int(LEADER_PATIENCE_S * 1e9)
        while (leader := await self._ground.leader()) is None and self._now() < deadline:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.1)
        return leader

    async def _until(self, at: int) -> None:
        await asyncio.sleep(max(0, at - self._now()) / 1e9)


async def _to_its_end(healing: asyncio.Task[None]) -> None:
    """Wait for a heal, and be cancelled only then: cluster and journal are there for as long as somebody waits."""
    cancelled = False
    while not healing.done():
        try:
            await asyncio.wait([healing])
        except asyncio.CancelledError:
            cancelled = True
    healing.result()
    if cancelled:
        raise asyncio.CancelledError


def _record(scheduled: ScheduledFault, action: Action, bound: ClockBound) -> FaultRecord:
    return FaultRecord(
        number=scheduled.number,
        kind=kind(scheduled.fault),
        what=action.what,
        planned_at=scheduled.at,
        planned_until=scheduled.until,
        targets=action.targets,
        hit_leader=action.hit_leader,
        status=action.observed.status,
        evidence=tuple(action.observed.evidence),
        beyond_model=scheduled.fault.beyond_model(bound),
        requested=scheduled.fault,
        healing=tuple(action.observed.healing),
    )


def _unresolved(scheduled: ScheduledFault, reason: str, bound: ClockBound) -> FaultRecord:
    return FaultRecord(
        number=scheduled.number,
        kind=kind(scheduled.fault),
        what=kind(scheduled.fault),
        planned_at=scheduled.at,
        planned_until=scheduled.until,
        status=FaultStatus.SKIPPED,
        evidence=(reason,),
        beyond_model=scheduled.fault.beyond_model(bound),
        requested=scheduled.fault,
    )
