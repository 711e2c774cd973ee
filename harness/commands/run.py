"""``antipaxos run``: one run, live, to its verdict."""

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
    Json,
    Mode,
    Nodes,
    Place,
    Rate,
    Require,
    ScenarioFile,
    Seed,
    StorePath,
    Time,
    Workload,
    chosen_scenario,
    described,
    seed_for,
)
from harness.commands.terminal import print_json, usage
from harness.console import LiveLine, print_result
from harness.execution import execute
from harness.places import NotObservableError
from harness.results import EXIT_INTERRUPTED
from harness.scenario import LOCAL, changed
from harness.startup import since_start
from harness.store import DEFAULT_STORE, Store
from workloads.catalogue import WORKLOADS


def run(
    scenario: ScenarioFile = None,
    seed: Seed = None,
    nodes: Nodes = None,
    time: Time = None,
    rate: Rate = None,
    concurrency: Concurrency = None,
    workload: Workload = None,
    faults: Faults = None,
    intensity: Intensity = None,
    require: Require = None,
    place: Place = None,
    mode: Mode = None,
    bug: Bug = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="In simulation: write messages, disk and clock events to trace.jsonl.")
    ] = False,
    pcap: Annotated[
        bool, typer.Option("--pcap", help="On local: write all frames to links.pcap, lost ones to links-lost.pcap.")
    ] = False,
    stop_on_violation: Annotated[
        bool, typer.Option("--stop-on-violation", help="End clients and faults as soon as the history shows one.")
    ] = False,
    store: StorePath = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Run a scenario: start nodes, break them, heal them, and judge what happened."""
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
        mode=mode,
        bug=bug,
    )
    if stop_on_violation:
        chosen = changed(chosen, stop_on_violation=True)
        if WORKLOADS[chosen.workload]().watch() is None:
            able = ", ".join(name for name, one in WORKLOADS.items() if one().watch() is not None)
            usage(f"--stop-on-violation: {chosen.workload} cannot be watched while it goes on; these can: {able}")
    if pcap:
        chosen = changed(chosen, pcap=True)
        if chosen.place != LOCAL:
            usage("--pcap: only a run on local has frames that could be captured; --trace shows a simulated one's")
    console = Console(stderr=json)
    drawn = seed_for(chosen, seed)
    console.print(
        f"antipaxos {__version__}: {chosen.name}, seed {drawn}, {described(chosen)}",
        highlight=False,
        soft_wrap=True,
    )
    try:
        with LiveLine(console) as line:
            result = execute(chosen, drawn, Store(store), line, datetime.now(UTC), since_start(), trace)
    except NotObservableError as error:
        usage(str(error))
    except KeyboardInterrupt:
        console.print("interrupted: everything was healed and ended; what was recorded is in the store", style="yellow")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_result(console, result)
    if json:
        print_json(result)
    raise typer.Exit(result.exit_code)
