"""The state machine: a key-value store whose operations are data.

Keys are strings; values are None (absent), booleans, integers, strings, or lists of these. Everything here is
deterministic: no clock, no randomness, no order of a set. Each operation is a frozen struct that says in ``apply`` what
it does to a ``Store`` and what comes back, so a transaction is a tuple of operations and nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

KEY_CHARS_MAX = 256
VALUE_BYTES_MAX = 64 * 1024
_SURELY_SHORT = VALUE_BYTES_MAX // 4 - 8
"""A string of no more characters fits, whatever they are."""
LIST_ITEMS_MAX = 100_000
TXN_OPERATIONS_MAX = 64

Value = Any
"""None, bool, int, str, or a list of them."""


class Result(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an operation gave: ``ok`` is False if its condition did not hold (nothing changed then)."""

    ok: bool
    value: Value = None


class Store:
    """Keys and values, with an overlay while a transaction may still fail."""

    __slots__ = ("_data", "_overlay")

    def __init__(self) -> None:
        self._data: dict[str, Value] = {}
        self._overlay: dict[str, Value] | None = None

    def get(self, key: str) -> Value:
        """Return a key's value, None if it is absent."""
        if self._overlay is not None and key in self._overlay:
            return self._overlay[key]
        return self._data.get(key)

    def put(self, key: str, value: Value) -> None:
        """Set a key's value."""
        if self._overlay is not None:
            self._overlay[key] = value
        else:
            self._data[key] = value

    def begin(self) -> None:
        """Start keeping changes apart."""
        self._overlay = {}

    def commit(self) -> None:
        """Take the changes over."""
        if self._overlay is not None:
            self._data.update(self._overlay)
        self._overlay = None

    def abort(self) -> None:
        """Forget the changes."""
        self._overlay = None

    def data(self) -> Mapping[str, Value]:
        """Return everything (for inspection and snapshots)."""
        return self._data

    def update(self, written: Mapping[str, Value]) -> None:
        """Set several keys, outside a transaction."""
        self._data.update(written)

    def restore(self, data: dict[str, Value]) -> None:
        """Take over a snapshot's keys and values."""
        self._data = data
        self._overlay = None


class _Operation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    key: str


class Read(_Operation, frozen=True, gc=False, tag="read"):
    """Return the key's value."""

    def apply(self, store: Store) -> Result:
        """Read."""
        return Result(True, store.get(self.key))


class Write(_Operation, frozen=True, gc=False, tag="write"):
    """Set the key to ``value``."""

    value: Value

    def apply(self, store: Store) -> Result:
        """Write."""
        store.put(self.key, self.value)
        return Result(True)


class Cas(_Operation, frozen=True, gc=False, tag="cas"):
    """Set the key to ``new`` if it is ``expected``; else fail and return what it is."""

    expected: Value
    new: Value

    def apply(self, store: Store) -> Result:
        """Compare and set."""
        current = store.get(self.key)
        if current != self.expected:
            return Result(False, current)
        store.put(self.key, self.new)
        return Result(True)


class Append(_Operation, frozen=True, gc=False, tag="append"):
    """Append ``element`` to the key's list (an absent key is the empty list); returns the new length."""

    element: Value

    def apply(self, store: Store) -> Result:
        """Append."""
        current = _list(store, self.key)
        if current is None or len(current) >= LIST_ITEMS_MAX:
            return Result(False, "not a list" if current is None else "list is full")
        store.put(self.key, [*current, self.element])
        return Result(True, len(current) + 1)


class Add(_Operation, frozen=True, gc=False, tag="add"):
    """Add ``element`` to the key's set, a list without doubles; the value says whether it was new."""

    element: Value

    def apply(self, store: Store) -> Result:
        """Add to the set."""
        current = _list(store, self.key)
        if current is None or len(current) >= LIST_ITEMS_MAX:
            return Result(False, "not a set" if current is None else "set is full")
        if self.element in current:
            return Result(True, False)
        store.put(self.key, [*current, self.element])
        return Result(True, True)


class Increment(_Operation, frozen=True, gc=False, tag="increment"):
    """Add ``by`` to the key's number (an absent key is 0); returns the sum."""

    by: int

    def apply(self, store: Store) -> Result:
        """Increment."""
        current = store.get(self.key)
        if current is None:
            current = 0
        if not isinstance(current, int) or isinstance(current, bool) or abs(current + self.by) >= 1 << 62:
            return Result(False, "not a number that can be added to")
        store.put(self.key, current + self.by)
        return Result(True, current + self.by)


Single = Read | Write | Cas | Append | Add | Increment


class Txn(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="txn"):
    """All operations in order, or none: the first that fails undoes those before it. Returns each one's value."""

    operations: tuple[Single, ...]

    def apply(self, store: Store) -> Result:
        """Apply all or nothing."""
        store.begin()
        values: list[Value] = []
        for operation in self.operations:
            result = operation.apply(store)
            if not result.ok:
                store.abort()
                return Result(False, [len(values), result.value])
            values.append(result.value)
        store.commit()
        return Result(True, values)


Operation = Read | Write | Cas | Append | Add | Increment | Txn


class OperationError(ValueError):
    """An operation that the store does not take; the message says why."""


def check(operation: Operation) -> None:
    """Raise OperationError if an operation is over a limit or holds what the store cannot keep."""
    if isinstance(operation, Txn):
        if not 1 <= len(operation.operations) <= TXN_OPERATIONS_MAX:
            raise OperationError(f"a transaction has 1 to {TXN_OPERATIONS_MAX} operations")
        for single in operation.operations:
            check(single)
        return
    if not 1 <= len(operation.key) <= KEY_CHARS_MAX:
        raise OperationError(f"a key has 1 to {KEY_CHARS_MAX} characters")
    if isinstance(operation, Write):
        _check_value(operation.value)
    elif isinstance(operation, Cas):
        _check_value(operation.expected)
        _check_value(operation.new)
    elif isinstance(operation, Append | Add):
        _check_value(operation.element)


def reads_only(operation: Operation) -> bool:
    """Say whether an operation can never change anything, so that it need not go through the log."""
    if isinstance(operation, Txn):
        return all(isinstance(single, Read) for single in operation.operations)
    return isinstance(operation, Read)


def _check_value(value: Value, depth: int = 0) -> None:
    if value is None or type(value) is int or (type(value) is str and len(value) <= _SURELY_SHORT):
        return
    if isinstance(value, (list, tuple)) and depth < 2:
        for item in value:
            _check_value(item, depth + 1)
    elif value is not None and not isinstance(value, (int, str)):
        raise OperationError(f"a value is null, a boolean, an integer, a string or a list, not {type(value).__name__}")
    if depth == 0 and len(msgspec.msgpack.encode(value)) > VALUE_BYTES_MAX:
        raise OperationError(f"a value takes at most {VALUE_BYTES_MAX} bytes")


def _list(store: Store, key: str) -> list[Value] | None:
    current = store.get(key)
    if current is None:
        return []
    return current if isinstance(current, list) else None
