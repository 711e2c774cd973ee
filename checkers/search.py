"""The search for a linearization: Wing and Gong's, with Lowe's cache, over compact configurations.

Wing and Gong (1993) try, among the operations that no other one must precede, each in turn, and go back when
stuck. Lowe (2017, "Testing for linearizability") remembers every pair of (set of linearized operations,
state) already tried; Horn and Kroening (2015) do so one object at a time. Usually a doubly linked list of
calls and returns is edited on the way down and mended on the way back. Here a configuration is an immutable
value instead, so there is nothing to mend:

    low    how many operations, in the order of their returns, are linearized without a gap;
    mask   which of the later ones are too: bit k stands for the operation that returns as number low + k;
    used   which info operations have been placed;
    state  the number of the model's state.

Only operations invoked before the return of number ``low`` may come next. So everything linearized beyond
``low`` was open at that moment: (low, mask) is the linearized set *exactly*, in an integer not much wider
than the number of clients. That is why no fingerprint is needed, and none can collide.

Four observations keep the number of configurations small, each with its reason:

1. Forced reads. An operation that is an identity wherever it is legal (``Model.reads_only``) is placed as soon as it is
   legal: whatever linearization continues from here, moving it to the front breaks nothing.
2. Info operations need never be placed. The search ends when all ok ones are, and a configuration is not worth trying
   when one with the same (low, mask, state) and a subset of its info operations was tried: it can do all the same.
3. Info operations of equal transition are placed in the order of their invocation: exchanging two of them changes no
   state, and the earlier is available whenever the later is.
4. An info operation must earn its place: it is followed by an operation that it made legal or whose outcome it changed.
   Otherwise leaving it out leads to the same state with one info operation fewer, which observation 2 prefers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from checkers.history import Operation
from checkers.models import ILLEGAL, Model, State
from checkers.verdict import Limits, Verdict

_OPEN_MAX: Final = 20_000_000  # entries in the table of open operations, about 1 GB
_STATES_SHOWN: Final = 8  # states kept to explain where a search got stuck
_STEPS_PER_CLOCK: Final = 256  # configurations between two looks at the clock
_NO_STATE: Final = -1


class Budget:
    """What is left of a check's Limits, dealt out to the searches one after another. Steps count configurations.

    Each search gets an equal share of what is left, so that one hard object cannot hide a violation of another; what an
    easy one leaves over goes to those after it.
    """

    def __init__(self, limits: Limits) -> None:
        self._clock: Callable[[], float] = limits.clock
        self._time_s = limits.time_s
        self._ends_s = None if limits.time_s is None else limits.clock() + limits.time_s
        self._steps_max = limits.steps
        self.cache_entries_max = limits.cache_entries
        self.steps = 0
        self._share_ends_s = self._ends_s
        self._share_steps = self._steps_max

    def exhausted(self) -> bool:
        """Whether nothing is left to share."""
        late = self._ends_s is not None and self._clock() > self._ends_s
        return late or (self._steps_max is not None and self.steps > self._steps_max)

    def begin_share(self, of: int) -> None:
        """Start the next search, one of ``of`` that are still to come."""
        if self._ends_s is not None:
            now_s = self._clock()
            self._share_ends_s = now_s + max(0.0, self._ends_s - now_s) / of
        if self._steps_max is not None:
            self._share_steps = self.steps + max(0, self._steps_max - self.steps) // of

    def spend(self, steps: int) -> str | None:
        """Account for ``steps``; the reason to stop, if there is one."""
        self.steps += steps
        if self._share_steps is not None and self.steps > self._share_steps:
            return f"the limit of {self._steps_max} search steps was reached"
        if self._share_ends_s is not None and self._clock() > self._share_ends_s:
            return f"the time limit of {self._time_s:g} s was reached"
        return None

    def steps_until_check(self) -> int:
        """How many steps may pass before ``spend`` must be asked again."""
        if self._share_steps is None:
            return _STEPS_PER_CLOCK
        return max(1, min(_STEPS_PER_CLOCK, self._share_steps - self.steps + 1))


@dataclass(frozen=True)
class SearchOutcome:
    """How a search ended.

    ``reason`` says why the verdict is unknown. ``stuck`` is, for an invalid one, the first operation to return that no
    linearization of everything before could accommodate, and ``states`` are model states (a few) in which that was so.
    ``cached`` counts remembered configurations.
    """

    verdict: Verdict
    reason: str = ""
    stuck: Operation | None = None
    states: tuple[State, ...] = ()
    steps: int = 0
    cached: int = 0
    may_try_again: bool = False  # it ran out of its share of the time or steps


_Open: TypeAlias = list[tuple[int, int]]  # (number in the order of returns, transition), by invocation
_Frame: TypeAlias = tuple[int, int, int, int, int, bool]  # low, mask, used, state, before, only info operations left


class _TooWideError(Exception):
    """More operations overlap than the table of open operations may hold."""


class _Problem:
    """One partition in the search's terms: numbers instead of operations."""

    def __init__(self, operations: Sequence[Operation], model: Model) -> None:
        self.completed = sorted((op for op in operations if op.ok), key=_return_index)
        self.infos = sorted((op for op in operations if not op.ok), key=lambda op: op.invoke_index)
        self._numbers: dict[Hashable, int] = {}
        self.examples: list[Operation] = []  # by transition
        self.info_transitions = [self._number(model, op) for op in self.infos]
        self.info_before = self._equal_before()
        self.forced_at: list[_Open] = []  # by low: the open operations that only read
        self.branching_at: list[_Open] = []  # by low: the other open ones
        self.infos_at: list[int] = []  # by low: how many of the info operations were invoked
        self._sweep(model)

    def _number(self, model: Model, operation: Operation) -> int:
        transition = model.transition(operation)
        number = self._numbers.setdefault(transition, len(self.examples))
        if number == len(self.examples):
            self.examples.append(operation)
        return number

    def _equal_before(self) -> list[int]:
        """For each info operation, the bit of the previous one of equal transition, or 0."""
        latest: dict[int, int] = {}
        before = []
        for place, transition in enumerate(self.info_transitions):
            before.append(latest.get(transition, 0))
            latest[transition] = 1 << place
        return before

    def _sweep(self, model: Model) -> None:
        """Fill the tables by walking along the returns, keeping the set of open operations in order of invocation."""
        numbers = [self._number(model, op) for op in self.completed]
        forced = [model.reads_only(op) for op in self.completed]
        self.forced_transitions = {number for number, only in zip(numbers, forced, strict=True) if only}
        by_call = sorted(range(len(self.completed)), key=lambda rank: self.completed[rank].invoke_index)
        is_open: dict[int, None] = {}  # ordered
        called = invoked = total = 0
        for low, operation in enumerate(self.completed):
            returned = _return_index(operation)
            while called < len(by_call) and self.completed[by_call[called]].invoke_index < returned:
                is_open[by_call[called]] = None
                called += 1
            while invoked < len(self.infos) and self.infos[invoked].invoke_index < returned:
                invoked += 1
            total += len(is_open)
            if total > _OPEN_MAX:
                raise _TooWideError
            self.forced_at.append([(rank, numbers[rank]) for rank in is_open if forced[rank]])
            self.branching_at.append([(rank, numbers[rank]) for rank in is_open if not forced[rank]])
            self.infos_at.append(invoked)
            del is_open[low]


def _return_index(operation: Operation) -> int:
    if operation.complete_index is None:
        raise AssertionError("an ok operation has returned")
    return operation.complete_index


class _Transitions:
    """The model's step function as a table of numbers, filled on demand. -1 stands for illegal."""

    def __init__(self, model: Model, problem: _Problem) -> None:
        self._model = model
        self._examples = problem.examples
        self._forced = problem.forced_transitions
        self._numbers: dict[Hashable, int] = {model.initial: 0}
        self.states: list[State] = [model.initial]
        self.rows: list[dict[int, int]] = [{}]

    def fill(self, state: int, transition: int) -> int:
        after = self._model.step(self.states[state], self._examples[transition])
        number = _NO_STATE
        if after is not ILLEGAL:
            number = self._numbers.setdefault(after, len(self.states))
            if number == len(self.states):
                self.states.append(after)
                self.rows.append({})
        if transition in self._forced and number not in (_NO_STATE, state):
            raise ValueError(f"{type(self._model).__name__}.reads_only holds for an operation that changes the state")
        self.rows[state][transition] = number
        return number

    def step(self, state: int, transition: int) -> int:
        after = self.rows[state].get(transition)
        return self.fill(state, transition) if after is None else after


def search(operations: Sequence[Operation], model: Model, budget: Budget) -> SearchOutcome:
    """Whether ok and info operations of one partition have a linearization. Raises ModelError."""
    operations = model.prune([op for op in operations if op.outcome.value != "fail"])
    model = model.specialise(operations)
    try:
        problem = _Problem(operations, model)
    except _TooWideError:
        return SearchOutcome(Verdict.UNKNOWN, f"more than {_OPEN_MAX} pairs of operations overlap")
    return _Search(problem, model, budget).run()


class _Search:
    """Depth first over configurations, with an explicit stack: histories are longer than Python's own is deep."""

    def __init__(self, problem: _Problem, model: Model, budget: Budget) -> None:
        self._problem = problem
        self._transitions = _Transitions(model, problem)
        self._budget = budget
        self._size = len(problem.completed)
        self._stack: list[_Frame] = []
        self._seen: set[tuple[int, int, int]] = set()
        self._seen_used: dict[tuple[int, int, int], list[int]] = {}
        self._cached = 0
        self._steps = 0
        self._deepest = -1
        self._stuck_states: list[int] = []

    def run(self) -> SearchOutcome:
        for transition in range(len(self._problem.examples)):
            self._transitions.step(0, transition)  # an operation the model does not know is an error wherever it stands
        low, mask = self._absorb(0, 0, 0)
        if low == self._size:
            return self._outcome(Verdict.VALID)
        self._stack.append((low, mask, 0, 0, _NO_STATE, False))
        accounted = 0
        until = self._budget.steps_until_check()
        while self._stack:
            self._steps += 1
            if self._steps - accounted >= until:
                reason = self._budget.spend(self._steps - accounted)
                accounted = self._steps
                until = self._budget.steps_until_check()
                if reason is not None:
                    return replace(self._outcome(Verdict.UNKNOWN, reason), may_try_again=True)
            if self._cached > self._budget.cache_entries_max:
                return self._outcome(
                    Verdict.UNKNOWN,
                    f"the limit of {self._budget.cache_entries_max} cache entries was reached",
                )
            if self._expand(self._stack.pop()):
                self._budget.spend(self._steps - accounted)
                return self._outcome(Verdict.VALID)
        self._budget.spend(self._steps - accounted)
        return self._outcome(Verdict.INVALID)

    def _outcome(self, verdict: Verdict, reason: str = "") -> SearchOutcome:
        if verdict is not Verdict.INVALID:
            return SearchOutcome(verdict, reason, steps=self._steps, cached=self._cached)
        states = tuple(self._transitions.states[state] for state in self._stuck_states)
        stuck = self._problem.completed[self._deepest]
        return SearchOutcome(verdict, "", stuck, states, self._steps, self._cached)

    def _absorb(self, low: int, mask: int, state: int) -> tuple[int, int]:
        """Observation 1: place every legal read, as often as that lets ``low`` grow."""
        size, forced_at = self._size, self._problem.forced_at
        row, fill = self._transitions.rows[state], self._transitions.fill
        while low < size:
            for rank, transition in forced_at[low]:
                bit = 1 << (rank - low)
                if not mask & bit:
                    after = row.get(transition)
                    if after is None:
                        after = fill(state, transition)
                    if after >= 0:
                        mask |= bit
            if not mask & 1:
                break
            while mask & 1:
                mask >>= 1
                low += 1
        return low, mask

    def _expand(self, frame: _Frame) -> bool:
        """Push what may follow; True when everything has been linearized."""
        low, mask, used, state, before, infos_only = frame
        if infos_only:
            return self._expand_infos(frame)
        self._note_depth(low, state)
        if self._problem.infos_at[low]:
            self._stack.append((low, mask, used, state, before, True))
        row, fill = self._transitions.rows[state], self._transitions.fill
        later: list[_Frame] = []
        for rank, transition in self._problem.branching_at[low]:
            bit = 1 << (rank - low)
            if mask & bit:
                continue
            after = row.get(transition)
            if after is None:
                after = fill(state, transition)
            if after < 0 or (before >= 0 and self._transitions.step(before, transition) == after):
                continue  # illegal, or observation 4
            new_low, new_mask = self._absorb(low, mask | bit, after)
            if new_low == self._size:
                return True
            if self._is_new(new_low, new_mask, used, after):
                later.append((new_low, new_mask, used, after, _NO_STATE, False))
        later.reverse()
        self._stack.extend(later)
        return False

    def _expand_infos(self, frame: _Frame) -> bool:
        low, mask, used, state, before, _ = frame
        problem, step = self._problem, self._transitions.step
        available = problem.infos_at[low]
        self._steps += available
        for place in range(available):
            bit = 1 << place
            earlier = problem.info_before[place]
            if used & bit or (earlier and not used & earlier):
                continue  # placed already, or observation 3
            transition = problem.info_transitions[place]
            after = step(state, transition)
            if after in (_NO_STATE, state) or (before >= 0 and step(before, transition) == after):
                continue  # illegal, useless, or observation 4
            new_low, new_mask = self._absorb(low, mask, after)
            if new_low == self._size:
                return True
            idle = new_low == low and new_mask == mask
            if idle and not self._earns_its_place(low, mask, used | bit, state, after):
                continue
            if self._is_new(new_low, new_mask, used | bit, after):
                self._stack.append((new_low, new_mask, used | bit, after, state if idle else _NO_STATE, False))
        return False

    def _earns_its_place(self, low: int, mask: int, used: int, state: int, after: int) -> bool:
        """Observation 4, looked at ahead: whether any operation fares differently in ``after`` than in ``state``."""
        problem, step = self._problem, self._transitions.step
        for rank, transition in problem.branching_at[low]:
            if not mask >> (rank - low) & 1 and step(after, transition) not in (
                _NO_STATE,
                step(state, transition),
            ):
                return True
        for place in range(problem.infos_at[low]):
            if not used >> place & 1:
                transition = problem.info_transitions[place]
                if step(after, transition) not in (_NO_STATE, after, step(state, transition)):
                    return True
        return False

    def _is_new(self, low: int, mask: int, used: int, state: int) -> bool:
        """Remember a configuration; False if it, or one that can do all the same (observation 2), is known."""
        key = (low, mask, state)
        if not self._problem.infos:
            if key in self._seen:
                return False
            self._seen.add(key)
        else:
            known = self._seen_used.setdefault(key, [])
            for other in known:
                if other & used == other:
                    return False
            known.append(used)
        self._cached += 1
        return True

    def _note_depth(self, low: int, state: int) -> None:
        if low > self._deepest:
            self._deepest = low
            self._stuck_states = [state]
        elif low == self._deepest and len(self._stuck_states) < _STATES_SHOWN and state not in self._stuck_states:
            self._stuck_states.append(state)
