"""What a replay says on the terminal, and the same as data for ``--json``."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from harness.replaying.comparison import SHORT, Comparison
from harness.replaying.measured import Measured, Trial
from harness.replaying.original import Original
from harness.replaying.simulated import Opened, Replayed
from harness.results import RunVerdict

_SENTENCE_CHARACTERS_MAX = 300


def print_replayed(console: Console, original: Original, done: Replayed) -> None:
    """Print what a replay in simulation has shown."""
    comparison = done.comparison
    console.print()
    if comparison.identical:
        _say(console, Text.assemble(("✔ byte-identical", "bold green"), f": {_hashes(comparison)}"))
        if comparison.not_recorded:
            _note(console, f"the recorded run has no hash of its {', '.join(comparison.not_recorded)}: not compared")
    else:
        _print_differences(console, done)
    _line(console, "run", original.name)
    again = " again" if done.result.verdict is done.original.verdict else f" now, not {done.original.verdict}"
    _line(console, "verdict", f"{done.result.verdict}{again}: {done.result.sentence}")
    if done.trace is not None:
        _line(console, "trace", f"{done.trace} ({done.trace_lines} lines)")
    for folder in done.kept:
        _line(console, "kept", str(folder.path))


def print_opened(console: Console, opened: Opened) -> None:
    """Say how far a replay that was broken off was the run."""
    console.print()
    if opened.difference:
        what = "✘ another run" if not opened.other_code else "✘ another run, of other code"
        _say(console, Text.assemble((what, "bold magenta"), f": history, {opened.difference}"))
    else:
        _say(console, Text.assemble(("✔ the same run so far", "bold green"), f": {opened.same} events of its history"))
    if opened.trace is not None:
        _line(console, "trace", f"{opened.trace} ({opened.trace_lines} lines)")


def print_trial(console: Console, trial: Trial) -> None:
    """Print a replay on real processes in a line."""
    what, style = {True: ("same", "green"), False: ("different", "yellow"), None: ("not counted", "magenta")}[
        trial.same
    ]
    sentence = trial.result.sentence
    if len(sentence) > _SENTENCE_CHARACTERS_MAX:
        sentence = sentence[:_SENTENCE_CHARACTERS_MAX] + "…"
    head = (f"{trial.number:>4}  ", "dim")
    _say(console, Text.assemble(head, (f"{what:<12}", style), f"{trial.result.verdict}: {sentence}"))
    if trial.folder is not None:
        _say(console, Text(f"{'':18}{trial.folder.path}", style="dim"))


def print_measured(console: Console, measured: Measured) -> None:
    """Print the rate."""
    console.print()
    _say(console, Text(rate_sentence(measured), style="bold"))
    if measured.harness_failures:
        failures = measured.harness_failures
        told = "1 replay was a harness failure" if failures == 1 else f"{failures} replays were harness failures"
        _note(console, f"{told}, neither the same nor different: not counted")
    if measured.interrupted:
        _note(console, "interrupted: this is what was measured until then")


def rate_sentence(measured: Measured) -> str:
    """Say how often it was the same, and how sure that is."""
    what = "the same failure"
    if measured.original.verdict in (RunVerdict.VALID, RunVerdict.FAULTS_NOT_MET):
        what = f"the same verdict ({measured.original.verdict})"
    if not measured.counted:
        return f"{what} in 0 of 0 replays: nothing was measured"
    low, high = measured.interval
    rate = measured.same / measured.counted
    return (
        f"{what} in {measured.same} of {measured.counted} replays "
        f"({_percent(rate)}, 95 % Wilson interval {_percent(low)} to {_percent(high)})"
    )


def replayed_as_data(original: Original, done: Replayed, exit_code: int) -> dict[str, Any]:
    """Return a replay for ``--json``."""
    return {
        "run": original.name,
        "identical": done.comparison.identical,
        "exit_code": exit_code,
        "verdict": done.result.verdict,
        "sentence": done.result.sentence,
        "comparison": msgspec.to_builtins(done.comparison),
        "trace": str(done.trace) if done.trace is not None else None,
        "kept": [str(folder.path) for folder in done.kept],
    }


def opened_as_data(original: Original, opened: Opened) -> dict[str, Any]:
    """Return a state for ``--json``."""
    return {
        "run": original.name,
        "exit_code": opened.exit_code,
        "same_events": opened.same,
        "difference": opened.difference,
        "state": msgspec.to_builtins(opened.state),
        "trace": str(opened.trace) if opened.trace is not None else None,
    }


def measured_as_data(original: Original, measured: Measured, exit_code: int) -> dict[str, Any]:
    """Return a measurement for ``--json``."""
    low, high = measured.interval
    return {
        "run": original.name,
        "exit_code": exit_code,
        "original": measured.original.verdict,
        "same": measured.same,
        "counted": measured.counted,
        "harness_failures": measured.harness_failures,
        "rate": measured.same / measured.counted if measured.counted else None,
        "wilson_95": [low, high],
        "interrupted": measured.interrupted,
        "replays": [
            {
                "number": trial.number,
                "verdict": trial.result.verdict,
                "same": trial.same,
                "sentence": trial.result.sentence,
                "store": str(trial.folder.path) if trial.folder is not None else None,
            }
            for trial in measured.trials
        ],
    }


def _print_differences(console: Console, done: Replayed) -> None:
    comparison = done.comparison
    parts = ", ".join(difference.part for difference in comparison.differences)
    told = f": not as recorded: {parts}"
    _say(console, Text.assemble(("✘ not the same run", "bold magenta"), told))
    for difference in comparison.differences:
        recorded, replayed = difference.recorded[:SHORT], difference.replayed[:SHORT]
        _line(console, difference.part, f"{recorded or 'none'} recorded, {replayed or 'none'} now")
        if difference.where:
            _say(console, Text(f"  {difference.where}"))
    for departure in comparison.environment:
        _note(console, departure)
    if comparison.other_code is True:
        _note(console, "other code may give another run: replay it with the code that made it")
    elif comparison.other_code is False:
        _note(console, "the code is the same: unless the run's files were changed, this is a bug of the harness")


def _hashes(comparison: Comparison) -> str:
    named = (
        ("plan", comparison.plan_sha256),
        ("history", comparison.history_sha256),
        ("trace", comparison.trace_sha256),
    )
    return ", ".join(f"{name} {sha256[:SHORT]}" for name, sha256 in named if name not in comparison.not_recorded)


def _percent(rate: float) -> str:
    return f"{rate * 100:.3g} %"


def _line(console: Console, name: str, value: str) -> None:
    _say(console, Text.assemble((f"{name:<13}", "dim"), value))


def _note(console: Console, note: str) -> None:
    _say(console, Text(f"note: {note}", style="yellow"))


def _say(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=not console.is_terminal, highlight=False)
