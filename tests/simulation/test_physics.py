"""What a place can do to the world around its nodes: all of it here, and elsewhere only what it says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.cluster.base import OPTIONAL, ClusterError
from harness.cluster.simulated import SimulatedCluster
from harness.ground import RunGround
from harness.seeds import SeedTree
from harness.simulation.loop import virtual_loop
from nemesis.ground import ClockBend, DiskTrouble, Link, Loss, Weather
from nemesis.undo import Arrival, Damage, Harm
from tests.harness.memory_place import MemoryCluster


def ground(cluster: Any) -> RunGround:
    """Return the ground of a cluster; nothing here asks its system."""
    system: Any = None
    return RunGround(cluster, system, {})


def test_the_simulated_place_can_do_it_all() -> None:
    cluster = SimulatedCluster(3, SeedTree(1), virtual_loop())
    assert all(isinstance(cluster, protocol) for protocol in OPTIONAL.values())
    assert [ground(cluster).can(ability) for ability in OPTIONAL] == [""] * len(OPTIONAL)


def test_a_place_without_physics_says_so_and_does_nothing() -> None:
    memory = ground(MemoryCluster())
    for ability in OPTIONAL:
        assert memory.can(ability) == f"the place memory has no way to do it ({ability})"

    async def main() -> None:
        with pytest.raises(ClusterError, match="can do nothing to disks and power"):
            await memory.power_off("n1", Arrival.DROP)
        with pytest.raises(ClusterError, match="can do nothing to what its links carry"):
            await memory.set_weather({})

    virtual_loop().run(main())


def test_what_is_done_to_it_can_be_seen() -> None:
    loop = virtual_loop()
    cluster = SimulatedCluster(3, SeedTree(1), loop)
    here = ground(cluster)

    async def main() -> None:
        before = await here.clock("n1")
        await here.set_clock("n1", ClockBend(ppm=1_000_000, wall_ahead=-7))
        await here.jump_clock("n1", 11)
        await here.set_weather({Link("n1", "n2"): Weather(losses=(Loss(1),))})
        await here.set_disk("n1", DiskTrouble(full=True))
        await here.power_off("n1", Arrival.TORN)
        await asyncio.sleep(1)
        after = await here.clock("n1")
        assert after.local - before.local == 2 * (after.true - before.true) + 11 > 11
        assert after.wall - before.wall == 2 * (after.true - before.true) - 7
        assert await here.damage_disk("n1", Damage(Harm.ROT)) == ()
        assert (await here.disk_counters("n1")).taken_back_bytes == 0

    loop.run(main())
