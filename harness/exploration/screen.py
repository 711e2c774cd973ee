"""What an exploration says: a bar while it goes on, then the table of failures and a summary. Nothing reads a clock."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.coverage.table import unreached
from harness.exploration.explorer import Exploration, Pace, Request
from harness.exploration.tally import Group
from harness.results import RunVerdict
from harness.scenario import SIMULATED
from harness.status_line import StatusLine

PLAIN_TABLE_CHARACTERS = 160
BAR_CELLS = 24
_STYLES = {
    RunVerdict.VALID: ("✔ VALID", "bold green"),
    RunVerdict.VIOLATION: ("✘ VIOLATION", "bold red"),
    RunVerdict.UNKNOWN: ("? UNKNOWN", "bold yellow"),
    RunVerdict.FAULTS_NOT_MET: ("∅ FAULTS NOT MET", "bold yellow"),
    RunVerdict.HARNESS_FAILURE: ("⚠ HARNESS FAILURE", "bold magenta"),
}


class PaceLine(StatusLine):
    """The live bar of an exploration; a context manager."""

    def pace(self, pace: Pace) -> None:
        """Show how far it is."""
        self.show(pace.elapsed_s, pace_line(pace), f"{bar(pace)} ")


def bar(pace: Pace) -> str:
    """Return the bar alone."""
    full = BAR_CELLS * pace.done // pace.total
    return "━" * full + "─" * (BAR_CELLS - full)


def pace_line(pace: Pace) -> str:
    """Return how far an exploration is, in a line."""
    parts = [f"{pace.done} of {pace.total} seeds", f"{pace.failed} failed"]
    if pace.done and pace.elapsed_s > 0:
        left_s = pace.elapsed_s / pace.done * (pace.total - pace.done)
        parts.append(f"{pace.run_s / pace.elapsed_s:.1f} s of runs a second")
        parts.append(f"{_span(left_s)} left")
    return " · ".join(parts)


def print_exploration(console: Console, exploration: Exploration, request: Request) -> None:
    """Print the verdict over all seeds, the table of failures, and what it took."""
    tally = exploration.tally
    word, style = _STYLES[tally.verdict] if tally.done else ("no seed was finished", "yellow")
    console.print()
    console.print(Text.assemble((word, style), "  ", headline(exploration, request)), soft_wrap=True)
    groups = tally.groups()
    if groups:
        console.print()
        console.print(_table(groups), width=None if console.is_terminal else PLAIN_TABLE_CHARACTERS)
        console.print()
    for group in {group.first_seed: group for group in groups}.values():
        console.print(Text.assemble((f"seed {group.first_seed}  ", "dim"), group.replay), soft_wrap=True)
        if group.folder:
            console.print(Text(f"{'':6}antipaxos report {group.folder}", style="dim"), soft_wrap=True)
            trace = " --trace" if request.scenario.place == SIMULATED else ""
            console.print(Text(f"{'':6}antipaxos replay {group.folder}{trace}", style="dim"), soft_wrap=True)
    console.print()
    for name, value in _summary(exploration):
        console.print(Text.assemble((f"{name:<13}", "dim"), value), soft_wrap=True)


def headline(exploration: Exploration, request: Request) -> str:
    """Say what came of which seeds, in a sentence."""
    tally, seeds = exploration.tally, request.seeds
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(tally.verdicts.items()))
    told = f"{tally.done} of {len(seeds)} seeds ({seeds.start}..{seeds.stop}): {counts or 'nothing yet'}"
    if exploration.interrupted:
        told += "; interrupted"
    elif exploration.stopped_at is not None:
        told += f"; stopped at the first failure, seed {exploration.stopped_at}"
    never = tally.never_met()
    if never and tally.done:
        told += f"; no seed is shown to have had: {', '.join(never)}"
    return told


def as_data(exploration: Exploration, request: Request) -> dict[str, Any]:
    """Return an exploration for ``--json``. Everything but ``measured`` depends on scenario and seeds alone."""
    tally = exploration.tally
    return {
        "verdict": tally.verdict if tally.done else None,
        "exit_code": exploration.exit_code,
        "seeds": [request.seeds.start, request.seeds.stop],
        "done": tally.done,
        "failed": tally.failed,
        "interrupted": exploration.interrupted,
        "stopped_at": exploration.stopped_at,
        "verdicts": dict(sorted(tally.verdicts.items())),
        "findings": [msgspec.to_builtins(group) for group in tally.groups()],
        "operations": dict(sorted(tally.operations.items())),
        "faults_installed": dict(sorted(tally.installed.items())),
        "requirements_never_met": tally.never_met(),
        "faults_on_leader": dict(sorted(tally.on_leader.items())),
        "seconds_under_faults": {kind: round(seconds, 3) for kind, seconds in sorted(tally.seconds.items())},
        "required_met_in_seeds": {text: tally.met[text] for text in dict.fromkeys(tally.required)},
        "counters": dict(sorted(tally.counters.items())),
        "counters_in_seeds": dict(sorted(tally.reached.items())),
        "counters_never": unreached(tally.counters),
        "run_s": round(tally.run_s, 6),
        "measured": {
            "elapsed_s": round(exploration.elapsed_s, 3),
            "cpu_s": round(tally.cpu_s, 3),
            "seeds_per_s": round(_ratio(tally.done, exploration.elapsed_s), 3),
            "run_s_per_cpu_s": round(_ratio(tally.run_s, tally.cpu_s), 3),
        },
    }


def _table(groups: list[Group]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("verdict", no_wrap=True)
    table.add_column("signature")
    table.add_column("seeds", justify="right")
    table.add_column("first", justify="right")
    table.add_column("what happened there", ratio=1)
    for group in groups:
        signature = f"{group.checker}: {group.kind}"
        table.add_row(
            Text(group.verdict, style=_STYLES[group.verdict][1]),
            Text(signature),
            str(group.count),
            str(group.first_seed),
            Text(group.sentence),
        )
    return table


def _summary(exploration: Exploration) -> list[tuple[str, str]]:
    tally = exploration.tally
    operations = tally.operations
    installed = ", ".join(
        f"{count} {kind} ({tally.seconds[kind]:.0f} s, {tally.on_leader[kind]} on the leader)"
        for kind, count in sorted(tally.installed.items())
    )
    required = ", ".join(f"{text} in {tally.met[text]} of {tally.done} seeds" for text in dict.fromkeys(tally.required))
    rare = [f"{name} {tally.counters[name]} ({tally.reached[name]})" for name in tally.rarest()]
    return [
        ("operations", f"{operations['ok']} ok, {operations['fail']} fail, {operations['info']} info"),
        ("faults", installed or "none installed"),
        ("required", required or "nothing"),
        ("rare events", f"{len(rare)}, how often (and in how many seeds): {', '.join(rare)}" if rare else "none"),
        ("never", ", ".join(unreached(tally.counters)) or "no rare event is missing"),
        (
            "speed",
            f"{_ratio(tally.done, exploration.elapsed_s):.2f} seeds/s, {tally.run_s:.1f} s of runs in "
            f"{exploration.elapsed_s:.1f} s, {_ratio(tally.run_s, tally.cpu_s):.2f} s of runs per CPU s",
        ),
    ]


def _ratio(amount: float, by: float) -> float:
    return amount / by if by > 0 else 0.0


def _span(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
