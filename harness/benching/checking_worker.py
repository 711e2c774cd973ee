"""Reads and judges one history, in a process of its own so that its peak memory is this work's; prints JSON."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from time import perf_counter

import msgspec

from checkers.formats import load_history
from checkers.linearizable import Linearizable
from checkers.models import CasRegister
from checkers.verdict import Limits
from harness.benching.checking import Taken


def main() -> None:
    """Judge the file that the first argument names, within as many seconds as the second says."""
    began = perf_counter()
    history = load_history(Path(sys.argv[1])).history
    read = perf_counter()
    found = Linearizable(CasRegister(0)).check(history, Limits(time_s=float(sys.argv[2])))
    judged = perf_counter()
    taken = Taken(read - began, judged - read, found.verdict.value, _peak_mb())
    print(msgspec.json.encode(taken).decode())  # noqa: T201


def _peak_mb() -> int:
    """Return this program's peak memory; what getrusage tells begins with that of the process it was forked from."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) // 1024 if found is not None else 0


if __name__ == "__main__":
    main()
