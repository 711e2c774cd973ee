"""Histories as columns: one array for each field instead of one object for each event.

A million operations as objects take gigabytes, and seconds to make; as columns they are a few arrays, and most of what
checkers ask can be asked of all operations at once. What is no number (values, keys, names) is numbered in order of
appearance, and the numbers, its *codes*, are in the column. Equal things have equal codes, so that comparing codes is
comparing values. Objects are made of them only where somebody looks at a few.

Pairing is done here, too, in arrays, but not the telling of what is wrong: ``pair`` says that a rule is broken, and
``checkers.history`` then goes through the events one by one, to the line at fault.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkers.history import Event, EventType, Operation, Outcome, freeze

Integers = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]

NONE: Final = 0
"""The code of None, in every column of codes."""
NO_TIME: Final = -(2**63)
ABSENT: Final = -1
"""Stands for the completion of an operation that never returned."""
INVOKE, OK, FAIL, INFO = range(4)
TYPES: Final = (EventType.INVOKE, EventType.OK, EventType.FAIL, EventType.INFO)
_OUTCOMES: Final = (None, Outcome.OK, Outcome.FAIL, Outcome.INFO)


def distinct(values: NDArray[np.integer[Any]]) -> Integers:
    """Return the different ones, in order. NumPy's own way is to hash them, which takes thirty times as long."""
    ordered = np.sort(values).astype(np.int64, copy=False)
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return np.compress(first, ordered)


def running_maximum(group: Integers, values: Integers) -> Integers:
    """Return the greatest value so far of each group (groups come one after the other, values from -1 on)."""
    scale = int(values.max(initial=0)) + 2
    return np.maximum.accumulate(group * scale + values + 1) - group * scale - 1


class Numbering:
    """Numbers things in order of appearance, None first. ``things`` are as they came, by code."""

    def __init__(self) -> None:
        self.codes: dict[Hashable, int] = {None: NONE}
        self.things: list[Any] = [None]

    def code(self, key: Hashable, thing: Any) -> int:
        """Return the code of a thing that is known by ``key``."""
        code = self.codes.get(key)
        if code is None:
            code = self.codes[key] = len(self.things)
            self.things.append(thing)
        return code


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Events, in order. ``process`` is a client's number; for the nemesis it is -1 and ``name`` tells who.

    ``values``, ``keys``, ``fs`` and ``texts`` (names, errors, refs) are what the codes stand for.
    """

    index: Integers
    time: Integers
    process: Integers
    name: Codes
    type: NDArray[np.int8]
    f: Codes
    value: Codes
    key: Codes
    error: Codes
    ref: Codes
    fs: Sequence[Any]
    values: Sequence[Any]
    keys: Sequence[Any]
    texts: Sequence[Any]

    def __len__(self) -> int:
        return len(self.index)

    def event(self, place: int) -> Event:
        """Return one event."""
        time, name = int(self.time[place]), int(self.name[place])
        return Event(
            index=int(self.index[place]),
            time=None if time == NO_TIME else time,
            process=int(self.process[place]) if name == NONE else self.texts[name],
            type=TYPES[self.type[place]],
            f=self.fs[self.f[place]],
            value=self.values[self.value[place]],
            key=self.keys[self.key[place]],
            error=self.texts[self.error[place]],
            ref=self.texts[self.ref[place]],
        )


@dataclass(frozen=True, slots=True)
class OperationColumns:
    """Operations, by invocation. ``outcome`` is OK, FAIL or INFO; what never returned has ``over`` ABSENT.

    ``begun`` and ``over`` are event indexes. ``place`` gives the events: of the invocation, and of the completion.
    """

    process: Integers
    f: Codes
    key: Codes
    argument: Codes
    result: Codes
    outcome: NDArray[np.int8]
    begun: Integers
    over: Integers
    begun_time: Integers
    over_time: Integers
    error: Codes
    ref: Codes
    fs: Sequence[Any]
    values: Sequence[Any]
    keys: Sequence[Any]
    texts: Sequence[Any]

    def __len__(self) -> int:
        return len(self.begun)

    def operation(self, place: int) -> Operation:
        """Return one operation."""
        over = int(self.over[place])
        outcome = _OUTCOMES[self.outcome[place]]
        if outcome is None:
            raise AssertionError("an operation has an outcome")
        return Operation(
            process=int(self.process[place]),
            f=self.fs[self.f[place]],
            key=freeze(self.keys[self.key[place]]),
            argument=freeze(self.values[self.argument[place]]),
            result=None if over == ABSENT else freeze(self.values[self.result[place]]),
            outcome=outcome,
            invoke_index=int(self.begun[place]),
            invoke_time=_moment(self.begun_time[place]),
            complete_index=None if over == ABSENT else over,
            complete_time=None if over == ABSENT else _moment(self.over_time[place]),
            error=self.texts[self.error[place]],
            ref=self.texts[self.ref[place]],
        )

    def count(self, outcome: int) -> int:
        """Return how many operations ended so."""
        return int(np.count_nonzero(self.outcome == outcome))


def _moment(time: np.int64) -> int | None:
    return None if time == NO_TIME else int(time)


def pair(events: EventColumns) -> OperationColumns | None:
    """Pair completions with invocations; None if a rule of ``checkers.history`` is broken."""
    if np.any(np.diff(events.index) <= 0):
        return None
    clients = np.flatnonzero(events.name == NONE)
    by_process = clients[np.argsort(events.process[clients], kind="stable")]
    process, kind = events.process[by_process], events.type[by_process]
    begins = np.flatnonzero(np.concatenate(([True], process[1:] != process[:-1]))) if len(process) else by_process
    lengths = np.diff(np.append(begins, len(process)))
    turn = np.arange(len(process)) - np.repeat(begins, lengths)
    is_invocation = turn % 2 == 0
    if np.any(is_invocation != (kind == INVOKE)):
        return None
    is_last = np.zeros(len(process), dtype=np.bool_)
    is_last[begins + lengths - 1] = True
    if np.any((kind == INFO) & ~is_last):
        return None  # an info retires its process
    begun = by_process[is_invocation]
    returned = ~is_last[is_invocation]
    over = np.full(len(begun), ABSENT)
    over[returned] = by_process[~is_invocation]
    in_order = np.argsort(begun)
    begun, over = begun[in_order], over[in_order]
    return None if _mismatched(events, begun, over) else _operations(events, begun, over)


def _mismatched(events: EventColumns, begun: Integers, over: Integers) -> bool:
    """Whether a completion is of another operation than its invocation, or a failure of another value."""
    begun, over = begun[over != ABSENT], over[over != ABSENT]
    other_f = events.f[begun] != events.f[over]
    other_key = (events.key[over] != NONE) & (events.key[over] != events.key[begun])
    failed = (events.type[over] == FAIL) & (events.value[over] != NONE)
    other_value = failed & (events.value[over] != events.value[begun])
    return bool(np.any(other_f | other_key | other_value))


def _operations(events: EventColumns, begun: Integers, over: Integers) -> OperationColumns:
    returned = over != ABSENT
    ref = np.where(returned & (events.ref[over] != NONE), events.ref[over], events.ref[begun])
    return OperationColumns(
        process=events.process[begun],
        f=events.f[begun],
        key=events.key[begun],
        argument=events.value[begun],
        result=np.where(returned, events.value[over], np.int32(NONE)),
        outcome=np.where(returned, events.type[over], np.int8(INFO)),
        begun=events.index[begun],
        over=np.where(returned, events.index[over], ABSENT),
        begun_time=events.time[begun],
        over_time=np.where(returned, events.time[over], NO_TIME),
        error=np.where(returned, events.error[over], np.int32(NONE)),
        ref=ref,
        fs=events.fs,
        values=events.values,
        keys=events.keys,
        texts=events.texts,
    )


_OUTCOME_CODES: Final = {Outcome.OK: OK, Outcome.FAIL: FAIL, Outcome.INFO: INFO}


def columns_of(operations: Sequence[Operation]) -> OperationColumns:
    """Turn operations into columns."""
    fs, keys, values, texts = Numbering(), Numbering(), Numbering(), Numbering()
    numbers = np.array(
        [
            (
                op.process,
                op.invoke_index,
                ABSENT if op.complete_index is None else op.complete_index,
                NO_TIME if op.invoke_time is None else op.invoke_time,
                NO_TIME if op.complete_time is None else op.complete_time,
            )
            for op in operations
        ],
        dtype=np.int64,
    ).reshape(len(operations), 5)
    codes = np.array(
        [
            (
                fs.code(op.f, op.f),
                keys.code(op.key, op.key),
                values.code(op.argument, op.argument),
                values.code(op.result, op.result),
                texts.code(op.error, op.error),
                texts.code(op.ref, op.ref),
                _OUTCOME_CODES[op.outcome],
            )
            for op in operations
        ],
        dtype=np.int32,
    ).reshape(len(operations), 7)
    process, begun, over, begun_time, over_time = (column.copy() for column in numbers.T)
    f, key, argument, result, error, ref, outcome = (column.copy() for column in codes.T)
    return OperationColumns(
        process=process,
        f=f,
        key=key,
        argument=argument,
        result=result,
        outcome=outcome.astype(np.int8),
        begun=begun,
        over=over,
        begun_time=begun_time,
        over_time=over_time,
        error=error,
        ref=ref,
        fs=fs.things,
        values=values.things,
        keys=keys.things,
        texts=texts.things,
    )
