"""What all active faults together do to the ground: overlapping faults add up, healing one leaves the others standing.

Cuts have a class of their own, as a place is told all of them at once, and absences, as the cluster has to be asked;
weather, clocks and disks are a sum for each link or node, and the place is told what has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from nemesis.absences import Absences
from nemesis.cuts import Cuts
from nemesis.ground import ClockBend, DiskTrouble, Ground, Link, Ration, Weather


class Summable(Protocol):
    """What adds up to something of its own kind."""

    def __add__(self, other: Any, /) -> Any:
        """Return both together."""


_Key = TypeVar("_Key", Link, str)
_Value = TypeVar("_Value", bound=Summable)


class Stack(Generic[_Key, _Value]):
    """For each key, the sum of what the active faults do to it."""

    def __init__(self, neutral: _Value, tell: Callable[[Mapping[_Key, _Value]], Awaitable[None]]) -> None:
        self._neutral = neutral
        self._tell: Callable[[Mapping[_Key, _Value]], Awaitable[None]] = tell
        self._by_fault: dict[object, Mapping[_Key, _Value]] = {}
        self._one_at_a_time = asyncio.Lock()  # of two calls, the later must have the last word

    async def add(self, fault: object, done: Mapping[_Key, _Value]) -> None:
        """Do this as well."""
        self._by_fault[fault] = done
        await self._apply(done)

    async def remove(self, fault: object) -> None:
        """Take back what a fault does. Idempotent."""
        await self._apply(self._by_fault.pop(fault, {}))

    def holds(self, fault: object) -> bool:
        """Say whether a fault does anything now."""
        return fault in self._by_fault

    def is_free(self, key: _Key) -> bool:
        """Say whether no active fault does anything to a key, not even what another one makes up for."""
        return not any(key in done for done in self._by_fault.values())

    def of(self, key: _Key) -> _Value:
        """Return what all active faults together do to a key."""
        return self._sum(key)

    async def _apply(self, changed: Mapping[_Key, _Value]) -> None:
        async with self._one_at_a_time:
            await self._tell({key: self._sum(key) for key in sorted(changed)})

    def _sum(self, key: _Key) -> _Value:
        values = [done[key] for done in self._by_fault.values() if key in done]
        return sum(values, start=self._neutral)


class InForce:
    """All that is in force on one run's ground."""

    def __init__(self, ground: Ground) -> None:
        self.cuts = Cuts(ground)
        self.weather = Stack[Link, Weather](Weather(), ground.set_weather)
        self.clocks = Stack[str, ClockBend](ClockBend(), partial(_each, ground.set_clock))
        self.absences = Absences(ground.nodes)
        self.disks = Stack[str, DiskTrouble](DiskTrouble(), partial(_each, ground.set_disk))
        self.rations = Stack[str, Ration](Ration(), partial(_each, ground.set_ration))


async def _each(tell: Callable[[str, _Value], Awaitable[None]], values: Mapping[str, _Value]) -> None:
    for node, value in values.items():
        await tell(node, value)
