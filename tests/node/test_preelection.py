"""The pre-election against a plain count: who has said yes last, to this question, lately, and when they are free."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from node.paxos.ballot import ZERO
from node.paxos.membership import Member, Membership
from node.paxos.messages import PreVoteReply
from node.paxos.preelection import PreElection, first_question

FRESH_FOR = 100
ANSWERS = st.lists(
    st.tuples(
        st.integers(2, 7),  # who
        st.integers(0, 60),  # after the one before
        st.booleans(),  # yes
        st.integers(0, 150),  # bound for
        st.sampled_from([1, 1, 1, 2]),  # to which question
    ),
    max_size=25,
)


@settings(deadline=None)
@given(ANSWERS, st.integers(1, 4), st.integers(0, 150))
def test_it_is_ready_when_a_majority_says_so_and_is_free(
    answers: list[tuple[int, int, bool, int, int]], majority: int, wait: int
) -> None:
    members = Membership(0, tuple(Member(node) for node in range(1, 2 * majority)))
    asking = PreElection(1, members, FRESH_FOR)
    now = 0
    last: dict[int, tuple[int, bool, int]] = {}
    for who, after, yes, bound, question in answers:
        now += after
        counted = asking.on_reply(who, PreVoteReply(question, yes, ZERO, 0, bound), now)
        assert counted is (question == 1 and who < 2 * majority)
        if counted:
            last[who] = (now, yes, now + bound)
    now += wait
    free = sorted(free_at for at, yes, free_at in last.values() if yes and now - at <= FRESH_FOR)
    others = majority - 1
    ready_at = asking.ready_at(now)
    if others == 0:
        assert ready_at == now
    elif len(free) < others:
        assert ready_at is None
    else:
        assert ready_at is not None
        assert sum(free_at <= ready_at for free_at in free) >= others
        assert sum(free_at < ready_at for free_at in free) < others


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 10**9))
def test_no_life_asks_a_question_of_another_again(incarnation: int, asked: int) -> None:
    assert first_question(incarnation) < first_question(incarnation) + asked <= first_question(incarnation + 1)
