"""``antipaxos report``: a run's result again, and its page anew."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from harness.commands.options import Json, StorePath
from harness.commands.terminal import print_json, usage
from harness.console import print_result
from harness.execution import finish
from harness.results import EXIT_CODES, RunVerdict
from harness.store import DEFAULT_STORE, REPORT, Store, StoreError


def report(
    name: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's name, its beginning, its folder, or latest.")
    ] = "latest",
    store: StorePath = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Show a run again, and write its report.html anew."""
    try:
        folder = Store(store).find(name)
        result = folder.results()
    except StoreError as error:
        usage(str(error))
    if result is None:
        usage(f"{folder.name} did not come to a result (interrupted?); its history is {folder.path}/history.jsonl")
    result = finish(result, folder)
    console = Console(stderr=json)
    print_result(console, result)
    if json:
        print_json(result)
    if not (folder / REPORT).exists():
        raise typer.Exit(EXIT_CODES[RunVerdict.HARNESS_FAILURE])
