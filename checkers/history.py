"""A history: what the clients asked, what they were told, and in which order.

The vocabulary is Jepsen's, so that histories can be exchanged with it: an operation is *invoked* and ends
*ok* (it took effect), *fail* (it certainly did not) or *info* (nobody knows: it may take effect at any time
after its invocation, even after the history ends). Everything a checker may conclude rests on that
distinction, so the pairing of invocations with completions is done here, once, and strictly. A history that
breaks a rule is damaged and is refused with the line at fault; it is never repaired, since a repaired history
could turn a violation into a pass.

The rules are those of Knossos (knossos.history: complete, pairs, kindex), made precise where it leaves gaps:

- a process runs one operation at a time: an invocation while another is under way is an error;
- an *info* retires its process: the operation may still be running, so a later invocation by the same process
  is the same error, and so is a late completion (Knossos pairs such a completion in one of its passes and
  refuses it in another; no history known to us has one);
- a completion without an invocation is an error, as is one whose ``f`` or ``key`` is not the invocation's;
- a *fail* that carries a value carries the invocation's;
- event indexes are strictly increasing. Real-time order is the order of indexes, never of the time stamps:
  stamps are taken by several threads and may run backwards by microseconds;
- an invocation that never returns is *info*.

Events whose process is not an integer belong to the nemesis. They are kept apart: they are no operations and
take no part in pairing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    from checkers.columns import EventColumns, OperationColumns


class EventType(StrEnum):
    """What an event says of its operation."""

    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


class Outcome(StrEnum):
    """How an operation ended: it took effect, it did not, or nobody knows."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


_OUTCOMES = {EventType.OK: Outcome.OK, EventType.FAIL: Outcome.FAIL, EventType.INFO: Outcome.INFO}


class HistoryError(ValueError):
    """A history that cannot be trusted: damaged, truncated or against the rules.

    ``path`` and ``line`` (counted from 1) name the place, where known; ``str()`` puts them in front.
    """

    def __init__(self, path: str | Path | None, line: int | None, message: str) -> None:
        self.path = None if path is None else str(path)
        self.line = line
        self.message = message
        super().__init__(path, line, message)

    def __str__(self) -> str:
        where = [part for part in (self.path, None if self.line is None else f"line {self.line}") if part]
        return f"{', '.join(where)}: {self.message}" if where else self.message


class Event(msgspec.Struct, frozen=True):
    """One line of a history.

    ``index`` orders events; ``time`` is in nanoseconds since the run began (None: not recorded); ``process`` is an
    integer for a client and a name for the nemesis; ``f`` names the operation; ``key`` is the object it is about
    (None when there is only one); ``error`` says why an operation did not end ok; ``ref`` is the system's own name
    for the operation ("client/sequence"), by which the logs of the nodes can be audited.
    """

    index: int
    time: int | None
    process: int | str
    type: EventType
    f: str
    value: Any
    key: Any = None
    error: str | None = None
    ref: str | None = None


class Operation(msgspec.Struct, frozen=True):
    """An invocation with its completion.

    ``argument`` is the value of the invocation and ``result`` that of the completion; both, and ``key``, are frozen
    (lists are tuples), hence hashable. ``complete_index`` and ``complete_time`` belong to the completion, if any:
    they are None for an operation that never returned. Times are nanoseconds.
    """

    process: int
    f: str
    key: Any
    argument: Any
    result: Any
    outcome: Outcome
    invoke_index: int
    invoke_time: int | None
    complete_index: int | None
    complete_time: int | None
    error: str | None = None
    ref: str | None = None

    @property
    def ok(self) -> bool:
        """It took effect, and its result is known."""
        return self.outcome is Outcome.OK

    def precedes(self, other: Operation) -> bool:
        """Whether this operation was over before the other began. One that ended info is never over."""
        if self.outcome is Outcome.INFO or self.complete_index is None:
            return False
        return self.complete_index < other.invoke_index


def freeze(value: Any) -> Hashable:
    """The value with every list a tuple, every set a frozenset and every map a tuple of sorted pairs.

    Numbers keep Python's equality, so 1, 1.0 and True are one value.
    """
    kind = type(value)
    if kind is str or kind is int or value is None:
        return cast(Hashable, value)
    if isinstance(value, (list, tuple)):
        return tuple([freeze(item) for item in value])
    if isinstance(value, Mapping):
        pairs = [(freeze(key), freeze(item)) for key, item in value.items()]
        return tuple(sorted(pairs, key=repr))
    if isinstance(value, Set):
        return frozenset(freeze(item) for item in value)
    if not isinstance(value, Hashable):
        raise TypeError(f"a history value must be plain data, not {type(value).__name__}")
    return value


class History:
    """A checked sequence of events and the operations they make up. Never changes once built.

    ``path`` and ``lines`` (the line of each event) only serve error messages.
    Raises HistoryError when the events break a rule of the module's docstring.
    """

    __slots__ = ("_columns", "_event_columns", "_events", "_operations")

    def __init__(
        self,
        events: Iterable[Event],
        *,
        path: str | Path | None = None,
        lines: Sequence[int] | None = None,
    ) -> None:
        self._events: tuple[Event, ...] | None = tuple(events)
        pairing = _Pairing(path, lines)
        for position, event in enumerate(self._events):
            pairing.take(position, event)
        self._operations: tuple[Operation, ...] | None = pairing.finish()
        self._event_columns: EventColumns | None = None
        self._columns: OperationColumns | None = None

    @classmethod
    def of_columns(cls, events: EventColumns, operations: OperationColumns) -> History:
        """Return a history that is in columns, and paired, already; objects are made when they are asked for."""
        history = cls.__new__(cls)
        history._events = history._operations = None
        history._event_columns, history._columns = events, operations
        return history

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event, the nemesis's too, in order."""
        if self._events is None:
            columns = self._event_columns
            self._events = () if columns is None else tuple(map(columns.event, range(len(columns))))
        return self._events

    def operations(self) -> tuple[Operation, ...]:
        """The clients' operations, by invocation."""
        if self._operations is None:
            columns = self.columns()
            self._operations = tuple(map(columns.operation, range(len(columns))))
        return self._operations

    def columns(self) -> OperationColumns:
        """The clients' operations, by invocation, as columns."""
        if self._columns is None:
            from checkers.columns import columns_of  # noqa: PLC0415 - it needs this module, and NumPy takes its time

            self._columns = columns_of(self.operations())
        return self._columns

    def operation(self, place: int) -> Operation:
        """One operation, by its place in ``operations()``."""
        return self._operations[place] if self._operations is not None else self.columns().operation(place)

    def nemesis(self) -> tuple[Event, ...]:
        """The events of the nemesis, in order."""
        return tuple(event for event in self.events if not isinstance(event.process, int))

    def __len__(self) -> int:
        return len(self._event_columns) if self._event_columns is not None else len(self.events)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.events == other.events

    def __hash__(self) -> int:
        return hash(len(self))

    def __repr__(self) -> str:
        operations = self._columns if self._operations is None else self._operations
        return f"History({len(self)} events, {len(operations or ())} operations)"


class _Pairing:
    """Pairs each completion with the invocation it ends; holds only the operations under way."""

    def __init__(self, path: str | Path | None, lines: Sequence[int] | None) -> None:
        self._path = path
        self._lines = lines
        self._last_index: int | None = None
        self._running: dict[int, tuple[int, Event]] = {}
        self._retired: set[int] = set()
        self._operations: list[Operation | None] = []  # by invocation; None while under way

    def take(self, position: int, event: Event) -> None:
        if self._last_index is not None and event.index <= self._last_index:
            what = "is not unique" if event.index == self._last_index else f"comes after {self._last_index}"
            raise self._error(position, f"event index {event.index} {what}")
        self._last_index = event.index
        if not isinstance(event.process, int):
            return
        if event.type is EventType.INVOKE:
            self._invoke(position, event.process, event)
        else:
            self._complete(position, event.process, event)

    def _invoke(self, position: int, process: int, event: Event) -> None:
        if process in self._running:
            running = self._running[process][1]
            raise self._error(
                position,
                f"process {process} invokes {event.f} while its {running.f} of event {running.index} is still running",
            )
        if process in self._retired:
            raise self._error(
                position,
                f"process {process} invokes {event.f} although an earlier operation of it ended info and may"
                " still be running",
            )
        self._running[process] = (len(self._operations), event)
        self._operations.append(None)

    def _complete(self, position: int, process: int, event: Event) -> None:
        if process not in self._running:
            raise self._error(position, f"process {process} completes {event.f} ({event.type}) without an invocation")
        place, invocation = self._running.pop(process)
        self._check_pair(position, invocation, event)
        if event.type is EventType.INFO:
            self._retired.add(process)
        self._operations[place] = self._operation(position, process, invocation, event)

    def _check_pair(self, position: int, invocation: Event, event: Event) -> None:
        who = f"process {invocation.process}"
        if event.f != invocation.f:
            raise self._error(position, f"{who} completes {event.f} but had invoked {invocation.f}")
        if event.key is not None and event.key != invocation.key:
            raise self._error(
                position, f"{who} completes {event.f} of key {event.key!r}, invoked for {invocation.key!r}"
            )
        if event.type is EventType.FAIL and event.value is not None:
            invoked, failed = freeze(invocation.value), freeze(event.value)
            if invoked != failed:
                raise self._error(position, f"{who} fails {event.f} with value {failed!r}, invoked with {invoked!r}")

    def _operation(self, position: int, process: int, invocation: Event, completion: Event | None) -> Operation:
        try:
            return Operation(
                process=process,
                f=invocation.f,
                key=freeze(invocation.key),
                argument=freeze(invocation.value),
                result=None if completion is None else freeze(completion.value),
                outcome=Outcome.INFO if completion is None else _OUTCOMES[completion.type],
                invoke_index=invocation.index,
                invoke_time=invocation.time,
                complete_index=None if completion is None else completion.index,
                complete_time=None if completion is None else completion.time,
                error=None if completion is None else completion.error,
                ref=invocation.ref if completion is None or completion.ref is None else completion.ref,
            )
        except TypeError as error:
            raise self._error(position, str(error)) from error

    def finish(self) -> tuple[Operation, ...]:
        for process, (place, invocation) in self._running.items():
            self._operations[place] = self._operation(0, process, invocation, None)
        return tuple(operation for operation in self._operations if operation is not None)

    def _error(self, position: int, message: str) -> HistoryError:
        line = None if self._lines is None else self._lines[position]
        return HistoryError(self._path, line, message)
