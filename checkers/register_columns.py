"""Operations on registers as columns: what each saw, what it made, when it began and when it was over.

An operation on a register is two values: the one that it saw (a read that returned it, a compare-and-swap that expected
it) and the one that it made (a write, a compare-and-swap). A read makes none, a write sees none.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from checkers.columns import FAIL, NONE, Codes, Flags, Integers, OperationColumns
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
    values: Sequence[Hashable]

    def __len__(self) -> int:
        return len(self.place)


def register_columns(operations: OperationColumns, model: Register) -> RegisterColumns:
    """Say of each operation what it saw and made. Raises ModelError for one that is not of such a register."""
    values = _Values(operations.values, model.initial)
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
    """Codes of a history's values, and of the parts of those that are pairs; ``same`` turns the former into these."""

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
