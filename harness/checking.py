"""``antipaxos check``: the checkers on a history from elsewhere.

A history is held against a model (is there one order in which a single copy would have answered so?) or given to a
checker with a question of its own. Both are asked for by name, and some names are of one each: a counter as a model is
exact and may take exponential time; as a checker it has bounds and takes a sort.
"""

from __future__ import annotations

import difflib
import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.text import Text

from checkers import columns, edn
from checkers.counterexample import Counterexample
from checkers.counterexamples import counterexample
from checkers.findings import MisfitError
from checkers.formats import LoadedHistory, load_history, suggest_model
from checkers.history import History, HistoryError
from checkers.linearizable import Linearizable
from checkers.models import MODELS, ModelError, make_model
from checkers.transactions.checker import TRANSACTION_CHECKERS, cycles
from checkers.transactions.consistency import STRICT_SERIALIZABLE
from checkers.transactions.drawing import drawing
from checkers.transactions.extra import MissingExtraError
from checkers.transactions.lists import infer_lists
from checkers.transactions.registers import infer_registers
from checkers.verdict import Checker, CheckResult, Limits, Verdict
from harness.drawing import drawn, glyphs_for
from harness.duration import DurationError, parse_ms
from harness.judges import JUDGES
from harness.results import EXIT_CODES, OperationCounts, RunVerdict

MODEL_NAMES: Final = tuple(MODELS)
EXPLAINED_MAX: Final = 3
CHECKER_NAMES: Final = (*JUDGES, *TRANSACTION_CHECKERS)
_INFER: Final = {"list-append-txn": infer_lists, "rw-register-txn": infer_registers}
_RUN_VERDICT = {
    Verdict.VALID: RunVerdict.VALID,
    Verdict.INVALID: RunVerdict.VIOLATION,
    Verdict.UNKNOWN: RunVerdict.UNKNOWN,
}


class CheckUsageError(Exception):
    """The file or the words of the command are wrong; the message names the line."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a history: ``model`` or ``checker``, and what goes with it, as given on the command line."""

    model: str | None = None
    checker: str | None = None
    initial: str | None = None
    consistency: str | None = None
    time_limit: str = "60s"
    explain: bool = False
    """Whether the first anomalies are shown in their windows."""

    @property
    def words(self) -> list[str]:
        """The same as options."""
        options = {"model": self.model, "checker": self.checker, "initial": self.initial}
        options["consistency"] = self.consistency
        return [word for name, value in options.items() if value is not None for word in (f"--{name}", value)]

    @property
    def limits(self) -> Limits:
        """How much may be spent. Raises DurationError."""
        return Limits(time_s=parse_ms(self.time_limit) / 1_000, processes=len(os.sched_getaffinity(0)))


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """What checking a file came to, by a model or by a checker."""

    verdict: RunVerdict
    file: str
    format: str
    model: str | None
    checker: str | None
    sentence: str
    operations: OperationCounts
    anomalies: tuple[str, ...]
    statistics: dict[str, int]
    counterexamples: tuple[Counterexample, ...] = ()
    reproduce: str

    @property
    def exit_code(self) -> int:
        """The verdict as an exit status."""
        return EXIT_CODES[self.verdict]


def check_file(path: Path, question: Question) -> FileReport:
    """Load and check a history. Raises CheckUsageError."""
    try:
        limits = question.limits
        loaded = load_history(path)
        judge = _judge(question, loaded)
        result = judge.check(loaded.history, limits)
        shown = _explained(question, judge, loaded.history, result)
    except (HistoryError, DurationError, ModelError, MisfitError, MissingExtraError) as error:
        raise CheckUsageError(str(error)) from error
    except OSError as error:
        raise CheckUsageError(f"{path}: {error.strerror or error}") from error
    return msgspec.structs.replace(
        _report(path, loaded.format, question, loaded.history, result), counterexamples=shown
    )


def draw_cycle(path: Path, question: Question, target: Path) -> bool:
    """Write the picture of a file's first cycle of transactions; False if it has none. Raises CheckUsageError."""
    infer = _INFER.get(question.checker or "")
    if infer is None:
        raise CheckUsageError(f"--draw is for transactions: --checker {' or '.join(TRANSACTION_CHECKERS)}")
    try:
        found = cycles(infer, load_history(path).history.operations(), question.limits)
        if found:
            target.write_text(drawing(found[0]), encoding="utf-8")
    except MissingExtraError as error:
        raise CheckUsageError(str(error)) from error
    except OSError as error:
        raise CheckUsageError(f"--draw: {target}: {error.strerror or error}") from error
    return bool(found)


def print_report(console: Console, report: FileReport) -> None:
    """Print the verdict in a sentence, and counterexamples if there are any."""
    style = {"valid": "bold green", "violation": "bold red"}.get(report.verdict, "bold yellow")
    console.print(Text.assemble((report.verdict.upper(), style), "  ", report.sentence), soft_wrap=True)
    for sentence in report.anomalies[report.verdict is RunVerdict.VIOLATION :]:  # the first is the sentence's own
        console.print(Text(f"  also: {sentence}"), soft_wrap=True)
    counts = report.operations
    console.print(
        Text(f"{report.file}: {report.format}, {counts.ok} ok, {counts.fail} fail, {counts.info} info", style="dim"),
        soft_wrap=True,
    )
    if report.verdict is not RunVerdict.VALID:
        hint = report.model is not None and report.verdict is RunVerdict.VIOLATION and not report.counterexamples
        more = "   (--explain shows where)" if hint else ""
        console.print(Text(f"again: {report.reproduce}{more}", style="dim"), soft_wrap=True)
    for told in report.counterexamples:
        console.print()
        for line in drawn(told, console.width, glyphs_for(console.encoding)):
            console.print(Text(line), soft_wrap=True)


def _explained(question: Question, judge: Checker, history: History, result: CheckResult) -> tuple[Counterexample, ...]:
    """Show the first anomalies in their windows, if that is asked for."""
    if not question.explain:
        return ()
    if not isinstance(judge, Linearizable):
        raise CheckUsageError("--explain is for --model: a checker's sentences say all that it knows")
    return tuple(
        counterexample(history, judge.model, anomaly, question.limits) for anomaly in result.anomalies[:EXPLAINED_MAX]
    )


def _judge(question: Question, loaded: LoadedHistory) -> Checker:
    """Return what is asked for by name."""
    if (question.model is None) == (question.checker is None):
        fits = suggest_model(loaded.history)
        raise CheckUsageError(f"say either --model or --checker; the operations look like --model {fits}")
    if question.consistency is not None and question.checker not in TRANSACTION_CHECKERS:
        raise CheckUsageError(f"--consistency is for transactions: --checker {' or '.join(TRANSACTION_CHECKERS)}")
    if question.model is not None:
        _known("model", question.model, MODEL_NAMES, "checker", CHECKER_NAMES)
        return _linearizable(question.model, question.initial, loaded)
    name = question.checker or ""
    _known("checker", name, CHECKER_NAMES, "model", MODEL_NAMES)
    if name in TRANSACTION_CHECKERS:
        return _of_transactions(name, question)
    value = _value(question.initial)
    try:
        return JUDGES[name](value, loaded.nil_reads_assert)
    except (ValueError, TypeError) as error:
        raise CheckUsageError(f"--initial {question.initial!r} is no initial value of a {name}: {error}") from error


def _known(what: str, name: str, names: Sequence[str], other: str, others: Sequence[str]) -> None:
    """Raise CheckUsageError for a name that is none of ``names``."""
    if name in names:
        return
    if name in others:
        raise CheckUsageError(f"{name} is a {other}, not a {what}: --{other} {name}")
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
    raise CheckUsageError(f"unknown {what} {name!r}; {hint}")


def _linearizable(name: str, initial: str | None, loaded: LoadedHistory) -> Checker:
    value = _value(initial)
    try:
        model = make_model(
            name,
            initial=value,
            nil_reads_assert=loaded.nil_reads_assert,
            failed_cas_observes=loaded.failed_cas_observes,
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckUsageError(f"--initial {initial!r} is no initial value of a {name}: {error}") from error
    return Linearizable(model)


def _of_transactions(name: str, question: Question) -> Checker:
    if question.initial is not None:
        raise CheckUsageError(f"--initial: objects of {name} are nil or empty at first")
    try:
        return TRANSACTION_CHECKERS[name](question.consistency or STRICT_SERIALIZABLE)
    except ValueError as error:
        raise CheckUsageError(f"--consistency: {error}") from error


def _value(text: str | None) -> Any:
    """Parse a value as JSON, else as EDN."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    try:
        return edn.read_one(text)
    except edn.EdnError as error:
        raise CheckUsageError(f"--initial {text!r} is neither JSON nor EDN: {error}") from error


def _report(path: Path, found: str, question: Question, history: History, result: CheckResult) -> FileReport:
    count = history.columns().count
    return FileReport(
        verdict=_RUN_VERDICT[result.verdict],
        file=str(path),
        format=found,
        model=question.model,
        checker=question.checker,
        sentence=result.sentence,
        operations=OperationCounts(ok=count(columns.OK), fail=count(columns.FAIL), info=count(columns.INFO)),
        anomalies=tuple(anomaly.sentence for anomaly in result.anomalies),
        statistics=dict(result.statistics),
        reproduce=shlex.join(["antipaxos", "check", str(path), *question.words]),
    )
