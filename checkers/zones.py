"""Linearizability of registers in O(n log n), where each value was written once.

The general search asks for an order of operations, and there are exponentially many. Where a value is brought by one
operation only (its *producer*) there is little to choose: everything that saw the value comes after its producer and
before the next one. So operations fall into *clusters*, a producer with the reads of its value, and what is to be
ordered is clusters (Gibbons and Korach, Testing Shared Memories, 1997, section 4; Golab, Li and Shah, Analyzing
Consistency Properties for Fun and Profit, 2011, whose zones these are). Compare-and-swaps tie clusters to each other: a
swap from u to v puts v's cluster right behind u's, so chains of them are contiguous, too, and form *blocks*.

A block A must come before another B exactly if some operation of A was over before some operation of B began: if
F(A) < S(B), F being the earliest end of its operations and S the latest beginning. So there is an order unless two
blocks must come before each other: what F and S say of two intervals can only have cycles of length two. Blocks with
F < S are *forward*: their value was current all along from F to S, and no two of them may overlap. The others are
*backward*: their value may have been current at any moment between S and F, and that must not lie inside a forward
block, nor can two of them contradict each other. A sort and a binary search find out.

What is dropped first, and why that is sound:

- what failed took no effect, and a read that ended info asserts nothing;
- an info operation whose value is not *needed* may never have happened. A value is needed if an ok operation saw or
  made it, and if a swap from it to a needed value is its only way. This is not only cheaper: a swap that nobody needs
  would tie blocks together that are not.

Values that more than one operation may have brought decide nothing here; their keys are left to the general search
(``Zones.undecided``). Everything else is decided, whatever the concurrency, and every contradiction is named by the two
to four operations that prove it.

All keys are worked on at once, in arrays; nothing is done in Python for each operation but walking along swaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from checkers.columns import Flags, Integers, running_maximum
from checkers.failed_swaps import Absences, Order, Spare, all_along, misfits
from checkers.register_columns import BEFORE_ALL, NEVER, NOTHING, RegisterColumns

NOBODY: Final = -1
"""Stands for the operation where the initial value needs none."""


class Contradiction(StrEnum):
    """What is wrong with a register."""

    NEVER_WRITTEN = "never-written"
    ABORTED_READ = "aborted-read"
    FUTURE_READ = "future-read"
    LOST_UPDATE = "lost-update"
    CIRCULAR_CAS = "circular-cas"
    CAS_ORDER = "cas-order"
    OVERLAP = "overlap"
    FAILED_CAS = "failed-cas"


@dataclass(frozen=True, slots=True)
class Finding:
    """A contradiction and the operations that prove it, as places; ``NOBODY`` is the start of everything.

    - never-written, aborted-read: ``late`` saw the value (that ``early``, which failed, would have made);
    - future-read: ``late`` saw what ``early`` made, and was over before that began;
    - lost-update: ``early`` and ``late`` both replaced ``value``;
    - circular-cas: ``early`` and ``late`` are swaps of a circle;
    - cas-order, overlap: ``early`` met ``value`` and was over before ``between`` began, which met another one as did
      ``proof``; and this was over before ``late`` began, which met ``value`` again (for cas-order: whose block is to
      come before the other);
    - failed-cas: ``early`` and ``late`` met ``value``, which a swap, ``between`` them, did not find.
    """

    kind: Contradiction
    key: int
    value: int
    early: int
    between: int
    proof: int
    late: int


@dataclass(frozen=True, slots=True)
class Zones:
    """What came of it: contradictions (at most one for a value), and the keys that cannot be judged by zones."""

    findings: tuple[Finding, ...]
    undecided: frozenset[int]
    clusters: int
    blocks: int


def judge(columns: RegisterColumns) -> Zones:
    """Judge all keys at once. A key that is neither in a finding nor undecided is linearizable."""
    return _Judgement(columns).zones()


class _Judgement:
    """The steps, in order; what is found is collected, and what is contradictory is left out of the later steps.

    Leaving out (a read of what was never written, a swap that is one too many) only takes constraints away: what is
    found afterwards would be found without the first contradiction, too.
    """

    def __init__(self, columns: RegisterColumns) -> None:
        self._c = columns
        self._findings: list[Finding] = []
        saw, made = _pairs(columns)
        self._clusters = 1 + int(max(saw.max(initial=0), made.max(initial=0), len(columns.keys) - 1))
        kept = self._without_unneeded(saw, made)
        self._undecided = self._ambiguous(kept, made)
        if self._undecided.any():
            kept &= ~self._undecided[columns.key]
        self._rows = np.flatnonzero(kept)
        self._spare = np.flatnonzero(~columns.ok & ~kept)
        self._spare_saw = saw[self._spare]
        self._saw, self._made = saw[self._rows], made[self._rows]
        self._key, self._ok = columns.key[self._rows], columns.ok[self._rows]
        self._begun = columns.begun[self._rows]
        self._over = np.where(self._ok, columns.over[self._rows], NEVER)
        self._key_of = np.zeros(self._clusters, dtype=np.int32)  # by cluster
        self._key_of[: len(columns.keys)] = np.arange(len(columns.keys))
        for met in (self._saw, self._made):
            self._key_of[met[met != NOTHING]] = self._key[met != NOTHING]

    # -- what takes part ----------------------------------------------------------------------------------------------

    def _without_unneeded(self, saw: Integers, made: Integers) -> Flags:
        """Return which operations stay: ok ones, and info ones that made what is needed."""
        ok = self._c.ok
        needed = np.zeros(self._clusters, dtype=np.bool_)
        for met in (saw, made):
            needed[met[ok & (met != NOTHING)]] = True
        swaps = np.flatnonzero(~ok & (saw != NOTHING))
        _follow(needed, made[swaps].tolist(), saw[swaps].tolist())
        stays = ok.copy()
        stays[~ok] = needed[made[~ok]]
        return stays

    def _ambiguous(self, kept: Flags, made: Integers) -> Flags:
        """Return the keys with a value that two may have brought, the initial one among these."""
        makers = kept & (made != NOTHING)
        counts = np.bincount(made[makers], minlength=self._clusters)
        counts[: len(self._c.keys)] += 1
        ambiguous = np.zeros(len(self._c.keys), dtype=np.bool_)
        ambiguous[self._c.key[makers][counts[made[makers]] > 1]] = True
        return ambiguous

    # -- the judgement ------------------------------------------------------------------------------------------------

    def zones(self) -> Zones:
        """Carry all steps out."""
        if not len(self._rows):
            return Zones((), self._open(), 0, 0)
        made, saw = self._made, self._saw
        producer = np.full(self._clusters, NOBODY)
        makes = np.flatnonzero(made != NOTHING)
        producer[made[makes]] = makes
        initially = np.arange(self._clusters) < len(self._c.keys)
        reads = np.flatnonzero(made == NOTHING)
        reads = self._written(reads, saw, producer, initially)
        reads = self._from_the_past(reads, producer)
        bounds = self._bounds(makes, reads)
        present = bounds.last_row != NOBODY
        links = self._links(makes, producer, initially)
        blocks = self._blocks(present, links, producer, bounds)
        self._contradictions(blocks, bounds)
        self._failed_swaps(blocks, bounds, producer)
        return Zones(tuple(self._findings), self._open(), int(present.sum()), len(blocks.begins))

    def _open(self) -> frozenset[int]:
        if not len(self._rows):  # what a failed swap did not find there nobody took away for sure
            c = self._c
            self._undecided[c.failed_key[c.failed_observes & (c.failed_saw == c.initial)]] = True
        return frozenset(np.flatnonzero(self._undecided).tolist())

    def _written(self, reads: Integers, saw: Integers, producer: Integers, initially: Flags) -> Integers:
        """Find reads, and swaps, of what nobody wrote; return the reads of what somebody did."""
        seen = np.flatnonzero(saw != NOTHING)
        orphans = seen[(producer[saw[seen]] == NOBODY) & ~initially[saw[seen]]]
        if not len(orphans):
            return reads
        failed = self._failed()
        _, firsts = np.unique(saw[orphans], return_index=True)
        for row in orphans[np.sort(firsts)].tolist():
            value = self._value(row)
            loser = failed.get((int(self._key[row]), value), NOBODY)
            kind = Contradiction.NEVER_WRITTEN if loser == NOBODY else Contradiction.ABORTED_READ
            self._find(kind, int(self._key[row]), value, early=loser, late=self._place(row))
        known: Flags = (producer[saw[reads]] != NOBODY) | initially[saw[reads]]
        return np.compress(known, reads)

    def _failed(self) -> dict[tuple[int, int], int]:
        """Return who failed to make a value, by key and value."""
        c = self._c
        losers = zip(c.failed_key.tolist(), c.failed_made.tolist(), c.failed_place.tolist(), strict=True)
        return {(key, value): place for key, value, place in reversed(list(losers))}

    def _from_the_past(self, reads: Integers, producer: Integers) -> Integers:
        """Find reads that were over before their value's producer began; return the others."""
        by = producer[self._saw[reads]]
        early = (by != NOBODY) & (self._over[reads] < self._begun[by])
        for row, maker in zip(reads[early].tolist(), by[early].tolist(), strict=True):
            value = self._value(row)
            self._find(
                Contradiction.FUTURE_READ, int(self._key[row]), value, early=self._place(maker), late=self._place(row)
            )
        return np.compress(~early, reads)

    def _bounds(self, makes: Integers, reads: Integers) -> _Bounds:
        """Return what bounds each cluster."""
        rows = np.sort(np.concatenate((makes, reads)))  # by beginning
        cluster = np.where(self._made[rows] != NOTHING, self._made[rows], self._saw[rows])
        last_row = np.full(self._clusters, NOBODY)
        last_row[cluster] = rows  # of several the last one stays
        first_row = np.full(self._clusters, NOBODY)
        backwards = np.argsort(-self._over[rows], kind="stable")
        first_row[cluster[backwards]] = rows[backwards]
        first_row[: len(self._c.keys)] = NOBODY  # the initial value was there before all
        end = 1 + int(self._begun.max(initial=BEFORE_ALL))  # what is over after all beginnings bounds nothing
        first_end = np.where(first_row == NOBODY, BEFORE_ALL, np.minimum(self._over[first_row], end))
        last_begun = np.where(last_row == NOBODY, BEFORE_ALL, self._begun[last_row])
        return _Bounds(first_row, last_row, first_end, last_begun)

    def _links(self, makes: Integers, producer: Integers, initially: Flags) -> dict[int, int]:
        """Return which cluster comes right behind which, by the swaps between them; find what is swapped twice."""
        swaps = makes[self._saw[makes] != NOTHING]
        swaps = swaps[(producer[self._saw[swaps]] != NOBODY) | initially[self._saw[swaps]]]
        links: dict[int, int] = {}
        sources, targets = self._saw[swaps].tolist(), self._made[swaps].tolist()
        for row, source, target in zip(swaps.tolist(), sources, targets, strict=True):
            if source not in links:
                links[source] = target
                continue
            first = int(producer[links[source]])
            key, value = int(self._key[row]), self._value(row)
            self._find(Contradiction.LOST_UPDATE, key, value, early=self._place(first), late=self._place(row))
        return links

    def _blocks(self, present: Flags, links: dict[int, int], producer: Integers, bounds: _Bounds) -> _Blocks:
        """Join clusters along swaps."""
        chained, starts = _walk(links)
        self._circles(links, chained, producer)
        alone = present.copy()
        alone[chained] = False
        single = np.flatnonzero(alone)
        members = np.concatenate((np.array(chained, dtype=np.int64), single))
        begins = np.concatenate((np.array(starts, dtype=np.int64), len(chained) + np.arange(len(single))))
        self._chains(members[: len(chained)], begins[: len(starts)], bounds)
        if not len(begins):
            return _Blocks(members, begins, begins, begins, begins)
        first = np.minimum.reduceat(bounds.first_end[members], begins)
        last = np.maximum.reduceat(bounds.last_begun[members], begins)
        return _Blocks(members, begins, self._key_of[members[begins]].astype(np.int64), first, last)

    def _circles(self, links: dict[int, int], chained: list[int], producer: Integers) -> None:
        """Find swaps that go round in a circle: no first one of them can have found what it expected."""
        left = set(links) - set(chained)
        while left:
            at = start = min(left)
            while at in left:
                left.remove(at)
                previous, at = at, links[at]
            row, closing = int(producer[links[start]]), int(producer[start])
            self._find(
                Contradiction.CIRCULAR_CAS,
                int(self._key[row]),
                self._value(row),
                early=self._place(closing),
                late=self._place(row),
            )
            del previous

    def _chains(self, members: Integers, begins: Integers, bounds: _Bounds) -> None:
        """Find clusters that were over before an earlier one of their chain had begun for the last time."""
        if not len(members):
            return
        chain = np.zeros(len(members), dtype=np.int64)
        chain[begins[1:]] = 1
        chain = np.cumsum(chain)
        last = bounds.last_begun[members]
        latest = running_maximum(chain, last)
        before = np.concatenate(([BEFORE_ALL], latest[:-1]))
        before[begins] = BEFORE_ALL
        for at in np.flatnonzero(bounds.first_end[members] < before).tolist():
            begin = int(begins[chain[at]])
            earlier = begin + int(np.argmax(last[begin:at]))
            early, late = int(bounds.first_row[members[at]]), int(bounds.last_row[members[earlier]])
            self._find(
                Contradiction.CAS_ORDER,
                int(self._key[late]),
                self._value(late),
                early=self._place(early),
                late=self._place(late),
            )

    def _contradictions(self, blocks: _Blocks, bounds: _Bounds) -> None:
        """Find blocks that must come before each other."""
        forward = _forward(blocks)
        key, first, last = blocks.key[forward], blocks.first_end[forward], blocks.last_begun[forward]
        if not len(forward):
            return
        latest = running_maximum(key, last)
        owner = _first_of_run(key, latest)
        same = np.concatenate(([False], key[1:] == key[:-1]))
        overlapping = np.flatnonzero(same & (first < np.concatenate(([BEFORE_ALL], latest[:-1]))))
        for at in overlapping.tolist():
            self._overlap(blocks, int(forward[owner[at - 1]]), int(forward[at]), bounds)
        backward = np.flatnonzero(blocks.first_end >= blocks.last_begun)
        at_most, inside = _latest_before(key, first, blocks.key[backward], blocks.last_begun[backward])
        inside &= blocks.first_end[backward] < latest[at_most]
        for block, at in zip(backward[inside].tolist(), at_most[inside].tolist(), strict=True):
            self._overlap(blocks, int(forward[owner[at]]), block, bounds)

    # -- swaps that failed ---------------------------------------------------------------------------------------------

    def _failed_swaps(self, blocks: _Blocks, bounds: _Bounds, producer: Integers) -> None:
        """Find swaps that failed although what they expected was there, and registers that may have such."""
        if not self._c.failed_observes.any():
            return
        places, absences = self._absences()
        if not len(absences):
            return
        last_row, last_begun = self._last_met(bounds)
        found: set[int] = set()
        for at in all_along(absences, bounds.first_end, last_begun).tolist():
            cluster = int(absences.cluster[at])
            if cluster in found:
                continue
            found.add(cluster)
            first, last = int(bounds.first_row[cluster]), int(last_row[cluster])
            self._find(
                Contradiction.FAILED_CAS,
                int(self._key[last]),
                int(self._c.failed_saw[places[at]]),
                early=self._place(first),
                between=int(self._c.failed_place[places[at]]),
                late=self._place(last),
            )
        invalid = {finding.key for finding in self._findings}
        open_ = misfits(absences, self._order(blocks, bounds, producer, absences), self._spares()) - invalid
        self._undecided[list(open_)] = True

    def _last_met(self, bounds: _Bounds) -> tuple[Integers, Integers]:
        """Return by cluster the operation that met its value and began last, the swap from it too, and when."""
        last_row, last_begun = bounds.last_row.copy(), bounds.last_begun.copy()
        swaps = np.flatnonzero((self._made != NOTHING) & (self._saw != NOTHING))
        swaps = swaps[self._begun[swaps] > last_begun[self._saw[swaps]]]
        last_row[self._saw[swaps]] = swaps
        last_begun[self._saw[swaps]] = self._begun[swaps]
        return last_row, last_begun

    def _absences(self) -> tuple[Integers, Absences]:
        """Return which failed swaps tell that a value was absent that was there at another time, and the clusters."""
        c = self._c
        told = np.flatnonzero(c.failed_observes & ~self._undecided[c.failed_key])
        values = len(c.values)
        names = np.full(self._clusters, NOBODY, dtype=np.int64)  # key and value, by cluster
        names[: len(c.keys)] = np.arange(len(c.keys)) * values + c.initial
        for met, of in ((self._saw, c.saw[self._rows]), (self._made, c.made[self._rows])):
            some = met != NOTHING
            names[met[some]] = self._key[some].astype(np.int64) * values + of[some]
        wanted = c.failed_key[told].astype(np.int64) * values + c.failed_saw[told]
        by_name = np.argsort(names)
        found = by_name[np.minimum(np.searchsorted(names[by_name], wanted), len(by_name) - 1)]
        known = names[found] == wanted
        told, cluster = told[known], found[known]
        return told, Absences(cluster, c.failed_begun[told], c.failed_over[told])

    def _spares(self) -> Spare:
        """Return what has an unknown outcome, is needed by nobody, and is not known to have been missed by a swap."""
        c = self._c
        values = len(c.values)
        missed = (c.failed_key.astype(np.int64) * values + c.failed_saw)[c.failed_observes]
        free = ~np.isin(c.key[self._spare].astype(np.int64) * values + c.made[self._spare], missed)
        spare = self._spare[free]
        writes: dict[int, list[int]] = {}
        swaps: dict[int, int] = {}
        rows = (self._spare_saw[free].tolist(), c.key[spare].tolist(), c.begun[spare].tolist())
        for saw, key, begun in zip(*rows, strict=True):
            if saw == NOTHING:
                writes.setdefault(key, []).append(begun)
            else:
                swaps[saw] = min(begun, swaps.get(saw, begun))
        return Spare(writes, swaps)

    def _order(self, blocks: _Blocks, bounds: _Bounds, producer: Integers, absences: Absences) -> Order:
        """Return an order that the blocks allow: by last beginning, but after a forward block in which that is."""
        after = self._after(blocks)
        turn = np.lexsort((after > blocks.last_begun, after, blocks.key)).argsort()
        sizes = np.diff(np.append(blocks.begins, len(blocks.members)))
        in_turn = blocks.members[np.argsort(np.repeat(turn, sizes), kind="stable")]
        unmet = np.setdiff1d(np.arange(len(self._c.keys)), blocks.members)  # initial values that nobody met
        cluster = np.concatenate((unmet, in_turn))
        cluster = cluster[np.argsort(self._key_of[cluster], kind="stable")]
        by = producer[cluster]
        first = bounds.first_row[cluster]
        end = 1 + int(max(absences.begun.max(), self._begun.max()))
        return Order(
            cluster=cluster,
            key=self._key_of[cluster].astype(np.int64),
            made=np.where(by == NOBODY, BEFORE_ALL, self._begun[by]),
            swapped=(by != NOBODY) & (self._saw[by] != NOTHING),
            first_end=np.where(first == NOBODY, BEFORE_ALL, np.minimum(self._over[first], end)),
            last_begun=bounds.last_begun[cluster],
        )

    def _after(self, blocks: _Blocks) -> Integers:
        """Return by block the last beginning, or that of the forward block in the midst of which it is."""
        forward = _forward(blocks)
        after = blocks.last_begun.copy()
        if not len(forward):
            return after
        key, first, last = blocks.key[forward], blocks.first_end[forward], blocks.last_begun[forward]
        backward = np.flatnonzero(blocks.first_end >= blocks.last_begun)
        at_most, inside = _latest_before(key, first, blocks.key[backward], blocks.last_begun[backward])
        inside &= last[at_most] > blocks.last_begun[backward]
        after[backward[inside]] = last[at_most[inside]]
        return after

    def _overlap(self, blocks: _Blocks, one: int, other: int, bounds: _Bounds) -> None:
        """Tell of two blocks which contradict each other; ``late`` is of the one that was met again too late."""
        (one_first, one_last), (other_first, other_last) = (self._ends(blocks, at, bounds) for at in (one, other))
        begun = self._begun
        if other_first == NOBODY or (one_first != NOBODY and begun[other_last] > begun[one_last]):
            one_first, one_last, other_first, other_last = other_first, other_last, one_first, one_last
        self._find(
            Contradiction.OVERLAP,
            int(self._key[one_last]),
            self._value(one_last),
            early=self._place(one_first),
            between=self._place(other_last),
            proof=self._place(other_first),
            late=self._place(one_last),
        )

    def _ends(self, blocks: _Blocks, block: int, bounds: _Bounds) -> tuple[int, int]:
        """Return the rows that were over first and began last in a block."""
        begin = int(blocks.begins[block])
        end = int(blocks.begins[block + 1]) if block + 1 < len(blocks.begins) else len(blocks.members)
        members = blocks.members[begin:end]
        first = members[int(np.argmin(bounds.first_end[members]))]
        last = members[int(np.argmax(bounds.last_begun[members]))]
        return int(bounds.first_row[first]), int(bounds.last_row[last])

    def _find(
        self,
        kind: Contradiction,
        key: int,
        value: int,
        *,
        early: int = NOBODY,
        between: int = NOBODY,
        proof: int = NOBODY,
        late: int,
    ) -> None:
        self._findings.append(Finding(kind, key, value, early, between, proof, late))

    def _place(self, row: int) -> int:
        return NOBODY if row == NOBODY else int(self._c.place[self._rows[row]])

    def _value(self, row: int) -> int:
        """Return the code of the value that the row's cluster is of."""
        of = self._rows[row]
        return int(self._c.saw[of] if self._c.made[of] == NOTHING else self._c.made[of])


@dataclass(frozen=True, slots=True)
class _Bounds:
    """By cluster: the operation that was over first and the one that began last, and when that was."""

    first_row: Integers
    last_row: Integers
    first_end: Integers
    last_begun: Integers


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Clusters that belong together: block b has ``members[begins[b]:begins[b + 1]]``."""

    members: Integers
    begins: Integers
    key: Integers
    first_end: Integers
    last_begun: Integers


def _pairs(columns: RegisterColumns) -> tuple[Integers, Integers]:
    """Return what was seen and made as numbers of clusters: one for each value of each key, the initial ones first."""
    keys = len(columns.keys)
    saw, made = columns.saw.astype(np.int64), columns.made.astype(np.int64)
    key = columns.key.astype(np.int64)
    own = [(met != NOTHING) & (met != columns.initial) for met in (saw, made)]
    owner = np.full(len(columns.values), NOTHING, dtype=np.int64)
    for met, some in zip((saw, made), own, strict=True):
        owner[met[some]] = key[some]
    if any(np.any(owner[met[some]] != key[some]) for met, some in zip((saw, made), own, strict=True)):
        # A value of several keys is several values.
        both = np.concatenate(
            [(key * len(columns.values) + met)[some] for met, some in zip((saw, made), own, strict=True)]
        )
        _, numbers = np.unique(both, return_inverse=True)
        split = int(own[0].sum())
        parts = (numbers[:split], numbers[split:])
    else:
        parts = (saw[own[0]], made[own[1]])
    numbered = []
    for met, some, number in zip((saw, made), own, parts, strict=True):
        numbered.append(np.where(met == columns.initial, key, NOTHING))
        numbered[-1][some] = keys + number
    return numbered[0], numbered[1]


def _forward(blocks: _Blocks) -> Integers:
    """Return the forward blocks, by key and beginning."""
    forward = np.flatnonzero(blocks.first_end < blocks.last_begun)
    return np.take(forward, np.lexsort((blocks.first_end[forward], blocks.key[forward])))


def _latest_before(key: Integers, first: Integers, of_key: Integers, moment: Integers) -> tuple[Integers, Flags]:
    """Return for each moment the last of the same key's intervals that begins before it, and whether there is one."""
    scale = int(max(first.max(initial=0), moment.max(initial=0))) + 2
    at_most = np.searchsorted(key * scale + first, of_key * scale + moment) - 1
    return at_most, (at_most >= 0) & (key[at_most] == of_key)


def _follow(needed: Flags, targets: list[int], sources: list[int]) -> None:
    """Let be needed what a swap to something needed must have found."""
    sources_of: dict[int, list[int]] = {}
    for target, source in zip(targets, sources, strict=True):
        sources_of.setdefault(target, []).append(source)
    fresh = [target for target in sources_of if needed[target]]
    while fresh:
        for source in sources_of.get(fresh.pop(), ()):
            if not needed[source]:
                needed[source] = True
                fresh.append(source)


def _walk(links: dict[int, int]) -> tuple[list[int], list[int]]:
    """Return all chains one behind the other, and where each begins. Circles are in none."""
    members: list[int] = []
    starts: list[int] = []
    targets = set(links.values())
    for head in links:
        if head in targets:
            continue
        starts.append(len(members))
        at: int | None = head
        while at is not None:
            members.append(at)
            at = links.get(at)
    return members, starts


def _first_of_run(group: Integers, latest: Integers) -> Integers:
    """Return for each position the first one of its group with the same running maximum: the one that brought it."""
    starts = np.ones(len(latest), dtype=np.bool_)
    starts[1:] = (group[1:] != group[:-1]) | (latest[1:] != latest[:-1])
    return np.maximum.accumulate(np.where(starts, np.arange(len(latest)), 0))
