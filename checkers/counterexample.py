"""What a person needs in order to see that a history is not linearizable, and nothing more.

An anomaly names its kind and the few operations that prove it. A counterexample shows them where they happened: the
*window* of the history around them, the state in which it begins, the longest order of its operations that the object
allows, and why none of those that could come next may. It is made on demand, of one anomaly: searching for the longest
order costs more than the verdict did.

Operations are told apart by the index of their invocation. States and reasons are sentences, made here once for the
terminal, for JSON and for the page.
"""

from __future__ import annotations

from typing import Any

import msgspec

from checkers.history import Operation


class Placement(msgspec.Struct, frozen=True):
    """An operation in the longest order, and the state after it."""

    operation: int
    state: str


class Refusal(msgspec.Struct, frozen=True):
    """An operation that could come next by real time, and why the object does not allow it there."""

    operation: int
    why: str


class Counterexample(msgspec.Struct, frozen=True, kw_only=True):
    """One anomaly in its window.

    ``proof`` are the operations that the anomaly names; ``stuck`` is the first operation to return that no order
    accommodates, None if that was not searched for (``note`` says why). The window is what began before event ``until``
    and was not over before event ``since``: ``operations``, by invocation. ``earlier`` operations were placed before it
    and led to ``state_before``; ``order`` goes on from there, and ``refusals`` say why it does not go further.
    """

    kind: str
    sentence: str
    model: str
    key: Any = None
    proof: tuple[int, ...]
    stuck: int | None = None
    since: int
    until: int
    operations: tuple[Operation, ...]
    earlier: int = 0
    state_before: str = ""
    order: tuple[Placement, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    note: str = ""
