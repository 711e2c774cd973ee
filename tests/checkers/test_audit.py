"""The audit of the nodes' logs: one healthy cluster, and one planted fault at a time."""

from __future__ import annotations

import msgspec
import pytest

from checkers.audit import (
    Accepted,
    AuditEvent,
    AuditValue,
    Ballot,
    ChosenLearned,
    Incarnation,
    NodeAudit,
    NodeLog,
    PromiseMade,
)  # fmt: skip
from checkers.history import History
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.literal import Bar, append, cas, history, read, write

UNBOUNDED = Limits(time_s=None)
FIRST: Ballot = (1, 0)
SECOND: Ballot = (2, 1)


def value(*refs: str) -> AuditValue:
    return AuditValue("digest-" + "+".join(refs), refs)


def healthy(node: str) -> NodeLog:
    events: tuple[AuditEvent, ...] = (
        Incarnation(1),
        PromiseMade(FIRST),
        Accepted(1, FIRST, value("c/1")),
        Accepted(2, FIRST, value("c/2", "d/1")),
        ChosenLearned(1, value("c/1")),
        ChosenLearned(2, value("c/2", "d/1")),
    )
    return NodeLog(node, events, 2, {1: "s1", 2: "s2"})


CLUSTER = tuple(healthy(node) for node in ("n1", "n2", "n3"))

#   0  |- write c/1 -|  |- write c/2 -|
#   1     |- cas d/1 -----|               |- read -|
SERVED = history(
    write(0, 1, 2, 1, ref="c/1"), write(0, 4, 5, 2, ref="c/2"), cas(1, 3, 6, [1, 5], ref="d/1"), read(1, 7, 8, 2)
)


def check(*logs: NodeLog, served: History = SERVED, size: int | None = None) -> CheckResult:
    return NodeAudit(logs, cluster_size=size).check(served, UNBOUNDED)


def with_events(log: NodeLog, *events: AuditEvent) -> NodeLog:
    return msgspec.structs.replace(log, events=log.events + events)


def without(log: NodeLog, kind: type, slot: int) -> NodeLog:
    kept = tuple(event for event in log.events if not (isinstance(event, kind) and getattr(event, "slot", 0) == slot))
    return msgspec.structs.replace(log, events=kept)


def test_a_healthy_cluster_passes() -> None:
    found = check(*CLUSTER)
    assert found.verdict is Verdict.VALID
    assert found.statistics["slots_chosen"] == 2
    assert found.statistics["acknowledged"] == 3
    assert found.statistics["digests_compared"] == 4


X = value("x/1")

PLANTED: list[tuple[str, str, tuple[AuditEvent, ...]]] = [
    ("slot-conflict", "slot 2 has 2 chosen values", (ChosenLearned(2, X),)),
    ("promise-regressed", "promised (1, 0) after it had promised (2, 1)", (PromiseMade(SECOND), PromiseMade(FIRST))),
    ("promise-regressed", "promised (1, 0)", (PromiseMade(SECOND), Incarnation(2), PromiseMade(FIRST))),
    ("promise-regressed", "promised (1, 0)", (Accepted(3, SECOND, X), PromiseMade(FIRST))),
    ("accepted-below-promise", "accepted slot 3 at (1, 0)", (PromiseMade(SECOND), Accepted(3, FIRST, X))),
    ("accepted-below-promise", "accepted slot 3 at (1, 0)", (Accepted(4, SECOND, X), Accepted(3, FIRST, X))),
    ("ballot-conflict", "ballot (1, 0) proposed two values for slot 2", (Accepted(2, FIRST, X),)),
    ("incarnation-reused", "incarnation 1 after 1", (Incarnation(1),)),
]


@pytest.mark.parametrize(("kind", "sentence", "events"), PLANTED)
def test_each_broken_invariant_of_one_node_is_found(kind: str, sentence: str, events: tuple[AuditEvent, ...]) -> None:
    found = check(with_events(CLUSTER[0], *events), *CLUSTER[1:])
    assert found.verdict is Verdict.INVALID
    assert [anomaly.kind for anomaly in found.anomalies] == [kind]
    assert sentence in found.sentence


def test_a_second_majority_for_another_value_is_a_conflict_though_nobody_learned_it() -> None:
    logs = [with_events(log, PromiseMade(SECOND), Accepted(2, SECOND, X)) for log in CLUSTER[:2]]
    found = check(*logs, CLUSTER[2])
    assert [anomaly.kind for anomaly in found.anomalies] == ["slot-conflict"]
    assert "accepted by the majority n1, n2 at (2, 1)" in found.sentence


def test_a_minority_for_another_value_is_none() -> None:
    found = check(with_events(CLUSTER[0], PromiseMade(SECOND), Accepted(2, SECOND, X)), *CLUSTER[1:])
    assert found.verdict is Verdict.VALID


def test_the_majority_is_of_the_cluster_not_of_the_logs() -> None:
    logs = [with_events(log, PromiseMade(SECOND), Accepted(2, SECOND, X)) for log in CLUSTER[:2]]
    assert check(*logs, CLUSTER[2], size=5).verdict is Verdict.VALID


def test_what_a_majority_accepted_counts_as_chosen() -> None:
    logs = [without(log, ChosenLearned, 2) for log in CLUSTER]
    assert check(*logs).verdict is Verdict.VALID


def test_nodes_named_by_numbers_are_ordered_as_numbers() -> None:
    log = NodeLog("n1", (PromiseMade((1, 9)), PromiseMade((1, 10))), 0)
    assert NodeAudit([log]).check(history(), UNBOUNDED).verdict is Verdict.VALID


def test_an_acknowledged_change_in_no_log_is_lost() -> None:
    #   2  |- write e/1 -|
    served = history(write(2, 1, 2, 7, ref="e/1"))
    found = check(*CLUSTER, served=served)
    assert found.verdict is Verdict.INVALID
    assert found.anomalies[0].kind == "lost"
    assert found.anomalies[0].operations == served.operations()
    assert found.sentence.startswith("write of 7 by process 2 at 0.200 s was acknowledged, but 'e/1'")


def test_too_few_logs_cannot_show_that_something_was_not_chosen() -> None:
    served = history(write(2, 1, 2, 7, ref="e/1"))
    assert check(CLUSTER[0], served=served, size=3).verdict is Verdict.UNKNOWN
    assert check(*CLUSTER[:2], served=served, size=3).verdict is Verdict.INVALID
    one_vote = with_events(CLUSTER[0], Accepted(3, FIRST, value("e/1")))
    assert check(one_vote, CLUSTER[1], served=served, size=3).verdict is Verdict.UNKNOWN
    assert check(one_vote, *CLUSTER[1:], served=served).verdict is Verdict.INVALID


def test_one_node_that_has_it_is_enough() -> None:
    logs = [without(without(log, ChosenLearned, 2), Accepted, 2) for log in CLUSTER[1:]]
    assert check(CLUSTER[0], *logs).verdict is Verdict.VALID


def test_a_missing_change_may_be_in_a_slot_that_nobody_knows() -> None:
    logs = [without(without(log, ChosenLearned, 1), Accepted, 1) for log in CLUSTER]
    found = check(*logs)
    assert found.verdict is Verdict.UNKNOWN
    assert "in slot 1" in found.sentence
    assert found.statistics["slots_unknown"] == 1


def test_reads_and_changes_that_were_not_acknowledged_need_not_be_there() -> None:
    #   0  |- read -|
    #   1            |- write x|
    #   2                        |- append ?
    bars = (read(0, 1, 2, 1, ref="r/1"), write(1, 3, 4, 1, "fail", ref="f/1"), append(2, 5, None, 1, ref="i/1"))
    assert check(*CLUSTER, served=history(*bars)).verdict is Verdict.VALID


def test_transactions_that_only_read_need_not_be_there() -> None:
    looks = Bar(0, 1, 2, "txn", [["r", "x", None]], [["r", "x", 1]], ref="t/1")
    changes = Bar(0, 1, 2, "txn", [["w", "x", 1]], [["w", "x", 1]], ref="t/1")
    assert check(*CLUSTER, served=history(looks)).verdict is Verdict.VALID
    assert check(*CLUSTER, served=history(changes)).verdict is Verdict.INVALID


def test_a_retried_command_in_two_slots_is_counted_not_judged() -> None:
    logs = [with_events(log, ChosenLearned(3, value("c/1", "e/9"))) for log in CLUSTER]
    found = check(*logs)
    assert found.verdict is Verdict.VALID
    assert found.statistics["refs_in_several_slots"] == 1


def test_failed_and_unknown_changes_in_the_log_are_counted() -> None:
    bars = (cas(0, 1, 2, [3, 4], "fail", ref="c/1"), write(1, 3, None, 1, ref="c/2"))
    found = check(*CLUSTER, served=history(*bars))
    assert (found.statistics["failed_in_log"], found.statistics["recovered"]) == (1, 1)


def test_a_digest_alone_is_the_same_value() -> None:
    bare = AuditValue("digest-c/1")
    logs = (with_events(CLUSTER[0], ChosenLearned(1, bare)), *CLUSTER[1:])
    assert check(*logs).verdict is Verdict.VALID
    first = NodeLog("n0", (ChosenLearned(1, bare),), 1)
    assert check(first, *CLUSTER).verdict is Verdict.VALID


def test_states_that_differ_after_the_same_slot() -> None:
    found = check(CLUSTER[0], msgspec.structs.replace(CLUSTER[1], digests={2: "other"}), CLUSTER[2])
    assert [anomaly.kind for anomaly in found.anomalies] == ["state-divergence"]
    assert "after slot 2 the state of n2 (other) is not that of n1 (s2)" in found.sentence


def test_without_logs_or_refs_nothing_is_known() -> None:
    assert check().verdict is Verdict.UNKNOWN
    assert check(served=history()).verdict is Verdict.UNKNOWN
    assert check(*CLUSTER, served=history(write(0, 1, 2, 1))).verdict is Verdict.UNKNOWN


def test_logs_travel_as_json() -> None:
    encoded = msgspec.json.encode(CLUSTER)
    assert msgspec.json.decode(encoded, type=tuple[NodeLog, ...]) == CLUSTER


@pytest.mark.parametrize(("members_change", "verdict"), [(False, Verdict.INVALID), (True, Verdict.UNKNOWN)])
def test_where_members_change_one_node_may_have_chosen_alone(members_change: bool, verdict: Verdict) -> None:
    """n1 has accepted a commit that nobody knows to be chosen: of three members it cannot be, of one it is."""
    cut = tuple(
        msgspec.structs.replace(without(without(log, ChosenLearned, 2), Accepted, 2), applied_upto=1) for log in CLUSTER
    )
    last = with_events(cut[0], Accepted(2, FIRST, value("c/2", "d/1")))
    audit = NodeAudit((last, *cut[1:]), members_change=members_change)
    assert audit.check(SERVED, UNBOUNDED).verdict is verdict
    nowhere = NodeAudit(cut, members_change=members_change)
    assert nowhere.check(SERVED, UNBOUNDED).verdict is Verdict.INVALID
