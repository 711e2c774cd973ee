"""Nodes that may forget, on disks that lie and are replaced: nothing is lost, and a cluster that can go on does.

``tests/node/forgetful.py`` says what they are exposed to; a failure names its seed.
"""

from __future__ import annotations

import pytest

from node.paxos.config import Config, ConfigError
from node.paxos.counters import Counters
from tests.node.forgetful import ForgetfulRun
from tests.node.mutants import MUTANTS
from tests.node.schedule import add

SEEDS_A_BATCH = 40
RARE = ("recoveries_begun", "recoveries_ended", "recoveries_led", "lives_noted", "reincarnations", "answers_withheld")
CAUGHT_WITHIN = 40


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("first", range(0, 80, SEEDS_A_BATCH))
def test_what_a_minority_forgets_is_not_lost(size: int, first: int) -> None:
    met = Counters()
    for seed in range(first, first + SEEDS_A_BATCH):
        add(met, ForgetfulRun(seed, size).play())
    assert not [name for name in RARE if getattr(met, name) == 0], met


def test_a_clean_stop_that_a_forgotten_life_came_after_is_not_trusted() -> None:
    """Seed 111: a disk forgot everything since a clean stop, so the log ended with it, and the node voted at once."""
    ForgetfulRun(111, 3).play()


def test_a_node_that_votes_too_early_is_caught() -> None:
    for seed in range(CAUGHT_WITHIN):
        try:
            ForgetfulRun(seed, 3, MUTANTS["votes-at-once"]()).play()
        except AssertionError as error:
            assert str(error).startswith(f"seed {seed}, 3 nodes"), error
            return
    pytest.fail(f"it was not caught within {CAUGHT_WITHIN} seeds")


@pytest.mark.parametrize(("setting", "members"), [(2, (1, 2, 3)), (1, (1, 2)), (1, (1,))])
def test_where_it_cannot_work_it_is_refused(setting: int, members: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="amnesia_safe"):
        Config(me=1, members=members, amnesia_safe=setting)
