"""What waits for the disk: counted as it comes and goes, full at either limit, stuck only while nothing moves."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from node.paxos.backlog import RECORD_BYTES, Backlog
from node.paxos.ballot import Ballot
from node.paxos.config import MS, Config
from node.paxos.core import Role
from node.paxos.log import value_bytes
from node.paxos.messages import Accept, Chosen, PreVote, PreVoteReply, Promise
from node.paxos.records import AcceptedRecord, Promised, Record
from tests.node.cluster import Cluster, Letter

BALLOT = Ballot(1, 1)


def record(size: int) -> Record:
    return AcceptedRecord(1, BALLOT, (b"x" * size,), 0) if size else Promised(BALLOT)


@given(
    st.lists(
        st.one_of(st.tuples(st.just("add"), st.integers(0, 400)), st.tuples(st.just("durable"), st.integers(0, 9)))
    )
)
def test_it_is_what_was_added_and_is_not_durable(events: list[tuple[str, int]]) -> None:
    config = Config(me=1, members=(1,), backlog_records_max=5, backlog_bytes_max=1_500)
    backlog = Backlog(config)
    waiting: deque[int] = deque()
    number = durable = 0
    for what, amount in events:
        if what == "add":
            number += 1
            it = record(amount)
            backlog.add(number, it)
            waiting.append(RECORD_BYTES + (value_bytes(it.value) if isinstance(it, AcceptedRecord) else 0))
        else:
            durable = min(number, durable + amount)
            backlog.durable(durable)
            while len(waiting) > number - durable:
                waiting.popleft()
        assert (len(backlog), backlog.size) == (len(waiting), sum(waiting))
        assert backlog.full == (len(waiting) >= 5 or sum(waiting) >= 1_500)


def test_it_is_stuck_when_it_is_full_and_has_not_moved_for_so_long() -> None:
    backlog = Backlog(Config(me=1, members=(1,), backlog_records_max=2))
    assert not backlog.stuck(0, 10)
    assert not backlog.stuck(1_000, 10), "an empty one is not stuck"
    backlog.add(1, record(0))
    assert not backlog.stuck(2_000, 10), "there is room"
    backlog.add(2, record(0))
    assert not backlog.stuck(2_009, 10), "it has been full for a moment only"
    assert backlog.stuck(2_010, 10)
    backlog.durable(1)
    backlog.add(3, record(0))
    assert not backlog.stuck(2_012, 10), "it has moved"
    assert backlog.stuck(2_022, 10)


def test_a_node_whose_disk_stands_still_asks_now_and_then_and_does_not_spin() -> None:
    """A majority would elect it, and it cannot make a promise durable: it must not wake again at once, for ever."""
    cluster = Cluster(3, settings={"backlog_records_max": 6})
    cluster.start(1)
    cluster.fsync(1)
    it = cluster.nodes[1]
    for slot in range(1, 7):
        cluster.deliver(Letter(2, 1, 1, Accept(Ballot(1, 2), slot, (), 0)))
    assert it.running.paxos.backlog.full
    begun, steps = cluster.now, 0
    while cluster.now < begun + 5_000 * MS and steps < 1_000:
        cluster.letters.clear()
        cluster.now = max(cluster.now, it.wake_at)
        cluster.tick(1)
        steps += 1
        for asked in [letter.message for letter in cluster.letters if isinstance(letter.message, PreVote)]:
            cluster.deliver(Letter(3, 1, 1, PreVoteReply(asked.question, True, Ballot(1, 2), 0, 0)))
    assert it.counters.pre_elections_won > 2
    assert it.counters.elections_started == 0
    assert steps < 50, f"{steps} steps in {(cluster.now - begun) / MS:.0f} ms"
    cluster.fsync(1)
    cluster.now = it.wake_at
    cluster.tick(1)
    cluster.close()


def test_a_promise_that_ends_the_attempt_it_was_given_to_is_not_counted() -> None:
    """It tells of a node's new life, so the candidate would campaign anew, which a full backlog forbids."""
    cluster = Cluster(3, settings={"backlog_records_max": 6})
    cluster.start(1)
    cluster.fsync(1)
    it = cluster.nodes[1]
    cluster.now = it.wake_at
    cluster.tick(1)
    asked = next(letter.message for letter in cluster.letters if isinstance(letter.message, PreVote))
    cluster.deliver(Letter(3, 1, 1, PreVoteReply(asked.question, True, Ballot(1, 2), 0, 0)))
    paxos = it.running.paxos
    assert paxos.candidate is not None
    cluster.deliver(Letter(2, 1, 1, Chosen(tuple((slot, Ballot(1, 2), ()) for slot in range(2, 7)), 0)))
    assert paxos.backlog.full
    ballot, from_slot = paxos.candidate.ballot, paxos.candidate.from_slot
    cluster.deliver(Letter(3, 1, 1, Promise(ballot, from_slot, 0, 0, 1, 0, (), ((2, 7, 99),))))
    assert it.running.paxos.role == Role.FOLLOWER
    cluster.close()
