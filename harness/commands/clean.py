"""``antipaxos clean``: what a killed controller left behind, ended."""

from __future__ import annotations

from rich.console import Console

from harness import cleaning
from harness.commands.options import StorePath
from harness.store import DEFAULT_STORE, Store


def clean(store: StorePath = DEFAULT_STORE) -> None:
    """End what a killed controller left behind. Harmless at any time, any number of times."""
    console = Console()
    cleaned = cleaning.clean(Store(store))
    swept = cleaning.sweep(Store(store))
    for line in (*map(str, cleaned), *(f"removed {path}" for path in swept)):
        console.print(line, highlight=False, soft_wrap=True)
    if not cleaned and not swept:
        console.print("nothing was left behind", highlight=False)
