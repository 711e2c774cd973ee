"""Operations on registers as columns: what each saw, what it made, when it began and when it was over.

An operation on a register is two values: the one that it saw (a read that returned it, a compare-and-swap that expected
it) and the one that it made (a write, a compare-and-swap). A read makes none, a write sees none.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from checkers.columns import FAIL, NONE, Codes, Flags, Integers, OperationColumns, distinct
from checkers.columns import OK as ENDED_OK
from checkers.history import freeze
from checkers.models import CasRegister, ModelError, Register

NOTHING: Final = -1
"""Stands where an operation saw, or made, no value."""
NEVER: Final = 2**62
"""When an operation is over whose end nobody saw."""
BEFORE_ALL: Final = -1
"""When the initial value was written."""


@dataclass(frozen=True, slots=True)
class RegisterColumns:
    """Operations that ended ok or info, by invocation; those that assert nothing are left out.

    ``place`` is each one's place among the operations that were given; ``begun`` and ``over`` are event indexes.
    ``failed_…`` are of the writes and swaps that failed: they took no effect, but may be what a wrong read shows, and
    what such a swap expected was not there where it observes that. ``initial`` is the code of the initial value.
    """

    place: Integers
    key: Codes
    saw: Codes
    made: Codes
    begun: Integers
    over: Integers
    ok: Flags
    failed_place: Integers
    failed_key: Codes
    failed_saw: Codes
    failed_made: Codes
    failed_begun: Integers
    failed_over: Integers
    failed_observes: Flags
    initial: int
    keys: Sequence[Hashable]
    values: Sequence[Any]

    def __len__(self) -> int:
        return len(self.place)


def register_columns(operations: OperationColumns, model: Register) -> RegisterColumns:
    """Say of each operation what it saw and made. Raises ModelError for one that is not of such a register."""
    values = _values(operations.values, model.initial)
    is_f = {f: operations.f == code for code, f in enumerate(operations.fs) if f is not None}
    reads, writes = is_f.get("read", np.False_), is_f.get("write", np.False_)
    swaps = is_f.get("cas", np.False_) if model.swaps else np.False_
    _refuse_others(operations, model, reads | writes | swaps)
    ok, failed = operations.outcome == ENDED_OK, operations.outcome == FAIL
    saw = np.full(len(operations), NOTHING, dtype=np.int32)
    made = np.full(len(operations), NOTHING, dtype=np.int32)
    asserts = reads & ok if model.nil_reads_assert else reads & ok & (operations.result != NONE)
    saw[asserts] = values.same[operations.result[asserts]]
    if np.any(writes):
        made[writes] = values.same[operations.argument[writes]]
    if np.any(swaps):
        saw[swaps], made[swaps] = values.parts(operations, model, np.flatnonzero(swaps))
    kept = ~failed & ((saw != NOTHING) | (made != NOTHING))
    lost = failed & (made != NOTHING)
    return RegisterColumns(
        place=np.flatnonzero(kept),
        key=operations.key[kept],
        saw=saw[kept],
        made=made[kept],
        begun=operations.begun[kept],
        over=np.where(ok, operations.over, NEVER)[kept],
        ok=ok[kept],
        failed_place=np.flatnonzero(lost),
        failed_key=operations.key[lost],
        failed_saw=saw[lost],
        failed_made=made[lost],
        failed_begun=operations.begun[lost],
        failed_over=operations.over[lost],
        failed_observes=_observes(operations, model, lost, saw),
        initial=values.initial,
        keys=operations.keys,
        values=values.things,
    )


def _observes(operations: OperationColumns, model: Register, lost: Flags, saw: Codes) -> Flags:
    """Say of what failed whether it is a swap that found something else than it expected."""
    if not isinstance(model, CasRegister) or not model.failed_cas_observes:
        return np.zeros(np.count_nonzero(lost), dtype=np.bool_)
    told: Flags = (saw[lost] != NOTHING) & (operations.error[lost] == NONE)
    return told


def _refuse_others(operations: OperationColumns, model: Register, known: Any) -> None:
    unknown = np.flatnonzero(~np.broadcast_to(known, len(operations)) & (operations.outcome != FAIL))
    if len(unknown):
        raise ModelError(model, operations.operation(int(unknown[0])))


class _Values:
    """Codes of a history's values, and of the parts of those that are pairs; ``same`` turns the former into these.

    Any two values may be the same here, if one is 1 and the other 1.0, or what a pair has within it.
    """

    def __init__(self, things: Sequence[Any], initial: Hashable) -> None:
        self.things = [freeze(thing) for thing in things]
        self._codes: dict[Hashable, int] = {}
        self.same = np.array([self._codes.setdefault(t, code) for code, t in enumerate(self.things)], dtype=np.int32)
        self.initial = self._code(initial)

    def _code(self, thing: Hashable) -> int:
        code = self._codes.get(thing)
        if code is None:
            code = self._codes[thing] = len(self.things)
            self.things.append(thing)
        return code

    def parts(self, operations: OperationColumns, model: Register, swaps: Integers) -> tuple[Codes, Codes]:
        """Return the codes of what swaps expected and of what they put in its place."""
        saw, made = [], []
        for place, code in zip(swaps.tolist(), operations.argument[swaps].tolist(), strict=True):
            pair = self.things[code]
            if type(pair) is not tuple or len(pair) != 2:
                raise ModelError(model, operations.operation(place))
            saw.append(self._code(pair[0]))
            made.append(self._code(pair[1]))
        return np.array(saw, dtype=np.int32), np.array(made, dtype=np.int32)


class _NoNumbersError(Exception):
    """Something is no whole number, no pair of such and not nil."""


class _Numbers:
    """The same where all values are whole numbers, pairs of them, or nil: what can be is done in arrays."""

    def __init__(self, things: Sequence[Any], initial: Hashable) -> None:
        """Raises _NoNumbersError, and OverflowError for a number of more than 64 bits."""
        self.things: list[Any] = list(things)
        whole, numbers, pairs, within = _sorted_out(self.things)
        self.same = np.arange(len(things), dtype=np.int32)
        self._numbers = np.array(numbers, dtype=np.int64)
        self._codes = np.array(whole, dtype=np.int32)
        self._within = np.full((len(things), 2), NOTHING, dtype=np.int32)
        self._within[pairs] = self._known(np.array(within, dtype=np.int64)).reshape(-1, 2)
        if initial is not None and type(initial) is not int:
            raise _NoNumbersError
        self.initial = NONE if initial is None else int(self._known(np.array([initial], dtype=np.int64))[0])

    def _known(self, wanted: Integers) -> Codes:
        """Return the codes of numbers; what has none yet gets one."""
        in_order = np.argsort(self._numbers)
        ordered = self._numbers[in_order]
        found = np.minimum(np.searchsorted(ordered, wanted), max(0, len(ordered) - 1))
        new = distinct(wanted[ordered[found] != wanted] if len(ordered) else wanted)
        if len(new):
            self._numbers = np.concatenate((self._numbers, new))
            self._codes = np.concatenate((self._codes, len(self.things) + np.arange(len(new), dtype=np.int32)))
            self.things.extend(new.tolist())
            return self._known(wanted)
        return np.take(self._codes[in_order], found)

    def parts(self, operations: OperationColumns, model: Register, swaps: Integers) -> tuple[Codes, Codes]:
        """Return the codes of what swaps expected and of what they put in its place."""
        arguments = operations.argument[swaps]
        wrong = np.flatnonzero(self._within[arguments, 0] == NOTHING)
        if len(wrong):
            raise ModelError(model, operations.operation(int(swaps[wrong[0]])))
        return self._within[arguments, 0], self._within[arguments, 1]


def _sorted_out(things: Sequence[Any]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return the places of numbers, and them; and the places of pairs, and all that is within. One look at each."""
    whole: list[int] = []
    numbers: list[int] = []
    pairs: list[int] = []
    within: list[int] = []
    for place, thing in enumerate(things):
        kind = type(thing)
        if kind is int:
            whole.append(place)
            numbers.append(thing)
        elif kind is list or kind is tuple:
            if len(thing) != 2 or type(thing[0]) is not int or type(thing[1]) is not int:
                raise _NoNumbersError
            pairs.append(place)
            within += thing
        elif thing is not None or place != NONE:
            raise _NoNumbersError
    return whole, numbers, pairs, within


def _values(things: Sequence[Any], initial: Hashable) -> _Values | _Numbers:
    try:
        return _Numbers(things, initial)
    except (_NoNumbersError, OverflowError):
        return _Values(things, initial)
