"""``antipaxos bench node`` and ``bench checkers``: what was measured, printed and written."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.benching import checking_screen
from harness.benching.bench import SYSTEMS, Bench, Wish
from harness.benching.checking import KINDS, Wanted, measure
from harness.benching.checking_screen import print_checking
from harness.benching.rivals import RivalError
from harness.benching.screen import markdown, print_report
from harness.commands.options import Json, seconds
from harness.commands.terminal import print_json, usage
from harness.results import EXIT_CODES, RunVerdict

CLIENTS_MAX = 1_000
OPERATIONS_MAX = 10_000_000
NODES_MAX = 9

bench = typer.Typer(
    name="bench", help="Measure: how fast, beside what limits it and beside others.", no_args_is_help=True
)


@bench.command("node")
def bench_node(
    clients: Annotated[str, typer.Option("--clients", help="How many, one connection each.")] = "1,16,64,256",
    nodes: Annotated[str, typer.Option("--nodes", help="Clusters of how many nodes.")] = "3,5",
    systems: Annotated[str, typer.Option("--systems", help=f"Of {', '.join(SYSTEMS)}.")] = ",".join(SYSTEMS),
    counted: Annotated[float, typer.Option("--seconds", min=0.2, max=600, help="How long each is counted.")] = 3.0,
    repetitions: Annotated[int, typer.Option("--repetitions", min=1, max=100, help="All of it so often.")] = 3,
    sweep: Annotated[bool, typer.Option("--sweep/--no-sweep", help="Also on slower and slower disks.")] = True,
    load_processes: Annotated[int, typer.Option("--load-processes", min=1, max=64, help="Processes of clients.")] = 1,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where the nodes' data goes: the disk that is measured.")
    ] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the report there, too.")] = None,
    json: Json = False,
) -> None:
    """Throughput and latency of our node, of etcd and of PySyncObj, beside the raw disk, in one run."""
    console = Console(stderr=json)
    wish = Wish(
        clients=_numbers("--clients", clients, CLIENTS_MAX),
        nodes=_numbers("--nodes", nodes, NODES_MAX),
        systems=_of("--systems", systems, SYSTEMS),
        repetitions=repetitions,
        seconds=counted,
        sweep=sweep,
        load_processes=load_processes,
        folder=folder,
    )
    if folder is not None and not folder.is_dir():
        usage(f"--folder: {folder} is not a folder")
    try:
        with console.status("measuring") as status:
            report = Bench(wish, status.update).run()
    except (RivalError, OSError) as error:
        console.print(f"nothing was measured: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(EXIT_CODES[RunVerdict.HARNESS_FAILURE]) from None
    print_report(console, report)
    if markdown_file is not None:
        markdown_file.write_text(markdown(report), encoding="utf-8")
    if json:
        print_json(report)


@bench.command("checkers")
def bench_checkers(
    sizes: Annotated[str, typer.Option("--sizes", help="How many operations.")] = "1000,10000,100000,1000000",
    clients: Annotated[str, typer.Option("--clients", help="How many clients.")] = "5,20,50",
    kinds: Annotated[str, typer.Option("--kinds", help=f"Of {', '.join(KINDS)}.")] = ",".join(KINDS),
    limit: Annotated[str, typer.Option("--limit", help="How long one judgement may take.")] = "60s",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The histories' seed.")] = 1,
    keep: Annotated[Path | None, typer.Option("--keep", help="Leave the histories in this folder.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the table there, too.")] = None,
    json: Json = False,
) -> None:
    """How the checkers scale, beside Porcupine where Go is and PORCUPINE_SRC names its source, in one run."""
    console = Console(stderr=json)
    wanted = Wanted(
        sizes=_numbers("--sizes", sizes, OPERATIONS_MAX),
        clients=_numbers("--clients", clients, CLIENTS_MAX),
        kinds=_of("--kinds", kinds, KINDS),
        limit_s=seconds("--limit", limit),
        seed=seed,
        keep=keep,
    )
    if keep is not None and not keep.is_dir():
        usage(f"--keep: {keep} is not a folder")
    try:
        with console.status("measuring") as status:
            report = measure(wanted, status.update)
    except (OSError, subprocess.SubprocessError) as error:
        console.print(f"nothing was measured: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(EXIT_CODES[RunVerdict.HARNESS_FAILURE]) from None
    print_checking(console, report)
    if markdown_file is not None:
        markdown_file.write_text(checking_screen.markdown(report), encoding="utf-8")
    if json:
        print_json(report)


def _numbers(flag: str, words: str, highest: int) -> tuple[int, ...]:
    parts = words.split(",")
    if not all(part.isdecimal() and 1 <= int(part) <= highest for part in parts):
        usage(f"{flag} {words!r}: numbers from 1 to {highest}, by commas")
    return tuple(dict.fromkeys(int(part) for part in parts))


def _of(flag: str, words: str, known: Sequence[str]) -> tuple[str, ...]:
    for word in words.split(","):
        if word not in known:
            usage(f"{flag}: {word!r} is none of {', '.join(known)}")
    return tuple(words.split(","))
