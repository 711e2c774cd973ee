"""Each anomaly planted by hand, found under its own name; the same histories set right show none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from checkers.history import Event, EventType, History
from checkers.transactions.checker import ListAppendTransactions, RegisterTransactions
from checkers.transactions.consistency import ANOMALIES, MODELS, ruled_out, weakest
from checkers.verdict import CheckResult, Limits, Verdict

EVERYTHING = Limits(time_s=None, anomalies_max=100)
Transaction = tuple[int, int, int | None, str, str]
"""Process, when it began and ended, how, and its steps: ``ax1`` appends or writes 1 to x, ``rx12`` reads it as [1, 2]
(or as 12), ``rx`` as nil."""


def history(planted: Sequence[Transaction], lists: bool) -> History:
    """Return the history of transactions; no two moments may be the same."""
    moments: dict[int, Event] = {}
    for process, start, end, outcome, text in planted:
        steps = [step(word, lists) for word in text.split()]
        asked = [[f, key, None if f == "r" else value] for f, key, value in steps]
        told = steps if outcome == "ok" else asked
        for at, kind, value in ((start, EventType.INVOKE, asked), (end, EventType(outcome), told)):
            if at is not None:
                assert at not in moments
                moments[at] = Event(at, at * 1_000_000, process, kind, "txn", value)
    return History([moments[at] for at in sorted(moments)])


def step(word: str, lists: bool) -> list[Any]:
    f, key, digits = word[0], word[1], word[2:]
    if f == "a":
        return ["append" if lists else "w", key, int(digits)]
    if lists:
        return ["r", key, [int(digit) for digit in digits] or None]
    return ["r", key, int(digits) if digits else None]


def check(planted: Sequence[Transaction], *, lists: bool, expected: str = "strict-serializable") -> CheckResult:
    checker = ListAppendTransactions(expected) if lists else RegisterTransactions(expected)
    return checker.check(history(planted, lists), EVERYTHING)


def beside(*texts: str, outcome: str = "ok") -> list[Transaction]:
    """Transactions that all run at the same time, each by a process of its own."""
    count = len(texts)
    return [(number, number, count + number, outcome, text) for number, text in enumerate(texts)]


def after(*texts: str, processes: Sequence[int] = (0, 0, 0, 0, 0, 0)) -> list[Transaction]:
    """Transactions one after the other."""
    return [(processes[number], 2 * number, 2 * number + 1, "ok", text) for number, text in enumerate(texts)]


def spread(*texts: str) -> list[Transaction]:
    """One after the other, each by a process of its own."""
    return after(*texts, processes=range(len(texts)))


def session(*texts: str, others: Sequence[str]) -> list[Transaction]:
    """One process's transactions, one after the other, and others that run beside all of them."""
    count = len(others)
    mine: list[Transaction] = [(0, count + 2 * n, count + 2 * n + 1, "ok", text) for n, text in enumerate(texts)]
    end = count + 2 * len(texts)
    return mine + [(n + 1, n, end + n, "ok", text) for n, text in enumerate(others)]


LISTS: dict[str, list[Transaction]] = {
    "G0": beside("ax1 ay1", "ax2 ay2", "rx12 ry21"),
    "G0-process": session("ax1", "ay1", others=["ay2 ax3", "ry12 rx31"]),
    "G0-realtime": [(0, 1, 2, "ok", "ax1"), (1, 3, 4, "ok", "ax2"), (2, 0, 5, "ok", "rx21")],
    "G1c": beside("ax1 ry1", "ay1 rx1"),
    "G1c-process": session("rx1", "ay1", others=["ry1 ax1"]),
    "G1c-realtime": [(0, 0, 1, "ok", "rx1"), (1, 2, 3, "ok", "ax1")],
    "G-single": beside("ax1 ay1", "rx1 ry", "ry1"),
    "G-single-process": session("ax1", "rx", others=["rx1"]),
    "G-single-realtime": spread("ax1", "rx", "rx1"),
    "G-nonadjacent": beside("ax1", "ay1", "rx1 ry", "ry1 rx"),
    "G-nonadjacent-process": session("az1", "rx", others=["ax1 ay1", "ry1 rz"]),
    "G-nonadjacent-realtime": [
        (0, 2, 3, "ok", "az1"),
        (1, 4, 5, "ok", "rx"),
        (2, 0, 6, "ok", "ax1 ay1"),
        (3, 1, 7, "ok", "ry1 rz"),
    ],
    "G2-item": beside("rx ay1", "ry ax1", "rx1 ry1"),
    "G2-item-process": session("az1", "ry", others=["ay1 rz"]),
    "G2-item-realtime": [(0, 1, 2, "ok", "az1"), (1, 3, 4, "ok", "ry"), (2, 0, 5, "ok", "ay1 rz")],
    "internal": after("ax1 rx"),
    "G1a": [(0, 0, 1, "fail", "ax1"), (1, 2, 3, "ok", "rx1")],
    "G1b": beside("ax1 ax2", "rx1"),
    "lost-update": beside("rx ax1", "rx ax2"),
    "dirty-update": [(0, 0, 1, "fail", "ax1"), (1, 2, 3, "ok", "ax2"), (2, 4, 5, "ok", "rx12")],
    "incompatible-order": beside("ax1", "ax2", "rx12", "rx21"),
    "duplicate-elements": after("ax1", "rx11"),
    "future-read": after("rx1 ax1"),
    "garbage-read": after("rx7"),
}
REGISTERS: dict[str, list[Transaction]] = {
    "G0": beside("ax1 ry1 ay2", "rx1 ax2 ay1"),
    "G1c": beside("ax1 ry1", "ay1 rx1"),
    "G1c-process": session("rx1", "ay1", others=["ry1 ax1"]),
    "G1c-realtime": [(0, 0, 1, "ok", "rx1"), (1, 2, 3, "ok", "ax1")],
    "G-single": beside("ax1 ay1", "rx1 ry"),
    "G-single-process": session("ax1", "rx", others=["ry"]),
    "G-single-realtime": spread("ax1", "ax2", "rx1"),
    "G-nonadjacent": beside("ax1", "ay1", "rx1 ry", "ry1 rx"),
    "G-nonadjacent-process": LISTS["G-nonadjacent-process"],
    "G-nonadjacent-realtime": LISTS["G-nonadjacent-realtime"],
    "G2-item": beside("rx ay1", "ry ax1"),
    "G2-item-process": LISTS["G2-item-process"],
    "G2-item-realtime": LISTS["G2-item-realtime"],
    "internal": after("ax1 rx2", "ax2"),
    "G1a": [(0, 0, 1, "fail", "ax1"), (1, 2, 3, "ok", "rx1")],
    "G1b": beside("ax1 ax2", "rx1"),
    "lost-update": beside("rx ax1", "rx ax2"),
    "dirty-update": [(0, 0, 1, "fail", "ax1"), (1, 2, 3, "ok", "rx1 ax2")],
    "cyclic-versions": beside("rx1 ax2", "rx2 ax1"),
    "future-read": after("rx1 ax1"),
    "garbage-read": after("rx7"),
}
PLANTED = [
    pytest.param(lists, name, planted, id=f"{'lists' if lists else 'registers'}-{name}")
    for lists, table in ((True, LISTS), (False, REGISTERS))
    for name, planted in table.items()
]


@pytest.mark.parametrize(("lists", "name", "planted"), PLANTED)
def test_a_planted_anomaly_is_found_by_its_name(lists: bool, name: str, planted: list[Transaction]) -> None:
    found = check(planted, lists=lists)
    assert name in {anomaly.kind for anomaly in found.anomalies}, found
    assert found.verdict is Verdict.INVALID
    assert found.statistics[name] >= 1


@pytest.mark.parametrize(("lists", "name", "planted"), PLANTED)
def test_the_verdict_depends_on_the_model_that_is_expected(lists: bool, name: str, planted: list[Transaction]) -> None:
    kinds = {anomaly.kind for anomaly in check(planted, lists=lists).anomalies}
    for model in MODELS:
        violated = model in ruled_out(kinds)
        found = check(planted, lists=lists, expected=model)
        assert (found.verdict is Verdict.INVALID) == violated
        assert {anomaly.kind for anomaly in found.anomalies} == kinds, "what is permitted is told, too"


def test_every_anomaly_of_the_table_is_planted() -> None:
    assert {*LISTS, *REGISTERS} == set(ANOMALIES)


CLEAN = [
    (True, after("ax1", "rx1 ax2", "rx12", "ay3 ry3 rx12")),
    (True, spread("ax1", "rx1 ax2 rx12", "rx12")),
    (True, [(0, 0, None, "info", "ax1"), (1, 1, 2, "ok", "rx"), (1, 3, 4, "ok", "rx1")]),  # it happened, later
    (True, [(0, 0, None, "info", "ax1"), (1, 1, 2, "ok", "rx ax2"), (1, 3, 4, "ok", "rx2")]),  # or never
    (True, [(0, 0, 1, "fail", "ax1"), (1, 2, 3, "ok", "rx ax2"), (1, 4, 5, "ok", "rx2")]),
    (False, after("ax1", "rx1 ax2", "rx2", "ay3 ry3 rx2")),
    (False, spread("ax1", "rx1 ax2 rx2", "rx2")),
    (False, [(0, 0, None, "info", "ax1"), (1, 1, 2, "ok", "rx"), (1, 3, 4, "ok", "rx1")]),
    (False, [(0, 0, None, "info", "ax1"), (1, 1, 2, "ok", "ax2"), (1, 3, 4, "ok", "rx2"), (1, 5, 6, "ok", "rx1")]),
    (False, [(0, 0, 1, "fail", "ax1"), (1, 2, 3, "ok", "rx ax2"), (1, 4, 5, "ok", "rx2")]),
]


@pytest.mark.parametrize(("lists", "planted"), CLEAN)
def test_nothing_is_reported_of_a_clean_history(lists: bool, planted: list[Transaction]) -> None:
    found = check(planted, lists=lists)
    assert (found.verdict, found.anomalies) == (Verdict.VALID, ())


def test_a_cycle_is_told_as_a_contradiction() -> None:
    found = check(spread("ax1", "rx", "rx1"), lists=True)
    assert found.anomalies[0].sentence == (
        "G-single-realtime: let T1 = [r x nil] (process 1), and T2 = [append x 1] (process 0). Then T1 < T2, because "
        "T1 observed key x before anything was appended to it, and T2 appended 1. However T2 < T1, because T2 was over "
        "at 0.001 s, before T1 began at 0.002 s: a contradiction"
    )
    assert [operation.process for operation in found.anomalies[0].operations] == [0, 1]
    assert found.anomalies[0].key == "x"
    assert "this is not strong-snapshot-isolation" in found.sentence


def test_registers_say_why_a_version_is_later() -> None:
    sentence = check(spread("ax1", "ax2", "rx1"), lists=False).anomalies[0].sentence
    assert "observed key x = 1, which T2's write of 2 came after, by real time" in sentence


def test_a_long_cycle_is_shortened() -> None:
    """Each of ten transactions reads what the one before it wrote, the first what the last did."""
    texts = [f"a{chr(97 + n)}1 r{chr(97 + (n - 1) % 10)}1" for n in range(10)]
    found = check(beside(*texts), lists=True)
    (cycle,) = found.anomalies
    assert cycle.kind == "G1c"
    assert "so on over 4 more up to T10" in cycle.sentence
    assert len(cycle.operations) == 6
    assert len(set(re.findall(r"T\d+ = ", cycle.sentence))) == 6


@pytest.mark.parametrize("lists", [True, False])
def test_what_is_written_twice_cannot_be_judged(lists: bool) -> None:
    found = check(after("ax1", "ax1", "rx1"), lists=lists)
    assert found.verdict is Verdict.UNKNOWN
    assert "more than once" in found.sentence


@pytest.mark.parametrize("planted", [[], after("rx"), after("ax1", "ay2"), beside("ax1", outcome="info")])
@pytest.mark.parametrize("lists", [True, False])
def test_where_nothing_depends_on_anything_nothing_is_known(planted: list[Transaction], lists: bool) -> None:
    assert check(planted, lists=lists).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("limits", [Limits(time_s=0.0), Limits(time_s=None, steps=0)])
def test_a_bound_gives_unknown(limits: Limits) -> None:
    planted = [
        text for n in range(30) for text in (f"r{chr(97 + n)} a{chr(65 + n)}1", f"r{chr(65 + n)} a{chr(97 + n)}1")
    ]
    found = ListAppendTransactions().check(history(beside(*planted), lists=True), limits)
    assert found.verdict is Verdict.UNKNOWN
    assert "bound" in found.sentence


@pytest.mark.parametrize("steps", range(0, 60, 3))
def test_wherever_a_bound_cuts_the_search_nothing_is_called_valid(steps: int) -> None:
    found = history(beside("rx ay1 az1", "ry ax1", "rz ax2"), lists=True)
    for model in ("serializable", "strict-serializable"):
        cut = ListAppendTransactions(model).check(found, Limits(time_s=None, steps=steps))
        assert cut.verdict is not Verdict.VALID
        assert ListAppendTransactions(model).check(found, EVERYTHING).verdict is Verdict.INVALID


def test_a_transaction_of_unknown_outcome_took_place_as_a_whole_if_anything_of_it_was_read() -> None:
    planted: list[Transaction] = [(0, 0, None, "info", "ax1 ay1"), (1, 1, 2, "ok", "rx1 ry")]
    for lists in (True, False):
        found = check(planted, lists=lists)
        assert {anomaly.kind for anomaly in found.anomalies} == {"G-single"}


def test_of_what_a_bound_left_open_only_what_matters_counts() -> None:
    checker = ListAppendTransactions("snapshot-isolation")
    stale = history(spread("ax1", "rx", "rx1"), lists=True)
    assert checker.check(stale, EVERYTHING).verdict is Verdict.VALID
    assert checker.check(stale, Limits(time_s=None, steps=0)).verdict is Verdict.VALID, "only real time is in doubt"


def test_models_and_their_names() -> None:
    assert weakest(ruled_out(["G0"])) == ("read-uncommitted",)
    assert weakest(ruled_out(["G1a"])) == ("read-committed",)
    assert set(weakest(ruled_out(["G2-item"]))) == {"repeatable-read"}
    assert ruled_out(["G2-item-realtime"]) == {"strict-serializable"}
    assert "snapshot-isolation" not in ruled_out(["G2-item"])
    with pytest.raises(ValueError, match="did you mean 'serializable'"):
        ListAppendTransactions("serialisable")
