"""What a detector is told, and what is made of its answers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.paxos.ballot import Ballot
from node.paxos.config import DETECTORS, MS, Config
from node.paxos.election import SAMPLES_MIN, ElectionTimer

LEADER, BALLOT = 2, Ballot(1, 2)
BEAT = 50 * MS
TIMEOUT = 400 * MS


def timer(detector: str = "phi", **more: Any) -> ElectionTimer:
    config = Config(me=1, members=(1, 2, 3), **{"detector": detector, **more})
    return ElectionTimer(config, random.Random(1), 0)


def beats(it: ElectionTimer, count: int, start: int = 0, gap: int = BEAT) -> int:
    """Let a leader's beats come in time; return when the last one did."""
    for number in range(1, count + 1):
        it.heard(start + number * gap, LEADER, BALLOT, number * gap)
    return start + count * gap


@pytest.mark.parametrize("detector", DETECTORS)
def test_until_there_are_samples_the_fixed_time_out_holds(detector: str) -> None:
    it = timer(detector)
    now = beats(it, SAMPLES_MIN)
    assert it.suspects_at == now + TIMEOUT
    now = beats(it, 50)
    assert it.suspects_at == now + TIMEOUT if detector == "fixed" else it.suspects_at < now + TIMEOUT


@pytest.mark.parametrize("detector", DETECTORS)
@settings(deadline=None)
@given(gaps=st.lists(st.integers(1, 1_000 * MS), max_size=80), accepts=st.integers(0, 3))
def test_suspicion_is_within_its_bounds_whatever_comes(detector: str, gaps: list[int], accepts: int) -> None:
    it = timer(detector)
    now = 0
    for number, gap in enumerate(gaps):
        now += gap
        it.heard(now, LEADER, BALLOT, None if number % 4 < accepts else now - number % 3 * MS)
        assert now + 2 * BEAT <= it.suspects_at <= now + TIMEOUT
        assert it.suspects_at <= it.deadline <= it.suspects_at + TIMEOUT


@pytest.mark.parametrize("detector", ["phi", "phi-exponential"])
def test_a_busy_hour_does_not_teach_that_silence_is_death(detector: str) -> None:
    quiet, busy = timer(detector), timer(detector)
    last = beats(quiet, 100)
    for number in range(1, last // (30 * MS) + 1):
        busy.heard(number * 30 * MS, LEADER, BALLOT, None)  # Accepts, sooner than a heartbeat
    busy.heard(last, LEADER, BALLOT, None)
    assert busy.suspects_at >= quiet.suspects_at


@pytest.mark.parametrize("detector", DETECTORS)
def test_an_outage_is_no_sample(detector: str) -> None:
    it, unharmed = timer(detector), timer(detector)
    now = beats(it, 100)
    beats(unharmed, 100)
    later = now + 30_000 * MS
    it.heard(later, LEADER, BALLOT, later)
    unharmed.heard(now + BEAT, LEADER, BALLOT, now + BEAT)
    assert it.suspects_at - later <= max(unharmed.suspects_at - (now + BEAT), 4 * BEAT)


def test_a_mistake_teaches() -> None:
    it = timer("phi")
    now = beats(it, 100)
    before = it.suspects_at - now
    it.heard(now + 350 * MS, LEADER, BALLOT, now)
    assert it.suspects_at - (now + 350 * MS) > before


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_nodes_own_sleep_is_not_the_leaders_silence(detector: str) -> None:
    it, awake = timer(detector), timer(detector)
    now = beats(it, 100)
    beats(awake, 100)
    woken = now + 350 * MS
    assert it.slept(woken)
    assert not it.suspects(woken)
    assert it.suspects_at > woken
    it.heard(woken + MS, LEADER, BALLOT, now + 350 * MS)
    silence = it.suspects_at - (woken + MS)
    awake.heard(now + BEAT, LEADER, BALLOT, now + BEAT)
    assert silence <= max(awake.suspects_at - (now + BEAT), 4 * BEAT)


def test_who_is_always_late_suspects_in_the_end() -> None:
    it = timer()
    now = beats(it, 100)
    assert it.slept(now + 300 * MS)
    deadline = it.suspects_at
    assert not it.slept(now + 450 * MS)
    assert it.suspects_at == deadline


def test_questions_have_more_time_each_and_a_sign_of_life_ends_that() -> None:
    it = timer(election_spread_ms=1)
    now = TIMEOUT
    waits = []
    for _ in range(8):
        it.asks(now)
        waits.append((it.deadline - now) // TIMEOUT)
        now = it.deadline
    assert waits == [1, 2, 4, 8, 16, 16, 16, 16]
    it.heard(now, LEADER, BALLOT, 0)
    assert it.questions == it.attempts == 0
    assert it.waits_for == LEADER


def test_a_leader_that_says_goodbye_is_not_waited_for() -> None:
    it = timer()
    now = beats(it, 3)
    it.lost(now)
    assert it.suspects(now)
    assert now <= it.deadline <= now + TIMEOUT
    it.wait(now, 3)
    assert not it.suspects(now)
    assert it.waits_for == 3
