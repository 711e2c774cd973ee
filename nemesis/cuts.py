"""Which links are cut now, by whom: overlapping partitions add up, and healing one leaves the others standing."""

from __future__ import annotations

import asyncio

from nemesis.ground import Ground, Link


class Cuts:
    """The cuts of all faults that are active, and the ground they are carried out on."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._by_fault: dict[object, frozenset[Link]] = {}
        self._one_at_a_time = asyncio.Lock()  # of two calls, the later must have the last word

    async def add(self, fault: object, links: frozenset[Link]) -> None:
        """Cut a fault's links as well."""
        self._by_fault[fault] = links
        await self._apply()

    async def remove(self, fault: object) -> None:
        """Take a fault's cuts back, as far as no other fault holds them. Idempotent."""
        self._by_fault.pop(fault, None)
        await self._apply()

    def holds(self, fault: object) -> bool:
        """Say whether a fault has cuts now."""
        return fault in self._by_fault

    @property
    def now(self) -> frozenset[Link]:
        """All links that are cut now."""
        return frozenset().union(*self._by_fault.values())

    async def _apply(self) -> None:
        async with self._one_at_a_time:
            await self._ground.cut(self.now)
