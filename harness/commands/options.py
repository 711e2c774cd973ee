"""Options that several commands have, and what is made of them: a scenario, a seed, a time, a number of workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.terminal import usage
from harness.duration import DurationError, parse_ms
from harness.scenario import Scenario, ScenarioError, changed, load
from nemesis.faults import ANYWHERE, KINDS
from nemesis.packages import PACKAGES
from workloads.catalogue import WORKLOADS

JOBS_MAX = 512
_LISTS = ("faults", "require")
"""Options that name several things, by commas."""

ScenarioFile = Annotated[
    Path | None, typer.Argument(metavar="[SCENARIO.toml]", help="A scenario file; flags override what it says.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="The run's seed; drawn and printed if not given.")]
Nodes = Annotated[int | None, typer.Option("--nodes", help="How many nodes. [default: 5]")]
Time = Annotated[str | None, typer.Option("--time", help="How long clients and faults go on. [default: 45s]")]
Rate = Annotated[int | None, typer.Option("--rate", help="Operations a second, all clients together. [default: 200]")]
Concurrency = Annotated[int | None, typer.Option("--concurrency", help="How many clients. [default: 10]")]
Workload = Annotated[
    str | None, typer.Option("--workload", help=f"One of: {', '.join(WORKLOADS)}. [default: register]")
]
Faults = Annotated[
    str | None,
    typer.Option(
        "--faults",
        help=f"Several by commas, or none: {', '.join(ANYWHERE)}; where the place can do it also "
        f"{', '.join(name for name in KINDS if name not in ANYWHERE)}; packages of several kinds: "
        f"{', '.join(PACKAGES)}; swarm draws its own. "
        "[default: partition,kill]",
    ),
]
Intensity = Annotated[
    str | None,
    typer.Option("--intensity", help="low, medium or high: how hard faults are driven, with quiet between storms."),
]
Require = Annotated[
    str | None,
    typer.Option(
        "--require",
        help="What must have happened, by commas, else exit 4: kill>=3, partition.leader, seconds(pause)>=5, "
        "noops_filled>=1, ok(kill)>=100 … or none. [default: one of each kind asked for]",
    ),
]
Place = Annotated[
    str | None, typer.Option("--place", help="Where the nodes live: local or simulated. [default: local]")
]
Mode = Annotated[str | None, typer.Option("--mode", help="How local separates nodes: auto, root, userns, loopback.")]
Bug = Annotated[str | None, typer.Option("--bug", help="Run a node with a planted bug (see node/bugs).")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, max=JOBS_MAX, help="Worker processes. [default: one a processor]")
]
StorePath = Annotated[Path, typer.Option("--store", envvar="ANTIPAXOS_STORE", help="The folder of run folders.")]
Json = Annotated[bool, typer.Option("--json", help="End standard output with one JSON object.")]


def chosen_scenario(file: Path | None, **options: int | str | None) -> Scenario:
    """Return the file's scenario, or the default one, with what the options say; end with status 2 if it is wrong."""
    lists = {name: _listed(text) for name, text in options.items() if name in _LISTS and isinstance(text, str)}
    try:
        return changed(load(file) if file is not None else Scenario(), **{**options, **lists})
    except ScenarioError as error:
        usage(str(error))


def described(scenario: Scenario) -> str:
    """Say in a few words what a scenario does."""
    load = f"at {scenario.rate}/s" if scenario.operations is None else f"with {len(scenario.operations)} operations"
    faults = [*scenario.faults, *([f"{len(scenario.schedule)} at fixed times"] if scenario.schedule else [])]
    hard = f" ({scenario.intensity} intensity)" if scenario.intensity is not None else ""
    return (
        f"{scenario.nodes} nodes, {scenario.workload} {load} for {scenario.time}, "
        f"faults: {', '.join(faults) or 'none'}{hard}"
    )


def seed_for(scenario: Scenario, given: int | None) -> int:
    """Return the seed asked for, or draw one: small enough to be read out over a telephone."""
    seed = given if given is not None else scenario.seed
    if seed is None:
        return int.from_bytes(os.urandom(4), "big")
    try:
        changed(scenario, seed=seed)
    except ScenarioError as error:
        usage(str(error))
    return seed


def seconds(option: str, text: str) -> float:
    """Return a time such as ``5m`` in seconds; end with status 2 if it is none, or nothing."""
    try:
        parsed = parse_ms(text) / 1_000
    except DurationError as error:
        usage(f"{option}: {error}")
    if parsed <= 0:
        usage(f"{option}: must be longer than nothing")
    return parsed


def workers(jobs: int | None) -> int:
    """Return how many worker processes there shall be: as many as processors unless it is said."""
    return jobs or min(len(os.sched_getaffinity(0)), JOBS_MAX)


def _listed(text: str) -> tuple[str, ...]:
    if text.strip() in ("", "none"):
        return ()
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))
