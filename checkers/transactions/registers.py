"""Registers: a read shows one value, so the order of versions has to be inferred, and often only in part.

Every value is written once to its key, and never nil, which is what a key has before any write. Then (Kingsbury and
Alvaro 2020, section 4.2; Elle's rw-register):

- a read of a value was after its write (wr), and a read of nil before every write (rw);
- writes follow reads: who read one version and wrote another wrote the next one (ww), and whoever else read the first
  did so before (rw);
- by the order of a process, and by real time: who met a version before another was begun to be written met an earlier
  one (rw). These hold only where sessions, or real time, are to be respected, so such an edge has that level.

Of the last only what a *write* came after is used, not what a read did: a read may be stale even where writes are in
order, and then that is what is to be told. The ww edges that these orders would give are left out: a path of wr and the
order itself already says as much.

What an info transaction wrote is a version, too: it comes after nil and after what was met before it began, if it is
there at all. Nothing leads on from a transaction of which nothing was read, so one that never took place is in no
cycle.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np

from checkers.columns import distinct
from checkers.history import Operation
from checkers.sentences import name, show, show_key
from checkers.transactions.graph import RW, WR, WW, Edges, Fans, components, edges_of, joined, orders, reduced_order
from checkers.transactions.inferred import (
    Inferred,
    aborted_read,
    anomaly,
    dirty_update,
    future_read,
    garbage_read,
    intermediate_read,
    internal,
    lost_update,
)
from checkers.transactions.transactions import (
    READS,
    WRITES,
    Numbers,
    Transactions,
    Versions,
    each,
    not_a_transaction,
    transactions,
)
from checkers.verdict import Anomaly

_ABSENT: Final = object()


def infer_registers(operations: Sequence[Operation]) -> Inferred:
    """Return what transactions of ``w`` and ``r`` give away. Raises HistoryError and MissingExtraError."""
    reading = _Reading(transactions(operations))
    reading.read()
    taken = reading.taken
    rows: list[int] = []
    fans = Fans(rows, len(taken))
    parts: list[Edges] = []
    if not reading.doubts:
        reading.resolve()
        parts.append(_Order(reading).edges(rows, fans))
    versions = Versions(reading.keys, reading.values, reading.writers)
    edges = joined([edges_of(rows), *parts])
    return Inferred(taken, edges, fans.nodes, versions, reading.anomalies, reading.doubts)


class _Reading:
    """Goes through the steps of all transactions once.

    A version's code is its place in ``keys``, ``values`` and ``writers``. Each key has a version of its own for nil,
    without a writer. ``reads`` are (reader, code) of what transactions saw of others; ``made`` is each transaction's
    last write to each key; ``follows`` are (transaction, version read, version then written).
    """

    def __init__(self, taken: Transactions) -> None:
        self.taken = taken
        self.keys: list[Hashable] = []
        self.values: list[Hashable] = []
        self.writers: list[int | None] = []
        self.codes: dict[tuple[Hashable, Hashable], int] = {}
        self.reads: list[tuple[int, int]] = []
        self.made: list[tuple[int, int]] = []
        self.follows: list[tuple[int, int, int]] = []
        self.intermediate: set[int] = set()
        self.anomalies: list[Anomaly] = []
        self.doubts: list[str] = []
        self._seen: list[tuple[int, Hashable, Hashable]] = []
        self._followed: list[tuple[int, Hashable, Hashable, Hashable]] = []

    def read(self) -> None:
        for number, operation, steps in each(self.taken):
            state: dict[Hashable, Hashable] = {}
            wrote: dict[Hashable, int] = {}
            met: dict[Hashable, Hashable] = {}
            try:
                for f, key, value in steps:
                    if f in WRITES:
                        self._write(number, operation, key, value, wrote)
                        if met.get(key, _ABSENT) == value:
                            self.anomalies.append(future_read(operation, key, value))
                        state[key] = value
                    elif f not in READS:
                        raise not_a_transaction(operation)
                    elif operation.ok:
                        known = state.get(key, _ABSENT)
                        if known is _ABSENT:
                            self._seen.append((number, key, value))
                            met[key] = value
                        elif known != value:
                            self.anomalies.append(internal(operation, key, show(known), value))
                        state[key] = value
            except (TypeError, ValueError) as error:
                raise not_a_transaction(operation) from error
            for key, code in wrote.items():
                self.made.append((number, code))
                if key in met:
                    self._followed.append((number, key, met[key], self.values[code]))

    def _write(self, number: int, operation: Operation, key: Hashable, value: Hashable, wrote: dict[Any, int]) -> None:
        code = len(self.values)
        if value is None or self.codes.setdefault((key, value), code) != code:
            if not self.doubts:
                twice = "is what a register holds initially" if value is None else "was written more than once"
                told = f"{show(value)} {twice} ({show_key(key)}), the last time by the "
                self.doubts.append(told + name(operation))
            return
        self.keys.append(key)
        self.values.append(value)
        self.writers.append(number)
        before = wrote.get(key)
        if before is not None:
            self.intermediate.add(before)
        wrote[key] = code

    def resolve(self) -> None:
        """Turn values into codes, and tell of what should not have been seen."""
        told: set[int] = set()
        operations = self.taken.operations
        for reader, key, value in self._seen:
            code = self._code(key, value)
            if code is None:
                self.anomalies.append(garbage_read(operations[reader], key, value))
                continue
            writer = self.writers[code]
            if writer is not None and writer != reader and (writer < 0 or code in self.intermediate):
                if code not in told:
                    told.add(code)
                    self._dirty(reader, code, writer)
                if writer < 0:
                    continue
            if writer != reader:
                self.reads.append((reader, code))
        first: dict[int, int] = {}
        for number, key, before, after in self._followed:
            code = self._code(key, before)
            if code is None or self.writers[code] == number:
                continue
            self._follow(number, code, self.codes[key, after], first)

    def _code(self, key: Hashable, value: Hashable) -> int | None:
        code = self.codes.get((key, value))
        if code is None and value is None:
            code = self.codes[key, None] = len(self.values)
            self.keys.append(key)
            self.values.append(None)
            self.writers.append(None)
        return code

    def _dirty(self, reader: int, code: int, writer: int) -> None:
        operation, other = self.taken.operations[reader], self.taken.wrote(writer)
        tell = aborted_read if writer < 0 else intermediate_read
        self.anomalies.append(tell(operation, other, self.keys[code], self.values[code]))

    def _follow(self, number: int, code: int, after: int, first: dict[int, int]) -> None:
        operation, writer = self.taken.operations[number], self.writers[code]
        key, value = self.keys[code], self.values[code]
        if writer is not None and writer < 0:
            self.anomalies.append(dirty_update(self.taken.wrote(writer), operation, key, value))
            return
        other = first.setdefault(code, number)
        if other != number:
            self.anomalies.append(lost_update(self.taken.operations[other], operation, key, value))
        if code not in self.intermediate:
            self.follows.append((number, code, after))


class _Order:
    """The order of versions, as far as it can be inferred, and the edges that follow."""

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading
        self._taken = reading.taken
        reads = np.array(reading.reads, dtype=np.int64).reshape(-1, 2)
        reads = reads[np.argsort(reads[:, 1], kind="stable")]
        self._reader, self._read = reads[:, 0].copy(), reads[:, 1].copy()
        self._writer = np.array([-1 if w is None else w for w in reading.writers], dtype=np.int64)
        self._nil = np.array([w is None for w in reading.writers], dtype=np.bool_)
        made = np.array([pair for pair in reading.made if pair[0] >= 0], dtype=np.int64).reshape(-1, 2)
        self._maker, self._made = made[:, 0].copy(), made[:, 1].copy()

    def edges(self, rows: list[int], fans: Fans) -> Edges:
        """Return all edges but those that are written to ``rows``: from who read nil."""
        parts = [self._write_read()]
        follows = np.array(self._reading.follows, dtype=np.int64).reshape(-1, 3)
        follows = follows[self._sound(follows)]
        before, after = follows[:, 1], follows[:, 2]
        parts.append(self._read_write(before, after, 0))
        wrote = ~self._nil[before]
        ww = orders(self._writer[before[wrote]], self._writer[after[wrote]], WW, 0)
        parts.append(Edges(ww.source, ww.target, ww.kind, ww.level, before[wrote], after[wrote]))
        self._initial(rows, fans)
        parts += [self._read_write(*self._by(level), level) for level in (1, 2)]
        return joined(parts)

    def _write_read(self) -> Edges:
        known = ~self._nil[self._read]
        reader, read = self._reader[known], self._read[known]
        edges = orders(self._writer[read], reader, WR, 0)
        return Edges(edges.source, edges.target, edges.kind, edges.level, read, read)

    def _sound(self, follows: Numbers) -> Numbers:
        """Return the places of those that are in no cycle of versions; tell of one cycle for each key that has some."""
        count = len(self._writer)
        pairs = orders(follows[:, 1], follows[:, 2], WW, 0)
        labels = components(pairs, count) if len(pairs) else np.full(count, -1)
        same = (labels[follows[:, 1]] >= 0) & (labels[follows[:, 1]] == labels[follows[:, 2]])
        told: set[int] = set()
        for place in np.flatnonzero(same):
            label = int(labels[follows[place, 1]])
            if label not in told:
                told.add(label)
                self._cyclic(follows[same & (labels[follows[:, 1]] == label)])
        return np.flatnonzero(~same)

    def _cyclic(self, follows: Numbers) -> None:
        reading = self._reading
        after = {int(read): (int(number), int(made)) for number, read, made in follows}
        walk: list[int] = []
        code = int(follows[0, 1])
        while code not in walk:
            walk.append(code)
            code = after[code][1]
        cycle = walk[walk.index(code) :]
        key, values = reading.keys[code], [show(reading.values[one]) for one in [*cycle, code]]
        operations = [self._taken.operations[after[one][0]] for one in cycle]
        told = ", ".join(
            f"{show(reading.values[one])} by the {name(op)}" for one, op in zip(cycle, operations, strict=True)
        )
        sentence = (
            f"the versions of {show_key(key)} follow each other in a circle, {' < '.join(values)}: replaced were {told}"
        )
        reading.anomalies.append(anomaly("cyclic-versions", key, sentence, *operations[:4]))

    def _read_write(self, before: Numbers, after: Numbers, level: int) -> Edges:
        """Return the edges from all readers of one version to the writer of a later one."""
        low, high = np.searchsorted(self._read, before), np.searchsorted(self._read, before, side="right")
        counts = high - low
        offsets = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        reader = self._reader[np.repeat(low, counts) + offsets]
        left, right = np.repeat(before, counts), np.repeat(after, counts)
        edges = orders(reader, self._writer[right], RW, level)
        others = edges.source != edges.target
        return Edges(edges.source, edges.target, edges.kind, edges.level, left, right).where(others)

    def _initial(self, rows: list[int], fans: Fans) -> None:
        """Whoever read nil did so before every write."""
        reading = self._reading
        makers: dict[Hashable, list[tuple[int, int]]] = {}
        for maker, code in zip(self._maker.tolist(), self._made.tolist(), strict=True):
            makers.setdefault(reading.keys[code], []).append((maker, code))
        readers: dict[int, list[int]] = {}
        for place in np.flatnonzero(self._nil[self._read]):
            readers.setdefault(int(self._read[place]), []).append(int(self._reader[place]))
        for code, found in readers.items():
            sources = [(reader, RW, code) for reader in dict.fromkeys(found)]
            fans.spread(sources, makers.get(reading.keys[code], []))

    def _by(self, level: int) -> tuple[Numbers, Numbers]:
        """Return the pairs of versions of which one was met before the other began to be written, reduced.

        Level 1: by the same process; level 2: in real time. Nil is before all others anyway.
        """
        met = ~self._nil[self._read]
        who = np.concatenate([self._maker, self._reader[met]])
        code = np.concatenate([self._made, self._read[met]])
        numbers: dict[Hashable, int] = {}
        key_of = np.array([numbers.setdefault(key, len(numbers)) for key in self._reading.keys], dtype=np.int64)
        group = key_of[code] if len(code) else code
        if level == 1:
            _, process = np.unique(self._taken.process[who], return_inverse=True)
            group = group * (int(process.max(initial=0)) + 1) + process
        wrote = np.arange(len(who)) < len(self._maker)
        first, second = reduced_order(self._taken.begun[who], self._taken.over[who], group, wrote)
        pairs = distinct(code[first] * (len(self._writer) + 1) + code[second])
        before, after = pairs // (len(self._writer) + 1), pairs % (len(self._writer) + 1)
        differ = before != after
        return before[differ], after[differ]
