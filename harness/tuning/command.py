"""``antipaxos tune`` from its trace to its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.tuning.advice import Advice, advise
from harness.tuning.page import page
from harness.tuning.quality import Quality, Shape, Watched, frontier, measure, sweeps
from harness.tuning.trace import Trace, write

PLAIN_TABLE_CHARACTERS = 120
TOLD_MAX = 6
"""Of each frontier so many points are told."""


@dataclass(frozen=True)
class Tuned:
    """A trace, every detector with every setting over it, and what that comes to."""

    trace: Trace
    qualities: tuple[Quality, ...]
    advice: Advice


def tune(trace: Trace) -> Tuned:
    """Replay every detector over a trace."""
    watched = [Watched(beats, trace.heartbeat, Shape()) for beats in trace.links]
    qualities = tuple(one for sweep in sweeps(trace.heartbeat) for one in measure(sweep, watched))
    return Tuned(trace, qualities, advise(trace, qualities))


def leave(tuned: Tuned, page_path: Path, trace_path: Path | None) -> None:
    """Write the page, and the trace if that is wanted. Raises OSError."""
    page_path.write_text(page(tuned.trace, tuned.qualities, tuned.advice), encoding="utf-8")
    if trace_path is not None:
        write(tuned.trace, trace_path)


def as_data(tuned: Tuned) -> dict[str, object]:
    """Return everything as plain data."""
    return {
        "source": tuned.trace.source,
        "heartbeat_ms": tuned.trace.heartbeat / 1e6,
        "settings": tuned.advice.settings,
        "reasons": list(tuned.advice.reasons),
        "supported_percentile": tuned.advice.support.percentile,
        "qualities": [vars(one) for one in tuned.qualities],
    }


def print_tuned(console: Console, tuned: Tuned) -> None:
    """Show the frontiers, thinned, and the advice."""
    console.print(f"{tuned.trace.source}; a heartbeat every {tuned.trace.heartbeat / 1e6:g} ms", highlight=False)
    wide = console if console.is_terminal else Console(file=console.file, width=PLAIN_TABLE_CHARACTERS)
    table = Table(box=None, pad_edge=False)
    for name in ("detector", "setting", "T_D, ms", "p99, ms", "λ_M, 1/h", "T_M, ms", "P_A"):
        words = name in ("detector", "setting")
        table.add_column(name, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for detector in dict.fromkeys(one.detector for one in tuned.qualities):
        best = frontier([one for one in tuned.qualities if one.detector == detector])
        step = max(1, (len(best) + TOLD_MAX - 1) // TOLD_MAX)
        for one in [*best[:-1:step], best[-1]]:
            rate = f"{one.mistakes_per_hour:.2f}" if one.mistakes else f"< {one.rate_at_most:.2f}"
            table.add_row(
                one.detector,
                f"{one.setting}={one.value:g}",
                f"{one.detection_mean_ms:.0f}",
                f"{one.detection_p99_ms:.0f}",
                rate,
                f"{one.mistake_mean_ms:.0f}",
                f"{one.query_accuracy:.6f}",
            )
    wide.print(table)
    for key, value in tuned.advice.settings.items():
        console.print(f"--set {key}={value}", highlight=False)
    for reason in tuned.advice.reasons:
        console.print(f"- {reason}", highlight=False, soft_wrap=True)
