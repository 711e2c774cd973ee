"""``antipaxos doctor``: what works on this machine."""

from __future__ import annotations

from typing import Annotated, cast

import typer
from rich.console import Console

from harness.commands.options import Json
from harness.commands.terminal import print_json, usage
from harness.scenario import LOCAL_MODES, LocalMode


def doctor(
    mode: Annotated[str, typer.Option("--mode", help="How local is to separate nodes: as for run.")] = "auto",
    json: Json = False,
) -> None:
    """Try what faults need on this machine; say what works, by which means, and what would change the rest.

    Exit status: 0 the default job works; 4 it does not.
    """
    from harness.doctor.diagnosis import diagnose  # noqa: PLC0415 - only this command needs it
    from harness.doctor.screen import print_diagnosis  # noqa: PLC0415

    if mode not in LOCAL_MODES:
        usage(f"--mode: unknown value {mode!r}; there are: {', '.join(LOCAL_MODES)}")
    diagnosis = diagnose(cast(LocalMode, mode))
    print_diagnosis(Console(stderr=json), diagnosis)
    if json:
        print_json(diagnosis)
    raise typer.Exit(diagnosis.exit_code)
