"""What both searches have in common: the question in numbers, what may be spent on it, and the answer.

There are two searches of the same answers: ``search_native``, in C, and ``search_python``, which needs no compiler and
says why either is right. Both are asked about a ``Question``: the operations of one object, pruned, each with its
transition as a number; and they know the model as ``States``, a numbering of what it can be in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from checkers.history import Operation, Outcome
from checkers.models import ILLEGAL, Model, State
from checkers.verdict import Limits, Verdict

OPEN_MAX: Final = 20_000_000  # pairs of an operation's return and an operation open then
STATES_SHOWN: Final = 8  # states kept to explain where a search got stuck
NO_STATE: Final = -1
PYTHON_ENTRY_BYTES: Final = 250  # what a remembered configuration takes in Python, about
_STEPS_PER_CLOCK: Final = 256  # configurations between two looks at the clock
_MANY: Final = 2**62
_SLICE_S: Final = 0.05  # how long the search in C may keep Python from its signals


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
        self.cache_entries_max = _MANY if limits.cache_entries is None else limits.cache_entries
        self.memory_bytes_max = limits.memory_bytes
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

    def share(self, limits: Limits, of: int, processes: int) -> Limits:
        """What each of ``of`` searches may spend if ``processes`` of them go on at once."""
        steps = None if self._steps_max is None else max(0, self._steps_max - self.steps) // of
        memory_bytes = max(1, limits.memory_bytes // processes)
        if self._ends_s is None:
            return replace(limits, steps=steps, memory_bytes=memory_bytes)
        rounds = -(-of // processes)
        time_s = max(0.0, self._ends_s - self._clock()) / rounds
        return replace(limits, steps=steps, memory_bytes=memory_bytes, time_s=time_s)

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
        return min(_STEPS_PER_CLOCK, self._steps_left())

    def slice(self) -> tuple[int, float]:
        """The same for a search that has a clock of its own: how many steps, and how many seconds."""
        if self._clock is not time.monotonic:
            return self.steps_until_check(), _SLICE_S
        if self._share_ends_s is None:
            return self._steps_left(), _SLICE_S
        return self._steps_left(), min(_SLICE_S, max(0.0, self._share_ends_s - self._clock()))

    def _steps_left(self) -> int:
        return _MANY if self._share_steps is None else max(1, self._share_steps - self.steps + 1)


@dataclass(frozen=True)
class SearchOutcome:
    """How a search ended.

    ``reason`` says why the verdict is unknown. ``stuck`` is, for an invalid one, the first operation to return that no
    linearization of everything before could accommodate, and ``states`` are model states (a few) in which that was so.
    ``longest`` is the longest order found: of all operations that returned, if the verdict is valid; else the first
    order found of all that returned before ``stuck``, with what else had a place in it. ``cached`` counts remembered
    configurations.
    """

    verdict: Verdict
    reason: str = ""
    stuck: Operation | None = None
    states: tuple[State, ...] = ()
    steps: int = 0
    cached: int = 0
    may_try_again: bool = False  # it ran out of its share of the time or steps
    longest: tuple[Operation, ...] | None = None


class Question:
    """One object's operations in the search's terms: numbers. Raises ModelError."""

    def __init__(self, operations: Sequence[Operation], model: Model) -> None:
        fail, info, observes = Outcome.FAIL, Outcome.INFO, model.observes
        pruned = model.prune([op for op in operations if op.outcome is not fail or observes(op)])
        self.model = model.specialise(pruned)
        self.operations = pruned
        self.completed = [op.outcome is not info for op in pruned]
        self.examples: list[Operation] = []  # by transition
        self._numbers: dict[Hashable, int] = {}
        self.transitions = self._numbered()
        self.forced_transitions = self._forced()

    def _numbered(self) -> list[int]:
        """Number the transitions, in order of appearance."""
        transition, numbers, examples = self.model.transition, self._numbers, self.examples
        result = []
        for op in self.operations:
            thing = transition(op)
            number = numbers.get(thing)
            if number is None:
                number = numbers[thing] = len(examples)
                examples.append(op)
            result.append(number)
        return result

    def _forced(self) -> frozenset[int]:
        """The transitions of completed operations that only read."""
        return frozenset(
            number
            for number, example in enumerate(self.examples)
            if example.outcome is not Outcome.INFO and self.model.reads_only(example)
        )


class States:
    """The model's step function in numbers: states by order of appearance, the initial one is 0; -1 is illegal."""

    def __init__(self, question: Question) -> None:
        self._model = question.model
        self._examples = question.examples
        self._forced = question.forced_transitions
        self._numbers: dict[Hashable, int] = {self._model.initial: 0}
        self.states: list[State] = [self._model.initial]

    def afters(self, state: int, transitions: Iterable[int]) -> list[int]:
        """The states after some transitions."""
        step, before = self._model.step, self.states[state]
        examples, numbers, forced = self._examples, self._numbers, self._forced
        found = []
        for transition in transitions:
            reached = step(before, examples[transition])
            if reached is ILLEGAL or reached is before:
                found.append(NO_STATE if reached is ILLEGAL else state)
                continue
            number = numbers.get(reached)
            if number is None:
                number = numbers[reached] = len(self.states)
                self.states.append(reached)
            if number != state and transition in forced:
                raise ValueError(
                    f"{type(self._model).__name__}.reads_only holds for an operation that changes the state"
                )
            found.append(number)
        return found
