"""``antipaxos check`` on small files of each format: the verdict, what is said of the file, and usage errors."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from checkers.models import MODELS
from harness.checking import CHECKER_NAMES, CheckUsageError, FileReport, Question, check_file, draw_cycle, print_report
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
    return ask(folder, text, Question(model=model, initial=initial, time_limit=time_limit))


def ask(folder: Path, text: str, question: Question) -> FileReport:
    path = folder / "it's a history"
    path.write_text(text)
    return check_file(path, question)


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
        check_file(tmp_path / "nowhere", Question(model="cas-register"))
    with pytest.raises(CheckUsageError, match=r"Is a directory"):
        check_file(tmp_path, Question(model="cas-register"))


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


@pytest.mark.parametrize("checker", JUDGED)
def test_each_checker_of_the_field_judges_a_file(checker: str, tmp_path: Path) -> None:
    operations, good, bad = JUDGED[checker]
    assert ask(tmp_path, in_turn(operations, good), Question(checker=checker)).verdict is RunVerdict.VALID
    report = ask(tmp_path, in_turn(operations, bad), Question(checker=checker))
    assert (report.model, report.checker) == (None, checker)
    assert shlex.split(report.reproduce)[-2:] == ["--checker", checker]
    assert (report.verdict, report.exit_code) == (RunVerdict.VIOLATION, 1)
    assert report.anomalies


def test_every_checker_of_the_field_is_tried_here() -> None:
    assert set(JUDGED) == set(JUDGES)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (Question(), "say either --model or --checker; the operations look like --model register"),
        (Question(model="register", checker="bank"), "say either --model or --checker"),
        (Question(model="bank"), "bank is a checker, not a model: --checker bank"),
        (Question(checker="stack"), "stack is a model, not a checker: --model stack"),
        (Question(checker="set-ful"), "unknown checker 'set-ful'; did you mean 'set-full'?"),
    ],
)
def test_a_model_and_a_checker_are_asked_for_by_name(question: Question, why: str, tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError) as caught:
        ask(tmp_path, JSON_LINES % 1, question)
    assert why in str(caught.value)


def test_a_name_may_be_of_a_model_and_of_a_checker(tmp_path: Path) -> None:
    """Both reads are within the bounds of the checker, but no order of the additions gives both."""
    added = [event(n, n, "invoke", "add", str(n + 1)) for n in range(2)]
    reads = [event(2 + n, 9, ("invoke", "ok")[n % 2], "read", (NIL, "1", NIL, "2")[n]) for n in range(4)]
    text = "\n".join([*added, *reads]) + "\n"
    assert ask(tmp_path, text, Question(checker="counter")).verdict is RunVerdict.VALID
    assert ask(tmp_path, text, Question(model="counter")).verdict is RunVerdict.VIOLATION
    assert set(MODELS) & set(CHECKER_NAMES) == {"counter", "set", "queue", "fenced-mutex"}


@pytest.mark.parametrize(
    ("checker", "initial", "why"),
    [
        ("counter", '"x"', "is no initial value of a counter: it must be a whole number"),
        ("queue", "3", "is no initial value of a queue: it starts empty"),
        ("bank", "true", "is no initial value of a bank: it must be a whole number"),
    ],
)
def test_an_initial_value_must_be_one(checker: str, initial: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError) as caught:
        ask(tmp_path, in_turn(JUDGED[checker][0], "1"), Question(checker=checker, initial=initial))
    assert why in str(caught.value)


def test_operations_that_a_checker_cannot_make_sense_of_are_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError, match="add of event 0 has 'x' where a whole number belongs"):
        ask(tmp_path, in_turn([("add", '"x"', '"x"')], ""), Question(checker="counter"))


LISTS = Question(checker="list-append-txn")
TXN_EDN = """\
{:process 0, :type :invoke, :f :txn, :value [[:append 1 1] [:append 2 1]], :index 0}
{:process 0, :type :ok, :f :txn, :value [[:append 1 1] [:append 2 1]], :index 1}
{:process 1, :type :invoke, :f :txn, :value [[:r 1 nil] [:r 2 nil]], :index 2}
{:process 1, :type :ok, :f :txn, :value [[:r 1 [1]] [:r 2 %s]], :index 3}
"""


def transactions(folder: Path, text: str, checker: str, consistency: str | None = None) -> FileReport:
    return ask(folder, text, Question(checker=checker, consistency=consistency))


def test_transactions_as_jepsen_writes_them(tmp_path: Path) -> None:
    assert transactions(tmp_path, TXN_EDN % "[1]", "list-append-txn").verdict is RunVerdict.VALID
    report = transactions(tmp_path, TXN_EDN % "nil", "list-append-txn")
    assert (report.verdict, report.format) == (RunVerdict.VIOLATION, "edn")
    assert "T2's append of 1 to key 2" in report.sentence or "appended 1" in report.sentence
    assert report.statistics["G-single"] == 1


def test_the_consistency_that_is_expected_decides_and_is_repeated(tmp_path: Path) -> None:
    report = transactions(tmp_path, TXN_EDN % "nil", "list-append-txn", "read-committed")
    assert report.verdict is RunVerdict.VALID
    assert report.statistics["G-single"] == 1
    assert "1 G-single" in report.sentence
    console = Console(record=True, width=4_000)
    print_report(console, report)
    assert all(f"also: {anomaly}" in console.export_text(clear=False) for anomaly in report.anomalies)
    assert shlex.split(report.reproduce)[-2:] == ["--consistency", "read-committed"]


@pytest.mark.parametrize(("found", "verdict"), [("1", RunVerdict.VALID), ("nil", RunVerdict.VIOLATION)])
def test_registers_as_jepsen_writes_them(found: str, verdict: RunVerdict, tmp_path: Path) -> None:
    text = (TXN_EDN % found).replace(":append", ":w").replace("[:r 1 [1]]", "[:r 1 1]")
    assert transactions(tmp_path, text, "rw-register-txn").verdict is verdict


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (Question(checker="list-append-txn", consistency="serialisable"), "did you mean 'serializable'?"),
        (Question(checker="list-append-txn", initial="[]"), "--initial: objects of list-append-txn are nil or empty"),
        (Question(model="cas-register", consistency="serializable"), "--consistency is for transactions"),
        (Question(checker="list-append-txn"), "event 0 is no transaction of known steps"),
    ],
)
def test_usage_errors_of_transactions(question: Question, why: str, tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError) as caught:
        ask(tmp_path, JSON_LINES % 1, question)
    assert why in str(caught.value)


def test_a_cycle_is_drawn_if_there_is_one(tmp_path: Path) -> None:
    path, target = tmp_path / "history.edn", tmp_path / "cycle.svg"
    path.write_text(TXN_EDN % "[1]")
    assert not draw_cycle(path, LISTS, target)
    assert not target.exists()
    path.write_text(TXN_EDN % "nil")
    assert draw_cycle(path, LISTS, target)
    assert target.read_text().startswith("<svg")
    with pytest.raises(CheckUsageError, match="--draw is for transactions"):
        draw_cycle(path, Question(model="cas-register"), target)
    with pytest.raises(CheckUsageError, match="--draw: "):
        draw_cycle(path, LISTS, tmp_path)


# -- explained --------------------------------------------------------------------------------------------------------


def said(report: FileReport, width: int = 100) -> str:
    console = Console(record=True, width=width, file=io.StringIO())
    print_report(console, report)
    return console.export_text()


def test_a_violation_is_shown_where_it_happened(tmp_path: Path) -> None:
    plain = check(tmp_path, JSON_LINES % 2, "cas-register")
    assert plain.counterexamples == ()
    assert "(--explain shows where)" in said(plain)
    report = ask(tmp_path, JSON_LINES % 2, Question(model="cas-register", explain=True))
    (told,) = report.counterexamples
    assert told.refusals[0].operation == told.stuck == 2
    text = said(report)
    assert "┣" in text or "[" in text
    assert "process 1" in text
    assert "it saw 2, and the register holds" in text
    assert msgspec.json.decode(msgspec.json.encode(report))["counterexamples"][0]["proof"] == list(told.proof)
    assert ask(tmp_path, JSON_LINES % 1, Question(model="cas-register", explain=True)).counterexamples == ()


def test_a_checker_of_its_own_explains_itself(tmp_path: Path) -> None:
    with pytest.raises(CheckUsageError, match="--explain is for --model"):
        ask(tmp_path, JSON_LINES % 2, Question(checker="final-reads", explain=True))
