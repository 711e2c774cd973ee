"""The searches against the oracle and each other: the same answers on thousands of histories, small and larger."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkers import search_native, search_python
from checkers.history import Event, EventType, History
from checkers.models import UNSEEN, CasRegister, Model, MultiRegister
from checkers.native.library import NoLibraryError
from checkers.search_terms import Budget, Question, SearchOutcome
from checkers.verdict import Limits, Verdict
from tests.checkers import brute_force
from tests.checkers.agreement import UNBOUNDED, agree, both
from tests.checkers.families import FAMILIES, Family, random_history
from tests.checkers.literal import cas, history, read, write
from tests.checkers.strategies import histories

thorough = settings(
    max_examples=600, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
many = settings(thorough, max_examples=1_500)
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)

Searcher = Callable[[History, Model, Limits], SearchOutcome]


def native_or_none() -> search_native.Engine | None:
    try:
        return search_native.load()
    except NoLibraryError:
        return None


NATIVE = native_or_none()


def in_python(given: History, model: Model, limits: Limits) -> SearchOutcome:
    return search_python.search(Question(given.operations(), model), Budget(limits))


def in_c(given: History, model: Model, limits: Limits) -> SearchOutcome:
    if NATIVE is None:
        pytest.skip("no C compiler, and no library")
    return NATIVE.search(Question(given.operations(), model), Budget(limits))


either = pytest.mark.parametrize("search", [in_python, in_c])


@every_family
def test_hypothesis_finds_no_difference(family: Family) -> None:
    calls = [call for call in family.calls if call[0] != "cas!"]  # any swap may fail here

    @many
    @given(histories(st.sampled_from(calls), operations_max=family.operations_max))
    def compare(given: History) -> None:
        agree(family, given, NATIVE)

    compare()


@every_family
def test_random_histories_that_are_mostly_true_make_no_difference(family: Family) -> None:
    for seed in range(1_500):
        rng = random.Random(seed)
        operations, clients = rng.randint(2, family.operations_max), rng.randint(1, 4)
        honest, known = rng.choice((0.7, 1.0)), rng.choice((None, 0.8, 1.0))
        agree(family, random_history(family, rng, operations, clients, honest=honest, known=known), NATIVE)


@every_family
def test_larger_histories_make_no_difference_between_c_and_python(family: Family) -> None:
    verdicts = set()
    for seed in range(30):
        rng = random.Random(seed)
        given = random_history(family, rng, rng.randint(50, 200), 5, honest=rng.choice((0.99, 1.0)), known=0.97)
        outcome = both(family, given, NATIVE, Limits(time_s=None, steps=3_000))
        verdicts.add(outcome.verdict)
        if outcome.verdict is Verdict.VALID:
            assert outcome.longest is not None
            taking_part = [op for op in given.operations() if op.outcome.value != "fail"]
            assert family.explains(outcome.longest, taking_part)
    assert Verdict.VALID in verdicts


@thorough
@given(histories(st.sampled_from(FAMILIES[8].calls), operations_max=5))
def test_silent_nil_reads_of_several_registers_agree_with_the_oracle(given: History) -> None:
    model = MultiRegister(frozenset({("x", 1)}), nil_reads_assert=False)
    family = Family("silent", model, {"x": 1}, brute_force.multi_register(False), FAMILIES[8].calls)
    agree(family, given, NATIVE)


class Unpruned(CasRegister):
    """The same object without any of the hooks: what they save must not change an answer."""

    prune = Model.prune
    reads_only = Model.reads_only
    transition = Model.transition


@thorough
@given(histories(st.sampled_from(FAMILIES[1].calls)))
def test_hooks_change_no_verdict(given: History) -> None:
    expected = in_python(given, CasRegister(0), UNBOUNDED).verdict
    assert in_python(given, Unpruned(0), UNBOUNDED).verdict is expected
    if NATIVE is not None:
        assert in_c(given, Unpruned(0), UNBOUNDED).verdict is expected


# -- bounds -----------------------------------------------------------------------------------------------------------


@either
@pytest.mark.parametrize("limit", [Limits(time_s=None, steps=20), Limits(time_s=None, cache_entries=10)])
@pytest.mark.parametrize("seed", range(3))
def test_a_bound_that_is_met_gives_unknown(
    search: Searcher, limit: Limits, seed: int, hard_history: Callable[[int], History]
) -> None:
    outcome = search(hard_history(seed), CasRegister(0), limit)
    assert outcome.verdict is Verdict.UNKNOWN
    assert "limit of" in outcome.reason


@pytest.mark.parametrize("steps", [0, 1, 2, 255, 256, 257, 1_000, 5_000])
@pytest.mark.parametrize("entries", [None, 1, 100, 1_000])
def test_bounds_of_steps_and_entries_are_met_at_the_same_place(
    steps: int, entries: int | None, hard_history: Callable[[int], History]
) -> None:
    limits = Limits(time_s=None, steps=steps, cache_entries=entries)
    assert in_c(hard_history(0), CasRegister(0), limits) == in_python(hard_history(0), CasRegister(0), limits)


@either
@pytest.mark.parametrize("memory_bytes", [1, 2_000, 100_000])
def test_memory_is_bounded(search: Searcher, memory_bytes: int, hard_history: Callable[[int], History]) -> None:
    outcome = search(hard_history(2), CasRegister(0), Limits(time_s=None, memory_bytes=memory_bytes))
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.reason == f"the limit of {memory_bytes} bytes of memory was reached"


@either
def test_time_is_bounded_by_the_machine_s_clock(search: Searcher, hard_history: Callable[[int], History]) -> None:
    outcome = search(hard_history(12), CasRegister(0), Limits(time_s=0.05))
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.reason == "the time limit of 0.05 s was reached"
    assert outcome.may_try_again


@either
def test_time_is_bounded_by_any_clock(search: Searcher, hard_history: Callable[[int], History]) -> None:
    ticks = count()
    limits = Limits(time_s=5, clock=lambda: float(next(ticks)))
    assert search(hard_history(3), CasRegister(0), limits).verdict is Verdict.UNKNOWN
    assert next(ticks) < 20


@either
def test_a_search_can_be_interrupted(search: Searcher, hard_history: Callable[[int], History]) -> None:
    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            search(hard_history(12), CasRegister(0), Limits(time_s=None, memory_bytes=10**10))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# -- what only some searches meet -------------------------------------------------------------------------------------


def wide_history(clients: int, last: int) -> History:
    """Many more operations overlap than there are bits in a word; only few orders of them are to be tried."""
    bars = [read(n, n + 1, 200 + n, 1) for n in range(clients)]
    return history(*bars, write(clients, 150, 400, 1), write(clients + 1, 401, 402, 2), read(0, 403, 404, last))


@either
def test_more_operations_may_overlap_than_a_word_has_bits(search: Searcher) -> None:
    assert search(wide_history(100, 2), CasRegister(0), UNBOUNDED).verdict is Verdict.VALID
    outcome = search(wide_history(100, 0), CasRegister(0), UNBOUNDED)
    assert outcome.verdict is Verdict.INVALID
    assert outcome.stuck is not None
    assert outcome.stuck.invoke_index == 204


def test_an_invalid_verdict_by_fingerprints_is_searched_for_twice() -> None:
    once = in_python(wide_history(100, 0), CasRegister(0), UNBOUNDED)
    assert in_c(wide_history(100, 0), CasRegister(0), UNBOUNDED).steps == 2 * once.steps
    narrow = in_python(wide_history(20, 0), CasRegister(0), UNBOUNDED)
    assert in_c(wide_history(20, 0), CasRegister(0), UNBOUNDED).steps == narrow.steps


@either
def test_more_than_a_word_of_unknown_outcomes(search: Searcher) -> None:
    writes = [write(n, n, None, n % 90) for n in range(1, 180)]
    fine = history(*writes, read(200, 300, 301, 7), read(200, 302, 303, 89), read(200, 304, 305, 7))
    wrong = history(*writes, *(read(200, 300 + 2 * n, 301 + 2 * n, 7 + n % 2) for n in range(5)))
    assert search(fine, CasRegister(0), UNBOUNDED).verdict is Verdict.VALID
    assert search(wrong, CasRegister(0), UNBOUNDED).verdict is Verdict.INVALID  # 7 was written twice only


def test_many_transitions_have_a_sparse_table() -> None:
    bars = [
        bar for n in range(300) for bar in (write(0, 4 * n, 4 * n + 2, n % 150), read(1, 4 * n + 1, 4 * n + 3, n % 150))
    ]
    given = history(*bars)
    outcome = in_c(given, CasRegister(0), UNBOUNDED)
    assert outcome.verdict is Verdict.VALID
    assert outcome == in_python(given, CasRegister(0), UNBOUNDED)


@either
def test_event_indexes_may_be_any_integers(search: Searcher) -> None:
    for first in (-5, 2**62, 2**70):
        if search is in_c and first > 2**63:
            continue  # what does not fit is searched in Python: test_search_choice
        kinds = [("invoke", None), ("ok", 0), ("invoke", None), ("ok", 1)]
        events = [Event(first + n, None, 0, EventType(kind), "read", value) for n, (kind, value) in enumerate(kinds)]
        outcome = search(History(events), CasRegister(0), UNBOUNDED)
        assert outcome.verdict is Verdict.INVALID
        assert outcome.stuck is not None
        assert outcome.stuck.result == 1


@either
def test_the_longest_order_goes_up_to_where_it_is_stuck(search: Searcher) -> None:
    #   0  |- write 1 -|              |- read 1 -|
    #   1                 |- cas 1 2 -|
    #   2        |------ write 3 ... (nobody saw it)
    bars = (write(0, 1, 3, 1), write(2, 2, None, 3), cas(1, 4, 6, [1, 2]), read(0, 7, 8, 1))
    outcome = search(history(*bars), CasRegister(0), UNBOUNDED)
    assert outcome.longest is not None
    assert [op.f for op in outcome.longest] == ["write", "cas"]
    assert outcome.stuck is not None
    assert outcome.stuck.f == "read"
    assert outcome.states == (UNSEEN,)  # a read of 2 there is not
