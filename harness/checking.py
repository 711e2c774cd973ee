"""``antipaxos check``: the checkers on a history from elsewhere."""

from __future__ import annotations

import difflib
import json
import shlex
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from checkers import edn
from checkers.formats import load_history
from checkers.history import History, HistoryError, Outcome
from checkers.linearizable import Linearizable
from checkers.models import MODELS, Model, ModelError, make_model
from checkers.transactions.checker import TRANSACTION_CHECKERS, cycles
from checkers.transactions.consistency import STRICT_SERIALIZABLE
from checkers.transactions.drawing import drawing
from checkers.transactions.extra import MissingExtraError
from checkers.transactions.lists import infer_lists
from checkers.transactions.registers import infer_registers
from checkers.verdict import Checker, CheckResult, Limits, Verdict
from harness.duration import DurationError, parse_ms
from harness.results import EXIT_CODES, OperationCounts, RunVerdict

MODEL_NAMES = (*MODELS, *TRANSACTION_CHECKERS)
_RUN_VERDICT = {
    Verdict.VALID: RunVerdict.VALID,
    Verdict.INVALID: RunVerdict.VIOLATION,
    Verdict.UNKNOWN: RunVerdict.UNKNOWN,
}


class CheckUsageError(Exception):
    """The file or the words of the command are wrong; the message names the line."""


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """What checking a file came to."""

    verdict: RunVerdict
    file: str
    format: str
    model: str
    sentence: str
    operations: OperationCounts
    anomalies: tuple[str, ...]
    statistics: dict[str, int]
    reproduce: str

    @property
    def exit_code(self) -> int:
        """The verdict as an exit status."""
        return EXIT_CODES[self.verdict]


def check_file(
    path: Path, model: str, initial: str | None, time_limit: str, consistency: str | None = None
) -> FileReport:
    """Load and check a history. ``consistency`` is what transactions are expected to be. Raises CheckUsageError."""
    try:
        limits = Limits(time_s=parse_ms(time_limit) / 1_000)
        loaded = load_history(path)
        judge = _judge(model, initial, loaded.nil_reads_assert, consistency)
        result = judge.check(loaded.history, limits)
    except (HistoryError, DurationError, ModelError, MissingExtraError) as error:
        raise CheckUsageError(str(error)) from error
    except OSError as error:
        raise CheckUsageError(f"{path}: {error.strerror or error}") from error
    words = ["antipaxos", "check", str(path), "--model", model]
    words += ["--initial", initial] if initial is not None else []
    words += ["--consistency", consistency] if consistency is not None else []
    return _report(path, loaded.format, model, shlex.join(words), loaded.history, result)


def draw_cycle(path: Path, model: str, time_limit: str, target: Path) -> bool:
    """Write the picture of a file's first cycle of transactions; False if it has none. Raises CheckUsageError."""
    infer = {"list-append-txn": infer_lists, "rw-register-txn": infer_registers}.get(model)
    if infer is None:
        raise CheckUsageError(f"--draw is for transactions: --model {' or '.join(TRANSACTION_CHECKERS)}")
    try:
        found = cycles(infer, load_history(path).history.operations(), Limits(time_s=parse_ms(time_limit) / 1_000))
        if found:
            target.write_text(drawing(found[0]), encoding="utf-8")
    except MissingExtraError as error:
        raise CheckUsageError(str(error)) from error
    except OSError as error:
        raise CheckUsageError(f"--draw: {target}: {error.strerror or error}") from error
    return bool(found)


def print_report(console: Console, report: FileReport) -> None:
    """Print the verdict in a sentence."""
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
        console.print(Text(f"again: {report.reproduce}", style="dim"), soft_wrap=True)


def _judge(name: str, initial: str | None, nil_reads_assert: bool, consistency: str | None) -> Checker:
    """Return the checker for a model: of transactions by what they are expected to be, else of linearizability."""
    if name not in TRANSACTION_CHECKERS:
        if consistency is not None:
            raise CheckUsageError(f"--consistency is for transactions: --model {' or '.join(TRANSACTION_CHECKERS)}")
        return Linearizable(_model(name, initial, nil_reads_assert))
    if initial is not None:
        raise CheckUsageError(f"--initial: objects of {name} are nil or empty at first")
    try:
        return TRANSACTION_CHECKERS[name](consistency or STRICT_SERIALIZABLE)
    except ValueError as error:
        raise CheckUsageError(f"--consistency: {error}") from error


def _model(name: str, initial: str | None, nil_reads_assert: bool) -> Model:
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODEL_NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(MODEL_NAMES)}"
        raise CheckUsageError(f"unknown model {name!r}; {hint}")
    try:
        return make_model(name, initial=_value(initial), nil_reads_assert=nil_reads_assert)
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckUsageError(f"--initial {initial!r} is no initial value of a {name}: {error}") from error


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


def _report(path: Path, found: str, model: str, reproduce: str, history: History, result: CheckResult) -> FileReport:
    outcomes = [operation.outcome for operation in history.operations()]
    return FileReport(
        verdict=_RUN_VERDICT[result.verdict],
        file=str(path),
        format=found,
        model=model,
        sentence=result.sentence,
        operations=OperationCounts(
            ok=outcomes.count(Outcome.OK), fail=outcomes.count(Outcome.FAIL), info=outcomes.count(Outcome.INFO)
        ),
        anomalies=tuple(anomaly.sentence for anomaly in result.anomalies),
        statistics=dict(result.statistics),
        reproduce=reproduce,
    )
