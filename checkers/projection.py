"""A register's history with a few of its values only.

Where every value was brought by one operation, what met one value stands together in any order, with nothing else in
between. So whatever concerns the other values can be taken out of an order, and an order is left: if a history of some
values alone has none, the whole has none. A swap from u to v, of which only v stays, is a write of v there; of which
only u stays, it saw u. That turns thousands of concurrent operations into the few that contradict each other, which is
what a person wants to see, and what a search can bear.

The values that stay are those that the proof met, and those that lie between two of them on a chain of swaps.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

import msgspec

from checkers.history import Operation, Outcome
from checkers.models import CasRegister, Model, Register

_CHAIN_MAX: Final = 200


def projected(operations: Sequence[Operation], model: Model, proof: Sequence[Operation]) -> Sequence[Operation] | None:
    """Return the operations of the values that the proof met, as they count; None if one of these came twice."""
    if not isinstance(model, Register) or type(model) not in (Register, CasRegister):
        return None
    swaps = {op.argument[0]: op.argument[1] for op in operations if op.f == "cas" and op.outcome is not Outcome.FAIL}
    met = {value for op in proof for value in _met(op)}
    values = met | {between for value in met for between in _chain(value, met, swaps)}
    if any(model.observes(op) for op in proof) or not _once(operations, model, values):
        return None
    found = [_as_it_counts(op, values) for op in operations if op.outcome is not Outcome.FAIL]
    return [op for op in found if op is not None]


def _met(operation: Operation) -> Sequence[Hashable]:
    """What it saw and what it brought."""
    if operation.f == "read":
        return (operation.result,) if operation.ok else ()
    return operation.argument if operation.f == "cas" else (operation.argument,)


def _chain(value: Hashable, met: set[Hashable], swaps: dict[Hashable, Hashable]) -> Sequence[Hashable]:
    """Return what swaps put in a value's place, up to another one that was met."""
    chain: list[Hashable] = []
    while value in swaps and len(chain) < _CHAIN_MAX:
        value = swaps[value]
        if value in met:
            return chain
        chain.append(value)
    return ()


def _once(operations: Sequence[Operation], model: Register, values: set[Hashable]) -> bool:
    """Whether each value can have come once only."""
    brought = [_met(op)[-1] for op in operations if op.f != "read" and op.outcome is not Outcome.FAIL]
    brought.append(model.initial)
    those = [value for value in brought if value in values]
    return len(those) == len(set(those))


def _as_it_counts(operation: Operation, values: set[Hashable]) -> Operation | None:
    """Return an operation as it concerns some values; None if it does not."""
    met = _met(operation)
    if operation.f != "cas" or all(value in values for value in met):
        return operation if any(value in values for value in met) else None
    seen, brought = met
    if brought in values:
        return msgspec.structs.replace(operation, f="write", argument=brought)
    if seen in values and operation.ok:
        return msgspec.structs.replace(operation, f="read", argument=None, result=seen)
    return None
