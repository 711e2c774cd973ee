"""What a survey says: a line while it goes on, then the table of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.coverage.survey import Surveyed, exit_code
from harness.coverage.table import EVENTS

REACHED, NOT_REACHED, BY_TEST = "✔", "✘", "·"
PLAIN_TABLE_CHARACTERS = 150


def print_surveys(console: Console, surveys: Sequence[Surveyed], *, whole: bool) -> None:
    """Print the events of some scenes; with ``whole`` also those that no scene is there for."""
    wide = console if console.is_terminal else Console(file=console.file, width=PLAIN_TABLE_CHARACTERS)
    wide.print(_table(surveys, whole))
    for surveyed in surveys:
        for result in surveyed.failed:
            told = f"{NOT_REACHED} {surveyed.scene.name}, seed {result.seed}: {result.verdict}: {result.sentence}"
            console.print(told, markup=False, highlight=False, soft_wrap=True)
    console.print(summary(surveys), markup=False, highlight=False, soft_wrap=True)


def summary(surveys: Sequence[Surveyed]) -> str:
    """Return what it came to, in a sentence."""
    events = sum(len(surveyed.scene.events) for surveyed in surveys)
    missing = [event for surveyed in surveys for event in surveyed.missing]
    runs = sum(surveyed.seeds for surveyed in surveys)
    text = f"{events - len(missing)} of {events} rare events reached in {runs} runs of {len(surveys)} scenarios"
    return f"{text}; not reached: {', '.join(missing)}" if missing else text


def _table(surveys: Sequence[Surveyed], whole: bool) -> Table:
    by_scene = {surveyed.scene.name: surveyed for surveyed in surveys}
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "event", "scenario"):
        table.add_column(name, no_wrap=True)
    table.add_column("seed", justify="right")
    table.add_column("times", justify="right")
    table.add_column("what it counts")
    for event in EVENTS:
        surveyed = by_scene.get(event.scenario)
        if surveyed is not None:
            first, times = surveyed.first.get(event.counter), surveyed.met[event.counter]
            mark = REACHED if times else NOT_REACHED
            seed = str(first) if first is not None else "-"
            table.add_row(mark, event.counter, event.scenario, seed, str(times), event.counts)
        elif whole:
            table.add_row(BY_TEST, event.counter, "by a test", "-", "-", event.counts)
    return table


def as_data(surveys: Sequence[Surveyed]) -> dict[str, Any]:
    """Return some surveys for ``--json``; all of it depends on the scenarios alone."""
    return {
        "exit_code": exit_code(surveys),
        "scenarios": [
            {
                "name": surveyed.scene.name,
                "seeds": surveyed.seeds,
                "events": {event: surveyed.met[event] for event in surveyed.scene.events},
                "first_seed": {event: surveyed.first.get(event) for event in surveyed.scene.events},
                "not_reached": surveyed.missing,
                "also_met": {e: n for e, n in sorted(surveyed.met.items()) if e not in surveyed.scene.events},
                "failed": [{"seed": result.seed, "sentence": result.sentence} for result in surveyed.failed],
            }
            for surveyed in surveys
        ],
        "by_test": {event.counter: event.test for event in EVENTS if event.test},
    }
