"""``antipaxos check``: the checkers on a history from elsewhere."""

from __future__ import annotations

import difflib
import json
import os
import shlex
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from checkers import edn
from checkers.findings import MisfitError
from checkers.formats import LoadedHistory, load_history
from checkers.history import History, HistoryError, Outcome
from checkers.linearizable import Linearizable
from checkers.models import MODELS, ModelError, make_model
from checkers.verdict import Checker, CheckResult, Limits, Verdict
from harness.duration import DurationError, parse_ms
from harness.judges import JUDGES
from harness.results import EXIT_CODES, OperationCounts, RunVerdict

MODEL_NAMES = (*MODELS, *JUDGES)
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


def check_file(path: Path, model: str, initial: str | None, time_limit: str) -> FileReport:
    """Load and check a history. Raises CheckUsageError."""
    try:
        limits = Limits(time_s=parse_ms(time_limit) / 1_000, processes=len(os.sched_getaffinity(0)))
        loaded = load_history(path)
        judge = _judge(model, initial, loaded)
        result = judge.check(loaded.history, limits)
    except (HistoryError, DurationError, ModelError, MisfitError) as error:
        raise CheckUsageError(str(error)) from error
    except OSError as error:
        raise CheckUsageError(f"{path}: {error.strerror or error}") from error
    return _report(path, loaded.format, model, initial, loaded.history, result)


def print_report(console: Console, report: FileReport) -> None:
    """Print the verdict in a sentence."""
    style = {"valid": "bold green", "violation": "bold red"}.get(report.verdict, "bold yellow")
    console.print(Text.assemble((report.verdict.upper(), style), "  ", report.sentence), soft_wrap=True)
    for sentence in report.anomalies[1:]:
        console.print(Text(f"  also: {sentence}"), soft_wrap=True)
    counts = report.operations
    console.print(
        Text(f"{report.file}: {report.format}, {counts.ok} ok, {counts.fail} fail, {counts.info} info", style="dim"),
        soft_wrap=True,
    )
    if report.verdict is not RunVerdict.VALID:
        console.print(Text(f"again: {report.reproduce}", style="dim"), soft_wrap=True)


def _judge(name: str, initial: str | None, loaded: LoadedHistory) -> Checker:
    if name not in MODEL_NAMES:
        near = difflib.get_close_matches(name, MODEL_NAMES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(MODEL_NAMES)}"
        raise CheckUsageError(f"unknown model {name!r}; {hint}")
    value = _value(initial)
    try:
        if name in JUDGES:
            return JUDGES[name](value, loaded.nil_reads_assert)
        model = make_model(
            name,
            initial=value,
            nil_reads_assert=loaded.nil_reads_assert,
            failed_cas_observes=loaded.failed_cas_observes,
        )
        return Linearizable(model)
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


def _report(
    path: Path, found: str, model: str, initial: str | None, history: History, result: CheckResult
) -> FileReport:
    outcomes = [operation.outcome for operation in history.operations()]
    words = ["antipaxos", "check", str(path), "--model", model]
    reproduce = shlex.join([*words, *(["--initial", initial] if initial is not None else [])])
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
