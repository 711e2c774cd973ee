"""What every search must agree about: with the other one, and with the oracle."""

from __future__ import annotations

from checkers import search_native, search_python
from checkers.history import History
from checkers.search_terms import Budget, Question, SearchOutcome
from checkers.verdict import Limits, Verdict
from tests.checkers.families import Family

UNBOUNDED = Limits(time_s=None)


def both(family: Family, history: History, native: search_native.Engine | None, limits: Limits) -> SearchOutcome:
    """Ask both searches; they must say the same to the last step."""
    operations = history.operations()
    outcome = search_python.search(Question(operations, family.model), Budget(limits))
    if native is not None:
        assert native.search(Question(operations, family.model), Budget(limits)) == outcome
    return outcome


def agree(family: Family, history: History, native: search_native.Engine | None) -> SearchOutcome:
    """Ask both searches and the oracle, which must understand the orders that were found, too."""
    operations = history.operations()
    outcome = both(family, history, native, UNBOUNDED)
    expected = family.linearizable(operations)
    assert outcome.verdict is (Verdict.VALID if expected else Verdict.INVALID)
    assert outcome.longest is not None
    taking_part = [op for op in operations if op.outcome.value != "fail"]
    if expected:
        assert family.explains(outcome.longest, taking_part)
        return outcome
    assert outcome.stuck is not None
    until = outcome.stuck.complete_index
    assert until is not None
    assert outcome.states
    assert family.explains(outcome.longest, taking_part, until - 1)
    assert family.looks_ahead or not family.linearizable(operations, until)
    return outcome
