"""Lists: every read shows all that was appended before it, so reads give the order of versions away.

The longest read of a list is its history, and every other read must be a beginning of it (Kingsbury and Alvaro 2020,
section 4.2.2, traceability and recoverability: appends are unique). From it follow:

- ww: from who appended an element to who appended the next one;
- wr: from who appended the last element of a read to the reader;
- rw: from the reader to who appended the element after the last that it saw. Elements in no read at all
  come after the whole of it: before them are all who read it to its end, and who appended its last element.

That holds of an append whose transaction ended info, too: if it took place, then so. Nothing leads on from a
transaction of which nothing was read, so one that never took place is in no cycle.

Aborted elements in a list are passed over. A list that reads disagree about, or that holds an element twice, proves its
anomaly by itself; no edges are taken from it, since its order means nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from checkers.history import Operation
from checkers.sentences import name, show, show_key
from checkers.transactions.graph import RW, WR, WW, Fans, edges_of
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
    APPENDS,
    READS,
    Transactions,
    Versions,
    each,
    not_a_transaction,
    transactions,
)
from checkers.verdict import Anomaly

INITIAL: Final = -1
"""The code of the empty list, whatever its key."""

List = tuple[Hashable, ...]


@dataclass
class _Object:
    """One list: who appended what, and who read what before they had appended to it themselves."""

    codes: dict[Hashable, int] = field(default_factory=dict)
    readers: list[int] = field(default_factory=list)
    reads: list[List] = field(default_factory=list)
    longest: List = ()
    longest_reader: int = -1

    def note(self, reader: int, value: List) -> None:
        """Note what a transaction saw, its own appends not included."""
        self.readers.append(reader)
        self.reads.append(value)


def infer_lists(operations: Sequence[Operation]) -> Inferred:
    """Return what transactions of ``append`` and ``r`` give away. Raises HistoryError for any other operation."""
    reading = _Reading(transactions(operations))
    reading.read()
    taken = reading.taken
    rows: list[int] = []
    fans = Fans(rows, len(taken))
    if not reading.doubts:
        for key, one in reading.objects.items():
            _Judged(key, one, reading).judge(rows, fans)
    versions = Versions(reading.keys, reading.elements, reading.writers)
    return Inferred(taken, edges_of(rows), fans.nodes, versions, reading.anomalies, reading.doubts)


class _Reading:
    """Goes through the steps of all transactions once, and finds what contradicts itself within one."""

    def __init__(self, taken: Transactions) -> None:
        self.taken = taken
        self.objects: dict[Hashable, _Object] = {}
        self.keys: list[Hashable] = []
        self.elements: list[Hashable] = []
        self.writers: list[int] = []
        self.intermediate: set[int] = set()
        self.anomalies: list[Anomaly] = []
        self.doubts: list[str] = []
        self._changed: dict[tuple[Hashable, List], int] = {}

    def read(self) -> None:
        for number, operation, steps in each(self.taken):
            seen: dict[Hashable, tuple[List | None, list[Hashable]]] = {}
            try:
                for f, key, value in steps:
                    if f in APPENDS:
                        self._append(number, operation, key, value, seen)
                    elif f not in READS:
                        raise not_a_transaction(operation)
                    elif operation.ok:
                        self._read(number, operation, key, value, seen)
            except (TypeError, ValueError) as error:
                raise not_a_transaction(operation) from error

    def _append(
        self, number: int, operation: Operation, key: Hashable, element: Hashable, seen: dict[Any, Any]
    ) -> None:
        one = self.objects.get(key)
        if one is None:
            one = self.objects[key] = _Object()
        code = len(self.writers)
        if one.codes.setdefault(element, code) != code:
            if not self.doubts:
                told = f"{show(element)} was appended to {show_key(key)} more than once, the second time by the "
                self.doubts.append(told + name(operation))
            return
        self.keys.append(key)
        self.elements.append(element)
        self.writers.append(number)
        state = seen.get(key)
        if state is None:
            seen[key] = (None, [element])
            return
        base, own = state
        if own:
            self.intermediate.add(one.codes[own[-1]])
        elif base is not None and number >= 0:
            self._change(number, operation, key, base)
        if base is not None and element in base:
            self.anomalies.append(future_read(operation, key, element))
        own.append(element)

    def _change(self, number: int, operation: Operation, key: Hashable, base: List) -> None:
        """Note a transaction that read a version and then appended to it: no second one may."""
        first = self._changed.setdefault((key, base), number)
        if first != number:
            self.anomalies.append(lost_update(self.taken.operations[first], operation, key, base))

    def _read(self, number: int, operation: Operation, key: Hashable, value: Any, seen: dict[Any, Any]) -> None:
        if value is None:
            value = ()
        elif not isinstance(value, tuple):
            raise not_a_transaction(operation)
        one = self.objects.get(key)
        if one is None:
            one = self.objects[key] = _Object()
        if len(value) > len(one.longest):
            one.longest = value
            one.longest_reader = number
        state = seen.get(key)
        if state is None:
            seen[key] = (value, [])
            one.note(number, value)
            return
        base, own = state
        cut = len(value) - len(own)
        if base is None and cut >= 0 and value[cut:] == tuple(own):
            seen[key] = (value[:cut], own)
            one.note(number, value[:cut])
        elif base is None or value != (*base, *own):
            expected = (*base, *own) if base is not None else ("...", *own)
            self.anomalies.append(internal(operation, key, show(expected), value))
            seen[key] = (value, [])


class _Judged:
    """One list's order, and what follows from it."""

    def __init__(self, key: Hashable, one: _Object, reading: _Reading) -> None:
        self._key = key
        self._one = one
        self._reading = reading
        self._operations = reading.taken.operations
        self._by_length: dict[int, tuple[List, int]] = {}

    def judge(self, rows: list[int], fans: Fans) -> None:
        """Write the list's edges, and its anomalies."""
        sound = self._compare_reads()
        codes = [self._one.codes.get(element) for element in self._one.longest]
        sound = self._look_at_writers(codes) and sound
        if sound:
            self._connect([code for code in codes if code is not None], rows, fans)

    def _compare_reads(self) -> bool:
        """Hold all reads against each other; False if they give no order."""
        one, by_length = self._one, self._by_length
        by_length[len(one.longest)] = (one.longest, one.longest_reader)
        for reader, value in zip(one.readers, one.reads, strict=True):
            known = by_length.get(len(value))
            if known is None:
                by_length[len(value)] = (value, reader)
            elif known[0] is not value and known[0] != value:
                self._disagree(known, (value, reader))
                return False
        ordered = [by_length[length] for length in sorted(by_length)]
        for shorter, longer in pairwise(ordered):
            if longer[0][: len(shorter[0])] != shorter[0]:
                self._disagree(shorter, longer)
                return False
        return self._no_duplicates()

    def _disagree(self, first: tuple[List, int], second: tuple[List, int]) -> None:
        readers = [self._operations[reader] for _, reader in (first, second)]
        told = f"neither read of {show_key(self._key)} continues the other: {show(first[0])} in the {name(readers[0])}"
        sentence = f"{told}, and {show(second[0])} in the {name(readers[1])}"
        self._reading.anomalies.append(anomaly("incompatible-order", self._key, sentence, *readers))

    def _no_duplicates(self) -> bool:
        longest = self._one.longest
        if len(set(longest)) == len(longest):
            return True
        twice = next(element for place, element in enumerate(longest) if element in longest[:place])
        reader = self._operations[self._one.longest_reader]
        sentence = f"{name(reader)} saw {show(twice)} {longest.count(twice)} times in {show_key(self._key)}"
        self._reading.anomalies.append(anomaly("duplicate-elements", self._key, sentence, reader))
        return False

    def _look_at_writers(self, codes: Sequence[int | None]) -> bool:
        """Tell of elements that nobody appended, or who failed did; False if the list cannot be traced."""
        one, reading = self._one, self._reading
        traced = True
        for place, code in enumerate(codes):
            if code is None:
                reader = self._first_reader(place)
                reading.anomalies.append(garbage_read(reader, self._key, one.longest[place]))
                return False
            if reading.writers[code] < 0:
                self._aborted(place, code, codes[place + 1 :])
        for value, reader_number in self._by_length.values():
            traced = traced and all(element in one.codes for element in value[-1:])
            if one.longest[: len(value)] != value:
                self._aborted_beside(value, reader_number)
        return traced

    def _first_reader(self, place: int) -> Operation:
        """Return the first transaction that saw the element at a place."""
        found = [reader for length, (_, reader) in self._by_length.items() if length > place]
        return self._operations[min(found)]

    def _aborted(self, place: int, code: int, later: Sequence[int | None]) -> None:
        reading = self._reading
        writer, element = reading.taken.wrote(reading.writers[code]), reading.elements[code]
        reading.anomalies.append(aborted_read(self._first_reader(place), writer, self._key, element))
        updaters = (reading.writers[after] for after in later if after is not None)
        updater = next((number for number in updaters if number >= 0), None)
        if updater is not None and self._operations[updater].ok:
            reading.anomalies.append(dirty_update(writer, self._operations[updater], self._key, element))

    def _aborted_beside(self, value: List, reader: int) -> None:
        """Tell of aborted elements in a read that is not a part of the longest."""
        reading = self._reading
        for element in value:
            code = self._one.codes.get(element)
            if code is None:
                reading.anomalies.append(garbage_read(self._operations[reader], self._key, element))
            elif reading.writers[code] < 0:
                writer = reading.taken.wrote(reading.writers[code])
                reading.anomalies.append(aborted_read(self._operations[reader], writer, self._key, element))

    def _connect(self, codes: Sequence[int], rows: list[int], fans: Fans) -> None:
        """Write the edges of a list whose order is known. ``last`` and ``following`` are by a read's length."""
        writers = [self._reading.writers[code] for code in codes]
        last = [INITIAL]
        for code, writer in zip(codes, writers, strict=True):
            if writer >= 0 and last[-1] != INITIAL and self._reading.writers[last[-1]] != writer:
                rows.extend((self._reading.writers[last[-1]], writer, WW, 0, last[-1], code))
            last.append(code if writer >= 0 else last[-1])
        following = [INITIAL]
        for code, writer in zip(reversed(codes), reversed(writers), strict=True):
            following.append(code if writer >= 0 else following[-1])
        following.reverse()
        ends = self._connect_readers(codes, last, following, rows)
        unseen = self._unseen(codes)
        if unseen:
            before = [(reader, RW, last[-1]) for reader in dict.fromkeys(ends)]
            if last[-1] != INITIAL:
                before.append((self._reading.writers[last[-1]], WW, last[-1]))
            fans.spread(before, unseen)

    def _connect_readers(
        self, codes: Sequence[int], last: Sequence[int], following: Sequence[int], rows: list[int]
    ) -> list[int]:
        """Write the edges to and from readers; return those that read to the end."""
        writers, intermediate = self._reading.writers, self._reading.intermediate
        ends: list[int] = []
        for reader, value in zip(self._one.readers, self._one.reads, strict=True):
            length = len(value)
            seen, after = last[length], following[length]
            if seen != INITIAL and writers[seen] != reader:
                rows.extend((writers[seen], reader, WR, 0, seen, seen))
                if seen in intermediate and seen == codes[length - 1]:
                    self._intermediate(reader, codes[length - 1])
            if after == INITIAL:
                ends.append(reader)
            elif writers[after] != reader:
                rows.extend((reader, writers[after], RW, 0, seen, after))
        return ends

    def _intermediate(self, reader: int, code: int) -> None:
        reading = self._reading
        reading.intermediate.discard(code)  # told once
        writer = reading.taken.wrote(reading.writers[code])
        found = intermediate_read(self._operations[reader], writer, self._key, reading.elements[code])
        reading.anomalies.append(found)

    def _unseen(self, codes: Sequence[int]) -> list[tuple[int, int]]:
        """Return who appended elements that are in no read, each once, with one of them."""
        if len(codes) == len(self._one.codes):
            return []
        writers, seen = self._reading.writers, set(codes)
        found: dict[int, int] = {}
        for code in self._one.codes.values():
            writer = writers[code]
            if code not in seen and writer >= 0:
                found.setdefault(writer, code)
        return list(found.items())
