"""Porcupine's etcd logs through our search, and through Porcupine itself where Go and its source are at hand.

    [PORCUPINE_SRC=/path/to/porcupine] python benchmarks/search_porcupine.py [REPETITIONS [LOGS]]

The logs are those in the folder LOGS (porcupine/jepsen of ANTIPAXOS_CORPORA, or of ../shared/corpora); Porcupine's own
are in its test_data/jepsen. Of each the median of the repetitions (9) counts. Failed swaps observe, as they do in
Porcupine's own model. "search" is everything from the operations in memory to the verdict: ours has what Python does
for it in it (pruning, the model's table), Porcupine's is CheckEvents. Porcupine runs in a copy of its source, in a
folder that is removed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checkers import search_native, search_python
from checkers.formats import load_history
from checkers.history import Operation
from checkers.models import CasRegister
from checkers.search_terms import Budget, Question, SearchOutcome
from checkers.verdict import Limits, Verdict

CORPORA = Path(os.environ.get("ANTIPAXOS_CORPORA", Path(__file__).resolve().parents[2] / "shared" / "corpora"))
MODEL = CasRegister(None, failed_cas_observes=True)
UNBOUNDED = Limits(time_s=None)
GO_TEST = """package porcupine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTimesForAntipaxos(t *testing.T) {
	repetitions, _ := strconv.Atoi(os.Getenv("REPETITIONS"))
	for _, file := range strings.Split(os.Getenv("LOGS"), "\\n") {
		for i := 0; i < repetitions; i++ {
			began := time.Now()
			events := parseJepsenLog(file)
			parsed := time.Now()
			good := CheckEvents(etcdModel, events)
			searched := time.Since(parsed)
			fmt.Printf("TIMES %s %d %d %t\\n", file, parsed.Sub(began).Nanoseconds(), searched.Nanoseconds(), good)
		}
	}
}
"""


@dataclass(frozen=True)
class Row:
    """Milliseconds by log: parsing, searching; and the verdicts."""

    parsing: dict[str, float]
    search: dict[str, float]
    good: dict[str, bool]


def median_ms(times_s: list[float]) -> float:
    """Return the median in milliseconds."""
    return 1_000 * statistics.median(times_s)


def ours(logs: list[Path], repetitions: int, search: Callable[[Question, Budget], SearchOutcome]) -> Row:
    """Time one of our searches."""
    row = Row({}, {}, {})
    for log in logs:
        parsing, searching = [], []
        for _ in range(repetitions):
            began_s = time.perf_counter()
            operations: tuple[Operation, ...] = load_history(log).history.operations()
            parsed_s = time.perf_counter()
            outcome = search(Question(operations, MODEL), Budget(UNBOUNDED))
            searching.append(time.perf_counter() - parsed_s)
            parsing.append(parsed_s - began_s)
        row.parsing[log.name], row.search[log.name] = median_ms(parsing), median_ms(searching)
        row.good[log.name] = outcome.verdict is Verdict.VALID
    return row


def porcupine(logs: list[Path], repetitions: int) -> Row | None:
    """Time Porcupine, if it is there."""
    source = os.environ.get("PORCUPINE_SRC", "")
    if not source or shutil.which("go") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "porcupine"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".git"))
        (copy / "antipaxos_test.go").write_text(GO_TEST, encoding="utf-8")
        done = subprocess.run(
            ("go", "test", "-count=1", "-timeout=1h", "-v", "-run", "TestTimesForAntipaxos", "."),
            cwd=copy,
            env={**os.environ, "REPETITIONS": str(repetitions), "LOGS": "\n".join(str(log) for log in logs)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise SystemExit(f"go test failed:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")
    times: dict[str, list[tuple[float, float]]] = {}
    row = Row({}, {}, {})
    for line in done.stdout.splitlines():
        words = line.split()
        if words and words[0] == "TIMES":
            name = Path(words[1]).name
            times.setdefault(name, []).append((int(words[2]) / 1e9, int(words[3]) / 1e9))
            row.good[name] = words[4] == "true"
    for name, pairs in times.items():
        row.parsing[name], row.search[name] = (median_ms([pair[which] for pair in pairs]) for which in (0, 1))
    return row


def show(name: str, row: Row, against: Row | None) -> None:
    """Print a row, and how many times as fast as another it is."""
    total, middle = sum(row.search.values()), statistics.median(row.search.values())
    slowest = max(row.search, key=row.search.__getitem__)
    ratio = ""
    if against is not None and row is not against:
        other = statistics.median(against.search.values())
        whole = sum(against.search.values()) + sum(against.parsing.values())
        mine = total + sum(row.parsing.values())
        ratio = f"{sum(against.search.values()) / total:.1f} | {other / middle:.2f} | {whole / mine:.2f}"
    print(
        f"| {name} | {sum(row.parsing.values()):.1f} | {total:.1f} | {middle:.3f}"
        f" | {row.search[slowest]:.2f} ({slowest}) | {ratio or '1 | 1 | 1'} |"
    )


def main() -> int:
    """Time all of them and print a table."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else CORPORA / "porcupine" / "jepsen"
    logs = [log for log in sorted(folder.resolve().glob("*.log")) if log.stat().st_size]
    if not logs:
        print(f"no logs in {folder} (set ANTIPAXOS_CORPORA)", file=sys.stderr)
        return 2
    rows = {
        "C": ours(logs, repetitions, search_native.load().search),
        "Python": ours(logs, repetitions, search_python.search),
    }
    theirs = porcupine(logs, repetitions)
    if theirs is not None:
        rows["Porcupine"] = theirs
    if any(row.good != rows["C"].good for row in rows.values()):
        print("the verdicts differ", file=sys.stderr)
        return 1
    load = " ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"{len(logs)} logs, {sum(rows['C'].good.values())} linearizable; load average {load}; milliseconds\n")
    print("| | parsing, total | search, total | search, median | slowest log | total × | median × | with parsing × |")
    print("|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        show(name, row, theirs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
