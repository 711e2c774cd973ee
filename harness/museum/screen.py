"""What a visit says: how far it is, the table of exhibits, and one exhibit's story. Nothing here reads a clock."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.museum.exhibits import Exhibit
from harness.museum.hall import Pace, Visit
from harness.museum.showing import Shown
from harness.status_line import StatusLine

PLAIN_TABLE_CHARACTERS = 150
SAID_CHARACTERS_MAX = 62
MISSED, ALARMED, CAUGHT, NOT_SHOWN = "✘", "⚠", "✔", "·"


class PaceLine(StatusLine):
    """The live line of a visit; a context manager."""

    def pace(self, pace: Pace) -> None:
        """Show how far it is."""
        line = f"{pace.shown} of {pace.exhibits} exhibits · {pace.runs} runs · {pace.elapsed_s:.0f} s"
        self.show(pace.elapsed_s, line)


def print_story(console: Console, exhibit: Exhibit) -> None:
    """Tell an exhibit's story."""
    console.print(Text(exhibit.name, style="bold"))
    console.print(exhibit.story, markup=False, highlight=False, soft_wrap=True)
    console.print()


def print_visit(console: Console, visit: Visit) -> None:
    """Print the table, what went wrong, and what it came to."""
    wide = console if console.is_terminal else Console(file=console.file, width=PLAIN_TABLE_CHARACTERS)
    wide.print(_table(visit))
    for line in troubles(visit):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(summary(visit), markup=False, highlight=False, soft_wrap=True)


def print_catch(console: Console, shown: Shown) -> None:
    """Print how one exhibit was first caught, and the command that does it again."""
    if shown.first is None:
        return
    console.print()
    console.print(f"seed {shown.first.seed}  {shown.first.sentence}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"again   {shown.command}", markup=False, highlight=False, soft_wrap=True)


def _table(visit: Visit) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("bug", no_wrap=True)
    table.add_column("caught by")
    table.add_column("seeds\nneeded", justify="right")
    table.add_column("caught", justify="right", no_wrap=True)
    table.add_column("95 %", justify="right", no_wrap=True)
    table.add_column("reached", justify="right", no_wrap=True)
    table.add_column("CPU s", justify="right")
    for shown in visit.shown:
        table.add_row(*row(shown))
    return table


def row(shown: Shown) -> tuple[str, ...]:
    """Return an exhibit's line of the table."""
    mark = CAUGHT if shown.proven else ALARMED if shown.false_alarms else MISSED if shown.seeds else NOT_SHOWN
    low, high = shown.rate
    needed = f"{shown.seeds_needed:g}" if shown.seeds_needed is not None else "-"
    counts = (f"{shown.caught} of {shown.seeds}", f"{low:.0%}-{high:.0%}", f"{shown.reached} of {shown.seeds}")
    return (mark, shown.bug, _most(shown.caught_by), needed, *counts, f"{shown.cpu_s:.1f}")


def _most(caught_by: dict[str, int]) -> str:
    """Return what was said most often, in a few words."""
    if not caught_by:
        return "nothing"
    first, *others = caught_by
    first = first if len(first) <= SAID_CHARACTERS_MAX else f"{first[:SAID_CHARACTERS_MAX]}…"
    return f"{first} (+{len(others)})" if others else first


def troubles(visit: Visit) -> list[str]:
    """Return a line for everything that is not as it must be."""
    lines = []
    for shown in visit.shown:
        lines += [f"{ALARMED} {shown.bug}: false alarm, seed {m.seed}: {m.sentence}" for m in shown.false_alarms[:3]]
        if shown.caught_unreached:
            where = f"in {shown.caught_unreached} of {shown.caught} seeds"
            lines.append(f"{MISSED} {shown.bug}: caught {where} where it did no wrong: something else was caught")
        if shown.seeds and not shown.caught:
            why = "it did wrong and nobody said so" if shown.reached else "it was never reached"
            lines.append(f"{MISSED} {shown.bug}: missed in {shown.seeds} seeds: {why}")
            lines += [f"    said instead, in {count} seeds: {said}" for said, count in shown.said_otherwise.items()]
    return lines


def summary(visit: Visit) -> str:
    """Return the visit in a sentence."""
    shown = visit.shown
    caught, runs = sum(one.caught > 0 for one in shown), sum(one.seeds for one in shown)
    alarms = sum(len(one.false_alarms) for one in shown)
    text = (
        f"{caught} of {len(shown)} bugs caught in {runs} seeds; the healthy node over the same seeds: "
        f"{alarms or 'no'} false alarm{'s' if alarms != 1 else ''}; {visit.elapsed_s:.0f} s"
    )
    return f"interrupted: {text}" if visit.interrupted else text


def as_data(visit: Visit) -> dict[str, Any]:
    """Return a visit for ``--json``. Everything but times depends on scenarios and seeds alone."""
    return {
        "exit_code": visit.exit_code,
        "interrupted": visit.interrupted,
        "bugs": [{**msgspec.to_builtins(one), "proven": one.proven} for one in visit.shown],
        "elapsed_s": round(visit.elapsed_s, 3),
    }
