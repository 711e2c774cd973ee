"""The making of counterexamples: an anomaly of ``Linearizable``, in its window.

The window and the reasons are found by searching again, small and bounded. Where that leads to nothing, what is left
is the proof: the operations that the anomaly names, and what was under way meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from checkers.counterexample import Counterexample, Placement, Refusal
from checkers.failing_window import Window, find_window, starting
from checkers.history import History, Operation, Outcome
from checkers.models import ILLEGAL, Model, State
from checkers.projection import projected
from checkers.refusals import shown, why
from checkers.search import Budget, SearchOutcome, search
from checkers.sentences import who
from checkers.verdict import Anomaly, Limits

OPERATIONS_MAX: Final = 400
"""More of a window's operations are not kept."""
REFUSALS_MAX: Final = 24
_STEPS: Final = 1_000_000
_EARLY: Final = 1
"""How many of three or more operations of a proof only say that a value is an old one."""


def counterexample(history: History, model: Model, anomaly: Anomaly, limits: Limits) -> Counterexample:
    """Show an anomaly where it happened. ``limits`` bound the searches; raises ModelError as the checker does."""
    operations = _of_object(history, model, anomaly)
    proof = tuple(op.invoke_index for op in anomaly.operations)
    window = window_of(operations, model, anomaly, limits)
    if window is None:
        return _of_proof(anomaly, model, operations)
    state, outcome = _longest(window, model, limits)
    order = outcome.longest or ()
    placements, after = _placed(order, starting(model, state))
    earlier = sum(op.complete_index is not None and op.complete_index < window.since for op in operations)
    original = {op.invoke_index: op for op in operations}
    note = "whatever the state was before, nothing else helps" if window.by_itself and len(window.states) > 1 else ""
    kept = _kept([original[op.invoke_index] for op in window.operations], {*proof})
    if len(kept) < len(window.operations):
        note = "; ".join([*([note] if note else []), f"{len(window.operations) - len(kept)} operations are left out"])
    return Counterexample(
        kind=anomaly.kind,
        sentence=anomaly.sentence,
        model=_name(model),
        key=anomaly.key,
        proof=proof,
        stuck=None if outcome.stuck is None else outcome.stuck.invoke_index,
        since=window.since,
        until=window.until,
        operations=kept,
        earlier=earlier,
        state_before=shown(model, state),
        order=placements,
        refusals=_refusals(window, order, starting(model, after), outcome.stuck),
        note=note,
    )


def window_of(operations: Sequence[Operation], model: Model, anomaly: Anomaly, limits: Limits) -> Window | None:
    """Return the smallest window of an object's history that fails for the anomaly's reason; else for any."""
    until = _end(anomaly)
    proof = [op.invoke_index for op in anomaly.operations]
    keep = proof[_EARLY:] if len(proof) > _EARLY + 1 else proof
    few = projected(operations, model, anomaly.operations)
    found = find_window(few, model, until, limits, keep) if few else None
    return found or find_window(operations, model, until, limits, keep)


def _end(anomaly: Anomaly) -> int:
    return max(op.invoke_index if op.complete_index is None else op.complete_index for op in anomaly.operations)


def _name(model: Model) -> str:
    return type(model).__name__


def _of_object(history: History, model: Model, anomaly: Anomaly) -> Sequence[Operation]:
    where = model.partition(anomaly.operations[0])
    return [op for op in history.operations() if model.partition(op) == where]


def _of_proof(anomaly: Anomaly, model: Model, operations: Sequence[Operation]) -> Counterexample:
    """What can be shown without a search."""
    since, until = anomaly.operations[0].invoke_index, _end(anomaly)
    around = [
        op
        for op in operations
        if op.invoke_index <= until and (op.complete_index is None or op.complete_index >= since)
    ]
    proof = tuple(op.invoke_index for op in anomaly.operations)
    kept = _kept(around, {*proof})
    left_out = f", {len(around) - len(kept)} operations are left out" if len(kept) < len(around) else ""
    return Counterexample(
        kind=anomaly.kind,
        sentence=anomaly.sentence,
        model=_name(model),
        key=anomaly.key,
        proof=proof,
        since=since,
        until=until,
        operations=kept,
        note=f"the search for the longest order met its bound{left_out}",
    )


def _kept(operations: Sequence[Operation], proof: set[int]) -> tuple[Operation, ...]:
    """Return the proof and what is next to it in the end, as many as are kept."""
    if len(operations) <= OPERATIONS_MAX:
        return tuple(operations)
    first = len(operations) - OPERATIONS_MAX
    return tuple(op for place, op in enumerate(operations) if place >= first or op.invoke_index in proof)


def _longest(window: Window, model: Model, limits: Limits) -> tuple[State, SearchOutcome]:
    """Return the state from which the longest order goes on, and that order."""
    best: tuple[State, SearchOutcome] | None = None
    for state in window.states:
        budget = Budget(Limits(time_s=limits.time_s, steps=_STEPS, clock=limits.clock))
        outcome = search(window.operations, starting(model, state), budget)
        if best is None or len(outcome.longest or ()) > len(best[1].longest or ()):
            best = (state, outcome)
    if best is None:
        raise AssertionError("a window fails from some state")
    return best


def _placed(order: Sequence[Operation], model: Model) -> tuple[tuple[Placement, ...], State]:
    """Return the order with the state after each, and the last state."""
    state, placements = model.initial, []
    for op in order:
        state = model.step(state, op)
        placements.append(Placement(op.invoke_index, shown(model, state)))
    return tuple(placements), state


def _refusals(window: Window, order: Sequence[Operation], model: Model, stuck: Operation | None) -> tuple[Refusal, ...]:
    """Say of each operation that could come next why it does not; the one that nothing helps first."""
    placed = {op.invoke_index for op in order}
    left = [op for op in window.operations if op.invoke_index not in placed]
    over = [op.complete_index for op in left if op.outcome is not Outcome.INFO and op.complete_index is not None]
    first_over = min(over, default=window.until)
    following = [op for op in left if op.invoke_index < first_over]
    following.sort(key=lambda op: (stuck is None or op.invoke_index != stuck.invoke_index, op.invoke_index))
    return tuple([Refusal(op.invoke_index, _why(model, op, stuck)) for op in following[:REFUSALS_MAX]])


def _why(model: Model, operation: Operation, stuck: Operation | None) -> str:
    after = model.step(model.initial, operation)
    if after is ILLEGAL:
        return why(model, model.initial, operation)
    if stuck is None or model.step(after, stuck) is not ILLEGAL:
        return f"it may come here and leads to {shown(model, after)}, but no order with it goes on to the end"
    return f"it may come here, but does not help: {who(stuck)} is not possible after it either"
