"""``antipaxos coverage``: the rare events of the protocol, reached."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from harness.commands.options import Json
from harness.commands.terminal import print_json, usage
from harness.coverage import page, screen
from harness.coverage.survey import SEEDS_MAX, UnknownSceneError, exit_code, scenes, survey
from harness.results import EXIT_INTERRUPTED
from harness.scenario import ScenarioError


def coverage(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Scenarios by name. [default: all]")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=100_000, help="At most so many a scenario.")] = SEEDS_MAX,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Run nothing; print the table as docs/coverage.md has it.")
    ] = False,
    json: Json = False,
) -> None:
    """Show that each rare event of the protocol is reached: run, in simulation, the scenarios that must reach them.

    Exit status: 0 all reached; 4 one was not; 1, 3, 5 as the verdict of a run that failed; 130 interrupted.
    """
    try:
        chosen = scenes(names or ())
    except (UnknownSceneError, ScenarioError) as error:
        usage(str(error))
    if markdown:
        print(page.markdown(scenes()), end="", flush=True)  # noqa: T201
        return
    console = Console(stderr=json)
    surveys = []
    try:
        for scene in chosen:
            console.print(f"{scene.name}: {scene.about}", style="dim", markup=False, highlight=False, soft_wrap=True)
            surveys.append(list(survey(scene, seeds))[-1])
    except KeyboardInterrupt:
        console.print("interrupted: what was not run yet is not told", style="yellow")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    screen.print_surveys(console, surveys, whole=not names)
    if json:
        print_json(screen.as_data(surveys))
    raise typer.Exit(exit_code(surveys))
