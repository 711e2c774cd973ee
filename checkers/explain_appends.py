"""What is wrong with the reads of a list that only grows.

Every read returns the list's whole past, so lists explain themselves: elements that were never appended, acknowledged
ones that are missing, two reads of which neither continues the other, orders against real time. Each finding is a
proof from the operations it names.

Strings that only grow (``KvAppend`` without writes) are treated alike where that is sound: an append is in a read when
its text occurs in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise

from checkers.history import Operation, Outcome
from checkers.sentences import name, show
from checkers.verdict import Anomaly, proved_by


def explain_appends(operations: Sequence[Operation]) -> Anomaly | None:
    """The first class that applies to the operations of one object, the earliest reads first.

    All operations are looked at, not only those before the search got stuck: the search knows the longest read in
    advance, so it may stop at an append, long before the read that shows what is wrong.
    """
    if any(op.f in ("write", "put") for op in operations):
        return None
    reads = [op for op in operations if op.f in ("read", "get") and op.ok and op.result is not None]
    reads.sort(key=lambda op: op.complete_index or 0)
    appends = [op for op in operations if op.f == "append" and op.ok]
    finders = (
        _unexplained(operations, reads),
        _disagreement(reads),
        _missing(appends, reads),
        _reordered(appends, reads),
    )
    return next((anomaly for anomalies in finders for anomaly in anomalies), None)


def _unexplained(operations: Sequence[Operation], reads: Sequence[Operation]) -> Iterator[Anomaly]:
    """Elements that nobody had appended when they were first read, or that are there too many times."""
    producers: dict[Hashable, list[Operation]] = {}
    for op in operations:
        if op.f == "append":
            producers.setdefault(op.argument, []).append(op)
    judged: set[tuple[Hashable, int]] = set()
    for read in reads:
        if isinstance(read.result, str):
            continue  # a text cannot be cut into what was appended
        for element, times in Counter(read.result).items():
            if (element, times) not in judged:
                judged.add((element, times))
                yield from _unexplained_element(read, element, times, producers.get(element, []))


def _unexplained_element(
    read: Operation, element: Hashable, times: int, appends: Sequence[Operation]
) -> Iterator[Anomaly]:
    possible = [op for op in appends if op.outcome is not Outcome.FAIL]
    saw = f"{name(read)} saw {show(element)}"
    if not appends:
        yield proved_by("never-written", f"{saw}, which was never appended", read)
    elif not possible:
        failed = appends[0]
        yield proved_by("aborted-read", f"{saw}, whose append failed: {name(failed)}", read, failed)
    elif all(read.precedes(op) for op in possible):
        first = possible[0]
        yield proved_by("future-read", f"{saw} before it was appended: {name(first)}", read, first)
    elif times > len(possible):
        often = f"{times} times, appended {len(possible)} times at most"
        yield proved_by("duplicate", f"{saw} {often}: {name(possible[0])}", read, *possible[:3])


def _disagreement(reads: Sequence[Operation]) -> Iterator[Anomaly]:
    """Reads by length: each must continue the one before, and none may come later and be shorter."""
    by_length = sorted(reads, key=lambda op: (len(op.result), op.invoke_index))
    for shorter, longer in pairwise(by_length):
        if longer.result[: len(shorter.result)] != shorter.result:
            sentence = f"neither read continues the other: {name(shorter)}, and {name(longer)}"
            yield proved_by("incompatible-order", sentence, shorter, longer)
    latest: Operation | None = None  # the last to begin of the shorter reads
    for read in by_length:
        if latest is not None and read.precedes(latest) and len(latest.result) < len(read.result):
            sentence = f"{name(latest)} misses what was there before it began: {name(read)}"
            yield proved_by("stale-read", sentence, read, latest)
        if latest is None or read.invoke_index > latest.invoke_index:
            latest = read


def _missing(appends: Sequence[Operation], reads: Sequence[Operation]) -> Iterator[Anomaly]:
    """Acknowledged appends that a later read does not contain."""
    contents = [read.result if isinstance(read.result, str) else frozenset(read.result) for read in reads]
    for read, content in zip(reads, contents, strict=True):
        for append in appends:
            if append.argument not in content and append.precedes(read):
                others = (other for other, seen in zip(reads, contents, strict=True) if append.argument in seen)
                other = next(others, None)
                kind = "lost-update" if other is None else "stale-read"
                sentence = f"{name(read)} misses an element acknowledged before it began: {name(append)}"
                yield proved_by(kind, sentence, append, read, other)


def _reordered(appends: Sequence[Operation], reads: Sequence[Operation]) -> Iterator[Anomaly]:
    """Two appends, one over before the other began, read in the other order."""
    longest = max(reads, key=lambda op: len(op.result), default=None)
    if longest is None or isinstance(longest.result, str):
        return
    place = {element: index for index, element in enumerate(longest.result)}
    times = Counter(longest.result)
    once = [op for op in appends if times[op.argument] == 1]
    latest: Operation | None = None  # the last to begin of those read earlier
    for append in sorted(once, key=lambda op: place[op.argument]):
        if latest is not None and append.precedes(latest):
            order = f"{show(latest.argument)} before {show(append.argument)}"
            sentence = f"{name(longest)} saw {order}, but {name(append)} was over before {name(latest)} began"
            yield proved_by("incompatible-order", sentence, append, latest, longest)
        if latest is None or append.invoke_index > latest.invoke_index:
            latest = append
