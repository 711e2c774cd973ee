"""Watching what was healed: whether frames pass, and whether what a fault did goes on.

One bad moment proves nothing: a process may have ended in it, a call that began under the fault may have come back.
What is bad each time it is looked at goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from nemesis.ground import Ground, Link, LinkCounters

PASSES_WITHIN_S = 1.0
"""How long a healed link is watched for a frame: senders back off for up to a second."""
LOOK_EVERY_S = 0.05
LOOKS = 3
T = TypeVar("T")


async def passing(ground: Ground, before: Mapping[Link, LinkCounters]) -> dict[Link, LinkCounters]:
    """Return the links on which a frame has passed since they were counted, with what is counted then."""
    passed: dict[Link, LinkCounters] = {}
    loop = asyncio.get_running_loop()
    until = loop.time() + PASSES_WITHIN_S
    while len(passed) < len(before) and loop.time() < until:
        await asyncio.sleep(LOOK_EVERY_S)
        now = await ground.link_counters()
        passed |= {link: now[link] for link, was in before.items() if now[link].forwarded > was.forwarded}
    return passed


async def still_bad(watched: Sequence[T], look: Callable[[Sequence[T]], Awaitable[Sequence[T]]]) -> Sequence[T]:
    """Return what is bad each time; ``look`` watches for a while and returns what of it was."""
    bad = watched
    for _ in range(LOOKS):
        bad = await look(bad) if bad else bad
    return bad
