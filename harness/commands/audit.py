"""``antipaxos audit``: the logs of stopped nodes, held against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import auditing
from harness.commands.options import Json
from harness.commands.terminal import print_json, usage


def audit(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Nodes' data folders, nodes' folders, or a run's folder.")
    ],
    history: Annotated[
        Path | None, typer.Option("--history", help="What clients were told. [default: a run's own, else none]")
    ] = None,
    cluster_size: Annotated[
        int | None, typer.Option("--cluster-size", min=1, help="How many nodes there are, if not all are here.")
    ] = None,
    json: Json = False,
) -> None:
    """Audit the logs of stopped nodes: agreement, promises, snapshots, and every acknowledged operation once.

    Exit status as of check: 0 valid, 1 violation, 2 usage, 3 unknown.
    """
    try:
        report = auditing.audit_folders(folders, history, cluster_size)
    except auditing.AuditUsageError as error:
        usage(str(error))
    console = Console(stderr=json)
    auditing.print_report(console, report)
    if json:
        print_json(report)
    raise typer.Exit(report.exit_code)
