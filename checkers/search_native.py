"""The search in C, seen from Python.

``native/search.c`` does what ``search_python`` does, in the same order. Here it gets its operations as arrays, the
cells of the model's table as it asks for them, and leave to go on: it comes back at least every 50 ms, so that Ctrl-C
works and the budget is kept. While it runs it holds no lock of Python's.
"""

from __future__ import annotations

import ctypes
import time
from array import array
from dataclasses import dataclass, replace
from typing import Any, Final

from checkers.native import library
from checkers.search_terms import OPEN_MAX, STATES_SHOWN, Budget, Question, SearchOutcome, States
from checkers.verdict import Verdict

_VALID, _INVALID, _PAUSED, _WANTED, _CACHE_FULL, _MEMORY_FULL, _TOO_WIDE = range(7)
_SEEDS: Final = (0x5EED_0001, 0x5EED_0002)
_NEVER: Final = -(2**63)  # when an info operation returned
_INDEX_MAX: Final = 2**63 - 1
_Numbers = ctypes.POINTER(ctypes.c_int32)


class _Report(ctypes.Structure):
    """What the search says of itself; ``struct report`` in C."""

    _fields_ = (
        ("steps", ctypes.c_int64),
        ("cached", ctypes.c_int64),
        ("memory_bytes", ctypes.c_int64),
        ("wanted", _Numbers),
        ("wanted_count", ctypes.c_int32),
        ("wanted_state", ctypes.c_int32),
        ("stuck", ctypes.c_int32),
        ("states_count", ctypes.c_int32),
        ("states", ctypes.c_int32 * STATES_SHOWN),
        ("exact", ctypes.c_int32),
        ("status", ctypes.c_int32),
    )


@dataclass(frozen=True)
class Engine:
    """The library's functions."""

    new: Any
    run: Any
    fill: Any
    longest: Any
    free: Any

    def search(self, question: Question, budget: Budget) -> SearchOutcome:
        """Whether the operations of a question have a linearization. Raises ModelError."""
        spent = cached = 0
        for seed in _SEEDS:
            handle = _begin(self, question, budget, seed)
            try:
                search = _Search(self, question, budget, handle)
                outcome = search.search()
                certain = search.exact or outcome.verdict is not Verdict.INVALID
            finally:
                self.free(handle)
            spent, cached = spent + outcome.steps, max(cached, outcome.cached)
            if certain:
                break
        return replace(outcome, steps=spent, cached=cached)


def load() -> Engine:
    """Find the library, building it if need be. Raises NoLibraryError."""
    return declare(library.find())


def declare(found: ctypes.CDLL) -> Engine:
    """Say what the library's functions take. Raises NoLibraryError if it has not got them."""
    try:
        engine = Engine(
            found.antipaxos_search_new,
            found.antipaxos_search_run,
            found.antipaxos_search_fill,
            found.antipaxos_search_longest,
            found.antipaxos_search_free,
        )
    except AttributeError as error:
        raise library.NoLibraryError(f"the search's library lacks a function: {error}") from error
    i32, i64, pointer = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p
    engine.new.argtypes = (i32, pointer, pointer, pointer, pointer, i32, i64, i64, i64, ctypes.c_uint64)
    engine.new.restype = ctypes.POINTER(_Report)
    engine.run.argtypes = (pointer, i64, ctypes.c_double)
    engine.run.restype = i32
    engine.fill.argtypes = (pointer, i32, i32, pointer, pointer)
    engine.fill.restype = i32
    engine.longest.argtypes = (pointer, pointer)
    engine.longest.restype = i32
    engine.free.argtypes = (pointer,)
    engine.free.restype = None
    return engine


def fits(question: Question) -> bool:
    """Whether the numbers of a question are numbers in C."""
    begun = [op.invoke_index for op in question.operations]
    over = [op.complete_index or 0 for op in question.operations]
    return max(begun + over, default=0) <= _INDEX_MAX and min(begun, default=0) > _NEVER


def _address(numbers: array[Any]) -> int:
    return numbers.buffer_info()[0]


class _Search:
    """One search, from its arrays to its outcome."""

    def __init__(self, engine: Engine, question: Question, budget: Budget, handle: Any) -> None:
        self._engine = engine
        self._question = question
        self._budget = budget
        self._numbered = States(question)
        self._handle = ctypes.cast(handle, ctypes.c_void_p)
        self._report = handle.contents
        self._accounted = 0

    @property
    def exact(self) -> bool:
        """Whether configurations are remembered as they are, not by fingerprints."""
        return bool(self._report.exact)

    def search(self) -> SearchOutcome:
        """Search until there is an answer or a bound is met."""
        if self._report.status == _PAUSED:
            self._fill(0, range(len(self._question.examples)))  # what the model does not know is an error in any case
        status, reason = self._run()
        self._budget.spend(self._report.steps - self._accounted)
        outcome = SearchOutcome(
            Verdict.UNKNOWN, steps=self._report.steps, cached=self._report.cached, longest=self._longest()
        )
        match status:
            case _ if reason is not None:
                return replace(outcome, reason=reason, may_try_again=True)
            case 0:
                return replace(outcome, verdict=Verdict.VALID)
            case 1:
                states = tuple([self._numbered.states[n] for n in self._report.states[: self._report.states_count]])
                stuck = self._question.operations[self._report.stuck]
                return replace(outcome, verdict=Verdict.INVALID, stuck=stuck, states=states)
        return replace(outcome, reason=self._bound(status))

    def _bound(self, status: int) -> str:
        match status:
            case 4:
                return f"the limit of {self._budget.cache_entries_max} cache entries was reached"
            case 5:
                return f"the limit of {self._budget.memory_bytes_max} bytes of memory was reached"
        return f"more than {OPEN_MAX} pairs of operations overlap"

    def _run(self) -> tuple[int, str | None]:
        """Let it run, slice by slice, until it ends: how it did, or why it must."""
        report, run = self._report, self._engine.run
        steps, seconds = self._budget.slice()
        began_s = time.monotonic()
        while True:
            status: int = run(self._handle, steps - (report.steps - self._accounted), seconds)
            if status == _WANTED:
                self._fill(report.wanted_state, report.wanted[: report.wanted_count])
                if time.monotonic() - began_s < seconds:
                    continue
            elif status != _PAUSED:
                return status, None
            taken = report.steps - self._accounted
            self._accounted += taken
            reason = self._budget.spend(taken)
            if reason is not None:
                return status, reason
            steps, seconds = self._budget.slice()
            began_s = time.monotonic()

    def _fill(self, state: int, transitions: list[int] | range) -> None:
        wanted = array("i", transitions)
        afters = array("i", self._numbered.afters(state, transitions))
        self._engine.fill(self._handle, state, len(wanted), _address(wanted), _address(afters))

    def _longest(self) -> tuple[Any, ...]:
        operations = self._question.operations
        order = array("i", bytes(4 * len(operations)))
        count = self._engine.longest(self._handle, _address(order))
        return tuple([operations[place] for place in order[:count]])


def _begin(engine: Engine, question: Question, budget: Budget, seed: int) -> Any:
    forced_transitions = question.forced_transitions
    operations = question.operations
    invoked = array("q", [op.invoke_index for op in operations])
    over = zip(operations, question.completed, strict=True)
    returned = array("q", [(op.complete_index or 0) if completed else _NEVER for op, completed in over])
    transitions = array("i", question.transitions)
    forced = bytes([n in forced_transitions for n in question.transitions])
    handle = engine.new(
        len(operations),
        _address(invoked),
        _address(returned),
        _address(transitions),
        forced,
        len(question.examples),
        OPEN_MAX,
        min(budget.cache_entries_max, _INDEX_MAX),
        min(budget.memory_bytes_max, _INDEX_MAX),
        seed,
    )
    if not handle:
        raise MemoryError("no memory for a search")
    return handle
