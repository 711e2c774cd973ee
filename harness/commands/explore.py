"""``antipaxos explore``: one scenario, many seeds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from harness import __version__
from harness.commands.options import (
    Bug,
    Concurrency,
    Faults,
    Intensity,
    Jobs,
    Json,
    Nodes,
    Rate,
    Require,
    ScenarioFile,
    StorePath,
    Time,
    Workload,
    chosen_scenario,
    described,
    seconds,
    workers,
)
from harness.commands.terminal import interruptible, print_json, usage
from harness.exploration.explorer import Request, explore
from harness.exploration.screen import PaceLine, as_data, print_exploration
from harness.exploration.seedrange import SeedRangeError, parse_seeds
from harness.scenario import SIMULATED
from harness.store import DEFAULT_STORE, Store


def explore_seeds(
    scenario: ScenarioFile = None,
    seeds: Annotated[str, typer.Option("--seeds", metavar="A..B", help="From A up to, but not including, B.")] = (
        "0..1000"
    ),
    jobs: Jobs = None,
    stop_at_first: Annotated[
        bool, typer.Option("--stop-at-first/--keep-going", help="End at the lowest seed that fails.")
    ] = False,
    seed_limit: Annotated[
        str, typer.Option("--seed-limit", help="How long one seed may take on the wall clock.")
    ] = "5m",
    nodes: Nodes = None,
    time: Time = None,
    rate: Rate = None,
    concurrency: Concurrency = None,
    workload: Workload = None,
    faults: Faults = None,
    intensity: Intensity = None,
    require: Require = None,
    place: Annotated[
        str, typer.Option("--place", help="simulated, or local: real processes, as many clusters as workers.")
    ] = SIMULATED,
    bug: Bug = None,
    store: StorePath = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Run a scenario with many seeds, on all processors; group what fails, and keep it to replay.

    In simulation, unless real processes are asked for, whatever the scenario file says about its place.
    """
    chosen = chosen_scenario(
        scenario,
        nodes=nodes,
        time=time,
        rate=rate,
        concurrency=concurrency,
        workload=workload,
        faults=faults,
        intensity=intensity,
        require=require,
        place=place,
        bug=bug,
    )
    try:
        request = Request(
            scenario=chosen,
            seeds=parse_seeds(seeds),
            jobs=workers(jobs),
            store=Store(store),
            started_at=datetime.now(UTC),
            stop_at_first=stop_at_first,
            limit_s=seconds("--seed-limit", seed_limit),
        )
    except SeedRangeError as error:
        usage(str(error))
    console = Console(stderr=json)
    console.print(
        f"antipaxos {__version__}: exploring {chosen.name}, seeds {seeds}, {request.jobs} at a time, "
        f"{described(chosen)}",
        highlight=False,
        soft_wrap=True,
    )
    with interruptible() as asked, PaceLine(console) as line:
        exploration = explore(request, line, lambda: bool(asked))
    print_exploration(console, exploration, request)
    if json:
        print_json(as_data(exploration, request))
    raise typer.Exit(exploration.exit_code)
