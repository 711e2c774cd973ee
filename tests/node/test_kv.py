"""The store against a plain dictionary, its limits, and transactions that happen whole or not at all."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import kv
from node.kv import Add, Append, Cas, Increment, Operation, Read, Result, Single, Store, Txn, Write

keys = st.sampled_from(["a", "b", "c"])
scalars = st.none() | st.integers(-3, 3) | st.sampled_from(["x", "y"])
values = scalars | st.lists(scalars, max_size=3)
singles: st.SearchStrategy[Single] = st.one_of(
    st.builds(Read, keys),
    st.builds(Write, keys, values),
    st.builds(Cas, keys, values, values),
    st.builds(Append, keys, scalars),
    st.builds(Add, keys, scalars),
    st.builds(Increment, keys, st.integers(-3, 3)),
)
operations: st.SearchStrategy[Operation] = singles | st.lists(singles, min_size=1, max_size=4).map(
    lambda several: Txn(tuple(several))
)

Model = dict[str, Any]


def carry_out(model: Model, operation: Single) -> tuple[bool, Any]:
    """Carry one operation out on a dictionary, in the plainest words."""
    now = model.get(operation.key)
    match operation:
        case Read():
            return True, now
        case Write():
            model[operation.key] = operation.value
            return True, None
        case Cas():
            if now != operation.expected:
                return False, now
            model[operation.key] = operation.new
            return True, None
        case Increment():
            if not (now is None or isinstance(now, int)):
                return False, "not a number that can be added to"
            model[operation.key] = (now or 0) + operation.by
            return True, model[operation.key]
        case Append() | Add():
            if not (now is None or isinstance(now, list)):
                return False, "not a list" if isinstance(operation, Append) else "not a set"
            items = list(now or [])
            if isinstance(operation, Add) and operation.element in items:
                return True, False
            model[operation.key] = [*items, operation.element]
            return True, len(items) + 1 if isinstance(operation, Append) else True


def carry_out_all(model: Model, operation: Operation) -> tuple[bool, Any]:
    """Carry an operation or a transaction out on a dictionary."""
    if not isinstance(operation, Txn):
        return carry_out(model, operation)
    before = copy.deepcopy(model)
    results: list[Any] = []
    for single in operation.operations:
        ok, value = carry_out(model, single)
        if not ok:
            model.clear()
            model.update(before)
            return False, [len(results), value]
        results.append(value)
    return True, results


@given(st.lists(operations, max_size=30))
def test_the_store_is_a_dictionary(several: list[Operation]) -> None:
    store, model = Store(), Model()
    for operation in several:
        kv.check(operation)
        ok, value = carry_out_all(model, operation)
        before = copy.deepcopy(dict(store.data()))
        assert operation.apply(store) == Result(ok, value)
        assert dict(store.data()) == model
        if kv.reads_only(operation) or not ok:
            assert dict(store.data()) == before


@given(st.lists(operations, max_size=20))
def test_what_was_read_does_not_change_afterwards(several: list[Operation]) -> None:
    """Results stay in the session table: a later append to the same list must not reach into them."""
    store = Store()
    results = [operation.apply(store) for operation in several]
    twin = Store()
    for operation, result in zip(several, results, strict=True):
        assert operation.apply(twin) == result


def test_a_transaction_happens_whole_or_not_at_all() -> None:
    store = Store()
    assert Txn((Write("a", 1), Append("l", "x"))).apply(store) == Result(True, [None, 1])
    failed = Txn((Write("a", 2), Append("l", "y"), Cas("a", 1, 3), Write("b", 1))).apply(store)
    assert failed == Result(False, [2, 2]), "it has seen its own write, and says which operation failed on what"
    assert dict(store.data()) == {"a": 1, "l": ["x"]}
    assert Txn((Increment("a", 1), Increment("a", 1), Read("a"))).apply(store) == Result(True, [2, 3, 3])


def test_numbers_stay_within_what_every_reader_can_hold() -> None:
    store = Store()
    Write("n", (1 << 62) - 2).apply(store)
    assert Increment("n", 1).apply(store) == Result(True, (1 << 62) - 1)
    assert not Increment("n", 1).apply(store).ok
    assert store.get("n") == (1 << 62) - 1
    Write("flag", True).apply(store)
    assert not Increment("flag", 1).apply(store).ok


def test_lists_and_sets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv, "LIST_ITEMS_MAX", 2)
    store = Store()
    for operation in (Append("l", 1), Append("l", 2), Add("s", 1), Add("s", 2)):
        assert operation.apply(store).ok
    assert Append("l", 3).apply(store) == Result(False, "list is full")
    assert Add("s", 3).apply(store) == Result(False, "set is full")
    assert (store.get("l"), store.get("s")) == ([1, 2], [1, 2])


TAKEN: list[Operation] = [
    Read("k" * kv.KEY_CHARS_MAX),
    Write("k", "v" * (kv.VALUE_BYTES_MAX - 3)),
    Write("k", [[1, "a"], None, True]),
    Txn((Read("k"),) * kv.TXN_OPERATIONS_MAX),
]
REFUSED: list[tuple[Operation, str]] = [
    (Read(""), "a key has 1 to 256 characters"),
    (Write("k" * (kv.KEY_CHARS_MAX + 1), 1), "a key has 1 to 256 characters"),
    (Write("k", "v" * kv.VALUE_BYTES_MAX), "a value takes at most 65536 bytes"),
    (Write("k", 1.5), "not float"),
    (Write("k", {"a": 1}), "not dict"),
    (Write("k", [[[1]]]), "a value is null"),
    (Write("k", [b"x"]), "not bytes"),
    (Cas("k", 1.5, 1), "not float"),
    (Cas("k", 1, 1.5), "not float"),
    (Append("k", 1.5), "not float"),
    (Add("k", 1.5), "not float"),
    (Txn(()), "a transaction has 1 to 64 operations"),
    (Txn((Read("k"),) * (kv.TXN_OPERATIONS_MAX + 1)), "a transaction has 1 to 64 operations"),
    (Txn((Read("k"), Write("", 1))), "a key has"),
]


@pytest.mark.parametrize("operation", TAKEN, ids=lambda operation: type(operation).__name__)
def test_what_is_within_the_limits_is_taken(operation: Operation) -> None:
    kv.check(operation)


@pytest.mark.parametrize(("operation", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_what_is_over_a_limit_is_refused(operation: Operation, why: str) -> None:
    with pytest.raises(kv.OperationError, match=why):
        kv.check(operation)


def test_only_reads_read_only() -> None:
    assert kv.reads_only(Read("k"))
    assert kv.reads_only(Txn((Read("k"), Read("l"))))
    for operation in (Write("k", 1), Cas("k", 1, 1), Append("k", 1), Add("k", 1), Increment("k", 0)):
        assert not kv.reads_only(operation)
        assert not kv.reads_only(Txn((Read("k"), operation)))
