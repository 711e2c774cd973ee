"""The search for a linearization of one object: which of the two implementations answers.

``search_native`` is C and some ten times as fast; ``search_python`` is there where no compiler ever was. They take
the same steps in the same order, so it makes no difference but in time. Whoever wants one of them in particular says so
by ``ANTIPAXOS_SEARCH=python`` or ``=native`` (which is then an error where it cannot be had).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Final

from checkers import search_native, search_python
from checkers.history import Operation
from checkers.models import Model
from checkers.native.library import NoLibraryError
from checkers.search_terms import Budget, Question, SearchOutcome

__all__ = ["Budget", "SearchOutcome", "engine", "search"]

CHOICE: Final = "ANTIPAXOS_SEARCH"


@functools.cache
def _native() -> search_native.Engine | NoLibraryError:
    try:
        return search_native.load()
    except NoLibraryError as error:
        return error


def engine() -> search_native.Engine | None:
    """The search in C, or None where the one in Python has to do. Raises NoLibraryError, ValueError."""
    choice = os.environ.get(CHOICE, "")
    if choice not in ("", "native", "python"):
        raise ValueError(f"{CHOICE}={choice!r} is neither native nor python")
    if choice == "python":
        return None
    found = _native()
    if isinstance(found, NoLibraryError):
        if choice == "native":
            raise found
        return None
    return found


def search(operations: Sequence[Operation], model: Model, budget: Budget) -> SearchOutcome:
    """Whether the operations of one partition have a linearization. Raises ModelError."""
    question = Question(operations, model)
    native = engine()
    if native is None or not search_native.fits(question):
        return search_python.search(question, budget)
    return native.search(question, budget)
