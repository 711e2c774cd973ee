"""Banks: totals, overdrafts, and balances that no transfers can have led to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.bank import Bank
from checkers.findings import MisfitError
from checkers.history import Event, EventType, History
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.executions import executions
from tests.checkers.literal import Bar, history, read

UNBOUNDED = Limits(time_s=None)


def transfer(process: int, start: int, end: int | None, way: str, amount: int, outcome: str = "ok") -> Bar:
    said = {"from": way[0], "to": way[1], "amount": amount}
    return Bar(process, start, end, "transfer", said, said, outcome)


def balances(process: int, start: int, end: int, **found: Any) -> Bar:
    return read(process, start, end, found)


def check(*bars: Bar, **options: Any) -> CheckResult:
    return Bank(**options).check(history(*bars), UNBOUNDED)


def kinds(found: CheckResult) -> list[str]:
    return [anomaly.kind for anomaly in found.anomalies]


def test_money_that_moves_is_valid() -> None:
    found = check(balances(1, 1, 2, a=10, b=10), transfer(0, 3, 4, "ab", 4), balances(1, 5, 6, a=6, b=14))
    assert (found.verdict, found.anomalies) == (Verdict.VALID, ())
    assert (found.statistics["reads"], found.statistics["transfers"]) == (2, 1)


def test_half_a_transfer_is_a_wrong_total() -> None:
    found = check(balances(1, 1, 2, a=10, b=10), transfer(0, 3, 6, "ab", 4), balances(1, 4, 5, a=6, b=10))
    assert kinds(found) == ["wrong-total"]
    assert found.sentence.endswith("adds up to 16, not to 20.")
    assert kinds(check(balances(1, 1, 2, a=10, b=10), total=21)) == ["wrong-total"]


def test_an_overdraft_is_an_anomaly_where_it_is_promised_that_there_is_none() -> None:
    assert kinds(check(balances(1, 1, 2, a=-1, b=21), total=20)) == ["negative-value"]
    assert check(balances(1, 1, 2, a=-1, b=21), total=20, negative_balances=True).verdict is Verdict.VALID


def test_accounts_without_balance_and_balances_without_account() -> None:
    assert kinds(check(balances(1, 1, 2, a=None, b=20))) == ["nil-balance"]
    assert kinds(check(balances(1, 1, 2, a=0, b=20), accounts=("a", "c"))) == ["unexpected-key"]


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        ({"a": 10, "b": 10}, ["impossible-balance"]),
        ({"a": 2, "b": 18}, ["impossible-balance"]),
        ({"a": 6, "b": 14}, []),
    ],
)
def test_a_transfer_lost_or_made_twice_leaves_impossible_balances(shown: dict[str, int], kind: list[str]) -> None:
    bars = (transfer(0, 1, 2, "ab", 4), balances(1, 3, 4, **shown))
    assert kinds(check(*bars, initial=10)) == kind
    assert kinds(check(*bars)) == []  # of totals alone, nothing is to be seen


def test_a_transfer_of_unknown_outcome_may_have_been_made() -> None:
    bars = (transfer(0, 1, None, "ab", 4), balances(1, 3, 4, a=10, b=10), balances(1, 5, 6, a=6, b=14))
    assert check(*bars, initial=10).verdict is Verdict.VALID
    failed = (transfer(0, 1, 2, "ab", 4, "fail"), balances(1, 3, 4, a=6, b=14))
    assert kinds(check(*failed, initial=10)) == ["impossible-balance"]


def test_balances_may_be_a_list_and_must_be_something() -> None:
    assert check(read(0, 1, 2, [5, 5, 5]), total=15).verdict is Verdict.VALID
    assert check(read(0, 1, 2, [["a", 5], ["b", 6]]), total=11).verdict is Verdict.VALID
    assert check(transfer(0, 1, 2, "ab", 4)).verdict is Verdict.UNKNOWN
    with pytest.raises(MisfitError, match="shows no balances"):
        check(read(0, 1, 2, 5))
    with pytest.raises(MisfitError, match="does not say from, to and amount"):
        check(Bar(0, 1, 2, "transfer", 4, 4), read(0, 3, 4, [5]), initial=5)


def act(state: dict[str, int], f: str, value: Any) -> tuple[Any, Any] | None:
    if f == "read":
        return state, dict(state)
    after = dict(state)
    after[value["from"]] -= value["amount"]
    after[value["to"]] += value["amount"]
    return None if min(after.values()) < 0 else (after, value)


WAYS = st.builds(
    lambda start, to, amount: ("transfer", {"from": start, "to": to, "amount": amount}),
    st.sampled_from("abc"),
    st.sampled_from("abc"),
    st.integers(1, 5),
)
EXECUTIONS = executions(act, dict.fromkeys("abc", 6), st.one_of(st.just(("read", None)), WAYS))
STRICT = Bank(initial=6, accounts=tuple("abc"))


@given(EXECUTIONS)
def test_a_correct_bank_is_never_reported(history: Any) -> None:
    assert STRICT.check(history, UNBOUNDED).verdict is not Verdict.INVALID


@given(EXECUTIONS, st.data())
def test_money_made_or_destroyed_is_always_found(history: History, data: st.DataObject) -> None:
    shown = [n for n, event in enumerate(history.events) if event.f == "read" and event.type is EventType.OK]
    if not shown:
        return
    place = data.draw(st.sampled_from(shown))
    event = history.events[place]
    wrong = dict(event.value) | {"b": event.value["b"] + data.draw(st.sampled_from([-2, -1, 1, 2]))}
    events = list(history.events)
    events[place] = Event(event.index, event.time, event.process, event.type, event.f, wrong)
    found = STRICT.check(History(events), UNBOUNDED)
    assert found.statistics["wrong-total"] == 1
