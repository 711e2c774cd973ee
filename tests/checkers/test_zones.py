"""Zones against brute force where that can be, against the general search where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.columns import columns_of
from checkers.history import Event, EventType, History
from checkers.linearizable import Linearizable
from checkers.models import CasRegister, ModelError, Register
from checkers.register_columns import register_columns
from checkers.search import Budget, search
from checkers.verdict import Limits, Verdict
from checkers.zones import Contradiction, Zones, judge
from tests.checkers.brute_force import cas_register, linearizable
from tests.checkers.literal import Bar, cas, history, read, write
from tests.checkers.strategies import Call, interleaved
from tests.examples import examples

UNBOUNDED = Limits(time_s=None)


def zones(
    drawn: History, initial: Any = 0, *, nil_reads_assert: bool = True, failed_cas_observes: bool = False
) -> Zones:
    model = CasRegister(initial, nil_reads_assert, failed_cas_observes=failed_cas_observes)
    return judge(register_columns(columns_of(drawn.operations()), model))


def kinds(*bars: Bar) -> list[Contradiction]:
    found = zones(history(*bars))
    assert not found.undecided
    return [finding.kind for finding in found.findings]


@st.composite
def written_once(draw: st.DrawFn) -> Sequence[Call]:
    """Operations whose written values are 1, 2, 3 and so on; reads and swaps expect any of them, or what is there."""
    calls: list[Call] = []
    value = 0
    for f in draw(st.lists(st.sampled_from(["read", "read", "write", "cas"]), max_size=6)):
        seen = draw(st.one_of(st.just(value), st.integers(0, 6)))
        if f == "read":
            calls.append(("read", None, draw(st.one_of(st.just(seen), st.none()))))
            continue
        value += 1
        made: Any = value if f == "write" else [seen, value]
        calls.append((f, made, made))
    return calls


@examples(4_000)
@given(interleaved(written_once()), st.booleans())
def test_zones_say_what_brute_force_says(drawn: History, nil_reads_assert: bool) -> None:
    found = zones(drawn, nil_reads_assert=nil_reads_assert)
    assert not found.undecided
    assert (not found.findings) == linearizable(drawn.operations(), 0, cas_register(nil_reads_assert))


@examples(4_000)
@given(interleaved(written_once()))
def test_failed_swaps_fit_or_do_not_or_are_left_to_the_search(drawn: History) -> None:
    found = zones(drawn, failed_cas_observes=True)
    observed = CasRegister(0, failed_cas_observes=True).observes
    truth = linearizable(drawn.operations(), 0, cas_register(True), observes=observed)
    assert truth or found.findings or found.undecided
    assert not truth or not found.findings


@st.composite
def executions(draw: st.DrawFn) -> History:
    """What a real register would answer to up to fifty operations on two keys, but for a read or two."""
    clients = draw(st.integers(2, 6))
    steps = draw(st.lists(st.tuples(st.integers(0, clients - 1), st.integers(0, 11)), max_size=180))
    corrupt = draw(st.lists(st.tuples(st.integers(0, 49), st.integers(0, 30)), max_size=2))
    return History(_carried_out(clients, steps, dict(corrupt)))


def _carried_out(clients: int, steps: Sequence[tuple[int, int]], corrupt: dict[int, int]) -> list[Event]:
    events: list[Event] = []
    registers: dict[str, int] = {"x": 0, "y": 0}
    running: list[tuple[str, str, Any, Any] | None] = [None] * clients
    process = list(range(clients))
    written = reads = 0

    def record(client: int, kind: EventType, f: str, key: str, value: Any) -> None:
        events.append(Event(len(events), None, process[client], kind, f, value, key))

    for client, draw in steps:
        now = running[client]
        if now is None:
            key, f = "xy"[draw % 2], ("read", "write", "cas")[draw % 3]
            argument: Any = None
            if f != "read":
                written += 1
                argument = written if f == "write" else [registers[key], written]
            record(client, EventType.INVOKE, f, key, argument)
            running[client] = (f, key, argument, None)
        elif now[3] is None and draw != 11:
            f, key, argument, _ = now
            outcome: Any = "ok"
            if f == "read":
                outcome = corrupt.get(reads, registers[key])
                reads += 1
            elif f == "write":
                registers[key] = argument
            elif registers[key] == argument[0]:
                registers[key] = argument[1]
            else:
                outcome = "fail"
            running[client] = (f, key, argument, (outcome,))
        else:
            f, key, argument, done = now
            running[client] = None
            if draw >= 10 or done is None:
                record(client, EventType.INFO, f, key, None)
                process[client] += clients
            elif done == ("fail",):
                record(client, EventType.FAIL, f, key, None)
            else:
                record(client, EventType.OK, f, key, done[0] if f == "read" else argument)
    return events


@examples(1_200)
@given(executions(), st.booleans())
def test_zones_say_what_the_search_says(drawn: History, failed_cas_observes: bool) -> None:
    found = zones(drawn, failed_cas_observes=failed_cas_observes)
    assert failed_cas_observes or not found.undecided
    invalid = {found_in.key for found_in in found.findings}
    model = CasRegister(0, failed_cas_observes=failed_cas_observes)
    for code, key in enumerate(columns_of(drawn.operations()).keys):
        of_key = [operation for operation in drawn.operations() if operation.key == key]
        searched = search(of_key, model, Budget(UNBOUNDED)).verdict
        if code not in found.undecided:
            assert searched is (Verdict.INVALID if code in invalid else Verdict.VALID)


def fits(*bars: Bar) -> str:
    """Judge bars whose failed swaps observe."""
    found = zones(history(*bars), failed_cas_observes=True)
    expected = Linearizable(CasRegister(0, failed_cas_observes=True)).check(history(*bars), UNBOUNDED).verdict
    if found.undecided:
        return f"undecided: {expected}"
    assert expected is (Verdict.INVALID if found.findings else Verdict.VALID)
    return ", ".join(finding.kind for finding in found.findings) or "valid"


def test_a_failed_swap_fits_before_its_value_comes_or_after_it_goes() -> None:
    #   0  |- write 1 ------------------|
    #   1     |- cas 1 2 fails -|
    assert fits(write(0, 0, 9, 1), cas(1, 2, 5, [1, 2], "fail")) == "valid"
    #   0  |- write 1 -|    |- write 3 -|
    #   1            |- cas 1 2 fails -|
    assert fits(write(0, 0, 2, 1), write(0, 4, 7, 3), cas(1, 3, 6, [1, 2], "fail")) == "valid"
    #   the second swap pushes the write behind its beginning, before which the first one was over
    assert fits(write(0, 0, 9, 1), cas(1, 1, 3, [0, 2], "fail"), cas(2, 4, 6, [1, 2], "fail")) == "undecided: invalid"


def test_a_failed_swap_does_not_fit_where_its_value_was_met_before_and_after() -> None:
    #   0  |- write 1 -|  |- cas 1 2 fails -|  |- read 1 -|
    bars = (write(0, 0, 1, 1), cas(0, 2, 3, [1, 2], "fail"), read(0, 4, 5, 1))
    assert fits(*bars) == "failed-cas"
    found = Linearizable(CasRegister(0, failed_cas_observes=True)).check(history(*bars), UNBOUNDED).anomalies[0]
    assert found.kind == "failed-cas"
    assert [operation.f for operation in found.operations] == ["write", "cas", "read"]
    assert "failed although 1 was there all along" in found.sentence
    assert fits(cas(0, 2, 3, [0, 2], "fail"), read(0, 4, 5, 0)) == "failed-cas"


def test_what_ended_info_may_have_taken_a_value_away_once() -> None:
    once = (write(0, 0, 1, 1), cas(0, 4, 5, [1, 2], "fail"))
    assert fits(*once) == "undecided: invalid"
    assert fits(*once, write(9, 2, 3, 7, "info")) == "valid"
    assert fits(*once, write(9, 6, 7, 7, "info")) == "undecided: invalid"
    assert fits(*once, cas(9, 2, 3, [1, 7], "info")) == "valid"
    assert fits(*once, cas(9, 2, 3, [3, 7], "info")) == "undecided: invalid"
    twice = (*once, write(0, 6, 7, 3), cas(0, 8, 9, [3, 2], "fail"))
    assert fits(*twice, write(9, 2, 3, 7, "info")) == "undecided: invalid"
    assert fits(*twice, write(9, 2, None, 7), write(8, 3, None, 8)) == "valid"
    #   the swap from 1 to 3 found 1, so nothing can have come in between
    chained = (*once, cas(0, 6, 7, [1, 3], "ok"))
    assert fits(*chained, write(9, 2, 3, 7, "info")) == "failed-cas"


def test_a_chain_of_swaps_against_time() -> None:
    #   0  |- cas 0 1 -|  |- cas 1 2 -|
    #   1                               |- read 2 -|  |- read 1 -|
    bars = (cas(0, 1, 2, [0, 1]), cas(0, 3, 4, [1, 2]), read(1, 5, 6, 2), read(1, 7, 8, 1))
    assert kinds(*bars) == [Contradiction.CAS_ORDER]
    found = Linearizable(CasRegister(0)).check(history(*bars), UNBOUNDED).anomalies[0]
    assert found.kind == "cas-order"
    assert [operation.f for operation in found.operations] == ["cas", "read"]
    assert "read of 1 by process 1 at 0.800 s saw a value after swaps had replaced it" in found.sentence


def test_swaps_in_a_circle() -> None:
    #   0  |- cas 2 1 -|
    #   1  |- cas 1 2 -|
    assert kinds(cas(0, 1, 3, [2, 1]), cas(1, 2, 4, [1, 2])) == [Contradiction.CIRCULAR_CAS]


def test_an_info_swap_that_nobody_needs_ties_nothing_together() -> None:
    #   0  |- cas 0 1 ?
    #   1                 |- write 2 -|  |- cas 2 3 -|
    bars = (cas(0, 1, None, [0, 1]), write(1, 2, 3, 2), cas(1, 4, 5, [2, 3]), read(1, 6, 7, 3))
    assert kinds(*bars) == []


def test_an_info_swap_is_needed_through_one_that_is() -> None:
    #   0  |- cas 0 1 ?
    #   1                 |- cas 1 2 ?
    #   2                                |- read 2 -|  |- read 1 -|
    bars = (cas(0, 1, None, [0, 1]), cas(1, 2, None, [1, 2]), read(2, 3, 4, 2), read(2, 5, 6, 1))
    assert kinds(*bars) == [Contradiction.CAS_ORDER]
    assert kinds(*bars[:3]) == []


def test_every_stale_read_is_told_not_only_the_first() -> None:
    bars = [write(0, 1, 2, 1), write(0, 3, 4, 2), read(1, 5, 6, 1), write(0, 7, 8, 3), write(0, 9, 10, 4)]
    bars += [read(1, 11, 12, 3), read(1, 13, 14, 4)]
    found = Linearizable(Register(0)).check(history(*bars), UNBOUNDED)
    assert [anomaly.kind for anomaly in found.anomalies] == ["stale-read", "stale-read"]
    assert found.statistics["keys_invalid"] == 1
    assert found.statistics["search_steps"] == 0


def test_a_value_of_two_writes_leaves_its_key_to_the_search_and_no_other() -> None:
    twice = (write(0, 1, 2, 1, key="a"), write(0, 3, 4, 1, key="a"), read(0, 5, 6, 1, key="a"))
    found = Linearizable(Register(0)).check(history(*twice, write(1, 7, 8, 1, key="b")), UNBOUNDED)
    assert found.verdict is Verdict.VALID
    assert (found.statistics["keys"], found.statistics["keys_by_zones"]) == (2, 1)


def test_the_initial_value_written_again_is_a_value_of_two() -> None:
    assert zones(history(write(0, 1, 2, 0), read(0, 3, 4, 0))).undecided == {0}


def test_one_value_on_two_keys_is_two_values() -> None:
    bars = (
        write(0, 1, 2, 1, key="a"),
        write(0, 3, 4, 1, key="b"),
        read(0, 5, 6, 1, key="a"),
        read(0, 7, 8, 0, key="b"),
    )
    found = zones(history(*bars))
    assert [(finding.kind, finding.late) for finding in found.findings] == [(Contradiction.OVERLAP, 3)]


@pytest.mark.parametrize("argument", [None, 3, [1, 2, 3], "ab"])
def test_a_swap_that_is_none_is_an_error(argument: Any) -> None:
    with pytest.raises(ModelError, match="CasRegister does not know the operation cas"):
        zones(history(cas(0, 1, 2, argument)))
