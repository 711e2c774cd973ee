"""Set-full: the life of every element of a set, from its add to the last read (Jepsen's checker of that name).

Clients add unique elements and read the whole set. For each element it is asked which reads saw it. An element is
*known* from the moment its add was acknowledged or a read that saw it returned, whichever is first; from then on every
read that begins should see it. An element that

- is known and in every such read is *stable*;
- is missing from some and comes back is *stale*: the set is not linearizable, but nothing is gone;
- is missing from every read from some point to the end is *lost*: this is what a set must never do;
- has no read after it became known is *never read*: nothing can be said.

Elements in a read that nobody had added by then, or whose add failed, are *unexpected*; an element that is twice in one
read is *duplicated*.

How long each took is told by ``statistics``, in ms and over the elements that were ever missing from a read they should
have been in: ``stable_after_ms`` from when an element was known to when the last read that lacks it began, and
``lost_after_ms`` from when it was known to the end of the last read that saw it (0: never seen again). Jepsen's
``:stable-latencies`` and ``:lost-latencies`` are these, with the elements that were never missing among them.

A run without a final read (an ok read invoked after the last acknowledged add was over) proves no absence of loss:
unless something is wrong anyway, the verdict is unknown.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from checkers.history import History, Operation, Outcome
from checkers.sentences import name, show
from checkers.statistics import quantile
from checkers.verdict import Anomaly, CheckResult, Limits, Verdict, merge_all, proved_by, result


@dataclass(frozen=True)
class SetFull:
    """Checks ``add`` and ``read`` operations, each key a set of its own.

    ``linearizable``: whether a stale read is a violation. A set that only promises to lose nothing passes with it.
    """

    linearizable: bool = False
    name: str = "set-full"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Lost, unexpected and duplicated elements are violations; stale ones if ``linearizable``."""
        sets: dict[Hashable, _Set] = {}
        for operation in history.operations():
            if operation.f in ("add", "read"):
                sets.setdefault(operation.key, _Set()).take(operation)
        anomalies: list[Anomaly] = []
        verdicts: list[Verdict] = []
        counts = dict.fromkeys(_COUNTED, 0)
        spans = _Spans()
        for one in sets.values():
            found = one.judge(counts, spans)
            anomalies += found
            violated = any(self._violates(anomaly) for anomaly in found)
            verdicts.append(Verdict.INVALID if violated else one.doubt())
        counts |= spans.quantiles()
        verdict = merge_all(verdicts) if sets else Verdict.UNKNOWN
        anomalies.sort(key=lambda anomaly: not self._violates(anomaly))
        return result(self.name, verdict, self._sentence(verdict, anomalies, counts), anomalies, limits, counts)

    def _violates(self, anomaly: Anomaly) -> bool:
        return anomaly.kind != "stale" or self.linearizable

    def _sentence(self, verdict: Verdict, anomalies: Sequence[Anomaly], counts: Mapping[str, int]) -> str:
        if verdict is Verdict.INVALID:
            return f"{anomalies[0].sentence} ({len(anomalies)} anomalies)."
        if verdict is Verdict.UNKNOWN:
            return (
                "Unknown: no read began after the last acknowledged add was over, so a loss could not have been seen."
            )
        return f"{counts['stable']} of {counts['acknowledged']} acknowledged elements are stable, none is lost."


_COUNTED = (
    "attempted",
    "acknowledged",
    "reads",
    "stable",
    "stale",
    "lost",
    "never-read",
    "recovered",
    "unexpected",
    "duplicated",
)

_PERCENTS = (50, 95, 99, 100)


@dataclass
class _Element:
    """What is known of one element. Indexes are those of events."""

    adds: list[Operation] = field(default_factory=list)
    known_by: Operation | None = None  # the operation whose end made it known first
    last_seen_by: Operation | None = None  # the read that saw it and began last
    later_reads: int = 0  # how many began after it was known
    last_missed_by: Operation | None = None  # the last to begin of those that lack it

    def seen_by_end_of(self, operation: Operation) -> None:
        if self.known_by is None or _end(operation) < _end(self.known_by):
            self.known_by = operation


class _Spans:
    """How long after they were known elements became stable, and how long lost ones were seen. In ns."""

    def __init__(self) -> None:
        self._taken_ns: dict[str, list[int]] = {"stable": [], "lost": []}

    def note(self, fate: str, known_ns: int | None, then_ns: int | None) -> None:
        """Note an element's; without times there is nothing to note."""
        if known_ns is not None and then_ns is not None:
            self._taken_ns[fate].append(max(0, then_ns - known_ns))

    def quantiles(self) -> dict[str, int]:
        """The statistics: median, 95 %, 99 % and all, in ms, rounded up; nothing of a fate that no element had."""
        found = {}
        for fate, taken_ns in self._taken_ns.items():
            for percent in _PERCENTS if taken_ns else ():
                name = "max" if percent == 100 else f"p{percent}"
                found[f"{fate}_after_ms_{name}"] = -(-quantile(sorted(taken_ns), percent) // 1_000_000)
        return found


def _end(operation: Operation) -> int:
    if operation.complete_index is None:
        raise AssertionError("an ok operation has returned")
    return operation.complete_index


class _Set:
    """One key's adds and reads."""

    def __init__(self) -> None:
        self._elements: dict[Hashable, _Element] = {}
        self._reads: list[Operation] = []  # ok ones, by invocation
        self._last_acknowledged: Operation | None = None

    def take(self, operation: Operation) -> None:
        if operation.f == "add":
            element = self._elements.setdefault(operation.argument, _Element())
            element.adds.append(operation)
            if operation.ok:
                element.seen_by_end_of(operation)
                if self._last_acknowledged is None or _end(operation) > _end(self._last_acknowledged):
                    self._last_acknowledged = operation
        elif operation.ok and operation.result is not None:
            self._reads.append(operation)

    def doubt(self) -> Verdict:
        """Unknown without a final read, else valid."""
        if self._last_acknowledged is None:
            return Verdict.VALID if self._reads else Verdict.UNKNOWN
        final = any(self._last_acknowledged.precedes(read) for read in self._reads)
        return Verdict.VALID if final else Verdict.UNKNOWN

    def judge(self, counts: dict[str, int], spans: _Spans) -> list[Anomaly]:
        anomalies = self._look_through_reads(counts)
        counts["reads"] += len(self._reads)
        for value, element in self._elements.items():
            anomalies += self._judge_element(value, element, counts, spans)
        return anomalies

    def _look_through_reads(self, counts: dict[str, int]) -> list[Anomaly]:
        anomalies: list[Anomaly] = []
        reported: set[Hashable] = set()
        for read in self._reads:
            seen = set(read.result)
            if len(seen) != len(read.result):
                counts["duplicated"] += 1
                anomalies.append(_duplicated(read))
            for value in seen:
                element = self._elements.get(value)
                if element is None or all(_cannot_explain(add, read) for add in element.adds):
                    if value not in reported:
                        reported.add(value)
                        counts["unexpected"] += 1
                        anomalies.append(_unexpected(read, value, element))
                    continue
                element.seen_by_end_of(read)
                element.last_seen_by = read  # reads come by invocation
        self._note_misses()
        return anomalies

    def _note_misses(self) -> None:
        contents = [frozenset(read.result) for read in self._reads]
        beginnings = [read.invoke_index for read in self._reads]
        for value, element in self._elements.items():
            if element.known_by is None:
                continue
            first = bisect(beginnings, _end(element.known_by))
            element.later_reads = len(contents) - first
            for place in range(len(contents) - 1, first - 1, -1):
                if value not in contents[place]:
                    element.last_missed_by = self._reads[place]
                    break

    def _judge_element(
        self, value: Hashable, element: _Element, counts: dict[str, int], spans: _Spans
    ) -> list[Anomaly]:
        counts["attempted"] += 1
        acknowledged = any(add.ok for add in element.adds)
        counts["acknowledged"] += acknowledged
        known_by = element.known_by
        if known_by is None:
            return []  # an add of unknown outcome that nobody saw owes nothing
        counts["recovered"] += not acknowledged
        if not element.later_reads:
            counts["never-read"] += 1
            return []
        missed = element.last_missed_by
        if missed is None:
            counts["stable"] += 1
            return []
        seen = element.last_seen_by
        # Lost: no read that saw it began after the last miss, nor ran beside it and may have been the later one.
        if seen is None or (seen.invoke_index < missed.invoke_index and seen.precedes(missed)):
            counts["lost"] += 1
            spans.note("lost", known_by.complete_time, known_by.complete_time if seen is None else seen.complete_time)
            sentence = f"element {show(value)} is lost: {name(known_by)} made it known, {_misses(missed)}"
            return [proved_by("lost", sentence, known_by, seen, missed)]
        counts["stale"] += 1
        spans.note("stable", known_by.complete_time, missed.invoke_time)
        sentence = f"element {show(value)} was missing for a while: {name(known_by)} made it known, {_misses(missed)}"
        return [proved_by("stale", sentence, known_by, missed, seen)]


def _cannot_explain(add: Operation, read: Operation) -> bool:
    return add.outcome is Outcome.FAIL or read.precedes(add)


def _misses(read: Operation) -> str:
    return f"the later {name(read)} lacks it"


def _duplicated(read: Operation) -> Anomaly:
    counts: dict[Hashable, int] = {}
    for value in read.result:
        counts[value] = counts.get(value, 0) + 1
    value, times = max(counts.items(), key=lambda item: item[1])
    return proved_by("duplicated", f"element {show(value)} is {times} times in one read: {name(read)}", read)


def _unexpected(read: Operation, value: Hashable, element: _Element | None) -> Anomaly:
    if element is None:
        return proved_by("unexpected", f"element {show(value)} was never added, but is in the {name(read)}", read)
    add = element.adds[0]
    why = "failed" if add.outcome is Outcome.FAIL else "began only later"
    sentence = f"element {show(value)} is in the {name(read)} although its add {why}: {name(add)}"
    return proved_by("unexpected", sentence, add, read)
