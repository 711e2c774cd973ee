"""``antipaxos list``: what is in the store."""

from __future__ import annotations

from rich.console import Console

from harness.commands.options import Json, StorePath
from harness.commands.terminal import print_json
from harness.console import summary_line
from harness.store import DEFAULT_STORE, Store, StoreError


def list_runs(store: StorePath = DEFAULT_STORE, json: Json = False) -> None:
    """List the runs in the store, oldest first."""
    console = Console()
    runs = Store(store).runs()
    if not runs and not json:
        console.print(f"no runs in {store} yet; `antipaxos run` makes one", highlight=False)
    for folder in runs:
        try:
            result = folder.results()
        except StoreError as error:
            console.print(f"{folder.name}  unreadable: {error}", highlight=False, soft_wrap=True)
            continue
        if json:
            line = {"run": folder.name, "verdict": result.verdict if result else None, "store": str(folder.path)}
            print_json(line)
        elif result is None:
            console.print(f"{folder.name}  unfinished", highlight=False, soft_wrap=True)
        else:
            console.print(f"{folder.name}  {result.verdict}  {summary_line(result)}", highlight=False, soft_wrap=True)
