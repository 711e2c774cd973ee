"""Small histories, drawn by Hypothesis: a few clients, few values, every outcome, any interleaving.

What an operation returns is drawn, too, not computed: about half of the histories are linearizable, and those that are
not fail for every kind of reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from checkers.history import Event, EventType, History

Call = tuple[str, Any, Any]
"""f, the value of the invocation, the value returned."""

OUTCOMES = ("ok", "ok", "ok", "ok", "info", "info", "fail", "never")


def histories(
    calls: st.SearchStrategy[Call], *, operations_max: int = 6, clients_max: int = 4
) -> st.SearchStrategy[History]:
    """Well-formed histories of at most ``operations_max`` operations."""
    return interleaved(st.lists(calls, max_size=operations_max), clients_max=clients_max)


@st.composite
def interleaved(draw: st.DrawFn, calls: st.SearchStrategy[Sequence[Call]], *, clients_max: int = 4) -> History:
    """A well-formed history of these operations, begun in this order."""
    clients = draw(st.integers(1, clients_max))
    wanted = [(call, draw(st.sampled_from(OUTCOMES))) for call in reversed(draw(calls))]
    events: list[Event] = []
    process = list(range(clients))
    running: list[tuple[Call, str] | None] = [None] * clients

    def record(client: int, kind: str, f: str, value: Any) -> None:
        events.append(Event(len(events), len(events) * 1_000, process[client], EventType(kind), f, value))

    while wanted or any(running):
        client = draw(st.integers(0, clients - 1))
        under_way = running[client]
        if under_way is None:
            if not wanted:
                client = next(place for place, call in enumerate(running) if call)
                under_way = running[client]
            else:
                begun = wanted.pop()
                running[client] = begun
                record(client, "invoke", begun[0][0], begun[0][1])
                continue
        if under_way is None:
            continue
        (f, _, result), outcome = under_way
        running[client] = None
        if outcome != "never":
            record(client, outcome, f, result if outcome == "ok" else None)
        if outcome in ("info", "never"):
            process[client] += clients
    return History(events)


def register_calls(values: Callable[[], st.SearchStrategy[Any]], *, cas: bool = True) -> st.SearchStrategy[Call]:
    """Reads, writes and, if wanted, compare-and-swaps over ``values``."""
    read = values().map(lambda value: ("read", None, value))
    write = values().map(lambda value: ("write", value, value))
    swap = st.tuples(values(), values()).map(lambda pair: ("cas", list(pair), list(pair)))
    return st.one_of(read, write, swap) if cas else st.one_of(read, write)


MUTEX_CALLS: st.SearchStrategy[Call] = st.sampled_from([("acquire", None, None), ("release", None, None)])

STRING_CALLS: st.SearchStrategy[Call] = st.one_of(
    st.sampled_from(["", "a", "b", "ab", "ba", "aa", "aab"]).map(lambda text: ("read", None, text)),
    st.sampled_from(["", "a", "b", "ab"]).map(lambda text: ("append", text, text)),
    st.sampled_from(["a", "b"]).map(lambda text: ("write", text, text)),
)

APPEND_ONLY_CALLS: st.SearchStrategy[Call] = st.one_of(
    st.sampled_from(["", "a", "b", "ab", "ba", "aa", "aab"]).map(lambda text: ("read", None, text)),
    st.sampled_from(["", "a", "b"]).map(lambda text: ("append", text, text)),
)

LIST_CALLS: st.SearchStrategy[Call] = st.one_of(
    st.lists(st.integers(1, 3), max_size=3).map(lambda items: ("read", None, items)),
    st.integers(1, 3).map(lambda item: ("append", item, item)),
    st.integers(1, 3).map(lambda item: ("append", item, item)),
)

MICRO = st.one_of(
    st.tuples(st.just("r"), st.sampled_from("xy"), st.sampled_from([None, 1, 2])),
    st.tuples(st.just("w"), st.sampled_from("xy"), st.sampled_from([1, 2])),
)


def _transaction(steps: list[tuple[str, str, Any]]) -> Call:
    invoked = [[f, key, None if f == "r" else value] for f, key, value in steps]
    return ("txn", invoked, [list(step) for step in steps])


TRANSACTION_CALLS: st.SearchStrategy[Call] = st.lists(MICRO, min_size=1, max_size=3).map(_transaction)
