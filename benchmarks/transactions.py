"""What does it cost to judge transactions? Lists with appends, and registers, of a store that is strictly serializable.

    python benchmarks/transactions.py [--transactions N] [--clients N] [--steps N] [--repetitions N] [--stale N]

Prints CPU seconds of the check alone: the history is made and paired before. Keys are ten at a time, replaced after a
hundred writes each. ``--stale`` lets so many reading transactions see a state of a while ago, so that cycles have to
be searched for. As a measure of the machine stands beside it what a loop of two million turns costs.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import sys
import time
from typing import Any, NamedTuple

from checkers.history import Event, EventType, History
from checkers.transactions.checker import ListAppendTransactions, RegisterTransactions
from checkers.verdict import CheckResult, Limits

SEED = 1
KEYS_AT_ONCE = 10
WRITES_PER_KEY = 100
STALE_BY = 50
TARGET_S = 5.0


class Running(NamedTuple):
    """A transaction under way: whether it sees an old state, its steps, and whether they were done."""

    late: bool
    steps: list[list[Any]]
    done: bool = False


def history(transactions: int, clients: int, steps: int, *, lists: bool, stale: int) -> History:
    """Make a history: each transaction takes effect at one moment between its beginning and its end."""
    rng = random.Random(SEED)
    events: list[Event] = []
    running: list[Running | None] = [None] * clients
    store: dict[int, Any] = {}
    past: list[dict[int, Any]] = []
    late = set(rng.sample(range(transactions), stale))
    value = made = done = 0

    def record(client: int, kind: EventType, told: list[list[Any]]) -> None:
        events.append(Event(len(events), len(events) * 1_000, client, kind, "txn", told))

    while done < transactions:
        client = rng.randrange(clients)
        now = running[client]
        if now is None and made < transactions:
            first = value // (WRITES_PER_KEY * KEYS_AT_ONCE) * KEYS_AT_ONCE
            asked: list[list[Any]] = []
            for _ in range(steps):
                key = first + rng.randrange(KEYS_AT_ONCE)
                if made in late or rng.random() < 0.5:
                    asked.append(["r", key, None])
                else:
                    value += 1
                    asked.append(["append" if lists else "w", key, value])
            record(client, EventType.INVOKE, asked)
            running[client] = Running(made in late, asked)
            made += 1
        elif now is not None and not now.done:
            source = past[0] if now.late and past else store
            running[client] = Running(now.late, [_done(source, *step) for step in now.steps], True)
            if stale and made % 10 == 0:
                past = [*past[-STALE_BY:], dict(store)]
        elif now is not None:
            record(client, EventType.OK, now.steps)
            running[client] = None
            done += 1
    return History(events)


def _done(store: dict[int, Any], f: str, key: int, argument: Any) -> list[Any]:
    """Carry a step out and return it with what it saw. Lists are replaced, not changed: past states keep theirs."""
    if f == "append":
        store[key] = (*store.get(key, ()), argument)
    elif f == "w":
        store[key] = argument
    else:
        return [f, key, store.get(key)]
    return [f, key, argument]


def loop_s() -> float:
    """Return the CPU seconds of two million turns of a loop."""
    began = time.process_time()
    turned = 0
    for turn in range(2_000_000):
        turned += turn & 3
    return time.process_time() - began


def measured(
    checker: ListAppendTransactions | RegisterTransactions, found: History
) -> tuple[float, float, CheckResult]:
    """Return CPU seconds, wall seconds and the result of one check."""
    cpu, wall = time.process_time(), time.monotonic()
    result = checker.check(found, Limits(time_s=120.0))
    return time.process_time() - cpu, time.monotonic() - wall, result


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--transactions", type=int, default=100_000)
    arguments.add_argument("--clients", type=int, default=20)
    arguments.add_argument("--steps", type=int, default=5)
    arguments.add_argument("--repetitions", type=int, default=3)
    arguments.add_argument("--stale", type=int, default=0)
    given = arguments.parse_args()
    print(f"Python {platform.python_version()}, {sys.executable}")
    print(f"two million turns of a loop: {min(loop_s() for _ in range(given.repetitions)):.3f} CPU s")
    for checker in (ListAppendTransactions(), RegisterTransactions()):
        lists = isinstance(checker, ListAppendTransactions)
        found = history(given.transactions, given.clients, given.steps, lists=lists, stale=given.stale)
        costs = [measured(checker, found) for _ in range(given.repetitions)]
        cpu, wall = [cost[0] for cost in costs], [cost[1] for cost in costs]
        result = costs[0][2]
        print(
            f"{checker.name}: {min(cpu):.2f} CPU s at least, {statistics.median(cpu):.2f} in the middle "
            f"({min(wall):.2f} s of the clock at least; aim: {TARGET_S}); {result.verdict}, "
            f"{given.transactions / min(cpu):,.0f} transactions a CPU s"
        )
        print(f"  {result.sentence[:300]}")
        print(f"  {dict(result.statistics)}")


if __name__ == "__main__":
    main()
