"""``antipaxos check``: a history from anywhere, judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from checkers.transactions.consistency import MODELS, STRICT_SERIALIZABLE
from harness import checking
from harness.commands.options import Json
from harness.commands.terminal import print_json, usage


def check(
    file: Annotated[Path, typer.Argument(help="EDN (Jepsen, Knossos), JSON lines, or Porcupine's logs.")],
    model: Annotated[
        str | None,
        typer.Option("--model", help=f"Linearizable as a single copy of: {', '.join(checking.MODEL_NAMES)}."),
    ] = None,
    checker: Annotated[
        str | None,
        typer.Option("--checker", help=f"Or another question: {', '.join(checking.CHECKER_NAMES)}."),
    ] = None,
    initial: Annotated[
        str | None, typer.Option("--initial", help="The initial value, as JSON or EDN. [default: nil, or empty]")
    ] = None,
    time_limit: Annotated[str, typer.Option("--time-limit", help="After how long to answer unknown.")] = "60s",
    consistency: Annotated[
        str | None,
        typer.Option(
            "--consistency",
            help=f"What transactions are expected to be, one of: {', '.join(MODELS)}. [default: {STRICT_SERIALIZABLE}]",
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the first anomalies where they happened, and why no order goes on.")
    ] = False,
    draw: Annotated[
        Path | None, typer.Option("--draw", metavar="FILE.svg", help="Draw the worst cycle of transactions.")
    ] = None,
    json: Json = False,
) -> None:
    """Check a history from anywhere: for linearizability against a model, or by a checker of its own."""
    question = checking.Question(
        model=model,
        checker=checker,
        initial=initial,
        consistency=consistency,
        time_limit=time_limit,
        explain=explain,
    )
    try:
        report = checking.check_file(file, question)
        drawn = draw is not None and checking.draw_cycle(file, question, draw)
    except checking.CheckUsageError as error:
        usage(str(error))
    console = Console(stderr=json)
    checking.print_report(console, report)
    if draw is not None:
        console.print(f"drawn: {draw}" if drawn else "nothing is drawn: there is no cycle", style="dim", soft_wrap=True)
    if json:
        print_json(report)
    raise typer.Exit(report.exit_code)
