"""Dependencies between transactions, as arrays of integers, and what is strongly connected among them.

A hundred thousand transactions have millions of dependencies, so nothing here is an object per edge. Real-time order
alone would be all pairs; of it only the transitive reduction is written down: the edges from those that were over when
another began and that no third one ran wholly between. It is at most transactions times concurrency.

Where each of many transactions comes before each of many others (all readers of a list's last state, before all
whose appends nobody saw), a chain of helper nodes stands between them, so that the edges stay as many as the nodes.
Helper nodes are numbered behind the transactions, and edges out of them have the kind ``VIA``: the edge that led into
the chain says what the dependency is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from checkers.transactions.extra import needed
from checkers.transactions.transactions import NEVER, Numbers, Transactions

WW: Final = 0
"""The second wrote the version after the first's."""
WR: Final = 1
"""The second read what the first wrote."""
RW: Final = 2
"""The first read a version before the one that the second wrote."""
PROCESS: Final = 3
"""One process ran the first before the second."""
REALTIME: Final = 4
"""The first was over before the second began."""
VIA: Final = 5
"""Out of a helper node."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Edges:
    """Edges as columns. ``level`` is what order had to be assumed to infer one: 0 none, 1 process, 2 real time.

    ``left`` and ``right`` are codes of versions, what the source met and what the target met; -1 where there is none.
    """

    source: Numbers
    target: Numbers
    kind: Numbers
    level: Numbers
    left: Numbers
    right: Numbers

    def __len__(self) -> int:
        return len(self.source)

    def where(self, chosen: Flags) -> Edges:
        """Return those that are chosen."""
        return Edges(
            self.source[chosen],
            self.target[chosen],
            self.kind[chosen],
            self.level[chosen],
            self.left[chosen],
            self.right[chosen],
        )


def edges_of(rows: Sequence[int]) -> Edges:
    """Return edges from a flat list of source, target, kind, level, left, right."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 6)
    return Edges(*(np.ascontiguousarray(table[:, column]) for column in range(6)))


def orders(source: Numbers, target: Numbers, kind: int, level: int) -> Edges:
    """Return edges which no version speaks for."""
    count = len(source)
    nothing = np.full(count, -1)
    return Edges(source, target, np.full(count, kind), np.full(count, level), nothing, nothing)


def joined(parts: Sequence[Edges]) -> Edges:
    """Return all edges of the parts."""
    return Edges(
        np.concatenate([part.source for part in parts]),
        np.concatenate([part.target for part in parts]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.level for part in parts]),
        np.concatenate([part.left for part in parts]),
        np.concatenate([part.right for part in parts]),
    )


class Fans:
    """Writes the edges from each of many to each of many others, in a number that stays proportional to theirs."""

    def __init__(self, rows: list[int], transactions: int) -> None:
        self._rows = rows
        self.nodes = transactions
        """Nodes so far, the helpers included."""

    def spread(self, sources: Sequence[tuple[int, int, int]], targets: Sequence[tuple[int, int]]) -> None:
        """Put an edge from each source (node, kind, version met) to each target (node, version written) but itself.

        A source that is a target itself enters the chain of those before it and that of those behind it.
        """
        if not sources or not targets:
            return
        places = {node: place for place, (node, _) in enumerate(targets)}
        before = self._chain(targets)
        behind = self._chain(targets[::-1])[::-1] if any(node in places for node, _, _ in sources) else []
        for node, kind, left in sources:
            place = places.get(node)
            if place is None:
                self._rows.extend((node, before[-1], kind, 0, left, -1))
                continue
            if place > 0:
                self._rows.extend((node, before[place - 1], kind, 0, left, -1))
            if place + 1 < len(targets):
                self._rows.extend((node, behind[place + 1], kind, 0, left, -1))

    def _chain(self, targets: Sequence[tuple[int, int]]) -> list[int]:
        """Make helpers, each of which leads to the target at its place and to the helper before it."""
        helpers: list[int] = []
        for node, right in targets:
            self._rows.extend((self.nodes, node, VIA, 0, -1, right))
            if helpers:
                self._rows.extend((self.nodes, helpers[-1], VIA, 0, -1, -1))
            helpers.append(self.nodes)
            self.nodes += 1
        return helpers


def reduced_order(begun: Numbers, over: Numbers, group: Numbers, later: Flags | None = None) -> tuple[Numbers, Numbers]:
    """Return the pairs (a, b) of one group in which a was over before b began, transitively reduced.

    ``later`` are those that may come second (and stand between two others); by default all may. Of the intervals that
    were over before b began, those are left out that were over before one of them, which may stand between, began.
    """
    seconds = np.arange(len(begun)) if later is None else np.flatnonzero(later)
    firsts = np.flatnonzero(over < NEVER)
    span = int(max(begun.max(initial=0), over[firsts].max(initial=0))) + 2
    firsts = firsts[np.argsort(group[firsts] * span + over[firsts], kind="stable")]
    ends = group[firsts] * span + over[firsts]
    middle = firsts if later is None else firsts[later[firsts]]
    middle_ends = group[middle] * span + over[middle]
    latest = np.maximum.accumulate(np.concatenate([[-1], group[middle] * span + begun[middle]]))
    starts = group[seconds] * span + begun[seconds]
    bound = np.maximum(latest[np.searchsorted(middle_ends, starts)], group[seconds] * span)
    low, high = np.searchsorted(ends, bound), np.searchsorted(ends, starts)
    counts = np.maximum(high - low, 0)
    offsets = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return firsts[np.repeat(low, counts) + offsets], np.repeat(seconds, counts)


def process_order(taken: Transactions) -> Edges:
    """Return the edges from each transaction to the next of its process."""
    order = np.lexsort((taken.begun, taken.process))
    follows = taken.process[order][1:] == taken.process[order][:-1]
    return orders(order[:-1][follows], order[1:][follows], PROCESS, 1)


def realtime_order(taken: Transactions) -> Edges:
    """Return the transitive reduction of real-time order."""
    first, second = reduced_order(taken.begun, taken.over, np.zeros(len(taken), dtype=np.int64))
    return orders(first, second, REALTIME, 2)


def components(edges: Edges, nodes: int) -> Numbers:
    """Return for each node the number of its strongly connected component, -1 if it is alone in it.

    No edge leads from a node to itself, so a component of one node has no cycle. Raises MissingExtraError.
    """
    sparse, csgraph = needed("scipy.sparse"), needed("scipy.sparse.csgraph")
    ones = np.ones(len(edges))  # several edges between two nodes are summed: no small integers that could wrap to 0
    matrix = sparse.csr_matrix((ones, (edges.source, edges.target)), shape=(nodes, nodes))
    count, labels = csgraph.connected_components(matrix, directed=True, connection="strong")
    sizes = np.bincount(labels, minlength=count)
    found: Numbers = np.where(sizes[labels] > 1, labels, -1).astype(np.int64)
    return found


def inside(edges: Edges, labels: Numbers) -> Edges:
    """Return the edges within one component."""
    return edges.where((labels[edges.source] >= 0) & (labels[edges.source] == labels[edges.target]))
