"""Random schedules over three and five nodes: safety at each step, answers that fit one history, progress in the calm.

A failure names its seed; ``Run(seed, size).play()`` repeats it, event by event. ``python -m tests.node.hunt`` plays as
many more seeds as there is time for.
"""

from __future__ import annotations

import pytest

from node.paxos.counters import Counters
from tests.node.mutants import MUTANTS
from tests.node.schedule import Run, add

SEEDS_A_BATCH = 50

RARE = (
    *("elections_won", "stepped_down", "quorum_lost", "promises_refused", "accepts_refused", "heartbeats_refused"),
    *("slots_replayed", "accepts_resent", "fetches_sent", "slots_learned", "old_incarnations_dropped", "read_rounds"),
    *("proposals_refused", "retries_deduplicated", "torn_tails_cut"),
    *("suspicions", "suspicions_withdrawn", "own_pauses", "pre_elections_won", "pre_elections_refused"),
    *("pre_election_answers_dropped", "resignations_heard"),
    *("transfers_begun", "transfers_done", "transfers_given_up"),
    *("snapshots_taken", "snapshots_installed", "slots_truncated", "segments_removed"),
    *("accepts_outdated", "snapshot_downloads_resumed", "snapshot_parts_sent"),
    *("slots_run_ahead", "slots_released", "slots_rolled_back"),
)
"""What each batch of seeds must have met, or its silence means nothing."""

CAUGHT_WITHIN = {
    "early-answers": 5,
    "forgets-promises": 5,
    "breaks-promises": 40,
    "hides-chosen": 40,
    "takes-first-report": 240,
    "counts-stale-promises": 40,
    "counts-half-promises": 60,
    "ignores-reports": 40,
    "counts-twice": 40,
    "local-reads": 40,
    "applies-twice": 40,
    "hides-truncation": 40,
    "leads-behind": 40,
    "truncates-early": 5,
    "installs-early": 40,
    "loses-sessions": 40,
    "released-early": 5,
    "half-rollback": 40,
    "speculative-reads": 240,
}
"""Planted bugs that random schedules meet, and how many seeds that may take; the text scenarios catch the others."""


CHANGES = ("members_changed", "changes_proposed", "changes_found", "leaderships_renewed")

CAUGHT_AMONG_CHANGES = {
    "proposes-behind-a-change": 40,
    "changes-in-a-hurry": 40,
    "keeps-its-ballot": 40,
    "leads-past-a-change": 40,
}


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("first", range(0, 200, SEEDS_A_BATCH))
def test_random_schedules(size: int, first: int) -> None:
    met = Counters()
    for seed in range(first, first + SEEDS_A_BATCH):
        add(met, Run(seed, size).play())
    assert not [name for name in RARE if getattr(met, name) == 0], met


@pytest.mark.parametrize(("size", "joiners"), [(1, 3), (3, 2), (4, 1)])
def test_random_schedules_that_change_the_members(size: int, joiners: int) -> None:
    met = Counters()
    for seed in range(SEEDS_A_BATCH):
        add(met, Run(seed, size, joiners=joiners).play())
    assert not [name for name in CHANGES if getattr(met, name) == 0], met


@pytest.mark.parametrize("mutant", CAUGHT_AMONG_CHANGES)
def test_a_planted_bug_of_the_membership_is_caught(mutant: str) -> None:
    for seed in range(CAUGHT_AMONG_CHANGES[mutant]):
        try:
            Run(seed, 3, MUTANTS[mutant](), joiners=2).play()
        except AssertionError as error:
            assert str(error).startswith(f"seed {seed}, 5 nodes"), error
            return
    pytest.fail(f"{mutant} was not caught within {CAUGHT_AMONG_CHANGES[mutant]} seeds")


@pytest.mark.parametrize("mutant", CAUGHT_WITHIN)
def test_a_planted_bug_is_caught(mutant: str) -> None:
    for seed in range(CAUGHT_WITHIN[mutant]):
        try:
            Run(seed, 3, MUTANTS[mutant]()).play()
        except AssertionError as error:
            assert str(error).startswith(f"seed {seed}, 3 nodes"), error
            return
    pytest.fail(f"{mutant} was not caught within {CAUGHT_WITHIN[mutant]} seeds")


def test_the_same_seed_gives_the_same_run() -> None:
    one, other = Run(11), Run(11)
    assert one.play() == other.play()
    assert one.steps == other.steps
    assert one.cluster.witness.chosen == other.cluster.witness.chosen
