"""Every text scenario prints exactly what its file says; ``scenario.py`` explains the files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.node.mutants import MUTANTS
from tests.node.scenario import play, scenarios


@pytest.mark.parametrize("path", scenarios(), ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    told = path.read_text(encoding="utf-8")
    played = play(told)
    if os.environ.get("ANTIPAXOS_REWRITE") == "1":
        path.write_text(played, encoding="utf-8")
        return
    assert played.splitlines() == told.splitlines()


@pytest.mark.parametrize(
    ("mutant", "scenario"),
    [
        ("early-answers", "answer_waits_for_fsync"),
        ("early-answers", "own_vote_waits_for_fsync"),
        ("forgets-promises", "ballots_are_not_reused"),
        ("breaks-promises", "two_candidates"),
        ("hides-chosen", "chosen_slots_are_reported"),
        ("learns-idly", "deposed_by_what_it_learns"),
        ("learns-idly", "stale_accept_after_learning"),
        ("takes-first-report", "prepare_covers_every_open_slot"),
        ("counts-stale-promises", "votes_count_once"),
        ("counts-half-promises", "promise_in_parts"),
        ("mixes-promises", "promise_parts_of_two_answers"),
        ("ignores-reports", "gap_needs_a_majority"),
        ("counts-any-ballot", "votes_count_once"),
        ("counts-any-ballot", "acks_of_an_earlier_leadership"),
        ("counts-twice", "votes_count_once"),
        ("loose-reads", "read_round"),
        ("loose-reads", "read_after_deposition"),
        ("eager-reads", "no_read_before_the_noop"),
        ("local-reads", "follower_reads"),
        ("applies-twice", "sessions"),
        ("hides-truncation", "truncated_slots_are_caught_up_first"),
        ("leads-behind", "truncated_slots_are_caught_up_first"),
        ("acknowledges-truncated", "truncated_slot_is_not_accepted"),
        ("truncates-early", "unfinished_snapshot"),
        ("installs-early", "snapshot_in_parts"),
        ("loses-sessions", "snapshot_and_truncation"),
        ("votes-at-once", "recovery"),
        ("votes-unlearned", "recovery"),
        ("welcomes-all", "recovery"),
    ],
)
def test_a_planted_bug_is_caught(mutant: str, scenario: str) -> None:
    told = next(path for path in scenarios() if path.stem == scenario).read_text(encoding="utf-8")
    try:
        played = play(told, MUTANTS[mutant]())
    except AssertionError:
        return
    assert played != told


def test_there_are_scenarios_and_they_print_something() -> None:
    for path in scenarios():
        lines = path.read_text(encoding="utf-8").splitlines()
        printed = [line for line in lines if line and not line.startswith(("#", "> "))]
        assert printed, f"{path.name} prints nothing, so it cannot fail"
    assert len(scenarios()) >= 20


def test_a_wrong_expectation_is_seen() -> None:
    """The comparison itself can fail: a line too few, too many or different."""
    told = "> cluster 3\n> status n1\nn1 leader promised 9.9, leader n1, chosen 0, applied 0\n"
    played = play(told)
    assert played != told
    assert played.endswith("n1 follower promised 0.0, leader nobody, chosen 0, applied 0\n")
