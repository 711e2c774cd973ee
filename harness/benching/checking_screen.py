"""The scaling table of the checkers, on a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from harness.benching.checking import CheckingReport, Row, Taken

HEAD = ("history", "clients", "operations", "verdict", "read s", "check s", "MB", "Porcupine s", "MB", "ratio")
PLAIN_TABLE_CHARACTERS = 130


def rows(report: CheckingReport) -> Iterator[tuple[str, ...]]:
    """Yield the table's rows as words."""
    for row in report.rows:
        kind = f"{row.kind}, one stale read" if row.stale else row.kind
        ours = row.ours
        took = (ours.verdict, _s(ours.parse_s), _s(ours.check_s), str(ours.peak_mb))
        yield (kind, str(row.clients), f"{row.operations:,}", *took, *_theirs(row, row.porcupine))


def _theirs(row: Row, taken: Taken | None) -> tuple[str, str, str]:
    if taken is None or taken.verdict == "unknown":
        return row.porcupine_note, "" if taken is None else str(taken.peak_mb), ""
    return _s(taken.check_s), str(taken.peak_mb), f"{row.ratio or 0:,.1f}"


def _s(seconds: float) -> str:
    return f"{seconds:.4f}" if seconds < 0.1 else f"{seconds:.2f}"


def notes(report: CheckingReport) -> Iterator[str]:
    """Yield what a reader must know of the table."""
    yield f"{report.machine}; load average {report.load_average:.1f} at the end; seed {report.seed}"
    yield "1 % of all operations end info; key-value: 100 registers; ratio: check alone, reading left out on both sides"
    if report.without_porcupine:
        yield f"without Porcupine: {report.without_porcupine}"
    else:
        yield f"Porcupine was given {report.limit_s:g} s and {report.memory_mb} MB"


def print_checking(console: Console, report: CheckingReport) -> None:
    """Print the table."""
    wide = console if console.is_terminal else Console(file=console.file, width=PLAIN_TABLE_CHARACTERS)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, word in enumerate(HEAD):
        table.add_column(word, justify="left" if number in (0, 3) else "right", no_wrap=True)
    for row in rows(report):
        table.add_row(*row)
    wide.print(table)
    for note in notes(report):
        console.print(note, style="dim", markup=False, highlight=False, soft_wrap=True)


def markdown(report: CheckingReport) -> str:
    """Return the table as Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows(report)]
    return "\n".join([*lines, "", *(f"{note}." for note in notes(report)), ""])
