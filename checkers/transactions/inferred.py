"""What objects of one kind give away: edges, versions, and what is wrong without any cycle."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from checkers.history import Operation
from checkers.sentences import name, show, show_key
from checkers.transactions.graph import Edges
from checkers.transactions.transactions import Transactions, Versions
from checkers.verdict import Anomaly


@dataclass(frozen=True)
class Inferred:
    """``nodes`` counts the helper nodes, too. ``doubts`` are sentences saying why nothing can be concluded."""

    transactions: Transactions
    edges: Edges
    nodes: int
    versions: Versions
    anomalies: Sequence[Anomaly]
    doubts: Sequence[str]


def anomaly(kind: str, key: Hashable, sentence: str, *operations: Operation | None) -> Anomaly:
    """Return an anomaly of these operations, each named once."""
    distinct = {operation.invoke_index: operation for operation in operations if operation is not None}
    return Anomaly(kind, sentence, key, tuple(distinct[index] for index in sorted(distinct)))


def internal(operation: Operation, key: Hashable, expected: str, found: Hashable) -> Anomaly:
    """Return the anomaly of a transaction that contradicts itself."""
    sentence = f"{name(operation)} read {show_key(key)} = {show(found)}, but after its own steps it is {expected}"
    return anomaly("internal", key, sentence, operation)


def aborted_read(reader: Operation, writer: Operation, key: Hashable, value: Hashable) -> Anomaly:
    """Return the anomaly G1a."""
    sentence = f"{name(reader)} saw {show(value)} in {show_key(key)}, which was of the {name(writer)}"
    return anomaly("G1a", key, sentence, reader, writer)


def intermediate_read(reader: Operation, writer: Operation, key: Hashable, value: Hashable) -> Anomaly:
    """Return the anomaly G1b."""
    sentence = f"{name(reader)} saw {show(value)} in {show_key(key)}, not the last that was written to it by the "
    return anomaly("G1b", key, sentence + name(writer), reader, writer)


def garbage_read(reader: Operation, key: Hashable, value: Hashable) -> Anomaly:
    """Return the anomaly of a read of what nobody wrote."""
    sentence = f"{name(reader)} saw {show(value)} in {show_key(key)}, which nobody wrote"
    return anomaly("garbage-read", key, sentence, reader)


def future_read(reader: Operation, key: Hashable, value: Hashable) -> Anomaly:
    """Return the anomaly of a transaction that sees what it writes only later."""
    sentence = f"{name(reader)} saw {show(value)} in {show_key(key)}, which it wrote only later itself"
    return anomaly("future-read", key, sentence, reader)


def lost_update(first: Operation, second: Operation, key: Hashable, value: Hashable) -> Anomaly:
    """Return the anomaly of two transactions that changed the same version."""
    told = f"both read {show_key(key)} = {show(value)} and both changed it; one of the two changes is lost"
    return anomaly("lost-update", key, f"{name(first)} and {name(second)} {told}", first, second)


def dirty_update(aborted: Operation, second: Operation, key: Hashable, value: Hashable) -> Anomaly:
    """Return the anomaly of a transaction that built upon what an aborted one wrote."""
    told = f"{name(second)} changed {show_key(key)} after {show(value)}, which was of the {name(aborted)}"
    return anomaly("dirty-update", key, told, aborted, second)
