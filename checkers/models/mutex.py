"""Locks, plain and fenced."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from checkers.history import Operation
from checkers.models.base import ILLEGAL, Illegal, Model, ModelError, State


@dataclass(frozen=True)
class Mutex(Model):
    """``acquire`` takes a free lock, ``release`` frees a taken one. As in Knossos, who holds it is not looked at."""

    initial: bool = False

    def step(self, state: State, operation: Operation) -> State | Illegal:
        if operation.f == "acquire":
            return ILLEGAL if state else True
        if operation.f == "release":
            return False if state else ILLEGAL
        raise ModelError(self, operation)

    def transition(self, operation: Operation) -> Hashable:
        return operation.f


@dataclass(frozen=True)
class FencedMutex(Model):
    """``acquire`` takes a free lock and returns a token greater than all before; ``release`` frees a taken one.

    Tokens are integers. The state is (whether it is taken, the greatest token so far); ``initial`` may give a token
    that was handed out before. Who releases is not looked at.
    """

    initial: tuple[bool, int | None] = (False, None)

    def step(self, state: State, operation: Operation) -> State | Illegal:
        taken, last = state
        if operation.f == "acquire":
            token = self._token(operation, last)
            return ILLEGAL if taken or (last is not None and token is not None and token <= last) else (True, token)
        if operation.f == "release":
            return (False, last) if taken else ILLEGAL
        raise ModelError(self, operation)

    def _token(self, operation: Operation, last: int | None) -> int | None:
        # Nobody knows the token of an info acquire. The least it can be forbids least to those after it.
        if not operation.ok:
            return None if last is None else last + 1
        if not isinstance(operation.result, int):
            raise ModelError(self, operation)
        return operation.result

    def transition(self, operation: Operation) -> Hashable:
        return (operation.f, operation.ok, operation.result if operation.ok and operation.f == "acquire" else None)
