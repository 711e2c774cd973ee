"""What all commands have in common between them and their user's terminal: words of refusal, JSON, interruption."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec
import typer
from rich.console import Console

from harness.results import EXIT_USAGE


def usage(message: str) -> NoReturn:
    """Say on standard error what was asked for wrongly, and end with status 2."""
    Console(stderr=True).print(f"antipaxos: {message}", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(EXIT_USAGE)


def print_json(value: Any) -> None:
    """Print one line of JSON on standard output."""
    print(msgspec.json.encode(value).decode(), flush=True)  # noqa: T201


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM in a list, so that work ends where it is whole; a second one ends it where it stands."""
    asked: list[int] = []

    def note(number: int, frame: object) -> None:
        del frame
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
