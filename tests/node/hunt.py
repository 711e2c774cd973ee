"""Play many seeds of the random schedules on all processors: ``python -m tests.node.hunt 3 0 10000``.

A fourth number is how many nodes join: ``python -m tests.node.hunt 3 0 10000 2`` changes the members of five nodes.

Prints each failure with its seed as it comes, and a line with the counters of rare events at the end.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from node.paxos.counters import Counters
from tests.node.schedule import Run, add


def play(size: int, joiners: int, seed: int) -> Counters | str:
    """Play one seed; return what it met, or what went wrong."""
    try:
        return Run(seed, size, joiners=joiners).play()
    except AssertionError as error:
        return str(error)


def main(size: int, first: int, end: int, joiners: int = 0) -> int:
    """Play the seeds from ``first`` to ``end`` and return how many failed."""
    met = Counters()
    failed = 0
    with ProcessPoolExecutor() as pool:
        for result in pool.map(partial(play, size, joiners), range(first, end), chunksize=10):
            if isinstance(result, str):
                failed += 1
                print(result, flush=True)  # noqa: T201
            else:
                add(met, result)
    print(f"{end - first} seeds, {failed} failed; {met}")  # noqa: T201
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(*map(int, sys.argv[1:5])) else 0)
