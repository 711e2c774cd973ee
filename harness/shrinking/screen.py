"""What a shrinking says: one line while it goes on, then from what to what, what the passes did, and what is left.

On a terminal the line is redrawn in place; elsewhere a plain line comes every few seconds. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.duration import format_ms
from harness.scenario import SIMULATED
from harness.shrinking.candidate import Candidate, size
from harness.shrinking.reduction import Reduction
from harness.shrinking.shrinker import Attempt
from harness.shrinking.story import story
from harness.status_line import StatusLine

_AMOUNTS = ("faults", "operations", "nodes", "clients", "keys")


class TriedLine(StatusLine):
    """The live line of a shrinking; a context manager. ``clock`` gives seconds."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        super().__init__(console)
        self._clock = clock
        self._began_s = clock()

    def tried(self, attempt: Attempt, carried_out: int) -> None:
        """Show what is being tried."""
        self.show(self._clock() - self._began_s, tried_line(attempt, carried_out))


def tried_line(attempt: Attempt, carried_out: int) -> str:
    """Return where a shrinking is, in a line."""
    return f"{attempt.of_pass} · {carried_out} runs · trying {amounts_line(attempt.candidate)}"


def amounts_line(candidate: Candidate) -> str:
    """Return how much there is of everything, in a line."""
    amounts = (
        len(candidate.faults),
        len(candidate.operations),
        candidate.nodes,
        candidate.clients,
        len(candidate.keys),
    )
    told = [_counted(count, name) for count, name in zip(amounts, _AMOUNTS, strict=True)]
    return ", ".join([*told, format_ms(candidate.time)])


def print_reduction(console: Console, reduction: Reduction) -> None:
    """Print a shrinking: what is left first, the command that carries it out last."""
    shrunk, finding = reduction.shrunk, reduction.finding
    word, style = ("✔ SHRUNK", "bold green") if shrunk.finished else ("… NOT FINISHED", "bold yellow")
    told = f"from size {size(reduction.start)} to {size(shrunk.candidate)}"
    if not shrunk.finished:
        told += "; run it again to go on" if not reduction.used_up else f"; its {reduction.runs_max} runs are used up"
    console.print()
    _say(console, Text.assemble((word, style), f"  {told}"))
    if reduction.place != SIMULATED:
        _say(console, Text(f"the run was on the place {reduction.place}; it fails in simulation for the same reason"))
    console.print()
    _line(console, "fails", f"{finding.signature.checker}: {finding.signature.kind}")
    _line(console, "", finding.sentence)
    _line(console, "from", amounts_line(reduction.start))
    _line(console, "to", amounts_line(shrunk.candidate))
    _line(console, "tried", f"{shrunk.runs} runs, {reduction.carried_out} of them carried out now")
    console.print()
    console.print(_table(reduction))
    console.print()
    for line in story(shrunk.candidate, reduction.result.faults):
        _say(console, Text(line))
    console.print()
    _line(console, "seed", str(shrunk.seed))
    _line(console, "test", str(reduction.test_path))
    _line(console, "replay", f"antipaxos run {reduction.scenario_path}")


def _table(reduction: Reduction) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("pass", no_wrap=True)
    for name in ("tried", "accepted", "runs"):
        table.add_column(name, justify="right")
    for name, count in reduction.shrunk.counts.items():
        if count.tried:
            table.add_row(name, str(count.tried), str(count.accepted), str(count.runs))
    return table


def _counted(count: int, plural: str) -> str:
    return f"{count} {plural.removesuffix('s') if count == 1 else plural}"


def _line(console: Console, name: str, value: str) -> None:
    _say(console, Text.assemble((f"{name:<8}", "dim"), value))


def _say(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
