"""``antipaxos replay``: a run again, and whether it was the same."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from harness.commands.options import Json, StorePath
from harness.commands.terminal import print_json, usage
from harness.replaying.command import Asked, replay
from harness.replaying.measured import TIMES, TIMES_MAX
from harness.replaying.original import ReplayUsageError
from harness.results import EXIT_INTERRUPTED
from harness.scenario import ScenarioError
from harness.store import DEFAULT_STORE, Store, StoreError


def replay_run(
    named: Annotated[
        str,
        typer.Argument(
            metavar="RUN|SCENARIO.toml", help="A run's name, its beginning, its folder, or latest; or a scenario."
        ),
    ] = "latest",
    seed: Annotated[int | None, typer.Option("--seed", help="The seed to a scenario file.")] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Write messages, disk and clock events to the run's trace.jsonl.")
    ] = False,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Trace from this time of the history on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="End at this time and show the nodes' state.")
    ] = None,
    break_at: Annotated[
        str | None,
        typer.Option(
            "--break-at", metavar="EVENT", help="End after this event, or at the failure, and show the nodes' state."
        ),
    ] = None,
    times: Annotated[
        int | None,
        typer.Option(
            "-n", "--times", min=1, max=TIMES_MAX, help=f"On real processes: how many replays. [default: {TIMES}]"
        ),
    ] = None,
    stop_at_first: Annotated[
        bool, typer.Option("--stop-at-first", help="On real processes: end with the first that is the same.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the replays' folders in the store.")] = False,
    verdict: Annotated[
        bool, typer.Option("--verdict", help="Exit as the replay's verdict says, not whether it was the same.")
    ] = False,
    store: StorePath = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Replay a run: in simulation byte for byte, and compared; on real processes several times, and counted.

    Exit status: 0 the same run (or, on real processes, the same failure at least once); 3 not so, or another run by
    other code; 5 another run by the same code. With --verdict: that of the replay's verdict.
    """
    asked = Asked(
        trace=trace,
        from_=from_,
        until=until,
        break_at=break_at,
        times=times,
        stop_at_first=stop_at_first,
        keep=keep,
        verdict=verdict,
    )
    console = Console(stderr=json)
    try:
        done = replay(Store(store), named, seed, asked, console)
    except (ReplayUsageError, ScenarioError, StoreError) as error:
        usage(str(error))
    except KeyboardInterrupt:
        console.print("interrupted: nothing was compared", style="yellow")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if json:
        print_json(done.data)
    raise typer.Exit(done.exit_code)
