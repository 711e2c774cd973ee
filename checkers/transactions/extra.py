"""SciPy and networkx, imported when they are needed and not before: the rest of the checkers does without."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


class MissingExtraError(RuntimeError):
    """Something is needed that is not installed; the message says how to get it."""


def needed(module: str) -> ModuleType:
    """Import a module of the extra ``transactions``. Raises MissingExtraError."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"transactions are judged with {module.partition('.')[0]}, which is not installed: "
            "pip install 'antipaxos[transactions]'"
        ) from error
