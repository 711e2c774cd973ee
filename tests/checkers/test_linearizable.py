"""Linearizability on histories small enough to be drawn, and the kind of every violation."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.history import History
from checkers.linearizable import Linearizable
from checkers.models import CasRegister, KvAppend, ListAppend, Model, ModelError, Mutex, Register
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.literal import Bar, append, cas, history, read, write
from tests.checkers.strategies import LIST_CALLS, MUTEX_CALLS, STRING_CALLS, histories, register_calls
from tests.examples import examples

UNBOUNDED = Limits(time_s=None)


def check(*bars: Bar, model: Model | None = None) -> CheckResult:
    return Linearizable(model or CasRegister(0)).check(history(*bars), UNBOUNDED)


def kind(*bars: Bar, model: Model | None = None) -> str:
    found = check(*bars, model=model)
    assert found.verdict is Verdict.INVALID
    assert 1 <= len(found.anomalies[0].operations) <= 4
    return found.anomalies[0].kind


def test_a_read_may_see_either_side_of_a_concurrent_write() -> None:
    #   0  |------- write 1 -------|
    #   1     |- read 0 -|
    #   2                   |- read 1 -|
    bars = (write(0, 1, 8, 1), read(1, 2, 3, 0), read(2, 6, 9, 1))
    assert check(*bars).verdict is Verdict.VALID


def test_what_one_read_saw_later_reads_must_see() -> None:
    #   0  |----------- write 1 -----------|
    #   1     |- read 1 -|
    #   2                   |- read 0 -|
    bars = (write(0, 1, 8, 1), read(1, 2, 3, 1), read(2, 6, 7, 0))
    assert kind(*bars) == "stale-read"


def test_stale_read_names_the_write_the_overwriting_and_the_read() -> None:
    #   0  |- write 7 -|
    #   1                 |- write 9 -|
    #   3                                |- read 7 -|
    bars = (write(0, 1, 2, 7, key="k3"), write(1, 3, 4, 9, key="k3"), read(3, 5, 6, 7, key="k3"))
    found = check(*bars)
    assert found.anomalies[0].kind == "stale-read"
    assert found.anomalies[0].key == "k3"
    assert [op.f for op in found.anomalies[0].operations] == ["write", "write", "read"]
    assert found.sentence == (
        "Not linearizable: read of k3 = 7 by process 3 from 0.500 s to 0.600 s is stale: write of k3 = 9 by process 1"
        " had returned at 0.400 s, and it began after write of k3 = 7 by process 0 had returned at 0.200 s."
    )


def test_stale_read_of_a_value_written_twice() -> None:
    #   0  |- write 7 -|  |- write 7 -|
    #   1                                |- write 9 -|
    #   2                                                |- read 7 -|
    bars = (write(0, 1, 2, 7), write(0, 3, 4, 7), write(1, 5, 6, 9), read(2, 7, 8, 7))
    assert kind(*bars) == "stale-read"


def test_an_info_write_may_take_effect_late() -> None:
    #   0  |- write 7 ?
    #   1     |- write 9 -|
    #   2                    |- read 9 -|  |- read 7 -|
    bars = (write(0, 1, None, 7), write(1, 2, 3, 9), read(2, 4, 5, 9), read(2, 6, 7, 7))
    assert check(*bars).verdict is Verdict.VALID


def test_an_info_write_takes_effect_once() -> None:
    #   0  |- write 7 ?
    #   1     |- read 7 -|  |- write 9 -|  |- read 9 -|  |- read 7 -|
    bars = (write(0, 1, None, 7), read(1, 2, 3, 7), write(1, 4, 5, 9), read(1, 6, 7, 9), read(1, 8, 9, 7))
    assert kind(*bars) == "stale-read"


def test_of_two_info_operations_the_one_with_less_use_is_spent_first() -> None:
    # The first read of 1 can be explained by the write or by the cas, the second by the write alone.
    #   0  |- write 1 ?
    #   1     |- cas 0 1 ?
    #   2        |- read 1 -|  |- write 5 -|  |- read 5 -|  |- read 1 -|
    bars = (
        write(0, 1, None, 1), cas(1, 2, None, [0, 1]), read(2, 3, 4, 1), write(2, 5, 6, 5), read(2, 7, 8, 5),
        read(2, 9, 10, 1),
    )  # fmt: skip
    assert check(*bars).verdict is Verdict.VALID


def test_a_read_of_what_nobody_wrote() -> None:
    #   0  |- write 1 -|  |- read 2 -|
    assert kind(write(0, 1, 2, 1), read(0, 3, 4, 2)) == "never-written"


def test_a_read_of_what_failed_to_be_written() -> None:
    #   0  |- write 1 x|  |- read 1 -|
    assert kind(write(0, 1, 2, 1, "fail"), read(0, 3, 4, 1)) == "aborted-read"


def test_a_read_from_the_future() -> None:
    #   0  |- read 1 -|
    #   1                |- write 1 -|
    assert kind(read(0, 1, 2, 1), write(1, 3, 4, 1)) == "future-read"


def test_two_swaps_from_one_value() -> None:
    #   0  |- cas 0 1 -----|
    #   1     |- cas 0 2 -----|
    assert kind(cas(0, 1, 3, [0, 1]), cas(1, 2, 4, [0, 2])) == "lost-update"


def test_a_swap_from_an_overwritten_value_loses_the_update() -> None:
    #   0  |- write 1 -|
    #   1                 |- write 2 -|
    #   2                                |- cas 1 3 -|
    assert kind(write(0, 1, 2, 1), write(1, 3, 4, 2), cas(2, 5, 6, [1, 3])) == "lost-update"


def test_two_swaps_from_a_value_that_came_twice_prove_nothing_by_themselves() -> None:
    #   0  |- cas 0 1 ----|
    #   1     |- cas 0 2 ----|
    #   2        |- write 0 ----|
    #   3           |- cas 0 3 ----|
    bars = (cas(0, 1, 5, [0, 1]), cas(1, 2, 6, [0, 2]), write(2, 3, 7, 0), cas(3, 4, 8, [0, 3]))
    assert check(*bars[:3]).verdict is Verdict.VALID
    assert kind(*bars) == "nonlinearizable"


def test_a_violation_that_fits_no_class_says_where_it_got_stuck() -> None:
    #   0  |- write 1 -|  |- write 1 ?
    #   1                    |- write 2 -|  |- read 1 -|  |- read 2 -|  |- read 1 -|
    bars = (
        write(0, 1, 2, 1), write(0, 3, None, 1), write(1, 4, 5, 2), read(1, 6, 7, 1), read(1, 8, 9, 2),
        read(1, 10, 11, 1),
    )  # fmt: skip
    found = check(*bars)
    assert found.anomalies[0].kind == "nonlinearizable"
    assert "read of 2 by process 1 at 0.900 s" in found.sentence


def test_a_mutex_is_held_by_one() -> None:
    #   0  |- acquire -|
    #   1                 |- acquire -|
    bars = (Bar(0, 1, 2, "acquire"), Bar(1, 3, 4, "acquire"))
    found = check(*bars, model=Mutex())
    assert found.anomalies[0].kind == "nonlinearizable"
    assert "acquire by process 1" in found.sentence and "acquire by process 0" in found.sentence


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        #   0  |- append 1 -|  |- read [] -|
        ((append(0, 1, 2, 1), read(0, 3, 4, [])), "lost-update"),
        #   0  |- append 1 -|  |- read [1] -|  |- read [] -|
        ((append(0, 1, 2, 1), read(0, 3, 4, [1]), read(0, 5, 6, [])), "stale-read"),
        #   0  |- append 1 -|  |- read [1, 5] -|
        ((append(0, 1, 2, 1), read(0, 3, 4, [1, 5])), "never-written"),
        #   0  |- append 1 x|  |- read [1] -|
        ((append(0, 1, 2, 1, "fail"), read(0, 3, 4, [1])), "aborted-read"),
        #   0  |- read [1] -|  |- append 1 -|
        ((read(0, 1, 2, [1]), append(0, 3, 4, 1)), "future-read"),
        #   0  |- append 1 -|  |- read [1, 1] -|
        ((append(0, 1, 2, 1), read(0, 3, 4, [1, 1])), "duplicate"),
        #   0  |- append 1 ---|  |- read [1, 2] -|
        #   1    |- append 2 ---|                   |- read [2, 1] -|
        ((append(0, 1, 3, 1), append(1, 2, 4, 2), read(0, 5, 6, [1, 2]), read(1, 7, 8, [2, 1])), "incompatible-order"),
        #   0  |- append 1 -|  |- append 2 -|  |- read [2, 1] -|
        ((append(0, 1, 2, 1), append(0, 3, 4, 2), read(0, 5, 6, [2, 1])), "incompatible-order"),
        #   0  |- append 1 -|
        #   1                 |- read [1] ---------|
        #   2                    |- read [] -|
        ((append(0, 1, 2, 1), read(1, 3, 8, [1]), read(2, 4, 5, [])), "stale-read"),
    ],
)
def test_lists_explain_themselves(bars: tuple[Bar, ...], expected: str) -> None:
    assert kind(*bars, model=ListAppend()) == expected


@examples(400)
@given(
    st.one_of(
        st.tuples(histories(register_calls(lambda: st.integers(0, 4))), st.just(CasRegister(0))),
        st.tuples(histories(LIST_CALLS), st.just(ListAppend())),
        st.tuples(histories(STRING_CALLS), st.just(KvAppend())),
        st.tuples(histories(MUTEX_CALLS), st.just(Mutex())),
    )
)
def test_every_violation_is_explained_by_one_to_four_of_its_operations(drawn: tuple[History, Model]) -> None:
    drawn_history, model = drawn
    found = Linearizable(model).check(drawn_history, UNBOUNDED)
    assert (found.verdict is Verdict.INVALID) == bool(found.anomalies)
    for anomaly in found.anomalies:
        assert 1 <= len(anomaly.operations) <= 4
        assert set(anomaly.operations) <= set(drawn_history.operations())
        # What proves a violation is a violation of its own, for want of a producer at the least.
        if anomaly.kind not in ("nonlinearizable", "future-read", "lost-update", "duplicate", "incompatible-order"):
            assert any(op.ok and op.f in ("read", "cas") for op in anomaly.operations)


def test_keys_are_independent_objects() -> None:
    #   0  |- write a=1 -|  |- read b=0 -|
    bars = (write(0, 1, 2, 1, key="a"), read(0, 3, 4, 0, key="b"))
    found = check(*bars)
    assert found.verdict is Verdict.VALID
    assert found.statistics["keys"] == 2


def test_one_bad_key_names_itself_and_the_rest_are_counted() -> None:
    bars = tuple(
        bar
        for place, key in enumerate("abc")
        for bar in (
            write(0, 10 * place, 10 * place + 1, 1, key=key),
            read(0, 10 * place + 2, 10 * place + 3, 9, key=key),
        )
    )
    found = Linearizable(CasRegister(0)).check(history(*bars), Limits(time_s=None, anomalies_max=2))
    assert found.anomalies_total == 3
    assert [anomaly.key for anomaly in found.anomalies] == ["a", "b"]
    assert "3 of 3 keys" in found.sentence


def test_a_met_bound_is_unknown_and_says_which(hard_history: Callable[[int], History]) -> None:
    found = Linearizable(CasRegister(0)).check(hard_history(0), Limits(time_s=None, steps=50))
    assert found.verdict is Verdict.UNKNOWN
    assert found.anomalies == ()
    assert "limit of 50 search steps" in found.sentence


def test_the_time_limit_is_honoured_by_the_given_clock(hard_history: Callable[[int], History]) -> None:
    ticks = iter(range(1_000_000))
    found = Linearizable(CasRegister(0)).check(hard_history(3), Limits(time_s=5, clock=lambda: float(next(ticks))))
    assert found.verdict is Verdict.UNKNOWN
    assert "time limit of 5 s" in found.sentence
    assert next(ticks) < 20


def test_what_easy_keys_leave_over_goes_to_the_hard_one(hard_history: Callable[[int], History]) -> None:
    hard = hard_history(0).events
    easy = history(write(90, 1001, 1002, 1, key="a"), write(90, 1003, 1004, 2, key="b")).events
    both = History(
        hard + tuple(type(e)(len(hard) + e.index, e.time, e.process, e.type, e.f, e.value, e.key) for e in easy)
    )
    judge = Linearizable(CasRegister(0))
    needed = judge.check(both, UNBOUNDED).statistics["search_steps"]
    assert judge.check(both, Limits(time_s=None, steps=2 * needed)).verdict is Verdict.INVALID
    assert judge.check(both, Limits(time_s=None, steps=needed // 2)).verdict is Verdict.UNKNOWN


def test_a_violation_stands_beside_an_unfinished_key(hard_history: Callable[[int], History]) -> None:
    hard = hard_history(0).events
    bad = history(write(90, 1001, 1002, 1, key="bad"), read(90, 1003, 1004, 2, key="bad")).events
    moved = tuple(type(e)(len(hard) + e.index, e.time, e.process, e.type, e.f, e.value, e.key) for e in bad)
    found = Linearizable(CasRegister(0)).check(History(hard + moved), Limits(time_s=None, steps=50))
    assert found.verdict is Verdict.INVALID
    assert found.statistics["keys_unknown"] == 1


def test_an_operation_the_model_does_not_know_is_an_error_not_a_verdict() -> None:
    with pytest.raises(ModelError, match="Register does not know the operation cas"):
        check(cas(0, 1, 2, [0, 1]), model=Register(0))


def test_an_unknown_operation_of_unknown_outcome_is_an_error_too() -> None:
    with pytest.raises(ModelError, match="frobnicate"):
        check(Bar(0, 1, None, "frobnicate"), write(1, 2, 3, 1))


def test_an_empty_history_is_linearizable() -> None:
    assert check().verdict is Verdict.VALID


def test_a_failed_cas_observes_where_the_model_says_so() -> None:
    #   0  |- write 1 -|  |- cas from 1 to 2 fails -|
    bars = (write(0, 1, 2, 1), cas(0, 3, 4, [1, 2], "fail"))
    assert check(*bars, model=CasRegister(0)).verdict is Verdict.VALID
    found = check(*bars, model=CasRegister(0, failed_cas_observes=True))
    assert found.verdict is Verdict.INVALID
    assert found.statistics["keys_by_zones"] == 0
    assert [op.f for op in found.anomalies[0].operations] == ["write", "cas"]
    assert "which failed, fits no order" in found.sentence
    assert check(*bars, write(1, 0, 5, 3), model=CasRegister(0, failed_cas_observes=True)).verdict is Verdict.VALID


def test_a_cas_that_was_refused_observes_nothing() -> None:
    events = list(history(write(0, 1, 2, 1), cas(0, 3, 4, [1, 2], "fail")).events)
    events[-1] = msgspec.structs.replace(events[-1], error="no leader")
    judge = Linearizable(CasRegister(0, failed_cas_observes=True))
    assert judge.check(History(events), UNBOUNDED).verdict is Verdict.VALID


def test_what_zones_find_stands_whatever_failed() -> None:
    #   0  |- write 1 -|  |- read 0 -|  |- cas from 7 to 8 fails -|
    bars = (write(0, 1, 2, 1), read(0, 3, 4, 0), cas(0, 5, 6, [7, 8], "fail"))
    found = check(*bars, model=CasRegister(0, failed_cas_observes=True))
    assert found.verdict is Verdict.INVALID
    assert found.statistics["keys_by_zones"] == 1
