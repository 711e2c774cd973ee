"""``antipaxos check`` on small files of each format: the verdict, what is said of the file, and usage errors."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from checkers.models import MODELS
from harness.checking import CheckUsageError, FileReport, check_file
from harness.judges import JUDGES
from harness.results import RunVerdict

JSON_LINES = """\
{"index":0,"time":1,"process":0,"type":"invoke","f":"write","value":1,"key":"x"}
{"index":1,"time":2,"process":0,"type":"ok","f":"write","value":1,"key":"x"}
{"index":2,"time":3,"process":1,"type":"invoke","f":"read","value":null,"key":"x"}
{"index":3,"time":4,"process":1,"type":"ok","f":"read","value":%s,"key":"x"}
"""
EDN = """\
{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value %s}
"""
KV = """\
{:process 0, :type :invoke, :f :put, :key "x", :value "1"}
{:process 0, :type :ok, :f :put, :key "x", :value "1"}
{:process 1, :type :invoke, :f :get, :key "x", :value nil}
{:process 1, :type :ok, :f :get, :key "x", :value "%s"}
"""
JEPSEN_LOG = """\
INFO  jepsen.util - 0\t:invoke\t:write\t1
INFO  jepsen.util - 0\t:ok\t:write\t1
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:ok\t:read\t%s
"""
FORMATS = [
    (JSON_LINES, "json-lines", "cas-register"),
    (EDN, "edn", "cas-register"),
    (KV, "kv", "kv-append"),
    (JEPSEN_LOG, "jepsen-log", "cas-register"),
]


def check(folder: Path, text: str, model: str, initial: str | None = None, time_limit: str = "10s") -> FileReport:
    path = folder / "it's a history"
    path.write_text(text)
    return check_file(path, model, initial, time_limit)


@pytest.mark.parametrize(("text", "form", "model"), FORMATS)
def test_a_good_history_of_each_format(text: str, form: str, model: str, tmp_path: Path) -> None:
    report = check(tmp_path, text % 1, model)
    assert (report.verdict, report.exit_code) == (RunVerdict.VALID, 0)
    assert (report.format, report.model) == (form, model)
    assert (report.operations.ok, report.operations.fail, report.operations.info) == (2, 0, 0)
    assert report.anomalies == ()


@pytest.mark.parametrize(("text", "form", "model"), FORMATS)
def test_a_bad_history_of_each_format(text: str, form: str, model: str, tmp_path: Path) -> None:
    report = check(tmp_path, text % 2, model)
    assert (report.verdict, report.exit_code, report.format) == (RunVerdict.VIOLATION, 1, form)
    assert len(report.anomalies) == 1
    assert "2" in report.sentence


@pytest.mark.parametrize(("text", "form", "model"), FORMATS)
def test_a_damaged_file_is_refused_with_its_line(text: str, form: str, model: str, tmp_path: Path) -> None:
    lines = (text % 1).splitlines()
    lines[2] = lines[2].replace("invoke", "invoked")
    with pytest.raises(CheckUsageError) as caught:
        check(tmp_path, "\n".join(lines) + "\n", model)
    assert str(caught.value).startswith(f"{tmp_path}/it's a history, line 3: ")


@pytest.mark.parametrize("last", ['{"index":4,"time":5,"pro', "[]", "{}", "null"])
def test_a_last_line_that_is_no_event_is_refused(last: str, tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError, match="line 5: "):
        check(tmp_path, JSON_LINES % 1 + last, "cas-register")


def test_a_history_that_breaks_a_rule_is_refused_with_its_line(tmp_path: Path) -> None:
    lines = (JSON_LINES % 1).splitlines(keepends=True)
    with pytest.raises(CheckUsageError, match="line 3: process 1 completes read"):
        check(tmp_path, "".join([lines[0], lines[1], lines[3]]), "cas-register")


@pytest.mark.parametrize("text", ["", "\n", "hello\n"])
def test_what_is_no_history_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError, match="it's a history"):
        check(tmp_path, text, "cas-register")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError, match=r"nowhere: No such file or directory"):
        check_file(tmp_path / "nowhere", "cas-register", None, "10s")
    with pytest.raises(CheckUsageError, match=r"Is a directory"):
        check_file(tmp_path, "cas-register", None, "10s")


@pytest.mark.parametrize(
    ("model", "initial", "time_limit", "why"),
    [
        ("cas-registre", None, "10s", "unknown model 'cas-registre'; did you mean 'cas-register'?"),
        ("zzz", None, "10s", "unknown model 'zzz'; there are: "),
        ("cas-register", "{:a", "10s", "--initial '{:a' is neither JSON nor EDN"),
        ("cas-register", None, "soon", "'soon' is no duration"),
        ("cas-register", None, "9" * 400, "is not finite"),
    ],
)
def test_usage_errors(model: str, initial: str | None, time_limit: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError) as caught:
        check(tmp_path, JSON_LINES % 1, model, initial, time_limit)
    assert why in str(caught.value)


def test_a_model_that_does_not_know_the_operations_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError, match="write"):
        check(tmp_path, JSON_LINES % 1, "mutex")


@pytest.mark.parametrize(("initial", "verdict"), [("7", RunVerdict.VALID), ("8", RunVerdict.VIOLATION)])
def test_the_initial_value_counts_and_is_repeated_to_reproduce(
    initial: str, verdict: RunVerdict, tmp_path: Path
) -> None:
    read = "".join((JSON_LINES % 7).splitlines(keepends=True)[2:])
    report = check(tmp_path, read, "cas-register", initial)
    assert report.verdict is verdict
    words = shlex.split(report.reproduce)
    assert words == ["antipaxos", "check", report.file, "--model", "cas-register", "--initial", initial]


def test_an_initial_value_may_be_written_as_edn(tmp_path: Path) -> None:
    read = "".join((JSON_LINES % '"a"').splitlines(keepends=True)[2:])
    assert check(tmp_path, read, "cas-register", '"a"').verdict is RunVerdict.VALID
    assert check(tmp_path, read, "cas-register", "nil").verdict is RunVerdict.VIOLATION


def event(index: int, process: int, kind: str, f: str, value: str) -> str:
    return f'{{"index":{index},"process":{process},"type":"{kind}","f":"{f}","value":{value},"key":"x","time":null}}'


def test_without_time_the_answer_is_unknown(tmp_path: Path) -> None:
    """Each of twenty overlapping writes of ten values may be the last one, but not for two reads that differ."""
    count = 20
    invoked = [event(number, number, "invoke", "write", str(number // 2)) for number in range(count)]
    returned = [event(count + number, number, "ok", "write", str(number // 2)) for number in range(count)]
    reads = [event(2 * count + n, 99, ("invoke", "ok")[n % 2], "read", ("null", "1", "null", "2")[n]) for n in range(4)]
    report = check(tmp_path, "\n".join([*invoked, *returned, *reads]) + "\n", "cas-register", None, "0s")
    assert (report.verdict, report.exit_code) == (RunVerdict.UNKNOWN, 3)


# -- checkers with a question of their own ----------------------------------------------------------------------------

NIL = "null"
JUDGED = {
    "counter": ([("add", "2", "2"), ("read", NIL, "%s")], "2", "3"),
    "bank": ([("read", NIL, '{"a":6,"b":4}'), ("read", NIL, '{"a":7,"b":%s}')], "3", "4"),
    "queue": ([("enqueue", "1", "1"), ("enqueue", "2", "2"), ("drain", NIL, "[%s]")], "1,2", "2,1"),
    "total-queue": ([("enqueue", "1", "1"), ("enqueue", "2", "2"), ("drain", NIL, "[%s]")], "2,1", "2"),
    "fenced-mutex": ([("acquire", NIL, "1"), ("release", NIL, NIL), ("acquire", NIL, "%s")], "2", "1"),
    "unique-ids": ([("generate", NIL, "1"), ("generate", NIL, "%s")], "2", "1"),
    "long-fork": (
        [
            ("txn", '[["r","x",null]]', '[["r","x",null]]'),
            ("txn", '[["w","x",1]]', '[["w","x",1]]'),
            ("txn", '[["r","x",null]]', '[["r","x",%s]]'),
        ],
        "1",
        "9",
    ),
    "session-guarantees": ([("read", NIL, "4"), ("increment", "1", "%s")], "5", "4"),
    "monotonic": ([("read", NIL, "4"), ("read", NIL, "%s")], "4", "3"),
    "set": ([("add", "1", "1"), ("read", NIL, "[%s]")], "1", ""),
    "set-full": ([("add", "1", "1"), ("read", NIL, "[%s]")], "1", ""),
    "final-reads": ([("write", "1", "1"), ("read", NIL, "%s")], "1", "2"),
}


def in_turn(operations: list[tuple[str, str, str]], last: str) -> str:
    lines = []
    for number, (f, value, result) in enumerate(operations):
        told = result % last if "%s" in result else result
        lines += [event(2 * number, 0, "invoke", f, value), event(2 * number + 1, 0, "ok", f, told)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("model", JUDGED)
def test_each_checker_of_the_field_judges_a_file(model: str, tmp_path: Path) -> None:
    operations, good, bad = JUDGED[model]
    assert check(tmp_path, in_turn(operations, good), model).verdict is RunVerdict.VALID
    report = check(tmp_path, in_turn(operations, bad), model)
    assert (report.verdict, report.exit_code) == (RunVerdict.VIOLATION, 1)
    assert report.anomalies


def test_every_checker_of_the_field_is_tried_here() -> None:
    assert set(JUDGED) == set(JUDGES)
    assert set(JUDGES).isdisjoint(MODELS)


@pytest.mark.parametrize(
    ("model", "initial", "why"),
    [
        ("counter", '"x"', "is no initial value of a counter: it must be a whole number"),
        ("queue", "3", "is no initial value of a queue: it starts empty"),
        ("bank", "true", "is no initial value of a bank: it must be a whole number"),
    ],
)
def test_an_initial_value_must_be_one(model: str, initial: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError) as caught:
        check(tmp_path, in_turn(JUDGED[model][0], "1"), model, initial)
    assert why in str(caught.value)


def test_operations_that_a_checker_cannot_make_sense_of_are_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError, match="add of event 0 has 'x' where a whole number belongs"):
        check(tmp_path, in_turn([("add", '"x"', '"x"')], ""), "counter")
