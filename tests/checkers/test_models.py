"""Models: the hooks of the built-in ones, and one written by a user."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checkers.history import Operation
from checkers.linearizable import Linearizable
from checkers.models import (
    ILLEGAL,
    MODELS,
    CasRegister,
    Counter,
    FencedMutex,
    Illegal,
    KvAppend,
    ListAppend,
    Model,
    ModelError,
    MultiRegister,
    Mutex,
    PriorityQueue,
    Queue,
    Register,
    SetModel,
    Stack,
    make_model,
)  # fmt: skip
from checkers.verdict import Limits, Verdict
from tests.checkers.literal import Bar, add, append, cas, history, read, write

UNBOUNDED = Limits(time_s=None)


def operations(*bars: Bar) -> tuple[Operation, ...]:
    return history(*bars).operations()


def kept(model: Model, *bars: Bar) -> list[str]:
    """What is left after pruning, as "f argument"."""
    return [f"{op.f} {op.argument}" for op in model.prune(operations(*bars))]


def test_an_unobserved_info_write_is_dropped() -> None:
    bars = (write(0, 1, None, 7), write(1, 2, None, 8), read(2, 3, None, None), read(3, 4, 5, 8))
    assert kept(CasRegister(0), *bars) == ["write 8", "read None"]


def test_what_an_info_swap_expects_is_observed_only_if_its_own_value_is() -> None:
    needed = (write(0, 1, None, 1), cas(1, 2, None, [1, 2]), read(2, 3, 4, 2))
    unneeded = (write(0, 1, None, 1), cas(1, 2, None, [1, 2]), read(2, 3, 4, 0))
    circular = (cas(0, 1, None, [1, 2]), cas(1, 2, None, [2, 1]), read(2, 3, 4, 0))
    assert kept(CasRegister(0), *needed) == ["write 1", "cas (1, 2)", "read None"]
    assert kept(CasRegister(0), *unneeded) == ["read None"]
    assert kept(CasRegister(0), *circular) == ["read None"]


def test_a_nil_read_observes_nil_only_where_it_asserts() -> None:
    bars = (write(0, 1, None, None), read(1, 2, 3, None))
    assert kept(CasRegister(0, nil_reads_assert=True), *bars) == ["write None", "read None"]
    assert kept(CasRegister(0, nil_reads_assert=False), *bars) == ["read None"]


def test_only_an_identity_may_be_forced() -> None:
    model = CasRegister(0)
    look, same, swap, put = operations(read(0, 1, 2, 1), cas(0, 3, 4, [1, 1]), cas(0, 5, 6, [1, 2]), write(0, 7, 8, 1))
    assert [model.reads_only(op) for op in (look, same, swap, put)] == [True, True, False, False]


def test_a_write_that_changes_nothing_here_is_not_forced() -> None:
    # Forcing the second write of 1 at once, since the state is 1 already, would leave the last read without a writer.
    #   0  |- write 1 -|
    #   1     |-------------- write 1 --------------|
    #   2                 |- write 2 -|  |- read 1 -|
    bars = (write(0, 1, 3, 1), write(1, 2, 9, 1), write(2, 4, 5, 2), read(2, 6, 7, 1))
    assert Linearizable(Register(0)).check(history(*bars), UNBOUNDED).verdict is Verdict.VALID


def test_what_a_container_never_gave_back_is_dropped() -> None:
    bars = (Bar(0, 1, None, "push", 1), Bar(1, 2, None, "push", 2), Bar(2, 3, 4, "pop", None, 2))
    assert kept(Stack(), *bars, Bar(3, 5, None, "pop")) == ["push 2", "pop None", "pop None"]


def test_what_no_look_at_a_set_depends_on_is_dropped() -> None:
    bars = (add(0, 1, None, 1), add(1, 2, None, 2), Bar(2, 3, None, "remove", 3), Bar(3, 4, None, "remove", 1))
    looks = (Bar(4, 5, 6, "contains", 1, True), Bar(4, 7, 8, "contains", 3, False))
    assert kept(SetModel(), *bars, *looks) == ["add 1", "remove 3", "contains 1", "contains 3"]
    assert kept(SetModel(), *bars, Bar(4, 5, 6, "read", None, [2])) == ["add 2", "remove 3", "remove 1", "read None"]


def test_a_token_that_nobody_saw_is_greater_than_those_before_all_the_same() -> None:
    #   0  |- acquire: 3 -|  |- release -|
    #   1                                   |- acquire ... (nobody saw the token)
    #   0                                      |- release -|  |- acquire: 4 or 5 -|
    first = (
        Bar(0, 1, 2, "acquire", None, 3),
        Bar(0, 3, 4, "release"),
        Bar(1, 5, None, "acquire"),
        Bar(0, 6, 7, "release"),
    )
    judge = Linearizable(FencedMutex())
    assert judge.check(history(*first, Bar(0, 8, 9, "acquire", None, 5)), UNBOUNDED).verdict is Verdict.VALID
    assert judge.check(history(*first, Bar(0, 8, 9, "acquire", None, 4)), UNBOUNDED).verdict is Verdict.INVALID


def test_string_appends_nobody_saw_are_dropped() -> None:
    bars = (append(0, 1, None, "ab"), append(1, 2, None, "c"), write(2, 3, None, "x"), read(3, 4, 5, "zab"))
    assert kept(KvAppend(), *bars) == ["append ab", "read None"]


def test_of_several_longest_texts_every_process_takes_the_same() -> None:
    reads = [read(n, 2 * n + 1, 2 * n + 2, text) for n, text in enumerate(("ab", "ba", "bb", "aa", "b"))]
    assert KvAppend().specialise(operations(*reads)) == KvAppend(
        texts_read=("aa", "ab", "b", "ba", "bb"), longest_read="bb"
    )


def test_list_appends_nobody_saw_are_dropped() -> None:
    assert kept(ListAppend(), append(0, 1, None, 1), append(1, 2, None, 2), read(2, 3, 4, [2])) == [
        "append 2",
        "read None",
    ]


def test_transactions_nobody_saw_are_dropped() -> None:
    seen = Bar(0, 1, None, "txn", [["w", "x", 1], ["w", "y", 9]])
    unseen = Bar(1, 2, None, "txn", [["w", "x", 2]])
    look = Bar(2, 3, 4, "txn", [["r", "x", None]], [["r", "x", 1]])
    assert len(kept(MultiRegister(), seen, unseen, look)) == 2


def test_a_transaction_reads_its_own_writes() -> None:
    steps = [["w", "x", 1], ["r", "x", 1], ["w", "x", 2]]
    (both,) = operations(Bar(0, 1, 2, "txn", steps, steps))
    assert MultiRegister().step(frozenset(), both) == frozenset({("x", 2)})


@dataclass(frozen=True)
class OwnedMutex(Model):
    """A user's model, which looks at who calls."""

    initial: Hashable = None

    def step(self, state: Hashable, operation: Operation) -> Hashable | Illegal:
        if operation.f == "acquire":
            return operation.process if state is None else ILLEGAL
        return None if state == operation.process else ILLEGAL


def test_a_model_of_ten_lines_may_look_at_the_process() -> None:
    #   0  |- acquire -|  |- release -|
    #   1                                |- acquire -|
    fine = (Bar(0, 1, 2, "acquire"), Bar(0, 3, 4, "release"), Bar(1, 5, 6, "acquire"))
    #   0  |- acquire -|
    #   1                 |- release -|
    stolen = (Bar(0, 1, 2, "acquire"), Bar(1, 3, 4, "release"))
    judge = Linearizable(OwnedMutex())
    assert judge.check(history(*fine), UNBOUNDED).verdict is Verdict.VALID
    assert judge.check(history(*stolen), UNBOUNDED).verdict is Verdict.INVALID
    assert Linearizable(Mutex()).check(history(*stolen), UNBOUNDED).verdict is Verdict.VALID


def test_the_example_of_the_documentation_is_a_model() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(example.split("class ")[1].splitlines()) <= 10
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "models.md", "exec", dont_inherit=True), names)
    judge = Linearizable(names["Maximum"]())
    grown = (Bar(0, 1, 2, "raise", 5), Bar(0, 3, 4, "raise", 3), read(0, 5, 6, 5))
    shrunk = (*grown, read(0, 7, 8, 3))
    assert judge.check(history(*grown), UNBOUNDED).verdict is Verdict.VALID
    assert judge.check(history(*shrunk), UNBOUNDED).verdict is Verdict.INVALID
    with pytest.raises(ModelError):
        judge.check(history(write(0, 1, 2, 1)), UNBOUNDED)


def test_every_model_has_a_row_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == sorted(MODELS)


class LyingRegister(Register):
    """Says of a write that it only reads."""

    def reads_only(self, operation: Operation) -> bool:
        return True


def test_a_model_that_lies_about_reads_is_found_out() -> None:
    with pytest.raises(ValueError, match="reads_only holds for an operation that changes the state"):
        Linearizable(LyingRegister(0)).check(history(write(0, 1, 2, 1)), UNBOUNDED)


@pytest.mark.parametrize(
    ("model", "bar"),
    [
        (Register(0), cas(0, 1, 2, [1, 2])),
        (Register(0), Bar(0, 1, 2, "cas", 5, 5)),
        (CasRegister(0), Bar(0, 1, 2, "cas", 5, 5)),
        (CasRegister(0), Bar(0, 1, None, "cas", 5)),
        (Mutex(), read(0, 1, 2, 1)),
        (KvAppend(), append(0, 1, 2, 5)),
        (ListAppend(), write(0, 1, 2, 5)),
        (FencedMutex(), Bar(0, 1, 2, "acquire")),
        (Counter(), add(0, 1, 2, "one")),
        (Counter(), write(0, 1, 2, 5)),
        (SetModel(), Bar(0, 1, 2, "contains", 1, 1)),
        (SetModel(), Bar(0, 1, 2, "read", None, 1)),
        (SetModel(), write(0, 1, 2, 5)),
        (Queue(), Bar(0, 1, 2, "enqueue")),
        (Queue(), Bar(0, 1, 2, "pop")),
        (Stack(), Bar(0, 1, 2, "dequeue")),
        (PriorityQueue(), Bar(0, 1, 2, "insert", "text")),
        (MultiRegister(), read(0, 1, 2, 5)),
        (MultiRegister(), Bar(0, 1, 2, "txn", [["r"]], [["r"]])),
    ],
)
def test_what_a_model_does_not_know_is_an_error(model: Model, bar: Bar) -> None:
    with pytest.raises(ModelError):
        Linearizable(model).check(history(bar), UNBOUNDED)


@pytest.mark.parametrize("name", MODELS)
def test_every_name_makes_its_model(name: str) -> None:
    assert type(make_model(name)) is MODELS[name]


def test_initial_values_are_frozen() -> None:
    assert make_model("multi-register", initial={"x": [1], "y": None}) == MultiRegister(frozenset({("x", (1,))}))
    assert make_model("list-append", initial=[1, [2]]).initial == (1, (2,))
    assert make_model("cas-register", initial=[1]).initial == (1,)
    assert make_model("set", initial=[1, [2]]).initial == frozenset({1, (2,)})
    assert make_model("priority-queue", initial=[3, 1]).initial == (1, 3)
    assert make_model("fenced-mutex", initial=7).initial == (False, 7)


@pytest.mark.parametrize(("name", "initial"), [("counter", "x"), ("queue", 5), ("priority-queue", ["x"]), ("set", "x")])
def test_what_no_object_starts_as_is_an_error(name: str, initial: object) -> None:
    with pytest.raises(ValueError, match=f"a {name} starts"):
        make_model(name, initial=initial)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match="register, cas-register, mutex"):
        make_model("deque")
