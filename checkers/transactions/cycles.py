"""Short cycles of each kind, in what is strongly connected.

A kind says which dependencies a cycle may have and what it must have (Adya 1999, section 3.2; Elle's elle.txn):

- G0: ww alone; G1c: ww and wr, at least one wr;
- G-single: exactly one rw besides; G-nonadjacent: several, no two of which follow each other; G2-item: two that do;
- each also with the order of processes (``-process``), and with real time (``-realtime``), where a cycle needs it.

A cycle of a kind is a dependency that the kind must have (its anchor: a ww, a wr, a rw) and a way back, found by
breadth-first search over pairs of a node and what the way has had so far. Real time is not walked edge by edge there:
from a transaction one step leads to any that began after it was over, so a cycle never has two such steps in a row, and
each search takes every transaction once. What is found is cut into simple cycles, each named for what it has.

Every search has a bound of steps, and all together have one of steps and of time. A kind that was not found before a
bound was met is in doubt: it may be there. Anchors that point back in time come first: each cycle has such a one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from checkers.columns import distinct
from checkers.transactions.consistency import CYCLE_KINDS, SUFFIXES
from checkers.transactions.graph import (
    PROCESS,
    REALTIME,
    RW,
    VIA,
    WR,
    WW,
    Edges,
    components,
    inside,
    joined,
    process_order,
    realtime_order,
)
from checkers.transactions.inferred import Inferred
from checkers.transactions.transactions import NEVER, Numbers

STEPS_OF_SEARCH: Final = 200_000
"""Of one kind in one component, until the kind was found."""
STEPS_ONCE_FOUND: Final = 10_000
"""Of one kind in one component, once it was found in another: more of the same proves no more."""
STEPS_OF_KIND: Final = 1_000_000
"""Of one kind in all components."""
ANCHORS_AFTER_FOUND: Final = 32
"""How many more anchors are tried for a shorter cycle."""
COMPONENTS_OF_KIND: Final = 100
"""In how many components each kind is looked for, once it was found."""
_CLOCK_EVERY: Final = 2_000


class Step(NamedTuple):
    """One dependency of a cycle: of which kind, and from which version to which (codes; -1: none)."""

    source: int
    target: int
    kind: int
    level: int
    left: int
    right: int


@dataclass(frozen=True)
class Cycle:
    """Each step begins where the one before it ends; the last ends where the first begins."""

    name: str
    steps: tuple[Step, ...]

    @property
    def nodes(self) -> tuple[int, ...]:
        """The transactions, each once."""
        return tuple(step.source for step in self.steps)


@dataclass(frozen=True)
class Found:
    """The cycles, the shortest of each kind first; ``doubted`` are kinds that a bound left open."""

    cycles: tuple[Cycle, ...]
    components: int
    steps: int
    doubted: frozenset[str] = frozenset()


@dataclass
class Budget:
    """What all searches together may spend."""

    clock: Callable[[], float]
    deadline: float | None
    steps: int | None
    spent: int = 0
    _looked: int = 0

    def exhausted(self) -> bool:
        """Whether a bound is met. The clock is looked at once in a while."""
        if self.steps is not None and self.spent > self.steps:
            return True
        if self.deadline is None or self.spent < self._looked:
            return False
        if self.clock() > self.deadline:
            return True
        self._looked = self.spent + _CLOCK_EVERY
        return False


_KINDS_ALLOWED: Final = {
    "G0": (WW,),
    "G1c": (WW, WR),
    "G-single": (WW, WR, RW),
    "G-nonadjacent": (WW, WR, RW),
    "G2-item": (WW, WR, RW),
}
_ANCHOR: Final = {"G0": WW, "G1c": WR, "G-single": RW, "G-nonadjacent": RW, "G2-item": RW}

# What a way has had, as bits of its state.
_LAST_RW: Final = 1
_SECOND_RW: Final = 2
_ADJACENT: Final = 4
_ORDERED: Final = 8


def find_cycles(inferred: Inferred, budget: Budget) -> Found:
    """Look for every kind of cycle. Raises MissingExtraError."""
    taken, nodes = inferred.transactions, inferred.nodes
    process, realtime = process_order(taken), realtime_order(taken)
    everything = joined([inferred.edges, process, realtime])
    widest = components(everything, nodes) if len(everything) else np.full(nodes, -1)
    if not (widest >= 0).any():
        return Found((), 0, 0)
    edges = inside(everything, widest)
    search = _Search(inferred, budget)
    count = 0
    for level in range(len(SUFFIXES)):
        count = search.level(edges.where(edges.level <= level), level)
    return Found(search.in_order(), count, budget.spent, frozenset(search.doubted - search.names()))


class _Search:
    """All searches of one history."""

    def __init__(self, inferred: Inferred, budget: Budget) -> None:
        self._inferred = inferred
        self._budget = budget
        self._found: dict[str, list[Cycle]] = {}
        self._known: set[frozenset[tuple[int, int, int]]] = set()
        self._limit = 0
        self.doubted: set[str] = set()

    def names(self) -> set[str]:
        return set(self._found)

    def in_order(self) -> tuple[Cycle, ...]:
        """Return the cycles: kinds from the worst, plain ones before those that need an order."""
        names = [kind + suffix for suffix in SUFFIXES for kind in CYCLE_KINDS]
        return tuple(cycle for name in names for cycle in sorted(self._found.get(name, []), key=lambda c: len(c.steps)))

    def level(self, edges: Edges, level: int) -> int:
        """Look for each kind among the edges of a level; return how many components there are."""
        count = 0
        for kind in CYCLE_KINDS:
            allowed = np.isin(edges.kind, (*_KINDS_ALLOWED[kind], PROCESS, REALTIME, VIA))
            chosen = edges.where(allowed)
            labels = components(chosen, self._inferred.nodes) if len(chosen) else np.full(self._inferred.nodes, -1)
            chosen = inside(chosen, labels)
            count = len(distinct(labels[labels >= 0]))
            self._limit = self._budget.spent + STEPS_OF_KIND
            for number, part in enumerate(_by_component(chosen, labels)):
                if number >= COMPONENTS_OF_KIND and kind + SUFFIXES[level] in self._found:
                    break
                if not level or (part.level == level).any():
                    self._component(part, kind, level)
        return count

    def _component(self, edges: Edges, kind: str, level: int) -> None:
        name = kind + SUFFIXES[level]
        if self._budget.exhausted() or self._budget.spent > self._limit:
            self.doubted.add(name)
            return
        steps_max = STEPS_ONCE_FOUND if name in self._found else STEPS_OF_SEARCH
        component = _Component(edges, self._inferred, kind, level, self._budget, self._budget.spent + steps_max)
        for walk in component.walks():
            for steps in _simple(walk):
                self._note(steps)
        if component.cut_short:
            self.doubted.add(name)

    def _note(self, steps: tuple[Step, ...]) -> None:
        name = classify(steps)
        identity = frozenset((step.source, step.target, step.kind) for step in steps)
        if name is not None and identity not in self._known:
            self._known.add(identity)
            self._found.setdefault(name, []).append(Cycle(name, steps))


def _by_component(edges: Edges, labels: Numbers) -> Iterator[Edges]:
    """Yield the edges of each component, the small components first."""
    label = labels[edges.source]
    order = np.argsort(label, kind="stable")
    bounds = (
        np.flatnonzero(np.diff(label[order], prepend=-1, append=-1)) if len(edges) else np.array([], dtype=np.int64)
    )
    spans = sorted(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True), key=lambda span: span[1] - span[0])
    for low, high in spans:
        chosen = np.sort(order[low:high])
        yield Edges(
            edges.source[chosen],
            edges.target[chosen],
            edges.kind[chosen],
            edges.level[chosen],
            edges.left[chosen],
            edges.right[chosen],
        )


def classify(steps: Sequence[Step]) -> str | None:
    """Return the name of a simple cycle; None for one of orders alone, which there cannot be."""
    kinds = [step.kind for step in steps]
    rws = kinds.count(RW)
    level = max(step.level for step in steps)
    if rws == 0:
        kind = "G1c" if WR in kinds else "G0" if WW in kinds else None
    elif rws == 1:
        kind = "G-single"
    else:
        adjacent = any(one == after == RW for one, after in zip(kinds, [*kinds[1:], kinds[0]], strict=True))
        kind = "G2-item" if adjacent else "G-nonadjacent"
    return None if kind is None else kind + SUFFIXES[level]


def _simple(walk: Sequence[Step]) -> Iterator[tuple[Step, ...]]:
    """Cut a closed walk into simple cycles; orders that follow each other become one."""
    path: list[Step] = []
    places: dict[int, int] = {}
    for step in walk:
        places[step.source] = len(path)
        path.append(step)
        place = places.get(step.target)
        if place is not None:
            cycle = path[place:]
            del path[place:]
            for gone in cycle:
                places.pop(gone.source, None)
            yield tuple(_merged(cycle))


def _merged(cycle: Sequence[Step]) -> list[Step]:
    """Return the cycle with each run of steps of the same order as one step."""
    start = next((place for place, step in enumerate(cycle) if step.kind not in (PROCESS, REALTIME)), 0)
    merged: list[Step] = []
    for step in [*cycle[start:], *cycle[:start]]:
        if merged and step.kind in (PROCESS, REALTIME) and merged[-1].kind == step.kind:
            merged[-1] = Step(merged[-1].source, step.target, step.kind, step.level, -1, -1)
        else:
            merged.append(step)
    return merged


_Row = tuple[int, int, int, int, int]  # target, kind, level, left, right
_Place = tuple[int, int]  # node, state


@dataclass
class _Component:
    """The search for one kind in one component."""

    edges: Edges
    inferred: Inferred
    kind: str
    level: int
    budget: Budget
    limit: int
    cut_short: bool = False
    _out: dict[int, list[_Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        edges = self.edges
        rows = zip(
            edges.source.tolist(),
            edges.target.tolist(),
            edges.kind.tolist(),
            edges.level.tolist(),
            edges.left.tolist(),
            edges.right.tolist(),
            strict=True,
        )
        for source, target, kind, level, left, right in rows:
            if kind != REALTIME:
                self._out.setdefault(source, []).append((target, kind, level, left, right))
        taken = self.inferred.transactions
        members = distinct(np.concatenate([edges.source, edges.target]))
        members = members[members < len(taken)]
        members = members[np.argsort(-taken.begun[members])]
        self._latest_first = members.tolist()
        self._begun = dict(zip(self._latest_first, taken.begun[members].tolist(), strict=True))
        self._over = dict(zip(self._latest_first, taken.over[members].tolist(), strict=True))

    def walks(self) -> Iterator[list[Step]]:
        """Yield the shortest closed walk that was found within the bounds, if there is one."""
        best: list[Step] | None = None
        since_found = 0
        for anchor in self._anchors():
            if self._spent():
                self.cut_short = best is None
                break
            walk = self._back(anchor, None if best is None else len(best))
            if walk is not None:
                best = walk
            since_found += best is not None
            if best is not None and (len(best) == 2 or since_found > ANCHORS_AFTER_FOUND):
                break
        if best is not None:
            yield best
        elif self._spent():
            self.cut_short = True

    def _spent(self) -> bool:
        return self.budget.spent > self.limit or self.budget.exhausted()

    def _anchors(self) -> list[Step]:
        """Return the dependencies that a cycle of the kind must have, those that point back in time first."""
        wanted = _ANCHOR[self.kind]
        anchors: list[Step] = []
        for source, rows in self._out.items():
            for target, kind, level, left, right in rows:
                if kind == wanted:
                    anchors.append(Step(source, target, kind, level, left, right))
        if self.level:
            never = NEVER
            anchors.sort(key=lambda step: self._over.get(step.target, never) - self._begun[step.source])
        return anchors

    def _back(self, anchor: Step, shorter_than: int | None) -> list[Step] | None:
        """Return the shortest walk that begins with the anchor and ends where it begins, None if there is none.

        Helper nodes cost nothing: what leads into them waits at the front of the queue.
        """
        goal, kind_of_all, level_of_all = anchor.source, self.kind, self.level
        never_again, not_twice = kind_of_all == "G-single", kind_of_all == "G-nonadjacent"
        first = (anchor.target, _after(_LAST_RW if anchor.kind == RW else 0, anchor, level_of_all))
        came: dict[_Place, tuple[_Place, _Row] | None] = {first: None}
        queue: deque[tuple[_Place, int]] = deque([(first, 1)])
        realtime_at: dict[int, int] = {}
        while queue:
            here, length = queue.popleft()
            if shorter_than is not None and length + 1 >= shorter_than:
                return None
            before = here[1]
            for row in self._rows(here, goal, realtime_at):
                # The inner loop of the whole search: nothing is called here.
                self.budget.spent += 1
                target, kind, level = row[0], row[1], row[2]
                state = before | _ORDERED if level_of_all and level == level_of_all else before
                if kind == RW:
                    if never_again or (not_twice and before & _LAST_RW):
                        continue
                    state |= _LAST_RW | _SECOND_RW | (_ADJACENT if before & _LAST_RW else 0)
                elif kind != VIA:
                    state &= ~_LAST_RW
                there = (target, state)
                if there in came:
                    continue
                came[there] = (here, row)
                if target == goal and self._closes(state):
                    return _contracted(anchor, _way(came, there))
                if kind == VIA:
                    queue.appendleft((there, length))
                else:
                    queue.append((there, length + 1))
            if self._spent():
                return None
        return None

    def _rows(self, here: _Place, goal: int, realtime_at: dict[int, int]) -> Iterable[_Row]:
        """Return the steps from a node. By real time each transaction is reached once for each state."""
        node, state = here
        rows = self._out.get(node, ())
        over = self._over.get(node, NEVER)
        if self.level != 2 or over == NEVER:
            return rows
        after = (state | _ORDERED) & ~_LAST_RW
        place = start = realtime_at.get(after, 0)
        latest, begun = self._latest_first, self._begun
        while place < len(latest) and begun[latest[place]] > over:
            place += 1
        realtime_at[after] = place
        by_time = [(target, REALTIME, 2, -1, -1) for target in latest[start:place]]
        to_goal = [(goal, REALTIME, 2, -1, -1)] if over < begun[goal] else []
        return (*to_goal, *rows, *by_time)

    def _closes(self, state: int) -> bool:
        """Whether a way that is back at the anchor's source is a cycle of the kind."""
        if self.level and not state & _ORDERED:
            return False
        if self.kind == "G-nonadjacent":
            return bool(state & _SECOND_RW) and not state & _LAST_RW
        if self.kind == "G2-item":
            return bool(state & _SECOND_RW) and bool(state & (_ADJACENT | _LAST_RW))
        return True


def _after(state: int, step: Step, level: int) -> int:
    """Return the state after the step with which a way begins."""
    return state | _ORDERED if level and step.level == level else state


def _way(came: dict[_Place, tuple[_Place, _Row] | None], end: _Place) -> list[Step]:
    """Return the steps that led to a place."""
    steps: list[Step] = []
    at = came[end]
    while at is not None:
        (source, _), row = at
        steps.append(Step(source, *row))
        at = came[at[0]]
    return steps[::-1]


def _contracted(anchor: Step, way: Sequence[Step]) -> list[Step]:
    """Return the closed walk without helper nodes: the step into them takes over where the last of them leads."""
    walk: list[Step] = []
    for step in (anchor, *way):
        if step.kind == VIA:
            into = walk[-1]
            walk[-1] = Step(into.source, step.target, into.kind, into.level, into.left, step.right)
        else:
            walk.append(step)
    return walk
