"""``antipaxos shrink``: the smallest scenario that fails as a run did."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console

from harness import __version__
from harness.commands.options import Jobs, Json, StorePath, seconds, workers
from harness.commands.terminal import interruptible, print_json, usage
from harness.results import EXIT_CODES, EXIT_INTERRUPTED, RunVerdict
from harness.shrinking import reduction
from harness.shrinking.screen import TriedLine, print_reduction
from harness.shrinking.shrinker import RUNS_MAX
from harness.store import DEFAULT_STORE, Store, StoreError


def shrink(
    name: Annotated[
        str, typer.Argument(metavar="RUN", help="A failed run's name, its beginning, its folder, or latest.")
    ] = "latest",
    jobs: Jobs = None,
    limit: Annotated[
        str | None, typer.Option("--limit", help="After how long on the wall clock to end early. [default: never]")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="How many runs it may ask for.")] = RUNS_MAX,
    run_limit: Annotated[str, typer.Option("--run-limit", help="How long one run may take on the wall clock.")] = "5m",
    store: StorePath = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Reduce a run that failed to the smallest scenario that fails for the same reason; interrupted, it can go on."""
    console = Console(stderr=json)
    try:
        folder = Store(store).find(name)
    except StoreError as error:
        usage(str(error))
    try:
        request = reduction.Request(
            run=folder,
            store=Store(store),
            jobs=workers(jobs),
            started_at=datetime.now(UTC),
            limit_s=seconds("--limit", limit) if limit is not None else None,
            runs_max=runs,
            run_limit_s=seconds("--run-limit", run_limit),
        )
        console.print(f"antipaxos {__version__}: shrinking {request.run.name}", highlight=False, soft_wrap=True)
        with interruptible() as asked, TriedLine(console, monotonic) as line:
            reduced = reduction.shrink(request, line, lambda: bool(asked))
    except reduction.NotShrinkableError as error:
        usage(str(error))
    except reduction.NotReproducedError as error:
        console.print(f"not reproduced: {error}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_CODES[RunVerdict.UNKNOWN]) from None
    except KeyboardInterrupt:
        console.print("interrupted before the run itself was tried again", style="yellow")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_reduction(console, reduced)
    if json:
        print_json(reduction.as_data(reduced))
    raise typer.Exit(reduced.exit_code)
