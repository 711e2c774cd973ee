"""Which lane of the timeline an operation belongs to.

A history names *processes*, and an operation that ends info retires its process: the client's thread goes on under the
number p + concurrency. A lane a process would be a staircase of retired lanes; a lane a thread, p % concurrency, shows
what one client did from beginning to end. The number of threads is not in a history, but can be told from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from checkers.history import Operation, Outcome

PROCESS_MAX = 100_000
"""Above this, numbers of processes are names, not a count: each is given a lane of its own."""


def concurrency_of(operations: Sequence[Operation]) -> int:
    """The number of client threads: the least c by which every process p >= c continues a retired p - c.

    Without a retired process that is one lane a process.
    """
    first_index: dict[int, int] = {}
    retired_index: dict[int, int] = {}
    for operation in operations:
        first_index.setdefault(operation.process, operation.invoke_index)
        if operation.outcome is Outcome.INFO and operation.complete_index is not None:
            retired_index[operation.process] = operation.complete_index
    if not first_index:
        return 0
    downwards = sorted(first_index, reverse=True)  # the highest is the first to rule a number of threads out
    highest = downwards[0]
    if highest > PROCESS_MAX or downwards[-1] < 0:
        return max(1, highest + 1)
    for threads in range(1, highest + 1):
        if all(_continues(process, threads, first_index, retired_index) for process in downwards):
            return threads
    return highest + 1


def _continues(process: int, threads: int, first_index: dict[int, int], retired_index: dict[int, int]) -> bool:
    if process < threads:
        return True
    retired = retired_index.get(process - threads)
    return retired is not None and retired < first_index[process]
