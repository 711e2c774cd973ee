"""What is wrong with the reads of a list that only grows.

Every read returns the list's whole past, so lists explain themselves: elements that were never appended,
acknowledged ones that are missing, two reads of which neither continues the other, orders against real time.
Each finding is a proof from the operations it names.

Strings that only grow (``KvAppend`` without writes) are treated alike where that is sound: an append is in a
read when its text occurs in it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from checkers.history import Operation, Outcome
from checkers.sentences import name, show
from checkers.verdict import Anomaly, proved_by


def explain_appends(operations: Sequence[Operation], seen: Sequence[Operation], stuck: Operation) -> Anomaly | None:
    """The first class that applies, looking at the stuck operation's part before anyone else's.

    ``operations`` are all of the object's, ``seen`` those invoked before the stuck one returned.
    """
    if any(op.f in ("write", "put") for op in operations):
        return None
    reads = [op for op in seen if op.f in ("read", "get") and op.ok and op.result is not None]
    reads.sort(key=lambda op: (op is not stuck, op.complete_index))
    appends = [op for op in seen if op.f == "append" and op.ok]
    for find in (
        _unexplained(operations, reads),
        _disagreement(reads),
        _missing(appends, reads),
        _reordered(appends, reads),
    ):
        for anomaly in find:
            return anomaly
    return None


def _contains(read: Operation, element: Any) -> bool:
    return element in read.result


def _unexplained(operations: Sequence[Operation], reads: Sequence[Operation]) -> Iterator[Anomaly]:
    """Elements that nobody had appended when they were read, or that were appended fewer times."""
    producers: dict[Hashable, list[Operation]] = {}
    for op in operations:
        if op.f == "append":
            producers.setdefault(op.argument, []).append(op)
    for read in reads:
        if isinstance(read.result, str):
            continue  # a text cannot be cut into what was appended
        for element in read.result:
            yield from _unexplained_element(read, element, producers.get(element, []))


def _unexplained_element(read: Operation, element: Hashable, appends: Sequence[Operation]) -> Iterator[Anomaly]:
    possible = [op for op in appends if op.outcome is not Outcome.FAIL]
    if not appends:
        yield proved_by("never-written", f"{name(read)} saw {show(element)}, which was never appended", read)
    elif not possible:
        failed = appends[0]
        yield proved_by(
            "aborted-read",
            f"{name(read)} saw the element of an append that failed: {name(failed)}",
            read,
            failed,
        )
    elif all(read.precedes(op) for op in possible):
        first = possible[0]
        yield proved_by(
            "future-read",
            f"{name(read)} saw {show(element)} before it was appended: {name(first)}",
            read,
            first,
        )
    elif read.result.count(element) > len(possible):
        times = f"{read.result.count(element)} times, appended {len(possible)} times at most"
        sentence = f"{name(read)} saw {show(element)} {times}: {name(possible[0])}"
        yield proved_by("duplicate", sentence, read, *possible[:3])


def _disagreement(reads: Sequence[Operation]) -> Iterator[Anomaly]:
    """Reads sorted by length: each must continue the one before, and none may come later and be shorter."""
    by_length = sorted(reads, key=lambda op: (len(op.result), op.invoke_index))
    for shorter, longer in pairwise(by_length):
        if longer.result[: len(shorter.result)] != shorter.result:
            yield proved_by(
                "incompatible-order",
                f"neither continues the other: {name(shorter)}, and {name(longer)}",
                shorter,
                longer,
            )
    latest_beginning: Operation | None = None  # among the shorter reads
    for read in by_length:
        shorter_read = latest_beginning
        if shorter_read is not None and read.precedes(shorter_read) and len(shorter_read.result) < len(read.result):
            yield proved_by(
                "stale-read",
                f"{name(shorter_read)} misses what was there before it began: {name(read)}",
                read,
                shorter_read,
            )
        if latest_beginning is None or read.invoke_index > latest_beginning.invoke_index:
            latest_beginning = read


def _missing(appends: Sequence[Operation], reads: Sequence[Operation]) -> Iterator[Anomaly]:
    """Acknowledged appends that a later read does not contain."""
    for read in reads:
        for append in appends:
            if append.precedes(read) and not _contains(read, append.argument):
                others = [other for other in reads if _contains(other, append.argument)]
                kind = "stale-read" if others else "lost-update"
                yield proved_by(
                    kind,
                    f"{name(read)} misses an element acknowledged before it began: {name(append)}",
                    append,
                    read,
                    *others[:1],
                )


def _reordered(appends: Sequence[Operation], reads: Sequence[Operation]) -> Iterator[Anomaly]:
    """Two appends, one over before the other began, read in the other order."""
    longest = max(reads, key=lambda op: len(op.result), default=None)
    if longest is None or isinstance(longest.result, str):
        return
    place = {element: index for index, element in enumerate(longest.result)}
    once = [op for op in appends if longest.result.count(op.argument) == 1]
    in_order = sorted(once, key=lambda op: place[op.argument])
    latest: Operation | None = None
    for append in in_order:
        if latest is not None and append.precedes(latest):
            order = f"{show(latest.argument)} before {show(append.argument)}"
            sentence = f"{name(longest)} saw {order}, but {name(append)} was over before {name(latest)} began"
            yield proved_by("incompatible-order", sentence, append, latest, longest)
        if latest is None or append.invoke_index > latest.invoke_index:
            latest = append
