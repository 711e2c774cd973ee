"""When the next Accept goes: alone at once; beside others if full, or worth a round half a round after the last."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.paxos.ballot import Ballot
from node.paxos.config import MS, Config
from node.paxos.leader import ROUND_PARTS, WORTH_PARTS, Leader
from node.paxos.membership import founding

BATCH, WINDOW = 32, 3
WORTH = BATCH // WORTH_PARTS


def leader(round_ms: int = 0) -> Leader:
    """A leader that has taken ``round_ms`` for its rounds so far (0: it has had none)."""
    config = Config(me=1, members=(1, 2, 3), batch_commands_max=BATCH, batch_bytes_max=10_000, window_max=WINDOW)
    new = Leader(config, founding(config), Ballot(1, 1), 1, 0)
    if round_ms:
        new.launch(1, (), 0)
        new.land(1, round_ms * MS)
    return new


def send(one: Leader, commands: int, now: int = 0, size: int = 1) -> list[int]:
    """Hand commands in and send what may go; return the sizes of the batches."""
    one.enqueue((bytes(size),) * commands)
    sent = []
    while (batch := one.next_batch(now)) is not None:
        one.launch(one.next_slot, batch, now)
        sent.append(len(batch))
    return sent


def test_alone_any_batch_goes_at_once() -> None:
    assert send(leader(), 1) == [1]
    assert send(leader(round_ms=10), 3) == [3]


def test_beside_others_a_full_batch_goes_at_once_and_a_smaller_one_waits() -> None:
    one = leader(round_ms=10)
    assert send(one, 1) == [1]
    assert send(one, BATCH - 1) == []
    assert send(one, 1) == [BATCH]


def test_many_large_commands_are_a_full_batch_too() -> None:
    one = leader(round_ms=10)
    assert send(one, 1) == [1]
    assert send(one, 1, size=9_999) == []
    assert send(one, 1, size=9_999) == [1], "one fits, and as long as so many bytes wait the batch is full"


def test_no_more_than_the_window_whatever_waits() -> None:
    one = leader(round_ms=10)
    assert send(one, 10 * BATCH) == [BATCH] * WINDOW
    assert send(one, 0, now=1_000 * MS) == []
    one.land(one.next_slot - 1)
    assert send(one, 0, now=1_000 * MS) == [BATCH]


def test_half_a_round_later_a_batch_goes_that_is_worth_a_round() -> None:
    one = leader(round_ms=10)
    half = 10 * MS // ROUND_PARTS
    assert send(one, 1, now=20 * MS) == [1]
    assert send(one, WORTH, now=20 * MS + half - 1) == []
    assert send(one, 0, now=20 * MS + half) == [WORTH]
    assert send(one, WORTH, now=20 * MS + half + 1) == [], "half a round after the last one, not after the first"
    assert send(one, 0, now=20 * MS + 2 * half) == [WORTH]


def test_a_few_commands_wait_for_the_round_to_end() -> None:
    one = leader(round_ms=10)
    assert send(one, 1) == [1]
    assert send(one, WORTH - 1, now=1_000 * MS) == []
    one.land(2, 1_000 * MS)
    assert send(one, 0, now=1_000 * MS) == [WORTH - 1]


def test_before_the_first_round_is_over_nobody_knows_how_long_one_takes() -> None:
    one = leader()
    assert send(one, 1) == [1]
    assert send(one, WORTH, now=1_000 * MS) == []


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=30))
def test_a_usual_round_lies_between_the_shortest_and_the_longest(rounds: list[int]) -> None:
    one = leader()
    for slot, took in enumerate(rounds, start=1):
        one.launch(slot, (), slot * 10_000)
        one.land(slot, slot * 10_000 + took)
    assert min(rounds) - 1 <= one.round_ns <= max(rounds)


def test_what_was_learnt_from_others_says_nothing_of_a_round() -> None:
    one = leader(round_ms=10)
    assert send(one, 1) == [1]
    one.land(2)
    assert one.round_ns == 10 * MS
