"""Columns of registers are the same by either way to number values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkers.columns import columns_of
from checkers.history import History, freeze
from checkers.models import CasRegister, ModelError
from checkers.register_columns import NOTHING, RegisterColumns, register_columns
from tests.checkers.literal import Bar, cas, history, read, write
from tests.checkers.strategies import interleaved, register_calls
from tests.examples import examples

VALUES = st.one_of(st.none(), st.integers(-2, 3))
LARGE = st.sampled_from([None, 0, 2**63 - 1, -(2**63), 2**63, -(2**70)])
MIXED = st.sampled_from([None, 0, 1, 1.0, True, "a", "b", [1, 2], [1], []])


def met(columns: RegisterColumns) -> list[tuple[Any, ...]]:
    """What each operation saw and made, as values."""

    def value(code: int) -> Any:
        return "nothing" if code == NOTHING else freeze(columns.values[code])

    kept = [(value(saw), value(made)) for saw, made in zip(columns.saw, columns.made, strict=True)]
    failed = [(value(saw), value(made)) for saw, made in zip(columns.failed_saw, columns.failed_made, strict=True)]
    return [*kept, *failed, value(columns.initial)]


def expected(drawn: History, initial: Any) -> list[tuple[Any, ...]]:
    kept, failed = [], []
    for op in drawn.operations():
        saw = made = "nothing"
        if op.f == "read":
            saw = op.result if op.ok else saw
        elif op.f == "write":
            made = op.argument
        else:
            saw, made = op.argument
        if op.outcome.value == "fail":
            failed += [(saw, made)] if made != "nothing" else []
        elif (saw, made) != ("nothing", "nothing"):
            kept.append((saw, made))
    return [*kept, *failed, initial]


@examples(500)
@given(
    st.sampled_from([VALUES, LARGE, MIXED]).flatmap(
        lambda values: interleaved(st.lists(register_calls(lambda: values), max_size=8))
    ),
    st.sampled_from([None, 0, 7, "a", 2**70]),
)
def test_every_value_is_what_it_was(drawn: History, initial: Any) -> None:
    columns = register_columns(columns_of(drawn.operations()), CasRegister(initial))
    assert met(columns) == expected(drawn, initial)
    codes = [int(code) for code in (*columns.saw, *columns.made, columns.initial) if code != NOTHING]
    frozen = {code: freeze(columns.values[code]) for code in codes}
    assert len(set(frozen.values())) == len(frozen), "one value has two codes"


@pytest.mark.parametrize("wrong", [7, None, [1, 2, 3], ["a", 1, 2]])
@pytest.mark.parametrize("other", [1, "a"])
def test_a_swap_of_no_pair_is_refused(wrong: Any, other: Any) -> None:
    bars = (write(0, 1, 2, other), Bar(0, 3, 4, "cas", wrong, wrong), read(0, 5, 6, other))
    with pytest.raises(ModelError, match="event 2"):
        register_columns(columns_of(history(*bars).operations()), CasRegister(0))


def test_the_parts_of_pairs_are_the_values_of_others() -> None:
    columns = register_columns(
        columns_of(history(write(0, 1, 2, 5), cas(0, 3, 4, [5, 9]), read(0, 5, 6, 9)).operations()), CasRegister(0)
    )
    assert columns.made[0] == columns.saw[1]
    assert columns.made[1] == columns.saw[2]
