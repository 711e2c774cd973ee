"""``antipaxos plan``: what a scenario and a seed amount to, before anything runs."""

from __future__ import annotations

import sys

from harness.commands.options import (
    Concurrency,
    Faults,
    Intensity,
    Nodes,
    Rate,
    ScenarioFile,
    Seed,
    Time,
    Workload,
    chosen_scenario,
    seed_for,
)
from harness.commands.terminal import usage
from harness.plan import make_plan
from harness.systems.catalogue import clock_bound
from nemesis.faults import kind


def plan(
    scenario: ScenarioFile = None,
    seed: Seed = None,
    nodes: Nodes = None,
    time: Time = None,
    rate: Rate = None,
    concurrency: Concurrency = None,
    workload: Workload = None,
    faults: Faults = None,
    intensity: Intensity = None,
) -> None:
    """Print a plan's canonical JSON: the same scenario and seed give the same bytes everywhere.

    Faults beyond the model, under which a violation is expected, are named on standard error.
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
    )
    if seed is None and chosen.seed is None:
        usage("a plan needs a seed: --seed N")
    planned = make_plan(chosen, seed_for(chosen, seed))
    bound = clock_bound(chosen, planned.seed)
    for fault in planned.faults:
        if why := fault.fault.beyond_model(bound):
            line = f"fault {fault.number}, {kind(fault.fault)}, is beyond the model: {why}; a violation is expected"
            print(line, file=sys.stderr)  # noqa: T201
    sys.stdout.buffer.write(planned.canonical() + b"\n")
