"""The command line: ``antipaxos run``, ``replay``, ``explore``, ``shrink``, ``bugs``, ``coverage``, ``plan``,
``check``, ``audit``, ``list``, ``report``, ``tune``, ``bench``, ``doctor``, ``clean``; each a file in
``harness/commands``.

Exit status: 0 valid (or shrunk), 1 violation, 2 usage, 3 unknown (or not reproduced), 4 faults or coverage not met, 5
harness failure; 130 if it was interrupted, which is no verdict.
"""

from __future__ import annotations

# Before the slow imports: the first operation is timed from here.
from harness import startup  # noqa: F401

# isort: split

import sys
import traceback
from typing import Annotated

import typer
from rich.console import Console

from harness import __version__
from harness.cluster.base import ClusterError
from harness.commands.audit import audit
from harness.commands.bench import bench
from harness.commands.bugs import bugs
from harness.commands.check import check
from harness.commands.clean import clean
from harness.commands.coverage import coverage
from harness.commands.doctor import doctor
from harness.commands.explore import explore_seeds
from harness.commands.list import list_runs
from harness.commands.plan import plan
from harness.commands.replay import replay_run
from harness.commands.report import report
from harness.commands.run import run
from harness.commands.shrink import shrink
from harness.commands.tune import tune
from harness.results import EXIT_CODES, RunVerdict
from harness.store import StoreError

app = typer.Typer(
    name="antipaxos",
    help="Break a real Multi-Paxos cluster from a seed, and prove from the recorded history what was lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bench)
app.command()(run)
app.command("replay")(replay_run)
app.command("explore")(explore_seeds)
app.command()(shrink)
app.command()(bugs)
app.command()(coverage)
app.command()(plan)
app.command()(check)
app.command()(audit)
app.command("list")(list_runs)
app.command()(report)
app.command()(tune)
app.command()(doctor)
app.command()(clean)


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        print(f"antipaxos {__version__}")  # noqa: T201
        raise typer.Exit
    del context


def main() -> None:
    """Entry point of the console script. What nobody expected is a harness failure: it proves nothing of the system."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - status 1 would say that the system under test broke a promise
        if not isinstance(error, StoreError | OSError | ClusterError):
            traceback.print_exc()
        Console(stderr=True).print(
            f"antipaxos: harness failure: {error}", highlight=False, markup=False, soft_wrap=True
        )
        sys.exit(EXIT_CODES[RunVerdict.HARNESS_FAILURE])


if __name__ == "__main__":
    main()
