"""Many small random histories of every kind of object: the searches in C and in Python against brute force.

    python benchmarks/search_fuzz.py [HISTORIES [FAMILY ...]]

So many of each family (100,000), of which most have the results of a true object, wrong in places. Ends with exit
status 1 at the first difference, and prints the seed that shows it again.
"""

from __future__ import annotations

import random
import sys
import time

from checkers import search_native
from checkers.verdict import Verdict
from tests.checkers.agreement import agree
from tests.checkers.families import FAMILIES, random_history


def main() -> int:
    """Compare until all are done."""
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    chosen = set(sys.argv[2:])
    native = search_native.load()
    for family in FAMILIES:
        if chosen and family.name not in chosen:
            continue
        valid = 0
        began_s = time.monotonic()
        for seed in range(histories):
            rng = random.Random(seed)
            operations, clients = rng.randint(2, family.operations_max), rng.randint(1, 4)
            honest, known = rng.choice((0.0, 0.3, 0.7, 1.0)), rng.choice((None, 0.8, 1.0))
            history = random_history(family, rng, operations, clients, honest=honest, known=known)
            try:
                valid += agree(family, history, native).verdict is Verdict.VALID
            except AssertionError:
                print(f"{family.name}: seed {seed} differs")
                for event in history.events:
                    print(event)
                raise
        took_s = time.monotonic() - began_s
        print(f"{family.name}: {histories} histories, {valid} valid, no difference; {took_s:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
