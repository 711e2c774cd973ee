"""What the clock library costs: ns of a call, and how soon a change is seen.

    .venv/bin/python benchmarks/clocks.py

A C program calls clock_gettime and gettimeofday some million times in one thread (the best of several rounds), without
the library, with it and no page, and with a page whose clocks are right and fast. Python's ``time.monotonic()``
likewise. Then a program reads on while its clock is bumped, and says how long after the bump was written it first read
it.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nemesis.ground import ClockBend
from nemesis.preload import library
from nemesis.preload.page import PAGE_VARIABLE, ClockPage

ROUNDS = 7
CALLS = 2_000_000
BUMPS = 200
BUMP_NS = 3_600 * 10**9

CALLER = """
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
int main(int argc, char **argv) {
    struct timespec a, b, s;
    struct timeval v;
    long calls = atol(argv[1]), best[3] = {1L << 60, 1L << 60, 1L << 60};
    for (int round = 0; round < atoi(argv[2]); round++)
        for (int kind = 0; kind < 3; kind++) {
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
            for (long i = 0; i < calls; i++)
                if (kind == 0) clock_gettime(CLOCK_MONOTONIC, &s);
                else if (kind == 1) clock_gettime(CLOCK_REALTIME, &s);
                else gettimeofday(&v, NULL);
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
            long ns = (b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec;
            if (ns < best[kind]) best[kind] = ns;
        }
    printf("%f %f %f\\n", (double)best[0] / calls, (double)best[1] / calls, (double)best[2] / calls);
}
"""
PYTHON = f"""
import time, timeit
t = timeit.Timer("m()", "from time import monotonic as m", timer=time.process_time)
print(min(t.repeat({ROUNDS}, {CALLS})) / {CALLS} * 1e9)
"""
READER = f"""
import sys, time
last = time.time_ns()
sys.stdout.write("ready\\n"); sys.stdout.flush()
for _ in range({BUMPS}):
    while True:
        now, true = time.time_ns(), time.monotonic_ns()
        if now - last > {BUMP_NS} // 2:
            break
        last = now
    last = now
    sys.stdout.write(f"{{true}}\\n"); sys.stdout.flush()
"""


def main() -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        found = library.find(folder)
        caller = _caller(folder)
        print(f"{platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}; {found.origin}")
        print(f"load average {os.getloadavg()[0]:.1f}; CPU time of {CALLS} calls, best of {ROUNDS}\n")
        print("| | clock_gettime, monotonic | clock_gettime, wall | gettimeofday | Python's time.monotonic() |")
        print("|---|---|---|---|---|")
        native, preloaded = {}, {"LD_PRELOAD": str(found.path)}
        _row("without the library", caller, native)
        _row("with it, no page", caller, preloaded)
        page = ClockPage(folder / "page", epoch_ns=10**12)
        bent = {**preloaded, PAGE_VARIABLE: str(page.path)}
        _row("with it, right clocks", caller, bent)
        page.bend(ClockBend(ppm=500))
        _row("with it, fast clocks", caller, bent)
        page.bend(ClockBend())
        seen = _seen_after(page, bent)
        print(f"\na change is seen after (µs): median {seen[0]:.1f}, longest of {BUMPS} {seen[1]:.1f}")
        page.close()


def _caller(folder: Path) -> Path:
    (folder / "caller.c").write_text(CALLER)
    program = folder / "caller"
    subprocess.run(("cc", "-O2", "-o", str(program), str(folder / "caller.c")), check=True)
    return program


def _row(name: str, caller: Path, environment: dict[str, str]) -> None:
    told = _output((str(caller), str(CALLS), str(ROUNDS)), environment).split()
    told.append(_output((sys.executable, "-S", "-c", PYTHON), environment))
    print(f"| {name} | {' | '.join(f'{float(ns):.1f}' for ns in told)} |")


def _output(command: tuple[str, ...], environment: dict[str, str]) -> str:
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def _seen_after(page: ClockPage, environment: dict[str, str]) -> tuple[float, float]:
    """Return how long (µs) after a bump was written a program that reads on has read it: median and longest."""
    delays = []
    command = (sys.executable, "-S", "-c", READER)
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        for number in range(1, BUMPS + 1):
            time.sleep(0.002)
            before = time.monotonic_ns()
            page.bend(ClockBend(wall_ahead=number * BUMP_NS))
            seen, reading = int(reader.stdout.readline()), page.read()
            delays.append((seen - (reading.local - reading.true) - before) / 1_000)
    return statistics.median(delays), max(delays)


if __name__ == "__main__":
    main()
