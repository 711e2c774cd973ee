"""Cuts of several faults at once: they add up, and each can be taken back alone."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from nemesis.cuts import Cuts
from nemesis.ground import Link
from tests.nemesis.ground import FakeGround, links, names
from tests.nemesis.virtual_time import run_virtually

AB, BC, CA = links([("n1", "n2")]), links([("n2", "n3")]), links([("n3", "n1")])

some_links = st.frozensets(
    st.builds(Link, st.sampled_from(names(4)), st.sampled_from(names(4))).filter(lambda link: link[0] != link[1])
)


def test_cuts_add_up_and_healing_one_leaves_the_others() -> None:
    async def scene() -> None:
        ground = FakeGround()
        cuts = Cuts(ground)
        await cuts.add("first", AB | BC)
        await cuts.add("second", BC | CA)
        assert ground.cut_now == AB | BC | CA
        assert cuts.holds("first") and cuts.holds("second")
        await cuts.remove("first")
        assert ground.cut_now == BC | CA
        assert not cuts.holds("first")
        await cuts.remove("second")
        assert ground.cut_now == frozenset()

    run_virtually(scene())


def test_taking_back_what_was_never_cut_is_harmless() -> None:
    async def scene() -> None:
        ground = FakeGround()
        cuts = Cuts(ground)
        await cuts.add("first", AB)
        await cuts.remove("second")
        await cuts.remove("second")
        assert ground.cut_now == AB

    run_virtually(scene())


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | some_links), max_size=12))
def test_what_is_cut_is_always_the_union_of_what_is_held(steps: list[tuple[int, frozenset[Link] | None]]) -> None:
    async def scene() -> None:
        ground = FakeGround(4)
        cuts = Cuts(ground)
        held: dict[int, frozenset[Link]] = {}
        for fault, wanted in steps:
            if wanted is None:
                held.pop(fault, None)
                await cuts.remove(fault)
            else:
                held[fault] = wanted
                await cuts.add(fault, wanted)
            assert ground.cut_now == frozenset().union(*held.values())

    run_virtually(scene())


def test_what_several_faults_do_at_the_same_time_leaves_the_union_of_what_is_held() -> None:
    async def scene() -> None:
        ground = SlowFirstCut()
        cuts = Cuts(ground)
        await asyncio.gather(cuts.add("first", AB), cuts.add("second", BC))
        assert ground.cut_now == AB | BC
        ground.slow = True
        await asyncio.gather(cuts.remove("first"), cuts.remove("second"))
        assert ground.cut_now == frozenset()

    run_virtually(scene())


class SlowFirstCut(FakeGround):
    """A ground on which one call takes longer than the next: the answers come in the other order."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = True

    async def cut(self, links: frozenset[Link]) -> None:
        if self.slow:
            self.slow = False
            await asyncio.sleep(1.0)
        await super().cut(links)
