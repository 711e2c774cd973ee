"""What does a simulated minute cost? Five nodes at 50 operations a second, without faults and with the swarm's.

    python benchmarks/simulation.py [--repetitions N] [--where]

Prints CPU seconds for the whole of a run, from its plan to its verdict (the lowest and the middle of the repetitions),
and simulated seconds a CPU-second. As a measure of the machine and of how this
Python was built stands beside it what a loop of two million turns costs. ``--where`` adds in which files the time goes
(by cProfile, which makes calls dearer than they are: shares, not seconds).
"""

from __future__ import annotations

import argparse
import cProfile
import platform
import pstats
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from harness.execution import carry_out, prepare
from harness.exploration.worker import Unwatched
from harness.results import RunResult
from harness.scenario import Scenario
from harness.store import Store

SEED = 1
MINUTE_S = 60
TARGET_S = 0.6
SCENARIOS = {
    "no faults": Scenario(name="minute", place="simulated", faults=(), time="60s", rate=50),
    "swarm": Scenario(name="minute-swarm", place="simulated", faults=("swarm",), time="60s", rate=50),
}
SHOWN_FILES = 20
MEMORY = Path("/dev/shm")
ROOT = Path(__file__).resolve().parents[1]


def carried_out(scenario: Scenario, folder: Path) -> RunResult:
    """Carry a scenario out and judge it."""
    return carry_out(prepare(scenario, SEED, Store(folder), datetime.now(UTC)), Unwatched()).result


def loop_s() -> float:
    """Return the CPU seconds of two million turns of a loop."""
    began = time.process_time()
    turned = 0
    for turn in range(2_000_000):
        turned += turn & 3
    return time.process_time() - began


def measure(scenario: Scenario, repetitions: int) -> list[float]:
    """Return the CPU seconds of each repetition."""
    costs = []
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory(prefix="antipaxos-", dir=MEMORY if MEMORY.is_dir() else None) as root:
            began = time.process_time()
            carried_out(scenario, Path(root))
            costs.append(time.process_time() - began)
    return costs


def where(scenario: Scenario) -> None:
    """Print in which files the time goes."""
    with tempfile.TemporaryDirectory(prefix="antipaxos-") as root:
        profile = cProfile.Profile()
        profile.runcall(carried_out, scenario, Path(root))
    spent: Counter[str] = Counter()
    for (file, _, _), (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if file == "~":  # a built-in function: its time is its callers'
            for (caller, _, _), (_, _, of_caller, _) in callers.items():
                spent[caller] += of_caller
        else:
            spent[file] += own
    total = sum(spent.values())
    for file, own in spent.most_common(SHOWN_FILES):
        print(f"  {own / total:5.1%}  {Path(file).relative_to(ROOT) if file.startswith(str(ROOT)) else file}")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repetitions", type=int, default=5)
    arguments.add_argument("--where", action="store_true")
    given = arguments.parse_args()
    print(f"Python {platform.python_version()}, {sys.executable}")
    print(f"two million turns of a loop: {min(loop_s() for _ in range(given.repetitions)):.3f} CPU s")
    for name, scenario in SCENARIOS.items():
        costs = measure(scenario, given.repetitions)
        least = min(costs)
        print(
            f"{name}: {least:.3f} CPU s at least, {statistics.median(costs):.3f} in the middle, for a simulated minute "
            f"(aim: {TARGET_S}); {MINUTE_S / least:.0f} simulated s a CPU s"
        )
        if given.where:
            where(scenario)


if __name__ == "__main__":
    main()
