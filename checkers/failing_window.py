"""The smallest stretch of an object's history that fails by itself.

A history of a million operations is not linearizable because of a few of them, which stand close together. They are
looked for from behind: the operations that were not over before event c and began before the contradiction was complete
make up the window from c on, and it *fails by itself* if no state whatever that the object may have been in lets it be
linearized. What began before c may have taken effect before, so it need not happen in the window, and what it returned
is not held against it. If the window from c fails, so does each one that begins earlier: an order of the longer one,
without what was over before c, would be an order of the shorter one. So the latest c is found by doubling and halving.
From the operations of that window those in doubt are left out that cannot matter (``Model.prune``), and those that
only read, one by one, where the rest still fails: a read changes nothing, and an order of all would be an order of the
rest.

Which states the object may have been in is known of registers (any value that the window meets, or another one) and of
objects with few states, as locks are. Of others only the state in which they began is sure, so their window is all that
came before; and where a search is too long, nothing is found.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from checkers.history import Operation, Outcome
from checkers.models import ILLEGAL, UNSEEN, CasRegister, Model, Register, State
from checkers.search import Budget, SearchOutcome, search
from checkers.verdict import Limits, Verdict

STATES_MAX: Final = 64
"""More states than that are not tried."""
_WINDOW_MAX: Final = 4_000
_READS_LEFT_OUT_MAX: Final = 200
_STEPS: Final = 200_000
"""For each search; one of a small window takes a few hundred."""


@dataclass(frozen=True)
class Window:
    """A window: its operations, as they count in it, from when on, from which states it fails.

    What may have happened before it, or ends after it, has the outcome info in it.
    """

    operations: tuple[Operation, ...]
    since: int
    until: int
    states: tuple[State, ...]
    by_itself: bool


def starting(model: Model, state: State) -> Model:
    """Return the model in another initial state."""
    other = copy.copy(model)
    object.__setattr__(other, "initial", state)  # frozen, as models are
    return other


def find_window(
    operations: Sequence[Operation], model: Model, until: int, limits: Limits, keep: Collection[int] = ()
) -> Window | None:
    """Return the smallest window that fails by event ``until``, or by the first event by which it fails.

    ``operations`` are those of one object, by invocation; those that began at an event in ``keep`` stay in the window.
    None if no search came to an end, or all is linearizable.
    """
    found = _Finding(operations, model, until, limits, keep).find()
    if found is not None:
        return found
    # What contradicts each other may need a third, which was over later; and a model may look ahead.
    stuck = search(operations, model, Budget(limits)).stuck
    if stuck is None or stuck.complete_index is None:
        return None
    last = max(op.invoke_index if op.complete_index is None else op.complete_index for op in operations)
    found = _Finding(operations, model, stuck.complete_index, limits, keep).find()
    return found or _Finding(operations, model, last, limits, keep).find()


class _Finding:
    """The search for a window."""

    def __init__(
        self, operations: Sequence[Operation], model: Model, until: int, limits: Limits, keep: Collection[int]
    ) -> None:
        part = [op for op in operations if op.invoke_index < until]
        self._operations = [op for op in part if op.outcome is not Outcome.FAIL or model.observes(op)]
        self._model = model
        self._until = until
        self._limits = limits
        self._keep = frozenset(keep)
        self._ends = None if limits.time_s is None else limits.clock() + limits.time_s
        self._few = _few_states(model, self._operations)

    def find(self) -> Window | None:
        """Double the window until it fails, halve the last step, and leave out what is not needed."""
        count = len(self._operations)
        if not count:
            return None
        passing = sum(op.invoke_index > min(self._keep, default=self._until) for op in self._operations)
        passing = min(passing, count - 1, _WINDOW_MAX - 1)
        size = passing + 1
        while not (found := self._window(size)):
            if size >= min(count, _WINDOW_MAX) or self._late():
                return self._whole()
            passing, size = size, min(2 * size, count, _WINDOW_MAX)
        while passing + 1 < size:
            middle = (passing + size) // 2
            smaller = self._window(middle)
            if smaller:
                size, found = middle, smaller
            else:
                passing = middle
        return self._plainer(found)

    def _late(self) -> bool:
        return self._ends is not None and self._limits.clock() > self._ends

    def _window(self, size: int) -> Window | None:
        """Return the window of the last ``size`` beginnings if it fails by itself."""
        since = self._operations[-size].invoke_index
        return self._if_failing(_within(self._operations, since, self._until), since)

    def _if_failing(self, operations: Sequence[Operation], since: int) -> Window | None:
        states = self._states(operations)
        if states is None or not all(self._fails(operations, state) for state in states):
            return None
        return Window(tuple(operations), since, self._until, tuple(states), by_itself=True)

    def _states(self, operations: Sequence[Operation]) -> Sequence[State] | None:
        """Return the states in which the object may be before these operations; None if there are too many."""
        if type(self._model) not in (Register, CasRegister):
            return self._few
        met = [op.result for op in operations if op.f == "read" and op.ok]
        met += [op.argument[0] for op in operations if op.f == "cas"]
        states = [*dict.fromkeys(met), UNSEEN]
        return states if len(states) <= STATES_MAX else None

    def _fails(self, operations: Sequence[Operation], state: State) -> bool:
        return self._searched(operations, state).verdict is Verdict.INVALID

    def _searched(self, operations: Sequence[Operation], state: State) -> SearchOutcome:
        left_s = None if self._ends is None else max(0.0, self._ends - self._limits.clock())
        limits = Limits(time_s=left_s, steps=_STEPS, memory_bytes=self._limits.memory_bytes, clock=self._limits.clock)
        return search(operations, starting(self._model, state), Budget(limits))

    def _whole(self) -> Window | None:
        """Return all of it, from the initial state."""
        operations = _within(self._operations, -1, self._until)
        if not self._fails(operations, self._model.initial):
            return None
        since = operations[0].invoke_index
        states = (self._model.initial,)
        return self._plainer(Window(tuple(operations), since, self._until, states, by_itself=False))

    def _plainer(self, window: Window) -> Window:
        """Leave out what may be left out: operations in doubt that cannot matter, and reads that are not needed."""
        window = replace(window, operations=tuple(self._model.prune(window.operations)))
        tried = 0
        for operation in reversed(window.operations):
            if operation.invoke_index in self._keep or not self._model.reads_only(operation):
                continue
            tried += 1
            if tried > _READS_LEFT_OUT_MAX or self._late():
                break
            rest = tuple([op for op in window.operations if op is not operation])
            if all(self._fails(rest, state) for state in window.states):
                window = replace(window, operations=rest)
        return window


def _within(operations: Sequence[Operation], since: int, until: int) -> list[Operation]:
    """Return what was not over before ``since`` and began before ``until``, as it counts in between."""
    found = []
    for op in operations:
        over = None if op.outcome is Outcome.INFO else op.complete_index
        if over is not None and over < since:
            continue
        open_before = op.invoke_index < since
        open_after = over is None or over > until
        if not (open_before or open_after):
            found.append(op)
        elif op.outcome is not Outcome.FAIL:  # in doubt, what failed says nothing
            found.append(msgspec.structs.replace(op, outcome=Outcome.INFO, result=None, complete_index=None))
    return found


def _few_states(model: Model, operations: Sequence[Operation]) -> Sequence[State] | None:
    """Return all states that the operations can lead to, in any order; None if they are many."""
    examples = list({model.transition(op): op for op in operations}.values())
    states, fresh = [model.initial], [model.initial]
    known = {model.initial}
    while fresh:
        state = fresh.pop()
        for example in examples[: STATES_MAX * STATES_MAX]:
            after = model.step(state, example)
            if after is not ILLEGAL and after not in known:
                known.add(after)
                states.append(after)
                fresh.append(after)
                if len(states) > STATES_MAX:
                    return None
    return states if len(examples) <= STATES_MAX * STATES_MAX else None
