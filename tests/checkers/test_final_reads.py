"""Lost commits as clients see them: acknowledged changes against the final reads."""

from __future__ import annotations

import pytest

from checkers.final_reads import FinalReads
from checkers.verdict import CheckResult, Limits, Verdict
from tests.checkers.literal import Bar, add, append, cas, history, read, write

UNBOUNDED = Limits(time_s=None)


def check(*bars: Bar) -> CheckResult:
    return FinalReads(initial=0).check(history(*bars), UNBOUNDED)


@pytest.mark.parametrize(
    "bars",
    [
        #   0  |- write 1 -|  |- write 2 -|  |- read 2 -|
        (write(0, 1, 2, 1), write(0, 3, 4, 2), read(0, 5, 6, 2)),
        #   0  |- write 1 ------|
        #   1     |- write 2 ------|  |- read 1 -|
        (write(0, 1, 3, 1), write(1, 2, 4, 2), read(1, 5, 6, 1)),
        #   0  |- write 1 -|  |- cas 1 5 -|  |- read 5 -|
        (write(0, 1, 2, 1), cas(0, 3, 4, [1, 5]), read(0, 5, 6, 5)),
        #   0  |- write 1 ?
        #   1     |- write 2 -|  |- read 1 -|
        (write(0, 1, None, 1), write(1, 2, 3, 2), read(1, 4, 5, 1)),
        #   0  |- write 1 -|  |- write 2 -|  |- write 1 -|  |- read 1 -|
        (write(0, 1, 2, 1), write(0, 3, 4, 2), write(0, 5, 6, 1), read(0, 7, 8, 1)),
        #   0  |- write 2 -|  |- write 1 x|  |- read 2 -|
        (write(0, 1, 2, 2), write(0, 3, 4, 1, "fail"), read(0, 5, 6, 2)),
        (append(0, 1, 2, 1), append(0, 3, 4, 2), read(0, 5, 6, [1, 2])),
        (append(0, 1, 2, "a"), append(0, 3, 4, "b"), read(0, 5, 6, "ab")),
        (append(0, 1, 2, "a"), append(0, 3, 4, "aa"), read(0, 5, 6, "aaa")),
        (add(0, 1, 2, 1), add(0, 3, 4, 2), read(0, 5, 6, [2, 1])),
        (append(0, 1, 2, 1), append(0, 3, 4, 1), read(0, 5, 6, [1, 1])),
    ],
)
def test_nothing_is_lost(bars: tuple[Bar, ...]) -> None:
    assert (check(*bars).verdict, check(*bars).anomalies_total) == (Verdict.VALID, 0)


@pytest.mark.parametrize(
    ("bars", "kind", "names"),
    [
        #   0  |- write 1 -|  |- write 2 -|  |- read 1 -|
        ((write(0, 1, 2, 1), write(0, 3, 4, 2), read(0, 5, 6, 1)), "lost", "write of 2 by process 0 at 0.400 s"),
        #   0  |- write 1 -|  |- read 0 -|
        ((write(0, 1, 2, 1), read(0, 3, 4, 0)), "lost", "write of 1 by process 0"),
        #   0  |- write 1 -|  |- cas 1 5 -|  |- read 1 -|
        ((write(0, 1, 2, 1), cas(0, 3, 4, [1, 5]), read(0, 5, 6, 1)), "lost", "cas from 1 to 5"),
        #   0  |- write 1 -|  |- read 9 -|
        ((write(0, 1, 2, 1), read(0, 3, 4, 9)), "unexpected", "never written"),
        #   0  |- write 1 -|  |- write 9 x|  |- read 9 -|
        ((write(0, 1, 2, 1), write(0, 3, 4, 9, "fail"), read(0, 5, 6, 9)), "unexpected", "that change failed"),
        #   0  |- write 1 -|  |- read 9 -|  |- write 9 ?
        ((write(0, 1, 2, 1), read(0, 3, 4, 9), write(0, 5, None, 9)), "unexpected", "returned 9"),
        ((append(0, 1, 2, 1), append(0, 3, 4, 2), read(0, 5, 6, [2])), "lost", "append of 1"),
        ((append(0, 1, 2, 1), read(0, 3, 4, [1, 1])), "duplicated", "2 times"),
        ((append(0, 1, 2, 1), read(0, 3, 4, [1, 7])), "unexpected", "never added"),
        ((append(0, 1, 2, 1), append(0, 3, 4, 7, "fail"), read(0, 5, 6, [1, 7])), "unexpected", "failed"),
        ((append(0, 1, 2, "a"), read(0, 3, 4, "")), "lost", "append of 'a'"),
        ((append(0, 1, 2, "a"), read(0, 3, 4, "aa")), "duplicated", "2 times"),
        ((add(0, 1, 2, 1), read(0, 3, 4, None)), "lost", "add of 1"),
        ((append(0, 1, 2, 1), append(0, 3, 4, 1), read(0, 5, 6, [1])), "lost", "append of 1"),
    ],
)
def test_each_loss_is_named(bars: tuple[Bar, ...], kind: str, names: str) -> None:
    found = check(*bars)
    assert found.verdict is Verdict.INVALID
    assert [anomaly.kind for anomaly in found.anomalies] == [kind]
    assert names in found.sentence


@pytest.mark.parametrize(
    "bars",
    [
        (),
        (write(0, 1, 2, 1),),  # no read
        (write(0, 1, 2, 1), read(0, 3, 4, 1), write(0, 5, 6, 2)),  # a change after the last read
        (write(0, 1, 4, 1), read(1, 2, 5, 1)),  # the read began too early
        (write(0, 1, 2, 1), read(0, 3, 4, None, "info")),
        (write(0, 1, 2, 1, "fail"), read(0, 3, 4, 0)),  # nothing was acknowledged
        (write(0, 1, 2, "a"), append(0, 3, 4, "b"), read(0, 5, 6, "ab")),  # neither register nor list
        (Bar(0, 1, 2, "acquire"),),
    ],
)
def test_without_evidence_nothing_is_known(bars: tuple[Bar, ...]) -> None:
    assert check(*bars).verdict is Verdict.UNKNOWN


def test_one_unread_key_makes_the_whole_unknown_but_hides_no_loss() -> None:
    unread = write(0, 1, 2, 1, key="a")
    kept = (write(0, 3, 4, 1, key="b"), read(0, 5, 6, 1, key="b"))
    lost = (write(0, 7, 8, 1, key="c"), read(0, 9, 10, 0, key="c"))
    assert check(unread, *kept).verdict is Verdict.UNKNOWN
    assert "a first" in check(unread, *kept).sentence
    assert check(unread, *kept, *lost).verdict is Verdict.INVALID


def test_a_nil_read_is_evidence_only_where_nil_is_a_value() -> None:
    bars = (write(0, 1, 2, 1), read(0, 3, 4, None))
    assert FinalReads(initial=None).check(history(*bars), UNBOUNDED).verdict is Verdict.INVALID
    silent = FinalReads(initial=None, nil_reads_assert=False)
    assert silent.check(history(*bars), UNBOUNDED).verdict is Verdict.UNKNOWN


def test_recovered_changes_are_counted() -> None:
    #   0  |- append 1 ?
    #   1     |- append 2 -|  |- read [1 2] -|
    found = check(append(0, 1, None, 1), append(1, 2, 3, 2), read(1, 4, 5, [1, 2]))
    assert found.statistics["recovered"] == 1


def test_a_later_final_read_settles_what_an_earlier_one_lacked() -> None:
    #   0  |- append 1 -|  |- read [] -|  |- read [1] -|
    assert check(append(0, 1, 2, 1), read(0, 3, 4, []), read(0, 5, 6, [1])).verdict is Verdict.VALID


# -- windows ----------------------------------------------------------------------------------------------------------

TICK = 100_000_000


def windows_of(found: CheckResult) -> list[tuple[str, tuple[int, int]]]:
    told = [(one.kind, one.window) for one in (*found.anomalies, *found.notes)]
    return [(kind, (window[0] // TICK, window[1] // TICK)) for kind, window in told if window is not None]


def test_a_change_is_lost_between_the_last_sign_of_it_and_the_first_read_without_it() -> None:
    #   0  |- write 1 -|  |- write 2 -|
    #   1                               |- read 2 -|  |- read 1 -|  |- read 1 -|
    bars = (write(0, 1, 2, 1), write(0, 3, 4, 2), read(1, 5, 6, 2), read(1, 7, 8, 1), read(1, 9, 10, 1))
    assert windows_of(check(*bars)) == [("lost", (5, 8))]
    assert windows_of(check(*bars[:2], *bars[3:])) == [("lost", (4, 8))]  # no read saw it: since its acknowledgement


def test_an_element_is_lost_between_the_last_read_with_it_and_the_first_without() -> None:
    bars = (append(0, 1, 2, 1), read(1, 3, 4, [1]), read(1, 5, 6, []), read(1, 7, 8, []))
    assert windows_of(check(*bars)) == [("lost", (3, 6))]


def test_an_element_that_is_missing_for_a_while_is_stale_and_no_violation() -> None:
    bars = (append(0, 1, 2, 1), read(1, 3, 4, []), read(1, 5, 6, []), read(1, 7, 8, [1]))
    found = check(*bars)
    assert (found.verdict, found.anomalies) == (Verdict.VALID, ())
    # the first two reads are final reads, too: nothing was acknowledged after them
    assert (windows_of(found), found.statistics["stale"]) == ([("stale", (3, 6))], 1)


def test_a_stale_read_of_a_register_on_the_way_is_noted() -> None:
    bars = (write(0, 1, 2, 1), write(0, 3, 4, 2), read(1, 5, 6, 1), write(0, 7, 8, 3), read(1, 9, 10, 3))
    found = check(*bars)
    assert (found.verdict, windows_of(found)) == (Verdict.VALID, [("stale", (5, 6))])
    overlapping = (write(0, 1, 3, 1), write(1, 2, 4, 2), read(1, 5, 6, 1), write(0, 7, 8, 3), read(1, 9, 10, 3))
    assert windows_of(check(*overlapping)) == []


def test_what_an_unknown_change_brought_is_recovered_when_it_is_first_read() -> None:
    bars = (write(0, 1, None, 2), write(1, 2, 3, 1), read(1, 4, 5, 1), read(1, 6, 7, 2))
    assert windows_of(check(*bars))[-1] == ("recovered", (1, 7))
    listed = (append(0, 1, None, 2), append(1, 2, 3, 1), read(1, 4, 5, [1]), read(1, 6, 7, [1, 2]))
    assert windows_of(check(*listed)) == [("recovered", (1, 7))]


def test_a_doubled_element_was_doubled_before_the_first_read_that_shows_it_twice() -> None:
    bars = (append(0, 1, 2, 1), read(1, 3, 4, [1]), read(1, 5, 6, [1, 1]))
    assert windows_of(check(*bars)) == [("duplicated", (1, 6))]


def test_changes_that_no_read_follows_were_never_read() -> None:
    found = check(write(0, 1, 2, 1), write(0, 3, 4, 2))
    assert (found.verdict, found.statistics["never-read"]) == (Verdict.UNKNOWN, 2)
    assert windows_of(found) == [("never-read", (2, 4))]


def test_notes_and_windows_are_capped_and_still_counted() -> None:
    bars = [append(0, 2 * n, 2 * n + 1, n) for n in range(30)]
    found = FinalReads().check(history(*bars, read(0, 90, 91, [])), Limits(time_s=None, anomalies_max=4))
    assert (len(found.anomalies), found.anomalies_total, len(windows_of(found))) == (4, 30, 4)
    unknown = [append(n, n, None, n) for n in range(30)]
    noted = FinalReads().check(
        history(*unknown, append(50, 60, 61, 99), read(50, 90, 91, [*range(30), 99])),
        Limits(time_s=None, anomalies_max=4),
    )
    assert (len(noted.notes), noted.statistics["recovered"]) == (4, 30)
