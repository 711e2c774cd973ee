"""The command line: ``antipaxos run``, ``replay``, ``explore``, ``shrink``, ``bugs``, ``coverage``, ``plan``,
``check``, ``list``, ``report``, ``tune``, ``doctor``, ``clean``.

Exit status: 0 valid (or shrunk), 1 violation, 2 usage, 3 unknown (or not reproduced), 4 faults or coverage not met, 5
harness failure; 130 if it was interrupted, which is no verdict.
"""

from __future__ import annotations

from time import monotonic

_BEGAN = monotonic()  # before the slow imports: the first operation is timed from here

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import msgspec
import typer
from rich.console import Console

from harness import __version__, checking, cleaning
from harness.benching.command import bench
from harness.cluster.base import ClusterError
from harness.console import LiveLine, print_result, summary_line
from harness.coverage import page as coverage_page
from harness.coverage import screen as coverage_screen
from harness.coverage.survey import SEEDS_MAX, UnknownSceneError, scenes, survey
from harness.coverage.survey import exit_code as coverage_exit_code
from harness.duration import DurationError, parse_ms
from harness.execution import execute, finish
from harness.exploration.explorer import Request, explore
from harness.exploration.screen import PaceLine, as_data, print_exploration
from harness.exploration.seedrange import SeedRangeError, parse_seeds
from harness.exploration.tally import EXIT_INTERRUPTED
from harness.museum import hall, here, page
from harness.museum import screen as museum_screen
from harness.museum.exhibits import exhibits
from harness.museum.showing import Terms
from harness.places import NotObservableError
from harness.plan import make_plan
from harness.replaying.command import Asked, replay
from harness.replaying.measured import TIMES, TIMES_MAX
from harness.replaying.original import ReplayUsageError
from harness.results import EXIT_CODES, EXIT_USAGE, RunVerdict
from harness.scenario import LOCAL, LOCAL_MODES, SIMULATED, LocalMode, Scenario, ScenarioError, changed, load
from harness.shrinking import reduction
from harness.shrinking.screen import TriedLine, print_reduction
from harness.shrinking.shrinker import RUNS_MAX
from harness.store import DEFAULT_STORE, REPORT, Store, StoreError
from harness.systems.catalogue import clock_bound
from harness.tuning.limits import BEATS_MAX, BEATS_MIN
from nemesis.faults import ANYWHERE, KINDS, kind
from nemesis.packages import PACKAGES
from node.assembly import UnknownBugError

if TYPE_CHECKING:
    from harness.tuning.trace import Trace

JOBS_MAX = 512

app = typer.Typer(
    name="antipaxos",
    help="Break a real Multi-Paxos cluster from a seed, and prove from the recorded history what was lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ScenarioFile = Annotated[
    Path | None, typer.Argument(metavar="[SCENARIO.toml]", help="A scenario file; flags override what it says.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="The run's seed; drawn and printed if not given.")]
Nodes = Annotated[int | None, typer.Option("--nodes", help="How many nodes. [default: 5]")]
Time = Annotated[str | None, typer.Option("--time", help="How long clients and faults go on. [default: 45s]")]
Rate = Annotated[int | None, typer.Option("--rate", help="Operations a second, all clients together. [default: 200]")]
Concurrency = Annotated[int | None, typer.Option("--concurrency", help="How many clients. [default: 10]")]
Workload = Annotated[str | None, typer.Option("--workload", help="register, append or set. [default: register]")]
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
StorePath = Annotated[Path, typer.Option("--store", envvar="ANTIPAXOS_STORE", help="The folder of run folders.")]
Json = Annotated[bool, typer.Option("--json", help="End standard output with one JSON object.")]


app.add_typer(bench)


@app.command()
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
    store: StorePath = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Run a scenario: start nodes, break them, heal them, and judge what happened."""
    chosen = _scenario(scenario, nodes, time, rate, concurrency, workload, faults, place, mode, bug, intensity, require)
    if pcap:
        chosen = changed(chosen, pcap=True)
        if chosen.place != "local":
            _usage("--pcap: only a run on local has frames that could be captured; --trace shows a simulated one's")
    console = Console(stderr=json)
    drawn = _seed(chosen, seed)
    console.print(
        f"antipaxos {__version__}: {chosen.name}, seed {drawn}, {_described(chosen)}",
        highlight=False,
        soft_wrap=True,
    )
    try:
        with LiveLine(console) as line:
            result = execute(chosen, drawn, Store(store), line, datetime.now(UTC), _since_start(), trace)
    except NotObservableError as error:
        _usage(str(error))
    except KeyboardInterrupt:
        console.print("interrupted: everything was healed and ended; what was recorded is in the store", style="yellow")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_result(console, result)
    if json:
        print(msgspec.json.encode(result).decode(), flush=True)  # noqa: T201
    raise typer.Exit(result.exit_code)


@app.command("replay")
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
        _usage(str(error))
    except KeyboardInterrupt:
        console.print("interrupted: nothing was compared", style="yellow")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if json:
        print(msgspec.json.encode(done.data).decode(), flush=True)  # noqa: T201
    raise typer.Exit(done.exit_code)


@app.command("explore")
def explore_seeds(
    scenario: ScenarioFile = None,
    seeds: Annotated[str, typer.Option("--seeds", metavar="A..B", help="From A up to, but not including, B.")] = (
        "0..1000"
    ),
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, max=JOBS_MAX, help="Worker processes. [default: one a processor]")
    ] = None,
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
    chosen = _scenario(scenario, nodes, time, rate, concurrency, workload, faults, place, None, bug, intensity, require)
    try:
        request = Request(
            scenario=chosen,
            seeds=parse_seeds(seeds),
            jobs=jobs or min(len(os.sched_getaffinity(0)), JOBS_MAX),
            store=Store(store),
            started_at=datetime.now(UTC),
            stop_at_first=stop_at_first,
            limit_s=_seconds("--seed-limit", seed_limit),
        )
    except SeedRangeError as error:
        _usage(str(error))
    console = Console(stderr=json)
    console.print(
        f"antipaxos {__version__}: exploring {chosen.name}, seeds {seeds}, {request.jobs} at a time, "
        f"{_described(chosen)}",
        highlight=False,
        soft_wrap=True,
    )
    with _interruptible() as asked, PaceLine(console) as line:
        exploration = explore(request, line, lambda: bool(asked))
    print_exploration(console, exploration, request)
    if json:
        print(msgspec.json.encode(as_data(exploration, request)).decode(), flush=True)  # noqa: T201
    raise typer.Exit(exploration.exit_code)


@app.command()
def shrink(
    name: Annotated[
        str, typer.Argument(metavar="RUN", help="A failed run's name, its beginning, its folder, or latest.")
    ] = "latest",
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, max=JOBS_MAX, help="Worker processes. [default: one a processor]")
    ] = None,
    limit: Annotated[
        str | None, typer.Option("--limit", help="After how long on the wall clock to end early. [default: never]")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="How many runs it may ask for.")] = RUNS_MAX,
    run_limit: Annotated[str, typer.Option("--run-limit", help="How long one run may take on the wall clock.")] = "5m",
    store: StorePath = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Reduce a run that failed to the smallest scenario that fails for the same reason; interrupted, it can go on."""
    console = Console(stderr=json)
    try:
        folder = Store(store).find(name)
    except StoreError as error:
        _usage(str(error))
    try:
        request = reduction.Request(
            run=folder,
            store=Store(store),
            jobs=jobs or min(len(os.sched_getaffinity(0)), JOBS_MAX),
            started_at=datetime.now(UTC),
            limit_s=_seconds("--limit", limit) if limit is not None else None,
            runs_max=runs,
            run_limit_s=_seconds("--run-limit", run_limit),
        )
        console.print(f"antipaxos {__version__}: shrinking {request.run.name}", highlight=False, soft_wrap=True)
        with _interruptible() as asked, TriedLine(console, monotonic) as line:
            reduced = reduction.shrink(request, line, lambda: bool(asked))
    except reduction.NotShrinkableError as error:
        _usage(str(error))
    except reduction.NotReproducedError as error:
        console.print(f"not reproduced: {error}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_CODES[RunVerdict.UNKNOWN]) from None
    except KeyboardInterrupt:
        console.print("interrupted before the run itself was tried again", style="yellow")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_reduction(console, reduced)
    if json:
        print(msgspec.json.encode(reduction.as_data(reduced)).decode(), flush=True)  # noqa: T201
    raise typer.Exit(reduced.exit_code)


@app.command()
def bugs(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Planted bugs by name. [default: all]")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=100_000, help="At most so many for each bug.")] = 200,
    at_least: Annotated[int, typer.Option("--at-least", min=1, help="At least so many, if there are.")] = 20,
    catches: Annotated[int, typer.Option("--catches", min=1, help="Then on until it was caught so often.")] = 5,
    short: Annotated[bool, typer.Option("--short", help="Until each was caught once: what CI does.")] = False,
    no_invariants: Annotated[
        bool, typer.Option("--no-invariants", help="Let no invariant end a run: what the checkers see by themselves.")
    ] = False,
    place: Annotated[
        str, typer.Option("--place", help="simulated, or local: real processes, what the checkers see there.")
    ] = SIMULATED,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, max=JOBS_MAX, help="Worker processes. [default: one a processor]")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Run nothing; print the exhibits as docs/museum.md has them.")
    ] = False,
    store: StorePath = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Show the museum of planted bugs: run each under what must catch it, and the healthy node beside it.

    Exit status: 0 all caught and all proved to have been reached; 4 one was missed; 1 a false alarm of the healthy
    node; 130 interrupted.
    """
    try:
        chosen = exhibits(names or ())
    except (UnknownBugError, ScenarioError) as error:
        _usage(str(error))
    if markdown:
        print(page.markdown(chosen), end="", flush=True)  # noqa: T201
        return
    if place not in (SIMULATED, LOCAL):
        _usage(f"--place: unknown value {place!r}; there are: {SIMULATED}, {LOCAL}")
    real = place == LOCAL
    if real or no_invariants:
        chosen = here.showable(chosen) if real else tuple(one for one in chosen if one.checkers_alone)
        if not chosen:
            _usage("nothing is left to show: invariants alone see that, or a fault that real processes cannot be given")
    least, wanted = (1, 1) if short else (min(at_least, seeds), catches)
    request = hall.Request(
        exhibits=chosen,
        terms=Terms(seeds, least, wanted, not (real or no_invariants)),
        jobs=jobs or min(len(os.sched_getaffinity(0)), JOBS_MAX),
        store=Store(store),
        started_at=datetime.now(UTC),
        place=place,
    )
    console = Console(stderr=json)
    if names and len(chosen) == 1:
        museum_screen.print_story(console, chosen[0])
    with _interruptible() as asked, museum_screen.PaceLine(console) as line:
        visit = hall.visit(request, line, lambda: bool(asked))
    museum_screen.print_visit(console, visit)
    if len(chosen) == 1:
        museum_screen.print_catch(console, visit.shown[0])
    if json:
        print(msgspec.json.encode(museum_screen.as_data(visit)).decode(), flush=True)  # noqa: T201
    raise typer.Exit(visit.exit_code)


@app.command()
def coverage(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Scenarios by name. [default: all]")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=100_000, help="At most so many a scenario.")] = SEEDS_MAX,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Run nothing; print the table as docs/coverage.md has it.")
    ] = False,
    json: Json = False,
) -> None:
    """Show that each rare event of the protocol is reached: run, in simulation, the scenarios that must reach them.

    Exit status: 0 all reached; 4 one was not; 1, 3, 5 as the verdict of a run that failed; 130 interrupted.
    """
    try:
        chosen = scenes(names or ())
    except (UnknownSceneError, ScenarioError) as error:
        _usage(str(error))
    if markdown:
        print(coverage_page.markdown(scenes()), end="", flush=True)  # noqa: T201
        return
    console = Console(stderr=json)
    surveys = []
    try:
        for scene in chosen:
            console.print(f"{scene.name}: {scene.about}", style="dim", markup=False, highlight=False, soft_wrap=True)
            surveys.append(list(survey(scene, seeds))[-1])
    except KeyboardInterrupt:
        console.print("interrupted: what was not run yet is not told", style="yellow")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    coverage_screen.print_surveys(console, surveys, whole=not names)
    if json:
        print(msgspec.json.encode(coverage_screen.as_data(surveys)).decode(), flush=True)  # noqa: T201
    raise typer.Exit(coverage_exit_code(surveys))


@app.command()
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
    chosen = _scenario(scenario, nodes, time, rate, concurrency, workload, faults, intensity=intensity)
    if seed is None and chosen.seed is None:
        _usage("a plan needs a seed: --seed N")
    planned = make_plan(chosen, _seed(chosen, seed))
    bound = clock_bound(chosen, planned.seed)
    for fault in planned.faults:
        if why := fault.fault.beyond_model(bound):
            line = f"fault {fault.number}, {kind(fault.fault)}, is beyond the model: {why}; a violation is expected"
            print(line, file=sys.stderr)  # noqa: T201
    sys.stdout.buffer.write(planned.canonical() + b"\n")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="EDN (Jepsen, Knossos), JSON lines, or Porcupine's logs.")],
    model: Annotated[str, typer.Option("--model", help=f"One of: {', '.join(checking.MODEL_NAMES)}.")],
    initial: Annotated[
        str | None, typer.Option("--initial", help="The initial value, as JSON or EDN. [default: nil, or empty]")
    ] = None,
    time_limit: Annotated[str, typer.Option("--time-limit", help="After how long to answer unknown.")] = "60s",
    json: Json = False,
) -> None:
    """Check a history from anywhere for linearizability."""
    try:
        report = checking.check_file(file, model, initial, time_limit)
    except checking.CheckUsageError as error:
        _usage(str(error))
    console = Console(stderr=json)
    checking.print_report(console, report)
    if json:
        print(msgspec.json.encode(report).decode(), flush=True)  # noqa: T201
    raise typer.Exit(report.exit_code)


@app.command("list")
def list_runs(store: StorePath = DEFAULT_STORE, json: Json = False) -> None:
    """List the runs in the store, oldest first."""
    console = Console()
    runs = Store(store).runs()
    if not runs and not json:
        console.print(f"no runs in {store} yet; `antipaxos run` makes one", highlight=False)
    for folder in runs:
        try:
            result = folder.results()
        except StoreError as error:
            console.print(f"{folder.name}  unreadable: {error}", highlight=False, soft_wrap=True)
            continue
        if json:
            line = {"run": folder.name, "verdict": result.verdict if result else None, "store": str(folder.path)}
            print(msgspec.json.encode(line).decode())  # noqa: T201
        elif result is None:
            console.print(f"{folder.name}  unfinished", highlight=False, soft_wrap=True)
        else:
            console.print(f"{folder.name}  {result.verdict}  {summary_line(result)}", highlight=False, soft_wrap=True)


@app.command()
def report(
    name: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's name, its beginning, its folder, or latest.")
    ] = "latest",
    store: StorePath = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """Show a run again, and write its report.html anew."""
    try:
        folder = Store(store).find(name)
        result = folder.results()
    except StoreError as error:
        _usage(str(error))
    if result is None:
        _usage(f"{folder.name} did not come to a result (interrupted?); its history is {folder.path}/history.jsonl")
    result = finish(result, folder)
    console = Console(stderr=json)
    print_result(console, result)
    if json:
        print(msgspec.json.encode(result).decode(), flush=True)  # noqa: T201
    if not (folder / REPORT).exists():
        raise typer.Exit(EXIT_CODES[RunVerdict.HARNESS_FAILURE])


@app.command()
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
        _usage("a trace or a seed, not both")
    try:  # only this command needs NumPy
        from harness.tuning.command import as_data, leave, print_tuned  # noqa: PLC0415
        from harness.tuning.command import tune as tuned_over  # noqa: PLC0415
    except ModuleNotFoundError as error:
        _usage(f"{error}; it comes with: pip install 'antipaxos[tune]'")
    tuned = tuned_over(_heartbeats(trace, seed, beats, nodes, heartbeat, _seconds("--time", time)))
    try:
        leave(tuned, out, keep)
    except OSError as error:
        _usage(str(error))
    console = Console(stderr=json)
    print_tuned(console, tuned)
    console.print(f"page         {out}", highlight=False, soft_wrap=True)
    if json:
        print(msgspec.json.encode(as_data(tuned)).decode(), flush=True)  # noqa: T201


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
        _usage(str(error))
    except RecorderError as error:
        print(f"antipaxos tune: {error}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(EXIT_CODES[RunVerdict.HARNESS_FAILURE]) from None


@app.command()
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
        _usage(f"--mode: unknown value {mode!r}; there are: {', '.join(LOCAL_MODES)}")
    diagnosis = diagnose(cast(LocalMode, mode))
    print_diagnosis(Console(stderr=json), diagnosis)
    if json:
        print(msgspec.json.encode(diagnosis).decode(), flush=True)  # noqa: T201
    raise typer.Exit(diagnosis.exit_code)


@app.command()
def clean(store: StorePath = DEFAULT_STORE) -> None:
    """End what a killed controller left behind. Harmless at any time, any number of times."""
    console = Console()
    cleaned = cleaning.clean(Store(store))
    swept = cleaning.sweep(Store(store))
    for line in (*map(str, cleaned), *(f"removed {path}" for path in swept)):
        console.print(line, highlight=False, soft_wrap=True)
    if not cleaned and not swept:
        console.print("nothing was left behind", highlight=False)


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        print(f"antipaxos {__version__}")  # noqa: T201
        raise typer.Exit
    del context


def _scenario(
    file: Path | None,
    nodes: int | None,
    time: str | None,
    rate: int | None,
    concurrency: int | None,
    workload: str | None,
    faults: str | None,
    place: str | None = None,
    mode: str | None = None,
    bug: str | None = None,
    intensity: str | None = None,
    require: str | None = None,
) -> Scenario:
    try:
        scenario = load(file) if file is not None else Scenario()
        return changed(
            scenario,
            nodes=nodes,
            time=time,
            rate=rate,
            concurrency=concurrency,
            workload=workload,
            faults=_kinds(faults),
            intensity=intensity,
            require=_kinds(require),
            place=place,
            mode=mode,
            bug=bug,
        )
    except ScenarioError as error:
        _usage(str(error))


def _described(scenario: Scenario) -> str:
    """Say in a few words what a scenario does."""
    load = f"at {scenario.rate}/s" if scenario.operations is None else f"with {len(scenario.operations)} operations"
    faults = [*scenario.faults, *([f"{len(scenario.schedule)} at fixed times"] if scenario.schedule else [])]
    hard = f" ({scenario.intensity} intensity)" if scenario.intensity is not None else ""
    return (
        f"{scenario.nodes} nodes, {scenario.workload} {load} for {scenario.time}, "
        f"faults: {', '.join(faults) or 'none'}{hard}"
    )


def _kinds(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    if text.strip() in ("", "none"):
        return ()
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))


def _seed(scenario: Scenario, given: int | None) -> int:
    """Return the seed asked for, or draw one: small enough to be read out over a telephone."""
    seed = given if given is not None else scenario.seed
    if seed is None:
        return int.from_bytes(os.urandom(4), "big")
    try:
        changed(scenario, seed=seed)
    except ScenarioError as error:
        _usage(str(error))
    return seed


@contextmanager
def _interruptible() -> Iterator[list[int]]:
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


def _seconds(option: str, text: str) -> float:
    try:
        seconds = parse_ms(text) / 1_000
    except DurationError as error:
        _usage(f"{option}: {error}")
    if seconds <= 0:
        _usage(f"{option}: must be longer than nothing")
    return seconds


def _since_start() -> float:
    return monotonic() - _BEGAN


def _usage(message: str) -> NoReturn:
    Console(stderr=True).print(f"antipaxos: {message}", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(EXIT_USAGE)


def main() -> None:
    """Entry point of the console script. What nobody expected is a harness failure: it proves nothing of the system."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - status 1 would say that the system under test broke a promise
        if not isinstance(error, StoreError | OSError | ClusterError):
            traceback.print_exc()
        Console(stderr=True).print(
            f"antipaxos: harness failure: {error}", highlight=False, markup=False, soft_wrap=True
        )
        sys.exit(EXIT_CODES[RunVerdict.HARNESS_FAILURE])


if __name__ == "__main__":
    main()
