"""``antipaxos tune``: failure detectors compared over heartbeats."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from harness.commands.options import Json, seconds
from harness.commands.terminal import print_json, usage
from harness.results import EXIT_CODES, RunVerdict
from harness.tuning.limits import BEATS_MAX, BEATS_MIN

if TYPE_CHECKING:
    from harness.tuning.trace import Trace


def tune(
    trace: Annotated[
        Path | None,
        typer.Argument(metavar="TRACE", help="A recorded trace (JSON lines); without one, a cluster here is recorded."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Make a trace up from this seed instead.", min=0)] = None,
    beats: Annotated[int, typer.Option(help="How many heartbeats to make up.", min=BEATS_MIN, max=BEATS_MAX)] = 200_000,
    nodes: Annotated[int, typer.Option(help="Members of the recorded cluster, the recorder among them.")] = 3,
    heartbeat: Annotated[int, typer.Option(help="The recorded or made-up heartbeat, ms.", min=1, max=10_000)] = 50,
    time: Annotated[str, typer.Option(help="How long to record.")] = "60s",
    out: Annotated[Path, typer.Option(help="The page.")] = Path("tune.html"),
    keep: Annotated[Path | None, typer.Option(help="Where to keep the trace.")] = None,
    json: Json = False,
) -> None:
    """Compare failure detectors over heartbeats, and recommend heartbeat, threshold, time-out and lease."""
    if trace is not None and seed is not None:
        usage("a trace or a seed, not both")
    from harness.tuning.command import as_data, leave, print_tuned  # noqa: PLC0415 - only this command needs them
    from harness.tuning.command import tune as tuned_over  # noqa: PLC0415

    tuned = tuned_over(_heartbeats(trace, seed, beats, nodes, heartbeat, seconds("--time", time)))
    try:
        leave(tuned, out, keep)
    except OSError as error:
        usage(str(error))
    console = Console(stderr=json)
    print_tuned(console, tuned)
    console.print(f"page         {out}", highlight=False, soft_wrap=True)
    if json:
        print_json(as_data(tuned))


def _heartbeats(trace: Path | None, seed: int | None, beats: int, nodes: int, heartbeat: int, seconds: float) -> Trace:
    """Read, make up or record heartbeats."""
    from harness.tuning.recorder import RecorderError, record  # noqa: PLC0415
    from harness.tuning.trace import TraceError, read, synthetic  # noqa: PLC0415

    try:
        if trace is not None:
            return read(trace)
        if seed is not None:
            return synthetic(seed, beats, heartbeat)
        return record(nodes, heartbeat, seconds)
    except (OSError, TraceError) as error:
        usage(str(error))
    except RecorderError as error:
        print(f"antipaxos tune: {error}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(EXIT_CODES[RunVerdict.HARNESS_FAILURE]) from None
