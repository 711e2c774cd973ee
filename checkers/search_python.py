"""The search for a linearization in Python: Wing and Gong's, with Lowe's cache, over compact configurations.

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

from dataclasses import replace
from typing import TypeAlias

from checkers.history import Operation
from checkers.search_terms import (
    NO_STATE,
    OPEN_MAX,
    PYTHON_ENTRY_BYTES,
    STATES_SHOWN,
    Budget,
    Question,
    SearchOutcome,
    States,
)
from checkers.verdict import Verdict

_Open: TypeAlias = list[tuple[int, int]]  # (number in the order of returns, transition), by invocation
_Frame: TypeAlias = tuple[int, int, int, int, int, bool, int, int]
"""low, mask, used, state, before, only info operations left, depth, move.

``move`` is what was placed last to get here: a number in the order of returns, or -1 - the place of an info operation;
``depth`` is how many moves lead here.
"""


class TooWideError(Exception):
    """More operations overlap than the table of open operations may hold."""


class _Problem:
    """A question by the order of returns."""

    def __init__(self, question: Question) -> None:
        operations = list(zip(question.operations, question.transitions, question.completed, strict=True))
        returned = sorted(
            ((_return_index(op), op, number) for op, number, completed in operations if completed), key=_first
        )
        begun = sorted(
            ((op.invoke_index, op, number) for op, number, completed in operations if not completed), key=_first
        )
        self.completed = [op for _, op, _ in returned]
        self.infos = [op for _, op, _ in begun]
        self.completed_transitions = [number for _, _, number in returned]
        self.info_transitions = [number for _, _, number in begun]
        self.info_before = self._equal_before()
        self.forced_at: list[_Open] = []  # by low: the open operations that only read
        self.branching_at: list[_Open] = []  # by low: the other open ones
        self.infos_at: list[int] = []  # by low: how many of the info operations were invoked
        self._sweep(question.forced_transitions)

    def _equal_before(self) -> list[int]:
        """For each info operation, the bit of the previous one of equal transition, or 0."""
        latest: dict[int, int] = {}
        before = []
        for place, transition in enumerate(self.info_transitions):
            before.append(latest.get(transition, 0))
            latest[transition] = 1 << place
        return before

    def _sweep(self, forced_transitions: frozenset[int]) -> None:
        """Fill the tables by walking along the returns, keeping the set of open operations in order of invocation."""
        numbers = self.completed_transitions
        forced = [number in forced_transitions for number in numbers]
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
            if total > OPEN_MAX:
                raise TooWideError
            self.forced_at.append([(rank, numbers[rank]) for rank in is_open if forced[rank]])
            self.branching_at.append([(rank, numbers[rank]) for rank in is_open if not forced[rank]])
            self.infos_at.append(invoked)
            del is_open[low]


def _first(row: tuple[int, Operation, int]) -> int:
    return row[0]


def _return_index(operation: Operation) -> int:
    if operation.complete_index is None:
        raise AssertionError("a completed operation has returned")
    return operation.complete_index


class _Transitions:
    """The model's step function as a table of numbers, filled on demand. -1 stands for illegal."""

    def __init__(self, question: Question) -> None:
        self._numbered = States(question)
        self.states = self._numbered.states
        self.rows: list[dict[int, int]] = [{}]

    def fill(self, state: int, transition: int) -> int:
        (after,) = self._numbered.afters(state, (transition,))
        if after == len(self.rows):
            self.rows.append({})
        self.rows[state][transition] = after
        return after

    def step(self, state: int, transition: int) -> int:
        after = self.rows[state].get(transition)
        return self.fill(state, transition) if after is None else after


def search(question: Question, budget: Budget) -> SearchOutcome:
    """Whether the operations of a question have a linearization. Raises ModelError."""
    try:
        problem = _Problem(question)
    except TooWideError:
        return SearchOutcome(Verdict.UNKNOWN, f"more than {OPEN_MAX} pairs of operations overlap")
    return _Search(problem, question, budget).run()


class _Search:
    """Depth first over configurations, with an explicit stack: histories are longer than Python's own is deep."""

    def __init__(self, problem: _Problem, question: Question, budget: Budget) -> None:
        self._problem = problem
        self._transitions = _Transitions(question)
        self._transitions_count = len(question.examples)
        self._budget = budget
        self._size = len(problem.completed)
        self._stack: list[_Frame] = []
        self._seen: set[tuple[int, int, int]] = set()
        self._seen_used: dict[tuple[int, int, int], list[int]] = {}
        self._cached = 0
        self._cached_max = min(budget.cache_entries_max, budget.memory_bytes_max // PYTHON_ENTRY_BYTES)
        self._steps = 0
        self._deepest = -1
        self._stuck_states: list[int] = []
        self._path: list[int] = []  # the moves that lead to the configuration looked at
        self._best: list[int] = []  # and those that led to the deepest one
        self._common = 0  # how many of them are the same

    def run(self) -> SearchOutcome:
        for transition in range(self._transitions_count):
            self._transitions.step(0, transition)  # an operation the model does not know is an error wherever it stands
        low, mask = self._absorb(0, 0, 0)
        if low == self._size:
            return self._outcome(Verdict.VALID)
        self._stack.append((low, mask, 0, 0, NO_STATE, False, 0, 0))
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
            if self._cached > self._cached_max:
                return self._outcome(Verdict.UNKNOWN, self._full())
            if self._expand(self._stack.pop()):
                self._budget.spend(self._steps - accounted)
                return self._outcome(Verdict.VALID)
        self._budget.spend(self._steps - accounted)
        return self._outcome(Verdict.INVALID)

    def _full(self) -> str:
        if self._cached > self._budget.cache_entries_max:
            return f"the limit of {self._budget.cache_entries_max} cache entries was reached"
        return f"the limit of {self._budget.memory_bytes_max} bytes of memory was reached"

    def _outcome(self, verdict: Verdict, reason: str = "") -> SearchOutcome:
        longest = self._replay()
        if verdict is not Verdict.INVALID:
            return SearchOutcome(verdict, reason, steps=self._steps, cached=self._cached, longest=longest)
        states = tuple(self._transitions.states[state] for state in self._stuck_states)
        stuck = self._problem.completed[self._deepest]
        return SearchOutcome(verdict, "", stuck, states, self._steps, self._cached, longest=longest)

    def _absorb(self, low: int, mask: int, state: int, order: list[int] | None = None) -> tuple[int, int]:
        """Observation 1: place every legal read, as often as that lets ``low`` grow. Notes them in ``order``."""
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
                        if order is not None:
                            order.append(rank)
            if not mask & 1:
                break
            while mask & 1:
                mask >>= 1
                low += 1
        return low, mask

    def _expand(self, frame: _Frame) -> bool:
        """Push what may follow; True when everything has been linearized."""
        low, mask, used, state, before, infos_only, depth, move = frame
        if infos_only:
            return self._expand_infos(frame)
        if depth:
            self._walk(depth, move)
        self._note_depth(low, state, depth)
        if self._problem.infos_at[low]:
            self._stack.append((low, mask, used, state, before, True, depth, move))
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
                return self._arrive(depth + 1, rank)
            if self._is_new(new_low, new_mask, used, after):
                later.append((new_low, new_mask, used, after, NO_STATE, False, depth + 1, rank))
        later.reverse()
        self._stack.extend(later)
        return False

    def _expand_infos(self, frame: _Frame) -> bool:
        low, mask, used, state, before, _, depth, _ = frame
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
            if after in (NO_STATE, state) or (before >= 0 and step(before, transition) == after):
                continue  # illegal, useless, or observation 4
            new_low, new_mask = self._absorb(low, mask, after)
            move = -1 - place
            if new_low == self._size:
                return self._arrive(depth + 1, move)
            idle = new_low == low and new_mask == mask
            if idle and not self._earns_its_place(low, mask, used | bit, state, after):
                continue
            if self._is_new(new_low, new_mask, used | bit, after):
                since = state if idle else NO_STATE
                self._stack.append((new_low, new_mask, used | bit, after, since, False, depth + 1, move))
        return False

    def _earns_its_place(self, low: int, mask: int, used: int, state: int, after: int) -> bool:
        """Observation 4, looked at ahead: whether any operation fares differently in ``after`` than in ``state``."""
        problem, step = self._problem, self._transitions.step
        for rank, transition in problem.branching_at[low]:
            if not mask >> (rank - low) & 1 and step(after, transition) not in (NO_STATE, step(state, transition)):
                return True
        for place in range(problem.infos_at[low]):
            if not used >> place & 1:
                transition = problem.info_transitions[place]
                if step(after, transition) not in (NO_STATE, after, step(state, transition)):
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

    # -- where it got -------------------------------------------------------------------------------------------------

    def _note_depth(self, low: int, state: int, depth: int) -> None:
        if low > self._deepest:
            self._deepest = low
            self._stuck_states = [state]
            self._keep_path(depth)
        elif low == self._deepest and len(self._stuck_states) < STATES_SHOWN and state not in self._stuck_states:
            self._stuck_states.append(state)

    def _walk(self, depth: int, move: int) -> None:
        """Note how the configuration looked at was reached: by this move from one that was looked at before."""
        del self._path[depth - 1 :]
        self._path.append(move)
        self._common = min(self._common, depth - 1)

    def _keep_path(self, depth: int) -> None:
        """Keep the way that leads here; only what it does not share with the one kept before is copied."""
        del self._best[self._common :]
        self._best.extend(self._path[self._common : depth])
        self._common = depth

    def _arrive(self, depth: int, move: int) -> bool:
        self._walk(depth, move)
        self._keep_path(depth)
        return True

    def _replay(self) -> tuple[Operation, ...]:
        """The order that the moves kept stand for, with the reads that were placed between them."""
        problem = self._problem
        order: list[int] = []
        state = 0
        low, mask = self._absorb(0, 0, 0, order)
        for move in self._best:
            order.append(move)
            if move < 0:
                state = self._transitions.step(state, problem.info_transitions[-1 - move])
            else:
                state = self._transitions.step(state, problem.completed_transitions[move])
                mask |= 1 << (move - low)
            low, mask = self._absorb(low, mask, state, order)
        return tuple([problem.completed[move] if move >= 0 else problem.infos[-1 - move] for move in order])
