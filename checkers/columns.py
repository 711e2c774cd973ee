"""Operations on registers as columns: what each saw, what it made, when it began and when it was over.

A million operations as objects are gigabytes and seconds; as columns they are a few arrays, and an algorithm that sorts
and compares has nothing else to do. Values and keys become small numbers (their *codes*, in order of appearance), so
that nothing further on has to know what they are.

An operation is two values: the one that it saw (a read that returned it, a compare-and-swap that expected it) and the
one that it made (a write, a compare-and-swap). A read makes none, a write sees none.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from checkers.history import Operation, Outcome
from checkers.models import ModelError, Register

Codes = NDArray[np.int32]
Moments = NDArray[np.int64]
Flags = NDArray[np.bool_]

NOTHING: Final = -1
"""Stands where an operation saw, or made, no value."""
NEVER: Final = 2**62
"""When an operation is over whose end nobody saw."""
BEFORE_ALL: Final = -1
"""When the initial value was written."""
INITIAL: Final = 0
"""The code of the initial value, whatever it is."""


@dataclass(frozen=True, slots=True)
class RegisterColumns:
    """Operations that ended ok or info, by invocation; those that assert nothing are left out.

    ``place`` is each one's place among the operations that were given; ``begun`` and ``over`` are event indexes.
    ``failed_made``, ``failed_key`` and ``failed_place`` are of the writes and swaps that failed: they took no effect,
    but may be what a wrong read shows. ``failed_swaps`` holds the places of swaps that failed.
    """

    place: Moments
    key: Codes
    saw: Codes
    made: Codes
    begun: Moments
    over: Moments
    ok: Flags
    failed_place: Moments
    failed_key: Codes
    failed_made: Codes
    keys: tuple[Hashable, ...]
    values: tuple[Hashable, ...]

    def __len__(self) -> int:
        return len(self.place)


class _Coder:
    """Numbers things in order of appearance."""

    def __init__(self, *first: Hashable) -> None:
        self.codes: dict[Hashable, int] = {thing: code for code, thing in enumerate(first)}

    def code(self, thing: Hashable) -> int:
        return self.codes.setdefault(thing, len(self.codes))

    def all(self) -> tuple[Hashable, ...]:
        return tuple(self.codes)


def register_columns(operations: Iterable[Operation], model: Register) -> RegisterColumns:
    """Turn operations into columns. Raises ModelError for one that is not of a (compare-and-swap) register."""
    keys, values = _Coder(), _Coder(model.initial)
    rows: list[tuple[int, int, int, int, int, int, bool]] = []
    failed: list[tuple[int, int, int]] = []
    for place, operation in enumerate(operations):
        saw, made = _met(operation, model, values)
        key = keys.code(operation.key)
        if operation.outcome is Outcome.FAIL:
            if made != NOTHING:
                failed.append((place, key, made))
        elif operation.ok or made != NOTHING:
            if saw == made == NOTHING:
                continue  # a read that says nothing
            over = operation.complete_index if operation.ok else None
            begun = operation.invoke_index
            rows.append((place, key, saw, made, begun, NEVER if over is None else over, operation.ok))
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 7)
    losers = np.array(failed, dtype=np.int64).reshape(len(failed), 3)
    return RegisterColumns(
        place=table[:, 0].copy(),
        key=table[:, 1].astype(np.int32),
        saw=table[:, 2].astype(np.int32),
        made=table[:, 3].astype(np.int32),
        begun=table[:, 4].copy(),
        over=table[:, 5].copy(),
        ok=table[:, 6].astype(np.bool_),
        failed_place=losers[:, 0].copy(),
        failed_key=losers[:, 1].astype(np.int32),
        failed_made=losers[:, 2].astype(np.int32),
        keys=keys.all(),
        values=values.all(),
    )


def _met(operation: Operation, model: Register, values: _Coder) -> tuple[int, int]:
    """Return the codes of what an operation saw and made."""
    if operation.f == "read":
        return (values.code(operation.result) if model.asserts(operation) else NOTHING), NOTHING
    if operation.f == "write":
        return NOTHING, values.code(operation.argument)
    argument = operation.argument
    if operation.f != "cas" or not model.swaps or not isinstance(argument, tuple) or len(argument) != 2:
        raise ModelError(model, operation)
    return values.code(argument[0]), values.code(argument[1])
