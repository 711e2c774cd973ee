"""Sets watched while the history is still being made, in memory that is bounded by what is open.

What has to be remembered of a set is which elements every read from now on must show. Those are ever more, but where
elements are numbers that are added about in their order, as workloads do, they are a few ranges with a gap for each add
that is under way or in doubt; and only what became known since the oldest read under way began has to be remembered
with its moment. The question at the end is that of ``checkers.set_full`` for a linearizable set, and so is the answer:
where no element is added twice, there is an alarm exactly if ``SetFull(linearizable=True)`` objects.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from checkers.history import Event, EventType, freeze
from checkers.sentences import show, show_key, when
from checkers.streaming import Alarm


class Elements:
    """A set of things; whole numbers are kept as ranges."""

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []  # the first number behind each range
        self._others: set[Hashable] = set()
        self.count = 0

    @property
    def kept(self) -> int:
        """How much is kept."""
        return len(self._begins) + len(self._others)

    def __contains__(self, thing: Hashable) -> bool:
        if type(thing) is not int:
            return thing in self._others
        place = bisect_right(self._begins, thing) - 1
        return place >= 0 and thing < self._ends[place]

    def __iter__(self) -> Iterator[Hashable]:
        for begin, end in zip(self._begins, self._ends, strict=True):
            yield from range(begin, end)
        yield from self._others

    def add(self, thing: Hashable) -> None:
        """Add what is not there yet."""
        self.count += 1
        if type(thing) is not int:
            self._others.add(thing)
            return
        place = bisect_right(self._begins, thing)
        joins_before = place > 0 and self._ends[place - 1] == thing
        joins_after = place < len(self._begins) and self._begins[place] == thing + 1
        if joins_before and joins_after:
            self._ends[place - 1] = self._ends.pop(place)
            self._begins.pop(place)
        elif joins_before:
            self._ends[place - 1] = thing + 1
        elif joins_after:
            self._begins[place] = thing
        else:
            self._begins.insert(place, thing)
            self._ends.insert(place, thing + 1)


@dataclass(slots=True)
class _Add:
    """An add under way; ``seen`` if a read has shown its element."""

    element: Hashable
    seen: bool = False


@dataclass(slots=True)
class _Set:
    """One key: what reads must show, since when if that matters still, and what they may show besides."""

    known: Elements = field(default_factory=Elements)
    recent: dict[Hashable, int] = field(default_factory=dict)
    adds: dict[int | str, _Add] = field(default_factory=dict)
    reads: dict[int | str, int] = field(default_factory=dict)
    lost: set[Hashable] = field(default_factory=set)

    def adding(self, element: Hashable) -> _Add | None:
        return next((add for add in self.adds.values() if add.element == element), None)

    def know(self, element: Hashable, index: int) -> None:
        """From now on every read must show the element."""
        self.known.add(element)
        self.recent[element] = index

    def forget_moments(self) -> None:
        """Forget when became known what was known before each read under way."""
        oldest = min(self.reads.values(), default=None)
        while self.recent:
            element = next(iter(self.recent))
            if oldest is not None and self.recent[element] > oldest:
                return
            del self.recent[element]


class SetsWatch:
    """Takes a history's events one by one. ``alarm`` is the first thing that was wrong."""

    def __init__(self) -> None:
        self._sets: dict[Hashable, _Set] = {}
        self.alarm: Alarm | None = None
        self.given_up: set[Hashable] = set()
        """Keys to which an element was added twice."""

    @property
    def kept(self) -> int:
        """How many ranges, elements and operations are kept, of all keys."""
        sets = self._sets.values()
        return sum(s.known.kept + len(s.recent) + len(s.adds) + len(s.reads) + len(s.lost) for s in sets)

    def take(self, event: Event) -> Alarm | None:
        """Take the next event; return what it shows to be wrong, if it does. Only adds and reads are ours."""
        if not isinstance(event.process, int) or event.f not in ("add", "read"):
            return None
        key = freeze(event.key)
        if key in self.given_up:
            return None
        said = self._take(key, self._sets.setdefault(key, _Set()), event)
        if said and self.alarm is None:
            who = f"{show_key(key)}: " if event.key is not None else ""
            self.alarm = Alarm(f"{who}{said}", event.index)
        return self.alarm if said else None

    def _take(self, key: Hashable, one: _Set, event: Event) -> str:
        if event.f == "read":
            return self._read(one, event)
        if event.type is not EventType.INVOKE:
            return self._added(one, event)
        element = freeze(event.value)
        if element in one.known or element in one.lost or one.adding(element) is not None:
            self.given_up.add(key)
            del self._sets[key]
            return ""
        one.adds[event.process] = _Add(element)
        return ""

    def _added(self, one: _Set, event: Event) -> str:
        """An add has ended."""
        add = one.adds.pop(event.process, None)
        if add is None:
            return ""
        if event.type is EventType.FAIL and add.seen:
            return f"add by process {event.process} failed at {when(event.index, event.time)}, but had been seen"
        if event.type is EventType.INFO and not add.seen:
            one.lost.add(add.element)
        if event.type is EventType.OK and not add.seen:
            one.know(add.element, event.index)
            if not one.reads:
                one.recent.clear()
        return ""

    def _read(self, one: _Set, event: Event) -> str:
        if event.type is EventType.INVOKE:
            one.reads[event.process] = event.index
            return ""
        begun = one.reads.pop(event.process, None)
        said = ""
        if begun is not None and event.type is EventType.OK and event.value is not None:
            said = self._shown(one, event, begun)
        one.forget_moments()
        return said

    def _shown(self, one: _Set, event: Event, begun: int) -> str:
        """A read has shown elements."""
        who = f"read by process {event.process} at {when(event.index, event.time)}"
        shown = [freeze(element) for element in event.value]
        elements = set(shown)
        if len(elements) != len(shown):
            twice = next(element for place, element in enumerate(shown) if element in shown[:place])
            return f"{who} shows {show(twice)} more than once"
        fresh = [element for element in shown if element not in one.known]
        for element in fresh:
            add = one.adding(element)
            if add is None and element not in one.lost:
                return f"{who} shows {show(element)}, which was not added by then, or failed to be"
        due = one.known.count - sum(index > begun for index in one.recent.values())
        late = sum(one.recent.get(element, -1) > begun for element in elements)
        if len(elements) - len(fresh) - late < due:
            missing = next(e for e in one.known if e not in elements and one.recent.get(e, -1) <= begun)
            return f"{who} lacks {show(missing)}, which was known before it began"
        for element in fresh:
            if add := one.adding(element):
                add.seen = True
            one.lost.discard(element)
            one.know(element, event.index)
        return ""
