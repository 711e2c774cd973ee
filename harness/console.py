"""What a run says on the terminal: one live line while it goes on, then the verdict, and how to get there again.

Everything goes to the console handed in, so with ``--json`` it can be standard error while standard output stays clean.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness import blame
from harness.exposure import Exposure
from harness.mechanisms import told
from harness.results import RunResult, RunVerdict, Served
from harness.runner import Progress, Seen
from harness.scenario import SIMULATED
from harness.status_line import StatusLine
from harness.store import RESULTS, STATE, TRACE
from nemesis.record import FaultRecord, FaultStatus

ALSO_MAX = 4
"""How many anomalies of a checker are printed, that in its sentence included."""

_LOOK = {
    RunVerdict.VALID: ("✔ VALID", "bold green"),
    RunVerdict.VIOLATION: ("✘ VIOLATION", "bold red"),
    RunVerdict.UNKNOWN: ("? UNKNOWN", "bold yellow"),
    RunVerdict.FAULTS_NOT_MET: ("∅ FAULTS NOT MET", "bold yellow"),
    RunVerdict.HARNESS_FAILURE: ("⚠ HARNESS FAILURE", "bold magenta"),
}
_MARKS = {"valid": "✔", "invalid": "✘", "unknown": "?"}
COVERAGE_NAME_CHARACTERS = 16
ALWAYS_TOLD = ("namespaces", "links")
"""Abilities whose lack is told even where no fault asked for them: without these a run is less than it looks."""
_FAULT_STYLES = {
    FaultStatus.INSTALLED: "green",
    FaultStatus.SKIPPED: "yellow",
    FaultStatus.INDETERMINATE: "magenta",
}
_STYLES = {"valid": "green", "invalid": "red", "unknown": "yellow"}


class LiveLine(StatusLine):
    """The live line of one run; a context manager."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._phase = ""

    def progress(self, progress: Progress) -> None:
        """Show where the run is."""
        news = progress.phase != self._phase
        self._phase = progress.phase
        self.show(progress.now / 1e9, progress_line(progress), news=news)

    def begun(self, served: Sequence[Served]) -> None:
        """Say what carries each kind of fault out."""
        for line in told(served):
            self._console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True, style="dim")

    def alarmed(self, seen: Seen) -> None:
        """Say at once what is wrong."""
        self._console.print(f"✘ {seen.told}", markup=False, highlight=False, soft_wrap=True, style="bold red")

    def judging(self) -> None:
        """The run is over; checkers begin."""
        line = "checking the history and the nodes' logs"
        if self._live is not None:
            self._live.update(Text(line))
        else:
            self._console.print(line, highlight=False)


def progress_line(progress: Progress) -> str:
    """Return the live line."""
    parts = [progress.phase]
    if progress.ok or progress.fail or progress.info:
        parts.append(f"{progress.now / 1e9:.1f} of {progress.until / 1e9:g} s")
        parts.append(f"{progress.ok} ok {progress.fail} fail {progress.info} info")
        parts.append(f"leader {progress.leader or 'none'}")
    parts.extend(progress.faults)
    return " · ".join(parts)


def print_result(console: Console, result: RunResult) -> None:
    """Print a finished run: the verdict first, the command that repeats it last."""
    word, style = _LOOK[result.verdict]
    if result.expected:
        word += " (EXPECTED: BEYOND THE MODEL)"
    console.print()
    _say(console, Text.assemble((word, style), "  ", result.sentence))
    for checker in result.checkers:
        for number, anomaly in enumerate(checker.anomalies[:ALSO_MAX]):
            if number:
                _say(console, Text(f"  also: {anomaly.sentence}"))
            if when := blame.sentence(anomaly):
                _say(console, Text(f"  {when}", style="dim"))
        if (more := len(checker.anomalies) - ALSO_MAX) > 0:
            told = f"  and {more} more of {checker.name}, one by one in {RESULTS} and the report"
            _say(console, Text(told, style="dim"))
    console.print()
    counts = result.operations
    _line(console, "operations", f"{counts.ok} ok, {counts.fail} fail, {counts.info} info")
    latency, gap = result.latency, result.unavailability
    _line(
        console,
        "latency",
        f"p50 {latency.p50_ms:.1f} ms, p95 {latency.p95_ms:.1f} ms, p99 {latency.p99_ms:.1f} ms, "
        f"max {latency.max_ms:.0f} ms",
    )
    _line(console, "unavailable", f"longest {gap.longest_ms / 1e3:.2f} s, from {gap.began_s:.2f} s on")
    for checker in result.checkers:
        mark = Text(f"{_MARKS.get(checker.verdict, '?')} ", style=_STYLES.get(checker.verdict, ""))
        _line(console, checker.name, Text.assemble(mark, checker.sentence))
    if result.faults:
        console.print()
        for record in result.faults:
            _print_fault(console, record)
    _print_coverage(console, result)
    for note in _notes(result):
        _say(console, Text(f"note: {note}", style="yellow"))
    console.print()
    _line(console, "seed", str(result.seed))
    _line(console, "report", f"{result.store}/report.html")
    if (trace := Path(result.store) / TRACE).exists():
        _line(console, "trace", str(trace))
    if (state := Path(result.store) / STATE).exists():
        _line(console, "state", str(state))
    if result.place == SIMULATED and result.verdict is RunVerdict.VIOLATION:
        words = ["antipaxos", "replay", result.store, "--break-at", "failure"]
        _line(console, "look inside", shlex.join(words))
    _line(console, "replay", result.replay)


def _print_coverage(console: Console, result: RunResult) -> None:
    """Print what the run was exposed to, and what of it was required."""
    if result.coverage:
        console.print()
        for exposure in result.coverage:
            _line(console, exposure.kind, coverage_line(exposure), COVERAGE_NAME_CHARACTERS)
        rare = ", ".join(f"{name} {count}" for name, count in sorted(result.rare_events.items()) if count)
        _line(console, "rare events", rare or "none", COVERAGE_NAME_CHARACTERS)
    if result.required:
        how = "all met" if not result.unmet else f"{len(result.unmet)} not met"
        _line(console, "required", f"{', '.join(result.required)}: {how}", COVERAGE_NAME_CHARACTERS)
    if result.verdict is not RunVerdict.FAULTS_NOT_MET:
        for sentence in result.unmet.values():
            _line(console, "", sentence, COVERAGE_NAME_CHARACTERS)


def coverage_line(exposure: Exposure) -> str:
    """Return what a run was exposed to by one kind of fault."""
    others = [f"{exposure.skipped} skipped"] * bool(exposure.skipped)
    others += [f"{exposure.indeterminate} indeterminate"] * bool(exposure.indeterminate)
    told_of = [f"{exposure.installed} installed", *others]
    if exposure.installed:
        told_of.append(f"{exposure.leader} on the leader")
        told_of.append(f"{exposure.seconds:.1f} s")
        told_of.append(f"meanwhile {exposure.ok} ok, {exposure.fail} fail, {exposure.info} info")
    return ", ".join(told_of)


def _say(console: Console, text: Text) -> None:
    """Print a text: wrapped at words on a terminal, on one line elsewhere, so that logs can be searched."""
    console.print(text, soft_wrap=not console.is_terminal, highlight=False)


def _notes(result: RunResult) -> list[str]:
    reasons = {sentence for record in result.faults for sentence in record.evidence}
    lacking = [
        f"{m.name}: {m.missing}"
        for m in result.mechanisms
        if not m.works and (m.name in ALWAYS_TOLD or m.missing in reasons)
    ]
    return [*lacking, *result.notes]


def _line(console: Console, name: str, value: str | Text, width: int = 13) -> None:
    _say(console, Text.assemble((f"{name:<{width}}", "dim"), value))


def _print_fault(console: Console, record: FaultRecord) -> None:
    """Print a fault on one line, and what was seen of it below."""
    style = _FAULT_STYLES[record.status]
    status = record.status if record.healed else f"{record.status}, NOT HEALED"
    when = f"{_seconds(record.injected_at):>6} – {_seconds(record.healed_at):>6}"
    _say(console, Text.assemble(f"{when}  ", (f"{status:<13}", style), "  ", record.what, (_beyond(record), "yellow")))
    if seen := (*record.evidence, *record.healing):
        _say(console, Text(f"{'':32}{'; '.join(seen)}", style="dim"))


def _beyond(record: FaultRecord) -> str:
    return " (beyond the model)" if record.beyond_model else ""


def _seconds(at: int | None) -> str:
    return "-" if at is None else f"{at / 1e9:.1f} s"


def summary_line(result: RunResult) -> str:
    """Return a run in one line, for lists."""
    installed = sum(record.status is FaultStatus.INSTALLED for record in result.faults)
    counts = result.operations
    return f"{result.workload}, {counts.ok}/{counts.fail}/{counts.info} ok/fail/info, {installed} faults installed"
