"""Whether frames pass: a healed link is watched until one does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from nemesis.ground import Ground, Link, LinkCounters

PASSES_WITHIN_S = 1.0
"""How long a healed link is watched for a frame: senders back off for up to a second."""
LOOK_EVERY_S = 0.05


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
