"""Histories of any size for measuring checkers, made so that others can make the same.

A register (or several) that answers rightly, and clients whose operations overlap as the seed has it. There is no
clock: an event's index is its time. Each operation takes effect at one moment between its invocation and its
completion, its *linearization point*, so the history is linearizable by construction; ``stale`` falsifies one read,
and then it is not. All chance is splitmix64 (Steele, Lea and Flood 2014), whose n-th number is a function of seed and
n alone:

    z = seed + n * 0x9E3779B97F4A7C15            (mod 2**64, n from 1 on)
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9       (mod 2**64)
    z = (z ^ z >> 27) * 0x94D049BB133111EB       (mod 2**64)
    z = z ^ z >> 31

below(k) is the next number modulo k. With registers that are 0, and t = 0, repeat until all operations are over:
client = below(clients), and

- if it is idle (and operations are left, else nothing happens): key = below(keys) if there are several; f = below(2),
  or below(3) with compare-and-swap: read, write or cas; if ``info_ppm`` is not 0, lost = below(1,000,000) < info_ppm. A
  write writes the next value (1, 2, ...), a cas expects what the register holds now and brings the next value. It is
  invoked at t, and t grows by one;
- if its operation was invoked: it takes effect, but for a lost one only if below(2) = 0: a read sees the register, a
  write sets it, a cas sets it or fails;
- if it has taken effect (or not): it completes at t as ok, fail or, if lost, info, and t grows by one. After an info
  the client goes on under another process number, greater by the number of clients.

The completion of a write or a cas has the value of its invocation, however it ended; that of a lost read has none.

``stale``: the first ok read from the middle on for which there is something to be stale by sees the value of a write
that another one had followed: with M the latest invocation of an ok write that was over before the read began, the
last ok write that was over before M.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkers.columns import FAIL, INFO, INVOKE, NO_TIME, NONE, OK, EventColumns, pair
from checkers.formats import write_jsonl
from checkers.history import History

READ, WRITE, CAS = range(3)
_NAMES: Final = ("read", "write", "cas")
_BLOCK: Final = 1 << 16
_LOOKED_BACK: Final = 100_000
"""So many operations before it are looked at for what a read may be stale by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a history is like."""

    operations: int
    clients: int
    keys: int = 1
    cas: bool = False
    info_ppm: int = 0
    stale: bool = False
    seed: int = 1


@dataclass(slots=True)
class _Made:
    process: int
    f: int
    key: int
    first: int = 0
    """What a read saw, a write wrote, a cas expected."""
    second: int = 0
    begun: int = 0
    over: int = 0
    outcome: int = OK
    lost: bool = False


def splitmix64(seed: int) -> Iterator[int]:
    """Yield the numbers, all of 64 bits."""
    first = 1
    while True:
        with np.errstate(over="ignore"):
            n = np.arange(first, first + _BLOCK, dtype=np.uint64)
            z = np.uint64(seed) + n * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
        yield from z.tolist()
        first += _BLOCK


def history(shape: Shape) -> History:
    """Make a history."""
    made = _carried_out(shape)
    if shape.stale:
        _falsify(made)
    events = _columns(made, shape)
    operations = pair(events)
    if operations is None:
        raise AssertionError("what is made here is well-formed")
    return History.of_columns(events, operations)


def write(shape: Shape, path: Path) -> None:
    """Make a history as a file of JSON lines. Raises OSError."""
    write_jsonl(history(shape).events, path)


def _carried_out(shape: Shape) -> list[_Made]:
    draw = splitmix64(shape.seed).__next__
    registers = [0] * shape.keys
    process = list(range(shape.clients))
    running: list[_Made | None] = [None] * shape.clients
    effected = [False] * shape.clients
    made: list[_Made] = []
    time = live = 0
    last_value = 0
    while len(made) < shape.operations or live:
        client = draw() % shape.clients
        operation = running[client]
        if operation is None:
            if len(made) == shape.operations:
                continue
            operation = running[client] = _invoked(shape, process[client], draw, registers, last_value + 1, time)
            last_value += operation.f != READ
            made.append(operation)
            time += 1
            live += 1
        elif not effected[client]:
            if not operation.lost or draw() % 2 == 0:
                _take_effect(operation, registers)
            effected[client] = True
        else:
            operation.over = time
            time += 1
            live -= 1
            if operation.lost:
                operation.outcome = INFO
                process[client] += shape.clients
            running[client], effected[client] = None, False
    return made


def _invoked(shape: Shape, process: int, draw: Callable[[], int], registers: list[int], value: int, time: int) -> _Made:
    key = draw() % shape.keys if shape.keys > 1 else 0
    f = draw() % (3 if shape.cas else 2)
    lost = draw() % 1_000_000 < shape.info_ppm if shape.info_ppm else False
    first = value if f == WRITE else registers[key] if f == CAS else 0
    return _Made(process, f, key, first, value if f == CAS else 0, begun=time, lost=lost)


def _take_effect(operation: _Made, registers: list[int]) -> None:
    key = operation.key
    if operation.f == READ:
        operation.first = registers[key]
    elif operation.f == WRITE:
        registers[key] = operation.first
    elif registers[key] == operation.first:
        registers[key] = operation.second
    else:
        operation.outcome = FAIL


def _falsify(made: list[_Made]) -> None:
    """Let one read see what had been overwritten."""
    for place in range(len(made) // 2, len(made)):
        read = made[place]
        if read.f != READ or read.outcome != OK:
            continue
        writes = [
            one
            for one in made[max(0, place - _LOOKED_BACK + 1) : place]
            if one.f == WRITE and one.outcome == OK and one.key == read.key
        ]
        latest = max((one.begun for one in writes if one.over < read.begun), default=-1)
        overwritten = max((one for one in writes if one.over < latest), key=lambda one: one.over, default=None)
        if overwritten is not None:
            read.first = overwritten.first
            return


def _columns(made: list[_Made], shape: Shape) -> EventColumns:
    """Put all in the order of events. The code of a value is one more than the value; pairs come after all values."""
    table = np.array([(m.process, m.f, m.key, m.first, m.second, m.begun, m.over, m.outcome) for m in made])
    process, f, key, first, second, begun, over, outcome = table.reshape(len(made), 8).T
    values: list[Any] = [None, *range(int(max(first.max(initial=0), second.max(initial=0))) + 1)]
    swaps = f == CAS
    argument = np.where(f == READ, NONE, first + 1)
    argument[swaps] = len(values) + np.arange(int(swaps.sum()))
    values += [[a, b] for a, b in zip(first[swaps].tolist(), second[swaps].tolist(), strict=True)]
    result = np.where(f != READ, argument, np.where(outcome == OK, first + 1, NONE))
    both = len(made) * 2

    def column(at_begin: NDArray[Any], at_end: NDArray[Any], kind: type[np.integer[Any]]) -> NDArray[Any]:
        merged = np.zeros(both, dtype=kind)
        merged[begun], merged[over] = at_begin, at_end
        return merged

    none = np.zeros(both, dtype=np.int32)
    keys = [None, *(f"r{number}" for number in range(shape.keys))]
    key_code = key + 1 if shape.keys > 1 else np.zeros(len(made), dtype=np.int64)
    return EventColumns(
        index=np.arange(both),
        time=np.full(both, NO_TIME),
        process=column(process, process, np.int64),
        name=none,
        type=column(np.full(len(made), INVOKE), outcome, np.int8),
        f=column(f + 1, f + 1, np.int32),
        value=column(argument, result, np.int32),
        key=column(key_code, key_code, np.int32),
        error=none,
        ref=none,
        fs=[None, *_NAMES],
        values=values,
        keys=keys,
        texts=[None],
    )
