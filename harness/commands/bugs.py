"""``antipaxos bugs``: the museum of planted bugs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from harness.commands.options import Jobs, Json, StorePath, workers
from harness.commands.terminal import interruptible, print_json, usage
from harness.museum import hall, here, page, screen
from harness.museum.exhibits import exhibits
from harness.museum.showing import Terms
from harness.scenario import LOCAL, SIMULATED, ScenarioError
from harness.store import DEFAULT_STORE, Store
from node.assembly import UnknownBugError


def bugs(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Planted bugs by name. [default: all]")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=100_000, help="At most so many for each bug.")] = 200,
    at_least: Annotated[int, typer.Option("--at-least", min=1, help="At least so many, if there are.")] = 20,
    catches: Annotated[int, typer.Option("--catches", min=1, help="Then on until it was caught so often.")] = 5,
    short: Annotated[bool, typer.Option("--short", help="Until each was caught once: what CI does.")] = False,
    no_invariants: Annotated[
        bool, typer.Option("--no-invariants", help="Let no invariant end a run: what the checkers see by themselves.")
    ] = False,
    place: Annotated[
        str, typer.Option("--place", help="simulated, or local: real processes, what the checkers see there.")
    ] = SIMULATED,
    jobs: Jobs = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Run nothing; print the exhibits as docs/museum.md has them.")
    ] = False,
    store: StorePath = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Show the museum of planted bugs: run each under what must catch it, and the healthy node beside it.

    Exit status: 0 all caught and all proved to have been reached; 4 one was missed; 1 a false alarm of the healthy
    node; 130 interrupted.
    """
    try:
        chosen = exhibits(names or ())
    except (UnknownBugError, ScenarioError) as error:
        usage(str(error))
    if markdown:
        print(page.markdown(chosen), end="", flush=True)  # noqa: T201
        return
    if place not in (SIMULATED, LOCAL):
        usage(f"--place: unknown value {place!r}; there are: {SIMULATED}, {LOCAL}")
    real = place == LOCAL
    if real or no_invariants:
        chosen = here.showable(chosen) if real else tuple(one for one in chosen if one.checkers_alone)
        if not chosen:
            usage("nothing is left to show: invariants alone see that, or a fault that real processes cannot be given")
    least, wanted = (1, 1) if short else (min(at_least, seeds), catches)
    request = hall.Request(
        exhibits=chosen,
        terms=Terms(seeds, least, wanted, not (real or no_invariants)),
        jobs=workers(jobs),
        store=Store(store),
        started_at=datetime.now(UTC),
        place=place,
    )
    console = Console(stderr=json)
    if names and len(chosen) == 1:
        screen.print_story(console, chosen[0])
    with interruptible() as asked, screen.PaceLine(console) as line:
        visit = hall.visit(request, line, lambda: bool(asked))
    screen.print_visit(console, visit)
    if len(chosen) == 1:
        screen.print_catch(console, visit.shown[0])
    if json:
        print_json(screen.as_data(visit))
    raise typer.Exit(visit.exit_code)
