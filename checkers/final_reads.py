"""Lost commits, from the clients' side: is every acknowledged change in what the final reads returned?

After a run is healed, every key is read once more. A *final read* is an ok read invoked after every acknowledged change
of its key was over; so nothing acknowledged may be missing from it, whatever happened in between. That is a much weaker
demand than linearizability, it takes linear time, and what it finds is what users call data loss.

- A register (``write``, ``cas``): the value must have a producer that no acknowledged change to another value came
  after, in real time. Else that change is lost. Earlier changes were overwritten and can no longer be judged.
- A list (``append``) or set (``add``): every acknowledged element must be there, and no element more often than it was
  added. Strings are lists whose elements are looked for as parts of the text.

A transaction (``txn``) is taken apart: each of its steps is a read or a change of its key, all at the same time.

What is *lost*, *duplicated* or *unexpected* is a violation. What is worth knowing besides is told in notes: a change of
unknown outcome that is there in the end was *recovered*; an acknowledged one that reads on the way lacked was *stale*
for a while; a key with acknowledged changes and no final read was *never read*. All come with the window of time in
which they happened (``checkers.windows``), as far as a result may hold them.

A change of unknown outcome may be there or not. A key with acknowledged changes and
no final read makes the verdict unknown, and so does a run in which nothing was acknowledged: there was nothing to lose.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import msgspec

from checkers import windows
from checkers.findings import MisfitError
from checkers.history import History, Operation, Outcome
from checkers.sentences import name, show, show_key
from checkers.verdict import Anomaly, CheckResult, Limits, Verdict, merge_all, proved_by, result
from checkers.windows import Shows, Window

_OF_STEPS = {"r": "read", "w": "write"}
_READS = frozenset({"read", "get"})
_REGISTER_CHANGES = frozenset({"write", "put", "cas"})
_ADDITIONS = frozenset({"append", "add"})
_COUNTED = (
    "keys",
    "keys_unread",
    "acknowledged",
    "final_reads",
    "lost",
    "recovered",
    "duplicated",
    "unexpected",
    "stale",
    "never-read",
)


@dataclass(frozen=True)
class FinalReads:
    """Checks each key by the names of its operations.

    ``initial`` is the value of a register before any change. Without ``nil_reads_assert`` a read of nil is no evidence.
    """

    initial: Hashable = None
    nil_reads_assert: bool = True
    name: str = "final-reads"

    def check(self, history: History, limits: Limits) -> CheckResult:
        """Each lost, duplicated or unexpected change is an anomaly, and a violation."""
        keys: dict[Hashable, list[Operation]] = {}
        for operation in history.operations():
            for one in _taken_apart(operation):
                keys.setdefault(one.key, []).append(one)
        counts = dict.fromkeys(_COUNTED, 0)
        anomalies: list[Anomaly] = []
        notes = _Notes(limits.anomalies_max)
        unread: list[str] = []
        verdicts: list[Verdict] = []
        for key, operations in keys.items():
            verdict, found = self._check_key(operations, counts, notes)
            if verdict is Verdict.UNKNOWN:
                unread.append(show_key(key) or "the object")
            verdicts.append(verdict)
            anomalies += found
        verdict = merge_all(verdicts)
        if verdict is Verdict.VALID and not counts["acknowledged"]:
            verdict = Verdict.UNKNOWN
        sentence = _sentence(verdict, anomalies, unread, counts)
        return result(self.name, verdict, sentence, anomalies, limits, counts, notes=notes.kept)

    def _check_key(
        self, operations: Sequence[Operation], counts: dict[str, int], notes: _Notes
    ) -> tuple[Verdict, list[Anomaly]]:
        changes = [op for op in operations if op.f in _REGISTER_CHANGES | _ADDITIONS]
        acknowledged = [op for op in changes if op.ok]
        counts["keys"] += 1
        counts["acknowledged"] += len(acknowledged)
        if not acknowledged:
            return Verdict.VALID, []
        reads = [op for op in operations if op.f in _READS and op.ok and self._is_evidence(op)]
        last_end = max(op.complete_index or 0 for op in acknowledged)
        final = [read for read in reads if read.invoke_index > last_end]
        counts["final_reads"] += len(final)
        mixed = any(op.f in _ADDITIONS for op in changes) and any(op.f in _REGISTER_CHANGES for op in changes)
        if not final or mixed:
            counts["keys_unread"] += 1
            counts["never-read"] += len(acknowledged)
            notes.add(_never_read(acknowledged))
            return Verdict.UNKNOWN, []
        if changes[0].f in _ADDITIONS:
            anomalies = _Additions(changes, reads, final[-1], counts, notes).judge()
        else:
            anomalies = _RegisterChanges(changes, reads, self.initial, counts, notes).judge(final)
        return (Verdict.INVALID if anomalies else Verdict.VALID), anomalies

    def _is_evidence(self, read: Operation) -> bool:
        return read.result is not None or self.nil_reads_assert


def _taken_apart(operation: Operation) -> Iterator[Operation]:
    """Yield the operation itself, or of a transaction one for each of its steps, at the same time."""
    steps = operation.result if operation.ok else operation.argument
    if operation.f != "txn" or not isinstance(steps, tuple):
        yield operation
        return
    for f, key, value in steps:
        step = _OF_STEPS.get(f, f)
        argument = None if step in _READS else value
        result = value if operation.ok else None
        yield msgspec.structs.replace(operation, f=step, key=key, argument=argument, result=result)


def _sentence(verdict: Verdict, anomalies: Sequence[Anomaly], unread: Sequence[str], counts: Mapping[str, int]) -> str:
    if verdict is Verdict.INVALID:
        return f"{anomalies[0].sentence} ({len(anomalies)} anomalies, {counts['lost']} lost commits)."
    if unread:
        return f"Unknown: {len(unread)} keys with acknowledged changes have no final read, {unread[0]} first."
    if verdict is Verdict.UNKNOWN:
        return "Unknown: no change was acknowledged, so none could have been lost."
    return f"The final reads of {counts['keys']} keys explain all {counts['acknowledged']} acknowledged changes."


class _Notes:
    """What is worth knowing, as far as it is kept; ``wanted`` says whether more is."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.windows = most
        self.kept: list[Anomaly] = []

    @property
    def wanted(self) -> bool:
        return len(self.kept) < self._most

    def add(self, note: Anomaly) -> None:
        if self.wanted:
            self.kept.append(note)

    def window(self, find: Callable[[], Window | None]) -> Window | None:
        """A window, for as many anomalies as are kept: it takes a look at all reads of a key to find one."""
        if self.windows <= 0:
            return None
        self.windows -= 1
        return find()


def _never_read(acknowledged: Sequence[Operation]) -> Anomaly:
    last = max(acknowledged, key=lambda op: op.complete_index or 0)
    sentence = f"{name(last)}, the last of {len(acknowledged)} acknowledged changes, was never read"
    return proved_by(
        "never-read", sentence, last, window=windows.between(acknowledged[0].complete_time, last.complete_time)
    )


class _RegisterChanges:
    """The writes and compare-and-swaps of one register, and its reads."""

    def __init__(
        self,
        changes: Sequence[Operation],
        reads: Sequence[Operation],
        initial: Hashable,
        counts: dict[str, int],
        notes: _Notes,
    ) -> None:
        self._acknowledged = [op for op in changes if op.ok]
        self._reads = reads
        self._producers: dict[Hashable, list[Operation]] = {}
        for op in changes:
            self._producers.setdefault(_value(op), []).append(op)
        self._initial = initial
        self._counts = counts
        self._notes = notes
        self._over = sorted(self._acknowledged, key=lambda op: op.complete_index or 0)
        self._ends = [op.complete_index or 0 for op in self._over]
        self._newest = list(accumulate(self._over, _newer))

    def judge(self, final: Sequence[Operation]) -> list[Anomaly]:
        """One anomaly for each value that the final reads cannot have."""
        anomalies: list[Anomaly] = []
        judged: set[Hashable] = set()
        for read in final:
            if read.result not in judged:
                judged.add(read.result)
                anomalies += self._judge_read(read)
        for read in self._reads:
            if read.invoke_index < final[0].invoke_index:
                self._look_for_staleness(read)
        return anomalies

    def _look_for_staleness(self, read: Operation) -> None:
        """A read on the way that shows what an acknowledged change had replaced before it began."""
        place = bisect_left(self._ends, read.invoke_index)
        producers = self._producers.get(read.result, [])
        possible = [op for op in producers if op.outcome is not Outcome.FAIL and not read.precedes(op)]
        if not place or not (possible or read.result == self._initial):
            return
        newest = self._newest[place - 1]
        if _value(newest) == read.result or not all(op.precedes(newest) for op in possible):
            return
        self._counts["stale"] += 1
        if self._notes.wanted:
            sentence = f"{name(read)} lacks the {name(newest)}, which was over before it began"
            window = windows.between(read.invoke_time, read.complete_time)
            self._notes.add(proved_by("stale", sentence, newest, read, window=window))

    def _judge_read(self, read: Operation) -> list[Anomaly]:
        everyone = self._producers.get(read.result, [])
        possible = [op for op in everyone if op.outcome is not Outcome.FAIL and not read.precedes(op)]
        if not possible and read.result != self._initial:
            return [self._unexpected(read, everyone)]
        # What came after every possible producer is lost; the latest of it tells the story best.
        lost: Operation | None = None
        for change in self._acknowledged:
            other = _value(change) != read.result and all(op.precedes(change) for op in possible)
            if other and (lost is None or change.invoke_index > lost.invoke_index):
                lost = change
        if lost is not None:
            self._counts["lost"] += 1
            change = lost
            window = self._notes.window(
                lambda: windows.of_loss(change, self._reads, lambda other: other.result != read.result)
            )
            return [_lost(lost, read, possible, window)]
        recovered = next((op for op in possible if op.outcome is Outcome.INFO), None)
        if recovered is not None:
            self._counts["recovered"] += 1
            self._notes.add(_recovered(recovered, self._reads, lambda other: other.result == read.result))
        return []

    def _unexpected(self, read: Operation, producers: Sequence[Operation]) -> Anomaly:
        self._counts["unexpected"] += 1
        failed = next((op for op in producers if op.outcome is Outcome.FAIL), None)
        why = "which was never written" if failed is None else f"but that change failed: {name(failed)}"
        return proved_by("unexpected", f"final {name(read)} returned {show(read.result)}, {why}", failed, read)


def _newer(one: Operation, other: Operation) -> Operation:
    return other if other.invoke_index > one.invoke_index else one


def _value(change: Operation) -> Hashable:
    """The value a change brings; an argument of an odd shape is its own value."""
    if change.f == "cas" and isinstance(change.argument, tuple) and len(change.argument) == 2:
        new: Hashable = change.argument[1]
        return new
    value: Hashable = change.argument
    return value


def _recovered(change: Operation, reads: Sequence[Operation], shows: Shows) -> Anomaly:
    window = windows.of_arrival(change, reads, shows)
    return proved_by("recovered", f"{name(change)} has taken effect", change, window=window)


def _lost(change: Operation, read: Operation, producers: Sequence[Operation], window: Window | None) -> Anomaly:
    sentence = f"{name(change)} was acknowledged and is lost: the final {name(read)}"
    last = max(producers, key=lambda op: op.complete_index or 0, default=None)
    if last is not None:
        sentence += f" shows an older value, of the {name(last)}"
    return proved_by("lost", sentence, last, change, read, window=window)


def _occurrences(text: str, element: Hashable) -> int:
    if not isinstance(element, str):
        return 0
    return text.count(element) if element != "" else 1  # nothing is everywhere


class _Additions:
    """The appends or adds of one list, set or string, its reads, and the final one of them."""

    def __init__(
        self,
        changes: Sequence[Operation],
        reads: Sequence[Operation],
        read: Operation,
        counts: dict[str, int],
        notes: _Notes,
    ) -> None:
        self._reads = reads
        self._read = read
        self._counts = counts
        self._notes = notes
        self._additions: dict[Hashable, list[Operation]] = {}
        for op in changes:
            self._additions.setdefault(op.argument, []).append(op)

    def judge(self) -> list[Anomaly]:
        text = self._read.result
        if not isinstance(text, str | tuple | frozenset | None):
            raise MisfitError(f"read of event {self._read.invoke_index} returned no list or set: {show(text)}")
        found: dict[Hashable, int] = {}
        if isinstance(text, str):
            found = {element: _occurrences(text, element) for element in self._additions}
        else:
            for element in text or ():
                found[element] = found.get(element, 0) + 1
        anomalies = [anomaly for element in self._additions for anomaly in self._judge_element(element, found)]
        self._look_for_staleness(found)
        strangers = [element for element in found if element not in self._additions]
        self._counts["unexpected"] += len(strangers)
        for element in strangers:
            sentence = f"final {name(self._read)} holds {show(element)}, which was never added"
            anomalies.append(proved_by("unexpected", sentence, self._read))
        return anomalies

    def _judge_element(self, element: Hashable, found: Mapping[Hashable, int]) -> list[Anomaly]:
        additions, read = self._additions[element], self._read
        acknowledged = [op for op in additions if op.ok]
        unknown = [op for op in additions if op.outcome is Outcome.INFO]
        times = found.get(element, 0)
        if times < len(acknowledged):
            lost = acknowledged[-1]
            self._counts["lost"] += len(acknowledged) - times
            sentence = f"{name(lost)} was acknowledged and is lost: the final {name(read)} lacks it"
            window = self._notes.window(lambda: windows.of_loss(lost, self._reads, self._shows(element)))
            return [proved_by("lost", sentence, lost, read, window=window)]
        recovered = min(times - len(acknowledged), len(unknown))
        self._counts["recovered"] += recovered
        if recovered and self._notes.wanted:
            self._notes.add(_recovered(unknown[0], self._reads, self._shows(element)))
        if times <= len(acknowledged) + len(unknown) or self._may_be_accident(element):
            return []
        if not acknowledged and not unknown:
            self._counts["unexpected"] += 1
            sentence = f"{name(additions[0])} failed, but the final {name(read)} holds its element"
            return [proved_by("unexpected", sentence, additions[0], read)]
        self._counts["duplicated"] += 1
        sentence = f"final {name(read)} holds {show(element)} {times} times, added {len(additions)} times"
        most = len(acknowledged) + len(unknown)
        window = self._notes.window(
            lambda: windows.of_arrival(additions[0], self._reads, self._shows(element, most + 1))
        )
        return [proved_by("duplicated", sentence, *additions[:2], read, window=window)]

    def _shows(self, element: Hashable, times: int = 1) -> Shows:
        """Whether a read holds an element so often."""

        def shows(read: Operation) -> bool:
            held = read.result or ()
            return (held.count(element) if isinstance(element, str) or not isinstance(held, str) else 0) >= times

        return shows

    def _look_for_staleness(self, found: Mapping[Hashable, int]) -> None:
        """Elements which reads on the way lacked though they had been acknowledged, and which are there in the end."""
        if isinstance(self._read.result, str):
            return
        known = [(op, e) for e, ops in self._additions.items() if found.get(e) for op in ops[:1] if op.ok]
        known.sort(key=lambda pair: pair[0].complete_index or 0)
        ends = [op.complete_index or 0 for op, _ in known]
        stale: dict[Hashable, Operation] = {}
        for read in self._reads:
            held = frozenset(read.result or ())
            due = bisect_left(ends, read.invoke_index)
            if len(held) < due or not all(element in held for _, element in known[:due]):
                stale.update((element, op) for op, element in known[:due] if element not in held)
        self._counts["stale"] += len(stale)
        for element, op in stale.items():
            if not self._notes.wanted:
                break
            window = windows.of_absence(op, self._reads, self._shows(element))
            sentence = f"{name(op)} was acknowledged, and reads lacked it for a while"
            self._notes.add(proved_by("stale", sentence, op, window=window))

    def _may_be_accident(self, element: Hashable) -> bool:
        """In a text, one element may occur inside another, or across two: too many of it prove nothing then."""
        if not isinstance(element, str) or not isinstance(self._read.result, str):
            return False
        return any(other != element for other in self._additions)
